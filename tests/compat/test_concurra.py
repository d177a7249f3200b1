"""Concurra's `TaskRunner` on Syncra: what its documentation says in words."""

from __future__ import annotations

import copy
import functools
import json
import logging
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from syncra import Skip
from syncra.compat.concurra import TaskRunner

quiet = functools.partial(TaskRunner, progress_stats=False)


def ok(*arguments: Any, **keywords: Any) -> Any:
    return arguments, keywords


def fail(text: str = "no") -> None:
    raise ValueError(text)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [f"{one.levelname} {one.getMessage()}" for one in caplog.records]


# Adding.


def test_labels_are_any_hashable_objects() -> None:
    """Also such as look the same as a text."""
    labels = [1, "1", "", (1, "a"), "(1, 'a')", frozenset([3]), "''", b"x", 2.5, ok]
    runner = quiet()
    for label in labels:
        runner.add_task(ok, repr(label), label=label)
    runner.add_task(ok, label="last", depends_on=labels)
    results = runner.run()
    assert list(results) == [*labels, "last"]
    assert all(results[one]["result"][0] == (repr(one),) for one in labels)


def test_a_task_may_wait_for_one_that_is_added_later() -> None:
    order: list[int] = []
    runner = quiet(max_concurrency=3)
    for label in (3, 2, 1):
        runner.add_task(order.append, label, label=label, depends_on=[label - 1])
    with pytest.raises(ValueError, match=r"label\(s\): 1 depends on \[0\]\.$"):
        runner.run()
    runner.add_task(order.append, 0, label=0)
    assert {one["status"] for one in runner.run().values()} == {"Successful"}
    assert order == [0, 1, 2, 3]


def test_unknown_labels_are_all_named() -> None:
    runner = quiet()
    runner.add_task(ok, label="a", depends_on=["nope", "no2", "b"])
    runner.add_task(ok, label="b", depends_on=("no2",))
    message = (
        "Unknown task dependency label(s): a depends on ['no2', 'nope'], "
        "b depends on ['no2']."
    )
    with pytest.raises(ValueError, match=r"^Unknown") as caught:
        runner.execute_in_background()
    assert str(caught.value) == message
    assert not runner.is_running()


def test_tasks_that_wait_for_one_another_are_refused() -> None:
    """When the circle is closed; the runner can go on without that task."""
    runner = quiet()
    runner.add_task(ok, label="a", depends_on=["c"])
    runner.add_task(ok, label=2, depends_on=["a"])
    with pytest.raises(ValueError, match=r"detected: c -> 2 -> a -> c.$"):
        runner.add_task(ok, label="c", depends_on=[2])
    with pytest.raises(ValueError, match=r"Task 'c' cannot depend on itself."):
        runner.add_task(ok, label="c", depends_on=["c"])
    runner.add_task(ok, label="c")
    assert len(runner.run()) == 3


def test_what_cannot_be_added() -> None:
    runner = quiet()
    runner.add_task(ok, label="a")
    with pytest.raises(ValueError, match=r"key label: 'a' already exists."):
        runner.add_task(ok, label="a")
    with pytest.raises(TypeError, match=r"The provided task '5' is not callable."):
        runner.add_task(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="unhashable"):
        runner.add_task(ok, label=[])  # type: ignore[arg-type]
    retries: Any
    for retries, kind in (
        *((-1, ValueError), (1.5, TypeError), (True, TypeError)),
        *((False, TypeError), (0.0, TypeError), ("", TypeError)),
    ):
        with pytest.raises(kind, match=r"task_retries must be a non-negative integer."):
            runner.add_task(ok, task_retries=retries)
        with pytest.raises(kind, match=r"task_retries must be a non-negative integer."):
            TaskRunner(task_retries=retries)
    assert list(runner.run()) == ["a"]


@pytest.mark.parametrize(
    ("item", "kind", "message"),
    [
        ([ok], TypeError, "Workload item at index 0 is not a tuple"),
        ((ok, 1), TypeError, "got int. Did you mean \\('ok', \\(1,\\)\\)\\?"),
        ((ok, (), 5), TypeError, "'kwargs' must be a mapping such as a dict, got int"),
        ((), ValueError, "But got 0 element\\(s\\): \\(\\)"),
        ((ok, (), {}, "a", 1), ValueError, "a tuple with 1 to 4 elements"),
    ],
)
def test_work_of_the_wrong_kind(item: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=message):
        quiet().add_work([item])


