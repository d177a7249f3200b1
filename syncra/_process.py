"""One process of a command: started, fed, read, ended and reaped by one thread.

A thread and not the event loop, so that it is the same under asyncio, trio and none, in
any thread, and starting a process, which takes a while, stops nobody. Whoever waits for
it can ask for its end at any time, from any thread.

The process leads a session and so a group of its own, and signals go to the group. As
long as the leader has not been reaped nobody else can get the number of the group, so
that comes last, and what has ended is told from what has not without reaping it.
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import ExitStack, suppress
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from subprocess import PIPE, STDOUT, Popen
from threading import Event, Lock

from ._children import living
from ._clock import clock
from .executors._pool import start_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import IO, Any, TypeAlias

    #: Where output goes: kept, into a file, or (None) to where ours goes.
    Sink: TypeAlias = "Tail | str | None"

#: Seconds from SIGTERM to SIGKILL.
GRACE = 2.0
#: Seconds that output may still come in after the command itself has ended.
DRAIN = 1.0
#: Bytes read at once, which is what a pipe holds.
CHUNK = 65536
#: The longest seconds between two looks at a process that cannot be waited for.
LOOK = 0.05

#: The exit code of a process whose exit code is not known, as asyncio has it.
LOST = 255

IS_POSIX = os.name == "posix"
SIGKILL = signal.SIGKILL if IS_POSIX else signal.SIGTERM


class Tail:
    """Keep the last bytes of a stream.

    Parameters:
        limit: how many; all if None.

    Attributes:
        dropped: how many bytes were not kept.
    """

    __slots__ = ("_kept", "_oldest", "dropped", "limit")

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.dropped = 0
        self._kept = bytearray()
        #: Once there is no more room, where the oldest byte is: a ring.
        self._oldest = 0

    def add(self, data: bytes) -> None:
        """Take what was read."""
        kept, limit = self._kept, self.limit
        if limit is None or len(kept) + len(data) <= limit:
            kept += data
            return

        excess = len(kept) + len(data) - limit
        self.dropped += excess
        if len(data) >= limit:
            kept[:] = data[len(data) - limit :]
            self._oldest = 0
            return

        if len(kept) < limit:
            room = limit - len(kept)
            kept += data[:room]
            data = data[room:]
        end = self._oldest + len(data)
        to_end = limit - self._oldest
        kept[self._oldest : min(end, limit)] = data[:to_end]
        kept[: max(end - limit, 0)] = data[to_end:]
        self._oldest = end % limit

    def take(self) -> bytes:
        """Return what is kept, and keep it no more."""
        kept, self._kept = memoryview(self._kept), bytearray()
        oldest, self._oldest = self._oldest, 0
        return b"".join((kept[oldest:], kept[:oldest]))


class Process:
    """Run one process from its start to its end.

    Parameters:
        arguments: the program and what it is given.
        cwd: where it runs; where we do if None.
        env: its environment; ours if None.
        given: what it reads from its standard input, if anything.
        stdout: where its output goes.
        stderr: where its error output goes.

    Attributes:
        returncode: its exit code, or minus the number of the signal that ended it; None
            if it was never started.
        is_lost: whether somebody else has waited for it, so that its exit code is not
            known; `returncode` is 255 then.
        duration: seconds it took.
        failure: what has kept it from being started.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        given: bytes | None = None,
        stdout: Sink = None,
        stderr: Sink = None,
    ) -> None:
        self._arguments = arguments
        self._cwd = cwd
        self._env = env
        self._given = given
        self._sinks = stdout, stderr
        self._lock = Lock()
        self._asked = 0  # the signal it was asked to end with
        self._popen: Popen[bytes] | None = None  # while it can be signalled
        self.returncode: int | None = None
        self.is_lost = False
        self.duration = 0.0
        self.failure: OSError | ValueError | None = None

    def run(self) -> None:
        """Run it, and return when it and its output have come to an end."""
        started = clock()
        with self._lock:
            if self._asked:
                return

        try:
            popen = self._start()
        except (OSError, ValueError) as error:
            self.failure = error.with_traceback(None)  # it holds this frame
            return

        living.add(self)
        with self._lock:
            self._popen = popen
            if self._asked:
                _signal_group(popen, self._asked)
        try:
            self.duration = -started
            self._follow(popen)
        except BaseException:
            self._asked = SIGKILL
            raise
        finally:
            self._reap(popen)
            for pipe in (popen.stdin, popen.stdout, popen.stderr):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()

    def terminate(self) -> None:
        """Ask it and all its children to end."""
        self._ask(signal.SIGTERM)

    def kill(self) -> None:
        """End it and all its children; nothing if it has ended."""
        self._ask(SIGKILL)

    def _ask(self, number: int) -> None:
        with self._lock:
            self._asked = number
            if self._popen is not None:
                _signal_group(self._popen, number)

    def _start(self) -> Popen[bytes]:
        own_group: dict[str, Any] = {"start_new_session": True}
        if not IS_POSIX:
            own_group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined,unused-ignore]
        with ExitStack() as files:

            def target(sink: Sink) -> Any:
                if isinstance(sink, str):
                    return files.enter_context(open(sink, "wb"))

                return None if sink is None else PIPE

            stdout, stderr = self._sinks
            both = isinstance(stdout, str) and stdout == stderr
            return Popen(
                self._arguments,
                bufsize=0,
                stdin=subprocess.DEVNULL if self._given is None else PIPE,
                stdout=target(stdout),
                stderr=STDOUT if both else target(stderr),
                cwd=self._cwd,
                env=self._env,
                **own_group,
            )

    def _follow(self, popen: Popen[bytes]) -> None:
        """Feed and read a process until there is nothing more to come of it."""
        if not IS_POSIX:
            return self._follow_in_threads(popen)

        with DefaultSelector() as selector, ExitStack() as stack:
            readers = self._register(popen, selector)
            watch = _open_watch(popen.pid)
            if watch is not None:
                stack.callback(os.close, watch)
                selector.register(watch, EVENT_READ)
            look = 0.001
            deadline: float | None = None  # set when it has ended
            while readers or deadline is None:
                wait: float | None = None
                if deadline is not None:
                    wait = deadline - clock()
                    if wait <= 0:
                        return self._cut_off(popen, readers)

                elif watch is None:
                    wait = look
                    look = min(2 * look, LOOK)
                told = False
                for key, _ in selector.select(wait):
                    if key.data is None:
                        told = True
                    elif not key.data():
                        _close(key.fileobj, selector)
                        readers.pop(key.fileobj, None)
                if deadline is None and (
                    told or (watch is None and self._is_over(popen))
                ):
                    deadline = self._note_end() + DRAIN
                    if watch is not None:
                        selector.unregister(watch)
                    if popen.stdin is not None and not popen.stdin.closed:
                        _close(popen.stdin, selector)  # it was not for its children

    def _register(
        self, popen: Popen[bytes], selector: DefaultSelector
    ) -> dict[Any, Callable[[], bool]]:
        """Register the pipes and return those that are read, with what reads them."""
        readers: dict[Any, Callable[[], bool]] = {}
        for pipe, sink in zip((popen.stdout, popen.stderr), self._sinks, strict=True):
            if pipe is not None and isinstance(sink, Tail):
                readers[pipe] = partial(_read, pipe.fileno(), sink)
                selector.register(pipe, EVENT_READ, readers[pipe])
        if popen.stdin is not None:
            assert self._given is not None
            number = popen.stdin.fileno()
            os.set_blocking(number, False)
            write = partial(_write, number, [memoryview(self._given)])
            selector.register(popen.stdin, EVENT_WRITE, write)
        return readers

    def _is_over(self, popen: Popen[bytes]) -> bool:
        """Return whether the process has ended, without reaping it where possible."""
        if not hasattr(os, "waitid"):  # macOS before Python 3.13: nothing better
            return popen.poll() is not None

        try:
            how = os.WEXITED | os.WNOHANG | os.WNOWAIT
            return os.waitid(os.P_PID, popen.pid, how) is not None
        except ChildProcessError:
            return True  # reaped by somebody else

    def _note_end(self) -> float:
        now = clock()
        self.duration += now
        return now

    def _cut_off(
        self, popen: Popen[bytes], open_pipes: Mapping[Any, Callable[[], bool]]
    ) -> None:
        """End what keeps the pipes open, and read what has been written by now."""
        self._asked = SIGKILL
        _signal_group(popen, SIGKILL)
        for pipe, read in open_pipes.items():
            os.set_blocking(pipe.fileno(), False)
            with suppress(BlockingIOError):
                # Somebody in a session of his own may go on to write.
                for _ in range(32):
                    if not read():
                        break

    def _follow_in_threads(self, popen: Popen[bytes]) -> None:
        """Do the same where pipes cannot be waited for: a thread for each of them."""
        ends = []
        for pipe, sink in zip((popen.stdout, popen.stderr), self._sinks, strict=True):
            if pipe is not None and isinstance(sink, Tail):
                end = Event()
                ends.append(end)
                start_thread(partial(_read_all, pipe, sink, end))
        if popen.stdin is not None:
            start_thread(partial(_write_all, popen.stdin, self._given))
        popen.wait()
        deadline = self._note_end() + DRAIN
        for end in ends:
            if not end.wait(max(deadline - clock(), 0)):
                self._asked = SIGKILL
                _signal_group(popen, SIGKILL)

    def _reap(self, popen: Popen[bytes]) -> None:
        with self._lock:
            if self._asked:
                _signal_group(popen, SIGKILL)  # what has not listened
            self.is_lost = _is_no_child(popen)
            code = popen.wait()  # 0 for one that is gone
            self.returncode = LOST if self.is_lost else code
            self._popen = None
        living.discard(self)


