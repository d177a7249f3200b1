"""What failing, skipping and undoing mean, the same in every way to run a graph."""

from __future__ import annotations

import bdb
import contextvars
import functools
import itertools
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import anyio
import pytest
import trio
from conftest import RUNNERS, with_asyncio
from tests_helpers import states_of

from syncra import Context, DontRetry, Graph, Retry, Skip, State, _session
from syncra.errors import (
    GraphError,
    RunTimeout,
    SignatureError,
    TaskCancelled,
    TaskSkipped,
    TaskTimeout,
)
from syncra.executors import Threads

ON_ERROR = ("raise", "continue", "rollback")
KINDS = ("function", "coroutine")
TRIGGERS = ("all_succeeded", "all_done", "any_failed", "any_succeeded")

one_at_a_time = pytest.mark.parametrize(
    "run", ["sequential", "one-thread", "asyncio-sequential"], indirect=True
)
concurrent = pytest.mark.parametrize(
    "run",
    [
        "threads",
        "auto",
        "asyncio",
        "trio",
        "trio-threads",
        "background",
        "pool-threads",
        "asyncio-pool-threads",
    ],
    indirect=True,
)
every_policy = pytest.mark.parametrize("on_error", ON_ERROR)


class Boom(Exception):
    """Be raised by tasks of these tests."""


def calling(function: Callable[..., Any], kind: str) -> Callable[[], Any]:
    """Return a function, or a coroutine function that suspends, that calls another."""

    async def coroutine() -> Any:
        await anyio.sleep(0)
        return function()

    return function if kind == "function" else coroutine


def slow_task() -> tuple[Graph, threading.Event, threading.Event]:
    """Return a graph with a task "slow", what tells that it runs, and what ends it."""
    graph = Graph()
    started, go = threading.Event(), threading.Event()

    def slow() -> str:
        started.set()
        assert go.wait(30)
        return "written"

    graph.add(slow)
    return graph, started, go


def failing(times: int = 10**9, kind: str = "function", value: Any = "done") -> Any:
    """Return a callable that raises `Boom(n)` the first `times` times."""
    calls = 0  # not an itertools.count, which cannot be pickled from 3.14 on

    def work() -> Any:
        nonlocal calls
        calls += 1
        if calls <= times:
            raise Boom(calls)

        return value

    return calling(work, kind)


# on_error


def test_raise_settles_every_task(ended) -> None:
    """Dependants are skipped, what runs may end, what has not started is cancelled."""
    for kind in KINDS:
        graph = Graph("etl")

        def wait_for_the_failure(context: Context) -> None:
            turn = threading.Event()
            for _ in range(10_000):
                if context.cancelled():
                    return

                turn.wait(0.001)
            raise AssertionError("was never told")

        graph.add(failing(kind=kind), name="bad")
        graph.add(wait_for_the_failure, name="gate")
        graph.add(lambda x: x, name="child", dependencies="bad")
        graph.add(lambda x: x, name="grandchild", dependencies="child")
        for number in range(20):
            graph.add(lambda: None, name=f"late{number}", after="gate")
        found, error = ended(graph, on_error="raise")
        assert isinstance(error, Boom)
        assert found.done
        assert not found.ok
        states = states_of(found)
        assert states.pop("bad") == "failed"
        assert states.pop("child") == states.pop("grandchild") == "skipped"
        assert states.pop("gate") in {"succeeded", "cancelled"}
        assert set(states.values()) == {"cancelled"}
        assert found.records["grandchild"].skipped_because == ("bad",)
        assert found.errors == {"bad": error}
        with pytest.raises(TaskCancelled, match="'late0' of graph 'etl' was cancelled"):
            found["late0"]


def test_the_note_says_which_attempt_failed(ended) -> None:
    """From the second one on."""
    graph = Graph("etl")
    graph.add(failing(), name="extract", retry=Retry(3, backoff=0))
    _, error = ended(graph)
    assert isinstance(error, Boom)
    assert error.args == (3,)
    assert error.__notes__ == ["raised by task 'extract' of graph 'etl', attempt 3"]


def test_on_error_of_the_graph_and_of_the_run(ended) -> None:
    """What the run says comes before what the graph says."""
    graph = Graph(on_error="continue")
    graph.add(failing(), name="bad")
    _, error = ended(graph)
    assert error is None
    _, error = ended(graph, on_error="raise")
    assert isinstance(error, Boom)


def test_continue_runs_what_can_and_names_all_causes(ended) -> None:
    """A task behind two failures names both; the ones beside them succeed."""
    graph = Graph()
    graph.add(failing(), name="first")
    graph.add(failing(kind="coroutine"), name="second")
    graph.add(lambda: 1, name="good")
    graph.add(lambda x: x, name="behind_second", dependencies="second")
    graph.add(
        lambda *_: 1, name="both", dependencies=("first", "behind_second", "good")
    )
    graph.add(lambda x: x + 1, name="after_good", dependencies="good")
    found, error = ended(graph, on_error="continue")
    assert error is None
    assert dict(found) == {"good": 1, "after_good": 2}
    assert found.records["both"].skipped_because == ("first", "second")
    assert found.records["behind_second"].skipped_because == ("second",)
    assert set(found.errors) == {"first", "second"}
    with pytest.raises(ExceptionGroup, match="2 of 6 tasks") as group:
        found.raise_for_errors()
    assert set(group.value.exceptions) == set(found.errors.values())


@every_policy
def test_fault_49_failures_at_once_are_all_reported(on_error) -> None:
    """Four threads that fail together are four failures, in the order they came."""
    graph = Graph("etl")
    barrier = threading.Barrier(4)

    def bad() -> None:
        barrier.wait(30)
        raise Boom

    for number in range(4):
        graph.add(bad, name=f"bad{number}")
    graph.add(lambda: 1, name="late", after="bad0")
    found = graph.start(executor=Threads(4), on_error=on_error)
    assert found.wait(30)
    errors = found.errors
    assert set(errors) == {f"bad{number}" for number in range(4)}
    states = states_of(found)
    assert [states[name] for name in errors] == ["failed"] * 4
    assert states["late"] in {"skipped", "cancelled"}
    with pytest.raises(ExceptionGroup, match="4 of 5 tasks") as group:
        found.raise_for_errors()
    assert group.value.exceptions == tuple(errors.values())
    assert len(set(map(id, group.value.exceptions))) == 4


