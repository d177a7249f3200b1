"""Faults 39 to 52: limits, cancellation, and what does not want to end."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest
import trio
from conftest import with_asyncio
from hypothesis import given
from hypothesis import strategies as st
from tests_helpers import in_a_script

from syncra import Context, Graph, Retry, State
from syncra.errors import RunTimeout, TaskCancelled, TaskTimeout
from syncra.executors import Threads

LIMIT = 0.1
#: A generous bound for "the caller is free in limit + 0.5 s" on a busy machine.
BOUND = 3.0


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Give an event that hanging threads wait for, set when the test is over."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def bounded() -> Iterator[None]:
    """Fail a test in which the caller was not free in time."""
    start = time.monotonic()
    yield
    assert time.monotonic() - start < BOUND


def busy(release: threading.Event) -> None:
    while not release.is_set():
        pass


def waiting(release: threading.Event) -> None:
    release.wait()


def blocked_in_recv(release: threading.Event) -> None:
    left, right = socket.socketpair()
    with left, right:
        threading.Thread(target=lambda: (release.wait(), right.send(b"x"))).start()
        left.recv(1)


def blocked_in_lock(release: threading.Event) -> None:
    lock = threading.Lock()
    lock.acquire()
    threading.Thread(target=lambda: (release.wait(), lock.release())).start()
    lock.acquire()


@pytest.mark.shares_memory
@pytest.mark.parametrize("hang", [busy, waiting, blocked_in_recv, blocked_in_lock])
@pytest.mark.usefixtures("bounded")
def test_faults_39_to_41_a_thread_that_does_not_end(
    run: Any, release: threading.Event, hang: Callable[[threading.Event], None]
) -> None:
    """The caller is freed, the task has failed, and the thread is said to be left."""
    graph = Graph("g")
    graph.add(hang, name="hang", kwargs={"release": release}, timeout=LIMIT)
    graph.add(lambda: None, name="after", after="hang")
    found = run(graph, on_error="continue")
    record = found.records["hang"]
    assert record.state == State.FAILED
    assert record.abandoned
    assert isinstance(record.error, TaskTimeout)
    assert record.error.task == "hang"
    assert record.error.limit == LIMIT
    notes = " ".join(record.error.__notes__)
    assert "abandoned" in notes
    if record.executor == "threads" or record.worker.startswith("syncra"):
        assert f" in {hang.__name__}" in notes
    assert found.records["after"].skipped_because == ("hang",)
    assert not found.ok


@pytest.mark.usefixtures("bounded")
def test_fault_39_the_lane_goes_on_without_the_thread(
    release: threading.Event,
) -> None:
    """With one worker, what is left behind does not take its place."""
    graph = Graph("g")
    graph.add(waiting, name="hang", kwargs={"release": release}, timeout=LIMIT)
    for number in range(5):
        graph.add(lambda: 1, name=str(number))
    found = graph.run(executor=Threads(1), on_error="continue")
    assert len(found) == 5


@pytest.mark.usefixtures("bounded")
def test_fault_39_a_late_result_is_dropped(release: threading.Event) -> None:
    """What an abandoned attempt returns later changes nothing, nor its successor."""
    came_late = threading.Event()
    attempts = []

    def work(context: Context) -> str:
        attempts.append(context.attempt)
        if context.attempt == 1:
            release.wait()
            came_late.set()
        return f"attempt {context.attempt}"

    graph = Graph("g")
    graph.add(work, timeout=LIMIT, retry=Retry(2, backoff=0))

    def second(work: str) -> str:
        release.set()
        came_late.wait()
        return work

    graph.add(second, dependencies="work")
    found = graph.run()
    assert found["second"] == "attempt 2"
    assert found["work"] == "attempt 2"
    record = found.records["work"]
    assert record.state == State.SUCCEEDED
    assert record.abandoned
    assert len(record.attempts) == 2
    assert isinstance(record.attempts[0].error, TaskTimeout)
    assert attempts == [1, 2]


@pytest.mark.shares_memory
@pytest.mark.usefixtures("bounded")
def test_fault_39_the_run_has_a_limit_too(run: Any, release: threading.Event) -> None:
    """It ends the run whatever its tasks do, and says which were running."""

    async def wait_async() -> None:
        await anyio.sleep_forever()

    graph = Graph("g")
    graph.add(waiting, name="thread", kwargs={"release": release})
    graph.add(wait_async, dependencies=())
    graph.add(lambda: None, name="after", after="thread")
    found = run(graph, timeout=LIMIT, on_error="continue")
    assert found.done
    states = {name: record.state for name, record in found.records.items()}
    assert set(states.values()) == {State.CANCELLED}
    with pytest.raises(BaseExceptionGroup) as caught:
        found.raise_for_errors()
    (error,) = caught.value.exceptions
    assert isinstance(error, RunTimeout)
    assert isinstance(error, TimeoutError)
    assert error.graph == "g"
    assert set(error.unfinished) <= {"thread", "wait_async"}
    assert error.unfinished


@pytest.mark.usefixtures("bounded")
def test_fault_39_the_limit_of_a_run_is_raised(release: threading.Event) -> None:
    graph = Graph("g")
    graph.add(waiting, name="hang", kwargs={"release": release})
    with pytest.raises(RunTimeout, match="running then: 'hang'"):
        graph.run(timeout=LIMIT)


def loops(run_loop: Any) -> Callable[..., Any]:
    return lambda graph, **options: run_loop(lambda: graph.arun(**options))


LOOPS = {
    "asyncio": loops(with_asyncio),
    "trio": loops(trio.run),
    "own loop": lambda graph, **options: graph.run(**options),
    "private loop": lambda graph, **options: graph.run(
        **{"executor": "sequential", **options}
    ),
}


@pytest.fixture(params=LOOPS)
def on_loop(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Run a graph of coroutines on each kind of event loop."""
    return LOOPS[request.param]


