"""Observers: what they are told, in which order, and that they cannot change a run."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import weakref
from typing import Any

import anyio
import pytest
from tests_helpers import in_a_script

import syncra._observing as observing
from syncra import DontRetry, Graph, Retry, Run, Skip, State
from syncra._alarm import call_at
from syncra._clock import clock
from syncra._interpreter import has_gil
from syncra.observers import Observer, ObserverError


def test_what_there_is_can_be_listed() -> None:
    """Before it is imported, too, as for completion at a prompt."""
    in_a_script(
        "from syncra import observers\n"
        "assert set(observers.__all__) <= set(dir(observers))\n"
        "assert 'Email' in dir(observers) and 'Email' not in vars(observers)\n"
    )


class Diary:
    """Write down everything, under a name."""

    def __init__(self, name: str = "", pages: list[tuple[Any, ...]] | None = None):
        self.name = name
        self.pages: list[tuple[Any, ...]] = [] if pages is None else pages

    def note(self, *words: Any) -> None:
        self.pages.append((self.name, *words) if self.name else words)

    def run_started(self, run: Run) -> None:
        self.note("run started", run.done)

    def task_started(self, run: Run, task: str, attempt: int) -> None:
        self.note("started", task, attempt)

    def task_retrying(self, run, task, attempt, error, wait) -> None:
        self.note("retrying", task, attempt, str(error), wait)

    def task_finished(self, run: Run, task: str, state: State) -> None:
        self.note("finished", task, state)

    def run_finished(self, run: Run) -> None:
        self.note("run finished", run.done, run.ok)


def one() -> int:
    return 1


def double(number: int) -> int:
    return 2 * number


def fail() -> None:
    raise ValueError("bang")


def pair(**options: Any) -> Graph:
    """Return a graph of two tasks, one after the other."""
    graph = Graph("pair", **options)
    graph.add(one, name="one")
    graph.add(double, name="two", dependencies="one")
    return graph


PLAIN = [
    ("run started", False),
    ("started", "one", 1),
    ("finished", "one", State.SUCCEEDED),
    ("started", "two", 1),
    ("finished", "two", State.SUCCEEDED),
    ("run finished", True, True),
]


def test_everything_is_told_in_its_order(run) -> None:
    diary = Diary()
    found = run(pair(), observers=[diary])
    assert found["two"] == 2
    # The first is told while the run goes on, or when it is over already.
    assert diary.pages[0][0] == "run started"
    assert diary.pages[1:] == PLAIN[1:]
    assert found.observer_errors == []


def test_several_are_nested() -> None:
    """Who is told first when something begins is told last when it is over."""
    pages: list[tuple[Any, ...]] = []
    graph = pair(observers=[Diary("a", pages), Diary("b", pages)])
    graph.run(observers=[Diary("c", pages)])
    whose = "".join(page[0] for page in pages)
    assert whose == "abc" + "abc" + "cba" + "abc" + "cba" + "cba"
    pages.clear()
    graph.run()
    assert {page[0] for page in pages} == {"a", "b"}


def test_attempts_and_what_they_have_raised(run) -> None:
    diary = Diary()
    graph = Graph("flaky", on_error="continue")
    retry = Retry(3, backoff=lambda attempt: attempt / 1000, jitter=0)
    graph.add(fail, name="bad", retry=retry)
    graph.add(double, name="behind", dependencies="bad")
    run(graph, observers=[diary])
    assert diary.pages[1:-1] == [
        ("started", "bad", 1),
        ("retrying", "bad", 1, "bang", 0.001),
        ("started", "bad", 2),
        ("retrying", "bad", 2, "bang", 0.002),
        ("started", "bad", 3),
        ("finished", "bad", State.FAILED),
        ("finished", "behind", State.SKIPPED),
    ]
    assert diary.pages[-1] == ("run finished", True, False)


def skip() -> None:
    raise Skip("not today")


def give_up() -> None:
    raise DontRetry("never")


def test_every_end_of_a_task_is_told_once(run) -> None:
    """Of those that have never started, too."""
    diary = Diary()
    graph = Graph("ends", on_error="continue")
    graph.add(skip)
    graph.add(give_up, retry=5)
    graph.add(one, name="behind", after=[skip])
    graph.add(one, name="clean", after=[give_up], trigger="all_done")
    run(graph, observers=[diary])
    ends = sorted(page[1:] for page in diary.pages if page[0] == "finished")
    assert ends == [
        ("behind", State.SKIPPED),
        ("clean", State.SUCCEEDED),
        ("give_up", State.FAILED),
        ("skip", State.SKIPPED),
    ]


def test_tasks_cancelled_by_a_failure_are_told() -> None:
    diary = Diary()
    graph = Graph("stops")
    graph.add(fail, name="bad")
    for number in range(100):
        graph.add(one, name=str(number), after="bad" if number % 2 else ())
    with pytest.raises(ValueError, match="bang"):
        graph.run(executor="sequential", observers=[diary])
    ends = [page[1] for page in diary.pages if page[0] == "finished"]
    assert sorted(ends) == sorted(graph)


def test_who_overrides_one_method_is_told_one_thing() -> None:
    """Nobody pays for what nobody wants to know."""

    class Last(Observer):
        def run_finished(self, run: Run) -> None:
            self.results = dict(run)

    last = Last()
    run = pair().run(observers=[last])
    assert last.results == dict(run) == {"one": 1, "two": 2}


class Raising(Observer):
    """Raise whenever it is told something."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def run_started(self, run: Run) -> None:
        raise self.error

    def task_started(self, run: Run, task: str, attempt: int) -> None:
        raise self.error

    def task_finished(self, run: Run, task: str, state: State) -> None:
        raise self.error

    def run_finished(self, run: Run) -> None:
        raise self.error