@pytest.mark.parametrize("on_error", ["raise", "rollback"])
@concurrent
def test_a_failure_cancels_coroutines_that_are_running(ended, on_error) -> None:
    """They see it and clean up; their state is cancelled, not failed."""
    graph = Graph()
    running = threading.Semaphore(0)
    trace: list[str] = []

    async def forever() -> None:
        running.release()
        try:
            await anyio.sleep_forever()
        finally:
            trace.append("cleaned up")

    def bad() -> None:
        for _ in range(2):
            assert running.acquire(timeout=30)
        raise Boom

    graph.add(forever, name="one")
    graph.add(forever, name="two")
    graph.add(bad)
    found, error = ended(graph, on_error=on_error)
    assert isinstance(error, Boom)
    assert trace == ["cleaned up"] * 2
    assert states_of(found) == {"one": "cancelled", "two": "cancelled", "bad": "failed"}
    assert list(found.errors) == ["bad"]


def test_a_failure_waits_for_threads() -> None:
    """What runs in a thread cannot be interrupted: the run ends after it."""
    graph, started, go = slow_task()

    def bad() -> None:
        assert started.wait(30)
        raise Boom

    graph.add(bad)
    found = graph.start(executor=Threads(2))
    try:
        assert next(found.as_completed()).name == "bad"
        assert not found.done
        assert found.records["slow"].state is State.RUNNING
    finally:
        go.set()
    assert found.wait(30)
    assert found["slow"] == "written"
    assert not found.ok


def test_a_background_run_raises_when_it_is_asked() -> None:
    """Not by itself: at a result, at `await`, at `raise_for_errors`."""
    graph = Graph("etl")
    graph.add(failing(), name="bad")
    graph.add(lambda x: x, name="child", dependencies="bad")
    found = graph.start()
    assert found.wait(30)
    assert list(found.errors) == ["bad"]
    with pytest.raises(Boom):
        found["bad"]
    with pytest.raises(TaskSkipped, match="because of 'bad'"):
        found["child"]
    with pytest.raises(ExceptionGroup, match="1 of 2 tasks of graph 'etl' failed"):
        found.raise_for_errors()

    async def ask() -> None:
        await found

    with pytest.raises(Boom):
        anyio.run(ask)


def test_a_run_without_failures_has_nothing_to_raise(ended) -> None:
    """It is ok, an empty one too."""
    full = Graph()
    full.add(lambda: 1, name="one")
    for graph in (full, Graph()):
        found, error = ended(graph)
        assert error is None
        assert found.ok
        assert found.errors == {}
        found.raise_for_errors()


# Retry


def test_retry_goes_on_until_it_succeeds(ended) -> None:
    """Each attempt is in the record, with its error and its times."""
    for kind in KINDS:
        graph = Graph()
        graph.add(failing(2, kind), name="flaky", retry=Retry(5, backoff=0.002))
        graph.add(lambda x: x, name="after", dependencies="flaky")
        found, error = ended(graph)
        assert error is None
        assert found.ok
        assert found["after"] == "done"
        assert found.errors == {}
        record = found.records["flaky"]
        assert record.state is State.SUCCEEDED
        assert record.error is None
        assert [str(attempt.error) for attempt in record.attempts] == ["1", "2", "None"]
        assert record.started_at == record.attempts[0].started_at
        durations = [attempt.duration for attempt in record.attempts]
        assert all(duration is not None and duration >= 0 for duration in durations)
        for before, after in itertools.pairwise(record.attempts):
            waited = (after.started_at - before.started_at).total_seconds()
            # Moments are rounded to microseconds.
            assert waited >= before.duration + 0.001 - 1e-5
        assert record.duration >= sum(durations)
        assert all(attempt.worker for attempt in record.attempts)


@every_policy
def test_retry_gives_up_after_the_last_attempt(ended, on_error) -> None:
    """A number says how often it is tried in all; the last error is the task's."""
    for kind in KINDS:
        graph = Graph()
        graph.add(failing(kind=kind), name="bad", retry=Retry(3, backoff=0))
        graph.add(lambda x: x, name="child", dependencies="bad")
        found, error = ended(graph, on_error=on_error)
        record = found.records["bad"]
        assert [attempt.error.args for attempt in record.attempts] == [(1,), (2,), (3,)]
        assert record.error is record.attempts[-1].error
        assert error is (None if on_error == "continue" else record.error)
        assert states_of(found) == {"bad": "failed", "child": "skipped"}


@pytest.mark.parametrize(("retry", "attempts"), [(1, 1), (2, 2), (Retry(1), 1)])
def test_retry_is_the_number_of_attempts_in_all(retry, attempts) -> None:
    """So 1 is the same as no retry."""
    graph = Graph(on_error="continue")
    graph.add(failing(), name="bad", retry=retry)
    assert len(graph().records["bad"].attempts) == attempts


def test_there_is_no_wait_after_the_last_attempt(ended) -> None:
    """The backoff is asked after each attempt that is followed by another."""
    asked: list[int] = []

    def backoff(attempt: int) -> float:
        asked.append(attempt)
        return 0

    graph = Graph(on_error="continue")
    graph.add(failing(), name="bad", retry=Retry(4, backoff=backoff))
    ended(graph)
    assert asked == [1, 2, 3]
    asked.clear()
    graph.add(failing(1), name="flaky", retry=Retry(4, backoff=backoff))
    graph.add(lambda: 1, name="good", retry=Retry(4, backoff=backoff))
    graph.remove("bad")
    found = ended(graph)[0]
    assert found.ok
    # Where several processes take turns, it fails once in each.
    attempts = len(found.records["flaky"].attempts)
    assert asked == list(range(1, attempts))


