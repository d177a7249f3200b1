"""Faults 13 to 38, 55 and 58: worker processes, and what crosses to them and back."""

from __future__ import annotations

import functools
import logging
import os
import signal
import socket
import sys
import threading
import time
import tracemalloc
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextvars import copy_context
from pathlib import Path
from typing import Any

import process_tasks as tasks
import psutil
import pytest

from syncra import Context, Graph, Processes, Retry, Run, State
from syncra._processes import births, guardian
from syncra._processes.child import Child
from syncra._processes.worker import Worker
from syncra.errors import (
    RemoteTaskError,
    SerializationError,
    TaskExited,
    TaskTimeout,
    WorkerCrashed,
)

METHODS = ["forkserver", "spawn", "fork"]
if not getattr(sys, "_is_gil_enabled", lambda: True)():
    METHODS.remove("fork")  # refused there


def processes(method: str, workers: int = 2, **options: Any) -> Processes:
    if method == "fork":
        with pytest.warns(RuntimeWarning, match="other threads"):
            return Processes(workers, method, **options)

    return Processes(workers, method, **options)


def is_reaper(thread: threading.Thread) -> bool:
    return thread.name.startswith("syncra-reaper")


@pytest.fixture(params=METHODS)
def executor(request: pytest.FixtureRequest) -> Iterator[Processes]:
    """Return processes of each start method."""
    made = processes(request.param)
    yield made
    # Each that was forked has a thread here that waits for its end. One may become
    # idle a moment after the run.
    wait_until(lambda: made.close() or not any(map(is_reaper, threading.enumerate())))


def run(graph: Graph, executor: Any = "processes", **options: Any) -> Run:
    return graph.run(executor=executor, **{"on_error": "continue", **options})