async def sleeps() -> None:
    await anyio.sleep_forever()


async def cleans_up() -> None:
    try:
        await anyio.sleep_forever()
    finally:
        await anyio.sleep(0.01)
        CLEANED.append(1)


CLEANED: list[int] = []


@pytest.mark.usefixtures("bounded")
def test_a_coroutine_is_cancelled_at_its_limit(on_loop: Any) -> None:
    """It can clean up, awaiting things, and is not left behind."""
    CLEANED.clear()
    graph = Graph("g")
    graph.add(cleans_up, timeout=LIMIT)
    found = on_loop(graph, on_error="continue")
    record = found.records["cleans_up"]
    assert isinstance(record.error, TaskTimeout)
    assert record.state == State.FAILED
    assert not record.abandoned
    assert CLEANED == [1]
    # The cause shows where it was.
    assert "cleans_up" in (record.traceback or "")


async def swallows() -> str:
    while True:
        try:
            await anyio.sleep_forever()
        except GeneratorExit:
            raise
        except BaseException:
            if STOP_SWALLOWING:
                raise


STOP_SWALLOWING: list[int] = []


async def returns_when_cancelled() -> str:
    try:
        await anyio.sleep_forever()
    except BaseException:
        return "done all the same"
    return ""


async def hangs_in_finally() -> None:
    try:
        await anyio.sleep_forever()
    finally:
        await anyio.sleep_forever()


async def hangs_in_shield() -> None:
    with anyio.CancelScope(shield=True):
        await anyio.sleep_forever()


@pytest.mark.parametrize(
    ("stubborn", "left"),
    [
        (returns_when_cancelled, False),
        (swallows, True),
        (hangs_in_finally, True),
        (hangs_in_shield, True),
    ],
)
@pytest.mark.usefixtures("bounded")
def test_faults_42_and_50_a_coroutine_that_does_not_want_to_end(
    on_loop: Any, request: pytest.FixtureRequest, stubborn: Any, left: bool
) -> None:
    """The timeout is never lost: after the grace it is closed, and has failed."""
    loop = request.node.callspec.params["on_loop"]
    if stubborn is hangs_in_shield and loop != "trio":
        left = False  # a shield of anyio's is none for asyncio
    graph = Graph("g")
    graph.add(stubborn, timeout=LIMIT)
    STOP_SWALLOWING.clear()
    try:
        found = on_loop(graph, on_error="continue", grace=0.1)
    finally:
        STOP_SWALLOWING.append(1)
    (record,) = found.records.values()
    assert record.state == State.FAILED
    assert isinstance(record.error, TaskTimeout)
    assert record.abandoned == left
    if left and loop == "private loop":
        forget_private_loops()


