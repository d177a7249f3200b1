"""Tasks in pools of the user's: `concurrent.futures`, loky, and what acts like them.

The contract suite runs in a `ThreadPoolExecutor` too; see `RUNNERS`.
"""

from __future__ import annotations

import contextvars
import functools
import gc
import multiprocessing
import sys
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from pathlib import Path
from typing import Any

import anyio
import pytest
import tests_foreign as functions
import trio
from conftest import with_asyncio
from tests_foreign import Bare, Frozen, Held, Refusing, Relay, Synchronous
from tests_helpers import states_of

from syncra import Dask, Graph, Ray, Retry, Run
from syncra.errors import (
    MissingExtraError,
    RemoteTaskError,
    SerializationError,
    TaskCancelled,
    TaskTimeout,
    WorkerCrashed,
)
from syncra.executors import Foreign

LIMIT = 0.1


def chain(length: int) -> Graph:
    """Return a graph whose last task counts how many came before it."""
    graph = Graph("chain")
    last = graph.add(lambda: 0, name="0")
    for number in range(1, length):
        last = graph.add(lambda x: x + 1, name=str(number), dependencies=last)
    return graph


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def one_thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Give an event that hanging tasks wait for, set when the test is over."""
    event = threading.Event()
    yield event
    event.set()


# What is taken for a pool.


def test_a_pool_for_a_graph_a_run_or_a_task(threads) -> None:
    """In one run with tasks that have other executors."""

    def where() -> str:
        return threading.current_thread().name

    graph = Graph(executor=threads)
    graph.add(where, name="by_graph")
    graph.add(where, name="elsewhere", executor="threads")
    run = graph()
    assert run["by_graph"].startswith("ThreadPoolExecutor-")
    assert run["elsewhere"].startswith("syncra-")
    record = run.records["by_graph"]
    assert (record.executor, record.worker) == ("ThreadPoolExecutor",) * 2
    assert graph.run(executor="threads")["by_graph"].startswith("syncra-")

    graph = Graph()
    graph.add(where, name="by_task", executor=threads)
    graph.add(where, name="by_run")
    run = graph.run()
    assert run["by_task"].startswith("ThreadPoolExecutor-")
    assert run["by_run"].startswith("syncra-")
    assert graph.run(executor=threads)["by_run"].startswith("ThreadPoolExecutor-")
    assert threads.submit(where).result().startswith("ThreadPoolExecutor-")


@pytest.mark.parametrize(
    "wrong",
    [ThreadPoolExecutor, 3, object(), {"submit": 1}],
    ids=lambda wrong: type(wrong).__name__,
)
def test_what_is_no_pool_is_refused(wrong: Any) -> None:
    """A class of pools, too."""
    with pytest.raises(TypeError, match="a name or an instance of an executor, got"):
        Graph(executor=wrong)
    with pytest.raises(TypeError, match="has a method submit"):
        Foreign(wrong)


def test_the_limit_of_a_pool_is_checked() -> None:
    """As the number of workers is."""
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="max_in_flight is at least 1"):
            Foreign(Synchronous(), wrong)
    for kind in (True, 1.5, "2"):
        with pytest.raises(TypeError, match="max_in_flight is a positive int"):
            Foreign(Synchronous(), kind)  # type: ignore[arg-type]


def test_one_pool_is_one_executor() -> None:
    """However often it is given, so that its limit holds for all its tasks."""
    pool, other = Synchronous(), Synchronous()
    assert Foreign(pool) == Foreign(pool)
    assert hash(Foreign(pool)) == hash(Foreign(pool))
    assert Foreign(pool) != Foreign(other)
    assert Foreign(pool) != Foreign(pool, 3)
    assert Foreign(pool) != "threads"
    assert repr(Foreign(pool)) == f"Foreign({pool!r})"


def test_a_pool_that_has_only_what_is_needed() -> None:
    """No class of ours or of the standard library is asked for."""
    graph = Graph(executor=Bare(), on_error="continue")
    graph.add(lambda: 1, name="one")
    graph.add(lambda one: one + 1, name="two", dependencies="one")
    graph.add(lambda: functions.fail("bang"), name="bad")
    run = graph()
    assert dict(run) == {"one": 1, "two": 2}
    assert str(run.errors["bad"]) == "bang"


def test_a_pool_is_not_kept_alive() -> None:
    """By a graph that was run in it once: its idle threads would be, too."""
    graph = chain(3)
    pool = Synchronous()
    ended = weakref.ref(pool)
    assert graph.run(executor=pool)["2"] == 2
    del pool
    gc.collect()
    assert ended() is None


# How many tasks are in flight.


@pytest.mark.parametrize(
    ("workers", "most", "timeout", "expected"),
    [(3, None, None, 5), (3, None, 60, 3), (None, None, None, 64), (3, 10, None, 10)],
)
def test_a_pool_does_not_get_everything_at_once(
    workers, most, timeout, expected
) -> None:
    """As many as it has workers and a few; none that only waits where time counts."""
    pool = Held(workers)
    graph = Graph(executor=Foreign(pool, most))
    for number in range(200):
        graph.add(lambda: 1, name=str(number), executor=None, timeout=timeout)
    run = graph.start()
    for _ in range(200):
        pool.release()
    assert run.wait(60)
    assert run.ok
    assert pool.most <= expected


def test_all_workers_of_a_pool_are_busy() -> None:
    """As many tasks as there are threads meet."""
    barrier = threading.Barrier(3)
    with ThreadPoolExecutor(3) as pool:
        graph = Graph(executor=pool)
        for number in range(9):
            graph.add(barrier.wait, name=str(number), kwargs={"timeout": 60})
        assert sorted(graph()) == [str(number) for number in range(9)]


@pytest.mark.parametrize("kind", ["synchronous", "threads"])
def test_fault_65_long_chains_and_wide_graphs(kind) -> None:
    """Nothing recurses, though the pool calls back before it has returned."""
    length = 100_000 if kind == "synchronous" else 20_000
    pool = Synchronous() if kind == "synchronous" else ThreadPoolExecutor(2)
    assert chain(length).run(executor=pool)[str(length - 1)] == length - 1
    graph = Graph()
    for number in range(10_000):
        graph.add(lambda: 1, name=str(number))
    assert len(graph.run(executor=pool)) == 10_000
    pool.shutdown()


# Where a pool works in this process.


def test_context_variables(threads) -> None:
    """Each task has its own copy of the caller's, in any pool of this process."""
    variable = contextvars.ContextVar("variable", default=0)
    variable.set(7)

    def change() -> int:
        variable.set(variable.get() + 1)
        return variable.get()

    async def change_too() -> int:
        await anyio.sleep(0)
        return change()

    for pool in (threads, Synchronous(), Bare()):
        graph = Graph(executor=pool)
        for number in range(3):
            graph.add(change, name=f"function {number}")
            graph.add(change_too, name=f"coroutine {number}")
        assert set(dict(graph()).values()) == {8}
    assert variable.get() == 7


