"""TOML, as `tomllib` reads it.

It gives no places. Those of keys and values are found by a scan of the text, which may
assume that `tomllib` has found no fault in it.
"""

from __future__ import annotations

import re
import tomllib
from math import isfinite

from .bounds import (
    MOST_LEVELS,
    NOT_FINITE,
    TOO_DEEP,
    Lines,
    Mistake,
    is_too_deep,
    mark_at,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .problems import Mark, Marks, Path, Problems

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r]+ | \#[^\n]*)
    | (?P<string>\"""(?:\\.|[^\\])*?\"""\"{0,2} | '''.*?''''{0,2}
        | "(?:\\.|[^"\\\n])*+" | '[^'\n]*')
    | (?P<mark>[\[\]{}=,.\n]) | (?P<word>[^\s\[\]{}=,.\#"']+) | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def parse(text: str, problems: Problems) -> object:
    """Return what a text says; add what is wrong with it to the problems.

    Raises:
        Mistake: if it cannot be read.
    """
    _check_keys(text)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        mark = (int(place[1]), int(place[2])) if place and place[1] else None
        why = str(error)[: place.start()] if place else str(error)
        at_end = " at its end" if place and mark is None else ""
        raise Mistake(f"this is no TOML{at_end}: {why}", mark) from None
    except RecursionError:
        raise Mistake(TOO_DEEP, None) from None
    except ValueError as error:  # a number with more digits than Python likes
        raise Mistake(f"this is no TOML: {error}", None) from None

    if is_too_deep(data):
        raise Mistake(TOO_DEEP, None)

    for path, value in _endless(data):
        problems.add(path, f"{NOT_FINITE} {value}")
    return data


def locate(text: str, wanted: Iterable[Path]) -> Marks:
    """Return where keys and values are, as far as that can be told."""
    try:
        marks = _Scanner(text).marks()
    except (IndexError, ValueError, StopIteration):
        return {}  # no place is better than a wrong one

    return {path: marks[path] for path in wanted if path in marks}


def _check_keys(text: str) -> None:
    """Raise for a key of very many parts, which takes `tomllib` very long."""
    lines = text.split("\n")
    if all(line.count(".") <= MOST_LEVELS for line in lines):
        return

    dots = 0
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "mark":
            if token[0] != ".":
                dots = 0
            else:
                dots += 1
                if dots > MOST_LEVELS:
                    raise Mistake(TOO_DEEP, mark_at(text, token.start()))

        elif token.lastgroup == "other":
            return  # `tomllib` says what is wrong there


def _endless(data: object) -> Iterator[tuple[Path, float]]:
    """Yield the numbers that are none or infinite."""
    stack: list[tuple[Path, object]] = [((), data)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, dict):
            stack += [((*path, key), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            stack += [((*path, key), inner) for key, inner in enumerate(value)]
        elif isinstance(value, float) and not isfinite(value):
            yield path, value


class _Scanner:
    """Find where keys and values are in a text that is TOML.

    Parameters:
        text: the text.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._marks: dict[Path, tuple[Mark, Mark]] = {}
        #: How many tables each array of tables has so far.
        self._counts: dict[Path, int] = {}
        self._tokens = [
            (token.lastgroup, token[0], token.start())
            for token in _TOKEN.finditer(text)
            if token.lastgroup != "space"
        ]
        if any(kind == "other" for kind, _, _ in self._tokens):
            raise ValueError

        self._tokens.append(("mark", "\n", len(text)))
        self._at = 0
        self._mark = Lines(text).mark

    def marks(self) -> Marks:
        """Return where keys and values are, by path."""
        table: Path = ()
        while self._at < len(self._tokens):
            _, found, offset = self._tokens[self._at]
            if found == "\n":
                self._at += 1
            elif found == "[":
                table = self._header(offset)
            else:
                self._pair(table)
        return self._marks

    def _header(self, offset: int) -> Path:
        """Read `[a.b]` or `[[a.b]]` and return the path of the table."""
        mark = self._mark(offset)
        is_array = self._tokens[self._at + 1][1] == "["
        self._at += 2 if is_array else 1
        keys = self._key()
        self._at += 2 if is_array else 1
        path: Path = ()
        for index, (key, at) in enumerate(keys):
            path = (*path, key)
            self._marks.setdefault(path, (at, mark))
            is_last = index == len(keys) - 1
            if is_array and is_last:
                self._counts[path] = self._counts.get(path, 0) + 1
            if path in self._counts:
                path = (*path, self._counts[path] - 1)
                self._marks.setdefault(path, (at, mark))
        return path

    def _key(self) -> list[tuple[str, Mark]]:
        """Read a key, which may have several parts."""
        keys = []
        while True:
            kind, found, offset = self._tokens[self._at]
            if kind == "string":
                found = str(tomllib.loads(f"key = {found}")["key"])
            keys.append((found, self._mark(offset)))
            self._at += 1
            if self._tokens[self._at][1] != ".":
                return keys

            self._at += 1

    def _pair(self, table: Path) -> None:
        """Read a key and its value, with all that is in it."""
        #: Of each list and inline table that is open: its path, and the next index.
        open_ones: list[tuple[Path, int | None]] = []
        self._named_value(table, open_ones)
        while open_ones:
            kind, found, offset = self._tokens[self._at]
            path, index = open_ones[-1]
            if found in "]}" and kind == "mark":
                open_ones.pop()
                self._at += 1
            elif found in ",\n" and kind == "mark":
                self._at += 1
            elif index is None:
                self._named_value(path, open_ones)
            else:
                open_ones[-1] = (path, index + 1)
                mark = self._mark(offset)
                self._value((*path, index), mark, open_ones)

    def _named_value(
        self, table: Path, open_ones: list[tuple[Path, int | None]]
    ) -> None:
        path = table
        keys = self._key()
        if self._tokens[self._at][1] != "=":
            raise ValueError

        self._at += 1
        value = self._mark(self._tokens[self._at][2])
        for key, mark in keys:
            path = (*path, key)
            self._marks.setdefault(path, (mark, value))
        self._value(path, keys[-1][1], open_ones)

    def _value(
        self, path: Path, key: Mark, open_ones: list[tuple[Path, int | None]]
    ) -> None:
        """Read a value, or the begin of one that has others in it."""
        _, found, offset = self._tokens[self._at]
        self._marks[path] = (key, self._mark(offset))
        self._at += 1
        if found in ("[", "{"):
            open_ones.append((path, 0 if found == "[" else None))
            return

        while self._tokens[self._at][1] not in (",", "]", "}", "\n"):
            self._at += 1  # a number or a date of several parts