def test_names_that_belong_to_the_function() -> None:
    runner = quiet()
    runner.add_func(ok, 1, key="a", label=2, depends_on=3, task_retries=4)
    runner.add_function(ok, kwargs={"key": 1, "label": 2}, key="b", depends_on=["a"])
    runner.add_work([(ok, [1], {"label": 5})])
    results = runner.run()
    expected = {"label": 2, "depends_on": 3, "task_retries": 4}
    assert results["a"]["result"] == ((1,), expected)
    assert results["b"]["result"] == ((), {"key": 1, "label": 2})
    assert results[2]["result"] == ((1,), {"label": 5})


class Adder:
    def __init__(self, start: int = 0) -> None:
        self.start = start

    def __call__(self, more: int) -> int:
        return self.start + more

    def add(self, more: int) -> int:
        return self.start + more


async def double(number: int) -> int:
    return 2 * number


def count(number: int) -> Any:
    yield from range(number)


def test_every_callable_is_a_task() -> None:
    """A wrong call fails when it is made, as it does everywhere."""
    runner = quiet()
    adder = Adder(1)
    for task, arguments in (
        (adder, (2,)),
        (adder.add, (3,)),
        (functools.partial(adder.add, 4), ()),
        (max, (5, 6)),
        (Adder, ()),
        (double, (7,)),
        (count, (2,)),
        (ok, ()),
        (len, ()),
        (adder, ()),
    ):
        runner.add_task(task, *arguments)
    results = list(runner.run().values())
    assert [one["result"] for one in results[:4]] == [3, 4, 5, 6]
    assert isinstance(results[4]["result"], Adder)
    assert results[5]["result"] == 14
    assert list(results[6]["result"]) == [0, 1]
    assert results[7]["result"] == ((), {})
    assert results[8]["error"].startswith("TypeError: len() takes exactly one argument")
    assert "missing 1 required positional argument" in results[9]["error"]


# Running.


def test_a_runner_runs_once() -> None:
    runner = quiet()
    runner.add_task(ok)
    runner.run()
    for again in (runner.run, runner.execute, runner.execute_in_background):
        with pytest.raises(RuntimeError, match="has already started execution"):
            again()
    with pytest.raises(RuntimeError, match="Cannot add tasks after execution"):
        runner.add_task(ok)
    with pytest.raises(RuntimeError, match="Cannot add tasks after execution"):
        runner.add_command(["true"])


def test_fault_1_what_depends_on_a_failed_task_is_skipped(caplog: Any) -> None:
    """And says because of whom; the rest goes on; the report names all of it."""
    caplog.set_level(logging.INFO, "concurra.core")
    runner = TaskRunner(max_concurrency=1, log_errors=True, name="Mine")
    runner.add_task(fail, label="bad")
    runner.add_task(ok, label="next", depends_on=["bad"])
    runner.add_task(ok, label="last", depends_on=["next", "bad"])
    runner.add_task(ok, label="other")
    results = runner.run(error_message="Nightly run")
    skipped = "RuntimeError: Skipped: dependency {} failed or was terminated"
    assert results["next"]["error"] == skipped.format("['bad']")
    assert results["last"]["error"] == skipped.format("['bad', 'next']")
    assert results["last"]["status"] == "Terminated"
    assert results["last"]["execution_mode"] is results["last"]["start_time"] is None
    assert (results["bad"]["status"], results["other"]["status"]) == (
        "Failed",
        "Successful",
    )
    trace = results["bad"]["trace"]
    assert trace.startswith("Traceback (most recent call last):\n  File ")
    logged = lines(caplog)
    assert f"ERROR ValueError: no {trace}\n" in logged
    assert [one for one in logged if "4/4 [100.0%] in 0 min" in one]
    assert logged[-1].startswith("ERROR Nightly run\n+---------+--------+---")
    assert logged[-1].endswith(
        f"|\n+---------+--------+------------+------------+\n"
        f"Task 'bad' failed with error: ValueError: no \n {trace}\n"
        f"Task 'next' failed with error: {results['next']['error']} \n None\n"
        f"Task 'last' failed with error: {results['last']['error']} \n None"
    )


