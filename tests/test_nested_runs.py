"""Runs that tasks of other runs have started: who ends one ends its parts."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from tests_helpers import states_of

from syncra import Context, Graph, Run, task
from syncra.errors import TaskTimeout

#: Seconds after which a test has failed.
LIMIT = 20.0


class Inner:
    """Be a graph of a task that goes on until it is told to end, and one behind it."""

    def __init__(self, is_async: bool = False) -> None:
        self.began = threading.Event()
        self.ended = threading.Event()
        self.graph = Graph("inner")
        first = self.graph.add(self.wait_async if is_async else self.wait, name="first")
        self.graph.add(lambda: None, name="second", after=first)

    def wait(self, context: Context) -> bool:
        self.began.set()
        told = threading.Event()
        while not context.cancelled():
            told.wait(0.001)
        self.ended.set()
        return context.cancelled()

    async def wait_async(self) -> None:
        self.began.set()
        try:
            await anyio.sleep_forever()
        finally:
            self.ended.set()


def by_call(inner: Graph, runs: list[Run]) -> Callable[[], Any]:
    """Return a function that blocks on a graph."""

    def call() -> Run:
        runs.append(inner.run(on_error="continue"))
        return runs[0]

    return call


def by_start(inner: Graph, runs: list[Run]) -> Callable[[], Any]:
    """Return a function that has a graph run beside it, and waits for that."""

    def call() -> Run:
        runs.append(inner.start(on_error="continue"))
        runs[0].wait()
        return runs[0]

    return call


@pytest.mark.parametrize("is_async", [False, True], ids=["function", "coroutine"])
@pytest.mark.parametrize("begin", [by_call, by_start])
def test_cancelling_a_run_cancels_what_its_tasks_run(begin, is_async: bool) -> None:
    inner, runs = Inner(is_async), []
    outer = Graph("outer")
    outer.add(begin(inner.graph, runs), name="call")
    run = outer.start(executor="threads")
    assert inner.began.wait(LIMIT)
    run.cancel()
    assert run.wait(LIMIT)
    assert inner.ended.is_set()
    assert states_of(runs[0])["second"] == "cancelled"


@pytest.mark.parametrize("way", ["run", "arun"])
def test_what_is_awaited_ends_with_who_awaits_it(way: str) -> None:
    inner = Inner(is_async=way == "arun")
    outer = Graph("outer")

    async def call() -> Any:
        if way == "run":
            return await anyio.to_thread.run_sync(
                inner.graph.run, abandon_on_cancel=True
            )
        return await inner.graph.arun()

    outer.add(call)
    run = outer.start()
    assert inner.began.wait(LIMIT)
    run.cancel()
    assert run.wait(LIMIT)
    assert inner.ended.wait(LIMIT)


def test_a_failure_stops_what_other_tasks_run() -> None:
    """Nothing new starts within it, as in the run that has failed; clean-up does."""
    inner, runs, cleaned = Inner(), [], []
    inner.graph.add(
        lambda: cleaned.append("up"), name="clean", after="second", trigger="all_done"
    )
    outer = Graph("outer")
    outer.add(by_call(inner.graph, runs), name="call")

    def bad() -> None:
        assert inner.began.wait(LIMIT)
        raise ValueError("bang")

    outer.add(bad)
    with pytest.raises(ValueError, match="bang"):
        outer.run(executor="threads")
    assert states_of(runs[0]) == {
        "first": "succeeded",
        "second": "cancelled",
        "clean": "succeeded",
    }
    assert cleaned == ["up"]


def test_a_failure_does_not_stop_what_clean_up_runs() -> None:
    inner = Graph("inner")
    inner.add(lambda: 1, name="one")
    outer = Graph("outer")

    def bad() -> None:
        raise ValueError("bang")

    outer.add(bad)
    found: list[Run] = []
    outer.add(by_call(inner, found), name="clean", after="bad", trigger="all_done")
    with pytest.raises(ValueError, match="bang"):
        outer.run(executor="threads")
    assert found[0]["one"] == 1


@pytest.mark.parametrize("way", ["script", "service", "sequential service"])
def test_a_limit_ends_the_graph_that_a_task_is(way: str) -> None:
    """Nothing of it goes on behind the back of who was told that it is over."""
    inner = Inner()
    outer = Graph("outer", on_error="continue")
    outer.add(inner.graph, timeout=0.2)
    if way == "script":
        run = outer.run(executor="threads")
    elif way == "service":
        run = asyncio.run(outer.arun())
    else:
        run = asyncio.run(outer.arun(executor="sequential"))
    assert isinstance(run.errors["inner"], TaskTimeout)
    assert inner.ended.wait(LIMIT)


def test_a_limit_within_a_run_that_goes_on_ends_only_its_own() -> None:
    """Of two tasks that run a graph each, the other one's goes on."""
    first, second = Inner(), Inner()
    outer = Graph("outer", on_error="continue")
    runs: list[Run] = []
    outer.add(by_call(first.graph, []), name="limited", timeout=0.2)
    outer.add(by_call(second.graph, runs), name="unlimited")
    run = outer.start(executor="threads")
    assert first.ended.wait(LIMIT)
    assert second.began.wait(LIMIT)
    assert not second.ended.is_set()
    run.cancel()
    assert run.wait(LIMIT)
    assert second.ended.is_set()


@pytest.mark.parametrize("end", ["cancel", "failure"])
def test_a_graph_that_was_cut_short_has_not_succeeded(end: str) -> None:
    inner = Inner()
    outer = Graph("outer")
    outer.add(inner.graph)

    def bad() -> None:
        assert inner.began.wait(LIMIT)
        raise ValueError("bang")

    if end == "failure":
        outer.add(bad)
    run = outer.start(executor="threads")
    assert inner.began.wait(LIMIT)
    if end == "cancel":
        run.cancel()
    assert run.wait(LIMIT)
    assert run.records["inner"].state == "cancelled"


def test_nothing_starts_within_a_run_that_was_cancelled() -> None:
    began, go, done = threading.Event(), threading.Event(), []
    inner = Graph("inner")
    inner.add(lambda: done.append("never"), name="one")
    outer = Graph("outer")

    @task(graph=outer)
    def late() -> Any:
        began.set()
        assert go.wait(LIMIT)
        return inner.run()["one"]

    run = outer.start(executor="threads")
    assert began.wait(LIMIT)
    run.cancel()
    go.set()
    assert run.wait(LIMIT)
    assert states_of(run) == {"late": "cancelled"}
    assert done == []


def test_runs_that_are_over_are_not_kept_by_the_one_around_them() -> None:
    """A task that goes on for days may run graphs by the million."""
    inner = Graph("inner")
    inner.add(lambda: None, name="nothing")
    alive: weakref.WeakSet[Run] = weakref.WeakSet()
    most = []

    def call_often() -> None:
        for _ in range(300):
            alive.add(inner.run())
            most.append(len(alive))

    outer = Graph("outer")
    outer.add(call_often)
    outer.run(executor="sequential")
    gc.collect()
    assert len(alive) == 0
    assert max(most) < 150
