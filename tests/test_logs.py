"""Log records of tasks: marked with where they come from, written to files."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import re
from pathlib import Path
from typing import Any

import process_tasks as tasks
import pytest
from tests_helpers import in_a_script

from syncra import Graph, Retry, Skip
from syncra.observers import LogFile, TaskLogFilter

logger = logging.getLogger("tests.logs")
TIME = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d ")
DURATION = re.compile(r"\d+(\.\d+)? (us|ms|s)\b")


class Collecting(logging.Handler):
    """Collect records, each marked."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[Any] = []
        self.addFilter(TaskLogFilter())

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def collecting(caplog):
    caplog.set_level(logging.INFO)
    handler = Collecting()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


def test_records_know_their_task(run, collecting) -> None:
    """Of whatever logger, from threads, coroutines and worker processes."""
    logger.info("before")
    graph = Graph("etl")
    graph.add(tasks.logs_info, name="first")
    graph.add(tasks.logs_info_async, name="second", after="first")
    found = run(graph)
    told = [
        (record.getMessage(), record.graph, record.run_id, record.task, record.attempt)
        for record in collecting.records
        if record.name.startswith("tests.")
    ]
    assert told == [
        ("before", "", "", "", 0),
        ("from a function", "etl", found.id, "first", 1),
        ("from a coroutine", "etl", found.id, "second", 1),
    ]


def test_attempts_are_told_apart(collecting) -> None:
    graph = Graph("flaky", on_error="continue")

    def bad() -> None:
        logger.info("trying")
        raise ValueError

    graph.add(bad, retry=Retry(3, backoff=lambda attempt: 0.0))
    graph()
    found = [one.attempt for one in collecting.records if one.name == logger.name]
    assert found == [1, 2, 3]


def test_what_a_task_starts_belongs_to_it(collecting) -> None:
    """Asyncio tasks and threads that are given its context."""

    async def child() -> None:
        logger.info("child")

    async def work() -> None:
        await asyncio.create_task(child())
        await asyncio.to_thread(logger.info, "thread")

    graph = Graph("family")
    graph.add(work, name="parent")
    graph.add(lambda: logger.info("other"), name="other")
    graph()
    found = {
        one.getMessage(): one.task
        for one in collecting.records
        if one.name == logger.name
    }
    assert found == {"child": "parent", "thread": "parent", "other": "other"}