def test_failures_are_raised_when_that_is_wanted(caplog: Any) -> None:
    runner = quiet()
    runner.add_task(fail, label="bad")
    with pytest.raises(Exception, match=r"^Pipeline failed\n.*") as caught:
        runner.run(raise_exception=True, error_message="Pipeline failed")
    assert type(caught.value) is Exception
    assert "\nTask 'bad' failed with error: ValueError: no \n Trace" in str(
        caught.value
    )
    with pytest.raises(Exception, match=r"^Execution Failed\n"):
        runner.verify(raise_exception=True)
    assert not lines(caplog)
    runner.verify(error_message="Once more")
    assert lines(caplog)[0].startswith("ERROR Once more\n")


def test_a_task_is_tried_again_after_exceptions_only() -> None:
    left = iter([OSError("one"), OSError("two"), None])

    def flaky() -> str:
        error = next(left)
        if error is not None:
            raise error
        return "fine"

    runner = quiet(task_retries=1, timeout=0.5)
    runner.add_task(flaky, label="flaky", task_retries=5)
    runner.add_task(fail, label="bad")
    runner.add_task(fail, label="once", task_retries=0)
    runner.add_task(sys.exit, 3, label="exit")
    runner.add_task(threading.Event().wait, 1, label="slow")
    results = runner.run(verify=False)
    assert {label: one["attempts"] for label, one in results.items()} == {
        "flaky": 3,
        "bad": 2,
        "once": 1,
        "exit": 1,
        "slow": 1,
    }
    assert results["flaky"]["retry_errors"] == ["OSError: one", "OSError: two"]
    assert (results["flaky"]["task_retries"], results["flaky"]["retried"]) == (5, True)
    assert results["bad"]["retry_errors"] == ["ValueError: no"] * 2
    assert results["exit"]["error"] == "SystemExit: 3"
    assert (
        results["slow"]["error"] == "TimeoutError: Task exceeded timeout of 0.5 seconds"
    )
    assert results["slow"]["status"] == "Terminated"


def test_fast_fail_starts_nothing_more(caplog: Any) -> None:
    """What runs in a process of its own is ended, what waits never starts."""
    caplog.set_level(logging.INFO, "concurra.core")
    runner = TaskRunner(fast_fail=True, max_concurrency=2)
    runner.add_command(["sleep", "60"], label="sleep")
    runner.add_task(fail, label="bad")
    runner.add_task(ok, label="next", depends_on=["bad"])
    runner.add_task(ok, label="later", depends_on=["sleep"])
    results = runner.run(verify=False)
    ended = "RuntimeError: Execution terminated before completion"
    assert results["bad"]["status"] == "Failed"
    for label in ("sleep", "next", "later"):
        assert (results[label]["status"], results[label]["error"]) == (
            "Terminated",
            ended,
        )
    logged = lines(caplog)
    at = logged.index("ERROR terminating execution!")
    assert logged[at - 1].startswith("ERROR ValueError: no Traceback")
    assert logged[at + 1 :] in ([], ["INFO Deleting terminated task: sleep, command"])


def test_a_background_run(caplog: Any) -> None:
    caplog.set_level(logging.INFO, "concurra.core")
    go_on, runner = threading.Event(), quiet()
    runner.add_task(go_on.wait, 10, label="a")
    assert not runner.is_running()
    assert runner.get_active_runner_count() == 0
    with pytest.raises(RuntimeError, match="not been started in the background"):
        runner.get_background_results()
    runner.execute_in_background()
    with pytest.raises(Exception, match=r"^Execution is still in progress$"):
        runner.verify()
    assert runner.is_running()
    go_on.set()
    results = runner.get_background_results()
    assert results["a"]["result"] is True
    assert not runner.is_running()
    assert runner.get_background_results() == results == runner.abort()
    assert runner.get_active_runner_count() == 0
    assert len(lines(caplog)) == 3
    assert all(line.startswith("INFO \n+------") for line in lines(caplog))


