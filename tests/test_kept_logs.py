"""What tasks log, kept for the report of their run: `KeepLogs`."""

from __future__ import annotations

import json
import logging
import multiprocessing
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import process_tasks as tasks
import pytest
from tests_browser import Viewer, running_browser, until
from tests_helpers import in_a_script

from syncra import Context, Graph, Retry, Run
from syncra.observers import KeepLogs, LogEntry

logger = logging.getLogger("tests.kept")


@pytest.fixture(autouse=True)
def level(caplog) -> None:
    caplog.set_level(logging.INFO)


def texts(run: Run) -> dict[str, list[str]]:
    """Return what each task has logged."""
    return {
        name: [entry.text for entry in entries]
        for name, entries in run.report().logs.items()
    }


def chatty(count: int, size: int = 0) -> Any:
    """Return a function that logs so many records, of so many characters and more."""

    def chat() -> None:
        for number in range(count):
            logger.info("%s%d", "x" * size, number)

    return chat


# As data.


def test_records_of_tasks_are_in_the_report(run) -> None:
    """From threads, coroutines and worker processes, and of no other run."""
    logger.info("before")
    graph = Graph("etl")
    graph.add(tasks.logs_info, name="first")
    graph.add(tasks.logs_info_async, name="second", after="first")
    graph.add(lambda: None, name="silent")
    began = datetime.now(UTC)
    found = run(graph, observers=[KeepLogs()])
    ended = datetime.now(UTC)
    logger.info("after")
    assert found.observer_errors == []
    report = found.report()
    assert texts(found) == {
        "first": ["from a function"],
        "second": ["from a coroutine"],
    }
    (entry,) = report.logs["first"]
    assert isinstance(entry, LogEntry)
    assert (entry.level, entry.level_number) == ("INFO", logging.INFO)
    assert (entry.logger, entry.attempt) == ("tests.process_tasks", 1)
    assert began <= entry.time <= ended
    assert report.logs_dropped == {}


def test_the_report_has_them_as_plain_data() -> None:
    graph = Graph("etl", observers=[KeepLogs(max_records=1)])
    graph.add(chatty(2), name="two")
    report = graph.run().report()
    (data,) = json.loads(report.to_json())["tasks"]
    (entry,) = data["logs"]
    assert datetime.fromisoformat(entry.pop("time")) == report.logs["two"][0].time
    assert entry == {
        "level": "INFO",
        "level_number": 20,
        "logger": "tests.kept",
        "text": "1",
        "attempt": 1,
    }
    assert data["logs_dropped"] == 1


def test_without_the_observer_nothing_is_kept() -> None:
    graph = Graph("etl")
    graph.add(chatty(2), name="two")
    report = graph.run().report()
    assert (report.logs, report.logs_dropped) == ({}, {})
    assert report.to_dict()["tasks"][0]["logs"] == []


def test_attempts_errors_and_undoing() -> None:
    """Each entry knows its attempt; a traceback is part of its text."""
    graph = Graph("flaky", on_error="rollback", observers=[KeepLogs()])

    @graph.task
    def good() -> int:
        logger.info("done")
        return 7

    @good.rollback
    def undo(value: int) -> None:
        logger.info("undone %d", value)

    @graph.task(dependencies=good, retry=Retry(2, backoff=0))
    def bad(good: int) -> None:
        try:
            raise ValueError("bang")
        except ValueError:
            logger.exception("no luck")
            raise

    run = graph.start()
    assert run.wait(60)
    found = run.report().logs
    assert [entry.text for entry in found["good"]] == ["done", "undone 7"]
    assert [entry.attempt for entry in found["bad"]] == [1, 2]
    text = found["bad"][0].text
    assert text.startswith("no luck\nTraceback (most recent call last):\n")
    assert text.endswith("ValueError: bang")


def test_levels_of_loggers_and_of_the_observer() -> None:
    graph = Graph("etl")

    @graph.task
    def work() -> None:
        logger.debug("too little")
        logger.info("some")
        logger.warning("much")

    assert texts(graph.run(observers=[KeepLogs()])) == {"work": ["some", "much"]}
    only = graph.run(observers=[KeepLogs(level="warning")])
    assert texts(only) == {"work": ["much"]}


def test_of_several_the_last_one_counts() -> None:
    """What is given for a run stands before what its graph has."""
    graph = Graph("etl", observers=[KeepLogs(level="ERROR")])
    graph.add(chatty(2), name="two")
    run = graph.run(observers=[KeepLogs()])
    assert texts(run) == {"two": ["0", "1"]}
    assert run.report().logs_dropped == {}


