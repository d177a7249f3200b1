"""`syncra` on a real pseudo-terminal: what a user sees, as snapshots of screens.

With SYNCRA_SCREENS=1 the snapshots are written anew instead of compared.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cli_helpers import COMMAND, ENVIRONMENT, PROJECT

pyte = pytest.importorskip("pyte", reason="the terminal emulator of the tests")

SCREENS = Path(__file__).parent / "screens"
LIMIT = 30.0

#: Makes the terminal the one that keys such as Ctrl-C come from, and then the command.
TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)

#: What is another one each time.
MASKS = (
    (re.compile(re.escape(str(PROJECT))), "PROJECT"),
    (re.compile(r"\s+\d+(\.\d+)? (us|ms|s)\b *"), " TIME "),
    (re.compile(r"\d:\d\d:\d\d"), "CLOCK"),
    (re.compile(r"^ *[~^]+$", re.M), ""),  # places within lines, which differ
)


class Terminal:
    """Hold a command that runs in a terminal, and what is on its screen.

    Attributes:
        raw: all that was written to the terminal.
        code: the exit code, once it is over.
    """

    def __init__(self, master: int, process: subprocess.Popen[bytes], columns: int):
        self._master = master
        self._process = process
        self._screen = pyte.Screen(columns, 60)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = b""
        self.code: int | None = None

    def until(self, is_there: Callable[[str], bool]) -> None:
        """Read until the screen is as it should be, or the command is over."""
        deadline = time.monotonic() + LIMIT
        while not is_there(self.text):
            if time.monotonic() > deadline:
                pytest.fail(f"not on the screen:\n{self.text}")
            ready, _, _ = select.select([self._master], [], [], 0.5)
            if not ready:
                continue

            try:
                data = os.read(self._master, 65536)
            except OSError:  # the other end is closed
                data = b""
            if not data:
                break

            self.raw += data
            self._stream.feed(data)

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._master, keys)

    def finish(self) -> None:
        """Read until the command is over."""
        self.until(lambda _: False)
        self.code = self._process.wait(LIMIT)

    @property
    def text(self) -> str:
        """Return what is on the screen, without what is another one each time."""
        lines = [line.rstrip() for line in self._screen.display]
        text = "\n".join(lines)
        for pattern, mask in MASKS:
            text = pattern.sub(mask, text)
        kept = [line.rstrip() for line in text.split("\n")]
        return "\n".join(line for line in kept if line) + "\n"

    def colour_of(self, word: str) -> str:
        """Return the colour of the first letter of a word."""
        for row, line in enumerate(self._screen.display):
            if word in line:
                colour: str = self._screen.buffer[row][line.index(word)].fg
                return colour
        raise AssertionError(f"{word!r} is not on the screen:\n{self.text}")


@contextmanager
def terminal(
    *arguments: str, columns: int = 80, cwd: Path = PROJECT, **environment: str
) -> Iterator[Terminal]:
    """Run a command in a terminal of its own."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 60, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", TAKE_TERMINAL, *COMMAND, *arguments],
        cwd=cwd,
        env={**ENVIRONMENT, **environment},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield Terminal(master, process, columns)
    finally:
        process.kill()
        process.wait()
        os.close(master)


def check(name: str, text: str) -> None:
    """Compare a screen with its snapshot."""
    path = SCREENS / f"{name}.txt"
    if os.environ.get("SYNCRA_SCREENS"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "arguments", "columns", "code"),
    [
        ("run", ["run", "etl.py", "--inputs", "inputs.json"], 80, 0),
        ("run-failed", ["run", "broken.py"], 80, 1),
        ("run-quiet", ["run", "broken.py", "-q"], 80, 1),
        ("run-missing-input", ["run", "etl.py"], 300, 2),
        ("show", ["show", "etl.py"], 80, 0),
        ("show-narrow", ["show", "etl.py"], 40, 0),
        ("plan", ["plan", "etl.py", "-t", "total"], 80, 0),
        ("plan-narrow", ["plan", "etl.py", "-t", "total"], 40, 0),
        ("check", ["check", "mistakes.py"], 300, 1),
        ("list", ["list", "shop.reports"], 80, 0),
    ],
)
def test_the_screen_of_a_command(
    name: str, arguments: list[str], columns: int, code: int
) -> None:
    with terminal(*arguments, columns=columns) as shown:
        shown.finish()

        assert shown.code == code
        check(name, shown.text)


