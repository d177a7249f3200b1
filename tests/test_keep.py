"""`keep=`: which results a run keeps, and when it lets go of the others."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
import weakref
from queue import SimpleQueue
from typing import Any, ClassVar

import anyio
import pytest
from tests_helpers import in_a_script

from syncra import Context, Graph, Retry, Run
from syncra.errors import ResultNotKept, TaskNotFoundError

HAS_GIL = getattr(sys, "_is_gil_enabled", lambda: True)()
#: Where whoever ends a task is who begins the next one.
ONE_WORKER = ("sequential", "one-thread")


class Big:
    """Stand for a result that takes much memory, and know how many there are."""

    alive: ClassVar[weakref.WeakSet[Big]] = weakref.WeakSet()

    def __init__(self) -> None:
        self.alive.add(self)


@pytest.fixture
def no_collector() -> Any:
    """Have results freed by what lets go of them, not by the garbage collector."""
    if not HAS_GIL:
        pytest.skip("without the GIL what several threads had is freed later")
    Big.alive.clear()
    gc.disable()
    yield
    gc.enable()


def left_after_a_moment() -> int:
    """Return how many there are when the thread that has just reported is through.

    In its frame is the result that it has reported, until it turns to something else.
    """
    deadline = time.monotonic() + 10
    while Big.alive and time.monotonic() < deadline:
        time.sleep(0.001)
    return len(Big.alive)


def chain(length: int, most: list[int], is_async: bool = False) -> Graph:
    """Return a chain of big results in which each task notes how many there are."""
    graph = Graph("chain")

    def first() -> Big:
        return Big()

    def step(before: Big) -> Big:
        most.append(len(Big.alive))
        return Big()

    async def step_async(before: Big) -> Big:
        await anyio.sleep(0)
        return step(before)

    task = graph.add(first)
    for number in range(length):
        function: Any = step_async if is_async else step
        task = graph.add(function, name=f"step{number}", dependencies=task)
    return graph


def letters() -> Graph:
    """Return a graph with one root, two branches and an end."""
    graph = Graph("letters")
    graph.add(lambda: "a", name="a")
    graph.add(lambda a: a + "b", name="b", dependencies="a")
    graph.add(lambda a: a + "c", name="c", dependencies="a")
    graph.add(lambda b, c: b + c, name="d", dependencies=("b", "c"))
    return graph


@pytest.mark.shares_memory
@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("is_async", [False, True])
def test_fault_70_a_chain_holds_one_result_at_a_time(run, is_async, request) -> None:
    """Beside the one that is being made: when a task runs, only its own is there."""
    most: list[int] = []
    found = run(chain(50, most, is_async), keep="targets")
    if request.node.callspec.params["run"] in ONE_WORKER:
        assert set(most) == {1}
    # A thread that has just reported may not yet have let go of what it had.
    assert max(most) <= 3
    assert list(found) == ["step49"]
    del found
    assert left_after_a_moment() == 0


@pytest.mark.shares_memory
@pytest.mark.usefixtures("no_collector")
def test_without_it_all_are_kept(run) -> None:
    most: list[int] = []
    found = run(chain(20, most))
    assert most == list(range(1, 21))
    assert len(found) == 21


def test_what_a_run_has_are_the_results_it_keeps(run) -> None:
    found = run(letters(), keep="targets")
    assert dict(found) == {"d": "abac"}
    assert len(found) == 1
    assert "d" in found
    assert "a" not in found
    assert found.ok
    assert str(found.records["a"].state) == "succeeded"
    with pytest.raises(ResultNotKept, match=r"task 'a' of graph 'letters'.*keep="):
        found["a"]


@pytest.mark.parametrize("keep", ["b", ["b", "d"], "all"])
def test_results_named_one_by_one(run, keep) -> None:
    graph = letters()
    wanted = {"a": "a", "b": "ab", "c": "ac", "d": "abac"}
    names = {"b": {"b"}, "all": set(wanted)}.get(str(keep), {"b", "d"})
    found = run(graph, keep=keep)
    assert dict(found) == {name: wanted[name] for name in wanted if name in names}


def test_tasks_and_functions_name_results_too() -> None:
    graph = Graph()

    def one() -> int:
        return 1

    task = graph.add(one)
    graph.add(lambda one: one + 1, name="two", dependencies=task)
    assert dict(graph.run(keep=task)) == {"one": 1}
    assert dict(graph.run(keep=[one])) == {"one": 1}
    assert dict(graph.run(keep=[])) == {}


@pytest.mark.parametrize("trigger", ["all_done", "any_failed"])
def test_an_alarm_or_cleanup_takes_no_result_away(trigger: str) -> None:
    """The last result stays the last one when something watches it."""
    graph = letters()
    there = set(graph.run(keep="targets"))
    after = list(graph)

    @graph.task(after=after, trigger=trigger)
    def watch(context: Context) -> None: ...

    @graph.task(after=watch, trigger="all_done")
    def watch_the_watchmen() -> None: ...

    assert there
    assert there <= set(graph.run(keep="targets"))


def test_cleanup_that_takes_a_result_is_the_last_task() -> None:
    graph = Graph()
    graph.add(lambda: "handle", name="open")
    graph.add(str.upper, name="close", dependencies="open", trigger="all_done")

    assert dict(graph.run(keep="targets")) == {"close": "HANDLE"}


def test_targets_are_those_of_the_run() -> None:
    found = letters().run(targets=["b", "c"], keep="targets")
    assert dict(found) == {"b": "ab", "c": "ac"}


def test_what_is_not_there_cannot_be_kept() -> None:
    """Said before anything runs."""
    graph = letters()
    with pytest.raises(TaskNotFoundError, match="'x'"):
        graph.run(keep="x")
    with pytest.raises(TaskNotFoundError, match="Did you mean 'targets'"):
        graph.run(keep="target")
    for wrong in (None, 5):
        with pytest.raises(TypeError, match='keep is "all", "targets", or'):
            graph.run(keep=wrong)  # type: ignore[arg-type]
    with pytest.raises(TaskNotFoundError, match="result of task 'd'"):
        graph.run(targets="b", keep="d")


@pytest.mark.shares_memory
@pytest.mark.usefixtures("no_collector")
def test_dropped_after_the_last_of_several_readers(run) -> None:
    graph = Graph()
    seen: dict[str, int] = {}
    graph.add(Big, name="big")
    graph.add(lambda big: None, name="one", dependencies="big")

    def between() -> None:
        seen["between"] = len(Big.alive)

    def end() -> None:
        seen["end"] = left_after_a_moment()

    graph.add(between, after="one")
    graph.add(lambda big: None, name="two", dependencies="big", after=between)
    graph.add(end, after="two")
    run(graph, keep="targets")
    assert seen == {"between": 1, "end": 0}


@pytest.mark.shares_memory
@pytest.mark.usefixtures("no_collector")
def test_dropped_at_once_if_nobody_reads_it(run) -> None:
    """That a task comes after another one does not mean that it takes its result."""
    graph = Graph()
    seen = []
    graph.add(Big, name="big")
    graph.add(lambda: seen.append(left_after_a_moment()), name="look", after="big")
    run(graph, keep="targets")
    assert seen == [0]


@pytest.mark.shares_memory
@pytest.mark.usefixtures("no_collector")
def test_readers_that_are_skipped_let_go_too(run) -> None:
    graph = Graph()
    seen = []

    def bad() -> None:
        raise ValueError("bang")

    graph.add(Big, name="big")
    graph.add(bad, after="big")
    graph.add(lambda big, bad: None, name="reader", dependencies=("big", "bad"))
    graph.add(lambda reader: None, name="behind", dependencies="reader")
    graph.add(
        lambda: seen.append(left_after_a_moment()),
        name="look",
        after="behind",
        trigger="all_done",
    )
    found = run(graph, keep="targets", on_error="continue")
    assert str(found.records["reader"].state) == "skipped"
    assert seen == [0]


def test_a_reader_that_is_tried_again_finds_it_there(run) -> None:
    graph = Graph()
    graph.add(lambda: "value", name="value")

    def reader(value: str, context: Context) -> str:
        if context.attempt < 3:
            raise OSError("busy")
        return value

    graph.add(reader, dependencies="value", retry=Retry(3, backoff=0))
    assert run(graph, keep="targets")["reader"] == "value"


def test_the_context_reads_all_that_its_task_depends_on(run) -> None:
    graph = letters()

    def total(context: Context) -> str:
        return "".join(context.results.values())

    graph.add(total, dependencies=("b", "c", "d"))
    assert dict(run(graph, keep="targets")) == {"total": "abacabac"}


def test_parts_of_results(run) -> None:
    graph = Graph()
    parts = graph.add(lambda: ("x", "y"), name="parts", outputs=("left", "right"))
    graph.add(lambda left: left, name="one", dependencies=parts["left"])
    graph.add(lambda right: right, name="two", dependencies=parts, after="one")
    assert dict(run(graph, keep=["one", "two"])) == {"one": "x", "two": "y"}


@pytest.mark.shares_memory
def test_what_may_have_to_be_undone_is_there_for_it(run) -> None:
    """And gone afterwards."""
    graph = Graph(on_error="rollback")
    undone = []
    graph.add(lambda: "money", name="charge").rollback(undone.append)

    def bad(charge: str) -> None:
        raise ValueError("bang")

    graph.add(lambda charge: None, name="reader", dependencies="charge")
    graph.add(bad, dependencies="charge", after="reader")
    with pytest.raises(ValueError, match="bang"):
        run(graph, keep="targets")
    assert undone == ["money"]


@pytest.mark.usefixtures("no_collector")
def test_what_need_not_be_undone_is_gone_at_the_end() -> None:
    graph = Graph(on_error="rollback")
    graph.add(Big, name="big").rollback(lambda big: None)
    graph.add(lambda big: None, name="reader", dependencies="big")
    found = graph.run(keep="targets")
    assert isinstance(found, Run)
    assert not Big.alive


MEMORY = """
import asyncio
from syncra import Graph, Processes