def test_runs_at_once_have_their_own() -> None:
    graph = Graph("etl", observers=[KeepLogs()])
    graph.add(lambda number: logger.info("%d", number), name="say")
    runs = [graph.start({"number": number}) for number in range(10)]
    assert all(run.wait(60) for run in runs)
    found = [texts(run) for run in runs]
    assert found == [{"say": [str(number)]} for number in range(10)]


def test_a_file_and_the_report_have_the_same(tmp_path) -> None:
    path = tmp_path / "etl.log"
    graph = Graph("etl", log=path, observers=[KeepLogs()])
    graph.add(chatty(3), name="three")
    assert texts(graph.run()) == {"three": ["0", "1", "2"]}
    assert path.read_text(encoding="utf-8").count("tests.kept: ") == 3


def test_the_report_of_a_run_that_goes_on() -> None:
    """Has what there was at its moment."""
    graph = Graph("waiting", observers=[KeepLogs()])
    said, go = threading.Event(), threading.Event()

    @graph.task
    def wait() -> None:
        logger.info("here")
        said.set()
        go.wait(60)
        logger.info("there")

    run = graph.start()
    try:
        assert said.wait(60)
        report = run.report()
    finally:
        go.set()
        assert run.wait(60)
    assert [entry.text for entry in report.logs["wait"]] == ["here"]
    assert texts(run) == {"wait": ["here", "there"]}


# Limits.


def test_the_last_records_of_each_task_are_kept() -> None:
    graph = Graph("etl", observers=[KeepLogs(max_records=3)])
    graph.add(chatty(10), name="many")
    graph.add(chatty(3), name="few")
    run = graph.run()
    assert texts(run) == {"many": ["7", "8", "9"], "few": ["0", "1", "2"]}
    assert run.report().logs_dropped == {"many": 7}


def test_fault_122_a_flood_of_records_stays_within_its_limit() -> None:
    """The oldest go, of whatever task; each is counted."""
    graph = Graph("etl", observers=[KeepLogs(max_bytes=50_000)])
    names = [f"task {number}" for number in range(30)]
    for name in names:
        graph.add(chatty(20, size=1_000), name=name)
    report = graph.run(executor="sequential").report()
    kept = sum(map(len, report.logs.values()))
    assert kept + sum(report.logs_dropped.values()) == 600
    assert 20 < kept < 50
    assert list(report.logs) == names[-len(report.logs) :]
    assert report.logs_dropped[names[0]] == 20


def test_a_huge_record_loses_its_middle() -> None:
    graph = Graph("etl", observers=[KeepLogs()])
    graph.add(lambda: logger.info("begin%send", "x" * 10**6), name="huge")
    graph.add(lambda: logger.info("\x1b[31mred\x1b[0m"), name="red")
    found = texts(graph.run())
    assert len(found["huge"][0]) <= 10_000
    assert re.fullmatch(r"beginx+ … .* left out … x+end", found["huge"][0])
    assert found["red"] == ["red"]


def test_secrets_are_not_kept() -> None:
    """Not the half of one either, where a text is cut."""
    graph = Graph("etl", observers=[KeepLogs(redact=["hunter2", "s3cret"])])

    @graph.task
    def leak() -> None:
        logging.getLogger("tests.kept.hunter2").warning("it is s3cret")
        logger.info("%s", "x" * 4_990 + "hunter2" + "y" * 10_000)
        try:
            raise ValueError("hunter2")
        except ValueError:
            logger.exception("oh")

    run = graph.run()
    assert run.report().logs["leak"][0].logger == "tests.kept.***"
    assert run.report().logs["leak"][0].text == "it is ***"
    told = run.report().to_json()
    assert "s3cret" not in told
    assert not re.search("hunter|unter2", told)


def test_a_secret_in_colours_is_not_kept() -> None:
    """What is taken out of a text, as codes for terminals, does not hide it."""
    graph = Graph("etl", observers=[KeepLogs(redact=["hunter2", "s3cret"])])
    graph.add(
        lambda: logger.info("\x1b[1mhunter\x1b[36m2\x1b[0m \u202es3\u200ecret s3cret"),
        name="leak",
    )
    assert texts(graph.run()) == {"leak": ["*** *** ***"]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": "LOUD"}, "level is one of logging's"),
        ({"max_records": 0}, "max_records is at least 1"),
        ({"max_bytes": -1}, "max_bytes is at least 1"),
    ],
)
def test_what_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KeepLogs(**options)
    with pytest.raises(TypeError, match="max_records is a positive int"):
        KeepLogs(max_records=1.5)  # type: ignore[arg-type]


