"""What a run tells of itself: its report as data and as text, its progress."""

from __future__ import annotations

import asyncio
import io
import json
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from typing import Any

import anyio
import process_tasks
import pytest
from tests_helpers import diamond, lines_run_by

from syncra import Context, Graph, Retry, Run, Skip, State
from syncra.executors import Threads

PLAIN = {dict, list, str, int, float, bool, type(None)}


class Boom(Exception):
    """Be raised by tasks of these tests."""


def bad() -> None:
    raise Boom("bang")


def printed(found: Run) -> list[str]:
    """Return the lines that `print(run)` shows."""
    with redirect_stdout(io.StringIO()) as shown:
        print(found)
    assert shown.getvalue() == f"{found}\n" == f"{found.report()}\n"
    return shown.getvalue().splitlines()


def everything() -> Graph:
    """Return a graph whose tasks come to all the ends there are but cancelled."""
    graph = Graph("everything", on_error="continue")
    answers = Boom("first"), OSError("second"), 7

    def flaky(context: Context) -> int:
        answer = answers[context.attempt - 1]
        if isinstance(answer, Exception):
            raise answer

        return answer

    def idle() -> None:
        raise Skip("nothing to do")

    async def answer(flaky: int) -> int:
        await anyio.sleep(0)
        return flaky * 6

    graph.add(flaky, retry=Retry(3, backoff=0))
    graph.add(answer, dependencies=flaky)
    graph.add(bad)
    graph.add(lambda x: x, name="child", dependencies="bad")
    graph.add(idle)
    graph.add(lambda x: x, name="after_idle", dependencies="idle")
    graph.add(lambda: 1, name="alarm", after="answer", trigger="any_failed")
    return graph


def values_in(data: Any) -> list[Any]:
    """Return everything that is in nested plain data."""
    if isinstance(data, dict):
        return [data, *data, *(x for item in data.values() for x in values_in(item))]

    if isinstance(data, list):
        return [data, *(x for item in data for x in values_in(item))]

    return [data]


# As data


def test_the_report_is_plain_data(run) -> None:
    """Nothing but what JSON knows, and JSON gives the same back."""
    report = run(everything()).report()
    data = report.to_dict()
    assert {type(value) for value in values_in(data)} <= PLAIN
    assert json.loads(report.to_json()) == data
    assert "\n" not in report.to_json()
    assert json.loads(report.to_json(indent=2)) == data
    assert report.to_json(indent=2).startswith('{\n  "graph": "everything"')


def test_the_report_tells_of_the_run(run) -> None:
    """Its graph, id, time, and how many tasks came to which end."""
    before = datetime.now(UTC)
    found = run(everything())
    after = datetime.now(UTC)
    report = found.report()
    data = report.to_dict()
    assert set(data) == {
        "graph",
        "run_id",
        "started_at",
        "duration",
        "progress",
        "tasks",
    }
    assert data["graph"] == report.graph == "everything"
    assert data["run_id"] == report.run_id == found.id
    assert before <= datetime.fromisoformat(data["started_at"]) <= after
    assert report.started_at == datetime.fromisoformat(data["started_at"])
    assert 0 < data["duration"] <= (after - before).total_seconds() + 0.001
    assert data["progress"] == {
        "pending": 0,
        "running": 0,
        "succeeded": 2,
        "failed": 1,
        "skipped": 4,
        "cancelled": 0,
    }
    assert report.progress == found.progress
    assert [task["name"] for task in data["tasks"]] == list(report.tasks)
    assert list(report.tasks) == list(found.records)


def test_the_report_tells_of_each_task(run) -> None:
    """Its state, times, attempts, errors, and why it has no result."""
    found = run(everything())
    tasks = {task["name"]: task for task in found.report().to_dict()["tasks"]}
    states = {name: task["state"] for name, task in tasks.items()}
    assert states == {
        "flaky": "succeeded",
        "answer": "succeeded",
        "bad": "failed",
        "child": "skipped",
        "idle": "skipped",
        "after_idle": "skipped",
        "alarm": "skipped",
    }
    for name, task in tasks.items():
        record = found.records[name]
        assert task["executor"] == record.executor
        assert task["worker"] == record.worker
        assert task["duration"] == record.duration
        assert len(task["attempts"]) == len(record.attempts)
        started = [attempt["started_at"] for attempt in task["attempts"]]
        assert started == sorted(started)
        assert task["started_at"] == (started[0] if started else None)
        assert task["abandoned"] is False
        assert task["warning"] is None
        assert task["rollback"] is None
    assert tasks["bad"]["error"] == {
        "type": f"{__name__}.Boom",
        "message": "bang",
    }
    assert tasks["bad"]["attempts"][0]["error"] == tasks["bad"]["error"]
    assert "in bad" in tasks["bad"]["traceback"]
    assert "raised by task 'bad' of graph 'everything'" in tasks["bad"]["traceback"]
    assert tasks["child"]["skipped_because"] == ["bad"]
    assert tasks["child"]["started_at"] is tasks["child"]["duration"] is None
    assert tasks["child"]["attempts"] == []
    assert tasks["idle"]["reason"] == "nothing to do"
    assert tasks["idle"]["skipped_because"] == []
    assert tasks["after_idle"]["skipped_because"] == ["idle"]
    assert tasks["alarm"]["skipped_because"] == []
    assert tasks["answer"]["error"] is tasks["answer"]["traceback"] is None