@pytest.mark.parametrize("run_loop", [with_asyncio, trio.run])
def test_the_loop_goes_on_while_a_pool_works(run_loop, threads) -> None:
    """Coroutines on the loop, threads and a pool hand over to one another."""
    met = threading.Event()
    graph = Graph()

    async def on_loop() -> str:
        await anyio.sleep(0)
        met.set()  # the task in the pool waits for it
        return "loop"

    def in_pool() -> str:
        assert met.wait(60)
        return "pool"

    graph.add(on_loop)
    graph.add(in_pool, executor=threads)
    graph.add(lambda *above: above, name="in_thread", dependencies=(on_loop, in_pool))
    graph.add(lambda x: x, name="end", dependencies="in_thread", executor=threads)
    found = []

    async def main() -> None:
        found.append(await graph.arun())

    run_loop(main)
    run = found.pop()
    assert run["end"] == ("loop", "pool")
    executors = [record.executor for record in run.records.values()]
    assert sorted(executors) == sorted(
        ["coroutines", "ThreadPoolExecutor", "threads", "ThreadPoolExecutor"]
    )


def test_a_run_in_a_thread_that_is_not_the_main_one(threads, one_thread) -> None:
    """Whoever waits there works for a lane of ours, never for a pool."""
    graph = chain(5)
    graph.add(lambda x: -x, name="end", dependencies="4", executor="threads")
    found = one_thread.submit(graph.run, executor=threads).result(60)
    assert found["end"] == -4