def _is_no_child(popen: Popen[bytes]) -> bool:
    """Wait for a process; return whether its exit code is gone.

    Of one whose program ignores SIGCHLD the system keeps none.
    """
    if popen.returncode is None and hasattr(os, "waitid"):
        try:
            os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            return True

    return False


def _open_watch(pid: int) -> int | None:
    """Return a file that can be read once the process has ended, if there are such."""
    if not hasattr(os, "pidfd_open"):
        return None

    try:
        return os.pidfd_open(pid)
    except OSError:
        return None  # an old kernel, a sandbox, or no files left


def _close(pipe: Any, selector: DefaultSelector) -> None:
    selector.unregister(pipe)
    pipe.close()


def _signal_group(popen: Popen[bytes], number: int) -> None:
    """Send a signal to a process that has not been reaped, and to all its group."""
    if IS_POSIX:
        with suppress(OSError):  # all of it has ended
            os.killpg(popen.pid, number)
    elif popen.poll() is None:
        end_tree = ["taskkill", "/F", "/T", "/PID", str(popen.pid)]
        with suppress(OSError):
            subprocess.run(end_tree, capture_output=True, check=False)


def _read(number: int, sink: Tail) -> bool:
    """Read what there is; return whether more may come."""
    data = os.read(number, CHUNK)
    if data:
        sink.add(data)
    return bool(data)


def _write(number: int, left: list[memoryview]) -> bool:
    """Write what there is room for; return whether there is more."""
    try:
        left[0] = left[0][os.write(number, left[0][:CHUNK]) :]
    except BlockingIOError:
        return True
    except OSError:
        return False  # it does not want any more

    return bool(left[0])


def _read_all(pipe: IO[bytes], sink: Tail, end: Event) -> None:
    with suppress(OSError, ValueError):
        while _read(pipe.fileno(), sink):
            pass
    end.set()


def _write_all(pipe: IO[bytes], given: bytes | None) -> None:
    left = memoryview(given or b"")
    with suppress(OSError, ValueError):
        while left:
            left = left[pipe.write(left) or 0 :]
    with suppress(OSError, ValueError):
        pipe.close()
