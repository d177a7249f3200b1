"""How a graph is called: from scripts, threads and event loops (design 2.3)."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import signal
import threading
import warnings
from typing import Any

import anyio
import pytest
import trio
from tests_helpers import diamond

from syncra import Graph, Run
from syncra.errors import RunNotFinished


def both_loops(main: Any) -> None:
    """Run an async function under asyncio and under trio."""
    asyncio.run(main())
    trio.run(main)


def test_a_call_in_a_script_blocks() -> None:
    """`graph(...)` returns the finished run."""
    found = diamond()(number=2)
    assert isinstance(found, Run)
    assert found.done
    assert found["end"] == 10


def test_a_call_inside_a_loop_is_awaited() -> None:
    """`await graph(...)` gives the same run, under asyncio and trio."""

    async def main() -> None:
        pending = diamond()(number=2)
        assert not pending.done
        found = await pending
        assert found is pending
        assert found["end"] == 10
        assert (await found) is found

    both_loops(main)


def test_a_run_that_is_never_awaited_warns() -> None:
    """And using its results says what to write."""

    async def main() -> None:
        pending = diamond()(number=2)
        with pytest.raises(RunNotFinished, match=r"await graph\(\.\.\.\)"):
            pending["end"]
        with pytest.raises(RunNotFinished, match=r"await graph\(\.\.\.\)"):
            pending.wait()
        assert "await it" in repr(pending)
        held = [pending]
        del pending
        with pytest.warns(RuntimeWarning, match="graph 'diamond' was never awaited"):
            held.clear()

    both_loops(main)


def test_run_blocks_inside_a_running_loop() -> None:
    """As in a notebook cell: coroutines run on a loop in another thread (fault 81)."""

    async def main() -> None:
        for executor in ("auto", "sequential", "threads"):
            found = diamond().run({"number": 2}, executor=executor)
            assert found.done
            assert found["end"] == 10

    both_loops(main)


def test_arun_and_start_inside_a_running_loop() -> None:
    """`arun` is awaited; `start` goes on by itself and can be awaited."""

    async def main() -> None:
        graph = diamond()
        assert (await graph.arun({"number": 2}))["end"] == 10
        started = graph.start({"number": 3})
        assert (await started)["end"] == 15
        assert started.done
        assert (await started) is started

    both_loops(main)


def test_awaiting_a_failed_run_raises() -> None:
    """A run started in the background raises its error when it is awaited."""

    async def main() -> None:
        graph = Graph()

        def bad() -> None:
            raise ValueError("bang")

        graph.add(bad)
        with pytest.raises(ValueError, match="bang"):
            await graph()
        with pytest.raises(ValueError, match="bang"):
            await graph.start()

    both_loops(main)


def test_the_loop_is_never_blocked() -> None:
    """While a function blocks, coroutines of the graph and of others go on."""

    async def main() -> None:
        graph = Graph()
        release = threading.Event()

        def block() -> bool:
            return release.wait(30)

        async def free() -> None:
            await anyio.sleep(0)
            release.set()

        graph.add(block)
        graph.add(free)
        assert (await graph())["block"] is True

        release.clear()
        blocked = Graph()
        blocked.add(block)
        async with anyio.create_task_group() as group:
            group.start_soon(free)
            assert (await blocked())["block"] is True

    both_loops(main)


def test_a_chain_of_coroutines_that_never_suspend_lets_others_go_on() -> None:
    """A worker yields to the loop every few milliseconds."""

    async def main() -> None:
        graph = Graph()
        end = threading.Event()

        begun = anyio.Event()

        async def spin(*_: object) -> bool:
            begun.set()
            return end.is_set()

        before: Any = ()
        for number in range(20_000):
            before = graph.add(spin, name=str(number), dependencies=before)
        graph.compiled()

        async def stop() -> None:
            await begun.wait()
            end.set()

        async with anyio.create_task_group() as group:
            group.start_soon(stop)
            found = await graph()
        assert found["0"] is False
        assert found["19999"] is True

    both_loops(main)


def test_two_awaited_runs_share_a_loop() -> None:
    """Ten runs of one graph at once on one loop."""

    async def main() -> None:
        graph = diamond()
        found: dict[int, Any] = {}

        async def one(number: int) -> None:
            found[number] = (await graph(number=number))["end"]

        async with anyio.create_task_group() as group:
            for number in range(10):
                group.start_soon(one, number)
        assert found == {number: number * 5 for number in range(10)}

    both_loops(main)


def test_a_graph_called_by_a_task_of_a_graph() -> None:
    """Sync tasks block on the inner run, async ones await it; depth 10 (fault 80)."""
    graph = diamond()
    for depth in range(10):
        inner = graph

        def call(number: int, inner: Graph = inner) -> Any:
            return inner(number=number)["end"]

        async def call_async(number: int, inner: Graph = inner) -> Any:
            return (await inner(number=number))["end"]

        graph = Graph(f"depth {depth}")
        graph.add(call_async if depth % 2 else call, name="end")
    assert graph(number=2)["end"] == 10
    assert asyncio.run(graph.arun({"number": 2}))["end"] == 10


def test_fault_59_a_run_in_another_thread_installs_no_handler() -> None:
    """It works in any thread and leaves signal handlers as they are."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    seen: list[Any] = []

    def look() -> None:
        seen.append((signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)))

    graph = Graph()
    graph.add(look)
    for executor in ("sequential", "threads", "auto"):
        thread = threading.Thread(target=graph.run, kwargs={"executor": executor})
        thread.start()
        thread.join()
    assert seen == [before] * 3

    async def main() -> None:
        await graph()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    thread.join()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_fault_83_no_live_loop_after_the_run() -> None:
    """A hundred runs leave no loop and no thread (the fixture counts files)."""
    graph = diamond()
    for number in range(50):
        graph(number=number)
        graph.run({"number": number}, executor="threads")
    for number in range(25):
        anyio.run(graph.arun, {"number": number})
        anyio.run(graph.arun, {"number": number}, backend="trio")
    gc.collect()
    loops = [
        item for item in gc.get_objects() if isinstance(item, asyncio.BaseEventLoop)
    ]
    assert [loop for loop in loops if not loop.is_closed()] == []