def forget_private_loops() -> None:
    """End the coroutines in the threads that were left behind by the test."""
    from syncra.executors import _private_loop

    for task, _ in list(_private_loop._running.values()):
        STOP_SWALLOWING.append(1)
        # As often as it takes: the coroutine may be in its clean-up.
        while not task.done():
            try:
                task.get_loop().call_soon_threadsafe(task.cancel)
            except RuntimeError:
                break
            time.sleep(0.01)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.usefixtures("bounded")
def test_fault_42_the_loop_goes_on(backend: str) -> None:
    """After a stubborn coroutine the user's loop is as usable as before."""

    async def main() -> int:
        graph = Graph("g")
        graph.add(swallows, timeout=LIMIT)
        with pytest.raises(TaskTimeout):
            await graph.arun(grace=0.05)
        found: list[int] = []

        async def append(number: int) -> None:
            await anyio.sleep(0.001)
            found.append(number)

        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(append, number)
        return len(found)

    assert anyio.run(main, backend=backend) == 3


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_fault_43_a_coroutine_that_blocks_the_loop_is_named(
    backend: str, caplog: pytest.LogCaptureFixture, release: threading.Event
) -> None:
    """A warning tells who it is while it happens, and its record keeps it."""
    from syncra.executors import _stalls

    async def blocks() -> None:
        # As long as it takes to be noticed.
        deadline = time.monotonic() + 30
        while not caplog.records and time.monotonic() < deadline:
            time.sleep(0.01)

    async def innocent() -> None:
        await anyio.sleep(0)

    graph = Graph("g")
    graph.add(innocent)
    graph.add(blocks, dependencies="innocent")
    found = anyio.run(graph.arun, backend=backend)
    assert "task 'blocks' of graph 'g' has blocked" in caplog.text
    assert len(caplog.records) == 1
    assert "blocked" in found.records["blocks"].warning
    assert found.records["innocent"].warning is None
    assert not _stalls._watched


class SlowLog(logging.Handler):
    """Take a record, and all the time until it may go on."""

    def __init__(self, may_go_on: threading.Event) -> None:
        super().__init__()
        self.has_one = threading.Event()
        self.may_go_on = may_go_on

    def emit(self, record: logging.LogRecord) -> None:
        self.has_one.set()
        self.may_go_on.wait(20)


def test_fault_43_the_log_of_that_does_not_stop_the_clock(
    release: threading.Event, request: pytest.FixtureRequest
) -> None:
    """Limits of other runs hold while somebody takes his time to write it down."""
    log = SlowLog(release)
    logger = logging.getLogger("syncra")
    logger.addHandler(log)
    request.addfinalizer(lambda: logger.removeHandler(log))

    async def blocks() -> None:
        log.has_one.wait(20)

    blocked, limited = Graph("blocked"), Graph("limited")
    blocked.add(blocks)
    limited.add(release.wait, kwargs={"timeout": 5}, timeout=LIMIT)
    found = blocked.start()
    assert log.has_one.wait(20)
    with pytest.raises(TaskTimeout):
        limited.run()
    release.set()
    assert found.wait(20)


def test_fault_44_ending_in_the_instant_of_the_limit() -> None:
    """Exactly one outcome, in the state, the error and the mapping alike."""
    outcomes = set()
    limit = 0.002
    for number in range(150):
        graph = Graph("g")

        def near(number: int = number) -> str:
            deadline = time.perf_counter() + limit + (number % 11 - 5) * 1e-4
            while time.perf_counter() < deadline:
                pass
            return "value"

        async def near_async(number: int = number) -> str:
            await anyio.sleep(limit + (number % 11 - 5) * 1e-4)
            return "value"

        graph.add(near, timeout=limit)
        graph.add(near_async, timeout=limit)
        found = graph.run(on_error="continue")
        for name, record in found.records.items():
            succeeded = record.state == State.SUCCEEDED
            assert succeeded == (record.error is None) == (name in found)
            assert succeeded or isinstance(record.error, TaskTimeout)
            outcomes.add(record.state)
    assert outcomes <= {State.SUCCEEDED, State.FAILED}


def test_fault_45_nothing_late_hits_the_next_task() -> None:
    """Threads and loops of timed-out tasks serve the next runs unharmed."""
    for number in range(100):
        graph = Graph("g")

        def short(number: int = number) -> None:
            time.sleep(0.0005 * (number % 4))

        async def short_async(number: int = number) -> None:
            await anyio.sleep(0.0005 * (number % 4))

        graph.add(short, timeout=0.001)
        graph.add(short_async, timeout=0.001)
        graph.run(on_error="continue")
        healthy = Graph("healthy")
        healthy.add(lambda: 1, name="one")
        healthy.add(innocent_async)
        assert dict(healthy.run()) == {"one": 1, "innocent_async": 2}