# What is to end.


def test_what_waits_in_a_pool_is_taken_back_in_time(one_thread, release) -> None:
    """Its time was up before it began: it never runs, and is not left behind."""
    one_thread.submit(release.wait)  # the pool is busy with something else
    ran: list[int] = []
    graph = Graph(executor=one_thread, on_error="continue")
    graph.add(lambda: ran.append(1), name="late", timeout=LIMIT)
    run = graph()
    record = run.records["late"]
    assert isinstance(record.error, TaskTimeout)
    assert isinstance(record.error.__cause__, CancelledError)
    assert "ThreadPoolExecutor did not start it" in str(record.error.__cause__)
    assert not record.abandoned
    release.set()
    one_thread.submit(int).result(60)  # came after it
    assert not ran


def test_fault_39_what_runs_in_a_pool_goes_on_there(threads, release) -> None:
    """The caller is free at the limit; other tasks have the other thread."""
    graph = Graph(executor=threads, on_error="continue")
    graph.add(release.wait, name="hang", timeout=LIMIT)
    for number in range(20):
        graph.add(lambda: 1, name=str(number))
    run = graph()
    record = run.records["hang"]
    assert isinstance(record.error, TaskTimeout)
    assert record.abandoned
    assert (
        "a task that runs in ThreadPoolExecutor cannot be interrupted: it was "
        "abandoned, and goes on there" in record.error.__notes__
    )
    assert len(run) == 20


def test_fault_39_a_late_result_is_dropped(threads, release) -> None:
    """It is the second attempt that counts, whatever comes of the first."""
    came_late = threading.Event()
    attempts: list[int] = []

    def work() -> int:
        attempts.append(1)
        attempt = len(attempts)
        if attempt == 1:
            release.wait()
            came_late.set()
        return attempt

    def end(work: int) -> int:
        release.set()
        assert came_late.wait(60)
        return work

    graph = Graph(executor=threads)
    graph.add(work, timeout=LIMIT, retry=Retry(2, on=TaskTimeout))
    graph.add(end, dependencies=work)
    run = graph()
    assert run["end"] == 2
    assert run.records["work"].abandoned


def test_fault_39_a_pool_that_does_not_give_back_who_submits(release) -> None:
    """The others go on in another thread, though the pool has none of its own."""
    graph = Graph(executor=Synchronous(), on_error="continue")
    graph.add(release.wait, name="hang", timeout=LIMIT)
    for number in range(20):
        graph.add(lambda: 1, name=str(number))
    run = graph()
    assert run.records["hang"].abandoned
    assert len(run) == 20


def test_a_failure_cancels_what_waits_in_the_pool(one_thread) -> None:
    """It ends at once; nothing of it runs."""
    ran: list[int] = []
    graph = Graph(executor=Foreign(one_thread, 10), on_error="raise")
    both_there = threading.Event()
    one_thread.submit(both_there.wait, 60)

    def bad() -> None:
        raise ValueError("bang")

    graph.add(bad)
    for number in range(9):
        graph.add(lambda: ran.append(1), name=str(number))
    run = graph.start()
    while run.progress.running < 10:
        threading.Event().wait(0.001)
    both_there.set()
    assert run.wait(60)
    states = states_of(run)
    assert states.pop("bad") == "failed"
    assert set(states.values()) <= {"cancelled", "succeeded"}
    assert not any(record.abandoned for record in run.records.values())
    one_thread.submit(int).result(60)
    assert len(ran) == list(states.values()).count("succeeded")