def test_the_report_tells_of_each_attempt(run) -> None:
    """A retried task has one entry for each, with its error."""
    found = run(everything())
    (task,) = (
        task for task in found.report().to_dict()["tasks"] if task["name"] == "flaky"
    )
    assert task["error"] is None
    assert [attempt["error"] for attempt in task["attempts"]] == [
        {"type": f"{__name__}.Boom", "message": "first"},
        {"type": "builtins.OSError", "message": "second"},
        None,
    ]
    assert all(attempt["duration"] >= 0 for attempt in task["attempts"])
    assert all(attempt["worker"] for attempt in task["attempts"])
    record = found.records["flaky"]
    assert task["duration"] == record.duration
    assert record.duration >= sum(attempt.duration for attempt in record.attempts)


def test_the_report_tells_of_undoing() -> None:
    """With the record of the rollback inside that of the task."""
    graph = Graph("order", on_error="rollback")
    graph.add(lambda: "a", name="a").rollback(lambda result: None)

    def refuse(result: str) -> None:
        raise OSError("no refund")

    graph.add(lambda: "b", name="b", after="a").rollback(refuse)
    graph.add(bad, after="b")
    graph.add(lambda: 1, name="late", after="bad")
    found = graph.start()
    assert found.wait(30)
    tasks = {task["name"]: task for task in found.report().to_dict()["tasks"]}
    assert tasks["a"]["rollback"]["state"] == "succeeded"
    assert tasks["b"]["rollback"]["state"] == "failed"
    assert tasks["b"]["rollback"]["error"]["message"] == "no refund"
    assert tasks["b"]["rollback"]["rollback"] is None
    assert tasks["bad"]["rollback"] is tasks["late"]["rollback"] is None
    lines = {line.split()[0]: line for line in printed(found)}
    assert lines["a"].endswith("rolled back")
    assert lines["b"].endswith("rollback failed")


def test_the_report_of_nothing(run) -> None:
    """An empty graph has one too."""
    found = run(Graph("empty"))
    assert found.report().to_dict()["tasks"] == []
    assert printed(found)[1].startswith("graph 'empty': no tasks in ")


ODD_TEXTS = [
    "new\nline",
    "tab\tand\rreturn",
    "\x1b[31mred\x1b[0m\x07",
    "nul\0",
    "rtl \u202e override",
    "\u2028separator\u2029",
    "emoji \N{PARTY POPPER}",
    "lone \udcff surrogate",
    "<script>alert('x')</script>",
    "../../etc/passwd",
    '"quoted\\"',
    "x" * 10_000,
]


