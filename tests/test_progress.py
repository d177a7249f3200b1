"""The progress of runs: in lines, in the log, on a terminal, in a notebook."""

from __future__ import annotations

import io
import logging
import os
import re
import select
import subprocess
import sys
import time
from typing import Any

import pytest
from tests_helpers import in_a_script

from syncra import Graph, Retry
from syncra.observers import ProgressDisplay

SECONDS = re.compile(r"in \d+ min \d+\.\d sec")
DURATION = re.compile(r"\d+(\.\d+)? (us|ms|s)\b")


def etl() -> Graph:
    """Return a graph of four tasks, one of which fails."""
    graph = Graph("etl", on_error="continue")
    graph.add(lambda: [1, 2], name="rows")
    graph.add(lambda rows: 1 / 0, name="ratio", dependencies="rows")
    graph.add(lambda ratio: ratio, name="share", dependencies="ratio")
    graph.add(len, name="count", dependencies="rows")
    return graph


def lines_of(text: str) -> list[str]:
    text = SECONDS.sub("in T", text)
    return [DURATION.sub("D", line).rstrip() for line in text.splitlines()]


def test_lines() -> None:
    """One for each task that is over, failures at once, a table at the end."""
    stream = io.StringIO()
    display = ProgressDisplay(style="lines", stream=stream)
    run = etl().run(executor="sequential", progress=display)
    assert run.observer_errors == []
    assert lines_of(stream.getvalue()) == [
        "etl: [######...................] 1/4 [25.0%] in T",
        "etl: failed: ratio: ZeroDivisionError: division by zero",
        "etl: [############.............] 2/4 [50.0%] in T, 1 failed",
        "etl: [##################.......] 3/4 [75.0%] in T, 1 failed, 1 skipped",
        "etl: [#########################] 4/4 [100.0%] in T, 1 failed, 1 skipped",
        *lines_of(str(run)),
    ]


def test_in_every_way_to_run(run) -> None:
    stream = io.StringIO()
    display = ProgressDisplay(style="lines", stream=stream, table=False)
    found = run(etl(), progress=display)
    assert found.observer_errors == []
    *_, last = lines_of(stream.getvalue())
    assert last.startswith("etl: [#########################] 4/4 [100.0%]")


def test_many_tasks_give_a_line_for_each_percent() -> None:
    graph = Graph("many")
    for number in range(2_000):
        graph.add(lambda: None, name=str(number))
    stream = io.StringIO()
    display = ProgressDisplay(style="lines", stream=stream, table=False)
    graph.run(progress=display)
    lines = lines_of(stream.getvalue())
    assert len(lines) == 100
    assert lines[0] == "many: [.........................] 20/2000 [1.0%] in T"


def test_an_empty_graph() -> None:
    stream = io.StringIO()
    Graph("empty").run(progress=ProgressDisplay(style="lines", stream=stream))
    assert "empty" in stream.getvalue()


def test_the_log(caplog) -> None:
    """For programs: through `logging`, failures as warnings."""
    graph = Graph("flaky", on_error="continue")
    graph.add(lambda: 1 / 0, name="bad", retry=Retry(2, backoff=lambda n: 0.0))
    with caplog.at_level(logging.INFO, "syncra.progress"):
        graph.run(progress=ProgressDisplay(style="log", table=False))
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [(level, SECONDS.sub("in T", text)) for level, text in told] == [
        (
            "WARNING",
            "flaky: retrying: bad: attempt 1 failed (ZeroDivisionError: division by "
            "zero), again",
        ),
        ("WARNING", "flaky: failed: bad: ZeroDivisionError: division by zero"),
        ("INFO", "flaky: [#########################] 1/1 [100.0%] in T, 1 failed"),
    ]


def test_one_display_for_runs_at_once() -> None:
    stream = io.StringIO()
    display = ProgressDisplay(style="lines", stream=stream, table=False)
    graph = Graph("twice", observers=[display])
    graph.add(lambda: None, name="task")
    runs = [graph.start() for _ in range(5)]
    assert all(run.wait(30) for run in runs)
    assert [run.observer_errors for run in runs] == [[]] * 5
    assert len(lines_of(stream.getvalue())) == 5


