"""The contract of a run, the same in every way to run a graph."""

from __future__ import annotations

import contextvars
import gc
import sys
import threading
import time
import traceback
import weakref
from typing import Any

import anyio
import process_tasks
import pytest
from tests_helpers import diamond

import syncra
from syncra import Coroutines, Graph, Processes, Sequential, State, Threads
from syncra.errors import (
    ResultNotKept,
    RunNotFinished,
    TaskCancelled,
    TaskNotFoundError,
    TaskSkipped,
)


def test_results_reach_dependants(run) -> None:
    """A diamond of functions and coroutines gives what the plain calls would."""
    graph = diamond()
    found = run(graph, {"number": 3})
    assert dict(found) == {"start": 3, "left": 6, "right": 9, "end": 15}
    assert found[graph["end"]] == found["end"] == 15
    assert found[graph["end"].function] == 15
    assert list(found) == ["start", "left", "right", "end"]
    assert len(found) == 4
    assert "end" in found
    assert graph["end"] in found
    assert found.done
    assert found.ok
    assert found.graph == "diamond"
    assert len(found.id) == 16
    assert repr(found) == "<Run of graph 'diamond': 4 succeeded>"


def test_no_task_starts_before_its_dependencies(run) -> None:
    """In a layered graph every task sees the results of its layer above (I2)."""
    graph = Graph()
    layers: list[list[Any]] = [[graph.add(lambda: 1, name=f"0.{n}") for n in range(8)]]

    def join(*above: int) -> int:
        return sum(above)

    async def join_async(*above: int) -> int:
        await anyio.sleep(0)
        return sum(above)

    for layer in range(1, 6):
        layers.append(
            [
                graph.add(
                    join if n % 2 else join_async,
                    name=f"{layer}.{n}",
                    dependencies=layers[-1],
                )
                for n in range(8)
            ]
        )
    assert run(graph)["5.0"] == 8**5


@pytest.mark.shares_memory
def test_a_failure_raises_the_original_exception(run) -> None:
    """With a note naming task and graph, and a traceback that starts at the task."""
    graph = Graph("etl")

    class Boom(Exception):
        pass

    error = Boom("bang")

    def inner() -> None:
        raise error

    def extract() -> None:
        inner()

    graph.add(extract)
    graph.add(lambda x: x, name="load", dependencies=extract)
    with pytest.raises(Boom) as caught:
        run(graph)
    assert caught.value is error
    text = "".join(traceback.format_exception(caught.value))
    assert "raised by task 'extract' of graph 'etl'" in text
    frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert frames[-2:] == ["extract", "inner"]


def test_a_failing_coroutine_raises_too(run) -> None:
    """Its error is that of the task, wherever the coroutine ran."""
    graph = Graph("etl")

    async def extract() -> None:
        await anyio.sleep(0)
        raise ValueError("bang")

    graph.add(extract)
    with pytest.raises(ValueError, match="bang") as caught:
        run(graph)
    assert caught.value.__notes__ == ["raised by task 'extract' of graph 'etl'"]


def test_continue_keeps_other_branches(run) -> None:
    """Nothing is raised; dependants are skipped and name the cause (I8)."""
    graph = Graph("etl")

    def bad() -> None:
        raise ValueError("bang")

    graph.add(bad)
    graph.add(lambda: 1, name="good")
    graph.add(lambda x: x, name="after_bad", dependencies="bad")
    graph.add(lambda x: x, name="far_after_bad", dependencies="after_bad")
    graph.add(lambda x: x + 1, name="after_good", dependencies="good")
    found = run(graph, on_error="continue")
    assert dict(found) == {"good": 1, "after_good": 2}
    assert not found.ok
    assert found.done
    states = {name: record.state for name, record in found.records.items()}
    assert states == {
        "bad": State.FAILED,
        "good": State.SUCCEEDED,
        "after_bad": State.SKIPPED,
        "far_after_bad": State.SKIPPED,
        "after_good": State.SUCCEEDED,
    }
    assert found.records["far_after_bad"].skipped_because == ("bad",)
    with pytest.raises(ValueError, match="bang"):
        found["bad"]
    with pytest.raises(TaskSkipped, match="because of 'bad'") as caught:
        found["far_after_bad"]
    assert caught.value.because == ("bad",)
    assert "bad" not in found
    assert list(found.errors) == ["bad"]
    with pytest.raises(ExceptionGroup, match="1 of 5 tasks") as group:
        found.raise_for_errors()
    assert group.value.exceptions == (found.errors["bad"],)