def test_a_run_is_aborted_from_another_thread() -> None:
    """The thread of a function cannot be ended: nobody waits for it."""
    started, let_go, runner = threading.Event(), threading.Event(), quiet()
    found: list[Any] = []

    def work() -> None:
        started.set()
        let_go.wait(10)

    def abort() -> None:
        started.wait()
        assert runner.get_active_runner_count() == 1
        found.append(runner.abort())

    runner.add_task(work, label="a")
    runner.add_task(ok, label="b", depends_on=["a"])
    thread = threading.Thread(target=abort)
    thread.start()
    results = runner.run(verify=False)
    thread.join()
    let_go.set()
    assert found == [results]
    assert {one["status"] for one in results.values()} == {"Terminated"}
    assert (results["a"]["execution_mode"], results["b"]["execution_mode"]) == (
        "thread",
        None,
    )


def test_a_runner_that_is_aborted_before_it_starts_runs_nothing() -> None:
    runner = quiet()
    runner.add_task(fail, label="a")
    with pytest.raises(Exception, match=r"^Execution has not started$"):
        runner.verify()
    assert runner.abort()["a"]["status"] == "Terminated"
    results = runner.run(verify=False)
    assert (
        results["a"]["error"] == "RuntimeError: Execution terminated before completion"
    )


def test_ctrl_c_ends_the_run() -> None:
    let_go, runner = threading.Event(), quiet(max_concurrency=1)

    def interrupt() -> None:
        while not runner.get_active_runner_count():
            time.sleep(0.001)  # the run has only just begun
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        let_go.wait(10)

    runner.add_task(interrupt, label="a")
    runner.add_task(fail, label="b", depends_on=["a"])
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            runner.run()
    finally:
        signal.signal(signal.SIGINT, before)
        let_go.set()
    results = runner.get_background_results(verify=False)
    assert {one["status"] for one in results.values()} == {"Terminated"}


def test_progress_is_logged_ten_times(caplog: Any) -> None:
    caplog.set_level(logging.INFO, "mine")
    runner = TaskRunner(name="Many", logger=logging.getLogger("mine"))
    for _ in range(45):
        runner.add_task(ok)
    runner.run(verify=False)
    logged = lines(caplog)
    counts = [line.partition("] ")[2].partition("/")[0] for line in logged]
    assert counts == [*map(str, range(4, 45, 4)), "45"]
    assert logged[2].startswith(
        "INFO Many progress: [#######..................] 12/45 [26.67%] in 0 min 0."
    )


def test_a_table_shows_any_label(caplog: Any) -> None:
    caplog.set_level(logging.INFO, "concurra.core")
    shown = []
    for labels in ([9, 10], ["1.50", 22], ["two\nlines", (1, 2)]):
        runner = quiet()
        for label in labels:
            runner.add_task(ok, label=label)
        runner.run()
        cells = [line.split("|")[1] for line in lines(caplog)[-1].split("\n")[4:-1]]
        shown.append(cells)
    assert shown == [
        ["       9 ", "      10 "],
        ["     1.5 ", "    22   "],
        [" two     ", " lines   ", " (1, 2)  "],
    ]


def test_too_little_concurrency(caplog: Any) -> None:
    runner = quiet(max_concurrency=0)
    assert runner.max_concurrency == 1
    assert lines(caplog) == [
        "WARNING max_concurrency must be >= 1; resetting to 1, tasks will not run in "
        "parallel"
    ]


