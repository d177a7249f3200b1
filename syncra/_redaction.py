"""Keeping secrets out of what is shown."""

from __future__ import annotations

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
        spellings = {text for secret in secrets if secret for text in _spelled(secret)}
        self._in_text = spellings
        self._in_data = {encoded_text(text) for text in spellings}
        #: Bytes of the longest one.
        self.longest = max(map(len, self._in_data), default=0)

    def text(self, text: str) -> str:
        """Return a text without the secrets."""
        return "".join(_without(text, _spans(self._in_text, text), REDACTED))

    def data(self, data: bytes, skip: int = 0) -> bytes:
        """Return output without the secrets.

        Parameters:
            data: the output.
            skip: leave out so many bytes at its beginning, and the rest of a secret
                that begins in them.
        """
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


def _spans(secrets: Iterable[AnyStr], whole: AnyStr) -> list[tuple[int, int]]:
    """Return where secrets are, those that overlap or touch made one."""
    found = []
    for secret in secrets:
        start = whole.find(secret)
        while start >= 0:
            found.append((start, start + len(secret)))
            start = whole.find(secret, start + 1)
    spans: list[tuple[int, int]] = []
    for start, end in sorted(found):
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
