"""JSON, and nothing but JSON: no key twice, no NaN, no half characters."""

from __future__ import annotations

import json
import re
from math import isfinite

from .bounds import (
    HALF_A_CHARACTER,
    MOST_DIGITS,
    NOT_FINITE,
    SURROGATE,
    TOO_DEEP,
    TOO_LONG_A_NUMBER,
    Lines,
    Mistake,
    is_too_deep,
)
from .problems import quoted
from .tracing import Trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .problems import Mark, Marks, Path, Problems

_TOKEN = re.compile(
    r"""[ \t\r\n]+ | (?P<string>"(?:[^"\\]|\\.)*+") | (?P<mark>[\[\]{},:])
    | (?P<word>[^\s\[\]{},:"]+) | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_MANY_DIGITS = re.compile(rf"(?<!\d)\d{{{MOST_DIGITS}}}")
_CONSTANTS = ("true", "false", "null")


def parse(text: str, problems: Problems) -> object:
    """Return what a text says; add what is wrong with it to the problems.

    Raises:
        Mistake: if it cannot be read.
    """
    is_suspicious = _HALF.search(text) is not None

    def mapping(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal is_suspicious
        found = dict(pairs)
        is_suspicious = is_suspicious or len(found) != len(pairs)
        return found

    def number(digits: str) -> float:
        nonlocal is_suspicious
        found = float(digits)
        is_suspicious = is_suspicious or not isfinite(found)
        return found

    try:
        data = json.loads(
            text, object_pairs_hook=mapping, parse_float=number, parse_constant=number
        )
    except json.JSONDecodeError as error:
        _examine(text, problems)  # what was wrong before may be the reason
        raise Mistake(
            f"this is no JSON: {error.msg}", (error.lineno, error.colno)
        ) from None
    except RecursionError:
        _examine(text, problems)
        raise Mistake(TOO_DEEP, None) from None
    except ValueError:  # a number with more digits than Python likes
        _examine(text, problems)
        raise Mistake(TOO_LONG_A_NUMBER, None) from None

    if is_suspicious or is_too_deep(data) or _MANY_DIGITS.search(text):
        _examine(text, problems)
    return data


def locate(text: str, wanted: Iterable[Path]) -> Marks:
    """Return where keys and values are, of a text that could be read."""
    trace = Trace(wanted)
    _Scanner(text, None).follow(trace)
    return trace.marks


def _examine(text: str, problems: Problems) -> None:
    """Add all problems that `json` does not see, or does not say where they are.

    Raises:
        Mistake: if lists and mappings are nested too deeply.
    """
    trace = Trace(())
    _Scanner(text, problems).follow(trace)
    for path, mark in trace.doubled:
        problems.add(path, f"key {quoted(str(path[-1]))} is there twice", mark=mark)


class _Scanner:
    """Read the tokens of a text, which is JSON up to some place, with their places.

    Parameters:
        text: the text.
        problems: where what is wrong with words and strings is added; None if it has
            been told already.
    """

    def __init__(self, text: str, problems: Problems | None) -> None:
        self.text = text
        self.problems = problems
        self._mark = Lines(text).mark

    def follow(self, trace: Trace) -> None:
        """Tell a trace what there is, as far as it is JSON."""
        wants_key = False
        for token in _TOKEN.finditer(self.text):
            kind = token.lastgroup
            if kind is None:
                continue

            if kind == "other":
                return

            found = token[0]
            if kind == "mark":
                if found in "[{":
                    trace.enter(found == "{", self._mark(token.start()))
                elif found in "]}":
                    if not trace.depth or trace.is_in_mapping != (found == "}"):
                        return

                    trace.leave()
                wants_key = found in "{,"
                continue

            mark = self._mark(token.start())
            if kind == "word":
                trace.value(mark)
                self._check_word(found, trace, mark)
            elif wants_key and trace.is_in_mapping:
                try:
                    trace.key(json.loads(found), mark)
                except ValueError:
                    return

                wants_key = False
                self._check_string(found, trace, mark)
            else:
                trace.value(mark)
                self._check_string(found, trace, mark)

    def _check_string(self, token: str, trace: Trace, mark: Mark) -> None:
        if self.problems is None or not _HALF.search(token):
            return

        try:
            found = json.loads(token)
        except ValueError:
            return  # `json` says what is wrong with it

        if SURROGATE.search(found):
            self.problems.add(trace.path, HALF_A_CHARACTER, mark=mark)

    def _check_word(self, word: str, trace: Trace, mark: Mark) -> None:
        if self.problems is None or word in _CONSTANTS:
            return

        if len(word) > MOST_DIGITS:
            self.problems.add(trace.path, TOO_LONG_A_NUMBER, mark=mark)
            return

        try:
            is_finite = isfinite(float(word))
        except ValueError:
            return  # `json` says what is wrong with it

        if not is_finite:
            self.problems.add(trace.path, f"{NOT_FINITE} {word[:20]}", mark=mark)
