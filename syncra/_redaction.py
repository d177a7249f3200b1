"""Keeping secrets out of what is shown."""

from __future__ import annotations

import os
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import AnyStr

#: What stands where a secret was.
REDACTED = "***"


class Redaction:
    """Replace secrets in texts and in output, also where they have been quoted.

    Parameters:
        secrets: what must not be seen; empty ones are ignored.
    """

    __slots__ = ("_in_data", "_in_text", "longest")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # At each place the longest one that begins there counts.
        spellings = {text for secret in secrets if secret for text in _spelled(secret)}
        found = sorted(spellings, key=len, reverse=True)
        encoded = sorted(map(encoded_text, found), key=len, reverse=True)
        #: Bytes of the longest secret.
        self.longest = len(encoded[0]) if encoded else 0
        self._in_text = self._in_data = None
        if found:
            # Looking ahead, it also finds secrets that begin within another one.
            self._in_text = re.compile(f"(?=({'|'.join(map(re.escape, found))}))")
            self._in_data = re.compile(
                b"(?=(" + b"|".join(map(re.escape, encoded)) + b"))"
            )

    def text(self, text: str) -> str:
        """Return a text without the secrets."""
        if self._in_text is None:
            return text

        return "".join(_without(text, _spans(self._in_text, text), REDACTED))

    def path(self, path: str | bytes) -> str:
        """Return a path without the secrets."""
        return self.text(os.fsdecode(path))

    def data(self, data: bytes, skip: int = 0) -> bytes:
        """Return output without the secrets.

        Parameters:
            data: the output.
            skip: leave out so many bytes at its beginning, and the rest of a secret
                that begins in them.
        """
        if self._in_data is None:
            return data[skip:]

        spans = _spans(self._in_data, data)
        for start, end in spans:
            if start < skip < end:
                skip = end
        within = [(start - skip, end - skip) for start, end in spans if start >= skip]
        return b"".join(_without(data[skip:], within, REDACTED.encode()))


def _spelled(secret: str) -> set[str]:
    """Return a secret as it is, and as programs quote it in what they say."""
    from json import dumps
    from urllib.parse import quote

    return {
        secret,
        secret.replace("'", "'\\''"),
        secret.replace("'", "'\"'\"'"),
        repr(secret)[1:-1],
        dumps(secret)[1:-1],
        dumps(secret, ensure_ascii=False)[1:-1],
        quote(secret, safe="", errors="replace"),
    }


def encoded_text(text: str) -> bytes:
    """Return a text as commands see it; never an error, which would show it."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _spans(pattern: re.Pattern[AnyStr], whole: AnyStr) -> list[tuple[int, int]]:
    """Return where the secrets are, those that overlap or touch made one."""
    spans: list[tuple[int, int]] = []
    for match in pattern.finditer(whole):
        start, end = match.span(1)
        if spans and start <= spans[-1][1]:
            spans[-1] = spans[-1][0], max(end, spans[-1][1])
        else:
            spans.append((start, end))
    return spans


def _without(
    whole: AnyStr, spans: list[tuple[int, int]], instead: AnyStr
) -> Iterator[AnyStr]:
    """Yield the parts of `whole` between the spans, with `instead` for each span."""
    position = 0
    for start, end in spans:
        yield whole[position:start]
        yield instead
        position = end
    yield whole[position:]
