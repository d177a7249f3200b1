"""How worker processes begin and end, seen from the process that has them.

They are children of the guardian, which is started with the first of them; one that is
forked from this process itself is watched by it. The guardian goes with the last.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from errno import EAGAIN
from threading import Lock, Thread

from .._clock import clock
from . import guardian
from .guardian import BORN, DEAD, DEATH_MARK, MESSAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from subprocess import Popen

METHODS = ("forkserver", "spawn", "fork")
#: Seconds that a process has to begin, and to be reported dead once it is.
BIRTH_LIMIT, DEATH_LIMIT = 10.0, 2.0
#: The most of what a dying process says that is kept.
_LAST_WORDS = 1 << 16


def fill_standard_streams() -> list[int]:
    """Open those of the descriptors 0 to 2 that are closed, and return them.

    What a task prints would go into a pipe of ours that was given such a number.
    """
    filled: list[int] = []
    try:
        while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
            filled.append(fd)
            os.set_inheritable(fd, True)
    except OSError:
        for fd in filled:
            os.close(fd)
        raise

    os.close(fd)
    return filled


def ended_by(exitcode: int | None) -> tuple[int | None, int | None, str]:
    """Return exit code, signal and text of how a process has ended."""
    if exitcode is None:
        return None, None, "for a reason that is not known"

    if exitcode >= 0:
        return exitcode, None, f"with exit code {exitcode}"

    try:
        name = signal.Signals(-exitcode).name
    except ValueError:
        name = "unknown"
    return None, -exitcode, f"by signal {-exitcode} ({name})"


class Birth:
    """Be one worker process.

    Attributes:
        is_over: whether it is known to have died, as far as that was looked at.
        pid: its number.
        status: a descriptor that has something to read when it has died.
    """

    __slots__ = ("_own", "_said", "is_over", "pid", "status")

    def __init__(self, method: str, fds: tuple[int, int, int]) -> None:
        """Begin a process.

        Parameters:
            method: one of METHODS.
            fds: what the process gets: see `worker.main`.

        Raises:
            OSError: if it does not begin.
        """
        self._own = _Own() if method == "fork" else None
        self._said = b""
        self.is_over = False
        self.status, status = os.pipe()
        _guardian.claim()
        try:
            if self._own is not None:
                try:
                    self.pid = self._own.fork(fds, status)
                finally:
                    os.close(status)
                try:
                    _guardian.send(guardian.WATCH, self.pid)
                except BaseException:
                    self.kill()
                    _guardian.send(guardian.FORGET, self.pid)
                    raise

                return

            what = guardian.FORK if method == "forkserver" else guardian.SPAWN
            try:
                _guardian.send(what, 0, (status, *fds))
            finally:
                os.close(status)
            self.pid = self._read_pid()
        except BaseException:
            _guardian.release()
            os.close(self.status)
            raise

    def _read_pid(self) -> int:
        if not _readable(self.status, BIRTH_LIMIT):
            raise TimeoutError(f"no process within {BIRTH_LIMIT:g} s")

        said = os.read(self.status, BORN.size)
        if len(said) < BORN.size:
            raise ProcessLookupError("the guardian of worker processes began none")

        pid = int(BORN.unpack(said)[0])
        if pid < 0:
            raise OSError(-pid, os.strerror(-pid))

        return pid

    def terminate(self) -> None:
        """Send it SIGTERM."""
        if self._own is not None:
            self._own.signal(guardian.terminate)
        else:
            _guardian.send(guardian.TERMINATE, self.pid)

    def kill(self) -> None:
        """End it, and what it has started, by force."""
        if self._own is not None:
            self._own.signal(guardian.kill_group)
        else:
            _guardian.send(guardian.KILL, self.pid)

    def has_died(self) -> bool:
        """Return whether it is known to have died.

        That there is something to read is not enough: a process that it has forked may
        have crashed.
        """
        while not self.is_over and _readable(self.status, 0):
            self._hear()
        return self.is_over

    def wait(self) -> tuple[int | None, str]:
        """Return how it died: exit code or minus a signal, and its last words."""
        deadline = clock() + DEATH_LIMIT
        while not self.is_over and _readable(self.status, deadline - clock()):
            self._hear()
        exitcode, said = None, self._said
        if said[-DEAD.size :].startswith(DEATH_MARK):
            exitcode = int(DEAD.unpack(said[-DEAD.size :])[1])
            said = said[: -DEAD.size]
        return exitcode, said.decode(errors="replace")

    def _hear(self) -> None:
        more = os.read(self.status, 4096)
        self._said = (self._said + more)[-_LAST_WORDS:]
        self.is_over = not more or self._said[-DEAD.size :].startswith(DEATH_MARK)

    def close(self) -> None:
        """Let go of it."""
        if self._own is not None:
            _guardian.send(guardian.FORGET, self.pid)
        _guardian.release()
        os.close(self.status)


def _readable(fd: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(max(seconds, 0) * 1000))


class _Own:
    """Be a process that is forked from this one."""

    def __init__(self) -> None:
        self._pid = 0
        # Once it has been waited for, its number may be another's.
        self._lock = Lock()
        self._is_over = False

    def fork(self, fds: tuple[int, int, int], status: int) -> int:
        """Begin the process, have a thread see to its end, and return its number."""
        # A module that another thread is importing now could never be imported there.
        from . import logs
        from .worker import main as work

        end = os.dup(status)
        try:
            pid = _guardian.fork()
        except BaseException:
            os.close(end)
            raise

        if pid == 0:
            try:
                logs.forget_handlers()
                work(*fds, status, 0)
            finally:
                os._exit(1)
        self._pid = pid
        try:
            os.setpgid(pid, pid)
        except OSError:
            pass  # it has done so itself
        name = f"syncra-reaper-{pid}"
        reaper = Thread(target=self._see_it_end, args=(end,), name=name, daemon=True)
        try:
            reaper.start()
        except BaseException as error:
            guardian.kill_group(pid)
            self._see_it_end(end)
            if isinstance(error, RuntimeError):  # there are no more threads to be had
                raise BlockingIOError(EAGAIN, str(error)) from None
            raise

        return pid

    def signal(self, send: Callable[[int], object]) -> None:
        """Have a signal sent to it, unless it has ended."""
        with self._lock:
            if not self._is_over:
                send(self._pid)

    def _see_it_end(self, status: int) -> None:
        exitcode = None
        try:
            os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)
            with self._lock:
                self._is_over = True
                guardian.kill_group(self._pid)
                exitcode = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        except ChildProcessError:  # somebody else has waited for it
            with self._lock:
                self._is_over = True
        guardian.say_dead(status, exitcode)


class _Guardian:
    """Keep the guardian of this process, if it needs one."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._control: socket.socket | None = None
        self._process: Popen[bytes] | None = None
        self._users = 0
        self._watched: set[int] = set()

    def claim(self) -> None:
        """Take note of one more process that it cares for."""
        with self._lock:
            self._users += 1

    def release(self) -> None:
        """Take note that there is one fewer."""
        with self._lock:
            self._users -= 1

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def send(self, what: int, pid: int, fds: Sequence[int] = ()) -> None:
        """Tell the guardian something, and start it for that if it has to be."""
        message = MESSAGE.pack(what, pid)
        wants_one = what in (guardian.FORK, guardian.SPAWN, guardian.WATCH)
        with self._lock:
            if what == guardian.WATCH:
                self._watched.add(pid)
            elif what == guardian.FORGET:
                self._watched.discard(pid)
            for _ in range(2):
                if self._control is None:
                    if not wants_one:
                        return

                    self._start()
                    assert self._control is not None
                try:
                    socket.send_fds(self._control, [message], fds)
                except OSError:
                    self._forget()  # it has died, and its children with it
                else:
                    return

    def _start(self) -> None:
        import subprocess
        from subprocess import DEVNULL, Popen

        ours, control = socket.socketpair()
        code = guardian.program("guardian", [control.fileno()])
        flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
        command = [sys.executable, *flags, "-P", "-c", code]
        try:
            self._process = Popen(
                command,
                stdin=DEVNULL,
                pass_fds=[control.fileno()],
                cwd="/",
                # A terminal's Ctrl-C is none of its business, not even at first.
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            control.close()
        self._control = ours
        for pid in self._watched:
            ours.send(MESSAGE.pack(guardian.WATCH, pid))

    def _forget(self) -> None:
        from subprocess import TimeoutExpired

        process, self._process = self._process, None
        if self._control is not None:
            self._control.close()
            self._control = None
        if process is not None:
            try:
                # It ends by itself, with all that it has begun.
                process.wait(DEATH_LIMIT)
            except TimeoutExpired:
                process.kill()
                process.wait()

    def fork(self) -> int:
        """Fork this process while nobody starts the guardian.

        A child with its control socket would keep it from seeing this process end.
        """
        import warnings

        with self._lock, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # known, and said
            return os.fork()

    def end(self, if_unused: bool = False) -> None:
        """End the guardian, and with it all processes that are still alive."""
        with self._lock:
            if not (if_unused and self._users):
                self._forget()

    def after_fork(self) -> None:
        """Have nothing to do with the guardian of the parent, in its forked child."""
        control = self._control
        self._lock = Lock()
        self._users = 0
        self._watched = set()
        self._control = None
        if self._process is not None:
            self._process.returncode = 0  # not ours to wait for
            self._process = None
        if control is not None:
            control.close()


_guardian = _Guardian()
os.register_at_fork(after_in_child=_guardian.after_fork)


def end_guardian() -> None:
    """End the guardian, and with it all processes that are still alive."""
    _guardian.end()


def end_guardian_if_unused() -> None:
    """End the guardian if there is no process that it cares for."""
    _guardian.end(if_unused=True)


def guardian_pid() -> int | None:
    """Return the number of the guardian, if there is one."""
    return _guardian.pid