def test_fault_83_loop_bound_objects_work_across_tasks() -> None:
    """Coroutines of one run share the caller's loop."""

    async def main() -> None:
        lock = asyncio.Lock()
        graph = Graph()

        async def use() -> asyncio.AbstractEventLoop:
            async with lock:
                await asyncio.sleep(0)
            return asyncio.get_running_loop()

        for number in range(10):
            graph.add(use, name=str(number))
        loops = set(dict(await graph()).values())
        assert loops == {asyncio.get_running_loop()}
        assert set(dict(await graph.arun(executor="sequential")).values()) == loops

    asyncio.run(main())


def test_private_loops_last_as_long_as_the_run() -> None:
    """A sequential run in a script has one loop for all its coroutines."""
    graph = Graph()

    async def loop() -> asyncio.AbstractEventLoop:
        await asyncio.sleep(0)
        return asyncio.get_running_loop()

    def none() -> bool:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                return True
        return False

    a = graph.add(loop, name="a")
    b = graph.add(none, name="b", after=a)
    graph.add(loop, name="c", after=b)
    found = graph.run(executor="sequential")
    assert found["a"] is found["c"]
    assert found["b"] is True
    assert found["a"].is_closed()


def test_cancelling_who_waits_for_a_run_twice() -> None:
    """He waits all the same until the run is over, which his first one has ended."""
    has_begun, may_end = threading.Event(), threading.Event()

    def slow() -> None:
        has_begun.set()
        may_end.wait(10)

    graph = Graph()
    graph.add(slow)

    async def main() -> None:
        found = graph.start()
        assert has_begun.wait(10)
        is_waiting = asyncio.Event()

        async def wait() -> None:
            is_waiting.set()
            await found

        task = asyncio.create_task(wait())
        await is_waiting.wait()
        for _ in range(3):
            task.cancel()
            for _ in range(10):
                await asyncio.sleep(0)
            assert not task.done()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert found.done

    asyncio.run(main())


