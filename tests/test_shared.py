"""What the tasks of a run share: `Context.shared`, under every executor."""

from __future__ import annotations

import collections
import contextlib
import gc
import multiprocessing
import pickle
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from types import MappingProxyType
from typing import Any

import anyio
import process_tasks
import pytest
from conftest import with_asyncio

from syncra import Context, Graph, Retry, Run, SyncraError
from syncra._interpreter import has_gil
from syncra.errors import SharedUnavailable
from syncra.executors import Threads


def keep_name(context: Context) -> None:
    context.shared.setdefault("names", []).append(context.task)


async def keep_name_async(context: Context) -> None:
    await anyio.sleep(0)
    context.shared.setdefault("names", []).append(context.task)


# Where tasks share memory: all runners but those of processes.


@pytest.mark.shares_memory
def test_functions_and_coroutines_share(run) -> None:
    """All see one mapping, whatever executes them, and the caller reads it."""
    graph = Graph()
    for number in range(20):
        graph.add(keep_name, name=f"function{number}")
        graph.add(keep_name_async, name=f"coroutine{number}")
    assert sorted(run(graph).shared["names"]) == sorted(graph)


@pytest.mark.shares_memory
def test_each_run_has_its_own(run) -> None:
    """What one run has left there, the next one does not find."""
    graph = Graph()
    graph.add(keep_name)
    first, second = run(graph), run(graph)
    assert first.shared == second.shared == {"names": ["keep_name"]}
    assert first.shared is not second.shared
    assert run(Graph()).shared == {}


@pytest.mark.shares_memory
def test_what_the_caller_gives(run) -> None:
    """Is what the tasks get: the very object, also of a class of one's own."""
    mapping = collections.UserDict(names=["caller"])

    def same(context: Context) -> bool:
        return context.shared is mapping

    graph = Graph()
    graph.add(same)
    graph.add(keep_name, after=same)
    found = run(graph, shared=mapping)
    assert found["same"]
    assert found.shared is mapping
    assert mapping == {"names": ["caller", "keep_name"]}


@pytest.mark.shares_memory
def test_it_outlives_a_run_that_fails(run) -> None:
    """There is no `Run` to read from, but the caller has the mapping."""
    mapping: dict[str, Any] = {}
    graph = Graph()
    name = graph.add(keep_name)
    graph.add(lambda: 1 / 0, name="ratio", after=name)
    with pytest.raises(ZeroDivisionError):
        run(graph, shared=mapping)
    assert mapping == {"names": ["keep_name"]}


@pytest.mark.shares_memory
def test_another_attempt_sees_what_the_first_one_wrote(run) -> None:
    """So a download can go on where it was interrupted."""

    def download(context: Context) -> list[int]:
        parts = context.shared.setdefault("parts", [])
        parts.append(context.attempt)
        if len(parts) < 3:
            raise ConnectionError

        return list(parts)

    graph = Graph()
    graph.add(download, retry=Retry(3, on=ConnectionError, backoff=0))
    assert run(graph)["download"] == [1, 2, 3]


@pytest.mark.shares_memory
def test_triggers_and_rollbacks_see_it(ended) -> None:
    """The alarm, the clean-up and the undoing, in this order."""
    graph = Graph(on_error="rollback")
    reserve = graph.add(keep_name, name="reserve")

    @reserve.rollback
    def release(result: None, context: Context) -> None:
        context.shared["names"].append("release")

    ship = graph.add(lambda: 1 / 0, name="ship", after=reserve)
    alarm = graph.add(keep_name, name="alarm", after=ship, trigger="any_failed")
    graph.add(keep_name, name="clean", after=alarm, trigger="all_done")
    found, error = ended(graph)
    assert isinstance(error, ZeroDivisionError)
    names = found.shared["names"]
    assert (names[0], names[-1]) == ("reserve", "release")
    assert "alarm" in names


@pytest.mark.shares_memory
def test_a_graph_that_is_a_task_has_its_own(run) -> None:
    """Two uses of it never meet; it is read from the inner run, and can be given on."""
    inner = Graph("inner")
    inner.add(keep_name)

    def gives_on(context: Context) -> Run:
        return inner.run(shared=context.shared)

    outer = Graph("outer")
    one = outer.add(inner, name="one")
    two = outer.add(inner, name="two")
    outer.add(gives_on, after=(one, two))
    found = run(outer, shared={"whose": "outer"})
    assert found["one"].shared == found["two"].shared == {"names": ["keep_name"]}
    assert found.shared == {"whose": "outer", "names": ["keep_name"]}
    assert found["gives_on"].shared is found.shared


# Threads, and the time around a run.


def test_100_threads_at_once() -> None:
    """Single operations lose nothing; what reads and writes does not under a lock."""
    together, lock = threading.Barrier(100), threading.Lock()

    def add(context: Context) -> None:
        shared = context.shared
        together.wait(30)
        for number in range(100):
            shared[f"{context.task}/{number}"] = number
            with lock:
                shared["count"] += 1

    graph = Graph(executor=Threads(100))
    for number in range(100):
        graph.add(add, name=str(number))
    shared = graph.run(shared={"count": 0}).shared
    assert shared.pop("count") == 10_000
    assert len(shared) == 10_000


def test_coroutines_need_no_lock() -> None:
    """They change places only at an `await`."""

    async def add(context: Context) -> None:
        for _ in range(10):
            context.shared["count"] += 1
            await anyio.sleep(0)

    graph = Graph()
    for number in range(100):
        graph.add(add, name=str(number))
    found = with_asyncio(lambda: graph.arun(shared={"count": 0}))
    assert found.shared == {"count": 1000}