@pytest.mark.shares_memory
def test_a_waiting_retry_holds_no_worker(ended) -> None:
    """Another task runs between two attempts, even where there is one worker."""
    graph = Graph()
    trace: list[str] = []
    other_ran = threading.Event()

    def flaky(context: Context) -> None:
        if context.attempt == 1:
            trace.append("first attempt")
            raise Boom

        other_ran.wait(10)  # in vain if its worker is this one
        trace.append("second attempt")

    def other() -> None:
        trace.append("other")
        other_ran.set()

    graph.add(flaky, retry=Retry(2, backoff=0.1, jitter=0))
    graph.add(other)
    found, error = ended(graph)
    assert error is None
    assert found.ok
    assert sorted(trace) == ["first attempt", "other", "second attempt"]
    assert trace[-1] == "second attempt"


@one_at_a_time
def test_a_task_that_waits_for_its_retry_is_cancelled(ended) -> None:
    """The run does not wait an hour to learn that nothing comes of it."""
    graph = Graph()
    graph.add(failing(), name="flaky", retry=Retry(2, backoff=3600, max_backoff=3600))
    graph.add(failing(value="bad"), name="bad")
    found, error = ended(graph)
    assert error is found.errors["bad"]
    record = found.records["flaky"]
    assert record.state is State.CANCELLED
    assert len(record.attempts) == 1
    assert isinstance(record.attempts[0].error, Boom)


ON: list[tuple[Any, int]] = [
    (Boom, 3),
    (Exception, 3),
    ((OSError, Boom), 3),
    ([OSError, Boom], 3),
    (OSError, 1),
    ((OSError, ValueError), 1),
    ((), 1),
    (lambda error: error.args[0] < 2, 2),
    (lambda error: False, 1),
    (lambda error: isinstance(error, Boom), 3),
]


@pytest.mark.shares_memory
def test_retry_only_after_some_errors(run) -> None:
    """A class, several of them, or a function of the exception."""
    for kind in KINDS:
        graph = Graph(on_error="continue")
        for number, (on, _) in enumerate(ON):
            retry = Retry(3, on=on, backoff=0)
            graph.add(failing(kind=kind), name=str(number), retry=retry)
        records = run(graph).records
        for number, (on, attempts) in enumerate(ON):
            record = records[str(number)]
            assert len(record.attempts) == attempts, on
            assert record.error.args == (attempts,), on


def test_by_default_only_exceptions_are_retried(run) -> None:
    """What is no `Exception` means business."""

    class Base(BaseException):
        pass

    def bad() -> None:
        raise Base

    graph = Graph(on_error="continue")
    graph.add(bad, retry=Retry(3, backoff=0))
    graph.add(bad, name="stubborn", retry=Retry(3, on=Base, backoff=0))
    records = run(graph).records
    assert len(records["bad"].attempts) == 1
    assert len(records["stubborn"].attempts) == 3


def test_a_retry_predicate_that_raises(ended) -> None:
    """The task fails with its own error, and a note says what the policy did."""

    def on(error: BaseException) -> bool:
        raise LookupError("no such setting")

    for kind in KINDS:
        graph = Graph(on_error="continue")
        graph.add(failing(kind=kind), name="bad", retry=Retry(3, on=on))
        graph.add(lambda: 1, name="good")
        found, error = ended(graph)
        assert error is None
        record = found.records["bad"]
        assert record.state is State.FAILED
        assert isinstance(record.error, Boom)
        assert len(record.attempts) == 1
        (note,) = (note for note in record.error.__notes__ if "policy" in note)
        assert "'bad'" in note
        assert "LookupError: no such setting" in note
        assert found["good"] == 1


def test_a_backoff_that_makes_no_sense(run) -> None:
    """Is taken for a mistake of the policy: the task fails with its own error."""
    answers = ["soon", None, -1, float("nan"), float("inf"), True, 10**400, [], 1j]
    graph = Graph(on_error="continue")
    for number, answer in enumerate(answers):
        retry = Retry(3, backoff=lambda attempt, answer=answer: answer)
        graph.add(failing(), name=str(number), retry=retry)
    graph.add(lambda: 1, name="good")
    found = run(graph)
    assert found["good"] == 1
    for number, answer in enumerate(answers):
        record = found.records[str(number)]
        assert isinstance(record.error, Boom), answer
        assert len(record.attempts) == 1, answer
        assert any("retry policy" in note for note in record.error.__notes__), answer


@every_policy
def test_dont_retry_fails_at_once(ended, on_error) -> None:
    """It is the task's error, and what it was raised from is kept."""
    cause = OSError("password expired")

    def login() -> None:
        raise DontRetry("ask the administrator") from cause

    for kind in KINDS:
        graph = Graph()
        retry = Retry(5, on=lambda error: True, backoff=0)
        graph.add(calling(login, kind), name="login", retry=retry)
        graph.add(lambda x: x, name="child", dependencies="login")
        found, error = ended(graph, on_error=on_error)
        record = found.records["login"]
        assert record.state is State.FAILED
        assert isinstance(record.error, DontRetry)
        # Equal where it comes from another process.
        assert repr(record.error.__cause__) == repr(cause)
        assert len(record.attempts) == 1
        assert error is (None if on_error == "continue" else record.error)
        assert "password expired" in record.traceback
        assert found.records["child"].skipped_because == ("login",)


def test_quitting_the_debugger_is_not_tried_again(run) -> None:
    graph = Graph(on_error="continue")

    @graph.task(retry=3)
    def look() -> None:
        raise bdb.BdbQuit

    found = run(graph)
    assert isinstance(found.errors["look"], bdb.BdbQuit)
    assert len(found.records["look"].attempts) == 1


@pytest.mark.shares_memory
def test_the_context_tells_the_attempt(run) -> None:
    """From 1 on; a coroutine is told too."""
    seen: list[int] = []

    async def flaky(context: Context) -> None:
        await anyio.sleep(0)
        seen.append(context.attempt)
        if context.attempt < 3:
            raise Boom

    graph = Graph()
    graph.add(flaky, retry=Retry(3, backoff=0))
    assert run(graph).ok
    assert seen == [1, 2, 3]


