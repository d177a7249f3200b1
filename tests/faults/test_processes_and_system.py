"""Faults 21 and 22, 62 and 91: worker processes where the system is not as usual.

It has no more files or threads to give, the program has closed its own, a process is
killed at a moment that matters.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import process_tasks as tasks
import pytest
from test_processes import METHODS, is_alive, processes, wait_until
from tests_helpers import in_a_script

import syncra
from syncra import Graph, Processes, State
from syncra._processes import births
from syncra.errors import SerializationError, WorkerCrashed

TESTS = Path(__file__).parents[1]
#: Once it has begun, a process that was spawned is as one of the forkserver.
KINDS = [method for method in METHODS if method != "spawn"]

#: What each script begins with.
PRELUDE = f"""
import os, resource, signal, sys, warnings
warnings.simplefilter("ignore", RuntimeWarning)  # of fork
sys.path.insert(0, {str(TESTS)!r})
import process_tasks as tasks
from syncra import Graph, Processes, Threads
"""


@pytest.fixture(params=["forkserver", "spawn"])
def method(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return how the guardian begins a process. None is there yet."""
    Processes(1, request.param).close()
    yield request.param
    Processes(1, request.param).close()


def graph_of(*functions: Any) -> Graph:
    graph = Graph()
    for function in functions:
        graph.add(function)
    return graph


# Files


FEW_FILES = """
import gc
from syncra._processes import births
METHOD = sys.argv[1] if len(sys.argv) > 1 else None

def fds():
    found = os.listdir("/proc/self/fd")
    return sorted(int(fd) for fd in found if os.path.exists(f"/proc/self/fd/{fd}"))

complaints = []
sys.unraisablehook = complaints.append
warnings.simplefilter("error", ResourceWarning)
graph = Graph(executor=Processes(1, METHOD), on_error="continue")
graph.add(tasks.one, name="first")
graph.add(tasks.one, name="second")
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
graph()  # all modules are there
graph.executor.close()
births.end_guardian()
while os.open(os.devnull, os.O_RDONLY) < max(fds()):
    pass  # so that each number up to the highest is in use
before = fds()
for spare in range(30):
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before) + 1 + spare, hard))
    run = graph()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    errors = [record.error for record in run.records.values()]
    if run.ok:
        break
    for error in errors:
        assert "no process could be started for task" in str(error), repr(error)
        assert isinstance(error.__cause__, OSError), repr(error.__cause__)
    del run, error, errors
    gc.collect()
    births.end_guardian()
    assert fds() == before, (spare, fds(), before)
assert 10 < spare < 29, spare
assert graph().ok
assert not complaints, complaints
print("survived")
"""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc")
@pytest.mark.parametrize("method", METHODS)
def test_fault_21_no_more_files(method) -> None:
    """Wherever they run out: one clear error a task, and nothing is left open."""
    code = FEW_FILES.replace("METHOD = ", f"METHOD = {method!r} or ")
    assert in_a_script(PRELUDE + code) == "survived\n"


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="no prlimit")
def test_fault_21_the_guardian_has_no_more_files(method, tmp_path) -> None:
    """It says so, and what it has begun before goes on."""
    ready, done = tmp_path / "ready", tmp_path / "done"
    before = Graph(executor=Processes(1, method))
    before.add(tasks.waits_for, kwargs={"ready": str(ready), "done": str(done)})
    running = before.start()
    wait_until(ready.exists)
    guardian = births.guardian_pid()
    assert guardian is not None
    old = resource.prlimit(guardian, resource.RLIMIT_NOFILE)
    try:
        for files in (5, 7):  # it gets nothing at all, or a part of what it needs
            resource.prlimit(guardian, resource.RLIMIT_NOFILE, (files, old[1]))
            run = graph_of(tasks.one).run(
                executor=Processes(1, method), on_error="continue"
            )
            error = run.errors["one"]
            assert isinstance(error, WorkerCrashed)
            assert isinstance(error.__cause__, OSError)
    finally:
        resource.prlimit(guardian, resource.RLIMIT_NOFILE, old)
    assert graph_of(tasks.one).run(executor=Processes(1, method))["one"] == 1
    done.touch()
    running.wait(10)
    assert running.ok
    assert len(running.records["waits_for"].attempts) == 1