def test_a_stream_that_is_full_changes_nothing() -> None:
    with open("/dev/full", "w", encoding="utf-8") as stream:
        run = etl().run(progress=ProgressDisplay(style="lines", stream=stream))
        assert run["count"] == 2
        assert run.observer_errors
        with pytest.raises(OSError, match="No space"):
            stream.close()


@pytest.mark.parametrize("wrong", ["yes", 2, [], object()])
def test_what_is_no_progress(wrong: Any) -> None:
    with pytest.raises(TypeError, match="progress is True, False or"):
        etl().run(progress=wrong)


def test_there_is_no_such_style() -> None:
    with pytest.raises(ValueError, match="style is one of auto, live"):
        ProgressDisplay(style="loud")


@pytest.mark.parametrize("progress", [False, None])
def test_no_progress(progress: Any, capfd) -> None:
    etl().run(progress=progress)
    assert capfd.readouterr() == ("", "")


def test_not_on_a_terminal_it_is_lines(capfd) -> None:
    etl().run(progress=True)
    out, err = capfd.readouterr()
    assert not out
    assert "4/4 [100.0%]" in err
    assert "\x1b" not in err


ON_A_TERMINAL = """
import threading
from syncra import Graph

graph = Graph("etl", on_error="continue")
hold = threading.Event()
graph.add(lambda: hold.wait(30), name="held [bold]back[/bold]")
graph.add(lambda: 1 / 0, name="ratio")

class Release:
    def task_finished(self, run, task, state):
        pass

run = graph.start(progress=True)
input()
hold.set()
run.wait()
assert not run.observer_errors, run.observer_errors
"""


def on_a_terminal(code: str, until: str, **environment: str) -> str:
    """Run code in a terminal, press Enter when a text is there, return all of it."""
    pid_side, side = os.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", **environment}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=side,
        stdout=side,
        stderr=side,
        env=environment,
        start_new_session=True,
    )
    os.close(side)
    seen, pressed = b"", False
    deadline = time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            if not select.select([pid_side], [], [], 1)[0]:
                continue

            try:
                data = os.read(pid_side, 65536)
            except OSError:
                break  # the other side is closed

            if not data:
                break

            seen += data
            if not pressed and until.encode() in seen:
                pressed = True
                os.write(pid_side, b"\n")
        assert process.wait(30) == 0, seen.decode()
    finally:
        process.kill()
        process.wait()
        os.close(pid_side)
    return seen.decode()