def test_retry_waits_double_up_to_a_limit() -> None:
    """Less a random part of them."""
    retry = Retry(10, backoff=0.1, max_backoff=1, jitter=0.5)
    assert [retry.wait(n, 0.0) for n in range(1, 6)] == [0.1, 0.2, 0.4, 0.8, 1.0]
    assert retry.wait(1, 1.0) == pytest.approx(0.05)
    assert retry.wait(100_000, 0.0) == 1.0
    default = Retry(3)
    assert default.wait(1, 0.0) == pytest.approx(0.1)
    assert default.wait(1, 1.0) == pytest.approx(0.05)
    assert default.wait(50, 0.0) == 30
    exact = Retry(3, backoff=lambda attempt: attempt * 10, max_backoff=25, jitter=0)
    assert [exact.wait(n, 0.7) for n in (1, 2, 3)] == [10, 20, 25]


def test_a_clean_up_task_is_retried_after_a_failure(ended) -> None:
    """It outlives the failure, so its own policy holds for it as ever."""
    graph = Graph()
    graph.add(failing(), name="bad")
    graph.add(
        failing(2),
        name="clean_up",
        after="bad",
        trigger="all_done",
        retry=Retry(3, backoff=0),
    )
    found, error = ended(graph)
    assert error is found.errors["bad"]
    record = found.records["clean_up"]
    assert len(record.attempts) == 3
    assert record.state is State.SUCCEEDED


# Skip


@every_policy
def test_skip_skips_the_task_and_its_dependants(ended, on_error) -> None:
    """Nothing has failed, and everybody knows why."""

    def unread() -> None:
        raise Skip("the mailbox is empty")

    for kind in KINDS:
        undone: list[object] = []
        graph = Graph("mail")
        good = graph.add(lambda: 1, name="good")
        good.rollback(undone.append)
        graph.add(calling(unread, kind), name="unread", after=good, retry=Retry(3))
        graph.add(lambda x: x, name="answer", dependencies="unread")
        graph.add(lambda x: x, name="file", dependencies="answer")
        found, error = ended(graph, on_error=on_error)
        assert error is None
        assert found.ok
        assert found.errors == {}
        assert dict(found) == {"good": 1}
        records = found.records
        assert records["unread"].state is State.SKIPPED
        assert records["unread"].reason == "the mailbox is empty"
        assert records["unread"].error is None
        assert len(records["unread"].attempts) == 1
        for name in ("answer", "file"):
            assert records[name].state is State.SKIPPED
            assert records[name].skipped_because == ("unread",)
            assert records[name].reason is None
            with pytest.raises(TaskSkipped, match="because of 'unread'") as skipped:
                found[name]
            assert skipped.value.because == ("unread",)
        with pytest.raises(TaskSkipped, match="the mailbox is empty"):
            found["unread"]
        assert undone == []
        found.raise_for_errors()


def test_skip_without_a_reason(ended) -> None:
    """Says at least whose wish it was."""

    def unread() -> None:
        raise Skip

    graph = Graph()
    graph.add(unread)
    found, _ = ended(graph)
    assert found.records["unread"].reason == ""
    assert found.records["unread"].why == "by its own wish"


# Triggers

#: What becomes of a task by its trigger and by how the tasks before it have ended:
#: under "continue", and under "raise" and "rollback" where that does not depend on
#: which of two tasks comes first.
ENDS = {
    ("all_succeeded", "both good"): ("succeeded", "succeeded"),
    ("all_succeeded", "one bad"): ("skipped", "skipped"),
    ("all_succeeded", "both bad"): ("skipped", "skipped"),
    ("all_succeeded", "one skipped"): ("skipped", "skipped"),
    ("all_done", "both good"): ("succeeded", "succeeded"),
    ("all_done", "one bad"): ("succeeded", "succeeded"),
    ("all_done", "both bad"): ("succeeded", "succeeded"),
    ("all_done", "one skipped"): ("succeeded", "succeeded"),
    ("any_failed", "both good"): ("skipped", "skipped"),
    ("any_failed", "one bad"): ("succeeded", "succeeded"),
    ("any_failed", "both bad"): ("succeeded", "succeeded"),
    ("any_failed", "one skipped"): ("skipped", "skipped"),
    ("any_succeeded", "both good"): ("succeeded", "succeeded"),
    ("any_succeeded", "one bad"): ("succeeded", "cancelled"),
    ("any_succeeded", "both bad"): ("skipped", None),
    ("any_succeeded", "one skipped"): ("succeeded", "succeeded"),
}


def watched(trigger: str, story: str) -> Graph:
    """Return a graph of "first", "second" after it, and "watcher" of both."""

    def skip() -> None:
        raise Skip("no need")

    def watcher(first: Any, second: Any, context: Context) -> tuple[Any, ...]:
        return first, second, dict(context.results), set(context.errors)

    graph = Graph()
    first = failing() if story == "both bad" else (lambda: 1)
    graph.add(first, name="first")
    second = {"both good": lambda: 2, "one skipped": skip}.get(story, failing())
    graph.add(second, name="second")
    if story != "both bad":
        graph["second"].after = ("first",)
    graph.add(watcher, dependencies=("first", "second"), trigger=trigger)
    return graph


@every_policy
@pytest.mark.parametrize("trigger", TRIGGERS)
def test_triggers(ended, trigger, on_error) -> None:
    """Decided when all before is settled; clean-up and alarm outlive a failure."""
    stories = [story for of, story in ENDS if of == trigger]
    assert len(stories) == 4
    for story in stories:
        expected = ENDS[trigger, story][on_error != "continue"]
        if expected is None:
            continue

        found, error = ended(watched(trigger, story), on_error=on_error)
        states = states_of(found)
        assert states["watcher"] == expected, story
        failed = {name for name, state in states.items() if state == "failed"}
        assert found.ok is (not failed), story
        assert (error is None) is (not failed or on_error == "continue"), story
        if expected == "succeeded":
            first = 1 if "first" in found else None
            second = 2 if "second" in found else None
            results = {
                name: found[name] for name in ("first", "second") if name in found
            }
            assert found["watcher"] == (first, second, results, failed), story


@every_policy
def test_a_trigger_that_is_not_met_is_no_failure(ended, on_error) -> None:
    """The alarm is skipped, and so is what waits for it; because of nobody."""
    graph = Graph()
    graph.add(lambda: 1, name="good")
    graph.add(lambda: 2, name="alarm", after="good", trigger="any_failed")
    graph.add(lambda x: x, name="siren", dependencies="alarm")
    found, error = ended(graph, on_error=on_error)
    assert error is None
    assert found.ok
    assert dict(found) == {"good": 1}
    for name in ("alarm", "siren"):
        assert found.records[name].state is State.SKIPPED
        assert found.records[name].skipped_because == ()
    assert found.records["alarm"].why == "its trigger was not met"
    with pytest.raises(TaskSkipped, match="its trigger was not met") as skipped:
        found["alarm"]
    assert skipped.value.because == ()


