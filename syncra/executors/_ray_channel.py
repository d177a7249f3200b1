"""Where the workers of a Ray cluster send what there is to tell of their parcels."""

from __future__ import annotations

import socket
from os import urandom
from selectors import EVENT_READ, DefaultSelector
from threading import Lock, Thread

from ._ray_work import NONCE, SIZE, TOKEN, answer_to

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Bytes that are read at once.
READ = 1 << 18
#: The longest name of a worker.
LONGEST_NAME = 1000


class Peer:
    """Be one worker process that has connected.

    Attributes:
        connection: its socket.
        nonce: what it has to answer to.
        data: what was read and is not complete.
        name: how it has named itself, "" as long as it has not shown that it may.
    """

    __slots__ = ("connection", "data", "name", "nonce")

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.nonce = urandom(NONCE)
        self.data = bytearray()
        self.name = ""


class Channel:
    """Listen to the workers, in a thread of its own.

    Parameters:
        host: the address of this machine that they know.
    """

    def __init__(self, host: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._server = socket.create_server((host, 0), family=family, backlog=1000)
        self._server.setblocking(False)
        secret = urandom(32)
        self.address = host, int(self._server.getsockname()[1]), secret
        #: Who listens to the messages of a parcel, by token.
        self.listeners: dict[str, Callable[[bytes], object]] = {}
        self._lock = Lock()
        self._peers: dict[str, Peer] = {}
        self._afterwards: list[Callable[[], object]] = []
        self._is_closed = False
        self._waker, self._wake = socket.socketpair()
        self._waker.setblocking(False)
        self._selector = DefaultSelector()
        self._selector.register(self._server, EVENT_READ)
        self._selector.register(self._waker, EVENT_READ)
        self._thread = Thread(target=self._serve, name="ray-news", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it, and its thread."""
        self._is_closed = True
        self._ring()
        self._thread.join(10)

    def afterwards(self, call: Callable[[], object]) -> None:
        """Call something when all has been read that has come until now."""
        with self._lock:
            self._afterwards.append(call)
        self._ring()

    def tell(self, name: str, token: str, positions: Sequence[int]) -> None:
        """Have a worker end tasks of a parcel."""
        peer = self._peers.get(name)
        data = token.encode() + bytes(positions)
        if peer is not None:
            try:
                peer.connection.sendall(SIZE.pack(len(data)) + data)
            except OSError:
                pass  # it has died, and its tasks with it

    def _ring(self) -> None:
        try:
            self._wake.send(b"x")
        except OSError:
            pass  # it is closed

    # In the thread.

    def _serve(self) -> None:
        while not self._is_closed:
            with self._lock:
                calls, self._afterwards = self._afterwards, []
            while self._read(0 if calls else None):
                if not calls:
                    break
            for call in calls:
                call()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]  # these are sockets
        self._wake.close()
        self._selector.close()

    def _read(self, timeout: float | None) -> bool:
        """Read what there is; return whether there was anything."""
        found = self._selector.select(timeout)
        for key, _ in found:
            if key.fileobj is self._waker:
                self._waker.recv(READ)
            elif key.fileobj is self._server:
                self._accept()
            elif not self._hear(key.data):
                self._drop(key.data)
        return bool(found)

    def _accept(self) -> None:
        try:
            connection, _ = self._server.accept()
        except OSError:
            return

        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = Peer(connection)
        connection.sendall(peer.nonce)
        self._selector.register(connection, EVENT_READ, peer)

    def _drop(self, peer: Peer) -> None:
        self._selector.unregister(peer.connection)
        peer.connection.close()
        if self._peers.get(peer.name) is peer:
            del self._peers[peer.name]

    def _hear(self, peer: Peer) -> bool:
        """Take what a peer has sent; return whether it may go on."""
        try:
            more = peer.connection.recv(READ)
        except OSError:
            return False

        if not more:
            return False

        data = peer.data
        data += more
        if not peer.name and not self._let_in(peer):
            return len(data) < LONGEST_NAME

        while len(data) >= SIZE.size:
            (size,) = SIZE.unpack_from(data)
            if len(data) < SIZE.size + size:
                break

            frame = bytes(data[SIZE.size : SIZE.size + size])
            del data[: SIZE.size + size]
            listener = self.listeners.get(frame[:TOKEN].decode())
            if listener is not None:
                listener(frame[TOKEN:])
        return True

    def _let_in(self, peer: Peer) -> bool:
        """Return whether a peer has shown by now that it may be listened to."""
        import hmac

        data = peer.data
        head = NONCE + SIZE.size
        if len(data) < head:
            return False

        (size,) = SIZE.unpack_from(data, NONCE)
        if len(data) < head + size:
            return False

        known = answer_to(peer.nonce, self.address[2])
        if not hmac.compare_digest(bytes(data[:NONCE]), known):
            data.extend(bytes(LONGEST_NAME))  # enough to be dropped
            return False

        peer.name = bytes(data[head : head + size]).decode()
        del data[: head + size]
        self._peers[peer.name] = peer
        return True
