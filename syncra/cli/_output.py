"""Text and tables on a terminal, in a pipe or in a file."""

from __future__ import annotations

import os
import sys
from unicodedata import combining, east_asian_width

from ..views._words import one_line
from ..views.plain_text import ESCAPES, HIDDEN
from ._streams import bearing_with

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO, TypeAlias

    #: A text, or a text and its style.
    Cell: TypeAlias = str | tuple[str, str]

_STYLES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "bold red": "1;31",
    "green": "32",
    "yellow": "33",
    "magenta": "35",
}

#: How tasks in each state look.
OF_STATES = {
    "succeeded": "green",
    "failed": "bold red",
    "skipped": "yellow",
    "cancelled": "magenta",
}

#: Between the columns of a table.
_GAP = 2
#: No column gets narrower than this.
_NARROWEST = 8
#: The most letters of a cell, where nothing else limits it.
_MOST_LETTERS = 300
#: The most rows of a table; who wants all asks for JSON.
MOST_ROWS = 200


class Output:
    """Write to a stream what it can take.

    Parameters:
        stream: the stream; None where there is none.

    Attributes:
        width: columns of the terminal; None if it is no terminal.
        is_coloured: whether styles are shown.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.is_terminal = stream is not None and stream.isatty()
        self.width = _width(stream) if self.is_terminal and stream else None
        self.is_coloured = (
            self.is_terminal
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM") != "dumb"
        )

    def line(self, text: str = "", style: str = "") -> None:
        """Write a line, or several, without what would act on a terminal."""
        if not text.isprintable():
            text = HIDDEN.sub("", ESCAPES.sub("", text))
        self._write(self._styled(text, style))

    def _write(self, line: str) -> None:
        if self._stream is not None:
            with bearing_with(self._stream):
                self._stream.write(f"{line}\n")

    def flush(self) -> None:
        """Have everything written by now."""
        if self._stream is not None:
            with bearing_with(self._stream):
                self._stream.flush()

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """Write a table. Columns without any text are left out.

        Parameters:
            headings: of the columns; one that begins with ">" is right-aligned.
            rows: the cells; those that do not fit a terminal are folded.
        """
        shown = [[_split(cell) for cell in row] for row in rows]
        kept = [
            number
            for number in range(len(headings))
            if any(row[number][0] for row in shown)
        ]
        if not kept:
            return

        alignments = [headings[number].startswith(">") for number in kept]
        heading = [(headings[number].lstrip(">"), "bold") for number in kept]
        lines = [heading, *([row[number] for number in kept] for row in shown)]
        widths = [
            max(cells(line[number][0]) for line in lines) for number in range(len(kept))
        ]
        if not self._fit(widths):
            self._list(lines)
            return

        for line in lines:
            self._row(line, widths, alignments)

    def _list(self, lines: Sequence[Sequence[tuple[str, str]]]) -> None:
        """Write a table that is too wide: each cell in a line of its own."""
        headings = [text for text, _ in lines[0]]
        for line in lines[1:]:
            for column, (text, style) in enumerate(line):
                if text:
                    indent = "  " if column else ""
                    room = (self.width or 80) - len(indent)
                    for part in folded_at(f"{headings[column]}: {text}", room):
                        self._write(indent + self._styled(part, style))

    def _fit(self, widths: list[int]) -> bool:
        """Make columns narrower until they fit, the widest first; return if they do."""
        if self.width is None:
            return True

        room = self.width - _GAP * (len(widths) - 1)
        while sum(widths) > room:
            widest = max(range(len(widths)), key=widths.__getitem__)
            if widths[widest] <= _NARROWEST:
                return False

            rest = sorted(widths)[-2] if len(widths) > 1 else 0
            too_much = sum(widths) - room
            floor = max(_NARROWEST, rest - 1)
            widths[widest] = max(floor, widths[widest] - too_much)
        return True

    def _row(
        self,
        row: Sequence[tuple[str, str]],
        widths: Sequence[int],
        alignments: Sequence[bool],
    ) -> None:
        folded = [
            folded_at(text, width) for (text, _), width in zip(row, widths, strict=True)
        ]
        for number in range(max(map(len, folded))):
            parts = []
            for column, lines in enumerate(folded):
                text = lines[number] if number < len(lines) else ""
                padding = " " * (widths[column] - cells(text))
                styled = self._styled(text, row[column][1]) if text else ""
                parts.append(
                    padding + styled if alignments[column] else styled + padding
                )
            self._write((" " * _GAP).join(parts).rstrip())

    def _styled(self, text: str, style: str) -> str:
        if not (style and self.is_coloured):
            return text

        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"


def standard_output() -> Output:
    """Return what writes to the standard output of this process."""
    return Output(sys.stdout)


def standard_error() -> Output:
    """Return what writes to the standard error of this process."""
    return Output(sys.stderr)


def cells(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)

    return sum(_cells_of(letter) for letter in text)


def folded_at(text: str, width: int) -> list[str]:
    """Return a text as lines of at most so many columns, broken between words."""
    if cells(text) <= width:
        return [text]

    lines = [""]
    used = 0
    for word in text.split(" "):
        size = cells(word)
        if used and used + 1 + size <= width:
            lines[-1] += f" {word}"
            used += 1 + size
            continue

        if used:
            lines.append("")
            used = 0
        for letter in word:
            taken = _cells_of(letter)
            if used + taken > width:
                lines.append("")
                used = 0
            lines[-1] += letter
            used += taken
    return lines


def _cells_of(letter: str) -> int:
    if combining(letter):
        return 0

    return 2 if east_asian_width(letter) in "WF" else 1


def _split(cell: Cell) -> tuple[str, str]:
    text, style = (cell, "") if isinstance(cell, str) else cell
    return one_line(text, _MOST_LETTERS) if text else "", style


def _width(stream: TextIO) -> int:
    """Return how many columns a terminal has."""
    try:
        found = int(os.environ.get("COLUMNS", ""))
    except ValueError:
        found = 0
    if found <= 0:
        try:
            found = os.get_terminal_size(stream.fileno()).columns
        except (OSError, ValueError):
            found = 80
    return max(found or 80, 20)