def test_a_failure_on_a_narrow_terminal_is_whole_and_fits() -> None:
    with terminal("run", "broken.py", columns=40) as shown:
        shown.finish()

        table = shown.text.partition("task    state")[2]
        assert "KeyError" in table
        assert "'total'" in table
        lines = re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", shown.raw).split(b"\r\n")
        heading = next(i for i, line in enumerate(lines) if line.startswith(b"task  "))
        assert max(map(len, lines[heading:-2])) <= 40


@pytest.mark.parametrize("given", [{"COLUMNS": "40"}, {}], ids=["COLUMNS", "terminal"])
def test_what_is_wide_is_folded_and_nothing_of_it_is_lost(
    tmp_path: Path, given: dict[str, str]
) -> None:
    """Some letters take two columns, others none; COLUMNS is believed."""
    said = {
        "wide": "\u65e5\u672c" * 30,
        "marked": "e\u0301" * 70,
        "words": "one two three " * 9 + "four",
    }
    (tmp_path / "wide.py").write_text(
        f"from syncra import Graph\ng = Graph('folds')\n"
        f"for name, said in {said}.items():\n    def told(): pass\n"
        "    told.__doc__ = said\n    g.add(told, name=name)\n",
        encoding="utf-8",
    )
    columns = 80 if given else 40
    with terminal("show", "wide.py", columns=columns, cwd=tmp_path, **given) as shown:
        shown.finish()
        assert shown.code == 0
        text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.raw.decode())

    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    assert max(map(cells, lines)) == 40
    table = re.split(r"\n(?=[wm]\w+ )", "\n".join(lines))[-3:]
    for name, cell in zip(said, table, strict=True):
        parts = [line.removeprefix(name).strip() for line in cell.split("\n")]
        assert (" " if name == "words" else "").join(parts) == said[name]


def cells(line: str) -> int:
    """Return how many columns a line takes."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in line)
    return len(line) + wide - line.count("\u0301")


def test_states_have_colours_unless_they_are_not_wanted() -> None:
    with terminal("run", "broken.py") as shown:
        shown.finish()
        assert shown.colour_of("failed  ") == "red"
        assert shown.colour_of("skipped") == "brown"  # which is yellow, not bright
        assert shown.colour_of("succeeded") == "green"
    with terminal("run", "broken.py", NO_COLOR="1") as shown:
        shown.finish()
        assert shown.colour_of("failed  ") == "default"
        assert b"\x1b[3" not in shown.raw
    with terminal("run", "broken.py", TERM="dumb") as shown:
        shown.finish()
        assert b"\x1b" not in shown.raw


def test_what_is_running_is_shown_while_it_is(tmp_path: Path) -> None:
    pytest.importorskip("rich", reason="draws what is going on")
    file = tmp_path / "file"
    with terminal("run", "waits.py", "-i", f"file={file}") as shown:
        shown.until(lambda text: "patient TIME" in text and "1/3" in text)
        check("run-going-on", shown.text)

        file.write_text("12345", encoding="utf-8")
        shown.finish()
        assert shown.code == 0
        check("run-over", shown.text)


def test_fault_54_ctrl_c_ends_the_run_and_shows_where_it_was(tmp_path: Path) -> None:
    pytest.importorskip("rich", reason="draws what is going on")
    never = tmp_path / "never"
    with terminal("run", "waits.py", "-i", f"file={never}") as shown:
        shown.until(lambda text: "patient TIME" in text)
        shown.type(b"\x03")
        shown.finish()

        assert shown.code == 130
        check("run-interrupted", shown.text)
        assert shown.raw.count(b"\x1b[?25l") == shown.raw.count(b"\x1b[?25h")