async def innocent_async() -> int:
    await anyio.sleep(0)
    return 2


@pytest.mark.usefixtures("bounded")
def test_fault_46_limit_times_retries(run: Any) -> None:
    """Each attempt has the whole limit, and the record has all of them."""
    waits: list[int] = []

    async def hangs() -> None:
        await anyio.sleep_forever()

    def backoff(attempt: int) -> float:
        waits.append(attempt)
        return 0.001

    graph = Graph("g")
    graph.add(hangs, timeout=0.02, retry=Retry(3, backoff=backoff))
    found = run(graph, on_error="continue")
    record = found.records["hangs"]
    assert [type(attempt.error) for attempt in record.attempts] == [TaskTimeout] * 3
    assert all(attempt.duration >= 0.02 for attempt in record.attempts)
    # There is no wait after the last attempt.
    assert waits == [1, 2]
    assert record.duration >= 0.06


@pytest.mark.usefixtures("bounded")
def test_fault_46_the_limit_of_the_run_cuts_retries_short(run: Any) -> None:
    """A retry that waits holds nobody up when the run is to end."""

    def fails() -> None:
        raise OSError("busy")

    graph = Graph("g")
    graph.add(fails, retry=Retry(5, backoff=3600, max_backoff=3600))
    with pytest.raises(RunTimeout):
        run(graph, timeout=LIMIT)


PHASES = ("before", "queued", "running", "backoff", "cleaning up", "done", "twice")


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("kind", ["thread", "coroutine"])
@pytest.mark.usefixtures("bounded")
def test_fault_47_cancel_in_each_phase(
    phase: str, kind: str, release: threading.Event
) -> None:
    """Each leads to the state it says, and after the end it does nothing."""
    reached = threading.Event()

    def work(context: Context) -> str:
        if phase == "backoff" and context.attempt == 1:
            raise OSError("busy")
        if phase in ("done", "before"):
            return "result"
        reached.set()
        release.wait()
        return "result"

    async def work_async(context: Context) -> str:
        if phase == "backoff" and context.attempt == 1:
            raise OSError("busy")
        if phase in ("done", "before"):
            return "result"
        reached.set()
        try:
            await anyio.sleep_forever()
        finally:
            if phase == "cleaning up":
                await anyio.sleep(0.01)
        return "never"

    graph = Graph("g")
    graph.add(
        work if kind == "thread" else work_async,
        name="work",
        retry=Retry(2, backoff=3600, max_backoff=3600),
    )
    graph.add(lambda: None, name="after", after="work")
    if phase == "queued":
        graph.add(lambda: None, name="queued")
    found = graph.start(executor=Threads(1) if kind == "thread" else "auto", grace=0.05)
    if phase == "done":
        found.wait()
    elif phase == "backoff":
        while not found.records["work"].attempts or (
            found.records["work"].state != State.PENDING
        ):
            time.sleep(0.001)
    elif phase != "before":
        assert reached.wait(10)
    found.cancel()
    if phase == "twice":
        found.cancel()
    assert found.wait(BOUND)
    states = {name: record.state for name, record in found.records.items()}
    if phase == "done":
        assert found.ok
        assert found["work"] == "result"
    elif phase != "before":
        assert states["work"] == states["after"] == State.CANCELLED
        assert found.records["work"].abandoned == (
            kind == "thread" and phase != "backoff"
        )
        with pytest.raises(TaskCancelled):
            found["work"]
        with pytest.raises(BaseExceptionGroup):
            found.raise_for_errors()
    before = repr(found)
    found.cancel()
    assert repr(found) == before


