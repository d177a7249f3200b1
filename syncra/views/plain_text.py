"""Texts of users as they may be shown: no control codes, and no longer than room is."""

from __future__ import annotations

import re

#: Escape sequences of terminals: titles and links, colours and movements, the others.
ESCAPES = re.compile(
    "(?:\x1b\\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c|$)"
    "|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c]*(?:\x1b\\\\|\x9c|$)"
    "|(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]?"
    "|\x1b[ -/]*[0-~]?"
)
#: What cannot be shown, or changes the order in which other characters are shown.
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e"
    "\u2066-\u2069\ufeff\ufff9-\ufffb]"
)
SURROGATES = re.compile("[\ud800-\udfff]")


def plain_text(text: str, most: int) -> str:
    """Return a text of several lines as it may be shown.

    Parameters:
        text: any text, with whatever a task has put into it.
        most: the most characters to return, at least 40; of a longer text beginning
            and end are kept.
    """
    # What is left out need not be looked at: an error may carry megabytes.
    if len(text) > 4 * most:
        text = _without_middle(text, 4 * most)
    text = text.replace("\r\n", "\n")
    if not text.isprintable():
        text = HIDDEN.sub("", ESCAPES.sub("", text))
        text = SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)
    return text if len(text) <= most else _without_middle(text, most)


def plain_line(text: str, most: int) -> str:
    """Return a text on one line as it may be shown; see `plain_text`."""
    shown = plain_text(text, max(most, 40))
    if not shown.isprintable():
        shown = " ".join(shown.split())
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def weight(text: str) -> int:
    """Return about how many bytes a text takes in the data of a page."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    return size + 5 * (text.count("<") + text.count(">") + text.count("&"))


class Texts:
    """Hold each of many texts once, and no more than there is room for.

    Parameters:
        room: the most bytes that all texts together may take.

    Attributes:
        all: the texts, by the numbers they have got.
    """

    def __init__(self, room: int) -> None:
        self.all: list[str] = []
        self._numbers: dict[str, int] = {}
        self._room = room

    def number_of(self, text: str, instead: str = "…") -> int:
        """Return the number of a text, or of another one if there is no room for it."""
        number = self._numbers.get(text)
        if number is None:
            size = weight(text)
            if size > self._room and text != instead:
                return self.number_of(instead, instead)

            self._room -= size
            number = self._numbers[text] = len(self.all)
            self.all.append(text)
        return number


def _without_middle(text: str, most: int) -> str:
    left_out = f" … {len(text) - most:,} characters left out … "
    if len(left_out) > most // 2:
        left_out = "…"
    room = most - len(left_out)
    end = room // 2
    return f"{text[: room - end]}{left_out}{text[len(text) - end :]}"