def lines_of(path: Path) -> list[str]:
    """Return the lines of a log file, without times."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert all(TIME.match(line) or line.startswith("    ") for line in lines)
    return [DURATION.sub("D", TIME.sub("", line)) for line in lines]


def test_the_log_of_a_graph(run, tmp_path, caplog) -> None:
    """All tasks share it, wherever they run."""
    caplog.set_level(logging.INFO)
    path = tmp_path / "etl.log"
    graph = Graph("etl", log=path)
    graph.add(tasks.logs_info, name="first")
    graph.add(tasks.logs_info_async, name="second", after="first")
    found = run(graph)
    assert found.observer_errors == []
    assert sorted(lines_of(path)) == [
        "INFO     etl.first started",
        "INFO     etl.first succeeded in D",
        "INFO     etl.first tests.process_tasks: from a function",
        "INFO     etl.second started",
        "INFO     etl.second succeeded in D",
        "INFO     etl.second tests.process_tasks: from a coroutine",
    ]


def test_logs_of_tasks(tmp_path, caplog) -> None:
    """Several tasks may share one; that of the graph has all."""
    caplog.set_level(logging.INFO)
    everything, shared = tmp_path / "all.log", tmp_path / "shared.log"
    graph = Graph("etl", log=str(everything))
    for name in ("a", "b", "c"):
        log = shared if name != "c" else None
        graph.add(lambda name=name: logger.info("I am %s", name), name=name, log=log)
    graph()
    said = "tests.logs: I am"
    assert {line.split()[1] for line in lines_of(shared)} == {"etl.a", "etl.b"}
    told = [line for line in lines_of(everything) if said in line]
    assert sorted(told) == [f"INFO     etl.{name} {said} {name}" for name in "abc"]


def test_runs_at_once_share_a_file(tmp_path, caplog) -> None:
    """It is appended to, line by line, and closed when all are over."""
    caplog.set_level(logging.INFO)
    path = tmp_path / "etl.log"
    path.write_text(f"{'2026-01-01 00:00:00.000+00:00'} INFO     old line\n")
    graph = Graph("etl", log=path)
    for number in range(20):
        graph.add(lambda: logger.info("here"), name=str(number))
    runs = [graph.start() for _ in range(10)]
    assert all(run.wait(60) for run in runs)
    lines = lines_of(path)
    assert lines[0] == "INFO     old line"
    assert len(lines) == 1 + 10 * 20 * 3
    assert sum("tests.logs: here" in line for line in lines) == 200


def test_a_failure_is_explained(tmp_path, caplog) -> None:
    """Arguments, variables, what it has led to; but no secrets."""
    caplog.set_level(logging.INFO)
    path = tmp_path / "etl.log"

    def load(rows: list[int], user: str) -> None:
        password = "hunter2"
        text = f"the s3cret of {user}"
        raise ValueError(text + password[:0])

    log = LogFile(path, redact=["s3cret"])
    graph = Graph("etl", on_error="continue", log=log)
    graph.add(lambda: list(range(1000)), name="rows")
    graph.add(load, dependencies="rows")
    graph.add(lambda load: load, name="publish", dependencies=load)
    run = graph(user="eve")
    assert run.observer_errors == []
    text = "\n".join(lines_of(path))
    assert "s3cret" not in text
    assert "hunter2" not in text
    assert "ERROR    etl.load failed in D: ValueError: the *** of eve" in text
    assert "Traceback (most recent call last)" in text
    assert "\n    arguments: rows=[0, 1, 2, 3, 4, 5, ...], user='eve'\n" in text
    assert "password=***, text='the *** of eve'" in text
    assert "\n    skipped because of it: publish" in text
    assert "WARNING  etl.publish skipped: because of 'load'" in text


def connect(rows: Any = None, password: Any = None, *, token: Any = None) -> None:
    raise ValueError("bang")


def test_an_alarm_without_a_cause_is_no_warning(tmp_path: Path) -> None:
    path = tmp_path / "etl.log"
    graph = Graph("etl", log=LogFile(path))
    graph.add(lambda: 1, name="load")
    graph.add(lambda: None, name="alarm", after="load", trigger="any_failed")
    graph()

    assert "INFO     etl.alarm skipped: its trigger was not met" in path.read_text()


def test_of_the_level_of_the_file_on(tmp_path: Path) -> None:
    """What becomes of tasks has levels, too; a secret may be given alone."""
    path = tmp_path / "etl.log"
    log = LogFile(path, level="ERROR", redact="s3cret")
    graph = Graph("etl", on_error="continue", log=log)
    graph.add(lambda: 1, name="good")
    graph.add(connect, name="bad s3cret")
    graph()
    lines = [line for line in lines_of(path) if not line.startswith(" ")]
    assert len(lines) == 1
    assert "etl.bad *** failed in " in lines[0]


def test_what_never_began_and_what_did_not_want_to(tmp_path: Path) -> None:
    path = tmp_path / "etl.log"

    def skip(reason: str) -> None:
        raise Skip(reason)

    graph = Graph("etl", log=path, executor="sequential")
    graph.add(skip, name="quiet", kwargs={"reason": ""})
    graph.add(skip, name="told", kwargs={"reason": "no news"})
    graph.add(connect, name="bad")
    graph.add(lambda: 1, name="never")
    with pytest.raises(ValueError, match="bang"):
        graph()
    text = "\n".join(lines_of(path))
    assert "WARNING  etl.quiet skipped: by its own wish" in text
    assert "WARNING  etl.told skipped: no news" in text
    assert "WARNING  etl.never cancelled" in text
    assert "etl.never started" not in text


MISTAKEN = """
import logging, sys
from syncra import Graph

sys.stderr = sys.stdout
logger = logging.getLogger("app")
logging.lastResort = None
graph = Graph("etl", log="{path}")
def work():
    logger.warning("%d rows", "many")
    logger.warning("%d rows", 3)
    return 4