@pytest.mark.usefixtures("bounded")
def test_fault_47_cancel_from_a_task_and_from_a_loop(run: Any) -> None:
    """Whoever calls it, the run ends and nobody waits for ever."""
    started: list[Any] = []
    graph = Graph("g")

    async def from_loop() -> None:
        while not started:
            await anyio.sleep(0.001)
        started[0].cancel()
        await anyio.sleep_forever()

    def from_task() -> None:
        while not started:
            time.sleep(0.001)
        started[0].cancel()

    graph.add(from_loop)
    graph.add(from_task)
    graph.add(lambda: None, name="after", after=["from_task", "from_loop"])
    found = graph.start(grace=0.5)
    started.append(found)
    assert found.wait(BOUND)
    assert found.records["from_loop"].state == State.CANCELLED
    assert found.records["after"].state == State.CANCELLED


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.usefixtures("bounded")
def test_cancelling_who_awaits_a_started_run_cancels_it(backend: str) -> None:
    """As it does where the run goes on in the awaiting task."""

    async def main() -> Any:
        graph = Graph("g")
        graph.add(sleeps)
        found = graph.start()
        with anyio.move_on_after(0.02):
            await found
        return found

    found = anyio.run(main, backend=backend)
    assert found.done
    assert found.records["sleeps"].state == State.CANCELLED


@pytest.mark.usefixtures("bounded")
def test_fault_47_cancelled_again_while_it_ends() -> None:
    """Whoever awaits a run waits for its tasks, however often he is told not to."""
    cleaned: list[str] = []

    async def main() -> asyncio.Task[Any]:
        begun, cleaning, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
        graph = Graph("g")

        @graph.task
        async def cleans_up_for_long() -> None:
            begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                cleaning.set()
                await go_on.wait()
                cleaned.append("to the end")

        waits = asyncio.create_task(graph.arun(grace=60))
        await begun.wait()
        waits.cancel()
        await cleaning.wait()
        for _ in range(3):
            waits.cancel()
            await asyncio.sleep(0)
            assert not waits.done()
        go_on.set()
        await asyncio.wait([waits])
        return waits

    assert asyncio.run(main()).cancelled()
    assert cleaned == ["to the end"]


CLOSED_LOOP = """
import asyncio, gc, time
from syncra import Graph
from syncra.executors import _stalls

ended = []
graph = Graph()

@graph.task(timeout=LIMIT)
async def waits():
    try:
        await asyncio.sleep(60)
    finally:
        ended.append("closed")

async def main():
    await graph.arun(grace=0.1)

loop = asyncio.new_event_loop()
task = loop.create_task(main())
while not _stalls._watched:
    loop.run_until_complete(asyncio.sleep(0.01))
loop.close()
while WAITS and _stalls._watched:
    time.sleep(0.01)
del task
gc.collect()
while not ended:
    gc.collect()
graph = Graph()
graph.add(lambda: 1, name="next")
assert graph()["next"] == 1
"""


@pytest.mark.parametrize(("limit", "waits"), [(60, False), (0.05, True)])
def test_fault_47_a_loop_that_is_closed_under_a_run(limit, waits) -> None:
    """Its coroutines are closed with it, and nobody else is disturbed."""
    code = CLOSED_LOOP.replace("LIMIT", str(limit)).replace("WAITS", str(waits))
    in_a_script(code, limit=20)


@pytest.mark.parametrize("asks", [False, True])
@pytest.mark.usefixtures("bounded")
def test_fault_42_a_coroutine_that_waits_for_a_thread_of_trio(release, asks) -> None:
    """It cannot be ended before its thread is, unless that asks whether it shall be."""
    ends: list[str] = []

    def in_thread() -> None:
        try:
            while not release.wait(0.002):
                if asks:
                    trio.from_thread.check_cancelled()
        finally:
            ends.append("released" if release.is_set() else "asked")

    graph = Graph("g")

    @graph.task(timeout=LIMIT)
    async def waits() -> None:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(in_thread)

    async def main() -> Any:
        found = await graph.arun(on_error="continue", grace=0.1)
        while asks and not ends:
            await trio.sleep(0.001)
        release.set()
        return found

    (record,) = trio.run(main).records.values()
    assert record.state == State.FAILED
    assert isinstance(record.error, TaskTimeout)
    assert record.abandoned
    assert ends == ["asked" if asks else "released"]


def failing_at_once(count: int) -> Graph:
    """Return a graph of functions that raise their number, all in the same moment."""
    graph = Graph("g", executor=Threads(count))
    barrier = threading.Barrier(count)

    def fails(number: int) -> None:
        barrier.wait(10)
        raise OSError(number)

    for number in range(count):
        graph.add(fails, name=str(number), kwargs={"number": number})
    return graph