CLOSED = """
for fd in CLOSE:
    os.close(fd)
graph = Graph(executor=Processes(1, METHOD))
graph.add(tasks.floods, name="first", kwargs={"count": 3})
graph.add(tasks.floods, name="second", kwargs={"count": 3})
graph.add(tasks.state_of_its_process, name="state")
run = graph()
assert run["state"]["open"] == [0, 1, 2]
for fd in CLOSE:
    try:
        os.fstat(fd)
    except OSError:
        continue
    if fd != 0:
        os.close(fd)  # one of ours, as such numbers are given to whoever comes next
os._exit(0)
"""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("closed", [(1,), (0, 1, 2)])
def test_fault_62_a_program_that_has_closed_its_streams(method, closed) -> None:
    """Its tasks may print: that goes nowhere, and into no pipe of ours."""
    code = CLOSED.replace("CLOSE", repr(closed)).replace("METHOD", repr(method))
    in_a_script(PRELUDE + code)


UNREAD = """
sys.stdin.readline()
graph = Graph(executor=Processes(1, METHOD), on_error="continue")
for count in (1, 100):
    graph.add(tasks.prints, name=str(count), kwargs={"count": count})
graph.add(tasks.prints_and_is_told_to_end, name="told")
graph.add(tasks.state_of_its_process, name="state")
run = graph()
assert (run["1"], run["100"], run["state"]["open"]) == (1, 100, [0, 1, 2])
assert run.errors.keys() == {"told"}
assert run.errors["told"].signal == signal.SIGTERM
"""


