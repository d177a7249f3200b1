"""One worker process as the thread sees it that owns it, and the idle ones.

Several tasks may be on their way to a child. Which of them it has begun with is decided
by tokens (see `worker`): what it has no token for yet can be taken back.
"""

from __future__ import annotations

import os
import select
import socket
from collections import deque
from threading import Lock
from weakref import WeakSet

from .._clock import clock
from . import wire
from .births import Birth, fill_standard_streams
from .worker import NUMBER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .wire import Frame

#: The most bytes of tasks that are sent behind others.
_MOST_AHEAD = 1 << 15


#: All that have begun and not ended.
all_children: WeakSet[Child] = WeakSet()


class Died(Exception):
    """Say that a child has died.

    Attributes:
        exitcode: its exit code, or minus the signal that ended it, or None.
        words: what it has said of it, such as the stack of a crash.
    """

    def __init__(self, exitcode: int | None, words: str) -> None:
        super().__init__(exitcode)
        self.exitcode = exitcode
        self.words = words


class Quiet(Exception):
    """Say that nothing has come from a child for the time asked for."""


class Child:
    """Own one worker process; used by one thread at a time.

    What other threads may call is `take_back`, `interrupt`, `wake_owner` and `kill`.

    Parameters:
        method: how it begins, one of `births.METHODS`.
        generation: how often code had been replaced when it was hired.

    Attributes:
        answered: how many tasks it has answered.
        pid: its number, once it has begun and if it was wanted then.
        sent_at: when tasks were last sent.
        spent: whether it is not to be used again.
        known: number by which it knows a function, by the pickle of that.
        setup: what it was last told to be like.
    """

    __slots__ = (
        "__weakref__",
        "_birth",
        "_connection",
        "_flight",
        "_held",
        "_interrupt",
        "_lock",
        "_number",
        "_poll",
        "_reader",
        "_timeout",
        "_tokens",
        "_wake",
        "answered",
        "generation",
        "idle_since",
        "known",
        "method",
        "pid",
        "sent_at",
        "setup",
        "spent",
    )

    def __init__(self, method: str, generation: int = 0) -> None:
        self.method, self.generation = method, generation
        self.pid: int | None = None
        self.spent = False
        self.known: dict[bytes, int] = {}
        self.setup: bytes | None = None
        self.idle_since = self.sent_at = 0.0
        self._birth: Birth | None = None
        #: Tasks on their way and their numbers, oldest first.
        self._flight: deque[tuple[int, int]] = deque()
        #: Tasks to be sent: id, pickle, large buffers.
        self._held: list[tuple[int, bytes, Sequence[memoryview]]] = []
        self._number = 0
        self.answered = 0
        self._timeout: float | None = None
        # Held for moments; whoever holds it takes no other lock of a run.
        self._lock = Lock()

    def __str__(self) -> str:
        return f"process {self.pid}" if self.pid is not None else "process"

    @property
    def note_when_lost(self) -> str:
        """Return what the error of a task says for which it was ended by force."""
        return f"its {self} did not end when it was told to, and was killed"

    def begin(self) -> None:
        """Begin the process, if it is not there yet.

        Raises:
            OSError: if it cannot be begun.
        """
        if self._birth is not None:
            return

        filled = fill_standard_streams()
        try:
            self._begin()
        finally:
            for fd in filled:
                os.close(fd)

    def _begin(self) -> None:
        self._connection, theirs = socket.socketpair()
        opened: list[int] = []
        try:
            for _ in range(3):
                opened += os.pipe()
        except OSError:
            self._connection.close()
            theirs.close()
            for fd in opened:
                os.close(fd)
            raise

        self._tokens, interrupts = (opened[0], opened[1]), opened[2:4]
        self._interrupt = interrupts[1]
        self._wake = opened[4], opened[5]
        all_children.add(self)
        try:
            for fd in (self._tokens[0], interrupts[0], *self._wake):
                os.set_blocking(fd, False)
            fds = theirs.fileno(), self._tokens[0], interrupts[0]
            self._birth = birth = Birth(self.method, fds)
        except BaseException:
            self._close_pipes()
            raise
        finally:
            theirs.close()
            os.close(interrupts[0])
        with self._lock:
            if not self.spent:
                self.pid = birth.pid  # else its tasks are over, and told of already
        self._connection.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._connection, select.POLLIN)
        self._poll.register(birth.status, select.POLLIN)
        self._poll.register(self._wake[0], select.POLLIN)
        self._reader = wire.Reader(self._connection, self._wait)

    # By its owner.

    def tell(self, data: bytes) -> None:
        """Send what it is to be like; it forgets all functions."""
        self.known.clear()
        self.setup = data
        self._send(wire.pieces_of(wire.SETUP, 0, data))

    def number_of(self, function: bytes) -> int:
        """Return the number by which it knows a function, given as its pickle.

        Raises:
            Died: if the child has died.
        """
        number = self.known.get(function)
        if number is None:
            number = self.known[function] = len(self.known) + 1
            self._send(wire.pieces_of(wire.FUNCTION, number, function))
        return number

    def hold(self, task: int, data: bytes, buffers: Sequence[memoryview]) -> None:
        """Take note of a task that is to be sent.

        Parameters:
            task: its id.
            data: what it takes: the number of its function and the arguments.
            buffers: the large parts of that.
        """
        with self._lock:
            self._held.append((task, data, buffers))

    @property
    def in_hand(self) -> int:
        """Return how many tasks it has, sent or still to be sent."""
        return len(self._flight) + len(self._held)

    @property
    def in_flight(self) -> int:
        """Return how many tasks were sent to it that it has not answered."""
        return len(self._flight)

    @property
    def has_plenty(self) -> bool:
        """Return whether it has enough to do until the answers here are all read."""
        return self._reader.has_more and len(self._flight) > len(self._held)

    def send(self) -> None:
        """Send the tasks that are held, but none too large behind another one.

        A child that cannot send its answer since we do not read it does not read what
        we send either. What is on its way must therefore fit into the socket.

        Raises:
            Died: if the child has died.
        """
        pieces: list[bytes | memoryview] = []
        with self._lock:
            tokens = b""
            size = 0
            while self._held:
                task, data, buffers = self._held[0]
                size += len(data) if not buffers else _MOST_AHEAD + 1
                if size > _MOST_AHEAD and self._flight:
                    break

                del self._held[0]
                self._number += 1
                self._flight.append((task, self._number))
                tokens += NUMBER.pack(self._number)
                pieces += wire.pieces_of(wire.TASK, self._number, data, buffers)
            if tokens:
                os.write(self._tokens[1], tokens)
        if pieces:
            self.sent_at = clock()
            self._send([b"".join(pieces)] if size <= _MOST_AHEAD else pieces)

    def read(self, timeout: float | None = None) -> Frame:
        """Return the next frame that it sends.

        Raises:
            Quiet: if none has begun to come for `timeout` seconds.
            Died: if the child has died.
        """
        self._timeout = timeout
        try:
            return self._reader.read()
        except (EOFError, ConnectionError):
            raise self._death() from None

    @property
    def present(self) -> int:
        """Return the task that it is at, or -1."""
        with self._lock:
            return self._flight[0][0] if self._flight else -1

    def landed(self) -> tuple[int, int]:
        """Return the task that an answer is for, and the next one it is at, or -1."""
        self.answered += 1
        with self._lock:
            task, _ = self._flight.popleft()
            return task, self._flight[0][0] if self._flight else -1

    def _send(self, pieces: Sequence[bytes | memoryview]) -> None:
        try:
            wire.send(self._connection, pieces, self._wait_to_send)
        except (EOFError, ConnectionError):
            self.spent = True
            # What it has answered before it died is read first.
            if not self._flight:
                raise self._death() from None

    def _wait(self, has_begun: bool) -> None:
        assert self._birth is not None
        timeout = None if has_begun else self._timeout
        if self._birth.is_over:
            timeout = 0  # its status has been read, and says nothing any more
        ready = self._poll.poll(None if timeout is None else timeout * 1000)
        fds = {fd for fd, _ in ready}
        if self._wake[0] in fds:
            os.read(self._wake[0], 4096)
            if not has_begun:
                raise Quiet

        elif not fds and not self._birth.is_over:
            raise Quiet

        # What it has sent before it died is read first.
        elif not fds - {self._birth.status} and self._birth.has_died():
            raise self._death()

    def _wait_to_send(self) -> None:
        """Wait till more can be sent; read meanwhile, or both sides could be stuck."""
        assert self._birth is not None
        poll = select.poll()
        poll.register(self._connection, select.POLLOUT | select.POLLIN)
        poll.register(self._birth.status, select.POLLIN)
        ready = dict(poll.poll(0 if self._birth.is_over else None))
        events = ready.get(self._connection.fileno(), 0)
        if events & select.POLLIN:
            self._reader.fill()
        elif not events & select.POLLOUT and self._birth.has_died():
            raise EOFError

    def _death(self) -> Died:
        assert self._birth is not None
        self.spent = True
        exitcode, words = self._birth.wait()
        if exitcode is None:
            # It has but closed the connection: it is of no use any more.
            self._birth.kill()
            exitcode, words = self._birth.wait()
        return Died(exitcode, words)

    # By others too.

    def has_died(self) -> bool:
        """Return whether it is known to have died."""
        return self._birth is not None and self._birth.has_died()

    def wake_owner(self) -> None:
        """Have `read` end as if the time was up: what it waits for may not come."""
        with self._lock:
            if self._birth is not None:
                try:
                    os.write(self._wake[1], b"!")
                except BlockingIOError:
                    pass  # it has been woken often enough

    def take_back(self) -> list[int]:
        """Return the tasks that it has not begun with, and does not any more."""
        with self._lock:
            held = [task for task, _, _ in self._held]
            self._held.clear()
            if self._birth is None:
                return held

            try:
                tokens = os.read(self._tokens[0], 1 << 16)
            except BlockingIOError:
                return held

            numbers = {number for (number,) in NUMBER.iter_unpack(tokens)}
            taken = [task for task, number in self._flight if number in numbers]
            self._flight = deque(
                entry for entry in self._flight if entry[1] not in numbers
            )
            return taken + held

    def lose(self) -> list[int]:
        """Return the tasks that it has begun with, and forget them: it has died."""
        with self._lock:
            begun = [task for task, _ in self._flight]
            self._flight.clear()
            return begun

    def interrupt(self, task: int) -> None:
        """Tell it to end a task that it is at."""
        with self._lock:
            for known, number in self._flight:
                if known == task and self._birth is not None:
                    self.spent = True  # what the task has started is ended with it
                    try:
                        os.write(self._interrupt, NUMBER.pack(number))
                    except BrokenPipeError:
                        return  # it has died, as its owner will see

                    self._birth.terminate()

    def kill(self) -> None:
        """End it by force, and what its task has started."""
        with self._lock:
            self.spent = True
        if self._birth is not None:
            self._birth.kill()

    def close(self) -> None:
        """End it, if it has begun."""
        self.spent = True
        with self._lock:
            birth, self._birth = self._birth, None
        if birth is None:
            return

        birth.kill()
        birth.close()
        self._close_pipes()

    def _close_pipes(self) -> None:
        self._connection.close()
        for fd in (*self._tokens, *self._wake, self._interrupt):
            os.close(fd)
        all_children.discard(self)

    def forget(self) -> None:
        """Have nothing to do with it, in a forked child of its owner."""
        if self._birth is not None:
            os.close(self._birth.status)
            self._birth = None
            self._close_pipes()