def test_fault_49_simultaneous_failures_are_all_reported() -> None:
    """Threads that fail at once are all Failed; nothing else is."""
    count = 4
    graph = failing_at_once(count)
    graph.add(sleeps)
    graph.add(lambda: None, name="after", after="0")
    found = graph.start()
    found.wait()
    assert {error.args[0] for error in found.errors.values()} == set(range(count))
    assert found.records["sleeps"].state in (State.CANCELLED, State.FAILED)
    assert "sleeps" not in found.errors
    with pytest.raises(ExceptionGroup) as caught:
        found.raise_for_errors()
    assert len(caught.value.exceptions) == count


def test_fault_49_no_failure_is_taken_for_a_cancellation() -> None:
    """Though the first one asks all threads to end, just when they are failing too."""
    graph = failing_at_once(4)
    for _ in range(300):
        found = graph.start()
        found.wait()
        assert len(found.errors) == 4


@given(st.one_of(st.floats(max_value=0), st.just(float("nan")), st.booleans()))
def test_fault_51_limits_that_make_no_sense(limit: float) -> None:
    """They are refused when they are declared, for tasks and runs alike."""
    graph = Graph("g")
    with pytest.raises(ValueError, match="timeout"):
        graph.add(lambda: None, name="task", timeout=limit)
    graph.add(lambda: None, name="task")
    with pytest.raises(ValueError, match="timeout"):
        graph.run(timeout=limit)
    assert len(graph) == 1


def test_fault_51_limits_at_the_edge() -> None:
    """A huge limit works, an infinite one is said with None."""
    graph = Graph("g")
    graph.add(lambda: 1, name="task", timeout=1e9)
    assert graph.run(timeout=1e9)["task"] == 1
    for wrong in (float("inf"), -1, 0):
        with pytest.raises(ValueError, match="timeout"):
            graph.run(timeout=wrong)
    for odd in ("1", [], object()):
        with pytest.raises(TypeError, match="timeout"):
            graph.run(timeout=odd)
    with pytest.raises(ValueError, match="grace"):
        graph.run(grace=-1)
    assert graph.run(grace=0)["task"] == 1