@pytest.mark.parametrize("text", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
def test_odd_texts_are_carried_and_shown_safely(text) -> None:
    """As names, messages and reasons: whole in the data, on one clean line in print."""
    graph = Graph("odd", on_error="continue")

    def fail() -> None:
        raise Boom(text)

    def skip() -> None:
        raise Skip(text)

    graph.add(lambda: 1, name=text)
    graph.add(fail)
    graph.add(skip)
    graph.add(lambda: 1, name="child", after=(text, "fail"))
    found = graph.run(executor="sequential")
    data = json.loads(found.report().to_json())
    assert data == found.report().to_dict()
    tasks = {task["name"]: task for task in data["tasks"]}
    assert tasks[text]["state"] == "succeeded"
    assert tasks["fail"]["error"]["message"] == text
    assert tasks["skip"]["reason"] == text
    lines = printed(found)
    assert len(lines) == 6
    for line in lines:
        assert len(line) < 200
        assert line.isprintable()
    assert any("Boom: " in line for line in lines)


@pytest.mark.parametrize("text", ODD_TEXTS, ids=range(len(ODD_TEXTS)))
def test_an_odd_name_of_a_graph_is_shown_safely(text) -> None:
    """On one clean line, too."""
    graph = Graph(text)
    graph.add(lambda: 1, name="task")
    found = graph.run()
    assert json.loads(found.report().to_json())["graph"] == text
    lines = printed(found)
    assert len(lines) == 3
    assert lines[-1].isprintable()
    assert len(lines[-1]) < 300


def test_a_message_that_starts_with_much_white_space() -> None:
    """Is shown from its first word on, not as nothing."""
    graph = Graph(on_error="continue")

    def fail() -> None:
        raise Boom("\n" * 500 + "important" + " " * 500 + "words")

    graph.add(fail)
    text = str(graph.run())
    assert "important" in text
    assert "words" in text or "..." in text


# As text


def test_the_text_is_a_table(run) -> None:
    """One line a task under a header, columns aligned, numbers to the right."""
    found = run(everything())
    header, *lines, last = printed(found)
    columns = ["task", "state", "attempts", "duration", "why"]
    assert header.split() == columns
    assert len(lines) == 7
    assert [line.split()[0] for line in lines] == list(found.records)
    state, why = header.index("state"), header.index("why")
    attempts_end = header.index("attempts") + len("attempts")
    duration_end = header.index("duration") + len("duration")
    for line in lines:
        record = found.records[line.split()[0]]
        assert line[:state] == record.name.ljust(state)
        assert line[state:].startswith(f"{record.state} ")
        assert line[:attempts_end].endswith(f" {len(record.attempts)}")
        assert line[why:] == record.why
        assert line == line.rstrip()
        if record.duration is None:
            assert not line[attempts_end:duration_end].strip()
        else:
            assert line[:duration_end].endswith("s")
    assert last.startswith("graph 'everything': 2 succeeded, 1 failed, 4 skipped in ")
    whys = {record.name: record.why for record in found.records.values()}
    assert whys == {
        "flaky": "",
        "answer": "",
        "bad": "Boom: bang",
        "child": "because of 'bad'",
        "idle": "nothing to do",
        "after_idle": "because of 'idle'",
        "alarm": "its trigger was not met",
    }


def many(bad_ones: set[int], size: int = 1_000) -> Run:
    graph = Graph("many", on_error="continue")
    for number in range(size):
        graph.add(bad if number in bad_ones else (lambda: 1), name=f"task{number}")
    return graph.run(executor="sequential")


def test_the_text_of_many_tasks_shows_the_failures() -> None:
    """And says how many more there are."""
    header, *lines, more, last = printed(many({17, 500, 999}))
    assert header.split()[0] == "task"
    assert [line.split()[:2] for line in lines] == [
        ["task17", "failed"],
        ["task500", "failed"],
        ["task999", "failed"],
    ]
    assert more == "... and 997 more tasks"
    assert last.startswith("graph 'many': 997 succeeded, 3 failed in ")


def test_the_text_of_many_failures_stays_short() -> None:
    """Some of them have to do."""
    lines = printed(many(set(range(10_000)), 10_000))
    assert len(lines) <= 210
    assert lines[1].split()[:2] == ["task0", "failed"]
    shown = len(lines) - 3
    assert lines[-2] == f"... and {10_000 - shown:,} more tasks"
    assert lines[-1].startswith("graph 'many': 10,000 failed in ")


def test_the_text_of_many_skipped_tasks_still_shows_the_failures() -> None:
    """Who looks at it looks for them."""

    def idle() -> None:
        raise Skip("nothing to do")

    graph = Graph("many", on_error="continue")
    graph.add(idle)
    for number in range(500):
        graph.add(lambda: 1, name=f"skipped{number}", after="idle")
    before: Any = ()
    for number in range(3):
        before = graph.add(lambda: 1, name=f"good{number}", after=before)
    graph.add(bad, after=before)
    found = graph.run(executor="sequential")
    assert "Boom: bang" in str(found)
    lines = printed(found)
    shown = len(lines) - 3
    assert lines[-2] == f"... and {505 - shown:,} more tasks"


@pytest.mark.parametrize("size", [200, 201])
def test_the_text_of_what_has_succeeded_is_short(size) -> None:
    """Up to a number all are shown; beyond it only their count."""
    lines = printed(many(set(), size))
    if size == 200:
        assert len(lines) == 202
    else:
        assert lines[1:2] == ["... and 201 more tasks"]
        assert len(lines) == 3


def test_the_short_form_of_records() -> None:
    """As it is seen at a prompt: of many tasks it shows some."""
    assert repr(diamond().run({"number": 1}).records) == (
        "<Records start: succeeded, left: succeeded, right: succeeded, end: succeeded>"
    )
    shown = repr(many(set(), 1_234).records)
    assert shown.count("succeeded") == 20
    assert shown.endswith(" and 1,214 more>")


def test_durations_read_well() -> None:
    """In the unit that suits them."""
    from syncra._report import readable_seconds, shortened

    shown = [readable_seconds(s) for s in (None, 0, 2e-6, 0.0123, 1.5, 99, 3725)]
    assert shown == ["", "0 us", "2 us", "12.3 ms", "1.50 s", "99.00 s", "62 min 5 s"]
    assert readable_seconds(119.7) == "2 min 0 s"  # and not 1 min 60 s
    assert shortened("short", 10) == "short"
    assert shortened("x" * 11, 10) == "xxxxxxx..."
    assert len(shortened("word " * 100, 10)) == 10
    assert shortened("a\nb\x00c", 10) == "a b c"


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "0 µs"),
        (999, "999 µs"),
        (12_345, "12.3 ms"),
        (999_999, "1000 ms"),
        (1_500_000, "1.5 s"),
        (59_999_999, "60 s"),
        (60_000_000, "1 min 0 s"),
        (119_700_000, "2 min 0 s"),
        (3_599_999_999, "1 h 0 min"),
        (90_000_000_000, "25 h 0 min"),
    ],
)
def test_durations_of_the_page_read_well(micros: int, text: str) -> None:
    """As its script writes them, too."""
    from syncra.views.html import duration_text

    assert duration_text(micros) == text