graph.add(work)
run = graph()
assert run["work"] == 4 and run.observer_errors == []
"""


def test_a_record_that_cannot_be_put_together_changes_nothing(tmp_path: Path) -> None:
    """The mistake is told as `logging` tells it; the others are written."""
    path = tmp_path / "etl.log"
    said = in_a_script(MISTAKEN.replace("{path}", str(path)))
    assert said.count("--- Logging error ---") == 1
    assert "'many'" in said
    told = [line for line in lines_of(path) if " app: " in line]
    assert told == ["WARNING  etl.work app: 3 rows"]


def test_of_many_variables_some_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "etl.log"
    many = "\n    ".join(f"v{number} = {number}" for number in range(50))
    space: dict[str, Any] = {}
    exec(f"def busy():\n    {many}\n    raise ValueError\n", space)
    graph = Graph("etl", on_error="continue", log=path)
    graph.add(space["busy"])
    graph.add(
        int, name="built in", kwargs={}, dependencies=graph.add(lambda: "x", name="x")
    )
    assert graph().observer_errors == []
    text = path.read_text(encoding="utf-8")
    assert "v29=29, ..." in text
    assert "v30" not in text.partition("in busy:")[2].partition("etl.")[0]


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="there is no fork"
)
def test_a_forked_process_of_a_task_can_write(tmp_path: Path) -> None:
    """Whatever other threads were writing when it was forked."""
    path = tmp_path / "etl.log"
    in_a_script(FORKING.replace("{path}", str(path)))
    told = [line for line in lines_of(path) if " app: " in line]
    assert sorted(told) == [
        "WARNING  etl.work app: exit code 0",
        "WARNING  etl.work app: from the child",
    ]


FORKING = """
import logging, multiprocessing, warnings
from syncra import Graph

warnings.simplefilter("ignore")
logger = logging.getLogger("app")
logging.lastResort = None
graph = Graph("etl", log="{path}")
def work():
    child = multiprocessing.get_context("fork").Process(
        target=logger.warning, args=("from the child",)
    )
    child.start()
    child.join(30)
    logger.warning("exit code %s", child.exitcode)
graph.add(work)
graph()
"""


def test_arguments_have_their_own_names(tmp_path) -> None:
    """Those that are passed by keyword too, so no secret hides behind another name."""
    path = tmp_path / "etl.log"
    graph = Graph("etl", on_error="continue", log=path)
    graph.add(connect, kwargs={"password": "hunter2", "token": "hunter3"})
    assert graph().observer_errors == []
    text = path.read_text(encoding="utf-8")
    assert "arguments: password=***, token=***" in text
    assert "hunter" not in text


def test_arguments_of_a_task_with_parts(tmp_path) -> None:
    path = tmp_path / "etl.log"
    graph = Graph("etl", on_error="continue", log=path)
    graph.add(lambda: [1, 2], name="rows")
    graph.add(connect, dependencies="rows", outputs=("first", "second"))
    assert graph().observer_errors == []
    assert "arguments: rows=[1, 2]\n" in path.read_text(encoding="utf-8")


def test_what_was_let_go_of_is_not_shown(tmp_path) -> None:
    """Of a run that keeps not all results."""
    path = tmp_path / "etl.log"
    graph = Graph("etl", on_error="continue", log=path)
    graph.add(lambda: [1, 2], name="rows")
    graph.add(connect, dependencies="rows")
    assert graph.run(keep="targets").observer_errors == []
    assert "arguments:" not in path.read_text(encoding="utf-8")


def test_a_failure_before_3_000_others_is_written_down(tmp_path) -> None:
    """In time and room that grow with their number."""
    path = tmp_path / "etl.log"
    graph = Graph("etl", on_error="continue", log=path)
    before = graph.add(connect)
    for number in range(3_000):
        before = graph.add(lambda x: x, name=str(number), dependencies=before)
    assert graph.run().observer_errors == []
    lines = lines_of(path)
    assert "    skipped because of it: 0, 1, 2, 3" in " ".join(lines)
    assert lines[-1] == "WARNING  etl.2999 skipped: because of '2998'"


def skips_for(log: Path, failures: int, chain: int) -> list[str]:
    """Return what is written down of failures that all have the same tasks skipped."""
    graph = Graph("etl", on_error="continue", log=log)

    def fail() -> None:
        raise ValueError

    bad = [graph.add(fail, name=f"bad{number}") for number in range(failures)]
    last = graph.add(lambda *before: 1, name="0", dependencies=bad)
    for number in range(1, chain):
        last = graph.add(lambda x: x, name=str(number), dependencies=last)
    assert graph.run(executor="sequential").observer_errors == []
    begin = "skipped because of it: "
    return [line.strip() for line in lines_of(log) if line.strip().startswith(begin)]


def test_many_failures_before_many_others_are_written_down(tmp_path) -> None:
    """All are counted while that is not too much; then some are named."""
    told = skips_for(tmp_path / "few.log", 20, 100)
    assert len(told) == 20
    assert all(line.endswith(" 19 and 80 more") for line in told)
    told = skips_for(tmp_path / "many.log", 200, 500)
    assert len(told) == 200
    exact = [line for line in told if line.endswith(" 19 and 480 more")]
    rough = [line for line in told if re.search(r" 19 and at least \d\d more$", line)]
    assert len(exact) + len(rough) >= 199
    assert 2 <= len(exact) <= 20


class Awkward:
    """Have no repr."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