def test_get_gives_the_default_for_whatever_has_no_result() -> None:
    """Also for what has raised something else than a KeyError."""
    graph = Graph("get", on_error="continue")
    good = graph.add(lambda: 1, name="good")
    bad = graph.add(lambda: {}[1], name="bad")
    worse = graph.add(lambda: 1 / 0, name="worse")
    after = graph.add(lambda bad: bad, name="after", dependencies=bad)
    run = graph()

    assert [run.get(task) for task in (good, "good", bad, worse, after)] == [
        *(1, 1, None, None, None),
    ]
    assert run.get("after", "none") == run.get("nobody", "none") == "none"
    with pytest.raises(ZeroDivisionError):
        run[worse]
    with pytest.raises(ResultNotKept):  # there was one, so that no default fits
        graph.run(keep=[]).get(good, 7)


def test_get_of_a_run_that_goes_on_is_a_mistake() -> None:
    begin = threading.Event()
    graph = Graph("get")
    wait = graph.add(begin.wait, name="wait")
    run = graph.start()
    try:
        with pytest.raises(RunNotFinished):
            run.get(wait)
    finally:
        begin.set()
        run.wait()

    assert run.get(wait) is True
    with pytest.raises(ResultNotKept):
        graph.run(keep=[]).get(wait)


def test_raising_a_kept_error_again_does_not_make_it_grow(run) -> None:
    """Each look at a failed task shows the same traceback."""
    graph = Graph()

    def bad() -> None:
        raise ValueError("bang")

    graph.add(bad)
    found = run(graph, on_error="continue")
    lengths = set()
    for _ in range(3):
        with pytest.raises(ValueError, match="bang") as caught:
            found["bad"]
        lengths.add(len(traceback.extract_tb(caught.value.__traceback__)))
    assert len(lengths) == 1


@pytest.mark.shares_memory
def test_after_a_failure_nothing_new_starts(run) -> None:
    """What had not started is cancelled; the run ends."""
    graph = Graph()
    ran: list[str] = []

    def bad() -> None:
        ran.append("bad")
        raise ValueError("bang")

    first = graph.add(bad)
    for number in range(50):
        graph.add(lambda: ran.append("late"), name=f"late{number}", after="gate")
    graph.add(lambda: None, name="gate", after=first)
    with pytest.raises(ValueError, match="bang"):
        run(graph)
    assert ran == ["bad"]


def test_records_tell_what_became_of_each_task(run) -> None:
    """Aware times, durations that are never negative, attempts, worker, executor."""
    graph = diamond()
    found = run(graph, {"number": 3})
    records = found.records
    assert list(records) == ["start", "left", "right", "end"]
    for record in records.values():
        assert record.state is State.SUCCEEDED
        assert record.started_at is not None
        assert record.started_at.utcoffset() is not None
        assert record.duration is not None
        assert record.duration >= 0
        assert [attempt.error for attempt in record.attempts] == [None]
        assert record.error is None
        assert record.traceback is None
        assert record.worker
        assert record.executor in {
            "sequential",
            "threads",
            "coroutines",
            "dask",
            "processes",
            "ray",
            "ThreadPoolExecutor",
        }
    assert records["end"].started_at >= records["start"].started_at


def test_a_record_holds_error_and_traceback(run) -> None:
    """As objects and as text."""
    graph = Graph()

    def bad() -> None:
        raise ValueError("bang")

    graph.add(bad)
    record = run(graph, on_error="continue").records["bad"]
    assert record.state == "failed"
    assert isinstance(record.error, ValueError)
    assert "in bad" in (record.traceback or "")
    assert record.attempts[0].error is record.error


def test_a_task_that_the_run_does_not_have(run) -> None:
    """Is a KeyError with the nearest name."""
    found = run(diamond(), {"number": 1})
    with pytest.raises(TaskNotFoundError, match=r"Did you mean 'left'\?"):
        found["lefd"]
    with pytest.raises(KeyError):
        found[Graph().add(lambda: 1, name="left")]
    assert "lefd" not in found
    assert found.get("lefd") is None