def without_escapes(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def test_live_on_a_terminal() -> None:
    """What runs is shown, what has failed stays, the cursor comes back."""
    pytest.importorskip("rich")
    text = on_a_terminal(ON_A_TERMINAL, "held", COLUMNS="100", LINES="30")
    plain = without_escapes(text)
    assert "held [bold]back[/bold]" in plain  # no markup
    assert "1 running" in plain
    assert "✗ ratio: ZeroDivisionError: division by zero" in plain
    end = plain[plain.rindex("task ") :]
    assert re.search(r"held \[bold\]back\[/bold\] +✓ succeeded +1", end)
    assert re.search(r"ratio +✗ failed +1 .*ZeroDivisionError", end)
    assert re.search(r"etl: 1 succeeded, 1 failed in ", end)
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


TEN_AT_ONCE = """
import anyio
from anyio import to_thread
from syncra import Graph

graph = Graph("etl")
over = anyio.Event()
async def press():
    await to_thread.run_sync(input)
    over.set()
async def hold():
    await over.wait()
graph.add(press)
for number in range(10):
    graph.add(hold, name=f"held {number}")
assert not graph.run(progress=True).observer_errors
"""


def test_live_with_more_tasks_than_fit() -> None:
    """Of those that run at once some are named, the others counted."""
    pytest.importorskip("rich")
    text = on_a_terminal(TEN_AT_ONCE, "and 3 more are running", COLUMNS="100")
    assert re.search(r"etl: 11 succeeded in ", without_escapes(text))


def test_live_without_colour() -> None:
    pytest.importorskip("rich")
    text = on_a_terminal(ON_A_TERMINAL, "held", NO_COLOR="1", COLUMNS="40", LINES="20")
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", text)
    assert "1 succeeded, 1 failed" in " ".join(without_escapes(text).split())


WITHOUT_RICH = """
import importlib.util, logging, sys
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "rich" else found(name)
sys.modules["rich"] = None
form = "%(name)s %(message)s"
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format=form)

from syncra import Graph
from syncra.errors import MissingExtraError
from syncra.observers import ProgressDisplay

graph = Graph("etl")
graph.add(lambda: 1, name="one")
assert not graph.run(progress=True).observer_errors
try:
    ProgressDisplay(style="live")
except MissingExtraError as error:
    assert "pip install 'syncra[rich]'" in str(error), error
else:
    raise AssertionError
"""


def test_without_rich_it_is_the_log() -> None:
    told = in_a_script(WITHOUT_RICH)
    assert "syncra.progress etl: [#########################] 1/1 [100.0%]" in told


@pytest.mark.parametrize("level", ["logging.WARNING", None])
def test_without_rich_and_where_no_log_shows_it_these_are_lines(
    level: str | None,
) -> None:
    """Whoever asks for progress in a bare install is to see some."""
    log = f"logging.basicConfig(level={level})" if level else ""
    script = re.sub(r"(?m)^logging.basicConfig.*$", log, WITHOUT_RICH)
    told = in_a_script("import sys; sys.stderr = sys.stdout\n" + script)
    assert told.startswith("etl: [#########################] 1/1 [100.0%]")


IN_A_NOTEBOOK = """
import sys
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

config = Config()
config.HistoryManager.enabled = False
shell = InteractiveShell.instance(config=config)
shell.kernel = object()  # as a notebook's shell has one
shell.display_pub = CapturingDisplayPublisher(parent=shell)

from syncra import Graph

graph = Graph("<b>etl</b>", on_error="continue")
graph.add(lambda: 1 / 0, name="<script>")
run = graph.run(progress=True)
assert not run.observer_errors, run.observer_errors
shown = [output["data"]["text/html"] for output in shell.display_pub.outputs]
assert len(shown) >= 2
last = shown[-1]
assert "&lt;b&gt;etl&lt;/b&gt;" in last and "&lt;script&gt;" in last
assert "<b>etl" not in last and "<script>" not in last
assert 'max="1" value="1"' in last and "1 failed" in last
assert "ZeroDivisionError" in last

# What has gone wrong is told as long as there is room; without a table if so wanted.
from syncra.observers import ProgressDisplay
many = Graph("many", on_error="continue")
for number in range(300):
    many.add(lambda: 1 / 0, name=f"bad {number}")
shell.display_pub.outputs.clear()
assert not many.run(progress=ProgressDisplay(table=False)).observer_errors
last = shell.display_pub.outputs[-1]["data"]["text/html"]
told = last.count("ZeroDivisionError")
assert 0 < told < 300, told
assert f"... and {300 - told:,} more" in last, last
assert "<pre>" not in last
"""


def test_in_a_notebook() -> None:
    """A bar in the output of the cell, updated in place; names are no HTML."""
    pytest.importorskip("IPython")
    in_a_script(IN_A_NOTEBOOK)


def test_live_names_the_slowest_of_many_that_succeeded() -> None:
    """Where there is nothing else to tell: of 60 tasks ten, the longest first."""
    pytest.importorskip("rich")
    graph = Graph("etl")
    for number in range(60):
        graph.add(lambda: None, name=f"task {number}")
    stream = io.StringIO()
    run = graph.run(
        executor="sequential",
        observers=[ProgressDisplay(style="live", stream=stream)],
    )
    assert run.observer_errors == []
    records = run.records
    slowest = sorted(records, key=lambda name: records[name].duration, reverse=True)
    lines = without_escapes(stream.getvalue()).splitlines()
    found = [re.match(r"(task \d+) +(✓ )?succeeded", line) for line in lines]
    shown = [match[1] for match in found if match]
    # Which of two that took as long comes first does not matter.
    durations = [records[name].duration for name in shown]
    assert durations == [records[name].duration for name in slowest[:10]]
    assert len(set(shown)) == 10
    assert "... and 50 that were faster" in [line.strip() for line in lines]
