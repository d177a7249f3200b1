"""Following a run from async code: `async for record in run.as_completed()`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from syncra import Graph, State
from syncra.errors import RunNotFinished

LIBRARIES = ["asyncio", "trio"]


def of_three(wait: Callable[[], Any]) -> Graph:
    """Return a graph of a task that waits, one behind it, and one beside them."""
    graph = Graph("three", on_error="continue")
    graph.add(wait, name="slow")
    graph.add(lambda slow: slow, name="behind", dependencies="slow")
    graph.add(lambda: 1, name="fast")
    return graph


@pytest.mark.parametrize("library", LIBRARIES)
def test_records_come_as_tasks_end(library: str) -> None:
    """While the run goes on; nobody blocks the loop that one is waiting for."""
    told: list[str] = []

    async def main() -> None:
        gate = anyio.Event()

        async def slow() -> int:
            await gate.wait()
            return 2

        run = of_three(slow)()

        async def follow() -> None:
            async for record in run.as_completed():
                assert record.state is State.SUCCEEDED
                told.append(record.name)
                if record.name == "fast":
                    gate.set()

        async with anyio.create_task_group() as group:
            group.start_soon(follow)
            await run
        assert run["behind"] == 2

    anyio.run(main, backend=library)
    assert told == ["fast", "slow", "behind"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_all_of_a_run_that_is_over_come_at_once(library: str) -> None:
    """Those that never started, too; and each follower is told of all of them."""

    async def main() -> None:
        run = await of_three(lambda: 1 / 0)()
        for _ in range(2):
            found = {record.name: record.state async for record in run.as_completed()}
            assert found == {"slow": "failed", "behind": "skipped", "fast": "succeeded"}

    anyio.run(main, backend=library)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_run_in_the_background_is_followed_from_a_loop(library: str) -> None:
    async def main() -> None:
        run = of_three(lambda: 2).start()
        names = [record.name async for record in run.as_completed()]
        assert names.index("slow") < names.index("behind")
        assert sorted(names) == ["behind", "fast", "slow"]
        assert (await run).ok

    anyio.run(main, backend=library)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_follower_whose_loop_is_closed_leaves_the_run_alone(library: str) -> None:
    """It was woken there once; the run goes on, and ends as if nobody had looked."""
    is_followed, is_closed = threading.Event(), threading.Event()
    graph = Graph("three", executor="threads")
    graph.add(is_followed.wait, name="a", kwargs={"timeout": 10})
    graph.add(is_closed.wait, name="b", kwargs={"timeout": 10}, after="a")
    graph.add(lambda: "c", name="c", after="b")
    run = graph.start()

    async def set_when_waited_for() -> None:
        is_followed.set()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(set_when_waited_for)
            assert (await anext(run.as_completed())).name == "a"

    anyio.run(main, backend=library)
    is_closed.set()
    assert run.wait(10)
    assert dict(run) == {"a": True, "b": True, "c": "c"}


def test_a_run_that_waits_to_be_awaited_cannot_be_followed() -> None:
    """It would never begin for that, so nobody is left waiting."""

    async def main() -> None:
        run = of_three(lambda: 2)()
        with pytest.raises(RunNotFinished, match="has not started"):
            run.as_completed()
        await run

    anyio.run(main)