WITHOUT_SETUP = """
import logging
from syncra import Graph
from syncra.observers import KeepLogs

logger = logging.getLogger("app")
graph = Graph("etl", observers=[KeepLogs()])
graph.add(lambda: (logger.debug("no"), logger.info("some")), name="work")
run = graph()
assert [entry.text for entry in run.report().logs["work"]] == ["some"]
root = logging.getLogger()
assert root.handlers == [] and root.level == 30, (root.handlers, root.level)
graph.run(observers=[KeepLogs(level=1)])
assert root.handlers == [] and root.level == 30, (root.handlers, root.level)
"""


def test_where_logging_is_not_set_up() -> None:
    """Records come through from the level on, while the run goes on."""
    in_a_script(WITHOUT_SETUP)


def test_logging_that_a_task_sets_up_stays_as_it_is() -> None:
    """Its level outlasts the run, and runs that begin later have their records."""
    in_a_script("""
import logging, logging.config
from syncra import Graph
from syncra.observers import KeepLogs

def configure():
    logging.config.dictConfig({
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"null": {"class": "logging.NullHandler"}},
        "root": {"handlers": ["null"], "level": "INFO"},
    })
    logger.info("goes past the run")
    return inner.run().report().logs

logger = logging.getLogger("app")
inner = Graph("inner", observers=[KeepLogs()])
inner.add(lambda: logger.info("some"), name="work")
graph = Graph("etl", observers=[KeepLogs()])
graph.add(configure)
logs = graph()["configure"]
assert [entry.text for entry in logs["work"]] == ["some"], logs
root = logging.getLogger()
assert [type(one).__name__ for one in root.handlers] == ["NullHandler"], root.handlers
assert root.level == logging.INFO, root.level
logger.info("after")
""")


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="there is no fork"
)
def test_a_forked_process_of_a_task_can_log() -> None:
    """It has its own copy of everything, and changes nothing here."""
    in_a_script("""
import logging, multiprocessing, warnings
from syncra import Graph
from syncra.observers import KeepLogs

warnings.simplefilter("ignore")
logger = logging.getLogger("app")
graph = Graph("etl", observers=[KeepLogs()])
def work():
    child = multiprocessing.get_context("fork").Process(
        target=logger.info, args=("from the child",)
    )
    child.start()
    child.join(30)
    logger.info("exit code %s", child.exitcode)
graph.add(work)
run = graph()
assert [entry.text for entry in run.report().logs["work"]] == ["exit code 0"]
""")


# On the page.


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with running_browser() as found:
        yield found


@pytest.fixture
def viewer(browser) -> Iterator[Viewer]:
    """Open pages; fail if one of them complains."""
    viewer = Viewer(browser)
    yield viewer
    viewer.close()
    assert viewer.complaints == []


def rows(page: Any) -> list[str]:
    return page.locator("#rows .row .task .name").all_inner_texts()


def orders() -> Run:
    graph = Graph("orders", on_error="continue")

    @graph.task(retry=Retry(2, backoff=0))
    def fetch(context: Context) -> None:
        logger.info("asking the Server")
        if context.attempt == 1:
            logger.warning("closed by peer\nagain <b>soon</b>")
            raise ConnectionError

    graph.add(chatty(250), name="many", after=fetch)

    @graph.task(after=fetch)
    def total() -> None:
        logger.error("no such column")
        raise KeyError("sum")

    graph.add(lambda: None, name="silent", after=fetch)
    observer = KeepLogs(max_records=200)
    return graph.run(executor="sequential", observers=[observer])


