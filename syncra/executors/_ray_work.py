"""What a Ray worker calls for a parcel. It finds this by its name.

News go to the run over a socket, which each worker process opens once: Ray itself has
no way to tell anything before a task is over. The same socket tells what is to end.
"""

from __future__ import annotations

import hmac
import io
import os
import pickle
import signal
import socket
from glob import glob
from pathlib import Path
from struct import Struct
from threading import Lock, Thread, get_ident, main_thread

from . import _remote_work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    #: Host, port, and the secret of those who may connect.
    Address = tuple[str, int, bytes]

#: Bytes of a token, and of what is to be answered to show that one knows the secret.
TOKEN, NONCE = 16, 32
#: Seconds to connect.
PATIENCE = 20.0
#: What is in front of a frame: how long it is.
SIZE = Struct("<I")


def answer_to(nonce: bytes, secret: bytes) -> bytes:
    """Return what shows that one knows a secret."""
    return hmac.digest(secret, nonce, "sha256")


def exactly(connection: socket.socket, size: int) -> bytes:
    """Return so many bytes, fewer at the end of the connection."""
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            break

        data += more
    return data


class Line:
    """Be the way from this process to the program, and back."""

    def __init__(self, address: Address, name: str) -> None:
        host, port, secret = address
        self._address = address
        self._lock = Lock()
        self._socket = socket.create_connection((host, port), PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        nonce = exactly(self._socket, NONCE)
        self._socket.settimeout(None)
        packed = name.encode()
        self._socket.sendall(answer_to(nonce, secret) + SIZE.pack(len(packed)) + packed)
        Thread(target=self._listen, name="syncra-line", daemon=True).start()

    def send(self, token: str, message: bytes) -> None:
        """Send a message about a parcel. What is sent arrives though we die."""
        frame = SIZE.pack(TOKEN + len(message)) + token.encode() + message
        with self._lock:
            self._socket.sendall(frame)

    def _listen(self) -> None:
        """Do as the program says."""
        try:
            while header := exactly(self._socket, SIZE.size):
                frame = exactly(self._socket, *SIZE.unpack(header))
                _heed(frame[:TOKEN].decode(), frame[TOKEN:])
        except (OSError, ValueError):
            pass
        finally:
            _lines.pop(self._address, None)
            self._socket.close()


#: What the program says instead of naming tasks: not to begin, and to die.
NOT, DIE = b"", b"\xff"
#: How many parcels are remembered that are not to begin.
MOST_WITHDRAWN = 10_000
#: What gets a function out of what it waits for.
SIGNAL = signal.SIGUSR2

_lines: dict[Address, Line] = {}
_withdrawn: dict[str, None] = {}
#: The parcel that is being worked on in the main thread, and that thread.
_runs: dict[str, Any] = {}
_names: list[tuple[str, str]] = []


def run(parcel: bytes, token: str, address: Address, *needs: Any) -> tuple[None, Any]:
    """Open a parcel on the Ray worker that this is called by.

    Parameters:
        parcel: the parcel.
        token: what the run knows it by.
        address: where the run listens for messages.
        needs: the large values that it refers to.

    Returns:
        None, and the one value that may have to stay here. The program looks at the
        first to see that this is over, and so does not get the other one.
    """
    _, name = _name()
    line = _line(address, name)
    if token in _withdrawn:
        del _withdrawn[token]
        return None, None

    def send(message: bytes, is_first: bool) -> None:
        line.send(token, message)

    values = [unpacked(need) for need in needs]
    if get_ident() != main_thread().ident:
        return None, packed(_remote_work.run(parcel, token, values, send, _names[0]))

    signal.signal(SIGNAL, _end)  # and left there: it may come late
    _runs.update(token=token, thread=get_ident())
    try:
        return None, packed(_remote_work.run(parcel, token, values, send, _names[0]))
    finally:
        _runs.clear()


def packed(value: Any) -> Any:
    """Return a value as it is put into Ray's object store.

    What Ray itself makes of a class of `__main__` is another class in each process.
    """
    if value is None:
        return None

    from cloudpickle import Pickler

    buffers: list[pickle.PickleBuffer] = []
    file = io.BytesIO()
    Pickler(file, pickle.HIGHEST_PROTOCOL, buffer_callback=buffers.append).dump(value)
    return [pickle.PickleBuffer(file.getbuffer()), *buffers]


def unpacked(found: Any) -> Any:
    """Return the value of what `packed` has returned."""
    if found is None:
        return None

    data, *buffers = found
    return pickle.loads(data, buffers=buffers)


def _heed(token: str, said: bytes) -> None:
    """Do what the program says of a parcel."""
    if said == NOT:
        _withdrawn[token] = None
        if len(_withdrawn) > MOST_WITHDRAWN:
            del _withdrawn[next(iter(_withdrawn))]
    elif said == DIE:
        if _runs.get("token") == token:
            _die()
    else:
        _remote_work.tell(token, said)
        if _runs.get("token") == token:
            signal.pthread_kill(_runs["thread"], SIGNAL)


def _die() -> None:
    """End this process by force, after those that it has begun."""
    found = [os.getpid()]
    for process in found:  # which grows meanwhile
        for path in glob(f"/proc/{process}/task/*/children"):
            try:
                found += map(int, Path(path).read_text("ascii").split())
            except OSError:
                pass  # it has just ended
    for process in reversed(found):
        try:
            os.kill(process, signal.SIGKILL)
        except OSError:
            pass  # so has this one


def _end(number: int, frame: object) -> None:
    """End the function that runs, if it was told to."""
    if _remote_work.is_function_told(str(_runs.get("token", ""))):
        from ..errors import TaskCancelled

        raise TaskCancelled("the task was told to end", "")


def _line(address: Address, name: str) -> Line:
    line = _lines.get(address)
    if line is None:
        try:
            line = _lines[address] = Line(address, name)
        except OSError as error:
            host, port, _ = address
            raise ConnectionError(
                f"this worker does not reach the program, which listens at "
                f"{host}:{port}: {error}"
            ) from error

    return line


def _name() -> tuple[str, str]:
    """Return what records call this process, and what is like no other one's."""
    if not _names:
        import ray

        node = ray.get_runtime_context().get_node_id()
        host = ray.util.get_node_ip_address()
        process = os.getpid()
        shown = f"process {process} on {host} (node {node[:8]})"
        _names.append((shown, f"{node}/{process}"))
    return _names[0]