def test_cancelling_a_run(one_thread, release) -> None:
    """What runs is abandoned after the grace, what waits is taken back."""
    began = threading.Event()
    graph = Graph(executor=Foreign(one_thread, 3))

    def hang() -> None:
        began.set()
        release.wait()

    graph.add(hang)
    graph.add(lambda: None, name="waits")
    graph.add(lambda: None, name="after", after=hang)
    run = graph.start()
    assert began.wait(60)
    while run.progress.running < 2:
        threading.Event().wait(0.001)
    run.cancel(grace=LIMIT)
    assert run.wait(60)
    assert set(states_of(run).values()) == {"cancelled"}
    abandoned = {name: record.abandoned for name, record in run.records.items()}
    assert abandoned == {"hang": True, "waits": False, "after": False}


def test_a_coroutine_that_the_pool_is_about_to_begin_is_waited_for() -> None:
    """It finds that it is to end, and ends; it is not given up."""
    pool, reached = Held(1), []
    graph = Graph(executor=pool, on_error="continue")

    @graph.task(timeout=LIMIT)
    async def waits() -> None:
        reached.append("begin")
        await anyio.sleep_forever()

    run = graph.start(grace=60)
    assert pool.arrived.acquire(timeout=30)
    future, call = pool.kept.pop()
    assert future.set_running_or_notify_cancel()  # it cannot be taken back any more
    assert not run.wait(5 * LIMIT)
    try:
        future.set_result(call())
    except BaseException as error:
        future.set_exception(error)
    assert run.wait(60)
    record = run.records["waits"]
    assert isinstance(record.error, TaskTimeout)
    assert not record.abandoned
    assert reached == ["begin"]


def test_a_failure_waits_for_what_runs(threads) -> None:
    """As for any thread: nothing is left half done."""
    began, failed = threading.Event(), threading.Event()
    ended: list[int] = []
    graph = Graph(executor=threads)

    def bad() -> None:
        assert began.wait(60)
        raise ValueError("bang")

    def slow(context_of_caller: Any) -> None:
        began.set()
        assert failed.wait(60)
        ended.append(1)

    graph.add(bad)
    graph.add(slow, kwargs={"context_of_caller": None})
    run = graph.start()
    for record in run.as_completed():
        if record.name == "bad":
            failed.set()
    assert run.wait(60)
    assert ended
    assert states_of(run) == {"bad": "failed", "slow": "succeeded"}


def test_coroutines_in_threads_are_interrupted(threads) -> None:
    """When their time is up, and when the run ends; they may clean up."""
    cleaned: list[str] = []

    async def sleep(name: str) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            cleaned.append(name)

    graph = Graph(executor=threads, on_error="continue")
    graph.add(sleep, name="limited", kwargs={"name": "limited"}, timeout=LIMIT)
    record = graph().records["limited"]
    assert isinstance(record.error, TaskTimeout)
    assert not record.abandoned

    graph = Graph(executor=threads)
    began = threading.Event()

    async def begin_and_sleep() -> None:
        began.set()
        await sleep("unlimited")

    def bad() -> None:
        assert began.wait(60)
        raise ValueError("bang")

    graph.add(begin_and_sleep, name="unlimited")
    graph.add(bad)
    run = graph.start()
    assert run.wait(60)
    assert states_of(run) == {"unlimited": "cancelled", "bad": "failed"}
    assert cleaned == ["limited", "unlimited"]


# What pools do.


def test_a_pool_that_is_shut_down(threads) -> None:
    """Its tasks fail with what it says, and the others run."""
    threads.shutdown()
    graph = Graph(executor=threads, on_error="continue")
    graph.add(lambda: 1, name="there")
    graph.add(lambda: 1, name="here", executor="threads")
    run = graph()
    assert dict(run) == {"here": 1}
    error = run.errors["there"]
    assert isinstance(error, RuntimeError)
    assert "shutdown" in str(error)
    assert "ThreadPoolExecutor has not accepted it" in error.__notes__
    with pytest.raises(RuntimeError, match="shutdown"):
        graph.run(on_error="raise")


