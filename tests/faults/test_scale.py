"""Size and repetition: faults 67 to 71, 73 and 80 of the catalogue."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from tests_helpers import in_a_script

from syncra import Graph, Run, State
from syncra.errors import TaskNotFoundError


def bad() -> None:
    raise ValueError("bang")


async def bad_async() -> None:
    raise ValueError("bang")


def pass_on(value: Any) -> Any:
    return value


async def pass_on_async(value: Any) -> Any:
    return value


def chain(size: int, is_async: bool = False) -> Graph:
    """Return a failing task and a chain of `size` tasks behind it."""
    graph = Graph("chain")
    before: Any = graph.add(bad_async if is_async else bad, name="root")
    function: Any = pass_on_async if is_async else pass_on
    for number in range(size):
        before = graph.add(function, name=str(number), dependencies=before)
    return graph


def fan(size: int, is_async: bool = False) -> Graph:
    """Return a failing task, `size` tasks that depend on it, and one on all of them."""
    graph = Graph("fan")
    root = graph.add(bad_async if is_async else bad, name="root")
    function: Any = pass_on_async if is_async else pass_on
    middle = [
        graph.add(function, name=str(number), dependencies=root)
        for number in range(size - 1)
    ]
    graph.add(lambda *_: None, name=str(size - 1), dependencies=middle)
    return graph


def check_all_skipped(found: Run, size: int) -> None:
    assert found.done
    assert not found.ok
    progress = found.progress
    assert (progress.failed, progress.skipped) == (1, size)
    assert progress.total == progress.over == size + 1
    records = found.records
    for name in ("0", str(size // 2), str(size - 1)):
        assert records[name].state is State.SKIPPED
        assert records[name].skipped_because == ("root",)
    assert len(list(found.as_completed())) == size + 1
    report = found.report().to_dict()["tasks"]
    assert len(report) == size + 1
    assert report[-1]["skipped_because"] == ["root"]
    text = str(found)
    assert "ValueError: bang" in text
    assert text.count("\n") < 250
    with pytest.raises(ExceptionGroup, match=f"1 of {size + 1} tasks"):
        found.raise_for_errors()


@pytest.mark.parametrize("size", [10_000, 100_000])
@pytest.mark.parametrize("shape", [chain, fan])
def test_fault_69_a_failure_at_the_root_of_all(shape, size) -> None:
    """All dependants are skipped and name it; deep or wide, nothing recurses."""
    graph = shape(size)
    found = graph.run(on_error="continue", executor="sequential")
    check_all_skipped(found, size)
    del found
    with pytest.raises(ValueError, match="bang"):
        graph.run()


@pytest.mark.parametrize("shape", [chain, fan])
def test_fault_69_in_every_way_to_run(run, shape) -> None:
    """The same in threads and on loops."""
    for is_async in (False, True):
        found = run(shape(500, is_async), on_error="continue")
        check_all_skipped(found, 500)


MANY_CAUSES = """
import resource
from syncra import Graph

def bad():
    raise ValueError("bang")

graph = Graph()
before = []
for number in range(6_000):
    failing = graph.add(bad, name=f"bad{number}")
    before = [graph.add(max, name=str(number), dependencies=[failing, *before])]
found = graph.run(on_error="continue", executor="sequential")
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20), resource.RLIM_INFINITY))
records = found.records
assert records["0"].skipped_because == ("bad0",)
assert records["1"].skipped_because == ("bad0", "bad1")
assert len(records["5999"].skipped_because) == 6_000
assert found.progress.failed == found.progress.skipped == 6_000
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_AS and /proc")
def test_fault_69_a_failure_at_each_link_of_a_chain() -> None:
    """To ask for the causes of one task does not take memory for all of them."""
    in_a_script(MANY_CAUSES)


def test_fault_69_a_failure_before_100_000_others() -> None:
    """What has not started is cancelled, however much it is."""
    graph = Graph()
    graph.add(bad)
    before: Any = graph.add(lambda: 0, name="start", after="bad", trigger="all_done")
    for number in range(100_000):
        before = graph.add(pass_on, name=str(number), dependencies=before)
    found = graph.start()
    assert found.wait(60)
    progress = found.progress
    assert (progress.failed, progress.succeeded) == (1, 1)
    assert progress.cancelled == 100_000
    with pytest.raises(ValueError, match="bang"):
        found["bad"]


# Fault 71

