"""Pickles that are to fit into a message."""

from __future__ import annotations

import pickle

from .._processes.pickles import PROTOCOL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

#: The most bytes of a pickle that travel in a message.
SMALL = 8192


class _TooLarge(Exception):
    """End the pickling of something that would not fit into a message."""


class _Bounded:
    """Take the pickle of something that may only be so large."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        self._size += size
        if self._size > SMALL:
            raise _TooLarge

        self._parts.append(bytes(data))
        return size

    def getvalue(self) -> bytes:
        return b"".join(self._parts)


def _refuse_large(buffer: pickle.PickleBuffer) -> bool:
    if buffer.raw().nbytes > SMALL:
        raise _TooLarge

    return True


def small_pickle(value: Any, kinds: Iterable[Any]) -> bytes | None:
    """Return the pickle of a value, or None if that is too large for a message.

    No more than a message is made of what is too large.

    Parameters:
        value: the value.
        kinds: the classes of picklers to try, one after another.

    Raises:
        BaseException: what the last of them does, if it cannot be pickled.
    """
    *others, last = kinds
    for kind in others:
        try:
            return _bounded(value, kind)
        except _TooLarge:
            return None
        except Exception:
            pass  # kept nowhere: it would know this frame, and keep the value
    try:
        return _bounded(value, last)
    except _TooLarge:
        return None


def _bounded(value: Any, kind: Any) -> bytes:
    file = _Bounded()
    kind(file, PROTOCOL, buffer_callback=_refuse_large).dump(value)
    return file.getvalue()