SIZE = 10_000_000

def first():
    return bytes(SIZE)

def step(before):
    return bytes(len(before))

async def first_async():
    return bytes(SIZE)

async def step_async(before):
    await asyncio.sleep(0)
    return bytes(len(before))

def build(first, step):
    graph = Graph("chain")
    task = graph.add(first)
    for number in range(COUNT - 1):
        task = graph.add(step, name=str(number), dependencies=task)
    return graph, task

def peak():
    with open("/proc/self/status") as lines:
        found = [line for line in lines if line.startswith("VmHWM")]
    return int(found[0].split()[1]) * 1024

def main():
    if EXECUTOR == "loop":
        graph, last = build(first_async, step_async)
        before = peak()
        run = asyncio.run(graph.arun(keep="targets"))
    else:
        graph, last = build(first, step)
        before = peak()
        run = graph.run(executor=EXECUTOR, keep="targets")
    grown = peak() - before
    assert len(run[last]) == SIZE
    assert grown <= FEW * SIZE, grown

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize(
    ("executor", "count"),
    # It takes some 20 s to send 20 GB; the first 200 would show it too.
    [
        ("threads", 1000),
        ("loop", 1000),
        ("processes", int(os.environ.get("SYNCRA_LARGE_RESULTS", "200"))),
    ],
)
def test_fault_70_1_000_results_of_10_megabytes(executor, count, tmp_path) -> None:
    """In the memory of a few."""
    script = tmp_path / "script.py"
    # Without the GIL what several threads had is freed later, but it is freed.
    text = MEMORY.replace("EXECUTOR", repr(executor)).replace("COUNT", str(count))
    text = text.replace("FEW", "6" if HAS_GIL else "60")
    script.write_text(text)
    in_a_script(f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')")


def test_targets_given_one_after_another() -> None:
    found = letters().run(targets=iter(["b"]), keep="targets")
    assert dict(found) == {"b": "ab"}


def test_who_was_given_up_still_finds_what_it_reads() -> None:
    """Its thread goes on, though nobody waits for it."""
    graph = Graph(on_error="continue")
    go, seen = threading.Event(), []
    over = threading.Event()

    def late(context: Context) -> None:
        go.wait(30)
        seen.append(dict(context.results))
        over.set()

    graph.add(lambda: "value", name="value")
    graph.add(late, dependencies="value", timeout=0.05)
    found = graph.run(keep=[])
    assert found.records["late"].abandoned
    go.set()
    assert over.wait(30)
    assert seen == [{"value": "value"}]


@pytest.mark.usefixtures("no_collector")
def test_what_was_undone_is_freed_with_its_run() -> None:
    """Without the garbage collector: nothing of a run is in a circle."""
    graph = Graph(on_error="rollback")
    graph.add(Big, name="big").rollback(lambda big: None)

    def bad(big: Big) -> None:
        raise ValueError("bang")

    graph.add(bad, dependencies="big")
    with pytest.raises(ValueError, match="bang") as caught:
        graph.run(executor="sequential")
    caught.value.__traceback__ = None
    del caught
    assert not Big.alive


@pytest.mark.usefixtures("no_collector")
def test_what_a_function_took_that_failed_beside_an_event_loop_is_freed() -> None:
    """Where it ran in a thread that its loop awaited, and the run has its error."""
    graph = Graph(on_error="continue", executor="sequential")
    graph.add(Big, name="big")

    def bad(big: Big) -> None:
        raise ValueError("bang")

    graph.add(bad, dependencies="big")

    async def main() -> None:
        assert (await graph()).records["bad"].state == "failed"

    anyio.run(main)
    assert left_after_a_moment() == 0


def test_a_run_that_was_told_too_late_to_end_is_freed() -> None:
    """A thread does not keep for a coroutine to come what was meant for the last."""
    Big.alive.clear()
    graph = Graph(on_error="continue", executor="threads")
    graph.add(Big, name="big")
    runs: SimpleQueue[Run] = SimpleQueue()

    def cancel(error: BaseException) -> bool:
        runs.get().cancel()
        return False

    @graph.task(dependencies="big", retry=Retry(2, on=cancel))
    async def bad(big: Big) -> None:
        raise ValueError("bang")

    run = graph.start()
    runs.put(run)
    assert run.wait(10)
    assert isinstance(run.errors["bad"], ValueError)
    del run
    deadline = time.monotonic() + 10
    while Big.alive and time.monotonic() < deadline:
        gc.collect()
    assert not Big.alive