def test_fault_52_the_wall_clock_may_jump(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits and durations do not follow it."""
    import syncra._engine as engine

    now = iter([1e9, 1e9 + 86400, 1e9 - 86400] * 10)
    monkeypatch.setattr(engine, "time", lambda: next(now))
    graph = Graph("g")
    graph.add(lambda: 1, name="task", timeout=60)
    for _ in range(6):
        found = graph.run(timeout=60)
        assert found["task"] == 1
        assert 0 <= found.records["task"].duration < 60


def test_fault_40_a_thread_that_holds_the_interpreter() -> None:
    """Nothing can interrupt it, but the caller goes on once it lets go."""
    code = textwrap.dedent(
        """
        import re
        from syncra import Graph
        graph = Graph("g")
        graph.add(lambda: re.match("(a+)+$", "a" * 24 + "b"), name="regex",
                  timeout=0.01)
        run = graph.run(on_error="continue")
        print(run.records["regex"].state)
        """
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert found.stdout.strip() in ("failed", "succeeded")


@pytest.mark.usefixtures("bounded")
def test_a_failure_cancels_running_coroutines(on_loop: Any) -> None:
    """They can clean up, and their state says that they were cancelled."""
    CLEANED.clear()
    graph = Graph("g")
    started = threading.Event()

    async def goes_on() -> None:
        started.set()
        await cleans_up()

    async def fails() -> None:
        while not started.is_set():
            await anyio.sleep(0)
        raise OSError("broken")

    graph.add(goes_on)
    graph.add(fails)
    with pytest.raises(OSError, match="broken"):
        on_loop(graph, executor="auto")
    assert CLEANED == [1]


@pytest.mark.usefixtures("bounded")
def test_a_grace_bounds_the_wait_for_threads_after_a_failure(
    release: threading.Event,
) -> None:
    """Without one they are awaited; with one they are left behind at its end."""
    started = threading.Event()
    graph = Graph("g", executor=Threads(2))

    def hang() -> None:
        started.set()
        release.wait()

    def fails() -> None:
        started.wait()
        raise OSError("broken")

    graph.add(hang)
    graph.add(fails)
    with pytest.raises(OSError, match="broken"):
        graph.run(grace=0.05)
    found = graph.start(grace=0.05)
    found.wait()
    assert found.records["hang"].abandoned
    assert found.records["hang"].state == State.CANCELLED


def test_threads_are_awaited_to_their_end_after_a_failure() -> None:
    """A half-written file is worse than a wait."""
    started, go_on = threading.Event(), threading.Event()
    graph = Graph("g", executor=Threads(2))

    def writes() -> str:
        started.set()
        go_on.wait(30)
        return "written"

    def fails() -> None:
        started.wait(30)
        threading.Timer(0.05, go_on.set).start()
        raise OSError("broken")

    graph.add(writes)
    graph.add(fails)
    found = graph.start()
    found.wait()
    assert found["writes"] == "written"
    assert list(found.errors) == ["fails"]


def test_an_eager_task_factory_of_the_user() -> None:
    """Workers are not run while they are hired."""
    if sys.version_info < (3, 12):
        pytest.skip("new in Python 3.12")

    async def main() -> Any:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        graph = Graph("g")
        for number in range(20):
            graph.add(innocent_async, name=str(number))
        return await graph.arun()

    assert len(asyncio.run(main())) == 20


async def never_ending(has_ended: threading.Event) -> None:
    """Go on after each cancellation."""
    try:
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                pass
    finally:
        has_ended.set()


def test_fault_42_a_policy_is_asked_about_an_attempt_once() -> None:
    """Not again when what was given up comes to its end, of which it knows nothing."""
    asked: list[BaseException] = []
    has_ended = threading.Event()

    def on(error: BaseException) -> bool:
        asked.append(error)
        return False

    graph = Graph("g", on_error="continue")
    graph.add(
        never_ending,
        name="stubborn",
        kwargs={"has_ended": has_ended},
        timeout=0.05,
        retry=Retry(3, on=on),
    )
    found = graph.run(grace=0.05)
    assert has_ended.wait(10)
    assert asked == [found.records["stubborn"].error]


def test_fault_47_a_run_cancelled_while_a_policy_thinks_about_what_was_given_up() -> (
    None
):
    """What is asked to end has ended already: that is no fault of the run."""
    is_asked, has_ended, may_answer = (threading.Event() for _ in range(3))

    def on(error: BaseException) -> bool:
        is_asked.set()
        return may_answer.wait(10)

    graph = Graph("g", on_error="continue")
    graph.add(
        never_ending,
        name="stubborn",
        kwargs={"has_ended": has_ended},
        timeout=0.05,
        retry=Retry(3, on=on),
    )
    found = graph.start(grace=0.05)
    assert is_asked.wait(10)
    assert has_ended.wait(10)
    found.cancel(grace=0.2)
    assert found.wait(10)
    may_answer.set()
    with pytest.raises(ExceptionGroup) as raised:
        found.raise_for_errors()
    assert [type(one) for one in raised.value.exceptions] == [
        TaskTimeout,
        TaskCancelled,
    ]


CANCELLED_WITHOUT_ITS_LOOP = """
import asyncio, threading
from syncra import Graph

graph = Graph("g")
hold, has_begun = threading.Event(), asyncio.Event()
graph.add(hold.wait, name="slow")

@graph.task
async def coroutine():
    has_begun.set()
    await asyncio.sleep(3600)

runs = []

async def main():
    runs.append(graph())
    await runs[0]

loop = asyncio.new_event_loop()
loop.set_exception_handler(lambda loop, context: None)
awaiting = loop.create_task(main())
loop.run_until_complete(has_begun.wait())
loop.close()
awaiting.get_coro().close()
run, = runs
run.cancel(grace=0)
hold.set()
print(*sorted(record.name + " " + record.state for record in run.as_completed()))
"""


def test_fault_47_a_run_whose_event_loop_was_closed_can_be_cancelled() -> None:
    """By whoever has it: the coroutine makes no other step, and is cancelled."""
    assert in_a_script(CANCELLED_WITHOUT_ITS_LOOP) == (
        "coroutine cancelled slow cancelled\n"
    )


def test_fault_47_a_run_that_begins_in_one_that_is_to_end_is_cancelled() -> None:
    """It says so, as one does that was going on."""
    inner, outer = Graph("inner"), Graph("outer")
    inner.add(lambda: 1, name="one")
    has_begun, is_told = threading.Event(), threading.Event()

    @outer.task
    def begins_late() -> Any:
        has_begun.set()
        is_told.wait(10)
        return inner.run()

    found = outer.start()
    assert has_begun.wait(10)
    found.cancel()
    is_told.set()
    assert found.wait(10)
    with pytest.raises(ExceptionGroup, match="graph 'inner'") as raised:
        found[begins_late].raise_for_errors()
    assert isinstance(raised.value.exceptions[0], TaskCancelled)
