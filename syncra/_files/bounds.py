"""How much a file may hold, whatever its format."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .problems import Mark

#: Bytes of a file.
MOST_BYTES = 10 * 1024 * 1024
#: Lists and mappings within one another.
MOST_LEVELS = 100
#: Digits of a number; Python itself refuses more than 4,300.
MOST_DIGITS = 1_000

TOO_DEEP = f"lists and mappings are nested more than {MOST_LEVELS} levels deep"
TOO_LONG_A_NUMBER = f"a number has more than {MOST_DIGITS} digits"
HALF_A_CHARACTER = "expected text, found half of a character (a lone surrogate)"
NOT_FINITE = "expected a finite number, found"

_CONTAINERS = (dict, list, tuple)
SURROGATE = re.compile("[\ud800-\udfff]")


class Mistake(Exception):
    """Be raised where a text cannot be read on.

    Parameters:
        message: what is wrong.
        mark: line and column, or None if that is not known.
    """

    def __init__(self, message: str, mark: Mark | None) -> None:
        super().__init__(message)
        self.message = message
        self.mark = mark


def mark_at(text: str, offset: int) -> Mark:
    """Return line and column of a place in a text."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


class Lines:
    """Return lines and columns of places in a text, one after another.

    Parameters:
        text: the text.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._line = 1
        self._begin = self._counted = 0

    def mark(self, offset: int) -> Mark:
        """Return line and column of a place; quickly if it is after the last one."""
        if offset < self._counted:
            return mark_at(self._text, offset)

        breaks = self._text.count("\n", self._counted, offset)
        if breaks:
            self._line += breaks
            self._begin = self._text.rfind("\n", 0, offset) + 1
        self._counted = offset
        return self._line, offset - self._begin + 1


def is_too_deep(data: Any) -> bool:
    """Return whether lists and mappings are nested more deeply than they may be."""
    level = [data] if isinstance(data, _CONTAINERS) else []
    for _ in range(MOST_LEVELS):
        # By identity: what is in several places is looked at once.
        inner = {
            id(value): value
            for container in level
            for value in (
                container.values() if isinstance(container, dict) else container
            )
            if isinstance(value, _CONTAINERS)
        }
        level = list(inner.values())
        if not level:
            return False

    return True