@pytest.mark.one_python
def test_the_log_of_a_task_is_on_the_page(viewer, tmp_path) -> None:
    """Level, time, logger, text and attempt; of a long log the end first."""
    page = viewer.open(orders().report().to_html(tmp_path / "run.html"))
    named = dict(zip(rows(page), page.locator("#rows .row").all(), strict=True))
    named["fetch"].click()
    log = page.locator("#details .log li")
    heads = [text.split() for text in log.locator(".head").all_inner_texts()]
    assert [(head[0], *head[-2:]) for head in heads[1:]] == [
        ("WARNING", heads[1][-2], "tests.kept"),
        ("INFO", "attempt", "2"),
    ]
    assert all(any(word.startswith("+") for word in head) for head in heads)
    assert log.locator(".text").all_inner_texts() == [
        "asking the Server",
        "closed by peer\nagain <b>soon</b>",
        "asking the Server",
    ]
    assert log.nth(1).get_attribute("class") == "warning"
    assert named["fetch"].locator(".mark.warning").inner_text() == "⚠ 1"
    assert named["total"].locator(".mark.warning").inner_text() == "⚠ 1"
    named["many"].click()
    assert "50 earlier records were not kept." in page.locator("#details").inner_text()
    assert log.count() == 100
    page.click("#details >> text=100 earlier")
    wanted = [str(number) for number in range(50, 250)]
    assert log.locator(".text").all_inner_texts() == wanted
    named["silent"].click()
    assert log.count() == 0
    assert "Log (" not in page.locator("#details").inner_text()


@pytest.mark.one_python
def test_logs_are_searched(viewer, tmp_path) -> None:
    """A task is found by its log, which says where; the entry is marked."""
    page = viewer.open(orders().report().to_html(tmp_path / "run.html"))
    page.fill("#search", "closed PEER")
    until(lambda: rows(page) == ["fetch"])
    assert page.locator("#rows .why").inner_text().startswith("log: closed by peer")
    page.click("#rows .row")
    found = page.locator("#details .log .found .text")
    assert found.all_inner_texts() == ["closed by peer\nagain <b>soon</b>"]
    page.fill("#search", "total column")
    until(lambda: rows(page) == ["total"])
    page.fill("#search", "total server")
    page.wait_for_selector("#nothing", state="visible")


@pytest.mark.one_python
def test_10_000_tasks_with_logs_stay_usable(viewer, tmp_path) -> None:
    """Under 5 MB, with all of their entries."""
    graph = Graph("large", on_error="continue", executor="sequential")

    def work(number: int) -> None:
        logger.info("reading /srv/archive/tile-%05d.tif", number)
        logger.info("%d rows, of which %d are new", number * 37, number % 91)
        if number % 1_000 == 999:
            logger.error("checksum of file %d is wrong", number)
            raise ValueError("checksum")
        logger.info("written in %d ms", number % 17)

    for number in range(10_000):
        graph.add(work, name=f"tile {number:05}", kwargs={"number": number})
    report = graph.run(observers=[KeepLogs()]).report()
    assert sum(map(len, report.logs.values())) == 30_000
    file = report.to_html(tmp_path / "run.html")
    assert file.stat().st_size < 5_000_000
    assert '"logs_left_out":0' in file.read_text("utf-8")
    page = viewer.open(file)
    page.fill("#search", "checksum of file 9999")
    until(lambda: rows(page) == ["tile 09999"])
    page.click("#rows .row")
    assert page.locator("#details .log .text").count() == 3
    page.fill("#search", "reading tile-04321.tif")
    until(lambda: rows(page) == ["tile 04321"])


def test_fault_122_logs_do_not_fill_the_page(tmp_path: Path) -> None:
    """Failures and warnings first, then the last of each task; the rest is counted."""
    graph = Graph("flood", on_error="continue", executor="sequential")

    def work(number: int) -> None:
        logger.warning("warning of %d", number)
        for part in range(20):
            logger.info("%d %d %s", number, part, "<&>" * 100)
        if number == 0:
            raise ValueError

    for number in range(500):
        graph.add(work, name=str(number), kwargs={"number": number})
    text = graph.run(observers=[KeepLogs()]).report().to_html()
    assert len(text.encode()) < 4_000_000
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    assert found
    data = json.loads(found[1])
    shown = {int(task): lines for task, lines in data["logs"].items()}
    assert len(shown[0]) == 21
    assert len(shown) == 500
    for task, lines in shown.items():
        assert data["log_texts"][lines[0][3]] == f"warning of {task}"
        last = data["log_texts"][lines[-1][3]]
        assert last.startswith(f"{task} 19 ")
    count = sum(map(len, shown.values()))
    assert data["logs_left_out"] == 500 * 21 - count > 0
    missing = {int(task): pair for task, pair in data["logs_missing"].items()}
    assert sum(pair[1] for pair in missing.values()) == data["logs_left_out"]