class Lines:
    """Take lines as loggers do that are none of `logging`, such as loguru's."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def info(self, message: str) -> None:
        self.taken.append(message)

    warning = error = info


def test_a_logger_is_whatever_takes_lines(caplog: Any) -> None:
    """Whatever is in a line, nothing in it is a placeholder."""
    taken = Lines()
    runner = TaskRunner(logger=taken, log_errors=True)  # type: ignore[arg-type]
    runner.add_task(fail, label="100% {bad} %s")
    runner.add_task(ok, label="fine")
    runner.run()
    assert [line for line in taken.taken if line.startswith("ValueError: no Trace")]
    assert [line for line in taken.taken if "] 2/2 [100.0%]" in line]
    assert "Task '100% {bad} %s' failed with error" in taken.taken[-1]
    assert not lines(caplog)
    runner = quiet(log_errors=True)
    runner.add_task(fail, label="100% {bad} %s")
    runner.run()
    assert "Task '100% {bad} %s' failed with error" in lines(caplog)[-1]


def test_how_many_at_once_is_a_whole_number() -> None:
    for number in ("4", 2.5):
        with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
            TaskRunner(max_concurrency=number)  # type: ignore[arg-type]


def test_a_runner_has_the_length_of_its_tasks_and_the_name_of_its_class() -> None:
    class Nightly(TaskRunner):
        pass

    runner = Nightly()
    assert (runner.name, len(runner)) == ("Nightly", 0)
    runner.add_task(ok, depends_on=["later"])
    assert len(runner) == 1
    runner.add_command(["true"], label="later")
    assert len(runner) == 2
    assert TaskRunner(name="").name == "TaskRunner"


# Processes.


def crash() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def give_lock() -> Any:
    return threading.Lock()


class Unpicklable(Exception):
    def __init__(self, first: int, second: int) -> None:
        super().__init__("both")


def raise_unpicklable() -> None:
    raise Unpicklable(1, 2)


def test_faults_15_29_30_31_what_happens_in_processes() -> None:
    runner = quiet(use_multiprocessing=True, max_concurrency=2, task_retries=1)
    runner.add_task(os.getpid, label="pid")
    runner.add_task(fail, "there", label="bad")
    runner.add_task(crash, label="crash")
    runner.add_task(ok, label="after", depends_on=["crash"])
    runner.add_task(os._exit, 0, label="exit")
    runner.add_task(ok, threading.Lock(), label="argument")
    runner.add_task(give_lock, label="result")
    runner.add_task(raise_unpicklable, label="error")
    runner.add_command(["true"], label="command")
    results = runner.run(verify=False)
    assert results["pid"]["result"] != os.getpid()
    died = "RuntimeError: Worker exited with code {} without recording a result"
    assert {label: one["error"] for label, one in results.items() if one["error"]} == {
        "bad": "ValueError: there",
        "crash": died.format(-9),
        "after": "RuntimeError: Skipped: dependency ['crash'] failed or was terminated",
        "exit": died.format(0),
        "argument": "TypeError: cannot pickle '_thread.lock' object",
        "result": (
            "TypeError: Could not record task result: "
            "cannot pickle '_thread.lock' object"
        ),
        "error": "Unpicklable: both",
    }
    assert results["bad"]["trace"].startswith("Traceback (most recent call last):\n")
    assert results["bad"]["trace"].rstrip().endswith("ValueError: there")
    assert results["crash"]["trace"] == died.format(-9) + "\n"
    assert results["argument"]["warning"] == (
        "Task was not picklable and thread fallback is disabled"
    )
    modes = {label: one["execution_mode"] for label, one in results.items()}
    assert {label for label, mode in modes.items() if mode == "process"} == {
        *("pid", "bad", "crash", "exit", "result", "error"),
    }
    assert modes["command"] == "subprocess"
    assert modes["argument"] is None
    attempts = {label: one["attempts"] for label, one in results.items()}
    assert (attempts["argument"], attempts["bad"], attempts["crash"]) == (0, 2, 1)


def test_fault_28_what_cannot_leave_may_stay(caplog: Any) -> None:
    runner = quiet(
        use_multiprocessing=True,
        max_concurrency=1,
        fallback_to_thread_on_pickle_error=True,
    )
    runner.add_task(ok, threading.Lock(), label=("a", 1))
    runner.add_task(ok, label="b")
    results = runner.run()
    stayed = results["a", 1]
    assert (stayed["status"], stayed["execution_mode"], stayed["warning"]) == (
        "Successful",
        "thread_fallback",
        "Task was not picklable; ran in thread fallback",
    )
    assert (results["b"]["execution_mode"], results["b"]["warning"]) == (
        "process",
        None,
    )
    assert lines(caplog) == [
        "WARNING Task '('a', 1)' was not picklable; running in thread fallback"
    ]


@pytest.mark.parametrize("kind", ["function", "coroutine"])
def test_fault_28_what_cannot_leave_and_may_not_stay_has_failed(kind: str) -> None:
    ran = []

    async def later(lock: Any) -> None:
        ran.append(lock)

    function = ran.append if kind == "function" else later
    runner = quiet(use_multiprocessing=True)
    runner.add_task(function, threading.Lock(), label="a")
    result = runner.run(verify=False)["a"]
    assert (result["status"], result["execution_mode"]) == ("Failed", None)
    # What pickling says differs; it is not that of a call that was made.
    kind = result["error"].partition(":")[0]
    assert kind in ("TypeError", "AttributeError", "PicklingError")
    assert ran == []


def test_what_tasks_may_do_instead_of_returning() -> None:
    """Errors without a text, `sys.exit`, and Syncra's own way to be skipped."""

    class Speechless(Exception):
        def __str__(self) -> str:
            raise ValueError

    def fails() -> None:
        raise Speechless

    def skips() -> None:
        raise Skip("no news")

    runner = quiet()
    runner.add_task(fails, label="fails")
    runner.add_task(sys.exit, 3, label="exits")
    runner.add_task(skips, label="skips")
    results = runner.run(verify=False)
    assert {label: (one["status"], one["error"]) for label, one in results.items()} == {
        "fails": ("Failed", "Speechless: <no text>"),
        "exits": ("Failed", "SystemExit: 3"),
        "skips": ("Terminated", "RuntimeError: Skipped: no news"),
    }