def test_a_pool_that_refuses_with_an_error_that_bears_no_note() -> None:
    graph = Graph(executor=Refusing(), on_error="continue")
    graph.add(lambda: 1, name="first")
    graph.add(lambda: 1, name="second", after="first", trigger="all_done")
    run = graph()
    assert [str(run.errors[name]) for name in ("first", "second")] == [
        "closed on Sundays",
        "closed on Sundays",
    ]
    assert all(type(error) is Frozen for error in run.errors.values())


def test_a_pool_that_is_shut_down_by_a_task(one_thread) -> None:
    """With a lock of its own held, in which it calls us back."""
    graph = Graph(executor=Foreign(one_thread, 3), on_error="continue")
    full = threading.Event()
    one_thread.submit(full.wait, 60)

    def shut_down() -> None:
        one_thread.shutdown(wait=False, cancel_futures=True)

    graph.add(shut_down)
    for number in range(9):
        graph.add(lambda: 1, name=str(number))
    run = graph.start()
    while run.progress.running < 3:
        threading.Event().wait(0.001)
    full.set()
    assert run.wait(60)
    assert dict(run) == {"shut_down": None}
    kinds = [type(error) for error in run.errors.values()]
    assert kinds.count(CancelledError) == 2
    assert kinds.count(RuntimeError) == 7
    (text,) = {str(error) for error in run.errors.values() if error.args[0][0] == "T"}
    assert text == "ThreadPoolExecutor did not start it any more"


def test_a_pool_that_breaks_calls_back_with_its_lock_held() -> None:
    """Its tasks have crashed; the run goes on."""

    def not_there() -> None:
        raise OSError("no such device")

    pool = ThreadPoolExecutor(1, initializer=not_there)
    graph = Graph(executor=pool, on_error="continue")
    for number in range(9):
        graph.add(lambda: 1, name=str(number))
    run = graph()
    assert len(run.errors) == 9
    for name, error in run.errors.items():
        assert isinstance(error, WorkerCrashed)
        assert error.task == name
        assert isinstance(error.__cause__, BrokenExecutor)
    pool.shutdown()
    multiprocessing.active_children()  # waits for those that have died


def test_a_pool_whose_submit_blocks() -> None:
    """Until one of its workers is free again, which is the one that calls back."""

    class Bounded(ThreadPoolExecutor):
        def __init__(self) -> None:
            super().__init__(2)
            self.free = threading.Semaphore(1)

        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            self.free.acquire()

            def work() -> Any:
                return fn(*args, **kwargs)

            future = super().submit(work)
            super().submit(lambda: (future.exception(60), self.free.release()))
            return future

    with Bounded() as pool:
        graph = chain(50)
        for number in range(50):
            graph.add(lambda: 1, name=f"wide {number}")
        assert len(graph.run(executor=pool)) == 100


def test_what_waits_for_a_pool_whose_submit_blocks_is_cancelled(release) -> None:
    """At once, though who would submit it is waiting himself."""
    blocks = threading.Event()

    class Full(Held):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            if self.kept:
                blocks.set()
                release.wait()
            return super().submit(fn, *args, **kwargs)

    pool = Full()
    graph = Graph(executor=Foreign(pool, 2))
    graph.add(lambda: 1, name="first")
    graph.add(lambda: 1, name="blocks")
    graph.add(lambda: 1, name="waits")
    run = graph.start()
    assert blocks.wait(60)
    pool.release()
    assert run.progress.running == 2
    run.cancel(grace=60)
    while run.records["waits"].state != "cancelled":
        threading.Event().wait(0.001)
    release.set()
    assert run.wait(60)
    assert states_of(run) == {
        "first": "succeeded",
        "blocks": "cancelled",
        "waits": "cancelled",
    }
    assert run.records["blocks"].error is None