def test_any_succeeded_with_failures_only_names_them(ended) -> None:
    """It was skipped since all of these failed."""
    graph = watched("any_succeeded", "both bad")
    found, _ = ended(graph, on_error="continue")
    assert found.records["watcher"].skipped_because == ("first", "second")


@every_policy
def test_any_failed_counts_what_a_failure_has_skipped(ended, on_error) -> None:
    """However far behind the failure it is."""
    graph = Graph()
    graph.add(failing(), name="extract")
    graph.add(lambda x: x, name="transform", dependencies="extract")
    graph.add(lambda x: x, name="load", dependencies="transform")

    def alarm(load: Any, context: Context) -> tuple[Any, ...]:
        return load, sorted(context.errors), dict(context.results)

    graph.add(alarm, dependencies="load", trigger="any_failed")
    found, _ = ended(graph, on_error=on_error)
    assert found["alarm"] == (None, ["extract"], {})


def test_a_chain_of_triggers(ended) -> None:
    """A failure is handled, what follows the handler goes on, and all is cleaned up."""
    graph = Graph()
    graph.add(failing(), name="extract")
    graph.add(lambda x: x, name="transform", dependencies="extract")
    graph.add(lambda: "old", name="alarm", after="transform", trigger="any_failed")
    graph.add(
        lambda new, old: new or old,
        name="choose",
        dependencies=("transform", "alarm"),
        trigger="any_succeeded",
    )
    graph.add(str.upper, name="publish", dependencies="choose")
    graph.add(lambda: "closed", name="close", after="publish", trigger="all_done")
    graph.add(lambda: "never", name="panic", after="close", trigger="any_failed")
    found, _ = ended(graph, on_error="continue")
    assert dict(found) == {
        "alarm": "old",
        "choose": "old",
        "publish": "OLD",
        "close": "closed",
    }
    assert found.records["panic"].skipped_because == ()
    for on_error in ("raise", "rollback"):
        found, error = ended(graph, on_error=on_error)
        assert isinstance(error, Boom)
        assert states_of(found) == {
            "extract": "failed",
            "transform": "skipped",
            "alarm": "succeeded",
            "choose": "cancelled",
            "publish": "cancelled",
            "close": "succeeded",
            "panic": "skipped",
        }


@pytest.mark.parametrize("on_error", ["raise", "rollback"])
def test_a_clean_up_that_fails_does_not_hide_the_failure(ended, on_error) -> None:
    """The first error is raised; the other clean-ups still run."""
    graph = Graph()
    graph.add(failing(), name="bad")
    graph.add(failing(), name="broken", after="bad", trigger="all_done")
    graph.add(lambda: 1, name="close", after="broken", trigger="all_done")
    graph.add(lambda: 2, name="alarm", after="broken", trigger="any_failed")
    found, error = ended(graph, on_error=on_error)
    assert list(found.errors) == ["bad", "broken"]
    assert error is found.errors["bad"]
    assert dict(found) == {"close": 1, "alarm": 2}


def test_a_part_of_what_has_no_result_is_none(ended) -> None:
    """As the whole of it is."""

    def read() -> tuple[int, int]:
        raise Boom

    graph = Graph(on_error="continue")
    graph.add(read, outputs=("head", "body"))
    graph.add(
        lambda head, body: [head, body],
        name="close",
        dependencies=(graph["read"]["head"], graph["read"]["body"]),
        trigger="all_done",
    )
    found, _ = ended(graph)
    assert found["close"] == [None, None]
    assert list(found.errors) == ["read"]


def test_clean_up_does_not_outlive_a_cancelled_run() -> None:
    """Who ends the run wants to see the end of it."""
    graph, started, go = slow_task()
    graph.add(lambda: None, name="close", after="slow", trigger="all_done")
    graph.add(lambda: None, name="alarm", after="slow", trigger="any_failed")
    found = graph.start()
    try:
        assert started.wait(30)
        found.cancel()
    finally:
        go.set()
    assert found.wait(30)
    assert states_of(found)["close"] == states_of(found)["alarm"] == "cancelled"
    assert not found.ok


def test_clean_up_does_not_outlive_the_time_of_the_run(ended) -> None:
    """That is over for it too."""
    graph = Graph()
    graph.add(anyio.sleep_forever, name="forever")
    graph.add(lambda: None, name="close", after="forever", trigger="all_done")
    found, error = ended(graph, timeout=0.02)
    assert isinstance(error, RunTimeout)
    assert states_of(found) == {"forever": "cancelled", "close": "cancelled"}


@pytest.mark.parametrize("trigger", ["any_failed", "any_succeeded"])
def test_a_trigger_with_nothing_to_watch_is_refused(run, trigger) -> None:
    """Before anything runs."""
    ran: list[int] = []
    graph = Graph("etl")
    graph.add(lambda: ran.append(1), name="good")
    graph.add(lambda: None, name="alarm", trigger=trigger)
    with pytest.raises(GraphError, match=f"'alarm'.*'etl' has the trigger '{trigger}'"):
        run(graph)
    assert ran == []


def test_clean_up_without_dependencies_just_runs(run) -> None:
    """There is nothing that it would have to wait for."""
    graph = Graph()
    graph.add(lambda: 1, name="close", trigger="all_done")
    assert run(graph)["close"] == 1


# Rollback


def order(trace: list[Any], *, undo: dict[str, Any] | None = None) -> Graph:
    """Return a chain of tasks "a", "b", "c", which can be undone, and "bad"."""
    graph = Graph("order", on_error="rollback")
    before: Any = ()
    for name in "abc":
        task = graph.add(lambda name=name: f"made by {name}", name=name, after=before)

        def plain(result: str) -> None:
            trace.append(result)

        task.rollback((undo or {}).get(name, plain))
        before = task
    graph.add(failing(), name="bad", after=before)
    return graph