def test_fault_11_one_that_always_raises_does_not_fill_the_memory(caplog) -> None:
    """The first hundred errors are listed, and one is logged for each event."""
    graph = Graph()
    for number in range(400):
        graph.add(lambda: 1, name=str(number))
    with caplog.at_level(logging.WARNING, "syncra.observers"):
        found = graph.run(observers=[Raising(ValueError("no"))])
    assert len(found) == 400
    assert len(found.observer_errors) == 100
    assert len([one for one in caplog.records if one.name == "syncra.observers"]) <= 4


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit()])
def test_fault_11_an_observer_that_raises_changes_nothing(run, error, caplog) -> None:
    """It is listed, and logged once for each thing; the others are told all."""
    diary, raising = Diary(), Raising(error)
    with caplog.at_level(logging.WARNING, "syncra.observers"):
        found = run(pair(), observers=[raising, diary])
    assert found.ok
    assert dict(found) == {"one": 1, "two": 2}
    assert diary.pages[1:] == PLAIN[1:]
    events = [one.event for one in found.observer_errors]
    assert events == [
        "run_started",
        *["task_started", "task_finished"] * 2,
        "run_finished",
    ]
    for listed in found.observer_errors:
        assert isinstance(listed, ObserverError)
        assert (listed.observer, listed.error) == (raising, error)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 4
    assert told[0].startswith("observer Raising failed in run_started")


class Hanging(Observer):
    """Hang in one method until it is let go."""

    def __init__(self, event: str) -> None:
        self.event = event
        self.go_on = threading.Event()
        self.calls = 0

    def _hang(self, event: str) -> None:
        self.calls += 1
        if event == self.event:
            self.go_on.wait(60)

    def run_started(self, run: Run) -> None:
        self._hang("run_started")

    def task_finished(self, run: Run, task: str, state: State) -> None:
        self._hang("task_finished")

    def run_finished(self, run: Run) -> None:
        self._hang("run_finished")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    # A busy machine keeps one that does not hang from returning, but not for so long.
    monkeypatch.setattr(observing, "PATIENCE", 1.0)


#: Observers are told by a thread of their own, however tasks are run.
WAITED_FOR = ("threads", "trio", "background", "asyncio-processes")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("event", ["run_started", "task_finished", "run_finished"])
@pytest.mark.parametrize("run", WAITED_FOR, indirect=True)
def test_fault_11_an_observer_that_hangs_is_given_up(run, event) -> None:
    """The run ends, those before and behind it are told everything, in order."""
    before, hanging, behind = Diary(), Hanging(event), Diary()
    try:
        found = run(pair(), observers=[before, hanging, behind])
        assert dict(found) == {"one": 1, "two": 2}
        assert before.pages[1:] == behind.pages[1:] == PLAIN[1:]
        (listed,) = found.observer_errors
        assert (listed.observer, listed.event) == (hanging, event)
        assert isinstance(listed.error, TimeoutError)
        assert f"did not return from {event}" in str(listed.error)
        calls = {"run_started": 1, "task_finished": 2, "run_finished": 4}
        assert hanging.calls == calls[event]
    finally:
        hanging.go_on.set()


