"""Frames over a stream socket: a kind, a number, a pickle and its large buffers.

kind u32 | number u32 | count of buffers u32 | bytes of the pickle u64
bytes of each buffer u64 ...
the pickle
the buffers
"""

from __future__ import annotations

from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from socket import socket
    from typing import TypeAlias

    #: Kind, number, pickle, buffers.
    Frame: TypeAlias = tuple[int, int, bytes | bytearray, Sequence[bytearray]]

#: What a run sends.
SETUP, FUNCTION, TASK = 1, 2, 3
#: What a child sends: a result, an error of the task, something that could not be
#: pickled or unpickled, a log record.
RESULT, ERROR, BROKEN, LOG = 4, 5, 6, 7

_HEADER = Struct("<IIIQ")
_SIZE = Struct("<Q")
#: Frames up to this are read through one buffer, larger ones straight to their place.
_CHUNK = 1 << 16


def pieces_of(
    kind: int, number: int, data: bytes, buffers: Sequence[memoryview] = ()
) -> list[bytes | memoryview]:
    """Return a frame as what is to be sent one after another."""
    head = _HEADER.pack(kind, number, len(buffers), len(data))
    if not buffers:
        return [head + data]

    sizes = b"".join(_SIZE.pack(buffer.nbytes) for buffer in buffers)
    return [head + sizes + data, *buffers]


def send(
    socket: socket,
    pieces: Iterable[bytes | memoryview],
    wait: Callable[[], object] | None = None,
) -> None:
    """Send all of it.

    Parameters:
        socket: a blocking socket, or one that does not block and `wait`.
        pieces: what to send.
        wait: returns when the socket can take more.
    """
    for piece in pieces:
        try:
            sent = socket.send(piece)
        except BlockingIOError:
            sent = 0
        rest = memoryview(piece)[sent:]
        while rest:
            try:
                rest = rest[socket.send(rest) :]
            except BlockingIOError:
                assert wait is not None
                wait()


class Reader:
    """Read frames from a socket.

    Parameters:
        socket: a blocking socket, or one that does not block and `wait`.
        wait: returns when there is something to read; gets whether a frame has begun
            to arrive. What it raises, `read` raises, and nothing is lost.
    """

    __slots__ = ("_at", "_data", "_socket", "_wait")

    def __init__(
        self, socket: socket, wait: Callable[[bool], object] | None = None
    ) -> None:
        self._socket = socket
        self._wait = wait
        self._data: bytes | bytearray = b""
        self._at = 0

    @property
    def has_more(self) -> bool:
        """Return whether something has been received that was not read yet."""
        return self._at < len(self._data)

    def fill(self) -> None:
        """Take in what has come, without waiting for more.

        Raises:
            EOFError: if the other end is closed.
        """
        try:
            chunk = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return

        if not chunk:
            raise EOFError

        if self._data.__class__ is bytes:
            # It may become much, and is added to in small parts.
            self._data = bytearray(self._data[self._at :])
            self._at = 0
        self._data += chunk

    def read(self) -> Frame:
        """Return the next frame.

        Raises:
            EOFError: if the other end is closed, before a frame or within one.
        """
        head = _HEADER.size
        if len(self._data) - self._at < head:
            self._gather(head)
        kind, number, count, size = _HEADER.unpack_from(self._data, self._at)
        if not count and size <= _CHUNK:
            if len(self._data) - self._at < head + size:
                self._gather(head + size)
            start = self._at + head
            self._at = start + size
            return kind, number, self._data[start : self._at], ()

        self._gather(head + count * _SIZE.size)
        start = self._at + head
        self._at = start + count * _SIZE.size
        sizes = [
            _SIZE.unpack_from(self._data, at)[0]
            for at in range(start, self._at, _SIZE.size)
        ]
        data = self._take(size)
        return kind, number, data, [self._take(one) for one in sizes]

    def _gather(self, size: int) -> None:
        """Have at least that many bytes in the buffer."""
        while len(self._data) - self._at < size:
            try:
                chunk = self._socket.recv(_CHUNK)
            except BlockingIOError:
                assert self._wait is not None
                self._wait(self._at < len(self._data))
                continue

            if not chunk:
                raise EOFError

            self._data = self._data[self._at :] + chunk if self.has_more else chunk
            self._at = 0

    def _take(self, size: int) -> bytearray:
        """Return that many bytes, without passing them through the buffer."""
        taken = bytearray(size)
        view = memoryview(taken)
        have = self._data[self._at : self._at + size]
        view[: len(have)] = have
        self._at += len(have)
        filled = len(have)
        while filled < size:
            try:
                count = self._socket.recv_into(view[filled:])
            except BlockingIOError:
                assert self._wait is not None
                self._wait(True)
                continue

            if not count:
                raise EOFError

            filled += count
        return taken