@pytest.mark.shares_memory
def test_rollback_undoes_in_reverse_order(ended) -> None:
    """Each undoing gets the result of its task; the first error is raised after it."""
    trace: list[Any] = []

    async def undo(result: str) -> None:
        await anyio.sleep(0)
        trace.append(result)

    graph = order(trace, undo={"b": undo})
    graph["bad"].rollback(trace.append)
    graph.add(lambda: 1, name="not undone", after="a")
    found, error = ended(graph)
    assert error is found.errors["bad"]
    assert error.__notes__ == ["raised by task 'bad' of graph 'order'"]
    assert trace == ["made by c", "made by b", "made by a"]
    assert set(found.rollbacks) == {"a", "b", "c"}
    for name, record in found.records.items():
        assert record.rollback == found.rollbacks.get(name)
    assert {record.state for record in found.rollbacks.values()} == {State.SUCCEEDED}
    # What was made stays to be looked at.
    assert found["a"] == "made by a"


@pytest.mark.parametrize("on_error", ["raise", "continue"])
def test_only_rollback_rolls_back(ended, on_error) -> None:
    """Other policies leave things as they are, and so does a run that succeeds."""
    trace: list[Any] = []
    graph = order(trace)
    found, _ = ended(graph, on_error=on_error)
    assert found.rollbacks == {}
    graph.remove("bad")
    found, error = ended(graph)
    assert error is None
    assert found.ok
    assert found.rollbacks == {}
    assert trace == []
    assert found.records["a"].rollback is None


@concurrent
def test_rollback_goes_by_completion_not_by_declaration(ended) -> None:
    """What was finished last is undone first."""
    graph = Graph(on_error="rollback")
    trace: list[str] = []
    second_done = threading.Event()

    def first() -> str:
        assert second_done.wait(30)
        return "first"

    graph.add(first).rollback(trace.append)
    graph.add(lambda: "second", name="second").rollback(trace.append)
    graph.add(second_done.set, name="tell", after="second")
    graph.add(failing(), name="bad", after=("first", "second"))
    _, error = ended(graph)
    assert isinstance(error, Boom)
    assert trace == ["first", "second"]