def with_siblings(bad: Callable[..., Any], count: int = 12, **options: Any) -> Graph:
    graph = Graph("siblings")
    for number in range(count // 2):
        graph.add(tasks.brief, name=f"good{number}", kwargs={"number": number})
    graph.add(bad, name="bad", **options)
    for number in range(count // 2, count):
        graph.add(tasks.brief, name=f"good{number}", kwargs={"number": number})
    graph.add(tasks.one, name="after", dependencies="bad")
    return graph


def check_siblings(found: Run, count: int = 12) -> None:
    """Check that nobody but the bad task was lost."""
    good = {f"good{number}": number for number in range(count)}
    assert {name: found[name] for name in found if name in good} == good
    for name in good:
        assert len(found.records[name].attempts) == 1, name


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(holds: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it does not come to pass"
        time.sleep(0.002)


# Fault 13: a task changes the process it shares with later ones


def test_fault_13_a_task_that_spoils_its_process(executor) -> None:
    """The next one in it finds directory, environment, files as the run has them."""
    graph = Graph()
    graph.add(tasks.spoils_its_process, name="spoil")
    graph.add(tasks.state_of_its_process, name="before")
    graph["spoil"].after = ("before",)
    graph.add(tasks.state_of_its_process, name="after", after="spoil")
    found = run(graph, processes(executor.start_method, 1))
    before, after = found["before"], found["after"]
    assert after == before
    assert after["directory"] == os.getcwd()
    assert "SPOILT" not in after["environment"]
    assert after["open"] == [0, 1, 2]


# Fault 14: a flood of output


def test_fault_14_a_flood_of_output(executor, capfd) -> None:
    """Does not hold up anybody: 100 MB on each of stdout and stderr."""
    graph = Graph()
    graph.add(tasks.floods, kwargs={"count": 20_000})
    with capfd.disabled():
        saved = os.dup(1), os.dup(2)
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, 1)
            os.dup2(null, 2)
            births.end_guardian_if_unused()
            assert run(graph, executor).ok
        finally:
            for fd, old in zip((1, 2), saved, strict=True):
                os.dup2(old, fd)
                os.close(old)
            os.close(null)


# Faults 15 to 17 and 19: the process dies

#: What a task does, and the exit code and signal that its error has.
CRASHES: dict[str, tuple[Callable[..., Any], int | None, int | None]] = {
    "SIGKILL": (tasks.killed, None, signal.SIGKILL),
    "SIGSEGV": (tasks.segfault, None, signal.SIGSEGV),
    "bad pointer": (tasks.bad_pointer, None, signal.SIGSEGV),
    "abort": (tasks.aborted, None, signal.SIGABRT),
    "_exit(0)": (tasks.exited_well, 0, None),
    "_exit(3)": (tasks.exited, 3, None),
    "within a pickle": (tasks.dies_while_returning, 4, None),
    "within a large result": (tasks.dies_within_a_large_result, None, signal.SIGKILL),
}


@pytest.mark.parametrize("kind", CRASHES)
def test_faults_15_16_17_19_a_crash_costs_one_task(executor, kind) -> None:
    """Its error says how the process died, at once, and nobody else is hit."""
    bad, exitcode, number = CRASHES[kind]
    found = run(with_siblings(bad), executor)
    check_siblings(found)
    record = found.records["bad"]
    if "large" in kind and record.state is State.SUCCEEDED:
        return  # it has all been received by then

    assert isinstance(record.error, WorkerCrashed)
    assert (record.error.exitcode, record.error.signal) == (exitcode, number)
    assert record.error.task == "bad"
    assert record.state is State.FAILED
    assert found.records["after"].skipped_because == ("bad",)
    if number == signal.SIGSEGV:
        notes = "\n".join(record.error.__notes__)
        assert "Segmentation fault" in notes
        assert bad.__name__ in notes


@pytest.mark.parametrize("kind", CRASHES)
def test_a_crash_50_times_loses_nobody(kind) -> None:
    """Fifty runs with twelve siblings each; ten in other Pythons than the oldest."""
    bad = CRASHES[kind][0]
    graph = with_siblings(bad)
    for _ in range(50 if sys.version_info < (3, 12) else 10):
        found = run(graph)
        check_siblings(found)
        # What has all been received by then stands.
        whole = "large" in kind and "bad" in found
        assert whole or isinstance(found.records["bad"].error, WorkerCrashed)


def test_fault_15_a_crash_is_noticed_at_once() -> None:
    """Within a second, though others go on."""
    graph = Graph()
    graph.add(tasks.killed, name="bad")
    graph.add(tasks.sleep, name="long", kwargs={"seconds": 60})
    begun = time.monotonic()
    with pytest.raises(WorkerCrashed, match=r"signal 9 \(SIGKILL\)"):
        graph.run(executor="processes")
    assert time.monotonic() - begun < 5


# Fault 18: it dies between tasks


def test_fault_18_a_result_that_was_received_stands(executor) -> None:
    """One that dies while it is idle is replaced, and nobody is told."""
    graph = Graph()
    graph.add(tasks.dies_later, name="early")
    for _ in range(3):
        found = run(graph, executor)
        assert found["early"] == "returned"
        pid = int(found.records["early"].worker.split()[1])
        wait_until(lambda pid=pid: not is_alive(pid))
        assert run(with_siblings(tasks.one), executor).ok


def test_fault_18_it_dies_when_the_result_is_freed(executor) -> None:
    """The result has been sent by then, or it is a crash of that task."""
    found = run(with_siblings(tasks.dies_when_its_result_is_freed), executor)
    check_siblings(found)
    record = found.records["bad"]
    assert record.state is State.FAILED or found["bad"] == "returned"


# Fault 20: whoever runs it dies


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_fault_20_a_task_that_always_crashes(attempts) -> None:
    """Each crash is an attempt, and there are no more of them than it says."""
    retry = Retry(attempts, on=WorkerCrashed, backoff=0)
    found = run(with_siblings(tasks.killed, retry=retry))
    check_siblings(found)
    assert len(found.records["bad"].attempts) == attempts
    pids = {attempt.worker for attempt in found.records["bad"].attempts}
    assert len(pids) == attempts


@pytest.mark.skipif(not hasattr(signal, "SIGRTMIN"), reason="no such signals here")
def test_fault_15_a_signal_without_a_name() -> None:
    number = signal.SIGRTMIN + 3
    graph = Graph()
    graph.add(tasks.signals_itself, kwargs={"number": number}, name="bad")
    error = run(graph).errors["bad"]
    assert isinstance(error, WorkerCrashed)
    assert (error.exitcode, error.signal) == (None, number)
    assert f"by signal {number} (unknown)" in str(error)


def test_fault_15_told_to_end_by_somebody_else(executor, tmp_path) -> None:
    """That ends the process, which no run has asked for: a crash, and at once."""
    done = tmp_path / "done"
    graph = with_siblings(tasks.is_told_to_end, kwargs={"done": str(done)})
    found = run(graph, executor)
    check_siblings(found)
    error = found.errors["bad"]
    assert isinstance(error, WorkerCrashed)
    assert error.signal == signal.SIGTERM
    assert not done.exists()


def test_a_crash_can_be_retried(tmp_path) -> None:
    """With success the next time."""
    graph = Graph()

    @graph.task(retry=Retry(3, on=WorkerCrashed, backoff=0))
    def unlucky(context: Context) -> int:
        if context.attempt < 3:
            tasks.killed()
        return context.attempt

    found = run(graph)
    assert found["unlucky"] == 3
    kinds = [type(a.error) for a in found.records["unlucky"].attempts]
    assert kinds == [WorkerCrashed, WorkerCrashed, type(None)]


# Fault 21: no process can be had


def test_fault_21_no_process_can_be_begun(monkeypatch) -> None:
    """One clear error, soon."""

    def refuse(*args: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(births.Birth, "__init__", refuse)
    Processes().close()
    graph = Graph()
    for number in range(5):
        graph.add(tasks.one, name=str(number))
    begun = time.monotonic()
    found = run(graph)
    for record in found.records.values():
        assert isinstance(record.error, WorkerCrashed)
        assert "no process could be started" in str(record.error)
        assert isinstance(record.error.__cause__, OSError)
    with pytest.raises(WorkerCrashed, match="no process could be started"):
        graph.run(executor="processes")
    assert time.monotonic() - begun < 10


def test_fault_21_the_guardian_is_killed(executor) -> None:
    """Its processes may go with it; the next run has new ones."""
    run(with_siblings(tasks.one), executor)
    pid = births.guardian_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid))
    for _ in range(3):
        found = run(with_siblings(tasks.one), executor)
        for name in found.records:
            assert found.records[name].state is State.SUCCEEDED


# Fault 22: all die at once


@pytest.mark.parametrize("count", [1, 2, 5, 13])
def test_fault_22_all_workers_are_killed(count) -> None:
    """Each task is classified, and the next run is well."""
    graph = Graph()
    for number in range(count):
        graph.add(tasks.killed, name=f"bad{number}")
    for number in range(20):
        graph.add(tasks.brief, name=f"good{number}", kwargs={"number": number})
    found = run(graph, Processes(count))
    for name, record in found.records.items():
        failed = name.startswith("bad")
        assert record.state is (State.FAILED if failed else State.SUCCEEDED), name
    assert run(with_siblings(tasks.one), Processes(count)).ok


def test_fault_22_workers_are_killed_from_outside() -> None:
    """Whatever they are at; nothing is counted twice."""
    graph = Graph()
    for number in range(100):
        graph.add(
            tasks.brief,
            name=f"good{number}",
            kwargs={"number": number},
            retry=Retry(20, on=WorkerCrashed, backoff=0),
        )
    found = graph.start(executor="processes", on_error="continue")
    killed_at = -1
    while not found.wait(0.001):
        done = found.progress.over
        if done >= killed_at + 5:  # so that there is some progress
            killed_at = done
            for child in psutil.Process().children(recursive=True):
                if child.pid != births.guardian_pid():
                    try:
                        child.kill()
                    except psutil.NoSuchProcess:
                        pass
    assert found.ok, found
    assert dict(found) == {f"good{number}": number for number in range(100)}


# Faults 23 and 24, 38: it does not end


@pytest.mark.parametrize(
    "bad", [tasks.ignores_sigterm, tasks.loops, tasks.holds_the_gil]
)
def test_faults_24_38_40_a_timeout_really_ends_it(executor, bad, tmp_path) -> None:
    """Within two seconds of its limit the process is no more."""
    ready = tmp_path / "ready"
    graph = with_siblings(bad, kwargs={"ready": str(ready)}, timeout=0.5)
    begun = time.monotonic()
    found = run(graph, executor)
    assert time.monotonic() - begun < 10
    check_siblings(found)
    record = found.records["bad"]
    assert isinstance(record.error, TaskTimeout)
    assert not record.abandoned
    pid = int(record.worker.split()[1])
    wait_until(lambda: not is_alive(pid), 2)


def test_fault_23_a_stopped_process_is_ended(executor) -> None:
    found = run(with_siblings(tasks.stops_itself, timeout=1), executor)
    check_siblings(found)
    assert isinstance(found.records["bad"].error, TaskTimeout)
    assert "was killed" in "\n".join(found.records["bad"].error.__notes__)
    pid = int(found.records["bad"].worker.split()[1])
    wait_until(lambda: not is_alive(pid), 2)


def test_fault_24_a_task_can_clean_up(executor, tmp_path) -> None:
    """Told to end it gets an exception, and its time for `finally`."""
    ready, done = tmp_path / "ready", tmp_path / "done"
    graph = Graph()
    graph.add(
        tasks.cleans_up,
        name="bad",
        kwargs={"ready": str(ready), "done": str(done)},
    )
    found = graph.start(executor=executor, on_error="continue")
    wait_until(ready.exists)
    found.cancel()
    assert found.wait(10)
    assert done.exists()
    assert found.records["bad"].state is State.CANCELLED


# Fault 47: ended while it is beginning


@pytest.fixture
def slow_births(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each process take a while to begin."""
    begin = births.Birth.__init__

    def begin_slowly(self: Any, *arguments: Any) -> None:
        time.sleep(1.0)
        begin(self, *arguments)

    monkeypatch.setattr(births.Birth, "__init__", begin_slowly)
    Processes().close()


@pytest.mark.usefixtures("slow_births")
def test_fault_47_given_up_while_its_process_begins(tmp_path) -> None:
    """It does not run after all, and the records stay as they were."""
    done = tmp_path / "done"
    graph = Graph()
    graph.add(tasks.touch, name="late", kwargs={"path": str(done)})
    found = graph.start(executor="processes", on_error="continue")
    time.sleep(0.05)
    found.cancel(0.0)
    assert found.wait(0.8)
    before = found.records["late"]
    time.sleep(1.5)
    assert not done.exists()
    assert found.records["late"] == before


def test_fault_46_tried_again_while_the_first_process_begins(tmp_path) -> None:
    """Only the attempt that counts is carried out."""
    graph = Graph()
    graph.add(
        tasks.notes,
        name="task",
        kwargs={"path": str(tmp_path / "notes"), "seconds": 0.3},
        timeout=2.5,
        retry=Retry(2, backoff=0.2, jitter=0.0),
    )
    Processes().close()
    begun_again = time.monotonic() + 1.0
    original = births.Birth.__init__
    with pytest.MonkeyPatch.context() as patch:

        def only_the_first(self: Any, *arguments: Any) -> None:
            if time.monotonic() < begun_again:
                time.sleep(3.0)
            original(self, *arguments)

        patch.setattr(births.Birth, "__init__", only_the_first)
        found = run(graph, Processes(2), grace=0.0)
        time.sleep(0.5)
    record = found.records["task"]
    assert isinstance(record.attempts[0].error, TaskTimeout)
    assert record.state is State.SUCCEEDED
    assert (tmp_path / "notes").read_text() == "begun\n"


def test_fault_44_its_time_is_up_before_it_has_begun(monkeypatch) -> None:
    """Its process does not take it at once: it is taken back, and no attempt."""
    errors: list[Any] = []
    monkeypatch.setattr(sys, "excepthook", lambda *told: errors.append(told))
    one = Processes(1)
    graph = Graph()
    graph.add(tasks.pid, name="first")
    pid = graph.run(executor=one)["first"]
    limited = Graph()
    limited.add(tasks.pid, name="limited", timeout=0.05)
    os.kill(pid, signal.SIGSTOP)
    try:
        found = limited.start(executor=one, on_error="continue", timeout=0.3)
        assert found.wait(3)
    finally:
        os.kill(pid, signal.SIGCONT)
    record = found.records["limited"]
    assert (record.state, record.attempts) == (State.CANCELLED, ())
    assert not errors


def test_fault_47_cancelled_as_its_process_dies() -> None:
    """That nobody listens any more does not reach who cancels."""
    child = Child("forkserver")
    child.begin()
    assert child.pid is not None
    try:
        child.hold(0, b"", ())
        child.send()
        os.kill(child.pid, signal.SIGKILL)
        wait_until(child.has_died)
        child.interrupt(0)
    finally:
        child.close()


def test_fault_58_killed_as_a_process_begins() -> None:
    """What begins processes outlives that nobody hears of one, to end all others."""
    ours = births._Guardian()
    connection, theirs = socket.socketpair()
    tokens, interrupts, status = os.pipe(), os.pipe(), os.pipe()
    os.close(status[0])
    try:
        fds = theirs.fileno(), tokens[0], interrupts[0], status[1]
        ours.send(guardian.FORK, 0, fds)
        assert ours.pid is not None
        its = psutil.Process(ours.pid)
        wait_until(its.children)
        time.sleep(0.1)
        assert is_alive(ours.pid)
    finally:
        connection.close()
        theirs.close()
        for fd in (*tokens, *interrupts, status[1]):
            os.close(fd)
        ours.end()


def test_a_worker_that_nobody_wants_any_more_is_silent() -> None:
    """The run may close a process at any moment, also as it looks for a token."""
    connection, theirs = socket.socketpair()
    tokens, interrupts = os.pipe(), os.pipe()
    os.close(tokens[1])
    worker = Worker(theirs, tokens[0], interrupts[0])
    try:
        assert not worker._may_begin(1)
    finally:
        connection.close()
        theirs.close()
        for fd in (tokens[0], *interrupts, *worker._keeper._spare.values()):
            os.close(fd)


# Fault 25: what it has started


@pytest.mark.parametrize("then", ["die", "wait"])
def test_fault_25_its_own_children_end_with_it(executor, then, tmp_path) -> None:
    where = tmp_path / "pid"
    graph = Graph()
    graph.add(
        tasks.starts_a_child,
        name="bad",
        kwargs={"where": str(where), "then": then},
        timeout=1.0,
    )
    found = run(graph, executor)
    kind = WorkerCrashed if then == "die" else TaskTimeout
    assert isinstance(found.records["bad"].error, kind)
    pid = int(where.read_text())
    wait_until(lambda: not is_alive(pid), 2)


def test_fault_25_children_of_an_ended_run(executor, tmp_path) -> None:
    """A child that a successful task leaves ends with the process of the task."""
    where = tmp_path / "pid"
    graph = Graph()
    graph.add(
        tasks.starts_a_child, name="bad", kwargs={"where": str(where), "then": ""}
    )
    found = run(graph, executor)
    assert is_alive(found["bad"])
    executor.close()
    wait_until(lambda: not is_alive(found["bad"]), 5)


# Faults 26 and 27: processes that are replaced after some tasks


@pytest.mark.parametrize("most", [1, 2])
@pytest.mark.parametrize("workers", [1, 3])
def test_faults_26_and_27_a_process_is_replaced_in_time(workers, most) -> None:
    """After so many tasks; none is lost between the old one and the new."""
    executor = Processes(workers, max_tasks_per_child=most)
    for count in (2, 5, 8):
        graph = Graph()
        for number in range(count):
            graph.add(tasks.pid, name=str(number))
        graph.add(tasks.pid, name="last", dependencies=tuple(graph))
        found = graph.run(executor=executor)
        assert found.ok
        assert len(found) == count + 1
        pids = list(found.values())
        assert max(pids.count(pid) for pid in pids) <= most
        # Others use the same ones.
        assert run(with_siblings(tasks.one)).ok
    with pytest.raises(ValueError, match="max_tasks_per_child"):
        Processes(max_tasks_per_child=0)
    with pytest.raises(ValueError, match="max_workers"):
        Processes(0)


# Faults 28 to 36: what crosses


def make_closure() -> Callable[[], int]:
    value = 7
    return lambda: value


FUNCTIONS: dict[str, tuple[Callable[..., Any], dict[str, Any], Any]] = {
    "function": (tasks.add, {"x": 1}, 2),
    "method": (tasks.Counter(5).plus, {"x": 1}, 6),
    "class method": (tasks.Counter.made, {}, 3),
    "static method": (tasks.Counter.still, {}, 4),
    "callable object": (tasks.Counter(5), {"x": 2}, 10),
    "class": (tasks.Counter, {"start": 1}, None),
    "partial": (functools.partial(tasks.add, 1, y=5), {}, 6),
    "builtin": (len, {"obj": "four"}, 4),
}


@pytest.mark.parametrize("kind", [kind for kind in FUNCTIONS if kind != "builtin"])
def test_fault_28_callables_by_reference(executor, kind) -> None:
    function, kwargs, expected = FUNCTIONS[kind]
    graph = Graph()
    graph.add(function, name="task", kwargs=kwargs)
    found = graph.run(executor=executor)
    if expected is not None:
        assert found["task"] == expected


@pytest.fixture
def no_cloudpickle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)


@pytest.mark.usefixtures("no_cloudpickle")
@pytest.mark.parametrize("make", [make_closure, lambda: lambda: 1])
def test_fault_28_a_function_that_cannot_travel(make) -> None:
    """Is found before anything runs, and the error says what to do."""
    ran = []
    graph = Graph()
    graph.add(lambda: ran.append(1), name="first", executor="threads")
    graph.add(make(), name="local", executor="processes", after="first")
    with pytest.raises(SerializationError) as caught:
        graph.run()
    assert not ran
    assert (caught.value.stage, caught.value.task) == ("function", "local")
    assert 'fallback="threads"' in str(caught.value)
    assert "syncra[processes]" in str(caught.value)


@pytest.mark.usefixtures("no_cloudpickle")
def test_fault_28_a_function_may_fall_back_to_threads() -> None:
    graph = Graph(executor="processes")
    graph.add(make_closure(), name="local", fallback="threads")
    graph.add(tasks.pid, name="other")
    found = graph.run()
    assert found["local"] == 7
    assert found.records["local"].executor == "threads"
    assert "cannot be pickled" in found.records["local"].warning
    assert found["other"] != os.getpid()
    with pytest.raises(ValueError, match="fallback"):
        graph.add(tasks.one, name="x", fallback="thread")


def test_fault_28_a_closure_travels_by_value(executor) -> None:
    pytest.importorskip("cloudpickle")
    graph = Graph()
    graph.add(make_closure(), name="local")
    assert graph.run(executor=executor)["local"] == 7


def test_fault_28_a_closure_over_something_that_cannot(executor) -> None:
    """The error names the culprit."""
    lock = threading.Lock()
    graph = Graph()
    graph.add(lambda: (lock, 1), name="local")
    with pytest.raises(SerializationError) as caught:
        graph.run(executor=executor)
    assert caught.value.stage == "function"
    assert "lock" in caught.value.path


def test_fault_29_an_argument_that_cannot_travel(executor) -> None:
    """That task fails; its error says which argument, and where in it."""
    value = {"rows": [1, 2, {"lock": threading.Lock()}]}
    graph = with_siblings(tasks.one)
    graph.add(lambda: value, name="make", executor="threads")
    graph.add(tasks.echo, name="use", dependencies="make")
    found = run(graph, executor)
    error = found.records["use"].error
    assert isinstance(error, SerializationError)
    assert (error.stage, error.task) == ("argument", "use")
    assert error.path == "value['rows'][2]['lock']"
    assert error.path in str(error)
    assert found["after"] == 1


def test_fault_29_a_context_variable_that_cannot_travel() -> None:
    """The error names it: what it holds is seen by every task."""
    executor = Processes(1, context=[tasks.language])
    graph = Graph("g")
    graph.add(tasks.one, name="task")
    context = copy_context()
    context.run(tasks.language.set, threading.Lock())  # type: ignore[arg-type]
    with pytest.raises(SerializationError, match="variable 'language'") as caught:
        context.run(graph.run, executor=executor)
    assert caught.value.path == "context variable 'language'"
    assert "task 'task' of graph 'g'" in caught.value.__notes__[0]


class Odd:
    """Answer whatever is asked for out of a mapping, or raise a `KeyError`."""

    def __init__(self) -> None:
        self.known = {"lock": threading.Lock()}

    def __getattr__(self, name: str) -> Any:
        return self.__dict__["known"][name]


def odd_function() -> Callable[[], Any]:
    """Return a function of a lock, and of a variable that was never set."""
    lock = threading.Lock()

    def use() -> Any:
        return absent, lock

    if not lock:
        absent = 1
    return use


@pytest.mark.parametrize(
    ("make", "path"),
    [(Odd, "value.known['lock']"), (odd_function, "value's variable 'lock'")],
)
def test_fault_29_an_argument_that_does_not_like_to_be_looked_at(make, path) -> None:
    """Whatever it raises then is not what is wrong with it."""
    graph = with_siblings(tasks.one)
    graph.add(tasks.echo, name="use", kwargs={"value": make()})
    error = run(graph).records["use"].error
    assert isinstance(error, SerializationError)
    assert (error.stage, error.task, error.path) == ("argument", "use", path)


def test_fault_28_a_function_that_does_not_like_to_be_looked_at() -> None:
    graph = Graph("g", executor="processes")
    graph.add(odd_function(), name="odd")
    with pytest.raises(SerializationError, match="task 'odd' of graph 'g'") as caught:
        graph.run()
    assert caught.value.path == "function's variable 'lock'"


class Held:
    """Has what it holds in a slot, and equals nothing else."""

    __slots__ = ("lock",)

    def __init__(self) -> None:
        self.lock = threading.Lock()


@pytest.mark.parametrize(
    ("function", "make", "path"),
    [
        (tasks.echo, lambda: {Held(): 1}, "value's key.lock"),
        (tasks.echo, lambda: {1, Held()}, "value's item.lock"),
        (max, lambda: [threading.Lock()], "argument 1[0]"),
    ],
)
def test_fault_29_culprits_of_all_kinds(function, make, path) -> None:
    """In keys and sets, and where a function does not say what it takes."""
    graph = Graph()
    made = graph.add(lambda: make(), name="make", executor="threads")  # noqa: PLW0108
    graph.add(function, name="use", dependencies=[made])
    error = run(graph).errors["use"]
    assert isinstance(error, SerializationError)
    assert error.path == path


def local_result() -> Any:
    return {"first": [1, lambda: None, threading.Lock()]}


def test_fault_30_a_result_that_cannot_travel(executor) -> None:
    found = run(with_siblings(local_result), executor)
    check_siblings(found)
    error = found.records["bad"].error
    assert isinstance(error, SerializationError)
    assert error.stage == "result"
    assert error.path.startswith("result['first'][")


#: What is raised, and what arrives.
ERRORS: dict[str, tuple[Any, type[BaseException]]] = {
    "plain": (functools.partial(ValueError, "bang"), ValueError),
    "loads only there": (tasks.LoadsOnlyThere, RemoteTaskError),
    "two arguments": (functools.partial(tasks.NeedsTwo, 1, "x"), RemoteTaskError),
    "a lock": (functools.partial(tasks.HoldsALock, "x"), RemoteTaskError),
    "fails to load": (tasks.FailsToLoad, RemoteTaskError),
    "exits on load": (tasks.ExitsOnLoad, RemoteTaskError),
    "loads as another": (tasks.LoadsAsAnother, RemoteTaskError),
    "no text": (tasks.NoText, tasks.NoText),
    "base": (tasks.Base, tasks.Base),
    "exit": (functools.partial(SystemExit, 0), SystemExit),
    "interrupt": (KeyboardInterrupt, KeyboardInterrupt),
    "stop": (StopIteration, StopIteration),
    "protocol": (
        functools.partial(xmlrpc.client.ProtocolError, "u", 1, "m", {}),
        RemoteTaskError,
    ),
    "os": (functools.partial(FileNotFoundError, 2, "gone", "name"), FileNotFoundError),
    "group": (
        functools.partial(
            ExceptionGroup, "many", [ValueError(1), ExceptionGroup("x", [OSError(2)])]
        ),
        ExceptionGroup,
    ),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_faults_1_to_8_and_31_errors_of_all_kinds(executor, kind) -> None:
    """What cannot travel is told: class, text and traceback. Siblings live."""
    make, arrives = ERRORS[kind]
    graph = with_siblings(tasks.raises, kwargs={"make": make})
    found = run(graph, executor)
    check_siblings(found)
    error = found.records["bad"].error
    assert type(error) is arrives
    assert "in raises" in found.records["bad"].traceback
    if arrives is RemoteTaskError:
        assert error.type_name.rpartition(".")[2] in str(error)
        assert "in raises" in error.remote_traceback
        assert found.records["bad"].state is State.FAILED
    with pytest.raises(TaskExited if kind == "exit" else arrives):
        graph.run(executor=executor)


@pytest.mark.parametrize("cause", [tasks.HoldsALock, tasks.LoadsOnlyThere, KeyError])
def test_fault_31_a_cause_that_cannot_travel(cause) -> None:
    """The error arrives as it is, and the traceback of its process tells the rest."""
    made = (
        functools.partial(cause, "why") if cause is not tasks.LoadsOnlyThere else cause
    )
    graph = Graph()
    graph.add(
        tasks.raises_from,
        name="bad",
        kwargs={"make": functools.partial(ValueError, "bang"), "cause": made},
    )
    found = run(graph)
    error = found.errors["bad"]
    assert type(error) is ValueError
    told = error.__cause__
    if cause is KeyError:
        assert type(told) is KeyError
        told = told.__cause__
    assert cause.__name__ in str(told)
    assert "in raises_from" in str(told)


@pytest.mark.parametrize("how", ["die", "exit", "fail"])
@pytest.mark.parametrize("where", ["argument", "result"])
def test_fault_32_objects_that_act_when_they_are_loaded(executor, how, where) -> None:
    """On either side; a process that dies of it is a crash of that task."""
    graph = with_siblings(tasks.one)
    if where == "argument":
        graph.add(tasks.echo, name="acts", kwargs={"value": tasks.ActsWhenLoaded(how)})
    elif how == "die":
        return  # it would end the program, by its own wish
    else:
        graph.add(tasks.ActsWhenLoaded, name="acts", kwargs={"how": how})
    found = run(graph, executor)
    error = found.records["acts"].error
    if how == "die":
        assert isinstance(error, WorkerCrashed)
        assert error.exitcode == 5
    else:
        assert isinstance(error, SerializationError)
        assert error.stage == where
    assert found["after"] == 1


@pytest.mark.parametrize("kind", [tasks.ExitsWhenPickled, tasks.FailsWhenPickled])
def test_fault_32_objects_that_act_when_they_are_pickled(executor, kind) -> None:
    graph = with_siblings(kind)
    graph.add(tasks.echo, name="use", kwargs={"value": kind()})
    found = run(graph, executor)
    check_siblings_but(found, "use")
    assert found.records["bad"].error.stage == "result"
    assert found.records["use"].error.stage == "argument"


def check_siblings_but(found: Run, *names: str) -> None:
    for name, record in found.records.items():
        if name.startswith("good"):
            assert record.state is State.SUCCEEDED
    for name in names:
        assert isinstance(found.records[name].error, SerializationError)


def test_fault_33_a_class_that_cannot_be_imported(tmp_path, monkeypatch) -> None:
    """There is a module here that the other process does not find."""
    (tmp_path / "gone_soon.py").write_text("class Thing:\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import gone_soon  # type: ignore[import-not-found]

    (tmp_path / "gone_soon.py").unlink()
    for cached in (tmp_path / "__pycache__").glob("*"):
        cached.unlink()
    graph = with_siblings(tasks.echo, kwargs={"value": gone_soon.Thing()})
    Processes().close()
    found = run(graph)
    check_siblings(found)
    error = found.records["bad"].error
    assert isinstance(error, SerializationError)
    assert error.stage == "argument"
    assert "gone_soon" in str(error)


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_fault_34_values_with_buffers_of_their_own(size) -> None:
    """As arrays have them: small ones within the pickle, large ones beside it."""
    data = bytes(range(256)) * (size // 256 + 1)
    graph = Graph()
    graph.add(tasks.reversed_buffer, kwargs={"value": tasks.Buffered(data)})
    assert run(graph)["reversed_buffer"].data == data[::-1]


@pytest.mark.parametrize("size", [100, 20_000, 60_000])
def test_fault_34_many_values_behind_one_another(size) -> None:
    """Each task gets its own, however many of them fit on the way to a process."""
    graph = Graph()
    for number in range(300):
        value = number.to_bytes(2, "big") * (size // 2)
        graph.add(tasks.echo, name=str(number), kwargs={"value": value})
    found = run(graph, Processes(1))
    for number in range(300):
        assert found[str(number)] == number.to_bytes(2, "big") * (size // 2)


@pytest.mark.parametrize("size", [1_000_000, 100_000_000])
def test_fault_34_large_values(executor, size) -> None:
    """Bytes pass beside the pickle, not through it: few copies are made."""
    value = bytes(size)
    graph = Graph()
    graph.add(tasks.size_of, name="size", kwargs={"value": value})
    graph.add(tasks.echo, name="echo", kwargs={"value": value})
    assert graph.run(executor=executor)["size"] == size
    tracemalloc.start()
    try:
        found = graph.run(executor=executor)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found["echo"] == value
    assert peak < 2.5 * size + 5_000_000


def test_fault_34_many_large_values() -> None:
    """A hundred of a megabyte each way, while the pipes are full."""
    graph = Graph()
    value = os.urandom(1_000_000)
    for number in range(100):
        graph.add(tasks.echo, name=str(number), kwargs={"value": value})
    found = graph.run(executor="processes")
    assert all(found[name] == value for name in found)


def test_fault_35_a_deep_result(executor) -> None:
    graph = with_siblings(tasks.nested, kwargs={"depth": 100_000})
    found = run(graph, executor)
    check_siblings(found)
    error = found.records["bad"].error
    assert isinstance(error, (SerializationError, WorkerCrashed))


def test_fault_36_bad_and_good_ones_by_turns(executor) -> None:
    graph = Graph()
    for number in range(100):
        graph.add(local_result, name=f"bad{number}")
        graph.add(tasks.add, name=f"good{number}", kwargs={"x": number})
    found = run(graph, executor)
    for number in range(100):
        assert isinstance(found.records[f"bad{number}"].error, SerializationError)
        assert found[f"good{number}"] == number + 1


def mutates(rows: list[int]) -> list[int]:
    rows.append(1)
    return rows


def test_fault_37_a_shared_result_is_copied() -> None:
    """Threads share it, processes have one each."""
    graph = Graph()
    graph.add(lambda: [0], name="rows", executor="threads")
    for number in range(3):
        graph.add(
            mutates,
            name=str(number),
            dependencies={"rows": "rows"},
            executor="processes",
        )
    found = graph.run()
    assert found["rows"] == [0]
    assert [found[str(number)] for number in range(3)] == [[0, 1]] * 3


# Faults 55 and 58, 61, 90 to 92: process and parent


def test_faults_90_and_82_logs_and_context_variables(executor, caplog) -> None:
    """Records reach the loggers here; variables travel that are asked for."""
    graph = Graph()
    graph.add(tasks.logs, kwargs={"text": "hello"})
    graph.add(tasks.said_language, name="language")
    with caplog.at_level(logging.INFO):
        found = graph.run(executor=executor)
    said = [(r.name, r.levelname, r.getMessage()) for r in caplog.records]
    assert ("a.child", "WARNING", "said: hello") in said
    assert not any(level == "DEBUG" for _, level, _ in said)
    failed = next(r for r in caplog.records if r.levelname == "ERROR")
    assert "ValueError: bang" in failed.exc_text
    assert found["language"] == "none"
    method = executor.start_method
    asked = processes(method, context=[tasks.language])
    token = tasks.language.set("French")
    try:
        assert graph.run(executor=asked)["language"] == "French"
    finally:
        tasks.language.reset(token)
    assert graph.run(executor=asked)["language"] == "none"


@pytest.mark.parametrize("name", ["a.child", "a.own"])
def test_fault_90_each_record_is_handled_once(executor, caplog, name) -> None:
    """By the program, also where a process is a copy of it, with all its handlers."""
    logger = logging.getLogger(name)
    logger.propagate = name != "a.own"
    handler = logging.FileHandler(os.devnull)
    handled: list[Any] = []
    handler.emit = lambda record: handled.append((os.getpid(), record.getMessage()))
    logger.addHandler(handler)
    graph = Graph(executor=executor)
    graph.add(tasks.warns, kwargs={"name": name})
    graph.add(tasks.handlers_of, kwargs={"name": name}, after="warns")
    try:
        found = graph()
    finally:
        logger.removeHandler(handler)
        logger.propagate = True
        handler.close()
    assert handled == [(os.getpid(), "watch out")]
    assert len([r for r in caplog.records if r.name == name]) == (name != "a.own")
    assert found["handlers_of"] == []


class Refuses(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        raise ValueError("a filter of the user's")


def test_fault_90_records_that_do_not_travel_as_they_are(executor, caplog) -> None:
    """What cannot be pickled of one is shown; one that cannot be made costs nothing."""
    graph = Graph(executor=executor)
    graph.add(tasks.logs_more, name="task", kwargs={"text": "a lock"})
    graph()
    (record,) = [r for r in caplog.records if r.name == "a.child"]
    assert record.getMessage() == "with a lock"
    assert record.number == 7
    assert "lock" in record.lock
    assert isinstance(record.lock, str)


def test_fault_90_loggers_of_the_program_have_the_last_word(caplog, capfd) -> None:
    """They may be disabled, and fail: neither changes the task."""
    graph = Graph(executor="processes")
    graph.add(tasks.logs_more, name="task", kwargs={"text": "a lock"})
    quiet, refuses = logging.getLogger("a.quiet.child"), Refuses()
    logging.getLogger("a.child").addFilter(refuses)
    quiet.disabled = True
    try:
        assert graph().ok
    finally:
        logging.getLogger("a.child").removeFilter(refuses)
        quiet.disabled = False
    assert not caplog.records
    assert "a filter of the user's" in capfd.readouterr().err


def test_a_context_variable_that_nobody_finds() -> None:
    from contextvars import ContextVar

    with pytest.raises(ValueError, match="not found in any module"):
        Processes(context=[ContextVar("local")])


def test_fault_91_the_process_is_like_the_run(executor, tmp_path, monkeypatch) -> None:
    """Directory, environment and import path are those at the start of the run."""
    graph = Graph()
    graph.add(tasks.state_of_its_process, name="state")
    graph.run(executor=executor)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SYNCRA_TEST", "set later")
    monkeypatch.syspath_prepend(str(tmp_path))
    state = graph.run(executor=executor)["state"]
    assert state["directory"] == str(tmp_path)
    assert state["environment"] == dict(os.environ)
    assert state["path"] == sys.path


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc")
@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_fault_92_a_process_has_only_its_own_files(method, tmp_path) -> None:
    with open(tmp_path / "open", "w") as file:
        os.set_inheritable(file.fileno(), True)
        graph = Graph()
        graph.add(tasks.open_files, name="files")
        Processes(1, method).close()
        found = graph.run(executor=Processes(1, method))["files"]
    assert not [name for name in found if str(tmp_path) in name]
    assert len([name for name in found if name.startswith("socket")]) == 1


# Faults 36 and 18 where many tasks are on their way at once


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    "large",
    [
        [tasks.slow_and_large],
        [
            functools.partial(tasks.bytes_like, bytes([number]) * 500_000)
            for number in range(20)
        ],
        [functools.partial(tasks.noisy, bytes(30_000)) for _ in range(20)],
    ],
    ids=["result", "function", "log"],
)
def test_fault_36_both_ends_send_at_once(workers, large) -> None:
    """Neither waits for the other to read: a hang would be the end of this test."""
    graph = Graph()
    for number in range(200):
        graph.add(tasks.one, name=f"before{number}")
    for number, function in enumerate(large):
        graph.add(function, name=f"large{number}")
    for number in range(200):
        graph.add(tasks.one, name=f"after{number}")
    found = run(graph, Processes(workers))
    assert found.ok
    assert len(found["large0"]) > 100_000


def test_fault_18_answers_before_a_death_are_read() -> None:
    """Of many small tasks on their way only the one is lost that has killed."""
    graph = Graph()
    for number in range(600):
        name = f"bad{number}" if number % 40 == 39 else f"good{number}"
        graph.add(tasks.exited if name.startswith("bad") else tasks.one, name=name)
    found = run(graph)
    for name, record in found.records.items():
        assert len(record.attempts) == 1, name
        if name.startswith("bad"):
            assert isinstance(record.error, WorkerCrashed), name
        else:
            assert record.state is State.SUCCEEDED, name


def test_fault_16_a_crash_of_what_a_task_has_forked(executor) -> None:
    """Is none of the task's, though it writes where a dying worker does."""
    graph = Graph()
    graph.add(tasks.has_a_crashing_child, name="parent")
    assert run(graph, executor)["parent"] == "went on"