@pytest.mark.usefixtures("impatient")
def test_fault_11_one_that_hangs_is_given_up_once_however_slow_the_log_is() -> None:
    """The clock looks again and again while a handler takes its time."""

    class Slow(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            looked = threading.Event()
            call_at(clock() + observing.PATIENCE, looked.set)
            assert looked.wait(60)

    logger, handler = logging.getLogger("syncra.observers"), Slow()
    hanging, behind = Hanging("run_started"), Diary()
    logger.addHandler(handler)
    try:
        found = pair().run(observers=[hanging, behind])
    finally:
        hanging.go_on.set()
        logger.removeHandler(handler)
    assert behind.pages[1:] == PLAIN[1:]
    (listed,) = found.observer_errors
    assert (listed.observer, listed.event) == (hanging, "run_started")


@pytest.mark.usefixtures("impatient")
def test_fault_11_one_comes_back_while_the_next_one_hangs() -> None:
    """What one call does to the clock is not done to the other."""
    second_hangs = threading.Event()

    class Second(Hanging):
        def _hang(self, event: str) -> None:
            if event == self.event:
                second_hangs.set()
                first.go_on.set()
            super()._hang(event)

    first, second, behind = Hanging("run_started"), Second("run_started"), Diary()
    try:
        run = pair().run(observers=[first, second, behind])
        assert second_hangs.is_set()
        assert [one.observer for one in run.observer_errors] == [first, second]
        assert behind.pages[1:] == PLAIN[1:]
    finally:
        second.go_on.set()


@pytest.mark.usefixtures("impatient")
def test_fault_11_one_that_is_given_twice_is_told_once() -> None:
    """And can hang, and the run ends all the same."""
    hanging, diary = Hanging("task_finished"), Diary()
    graph = pair(observers=[hanging, diary])
    try:
        run = graph.run(observers=[diary, hanging, hanging])
        assert run.ok
        assert diary.pages[1:] == PLAIN[1:]
        assert [one.observer for one in run.observer_errors] == [hanging]
    finally:
        hanging.go_on.set()


@pytest.mark.parametrize("chains", [False, True])
def test_fault_11_the_error_of_a_task_keeps_its_traceback(chains) -> None:
    """Though an observer raises it once more."""

    class Raising(Observer):
        def task_finished(self, run: Run, task: str, state: State) -> None:
            error = run.records[task].error
            assert error is not None
            if chains:
                raise RuntimeError("seen") from error

            raise error

    graph = Graph("bad", on_error="continue", observers=[Raising()])
    graph.add(fail)
    run = graph.run()
    (listed,) = run.observer_errors
    error = run.records["fail"].error
    assert error is (listed.error.__cause__ if chains else listed.error)
    assert error is not None
    assert error.__traceback__ is not None


HANDLER_RAISES = """
import logging, sys
from syncra import Graph

class Broken(logging.Handler):
    def emit(self, record):
        raise RuntimeError("no log")

class Raising:
    def __eq__(self, other):
        raise RuntimeError("no comparison")
    __hash__ = None
    def task_finished(self, run, task, state):
        raise ValueError("no")

sys.excepthook = lambda *told: None
logging.getLogger("syncra.observers").addHandler(Broken())
graph = Graph("etl", observers=[Raising()])
for number in range(5):
    graph.add(lambda: 1, name=str(number))
run = graph.run()
assert run.ok
assert len(run.observer_errors) == 5
"""


def test_fault_11_neither_what_it_is_nor_the_log_can_change_a_run() -> None:
    in_a_script(HANDLER_RAISES)


@pytest.mark.usefixtures("impatient")
def test_fault_11_one_that_is_too_slow_misses_something() -> None:
    """The end of a run waits for what is left to be told, but only so long."""

    class Slow(Observer):
        def __init__(self) -> None:
            self.finished, self.told = False, 0
            self.pause = threading.Event()

        def task_finished(self, run: Run, task: str, state: State) -> None:
            self.told += 1
            self.pause.wait(0.02)

        def run_finished(self, run: Run) -> None:
            self.finished = True

    graph = Graph("many")
    for number in range(1_000):
        graph.add(one, name=str(number))
    slow = Slow()
    run = graph.run(observers=[slow], executor="sequential")
    assert run.ok
    assert slow.finished
    assert 0 < slow.told < 1_000
    (listed,) = run.observer_errors
    dropped = 1_000 - slow.told
    assert str(listed.error).startswith(f"{dropped:,} events were not told")


def test_an_observer_may_end_the_run() -> None:
    class Guard(Observer):
        def task_finished(self, run: Run, task: str, state: State) -> None:
            if task == "one":
                run.cancel()
                cancelled.set()

    cancelled = threading.Event()
    graph = Graph("guarded", on_error="continue")
    graph.add(one, name="one")
    graph.add(lambda: cancelled.wait(30), name="wait", after="one")
    graph.add(one, name="never", after="wait")
    run = graph.run(observers=[Guard()])
    assert run.records["never"].state is State.CANCELLED
    assert run.observer_errors == []


def test_the_end_is_told_when_all_is_undone() -> None:
    """Records are complete then, those of what was undone too."""

    class Last(Observer):
        def run_finished(self, run: Run) -> None:
            self.undone = dict(run.rollbacks)
            self.done = run.done

    graph = Graph("orders", on_error="rollback")
    charge = graph.add(one, name="charge")
    charge.rollback(lambda amount: None)
    graph.add(fail, name="ship", after="charge")
    last = Last()
    with pytest.raises(ValueError, match="bang"):
        graph.run(observers=[last])
    assert last.done
    assert last.undone["charge"].state is State.SUCCEEDED


def test_waiting_for_a_run_waits_for_its_observers() -> None:
    go_on = threading.Event()

    class Last(Observer):
        def run_finished(self, run: Run) -> None:
            go_on.wait(30)
            run.results = dict(run)  # type: ignore[attr-defined]

    run = pair().start(observers=[Last()])
    while not run.done:
        run.wait(0.01)
    assert not run.wait(0.01)
    go_on.set()
    assert run.wait(30)
    assert run.results == {"one": 1, "two": 2}  # type: ignore[attr-defined]


def test_who_is_cancelled_while_observers_are_told_the_end() -> None:
    """They are told all; the cancellation comes when that is done, and is not lost."""
    told, go_on = threading.Event(), threading.Event()

    class Last(Observer):
        def run_finished(self, run: Run) -> None:
            told.set()
            assert go_on.wait(30)

    async def main() -> None:
        awaiting = asyncio.ensure_future(pair().arun(observers=[Last()]))
        await asyncio.to_thread(told.wait, 30)
        awaiting.cancel()
        done, _ = await asyncio.wait([awaiting], timeout=0.05)
        assert not done
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await awaiting

    asyncio.run(main())


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_slow_observer_does_not_block_the_loop(backend) -> None:
    """The loop itself lets the observer go on."""
    go_on = threading.Event()

    class Last(Observer):
        def run_finished(self, run: Run) -> None:
            assert go_on.wait(30)

    async def release() -> None:
        await anyio.sleep(0.01)
        go_on.set()

    async def main() -> Run:
        async with anyio.create_task_group() as group:
            group.start_soon(release)
            return await pair().arun(observers=[Last()])

    assert anyio.run(main, backend=backend).observer_errors == []


class Value:
    """Be something that a weak reference can point to."""


@pytest.mark.skipif(not has_gil(), reason="what several threads had is freed later")
def test_a_run_is_freed_with_its_observers_told() -> None:
    diary = Diary()
    graph = Graph()
    graph.add(Value, name="value")
    gc.disable()
    try:
        run = graph.run(observers=[diary])
        left = weakref.ref(run["value"])
        del run
        # The thread that has told the end lets go at its own next step.
        for _ in range(1_000):
            if left() is None:
                break
            threading.Event().wait(0.005)
        assert left() is None
    finally:
        gc.enable()


def test_a_run_that_is_never_awaited_says_so() -> None:
    """Observers do not keep it alive."""

    async def main() -> None:
        graph = pair(observers=[Diary()])
        with pytest.warns(RuntimeWarning, match="never awaited"):
            graph()

    anyio.run(main)


def test_10_000_tasks_are_told() -> None:
    diary = Diary()
    graph = Graph("many")
    graph.add(one, name="one")
    for number in range(10_000):
        graph.add(double, name=str(number), dependencies="one")
    graph.run(executor="threads", observers=[diary])
    assert len(diary.pages) == 2 * 10_001 + 2
    assert len({page[1] for page in diary.pages if page[0] == "finished"}) == 10_001


@pytest.mark.parametrize("wrong", [5, [5], [object()], [Observer], Diary()])
def test_what_is_no_observer(wrong) -> None:
    """Said where it is given."""
    with pytest.raises(TypeError, match="observer"):
        Graph(observers=wrong)
    with pytest.raises(TypeError, match="observer"):
        pair().run(observers=wrong)