@pytest.mark.parametrize("method", KINDS)
def test_fault_62_nobody_reads_what_tasks_print(method) -> None:
    """That is found out after the task, and is no fault of it."""
    before = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join([str(Path(syncra.__file__).parents[1]), before])
    script = subprocess.Popen(
        [sys.executable, "-c", PRELUDE + UNREAD.replace("METHOD", repr(method))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": ""},
    )
    assert script.stdout is not None
    script.stdout.close()
    _, said = script.communicate("go on\n", timeout=60)
    assert script.returncode == 0, said
    assert not said


# Threads


NO_THREADS = """
import threading, time
from syncra.executors import _pool
from concurrent.futures import ThreadPoolExecutor

barrier = threading.Barrier(KEPT) if KEPT else None
warm = Graph(executor=Threads(KEPT or 1))
for number in range(KEPT):
    warm.add(barrier.wait, name=str(number))
warm.run()
pool = ThreadPoolExecutor(1)
pool.submit(int).result()

threading.stack_size(1 << 47)  # more than there can be: no thread begins from now on
try:
    threading.Thread(target=print).start()
except RuntimeError:
    pass
else:
    raise AssertionError("there is a thread")

graph = Graph(on_error="continue", executor=EXECUTOR)
graph.add(tasks.one, name="start")
for number in range(20):
    graph.add(tasks.brief, kwargs={"number": number}, name=str(number), after="start")
try:
    run = graph()
except RuntimeError as error:
    assert "start new thread" in str(error), error
    print("refused")
else:
    for name, error in run.errors.items():
        assert "no process could be started" in str(error), repr(error)
        assert "start new thread" in str(error.__cause__), repr(error.__cause__)
    print("ran" if run.ok else "failed")
while _pool._busy:
    time.sleep(0.001)
"""


@pytest.mark.parametrize(
    ("executor", "kept", "outcome"),
    [
        ("Threads(4)", 2, "ran"),
        ("Threads(4)", 0, "refused"),
        ("Processes(4)", 1, "ran"),
        ("Processes(4)", 0, "refused"),
        ("Processes(4, 'fork')", 2, "failed"),
        ("pool", 1, "ran"),
        ("pool", 0, "refused"),
    ],
)
def test_fault_21_no_more_threads(executor, kept, outcome) -> None:
    """Those there are do it all; without any, the run says so and ends.

    Nobody waits at the end of the program for threads that have never begun.
    """
    if "fork" in executor and "fork" not in METHODS:
        pytest.skip("fork is refused without the GIL")
    code = NO_THREADS.replace("KEPT", str(kept)).replace("EXECUTOR", executor)
    assert in_a_script(PRELUDE + code) == f"{outcome}\n"


# Processes


@pytest.mark.parametrize("method", KINDS)
def test_fault_61_a_program_that_does_not_want_to_know_of_its_children(method) -> None:
    """How a process ended may not be known then; that it has ended is."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    executor = processes(method, 1)
    try:
        graph = Graph(executor=executor, on_error="continue")
        graph.add(tasks.exited, name="bad")
        graph.add(tasks.one, name="good")
        graph.add(tasks.sleep, name="late", kwargs={"seconds": 60}, timeout=0.2)
        graph.add(tasks.one, name="after", after="late", trigger="all_done")
        run = graph()
    finally:
        executor.close()
        births.end_guardian()
        signal.signal(signal.SIGCHLD, before)
    error = run.errors["bad"]
    assert isinstance(error, WorkerCrashed)
    assert error.exitcode == (None if method == "fork" else 3)
    assert "reason that is not known" in str(error) or method != "fork"
    assert (run["good"], run["after"]) == (1, 1)
    assert run.records["late"].state is State.FAILED


def test_fault_21_a_guardian_that_does_not_answer(method, monkeypatch) -> None:
    """Is not waited for for ever, and not at the end either."""
    graph_of(tasks.one).run(executor=Processes(1, method))
    Processes(1, method).close()
    guardian = births.guardian_pid()
    assert guardian is not None
    os.kill(guardian, signal.SIGSTOP)
    monkeypatch.setattr(births, "BIRTH_LIMIT", 0.1)
    monkeypatch.setattr(births, "DEATH_LIMIT", 0.1)
    with pytest.raises(WorkerCrashed, match="no process could be started") as caught:
        graph_of(tasks.one).run(executor=Processes(1, method))
    assert isinstance(caught.value.__cause__, TimeoutError)
    births.end_guardian()
    assert not is_alive(guardian)
    monkeypatch.undo()
    assert graph_of(tasks.one).run(executor=Processes(1, method)).ok


@pytest.mark.parametrize("method", KINDS)
@pytest.mark.parametrize("following", [tasks.killer, tasks.pid, tasks.size_of])
@pytest.mark.parametrize("how", ["kill", "stop, then kill"])
def test_fault_22_killed_between_two_tasks(method, following, how) -> None:
    """The next one, whatever it brings along, runs in another process, unharmed."""
    executor = processes(method, 1)
    graph = Graph(executor=executor)
    graph.add(tasks.killer, name="first", kwargs={"how": how})
    kwargs = {"value": bytes(3_000_000)} if following is tasks.size_of else {}
    graph.add(following, name="second", kwargs=kwargs)
    try:
        run = graph()
    finally:
        executor.close()
    assert run.ok
    assert len(run.records["second"].attempts) == 1
    if following is tasks.size_of:
        assert run["second"] == 3_000_000
    elif following is tasks.pid:
        assert run["second"] != run["first"]


def test_fault_22_killed_while_another_process_holds_its_connection(tmp_path) -> None:
    """What a task has left behind may keep that open: its death is seen."""
    graph = Graph(executor=Processes(1))
    where = tmp_path / "left"
    graph.add(tasks.leaves_a_process, name="first", kwargs={"where": str(where)})
    graph.add(tasks.size_of, name="second", kwargs={"value": bytes(3_000_000)})
    try:
        run = graph()
        assert run["second"] == 3_000_000
        assert len(run.records["second"].attempts) == 1
    finally:
        os.kill(int(where.read_text()), signal.SIGKILL)


# What a process is given before its first task


@pytest.mark.parametrize("method", KINDS)
@pytest.mark.parametrize("how", ["fail", "exit", "die"])
def test_fault_32_a_context_variable_that_acts_when_it_is_loaded(method, how) -> None:
    """Each task that should see it fails, and the error names it."""
    executor = processes(method, 1, context=[tasks.language])
    token = tasks.language.set(tasks.ActsWhenLoaded(how))  # type: ignore[arg-type]
    graph = Graph(executor=executor, on_error="continue")
    graph.add(tasks.one, name="first")
    graph.add(tasks.one, name="second")
    try:
        run = graph()
        tasks.language.reset(token)
        assert graph()["first"] == 1
    finally:
        tasks.language.set("none")
        executor.close()
    for error in (run.errors["first"], run.errors["second"]):
        if how == "die":
            assert isinstance(error, WorkerCrashed)
            assert error.exitcode == 5
        else:
            assert isinstance(error, SerializationError)
            assert (error.stage, error.path) == (
                "argument",
                "context variable 'language'",
            )


@pytest.mark.parametrize("method", KINDS)
def test_fault_91_a_directory_that_is_no_more(method, tmp_path, monkeypatch) -> None:
    """Of the program, or of the task before."""
    executor = processes(method, 1)
    (tmp_path / "of_program").mkdir()
    (tmp_path / "of_task").mkdir()
    monkeypatch.chdir(tmp_path / "of_task")
    graph = Graph(executor=executor)
    graph.add(os.rmdir, name="remove", kwargs={"path": str(tmp_path / "of_task")})
    graph.add(tasks.one, dependencies=[], after="remove")
    other = graph_of(tasks.one)
    try:
        assert graph()["one"] == 1
        os.chdir(tmp_path / "of_program")
        os.rmdir(tmp_path / "of_program")
        assert other.run(executor=executor)["one"] == 1
        executor.close()
        assert other.run(executor=executor)["one"] == 1
    finally:
        executor.close()