class Vicious:
    """Have a repr that ends programs."""

    def __repr__(self) -> str:
        raise SystemExit("no")


def test_what_cannot_be_shown_is_named(tmp_path) -> None:
    path = tmp_path / "etl.log"
    graph = Graph("etl", on_error="continue", log=path)

    def bad(value: Awkward, text: str) -> None:
        other = Vicious()
        assert other
        raise ValueError("\x1b[31mred\x1b[0m\nsecond line")

    graph.add(Awkward, name="value")
    graph.add(bad, dependencies="value")
    run = graph(text="x" * 100_000)
    assert run.observer_errors == []
    text = path.read_text(encoding="utf-8")
    assert "value=<Awkward instance at 0x" in text
    assert "other=<Vicious, whose repr raises SystemExit>" in text
    assert "\x1b" not in text
    assert len(text) < 5_000


def test_a_file_that_cannot_be_opened_is_said_at_once(run, tmp_path) -> None:
    """Before any task has run."""
    graph = Graph("etl", log=tmp_path / "not there" / "etl.log")
    ran = tmp_path / "ran"
    graph.add(ran.touch, name="task")
    with pytest.raises(FileNotFoundError, match=r"etl\.log"):
        run(graph)
    assert not ran.exists()


def test_a_full_disk_changes_nothing() -> None:
    graph = Graph("etl", log="/dev/full")
    graph.add(lambda: 1, name="one")
    run = graph()
    assert run["one"] == 1
    assert all(isinstance(one.error, OSError) for one in run.observer_errors)
    assert run.observer_errors


@pytest.mark.parametrize("wrong", [5, b"bytes", object(), ["a.log"]])
def test_what_is_no_log(wrong: Any) -> None:
    with pytest.raises(TypeError, match="log is the path of a file"):
        Graph(log=wrong)
    with pytest.raises(TypeError, match="log is the path of a file"):
        Graph().add(lambda: 1, name="task", log=wrong)


@pytest.mark.parametrize("level", ["loud", True, None, 1.5])
def test_what_is_no_level(level: Any) -> None:
    with pytest.raises(ValueError, match="level is one of"):
        LogFile("etl.log", level=level)


WITHOUT_SETUP = """
import logging, sys
from syncra import Graph

logger = logging.getLogger("app")
graph = Graph("etl", log=sys.argv[1] if len(sys.argv) > 1 else "{path}")
def work():
    logger.debug("too little")
    logger.info("some")
    logger.warning("much")
graph.add(work)
graph()
logger.info("after")
assert logging.getLogger().handlers == [] and logging.getLogger().level == 30
"""


def test_where_logging_is_not_set_up(tmp_path) -> None:
    """Records come through from the level of the file on; warnings are shown too."""
    path = tmp_path / "etl.log"
    in_a_script(WITHOUT_SETUP.replace("{path}", str(path)))
    lines = lines_of(path)
    assert [line for line in lines if " app: " in line] == [
        "INFO     etl.work app: some",
        "WARNING  etl.work app: much",
    ]