MANY_RUNS = """
import asyncio, gc, threading
import psutil
from syncra import Graph, Retry, Skip

def fail():
    raise ValueError("bang")

async def fail_async():
    await asyncio.sleep(0)
    raise ValueError("bang")

def skip():
    raise Skip("no need")

async def number():
    await asyncio.sleep(0)
    return bytes(1000)

good = Graph("good")
good.add(lambda: bytes(1000), name="number")
good.add(len, dependencies="number")
mixed = Graph("mixed", on_error="continue")
mixed.add(number)
mixed.add(len, dependencies="number")
mixed.add(fail, retry=Retry(2, backoff=0))
mixed.add(fail_async)
mixed.add(skip)
mixed.add(lambda x: x, name="child", dependencies="fail")
graphs = [good, good, good, mixed]

process = psutil.Process()
readings = []

def look(count):
    # Not every exception is free of circles that its own frames make.
    gc.collect()
    readings.append(
        (process.memory_info().rss, threading.active_count(), process.num_fds())
    )

def check():
    (memory, _, files), (memory_later, threads, files_later) = readings
    grown = (memory_later - memory) / 2**20
    assert grown <= 5, f"{grown:.1f} MiB more"
    # Where threads get little time, those of some runs past are not idle again yet.
    assert threads <= 60, threads
    assert files_later <= files + 20, (files, files_later)

def in_script():
    for count in range(MOST):
        graphs[count % 4].run(executor=EXECUTOR)
        if count in (MOST // 10, MOST - 1):
            look(count)

async def on_loop():
    for count in range(MOST):
        await graphs[count % 4].arun(executor=EXECUTOR)
        if count in (MOST // 10, MOST - 1):
            look(count)
"""


@pytest.mark.parametrize(
    ("executor", "start"),
    [
        ("sequential", "in_script()"),
        ("threads", "in_script()"),
        ("auto", "asyncio.run(on_loop())"),
    ],
)
def test_fault_71_10_000_runs_in_one_process(executor, start) -> None:
    """From run 1,000 to 10,000 no more threads, files, or than 5 MiB of memory."""
    # Without the GIL threads that have little time take turns a hundred times slower.
    most = 10_000 if getattr(sys, "_is_gil_enabled", lambda: True)() else 3_000
    text = MANY_RUNS.replace("EXECUTOR", repr(executor)).replace("MOST", str(most))
    in_a_script(f"{text}\n{start}\ncheck()\n", limit=100)


# Fault 80

NESTED = """
import asyncio, sys
from syncra import Graph
from syncra.executors import Threads

def leaf():
    return 1

async def leaf_async():
    await asyncio.sleep(0)
    return 1

def sync_in(inner):
    return lambda: inner.run()["total"]

def async_in(inner):
    async def nested():
        return (await inner.arun())["total"]
    return nested

def sync_in_async(inner):
    async def nested():
        return inner.run()["total"]
    return nested

def async_in_sync(inner):
    return lambda: asyncio.run(inner.arun())["total"]

def as_task(inner):
    return inner

def build(depth, nest, executor, leaf):
    graph = Graph(f"depth {depth}", executor=executor)
    function = leaf
    if depth > 1:
        function = nest(build(depth - 1, nest, executor, leaf))
    if isinstance(function, Graph):
        graph.add(function, name="run")
        graph.add(lambda run: run["total"], name="nested", dependencies="run")
    else:
        graph.add(function, name="nested")
    # A neighbour of each kind wants a worker at the same time.
    graph.add(leaf, name="beside")
    graph.add(lambda *two: sum(two), name="total", dependencies=("nested", "beside"))
    return graph

def check(nest, leaf):
    depths = (1, 2, 8) if nest is async_in_sync else range(1, 13)
    for executor in (Threads(1), Threads(2), Threads(3), "auto", "sequential"):
        for depth in depths:
            graph = build(depth, nest, executor, leaf)
            assert graph.run()["total"] == depth + 1, (executor, depth)
            found = asyncio.run(graph.arun())
            assert found["total"] == depth + 1, (executor, depth)
            found = graph.start()
            assert found.wait(), (executor, depth)
            assert found["total"] == depth + 1, (executor, depth)
"""


@pytest.mark.parametrize("leaf", ["leaf", "leaf_async"])
@pytest.mark.parametrize(
    "nest", ["sync_in", "async_in", "sync_in_async", "async_in_sync", "as_task"]
)
def test_fault_80_a_task_that_runs_another_graph(nest, leaf) -> None:
    """Twelve deep on a pool of one to three threads, each run has its own workers."""
    in_a_script(f"{NESTED}\ncheck({nest}, {leaf})\n")