@pytest.mark.shares_memory
def test_rollback_where_the_clock_is_coarse(
    ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ended at the same reading is undone in reverse order too."""
    from syncra import _engine

    real = _engine.clock
    monkeypatch.setattr(_engine, "clock", lambda: real() // 1000 * 1000)
    trace: list[Any] = []
    ended(order(trace))
    assert trace == ["made by c", "made by b", "made by a"]


@pytest.mark.shares_memory
def test_a_rollback_that_fails_stops_nothing(ended) -> None:
    """It is in the records, and noted with the first error, which stays the first."""
    trace: list[Any] = []

    def refuse() -> None:
        trace.append("refused")
        raise OSError("no refund")

    for kind in KINDS:
        trace.clear()
        graph = order(trace, undo={"b": calling(refuse, kind)})
        found, error = ended(graph)
        assert isinstance(error, Boom)
        assert error is found.errors["bad"]
        assert list(found.errors) == ["bad"]
        assert trace == ["made by c", "refused", "made by a"]
        assert "the rollback of task 'b' failed with OSError" in error.__notes__
        record = found.rollbacks["b"]
        assert record.state is State.FAILED
        assert isinstance(record.error, OSError)
        assert found.records["b"].rollback == record
        assert found.records["b"].state is State.SUCCEEDED
        assert found.rollbacks["a"].state is State.SUCCEEDED
        assert "rollback failed" in found.records["b"].why


def test_rollback_has_the_options_of_its_task(ended) -> None:
    """Retry, timeout and executor."""
    graph = Graph(on_error="rollback")
    threads: list[str] = []
    flaky = graph.add(lambda: 1, name="flaky", retry=Retry(3, backoff=0))
    tries = failing(2)

    @flaky.rollback
    def undo_flaky() -> None:
        threads.append(threading.current_thread().name)
        tries()

    slow = graph.add(
        lambda: 2, name="slow", timeout=0.02, after=flaky, executor=Threads(1)
    )
    slow.rollback(anyio.sleep_forever)
    graph.add(failing(), name="bad", after=slow)
    found, error = ended(graph)
    assert isinstance(error, Boom)
    record = found.rollbacks["flaky"]
    assert record.state is State.SUCCEEDED
    assert [str(attempt.error) for attempt in record.attempts] == ["1", "2", "None"]
    record = found.rollbacks["slow"]
    assert record.state is State.FAILED
    assert isinstance(record.error, TaskTimeout)
    assert record.executor == "threads"
    assert any("'slow' failed with TaskTimeout" in note for note in error.__notes__)


def test_a_rollback_that_cannot_be_sent_away_runs_here() -> None:
    """In a thread: it has to be done, and so do those after it, however it is."""
    guard, undone = threading.Lock(), []

    def undo(value: str) -> None:
        with guard:
            undone.append(value)

    graph = Graph(on_error="rollback")
    first = graph.add(lambda: "first", name="first")
    first.rollback(undo)
    away = graph.add(str, name="away", after=first, executor="processes")
    away.rollback(undo)
    graph.add(failing(), name="bad", after=away)
    for start in (graph.run, graph.start):
        undone.clear()
        try:
            found = start()
        except Boom:
            pass
        else:
            assert found.wait(10)
            assert isinstance(found.errors["bad"], Boom)
            assert found.rollbacks["away"].executor == "threads"
            assert "cannot be pickled" in str(found.rollbacks["away"].warning)
        assert undone == ["", "first"]


@pytest.mark.shares_memory
def test_a_rollback_that_blocks_is_given_up(ended) -> None:
    """After the timeout of its task; the others go on."""
    trace: list[Any] = []
    go = threading.Event()
    graph = Graph(on_error="rollback")
    graph.add(lambda: "a", name="a", timeout=30).rollback(trace.append)
    stuck = graph.add(lambda: "b", name="b", timeout=0.3, after="a")
    stuck.rollback(lambda result: go.wait(30))
    graph.add(failing(), name="bad", after="b")
    try:
        found, error = ended(graph)
        assert isinstance(error, Boom)
        assert trace == ["a"]
        assert isinstance(found.rollbacks["b"].error, TaskTimeout)
        assert found.rollbacks["b"].abandoned is True
    finally:
        go.set()


@pytest.mark.shares_memory
def test_rollback_functions_of_all_kinds(ended) -> None:
    """They take the result, or nothing, and the context if they ask for it."""
    trace: list[Any] = []

    class Undo:
        def __call__(self, result: str) -> None:
            trace.append(("object", result))

        def method(self, result: str) -> None:
            trace.append(("method", result))

    def with_context(result: str, context: Context) -> None:
        trace.append((context.graph, context.task, context.attempt, result))

    def with_more(result: str, *, dry: bool = True) -> None:
        trace.append((dry, result))

    async def only_context(context: Context) -> None:
        trace.append(context.task)

    kinds: list[Any] = [
        lambda: trace.append("nothing"),
        lambda result: trace.append(("plain", result)),
        lambda result=0: trace.append(("default", result)),
        lambda *results: trace.append(("any", results)),
        lambda result, /: trace.append(("positional", result)),
        lambda *, result: trace.append(("keyword", result)),
        with_context,
        with_more,
        only_context,
        Undo(),
        Undo().method,
        functools.partial(with_more, dry=False),
    ]
    graph = Graph("order", on_error="rollback")
    before: Any = ()
    for number, kind in enumerate(kinds):
        before = graph.add(lambda: "made", name=str(number), after=before)
        assert before.rollback(kind) is kind
    graph.add(failing(), name="bad", after=before)
    found, _ = ended(graph)
    assert [record.error for record in found.rollbacks.values()] == [None] * 12
    assert trace[::-1] == [
        "nothing",
        ("plain", "made"),
        ("default", "made"),
        ("any", ("made",)),
        ("positional", "made"),
        ("keyword", "made"),
        ("order", "6", 1, "made"),
        (True, "made"),
        "8",
        ("object", "made"),
        ("method", "made"),
        (False, "made"),
    ]


@pytest.mark.shares_memory
def test_a_rollback_belongs_to_the_run_it_undoes(ended) -> None:
    """Its context has the id, the errors and what the tasks shared."""
    seen: list[Any] = []
    graph = Graph(on_error="rollback")

    def make(context: Context) -> None:
        context.shared["path"] = "data.csv"

    task = graph.add(make)

    @task.rollback
    def undo(result: None, context: Context) -> None:
        seen.append((context.run_id, sorted(context.errors), dict(context.shared)))

    graph.add(failing(), name="bad", after=task)
    found, _ = ended(graph)
    assert seen == [(found.id, ["bad"], {"path": "data.csv"})]


@pytest.mark.shares_memory
def test_a_rollback_sees_the_context_variables_of_the_caller(ended) -> None:
    """As tasks do."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("caller")
    seen: list[str] = []
    graph = Graph(on_error="rollback")
    task = graph.add(lambda: 1, name="task")
    task.rollback(lambda: seen.append(variable.get("nothing")))
    graph.add(failing(), name="bad", after=task)
    ended(graph)
    assert seen == ["caller"]


@pytest.mark.shares_memory
def test_rollback_after_a_clean_up(ended) -> None:
    """What outlives the failure has run by then, and is undone first."""
    trace: list[Any] = []
    graph = order(trace)
    late = graph.add(lambda: "closed", name="close", after="bad", trigger="all_done")
    late.rollback(trace.append)
    ended(graph)
    assert trace == ["closed", "made by c", "made by b", "made by a"]


def test_a_cancelled_run_is_rolled_back_too() -> None:
    """Nothing half done stays behind."""
    trace: list[Any] = []
    started, go = threading.Event(), threading.Event()
    graph = Graph(on_error="rollback")
    graph.add(lambda: "a", name="a").rollback(trace.append)

    def slow() -> None:
        started.set()
        go.wait(30)

    graph.add(slow, after="a")
    graph.add(lambda: None, name="late", after="slow")
    found = graph.start()
    try:
        assert started.wait(30)
        found.cancel()
    finally:
        go.set()
    assert found.wait(30)
    assert trace == ["a"]
    assert found.rollbacks["a"].state is State.SUCCEEDED
    assert states_of(found)["late"] == "cancelled"


@pytest.mark.parametrize(
    "function",
    [
        lambda result, reason: None,
        lambda result, *, reason: None,
        lambda result=1, *, reason: None,
    ],
)
def test_a_rollback_with_too_many_parameters_is_refused(function) -> None:
    """It receives the result and nothing else."""
    task = Graph().add(lambda: 1, name="charge")
    with pytest.raises(SignatureError, match="rollback function of task 'charge'"):
        task.rollback(function)
    assert task.undo is None


def test_a_rollback_that_cannot_be_called_is_refused() -> None:
    """So is a generator, which nobody would run."""
    task = Graph().add(lambda: 1, name="charge")

    def generator(result: int) -> Any:
        yield result

    with pytest.raises(SignatureError, match="generator"):
        task.rollback(generator)
    with pytest.raises(TypeError, match="'charge'"):
        task.rollback(17)


# What is refused at declaration


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"retry": 0}, ValueError, "at least 1"),
        ({"retry": -1}, ValueError, "at least 1"),
        ({"retry": True}, TypeError, "number of attempts"),
        ({"retry": "3"}, TypeError, "number of attempts"),
        ({"retry": 3.0}, TypeError, "number of attempts"),
        ({"timeout": 0}, ValueError, "more than 0"),
        ({"timeout": -1}, ValueError, "more than 0"),
        ({"timeout": float("nan")}, ValueError, "finite"),
        ({"timeout": float("inf")}, ValueError, "finite"),
        ({"timeout": float("-inf")}, ValueError, "more than 0"),
        ({"timeout": 10**400}, ValueError, "finite"),
        ({"timeout": True}, ValueError, "number of seconds"),
        ({"timeout": False}, ValueError, "number of seconds"),
        ({"timeout": "1"}, TypeError, "number of seconds"),
        ({"timeout": b"1"}, TypeError, "number of seconds"),
        ({"timeout": [1]}, TypeError, "number of seconds"),
        ({"trigger": "any_fail"}, ValueError, r"Did you mean 'any_failed'\?"),
        ({"trigger": "all-done"}, ValueError, r"Did you mean 'all_done'\?"),
        ({"trigger": None}, ValueError, "trigger is one of"),
        ({"trigger": []}, ValueError, "trigger is one of"),
        ({"retries": 3}, TypeError, r"Did you mean 'retry'\?"),
    ],
)
def test_fault_51_wrong_options_are_refused_at_declaration(
    options, error, text
) -> None:
    """The message names the task and what would be right."""
    graph = Graph()
    with pytest.raises(error, match=text) as refused:
        graph.add(lambda: 1, name="fetch", **options)
    assert "task" in str(refused.value)
    assert "fetch" not in graph