def test_the_caller_takes_part_while_it_runs() -> None:
    """A run in the background is told something by way of it."""

    def wait(context: Context) -> bool:
        return context.shared["go"].wait(30)

    graph = Graph()
    graph.add(wait)
    run = graph.start(shared={"go": threading.Event()})
    run.shared["go"].set()
    run.wait()
    assert run["wait"]


def test_a_run_is_given_something_before_it_is_awaited() -> None:
    """`graph(...)` inside a loop has a mapping already."""
    graph = Graph()
    graph.add(keep_name)

    async def main() -> Run:
        run = graph()
        run.shared["names"] = ["caller"]
        return await run

    assert with_asyncio(main).shared == {"names": ["caller", "keep_name"]}


@pytest.mark.parametrize("given", [[], "text", MappingProxyType({})], ids=repr)
def test_what_is_no_mapping_that_can_be_changed(given: Any) -> None:
    """Is refused before anything runs."""
    graph = Graph("plain")
    graph.add(keep_name)
    with pytest.raises(TypeError, match=r"^run of graph 'plain': shared is a mapping"):
        graph.run(shared=given)


class Large:
    pass


@pytest.mark.skipif(not has_gil(), reason="what several threads had is freed later")
def test_it_is_gone_with_its_run() -> None:
    """Nobody else keeps it, and it takes no garbage collector to free it."""

    def keep(context: Context) -> None:
        context.shared["large"] = Large()

    graph = Graph()
    graph.add(keep)
    gc.disable()
    try:
        run = graph()
        large = weakref.ref(run.shared["large"])
        del run
        assert large() is None
    finally:
        gc.enable()


# In another process there is none.


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        warmed_up(pool)
        yield pool


@pytest.fixture(scope="module")
def loky_pool() -> Iterator[Executor]:
    loky = pytest.importorskip("loky", reason="loky is not installed")
    with loky.ProcessPoolExecutor(1) as pool:
        warmed_up(pool)
        yield pool


def warmed_up(pool: Executor) -> None:
    """Have all of it there before a test looks for what is left behind."""
    for _ in pool.map(process_tasks.add, range(20)):
        pass


@pytest.fixture(scope="module", params=["processes", "pool", "loky_pool"])
def elsewhere(request: pytest.FixtureRequest) -> Any:
    """Each executor whose tasks are in other processes."""
    if request.param == "processes":
        return "processes"

    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("name", ["shares", "shares_async"])
def test_a_task_in_another_process_is_told(elsewhere, name: str) -> None:
    """Silently lost changes are the worst; the message says what to do instead."""
    graph = Graph("away", executor=elsewhere)
    graph.add(getattr(process_tasks, name))
    run = graph.run(shared={"lock": threading.Lock()}, on_error="continue")
    error = run.errors[name]
    assert type(error) is SharedUnavailable
    assert isinstance(error, (SyncraError, RuntimeError))
    assert error.task == name
    assert f"task {name!r} of graph 'away' has no `Context.shared`" in str(error)
    assert "Context.results" in str(error)
    assert 'executor="threads"' in str(error)
    assert list(run.shared) == ["lock"]


def test_a_context_that_was_pickled_again_is_told_too(elsewhere) -> None:
    """However often: nothing that could be changed in vain is left in it."""
    graph = Graph("away", executor=elsewhere)
    text = graph.add(process_tasks.shares_if_it_can)
    assert graph()[text].startswith("task 'shares_if_it_can' of graph 'away' has no")


def test_a_context_that_was_pickled_here_is_told_too() -> None:
    """A copy of the mapping would be worse."""

    def copied(context: Context) -> Context:
        return pickle.loads(pickle.dumps(context))

    graph = Graph()
    task = graph.add(copied)
    copy = graph()[task]
    with pytest.raises(SharedUnavailable, match="'copied'"):
        copy.shared["lost"] = True


def test_results_reach_a_process_and_share_with_threads(elsewhere) -> None:
    """What the message advises: a mixed run, in which nothing has to be pickled."""
    graph = Graph("mixed", executor=elsewhere)

    def keep(results_of: dict[str, Any], context: Context) -> None:
        context.shared["seen"] = results_of

    three = graph.add(lambda: 3, name="three", executor="threads")
    results = graph.add(process_tasks.results_of, after=three)
    graph.add(keep, dependencies=results, executor="threads")
    run = graph.run(shared={"lock": threading.Lock()})
    assert run.shared["seen"] == {"three": 3}


def test_a_function_that_falls_back_shares() -> None:
    """One that cannot be sent runs in a thread, where there is something to share."""
    graph = Graph(executor="processes")

    class Unpicklable:
        def __call__(self, context: Context) -> None:
            keep_name(context)

        def __reduce__(self) -> Any:
            raise TypeError("stays here")

    graph.add(Unpicklable(), name="keep", fallback="threads")
    run = graph()
    assert run.shared == {"names": ["keep"]}
    assert "cannot be pickled" in (run.records["keep"].warning or "")


def test_tasks_that_ask_at_once_are_told_the_same_id(monkeypatch) -> None:
    """The id of a run is made when it is asked for, which is once."""
    from syncra import _facts

    both = threading.Barrier(2)
    made = iter(range(1, 9))

    def slowly(size: int) -> bytes:
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.1)  # until the other one is here too, if it may
        return next(made).to_bytes(size, "big")

    monkeypatch.setattr(_facts, "urandom", slowly)
    together = threading.Barrier(2)

    def ask(context: Context) -> str:
        together.wait(10)
        return context.run_id

    graph = Graph("asking", executor=Threads(2))
    for name in ("left", "right"):
        graph.add(ask, name=name)
    run = graph.run()

    assert run["left"] == run["right"] == run.report().run_id