@pytest.mark.shares_memory
@pytest.mark.parametrize("depth", [1, 6, 12])
def test_fault_80_in_every_way_to_run(run, depth) -> None:
    """A graph as a task of a graph, failing at the bottom."""
    graph = Graph("depth 0")
    graph.add(bad)
    for level in range(1, depth + 1):
        outer = Graph(f"depth {level}")
        outer.add(graph, name="nested")
        outer.add(lambda: 1, name="beside")
        graph = outer
    with pytest.raises(ValueError, match="bang") as caught:
        run(graph)
    # Each level says that it passed through it.
    assert caught.value.__notes__ == [
        "raised by task 'bad' of graph 'depth 0'",
        *(
            f"raised by task 'nested' of graph 'depth {level}'"
            for level in range(1, depth + 1)
        ),
    ]


def test_fault_80_a_graph_cannot_be_its_own_task() -> None:
    """Neither at once nor, without an end, by running itself."""
    graph = Graph("self")
    with pytest.raises(ValueError, match="'self' cannot be a task of itself"):
        graph.add(graph)
    assert len(graph) == 0


def test_fault_80_many_loops_one_after_another() -> None:
    """Each `asyncio.run` has a loop of its own, and the graph belongs to none."""
    graph = Graph()

    async def answer() -> int:
        await asyncio.sleep(0)
        return 1

    graph.add(answer)
    for _ in range(100):
        assert asyncio.run(graph.arun())["answer"] == 1


# Fault 68

DENSE = """
from syncra import Graph

def peak():
    with open("/proc/self/status") as lines:
        found = [line for line in lines if line.startswith("VmHWM")]
    return int(found[0].split()[1]) / 2**10

def one():
    return 1

def total(*ones):
    return sum(ones)

before = peak()
graph = Graph("dense")
first = [graph.add(one, name=f"first{number}") for number in range(2000)]
for number in range(2000):
    graph.add(total, name=f"second{number}", dependencies=first)
for executor in ("sequential", "threads"):
    run = graph.run(executor=executor)
    assert {run[f"second{number}"] for number in range(2000)} == {2000}
grown = peak() - before
assert grown < 500, f"{grown:.0f} MiB"
"""


def test_fault_68_two_dense_layers() -> None:
    """Four million edges in a few hundred megabytes; the bar is two GiB."""
    in_a_script(DENSE)


def count(value: int) -> int:
    if value < 0:
        raise ValueError("bang")
    return value + 1


def count_all(*values: int) -> int:
    return sum(values)


def deep(size: int) -> Graph:
    """Return a chain of tasks that count."""
    graph = Graph("deep")
    before: Any = graph.add(count, name="0")
    for number in range(1, size):
        before = graph.add(count, name=str(number), dependencies=before)
    return graph


def broad(size: int) -> Graph:
    """Return a task, many that depend on it, and one that depends on all of those."""
    graph = Graph("broad")
    root = graph.add(count, name="0")
    names = [str(number) for number in range(1, size - 1)]
    for name in names:
        graph.add(count, name=name, dependencies=root)
    graph.add(count_all, name=str(size - 1), dependencies=names)
    return graph


A_MILLION = 1_000_000


@pytest.mark.one_python
@pytest.mark.parametrize(
    ("shape", "executor", "last"),
    [(deep, "sequential", A_MILLION), (broad, "threads", 2 * (A_MILLION - 2))],
)
def test_fault_67_a_million_tasks(shape, executor, last) -> None:
    """Built, checked, run, reported on; and a failure before all of them."""
    size = A_MILLION
    graph = shape(size)
    graph.check()
    found = graph.run({"value": 0}, executor=executor)
    assert found.ok
    assert found.progress.succeeded == size
    assert found[str(size - 1)] == last
    assert len(str(found)) < 20_000
    del found
    found = graph.run({"value": -1}, executor=executor, on_error="continue")
    assert (found.progress.failed, found.progress.skipped) == (1, size - 1)
    assert found.records[str(size - 1)].skipped_because == ("0",)
    assert "ValueError: bang" in str(found)


def test_fault_73_10_000_mistakes_are_told_at_once() -> None:
    """To look for what was meant takes time, so only the first ones say that."""
    graph = Graph("wrong")
    for number in range(10_000):
        graph.add(pass_on, name=f"task{number + 1}", dependencies=f"tusk{number}")
    with pytest.raises(ExceptionGroup, match="10000 mistakes") as caught:
        graph.check()
    told = [str(error) for error in caught.value.exceptions]
    assert "Did you mean 'task1'?" in told[1]
    assert all(f"'tusk{number}'" in text for number, text in enumerate(told))
    with pytest.raises(TaskNotFoundError, match="Did you mean 'task4711'"):
        graph.run(targets="taks4711")
