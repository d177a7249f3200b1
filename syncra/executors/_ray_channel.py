"""Where the workers of a Ray cluster send what there is to tell of their parcels."""

from __future__ import annotations

import hmac
import socket
from functools import partial
from os import urandom
from selectors import EVENT_READ, DefaultSelector
from threading import Lock, Thread

from ._parcels import PARCEL_TASKS
from ._ray_work import DIE, NONCE, NOT, SIZE, TOKEN, answer_to
from ._remote_work import begun_by

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
        lock: held while something is sent to it.
        name: how it has named itself, "" as long as it has not shown that it may.
    """

    __slots__ = ("connection", "data", "lock", "name", "nonce")

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.nonce = urandom(NONCE)
        self.data = bytearray()
        self.name = ""
        self.lock = Lock()


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
        self._withdrawn: set[str] = set()
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
        self._say(self._peers.get(name), token, bytes(positions))

    def kill(self, name: str, token: str) -> None:
        """Have a worker die, if it is still at a parcel."""
        self._say(self._peers.get(name), token, DIE)

    def withdraw(self, token: str) -> None:
        """Have no worker begin with a parcel."""
        self.listeners[token] = partial(self._end_late, token)
        with self._lock:
            self._withdrawn.add(token)
            peers = list(self._peers.values())
        for peer in peers:
            self._say(peer, token, NOT)

    def forget(self, token: str) -> None:
        """Take note that a parcel is over."""
        self.listeners.pop(token, None)
        self._withdrawn.discard(token)

    def _say(self, peer: Peer | None, token: str, what: bytes) -> None:
        data = token.encode() + what
        if peer is not None:
            try:
                with peer.lock:
                    peer.connection.sendall(SIZE.pack(len(data)) + data)
            except OSError:
                pass  # it has died, and its tasks with it

    def _end_late(self, token: str, message: bytes) -> None:
        """Have a parcel end that was begun with just when it was taken back."""
        for name in begun_by(message):
            self.tell(name, token, range(PARCEL_TASKS))

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
            while calls:  # and keeps none, as it may keep a run
                calls.pop(0)()
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

        peer = Peer(connection)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(peer.nonce)
        except OSError:  # it has gone away at once
            connection.close()
            return

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
        with self._lock:
            self._peers[peer.name] = peer
            withdrawn = list(self._withdrawn)
        for token in withdrawn:
            self._say(peer, token, NOT)
        return True