def test_cancelling_the_awaiting_task_ends_the_run() -> None:
    """Running coroutines are cancelled, what waits never starts."""

    async def main() -> None:
        graph = Graph()
        started = anyio.Event()
        cleaned: list[str] = []

        async def forever() -> None:
            started.set()
            try:
                await anyio.sleep_forever()
            finally:
                cleaned.append("up")

        first = graph.add(forever)
        graph.add(lambda: cleaned.append("never"), name="late", after=first)
        pending = graph()
        async with anyio.create_task_group() as group:

            async def wait() -> None:
                await pending

            group.start_soon(wait)
            await started.wait()
            group.cancel_scope.cancel()
        assert cleaned == ["up"]
        assert pending.done
        assert {record.state for record in pending.records.values()} <= {
            "cancelled",
            "skipped",
        }

    both_loops(main)


def test_fault_5_a_task_that_cancels_itself_fails() -> None:
    """Its worker goes on with the next task; the run is not cancelled."""

    async def main() -> None:
        graph = Graph(on_error="continue")

        async def raises() -> None:
            raise asyncio.CancelledError("uninvited")

        async def cancels() -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)

        async def fine() -> int:
            await asyncio.sleep(0)
            return 1

        graph.add(raises)
        graph.add(cancels)
        graph.add(fine)
        graph.add(fine, name="later", after=fine)
        found = await graph()
        assert found.records["raises"].state == "failed"
        assert found.records["cancels"].state == "failed"
        assert dict(found) == {"fine": 1, "later": 1}
        current = asyncio.current_task()
        assert current is not None
        assert current.cancelling() == 0

    asyncio.run(main())


@pytest.mark.parametrize("executor", ["sequential", "threads"])
def test_fault_65_chain_of_10_000(executor: str) -> None:
    """Nothing in it recurses, sync or async."""
    graph = Graph()

    def increase(number: int) -> int:
        return number + 1

    before = graph.add(lambda: 0, name="0")
    for number in range(1, 10_000):
        before = graph.add(increase, name=str(number), dependencies=before)
    assert graph.run(executor=executor)["9999"] == 9999


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_fault_65_chain_of_10_000_coroutines(backend: str) -> None:
    """The same on an event loop."""
    graph = Graph()

    async def increase(number: int) -> int:
        return number + 1

    before: Any = graph.add(lambda: 0, name="0")
    for number in range(1, 10_000):
        before = graph.add(increase, name=str(number), dependencies=before)

    async def main() -> None:
        assert (await graph())["9999"] == 9999

    anyio.run(main, backend=backend)


def large(shape: str, asynchronous: bool) -> Graph:
    """Return a chain or a fan-out and fan-in of 100,000 tasks."""
    graph = Graph(shape)

    def first() -> int:
        return 1

    def plain(number: int) -> int:
        return number

    async def coroutine(number: int) -> int:
        return number

    middle = coroutine if asynchronous else plain
    before: Any = graph.add(first)
    if shape == "chain":
        for number in range(100_000):
            before = graph.add(middle, name=str(number), dependencies=before)
    else:
        fan = [
            graph.add(middle, name=str(number), dependencies=before)
            for number in range(100_000)
        ]
        before = graph.add(lambda *all: sum(all), name="in", dependencies=fan)
    graph.add(lambda number: number, name="last", dependencies=before)
    return graph


@pytest.mark.parametrize("shape", ["chain", "fan"])
@pytest.mark.parametrize("executor", ["sequential", "threads", "asyncio"])
def test_100_000_tasks(shape: str, executor: str) -> None:
    """A chain and a fan-out/fan-in of 100,000 run without recursion."""
    graph = large(shape, executor == "asyncio")

    async def main() -> Run:
        return await graph()

    found = (
        asyncio.run(main()) if executor == "asyncio" else graph.run(executor=executor)
    )
    assert found["last"] == (1 if shape == "chain" else 100_000)
    assert len(found) == len(graph)


@pytest.mark.parametrize("executor", ["sequential", "threads"])
def test_blocking_in_a_loop_with_a_function_that_gives_a_coroutine(executor) -> None:
    """Nobody could see that before, and the loop of this thread is at work already."""
    place = contextvars.ContextVar("place", default="nowhere")

    async def later(fails: bool) -> str:
        await asyncio.sleep(0)
        if fails:
            raise ValueError(place.get())
        return place.get()

    graph = Graph(executor=executor, on_error="continue")
    graph.add(lambda: later(False), name="good")
    graph.add(lambda: later(True), name="bad")

    async def main() -> None:
        place.set("here")
        found = graph.run()
        assert found["good"] == "here"
        assert str(found.errors["bad"]) == "here"

    asyncio.run(main())
