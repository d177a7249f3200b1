"""The guardian: a small process that begins and ends the worker processes of another.

It has one thread and imports little, so children made from it by `fork` begin within
milliseconds and inherit no lock that anybody holds. It knows at once when one dies,
ends what that one has started, and when its own parent is gone, however that went,
ends them all.

Messages to it are 8 bytes: what to do, and to which process. For a new child the
sockets and pipes it gets come with the message.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from errno import EMFILE
from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

MESSAGE = Struct("<II")
#: What to do: make a child by fork or as a new program, end one gently or by force,
#: watch over one that is not its own, and no more.
FORK, SPAWN, TERMINATE, KILL, WATCH, FORGET = range(1, 7)
#: How many descriptors a new child gets besides its status pipe, which comes first.
GIVEN = 3
#: What a child's status pipe says first: its pid, or minus the error number.
BORN = Struct("<i")
#: What it says last, after what the child may have said itself: its exit code, or minus
#: the number of a signal.
DEAD = Struct("<8si")
DEATH_MARK = b"\0\xffdied\xff\0"


def main(control: int) -> None:
    """Serve until the other end of the control socket is closed."""
    # What a service manager sends to all processes is the parent's affair.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with socket.socket(fileno=control) as connection:  # or it warns of an open one
        Guardian(connection).serve()


class Guardian:
    """Hold the children of one process."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._statuses: dict[int, int] = {}
        self._watched: set[int] = set()
        self._wake, self._waker = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._waker, False)

    def serve(self) -> None:
        """Serve until the other end of the control socket is closed."""
        signal.signal(signal.SIGCHLD, _nothing)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        try:
            self._serve()
        finally:
            for pid in (*self._statuses, *self._watched):
                kill_group(pid)

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while True:
            ready = dict(poll.poll())
            if self._wake in ready:
                os.read(self._wake, 4096)
                self._reap()
            if self._control.fileno() in ready and not self._obey():
                return

    def _obey(self) -> bool:
        """Do what one message says; return whether there may be more."""
        try:
            data, fds, _, _ = socket.recv_fds(self._control, MESSAGE.size, 8)
        except ConnectionError:
            return False

        while data and len(data) < MESSAGE.size:
            data += self._control.recv(MESSAGE.size - len(data))
        if not data:
            return False

        what, pid = MESSAGE.unpack(data)
        if what in (FORK, SPAWN):
            self._begin(what, fds)
        elif what == WATCH:
            self._watched.add(pid)
        elif what == FORGET:
            self._watched.discard(pid)
        elif pid in self._statuses or pid in self._watched:
            # It is not reaped, so the number is still its own.
            if what == KILL:
                kill_group(pid)
            else:
                terminate(pid)
        return True

    def _begin(self, what: int, fds: Sequence[int]) -> None:
        if not fds:
            return  # this process may not have one more open: theirs is closed now

        status, *given = fds
        ours = os.getpid()
        try:
            if len(given) < GIVEN:
                raise OSError(EMFILE, "no more descriptors")

            pid = os.fork()
        except OSError as error:
            self._say(status, -(error.errno or 1))
            pid = -1
        if pid == 0:
            try:
                self._become_child(what, (*given, status, ours))
            finally:
                os._exit(1)
        if pid > 0:
            self._statuses[pid] = status
            try:
                os.setpgid(pid, pid)
            except OSError:
                pass  # it has done so itself, or is dead
            self._say(status, pid)
        else:
            os.close(status)
        for fd in given:
            os.close(fd)

    @staticmethod
    def _say(status: int, number: int) -> None:
        try:
            os.write(status, BORN.pack(number))
        except OSError:
            pass  # the parent is gone, as the control socket will say

    def _become_child(self, what: int, given: Sequence[int]) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._control.close()
        for fd in (self._wake, self._waker, *self._statuses.values()):
            os.close(fd)
        if what == FORK:
            from .worker import main as work

            work(*given)
        else:
            for fd in given[:-1]:
                os.set_inheritable(fd, True)
            os.execv(sys.executable, [*sys.orig_argv[:-1], program("worker", given)])

    def _reap(self) -> None:
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return

            if found is None:
                return

            # Before its number can be another's: what it has started ends with it.
            kill_group(found.si_pid)
            _, status = os.waitpid(found.si_pid, 0)
            fd = self._statuses.pop(found.si_pid, None)
            if fd is not None:
                say_dead(fd, os.waitstatus_to_exitcode(status))


def say_dead(status: int, exitcode: int | None) -> None:
    """Write the end of a child into its status pipe, and close that."""
    try:
        if exitcode is not None:  # else the end of the pipe has to do
            os.write(status, DEAD.pack(DEATH_MARK, exitcode))
    except OSError:
        pass  # nobody wants to know
    os.close(status)


def kill_group(pid: int) -> None:
    """End a process and what it has started, by force."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except OSError:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass


def terminate(pid: int) -> None:
    """Ask a process to end."""
    try:
        os.kill(pid, signal.SIGTERM)
    except OSError:
        pass


def program(module: str, numbers: Sequence[int]) -> str:
    """Return the code of an interpreter that runs `main` of a module of this package.

    Parameters:
        module: name of the module.
        numbers: what `main` is called with.
    """
    where = __file__[: -len("/syncra/_processes/guardian.py")]
    arguments = ", ".join(map(str, numbers))
    return (
        f"import sys; sys.path.insert(0, {where!r}); "
        f"from syncra._processes.{module} import main; "
        f"sys.path.pop(0); main({arguments})"
    )


def _nothing(number: int, frame: object) -> None:
    """Let the signal wake the loop."""