@pytest.mark.parametrize("timeout", [1e9, 10**6, 30, 30.5, Decimal(30)])
def test_fault_51_right_timeouts_are_accepted(timeout) -> None:
    """However long: the run does not wait for them to pass."""
    graph = Graph()
    graph.add(lambda: 1, name="fetch", timeout=timeout)
    assert graph()["fetch"] == 1


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"attempts": 0}, ValueError, "at least 1"),
        ({"attempts": True}, TypeError, "whole number"),
        ({"attempts": "3"}, TypeError, "whole number"),
        ({"on": 3}, TypeError, "exception class"),
        ({"on": "OSError"}, TypeError, "exception class"),
        ({"on": (OSError, 3)}, TypeError, "exception class"),
        ({"backoff": -1}, ValueError, "at least 0"),
        ({"backoff": "1"}, TypeError, "number of seconds"),
        ({"backoff": float("nan")}, ValueError, "finite"),
        ({"max_backoff": -1}, ValueError, "at least 0"),
        ({"max_backoff": float("inf")}, ValueError, "finite"),
        ({"jitter": 2}, ValueError, "between 0 and 1"),
        ({"jitter": -1}, ValueError, "at least 0"),
        ({"jitter": True}, ValueError, "number of seconds"),
    ],
)
def test_wrong_retries_are_refused_at_declaration(arguments, error, text) -> None:
    """The message names the parameter."""
    with pytest.raises(error, match=text) as refused:
        Retry(**{"attempts": 3, **arguments})
    assert next(iter(arguments)) in str(refused.value)


def test_a_wrong_policy_is_refused() -> None:
    """With the nearest one, for a graph and for a run, before anything runs."""
    with pytest.raises(ValueError, match=r"'etl'.*'rais'.*Did you mean 'raise'\?"):
        Graph("etl", on_error="rais")
    ran: list[int] = []
    graph = Graph("etl")
    graph.add(lambda: ran.append(1), name="task")
    for start in (graph.run, graph.start):
        with pytest.raises(ValueError, match=r"Did you mean 'continue'\?"):
            start(on_error="continu")
        with pytest.raises(ValueError, match="on_error is one of"):
            start(on_error="")
        for timeout in (0, -1, True, float("nan")):
            with pytest.raises(ValueError, match="timeout"):
                start(timeout=timeout)
        with pytest.raises(TypeError, match="timeout"):
            start(timeout="1")
    assert ran == []


# Ended before it has begun.


@pytest.mark.parametrize("run_loop", [with_asyncio, trio.run])
@pytest.mark.parametrize("options", [{}, {"executor": "sequential"}])
def test_a_run_is_cancelled_before_it_is_awaited(run_loop, options) -> None:
    """Nothing begins, and whoever awaits it then goes on at once."""
    graph, ran = Graph(on_error="continue", **options), []

    async def async_too() -> None:
        ran.append("async")

    graph.add(lambda: ran.append("function"), name="function", timeout=60)
    graph.add(async_too, after="function")

    async def main() -> None:
        found = graph()
        found.cancel()
        await found
        assert set(states_of(found).values()) == {"cancelled"}
        assert (found.report().duration or 0) >= 0

    run_loop(main)
    assert ran == []


@pytest.mark.parametrize("runner", ["sequential", "threads", "asyncio", "background"])
def test_undoing_is_cancelled_before_it_has_begun(runner, monkeypatch) -> None:
    """As by a cancellation that comes just between the run and its undoing."""
    made = _session.rollback_of

    def cancelled(engine: Any) -> Any:
        undoing = made(engine)
        assert undoing is not None
        undoing.cancel()
        return undoing

    monkeypatch.setattr(_session, "rollback_of", cancelled)
    graph, undone = Graph(on_error="rollback"), []
    graph.add(lambda: "payment", name="charge").rollback(undone.append)

    def ship(charge: str) -> None:
        raise ValueError("no truck")

    graph.add(ship, dependencies="charge")
    with pytest.raises(ValueError, match="no truck"):
        RUNNERS[runner](graph)
    assert undone == []


def test_what_fails_within_a_coroutine_does_not_cancel_that() -> None:
    """The thread of the coroutine works for the run that fails, meanwhile."""
    inner = Graph("inner", executor="threads")
    outer = Graph("outer", executor="threads")
    both_run = threading.Barrier(2)

    @inner.task
    def goes_on(context: Context) -> None:
        both_run.wait(10)
        while not context.cancelled():
            pass

    @inner.task
    def fails() -> None:
        both_run.wait(10)
        raise Boom("inside")

    @outer.task
    async def around() -> str:
        with pytest.raises(Boom, match="inside"):
            inner.run()
        await anyio.sleep(0)
        return "not cancelled"

    assert outer.run()[around] == "not cancelled"


def test_undoing_that_goes_on_is_cancelled() -> None:
    """What undoes is told to end, what was still to be undone says so, and all ends."""
    graph = Graph("orders", on_error="rollback")
    began = threading.Event()

    async def undo() -> None:
        began.set()
        await anyio.sleep_forever()

    trace: list[str] = []
    first = graph.add(lambda: "a", name="first")
    first.rollback(lambda: trace.append("never"))
    second = graph.add(lambda: "b", name="second", after=first)
    second.rollback(undo)
    graph.add(failing(), name="bad", after=second)
    found = graph.start()
    assert began.wait(30)
    found.cancel()
    assert found.wait(30)
    assert isinstance(found.errors["bad"], Boom)
    assert {name: str(record.state) for name, record in found.rollbacks.items()} == {
        "first": "cancelled",
        "second": "cancelled",
    }
    assert trace == []