def test_a_fault_of_a_pool_ends_the_run() -> None:
    """Nobody waits for ever."""

    class Broken(Executor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            return "no future"

    graph = chain(3)
    with pytest.raises(AttributeError, match="add_done_callback"):
        graph.run(executor=Broken())


def test_a_pool_that_lets_nothing_through(release) -> None:
    """What `submit` raises belongs to the task, as it may be what the task raised."""

    class Direct(Executor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_result(fn(*args, **kwargs))
            return future

    graph = Graph(executor=Direct(), on_error="continue")
    graph.add(lambda: functions.fail("bang"), name="bad")
    graph.add(lambda: sys.exit(3), name="exit")
    graph.add(lambda: 1, name="good")
    run = graph()
    assert dict(run) == {"good": 1}
    assert run.errors["bad"].__notes__ == ["raised by task 'bad' of graph 'graph'"]
    assert isinstance(run.errors["exit"], SystemExit)


@pytest.mark.parametrize(("engine", "library"), [(Dask, "distributed"), (Ray, "ray")])
def test_an_engine_that_is_not_installed(monkeypatch, engine, library) -> None:
    """The message says how to install it."""
    monkeypatch.setitem(sys.modules, library, None)
    extra = engine.__name__.lower()
    with pytest.raises(
        MissingExtraError, match=rf"pip install 'syncra\[{extra}\]'"
    ) as told:
        engine()
    assert told.value.extra == extra


# Pools of processes.


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, context) as pool:
        for _ in pool.map(functions.double, range(20)):
            pass  # all of it is there before a test looks for what is left behind
        yield pool


@pytest.fixture(scope="module")
def loky_pool() -> Iterator[Any]:
    loky = pytest.importorskip("loky", reason="loky is not installed")
    with loky.ProcessPoolExecutor(2) as pool:
        for _ in pool.map(functions.double, range(20)):
            pass
        yield pool


@pytest.fixture(scope="module", params=["processes", "loky_pool"])
def elsewhere(request: pytest.FixtureRequest) -> Executor:
    """Give a pool whose workers are other processes."""
    return request.getfixturevalue(request.param)


def test_processes_run_tasks_of_all_kinds(elsewhere) -> None:
    """Functions, decorated ones, methods, partials, coroutines; with their wiring."""
    graph = Graph(executor=elsewhere)
    graph.add(functions.number)
    graph.add(functions.double, dependencies="number")
    graph.add(functions.decorated, dependencies="double")
    graph.add(functions.coroutine, dependencies="decorated")
    graph.add(functions.Adder(5).add, dependencies="coroutine")
    method = functools.partial(functions.Adder.decorated, functions.Adder(1))
    graph.add(method, name="method", dependencies="add")
    graph.add(
        functions.spread,
        dependencies="method",
        outputs=("low", "high"),
        kwargs={"step": 10},
    )
    graph.add(
        functools.partial(functions.join, sep="/"),
        name="joined",
        dependencies=[graph["spread"]["low"], graph["spread"]["high"], "number"],
    )
    graph.add(functions.process_id)
    graph.add(functions.process_id, name="here", executor="threads")
    run = graph()
    assert run["joined"] == "37/57/20"
    assert (run["double"], run["decorated"], run["coroutine"]) == (40, 41, 43)
    assert (run["add"], run["method"], run["spread"]) == (48, 47, (37, 57))
    assert run["process_id"] != run["here"]
    assert run.records["number"].executor == type(elsewhere).__name__


def test_the_error_of_another_process(elsewhere) -> None:
    """Its own class, with where it was raised as its cause."""
    graph = Graph("etl", executor=elsewhere, on_error="continue")
    graph.add(functions.fail, name="bad", kwargs={"text": "bang"})
    graph.add(functions.exit_the_program, name="exit")
    graph.add(functions.skip, name="skip")
    run = graph()
    error = run.errors["bad"]
    assert type(error) is ValueError
    assert str(error) == "bang"
    assert error.__notes__ == ["raised by task 'bad' of graph 'etl'"]
    text = run.records["bad"].traceback
    assert text is not None
    assert "raise ValueError(text)" in text
    assert "_crossing.py" not in text
    assert isinstance(run.errors["exit"], SystemExit)
    assert run.records["skip"].reason == "nothing to do"


def test_fault_55_ctrl_c_that_reaches_a_process_of_the_pool(elsewhere) -> None:
    """It is the program's affair: that task is cancelled, and the others go on."""
    graph = Graph(executor=elsewhere, on_error="continue")
    graph.add(functions.interrupted, name="hit")
    graph.add(functions.number, name="other")
    run = graph()
    error = run.records["hit"].error
    assert isinstance(error, TaskCancelled)
    assert f"interrupted in {type(elsewhere).__name__}" in str(error)
    assert isinstance(error.__cause__, KeyboardInterrupt)
    assert run["other"] == 20


def test_a_pool_that_passes_on_what_it_gets(processes) -> None:
    """A call may be pickled several times on its way."""
    graph = Graph(executor=Relay(processes))
    graph.add(functions.number)
    graph.add(functions.double, dependencies="number")
    assert graph()["double"] == 40


def test_fault_31_exceptions_that_cannot_leave_their_process(processes) -> None:
    """What stands for them tells all there is to tell; the pool goes on."""
    graph = Graph(executor=processes, on_error="continue")
    graph.add(functions.raise_demanding, name="demanding")
    graph.add(functions.raise_unsendable, name="unsendable")
    run = graph()
    assert sorted(run.errors) == ["demanding", "unsendable"]
    for name, text in (("demanding", "1 and 2"), ("unsendable", "holds a lock")):
        error = run.errors[name]
        assert isinstance(error, RemoteTaskError)
        assert error.task == name
        assert error.type_name == f"tests_foreign.{name.capitalize()}"
        assert error.text == text
        assert f"raise_{name}" in error.remote_traceback
    assert processes.submit(functions.number).result(60) == 20


def test_faults_28_to_30_what_cannot_cross_the_border(processes) -> None:
    """Costs its own task, which says what it is; the pool goes on."""
    graph = Graph(executor=processes, on_error="continue")
    lock = threading.Lock()
    graph.add(lambda: lock, name="function")
    graph.add(functions.take_anything, name="argument", kwargs={"value": {"a": lock}})
    graph.add(functions.give_a_lock, name="result")
    graph.add(
        functions.take_anything,
        name="argument there",
        kwargs={"value": functions.Unbuildable()},
    )
    graph.add(functions.give_unbuildable, name="result here")
    graph.add(functions.take_context)
    graph.add(functions.number)
    run = graph()
    assert dict(run) == {"take_context": "take_context", "number": 20}
    for name, error in run.errors.items():
        assert isinstance(error, SerializationError), name
        assert error.task == name
        assert error.stage == name.partition(" ")[0]
        assert error.__cause__ is not None
        assert "ProcessPoolExecutor" in str(error)
    assert run.errors["argument"].path == "value['a']"
    assert type(run.errors["result here"].__cause__) is ValueError
    assert processes.submit(functions.number).result(60) == 20


def test_a_function_that_is_not_found_there(processes, monkeypatch) -> None:
    """Does not break the pool, as it would if the pool looked for it."""

    def only_here() -> int:
        return 1

    only_here.__qualname__ = "only_here"
    only_here.__module__ = functions.__name__
    monkeypatch.setattr(functions, "only_here", only_here, raising=False)
    graph = Graph(executor=processes, on_error="continue")
    graph.add(only_here)
    error = graph().errors["only_here"]
    assert isinstance(error, SerializationError)
    assert error.stage == "function"
    assert isinstance(error.__cause__, AttributeError)
    assert processes.submit(functions.number).result(60) == 20


def test_processes_and_policies(elsewhere, tmp_path) -> None:
    """Retries; what is too late is abandoned there."""
    graph = Graph(executor=elsewhere, on_error="continue")
    path = str(tmp_path / "tried")
    graph.add(functions.fail_once, kwargs={"path": path}, retry=2)
    run = graph()
    assert run["fail_once"] == "second time"
    assert len(run.records["fail_once"].attempts) == 2

    graph = Graph(executor=elsewhere, on_error="continue")
    path = str(tmp_path / "release")
    graph.add(functions.wait_for_file, kwargs={"path": path}, timeout=LIMIT)
    graph.add(functions.double, kwargs={"number": 2})
    run = graph()
    record = run.records["wait_for_file"]
    assert isinstance(record.error, TaskTimeout)
    assert record.abandoned
    assert run["double"] == 4
    (tmp_path / "release").touch()


def test_processes_with_many_tasks(elsewhere) -> None:
    """More than the pool has places for."""
    graph = Graph(executor=elsewhere)
    for number in range(300):
        graph.add(functions.double, name=str(number), kwargs={"number": number})
    assert list(dict(graph()).values()) == [2 * number for number in range(300)]


@pytest.mark.usefixtures("processes")
def test_a_process_that_dies() -> None:
    """Breaks its pool, which costs what is in it; the run goes on."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        graph = Graph(executor=pool, on_error="continue")
        graph.add(functions.die)
        graph.add(functions.double, kwargs={"number": 2}, after="die")
        graph.add(
            functions.double,
            name="late",
            kwargs={"number": 2},
            trigger="all_done",
            after="die",
        )
        graph.add(
            functions.number, executor="threads", after="late", trigger="all_done"
        )
        run = graph()
    assert dict(run) == {"number": 20}
    assert states_of(run) == {
        "die": "failed",
        "double": "skipped",
        "late": "failed",
        "number": "succeeded",
    }
    for name in ("die", "late"):
        error = run.errors[name]
        assert isinstance(error, WorkerCrashed)
        assert error.task == name
        assert "ProcessPoolExecutor is broken" in str(error)
        assert isinstance(error.__cause__, BrokenExecutor)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_can_be_ended() -> None:
    """It has not the signal handlers of the run during which it was made."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        graph = Graph(executor=pool)
        graph.add(functions.signals_are_usual)
        assert graph()["signals_are_usual"] == (True, True)


def test_loky_sends_what_pickle_cannot(loky_pool) -> None:
    """Functions without a name, and what they hold on to."""
    amount = 3
    graph = Graph(executor=loky_pool)
    graph.add(lambda: 4, name="start")
    graph.add(lambda start: start * amount, name="end", dependencies="start")
    graph.add(lambda: lambda: amount, name="function")
    run = graph()
    assert run["end"] == 12
    assert run["function"]() == 3


@pytest.fixture(scope="module")
def run_that_broke_loky() -> Run:
    """Loky keeps a file open afterwards, so it is not for the test to do this."""
    loky = pytest.importorskip("loky", reason="loky is not installed")
    pool = loky.ProcessPoolExecutor(1)
    graph = Graph(executor=pool, on_error="continue")
    graph.add(functions.die)
    run = graph()
    pool.shutdown()
    return run


def test_loky_with_a_process_that_dies(run_that_broke_loky) -> None:
    """As with the pool of the standard library."""
    error = run_that_broke_loky.errors["die"]
    assert isinstance(error, WorkerCrashed)
    assert isinstance(error.__cause__, BrokenExecutor)


def test_interpreters() -> None:
    """Where Python has them."""
    try:
        from concurrent.futures import InterpreterPoolExecutor
    except ImportError:
        pytest.skip("this Python has no InterpreterPoolExecutor")
    path = str(Path(functions.__file__).parent)
    find = f"import sys; sys.path.append({path!r})"
    with InterpreterPoolExecutor(2, initializer=exec, initargs=(find,)) as pool:
        graph = Graph(executor=pool, on_error="continue")
        graph.add(functions.number)
        graph.add(functions.double, dependencies="number")
        graph.add(functions.fail, kwargs={"text": "bang"})
        run = graph()
    assert dict(run) == {"number": 20, "double": 40}
    assert type(run.errors["fail"]) is ValueError