def test_a_limit_is_logged_as_it_is_passed(caplog: Any) -> None:
    runner = quiet(use_multiprocessing=True, timeout=0.2, log_errors=True)
    runner.add_task(signal.pause, label="a")
    runner.run(verify=False)
    told = [line.strip() for line in lines(caplog)]
    assert told == ["ERROR Task 'a' exceeded timeout of 0.2 seconds"]


def test_a_process_is_ended_at_its_limit() -> None:
    runner = quiet(use_multiprocessing=True, timeout=0.2)
    runner.add_task(signal.pause, label="a")
    result = runner.run(verify=False)["a"]
    assert (result["status"], result["execution_mode"]) == ("Terminated", "process")
    assert result["error"] == "TimeoutError: Task exceeded timeout of 0.2 seconds"


# Commands.


def test_commands(tmp_path: Any) -> None:
    """Braces are no placeholders here."""
    runner = quiet()
    script = 'printf "$A"; pwd; exit 3'
    runner.add_command(
        ("sh", "-c", script),
        label="a",
        cwd=tmp_path,
        env={"A": "{b}\\r\\n"},
        check=False,
    )
    runner.add_command(["printf", "{x}"], text=False, label="bytes")
    runner.add_command(["true"], capture_output=False, label="not captured")
    runner.add_shell_command("echo {x,y} >&2; exit 4", label="fails", task_retries=1)
    runner.add_command(["/no/such/program"], label="missing")
    runner.add_command(["true"], label="skipped", depends_on=["fails"])
    results = runner.run(verify=False)
    assert results["a"]["result"] == {
        "command": ["sh", "-c", script],
        "shell": False,
        "returncode": 3,
        "stdout": f"{{b}}\n{tmp_path}\n",
        "stderr": "",
        "cwd": str(tmp_path),
    }
    assert results["bytes"]["output"]["stdout"] == b"{x}"
    assert results["not captured"]["output"]["stdout"] is None
    failed = results["fails"]
    assert (failed["status"], failed["attempts"]) == ("Failed", 2)
    assert failed["error"] == (
        "CommandExecutionError: Command exited with return code 4: {x,y}"
    )
    assert failed["result"]["returncode"] == 4
    assert results["missing"]["result"] is None
    assert results["missing"]["error"] == (
        "FileNotFoundError: [Errno 2] No such file or directory: '/no/such/program'"
    )
    names = [results[label]["task_name"] for label in ("a", "fails")]
    assert names == ["command", "shell_command"]
    assert results["skipped"]["status"] == "Terminated"


def test_the_error_of_a_command_that_prints_much_is_short() -> None:
    runner = quiet()
    runner.add_shell_command("head -c 300000 /dev/zero | tr '\\0' x; exit 3", label="a")
    result = runner.run(verify=False)["a"]
    assert result["error"] == (
        f"CommandExecutionError: Command exited with return code 3: {'x' * 500}..."
    )
    assert len(result["trace"]) < 10_000
    assert len(result["result"]["stdout"]) == 300_000


def test_a_command_is_ended_at_its_limit() -> None:
    runner = quiet(timeout=0.2)
    runner.add_shell_command("sleep 60", label="a")
    result = runner.run(verify=False)["a"]
    assert (result["status"], result["execution_mode"]) == ("Terminated", "subprocess")
    assert result["error"] == "TimeoutError: Task exceeded timeout of 0.2 seconds"