@pytest.mark.shares_memory
def test_fault_82_contextvars(run) -> None:
    """Each task sees the caller's values, and its own changes stay its own."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("caller")
    graph = Graph()

    def change() -> str:
        before = variable.get()
        variable.set("changed")
        return before

    async def change_async() -> list[str]:
        seen = [variable.get()]
        variable.set("changed by coroutine")
        await anyio.sleep(0.001)
        seen.append(variable.get())
        return seen

    first = graph.add(change)
    second = graph.add(change_async, after=first)
    graph.add(change, name="again", after=second)
    found = run(graph)
    assert found["change"] == "caller"
    assert found["change_async"] == ["caller", "changed by coroutine"]
    assert found["again"] == "caller"
    assert variable.get() == "caller"


@pytest.mark.shares_memory
def test_fault_78_a_graph_changed_while_it_runs(run) -> None:
    """The run goes on as it began; the next run sees the change."""
    graph = Graph()

    def grow() -> None:
        graph.add(lambda: 2, name=f"new{len(graph)}")

    graph.add(grow)
    assert list(run(graph)) == ["grow"]
    assert list(run(graph)) == ["grow", "new1"]


def test_fault_79_eight_threads_and_two_loops_at_once() -> None:
    """One graph, ten independent runs at a time, many times over."""
    graph = diamond()
    wrong: list[object] = []
    start = threading.Barrier(10)

    def check(found: Any, number: int) -> None:
        if found["end"] != number * 5:
            wrong.append((number, dict(found)))

    def in_thread(number: int) -> None:
        start.wait()
        for step in range(20):
            check(graph.run({"number": number + step}), number + step)

    async def in_loop(number: int) -> None:
        for step in range(20):
            check(await graph(number=number + step), number + step)

    def loop(number: int, backend: str) -> None:
        start.wait()
        anyio.run(in_loop, number, backend=backend)

    threads = [threading.Thread(target=in_thread, args=(n,)) for n in range(8)]
    threads += [
        threading.Thread(target=loop, args=(n, backend))
        for n, backend in enumerate(["asyncio", "trio"])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_fault_84_the_order_of_a_sequential_run_is_always_the_same() -> None:
    """It is that of `graph.order()`, whatever ran before."""
    graph = Graph()
    trace: list[str] = []

    def note(name: str) -> Any:
        return lambda *_: trace.append(name)

    names = [f"t{number}" for number in range(40)]
    for number, name in enumerate(names):
        before = [names[other] for other in range(number) if (number * other) % 7 == 3]
        graph.add(note(name), name=name, dependencies=before)
    expected = [task.name for task in graph.order()]
    for _ in range(5):
        trace.clear()
        graph.run(executor="sequential")
        assert trace == expected


def test_executor_per_task(run) -> None:
    """Lanes mix: in place, in threads, on the loop, in one run."""
    graph = Graph()

    async def on_loop() -> str:
        await anyio.sleep(0)
        return threading.current_thread().name

    def name(*_: object) -> str:
        return threading.current_thread().name

    a = graph.add(name, name="a", executor="threads")
    b = graph.add(on_loop, dependencies=())
    c = graph.add(name, name="c", executor="sequential", dependencies=[a, b])
    graph.add(on_loop, name="d", executor="threads", after=c)
    graph.add(name, name="e", executor="auto", dependencies=["d"])
    found = run(graph)
    assert len(found) == 5
    assert found.records["a"].executor == "threads"
    assert found.records["c"].executor == "sequential"


def test_one_run_mixes_all_executors(run) -> None:
    """Coroutines, threads and processes; the results go from one to the other."""
    graph = Graph()

    async def numbers(count: int) -> list[int]:
        await anyio.sleep(0)
        return list(range(count))

    graph.add(numbers, name="numbers")
    for number in range(20):
        graph.add(
            process_tasks.size_of,
            name=f"process{number}",
            dependencies="numbers",
            executor="processes",
        )
        graph.add(
            lambda x: x + 1,
            name=f"thread{number}",
            dependencies=f"process{number}",
            executor="threads",
        )
    graph.add(
        lambda *sizes: sum(sizes),
        name="total",
        dependencies=[f"thread{number}" for number in range(20)],
        executor="sequential",
    )
    found = run(graph, {"count": 9})
    assert found["total"] == 200
    executors = {found.records[name].executor for name in found}
    assert {"processes", "threads", "sequential"} <= executors


@pytest.mark.parametrize("library", ["asyncio", "trio"])
def test_processes_do_not_block_the_loop(library) -> None:
    """While a process is busy, and while it begins, the loop goes on."""
    graph = Graph(executor="processes")
    graph.add(process_tasks.sleep, kwargs={"seconds": 0.3})
    Processes().close()
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await anyio.sleep(0.001)
            turns += 1

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(count)
            await graph.arun()
            group.cancel_scope.cancel()

    anyio.run(main, backend=library)
    assert turns > 20


@pytest.mark.shares_memory
def test_wide_coroutines_all_wait_at_once(run, request) -> None:
    """A hundred coroutines that wait for one another all get a worker."""
    if "auto" not in request.node.callspec.id and "io" not in request.node.callspec.id:
        pytest.skip("not on an event loop")
    if (
        "sequential" in request.node.callspec.id
        or "threads" in request.node.callspec.id
    ):
        pytest.skip("one at a time, or in threads")
    graph = Graph()
    arrived = 0
    events: list[anyio.Event] = []

    async def meet() -> int:
        nonlocal arrived
        if not events:
            events.append(anyio.Event())
        arrived += 1
        if arrived == 100:
            events[0].set()
        await events[0].wait()
        return arrived

    for number in range(100):
        graph.add(meet, name=str(number))
    assert set(dict(run(graph)).values()) == {100}


def gil_enabled() -> bool:
    """Return whether this interpreter has its global lock."""
    return getattr(sys, "_is_gil_enabled", lambda: True)()


def test_results_are_freed_with_the_run(run, request) -> None:
    """No circle of references keeps them until the garbage collector comes."""
    if not gil_enabled():
        pytest.skip("not so without the GIL yet")

    class Value:
        pass

    graph = Graph()

    async def pass_on(value: Value) -> Value:
        await anyio.sleep(0)
        return value

    graph.add(Value, name="make")
    graph.add(pass_on, dependencies="make")
    graph.add(
        lambda value, context: value,
        name="end",
        dependencies="pass_on",
        kwargs={"context": None},
    )
    gc.disable()
    try:
        found = run(graph)
        value = weakref.ref(found["end"])
        assert value() is not None
        del found
        # A worker thread lets go of the run a moment after the run is over.
        deadline = time.monotonic() + 10
        while value() is not None and time.monotonic() < deadline:
            time.sleep(0.001)
        assert value() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "executor", [Sequential(), Coroutines(), Threads(3), Processes(2, "spawn")]
)
def test_an_executor_is_shown_as_it_is_made(executor) -> None:
    """What is printed of a graph or an error can be pasted."""
    shown = repr(executor)
    again = eval(shown, {name: getattr(syncra, name) for name in syncra.__all__})
    assert type(again) is type(executor)
    assert repr(again) == shown


def test_threads_really_run_at_once() -> None:
    """As many functions as there are workers meet at a barrier."""
    graph = Graph()
    barrier = threading.Barrier(4)
    for number in range(8):
        graph.add(lambda: barrier.wait(30), name=str(number))
    found = graph.run(executor=Threads(4))
    assert len(found) == 8
    assert len({record.worker for record in found.records.values()}) == 4


def test_threads_keep_to_their_number() -> None:
    """No more than max_workers functions run at once; threads are reused."""
    graph = Graph()
    running = highest = 0
    lock = threading.Lock()
    go = threading.Event()

    def work() -> None:
        nonlocal running, highest
        with lock:
            running += 1
            highest = max(highest, running)
        go.wait(0.01)
        with lock:
            running -= 1

    for number in range(30):
        graph.add(work, name=str(number))
    for _ in range(3):
        graph.run(executor=Threads(3))
    assert 1 <= highest <= 3
    with pytest.raises(ValueError, match="at least 1"):
        Threads(0)
    with pytest.raises(TypeError, match="positive int"):
        Threads(True)


def test_what_a_run_cannot_tell_yet() -> None:
    """Before its end a task has no result, and says to wait."""
    graph = Graph()
    go = threading.Event()
    graph.add(go.wait, name="wait", kwargs={"timeout": 30})
    found = graph.start()
    with pytest.raises(RunNotFinished, match="not over yet"):
        found["wait"]
    assert not found.done
    assert not found.ok
    assert not found.wait(0)
    go.set()
    assert found.wait(30)
    assert found["wait"] is True


def test_a_cancelled_task_says_so() -> None:
    """Under "raise" what did not start has no result but an explanation."""
    graph = Graph("g")

    def bad() -> None:
        raise ValueError("bang")

    graph.add(bad)
    graph.add(lambda: 1, name="other")
    found = graph.start(executor="sequential")
    assert found.wait(30)
    with pytest.raises(TaskCancelled, match="'other' of graph 'g' was cancelled"):
        found["other"]


def test_threads_of_one_name_may_run_coroutines_at_once() -> None:
    """What runs where is known by more than the names that programs give."""
    graph = Graph(executor="sequential")
    both_run = threading.Barrier(2)

    @graph.task
    async def meet() -> str:
        both_run.wait(10)
        return "met"

    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(graph.run()[meet]), name="worker")
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["met", "met"]


def test_looking_whether_a_run_is_over_keeps_nothing() -> None:
    """However often somebody has waited for a moment in vain."""
    may_end = threading.Event()
    graph = Graph()
    graph.add(may_end.wait, kwargs={"timeout": 10})
    found = graph.start()
    assert not found.wait(0)
    before = sys.getallocatedblocks()
    for _ in range(10_000):
        assert not found.wait(0)
    assert sys.getallocatedblocks() - before < 1_000
    may_end.set()
    assert found.wait(10)