def test_the_page_knows_what_else_became_of_tasks() -> None:
    """That one may still go on, where it ran instead, and where errors are from."""
    pytest.importorskip("jinja2")
    over = threading.Event()

    class Unsendable:
        def __init__(self) -> None:
            self.lock = threading.Lock()

        def work(self) -> None: ...

    def inner(number: int) -> None:
        if number:
            raise ValueError("one")
        raise ValueError("none")

    def outer(number: int) -> None:
        inner(number)

    graph = Graph("known", on_error="continue")
    graph.add(Unsendable().work, name="here", executor="processes", fallback="threads")
    graph.add(lambda: over.wait(30), name="late", timeout=0.05)
    graph.add(process_tasks.killed, name="killed", executor="processes")
    for number in (0, 1, 1):
        name = f"fails {len(graph)}"
        graph.add(outer, name=name, kwargs={"number": number})
    try:
        text = graph.run().report().to_html()
    finally:
        over.set()
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    data = json.loads(found[1])
    notes = {data["names"][int(task)]: note for task, note in data["notes"].items()}
    assert notes["late"] == {"abandoned": 1}
    assert "it runs with 'threads' instead" in notes["here"]["warning"]
    shown = text.partition('<script type="application/json"')[0]
    # Two that failed at one line of a function are one place, another line is another.
    assert len(re.findall("ValueError", shown)) >= 2
    messages = [data["messages"][message] for message, *_ in data["failures"].values()]
    assert messages.count("ValueError: one") == 2
    assert "ValueError: none" in messages


def test_a_run_that_waits_to_be_awaited_says_so() -> None:
    """Instead of a table of nothing."""

    async def main() -> None:
        found = diamond()(number=1)
        assert str(found) == repr(found)
        assert "not started: await it" in str(found)
        await found
        assert "4 succeeded" in str(found)
        assert len(printed(found)) == 6

    asyncio.run(main())


# While it goes on


def test_progress_counts_the_states() -> None:
    """At any moment, and it adds up."""
    graph = Graph("slow", on_error="continue")
    started, go = threading.Event(), threading.Event()

    def slow() -> None:
        started.set()
        assert go.wait(30)

    graph.add(bad)
    graph.add(lambda: 1, name="child", after="bad")
    graph.add(lambda: 1, name="good", priority=1)
    graph.add(slow)
    for number in range(3):
        graph.add(lambda: 1, name=f"late{number}", after="slow")
    found = graph.start(executor=Threads(1))
    try:
        assert started.wait(30)
        progress = found.progress
        assert (progress.pending, progress.running) == (3, 1)
        assert (progress.succeeded, progress.failed, progress.skipped) == (1, 1, 1)
        assert (progress.cancelled, progress.over, progress.total) == (0, 3, 7)
        assert str(progress) == "3 pending, 1 running, 1 succeeded, 1 failed, 1 skipped"
        report = found.report()
        assert report.duration is None
        data = report.to_dict()
        assert data["duration"] is None
        tasks = {task["name"]: task for task in data["tasks"]}
        assert tasks["slow"]["state"] == "running"
        assert tasks["slow"]["duration"] is None
        assert len(tasks["slow"]["attempts"]) == 1
        assert tasks["slow"]["attempts"][0]["duration"] is None
        assert tasks["late0"]["state"] == "pending"
        assert tasks["late0"]["started_at"] is None
        assert json.loads(report.to_json()) == data
        assert str(found).endswith(f"{progress} so far")
    finally:
        go.set()
    assert found.wait(30)
    assert found.progress.over == found.progress.total == 7
    assert str(found.progress) == "5 succeeded, 1 failed, 1 skipped"
    assert found.report().duration > 0