def test_commands_of_the_wrong_kind() -> None:
    runner = quiet()
    wrong: list[tuple[Any, Any, type[Exception], str]] = [
        (runner.add_command, "ls", TypeError, "a list or tuple of strings."),
        (runner.add_command, [], ValueError, "at least one command element."),
        (runner.add_command, ["a", 1], TypeError, "every command element to be a str"),
        (runner.add_shell_command, ["ls"], TypeError, "command to be a string."),
        (runner.add_shell_command, " ", ValueError, "a non-empty command string."),
    ]
    for add, command, kind, message in wrong:
        with pytest.raises(kind, match=message):
            add(command)


# Results.


def results_of_two() -> Any:
    runner = quiet()
    runner.add_task(ok, 1, label="a")
    runner.add_task(ok, label="b")
    return runner.run()


def test_results_are_a_plain_dictionary() -> None:
    """Which is what some writers of files take, or read without asking it."""
    results = results_of_two()
    assert type(results) is dict
    assert [one["status"] for one in dict.values(results)] == ["Successful"] * 2


def results_of_many() -> Any:
    """Return results of so many tasks that each is made when it is asked for."""
    runner = quiet()
    for number in range(1_001):
        runner.add_task(divmod, number, 7, label=number)
    return runner.run(verify=False)


def test_results_of_many_are_a_dictionary_too() -> None:
    """Whichever way they are read first."""
    expected = [divmod(number, 7) for number in range(1_001)]
    assert [one["result"] for one in results_of_many().values()] == expected
    readers: list[Callable[[Any], Any]] = [
        dict,
        copy.copy,
        lambda results: results.copy(),
        lambda results: {**results},
        lambda results: results | {},
        lambda results: {} | results,
        lambda results: {label: results[label] for label in results},
        lambda results: {label: results.get(label) for label in results.keys()},  # noqa: SIM118
        lambda results: pickle.loads(pickle.dumps(results)),
        lambda results: {**results} if results == {**results} else {},
    ]
    results = results_of_many()
    for read in readers[:3]:
        assert [one["result"] for one in read(results).values()] == expected
    for read in readers[3:]:
        found = read(results_of_many())
        assert [one["result"] for one in found.values()] == expected
    assert len(json.loads(json.dumps(results))) == 1_001
    assert results.get(1_001, 5) == 5
    assert results.pop(7)["result"] == (1, 0)
    assert 7 not in results


def test_results_are_a_dictionary() -> None:
    """Whichever way it is read first."""
    plain = {label: dict(one) for label, one in results_of_two().items()}
    for one in plain.values():
        del one["start_time"], one["end_time"], one["duration"], one["duration_seconds"]

    def known(results: Any) -> Any:
        return {
            label: {field: result[field] for field in plain["a"]}
            for label, result in results.items()
        }

    for copied in (
        dict,
        copy.copy,
        copy.deepcopy,
        lambda results: results.copy(),
        lambda results: {**results},
        lambda results: results | {},
        lambda results: {} | results,
        lambda results: dict(zip(results, results.values(), strict=True)),
        lambda results: {label: results[label] for label in results},
        lambda results: {label: results.get(label) for label in results.keys()},  # noqa: SIM118
        lambda results: dict([results.popitem(), ("a", results.pop("a"))][::-1]),
        lambda results: pickle.loads(pickle.dumps(results)),
        lambda results: eval(repr(results)),
        lambda results: {**results} if results == {**results} else {},
    ):
        assert known(copied(results_of_two())) == plain
    assert json.loads(json.dumps(results_of_two()))["a"]["result"] == [[1], {}]
    results = results_of_two()
    assert isinstance(results, dict)
    assert results.get("c", 5) == 5
    assert results.setdefault("c", {}) == {}
    results["d"] = {"result": 1}
    assert list(results) == ["a", "b", "c", "d"]
    assert results != results_of_two()
    with pytest.raises(KeyError):
        results["e"]


def test_chains_of_any_length_and_in_any_order() -> None:
    """Nothing recurses, and nothing is looked through again and again."""
    for labels in (range(20_000), range(20_000)[::-1]):
        runner = quiet(max_concurrency=2)
        for label in labels:
            runner.add_task(ok, label=label, depends_on=[label - 1] if label else None)
        results = runner.run()
        assert results[0]["status"] == results[19_999]["status"] == "Successful"