def test_progress_of_a_cancelled_run() -> None:
    """What has not started counts as cancelled."""
    graph = Graph()
    graph.add(bad)
    graph.add(lambda: 1, name="first", after="bad", trigger="all_done")
    for number in range(1_500):
        graph.add(lambda: 1, name=f"late{number}", after="first")
    found = graph.start()
    assert found.wait(30)
    assert str(found.progress) == "1 succeeded, 1 failed, 1,500 cancelled"
    assert "Boom: bang" in str(found)


def check_one_attempt(found: Run, state: State) -> None:
    """Check what the record of "flaky" says after its first attempt."""
    record = found.records["flaky"]
    assert record.state is state
    assert [str(attempt.error) for attempt in record.attempts] == ["bang"]
    assert record.attempts[0].duration >= 0
    assert record.error is None
    assert record.started_at == record.attempts[0].started_at


@pytest.mark.parametrize("backoff", [0, 3600], ids=["ready", "waiting"])
def test_the_record_of_a_task_between_two_attempts(backoff) -> None:
    """Has one attempt, whether the next has to wait for its time or for a worker."""
    graph = Graph(on_error="continue")
    started, go = threading.Event(), threading.Event()

    def slow() -> None:
        started.set()
        assert go.wait(30)

    retry = Retry(2, backoff=backoff, max_backoff=3600)
    graph.add(bad, name="flaky", retry=retry)
    graph.add(slow)
    found = graph.start(executor=Threads(1))
    try:
        assert started.wait(30)
        check_one_attempt(found, State.PENDING)
        assert found.progress.pending == 1
        if backoff:
            found.cancel()
    finally:
        go.set()
    assert found.wait(30)
    if backoff:
        check_one_attempt(found, State.CANCELLED)
    else:
        assert len(found.records["flaky"].attempts) == 2


def test_a_run_can_be_watched_while_tasks_fail() -> None:
    """Errors, records and report can be asked for at any moment."""
    graph = Graph(on_error="continue")
    for number in range(3_000):
        retry = Retry(2, backoff=0) if number % 2 else None
        graph.add(bad, name=str(number), retry=retry)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        found = graph.start(executor=Threads(2))
        seen = 0
        while not found.done:
            errors = found.errors
            assert seen <= len(errors)
            seen = len(errors)
            assert found.progress.total == 3_000
    finally:
        sys.setswitchinterval(interval)
        assert found.wait(60)
    assert len(found.errors) == 3_000


@contextmanager
def going_on(skipped: int) -> Iterator[Run]:
    """Give a run that goes on, in which a failure has had others skipped."""
    graph = Graph(on_error="continue")
    started, go = threading.Event(), threading.Event()

    def slow() -> None:
        started.set()
        assert go.wait(30)

    before = graph.add(bad)
    for number in range(skipped):
        before = graph.add(lambda x: x, name=str(number), dependencies=before)
    graph.add(slow, after=before, trigger="all_done")
    run = graph.start()
    try:
        assert started.wait(30)
        yield run
    finally:
        go.set()
        assert run.wait(30)


def test_the_report_of_a_run_that_goes_on_stays_as_it_was() -> None:
    with going_on(3) as run:
        report = run.report()
        text, data = str(report), report.to_dict()
    assert run.records["slow"].state is State.SUCCEEDED
    assert (str(report), report.to_dict()) == (text, data)
    assert report.duration is None
    assert report.tasks["slow"].state is State.RUNNING
    assert report.tasks["slow"].duration is None
    assert report.progress.running == 1
    assert report.tasks["2"].skipped_because == ("bad",)


def test_the_report_of_a_run_that_goes_on_takes_time_as_its_tasks_are_many() -> None:
    """Not as their square: counted in lines of Python that are executed."""
    counts = []
    for size in (200, 400):
        with going_on(size) as run:
            counts.append(lines_run_by(lambda run=run: run.report().to_json()))
    assert counts[1] < 2.5 * counts[0]
