"""What a worker process does: it runs one task after another and sends what they give.

Frames may be sent to it ahead of time. Before it begins with one it takes a token from
a pipe; whoever takes a token first, the worker or the run, decides whether the task
runs here. So a run can always take back what has not begun.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import socket
import sys
from contextvars import Context
from struct import Struct
from threading import Lock
from types import CoroutineType

from .._loops import reachable
from . import pickles, wire
from .entry import LazyMain, explained
from .keeper import Keeper

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence
    from typing import Any

    from .._origins import Baggage

#: A token, and what is told to end: the number of a task.
NUMBER = Struct("<I")


def main(
    connection: int, tokens: int, interrupts: int, status: int, parent: int
) -> None:
    """Serve until the other end of the connection is closed, and end the process.

    Parameters:
        connection: descriptor of the socket that frames pass over.
        tokens: of the pipe that tokens come from; not blocking.
        interrupts: of the pipe that says which task is to end; not blocking.
        status: of the pipe that says why the process died.
        parent: number of the process that this one ends with; 0 for one that is
            forked from the program, since it would end with the thread that did so.
    """
    code = 1
    try:
        _prepare(status, parent)
        Worker(socket.socket(fileno=connection), tokens, interrupts).serve()
        code = 0
    except (SystemExit, ConnectionError):
        pass  # nobody wants an answer any more
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        # Threads that tasks have left must not keep the process.
        _flush()
        os._exit(code)


def _prepare(status: int, parent: int) -> None:
    """Make the process one of its own, that ends with the one it comes from."""
    signal.set_wakeup_fd(-1)  # a forked one would wake the loop of the program
    try:
        os.setpgid(0, 0)
    except OSError:
        pass  # it leads its group already
    if sys.platform == "linux" and parent:
        _die_with_parent()
        if os.getppid() != parent:
            os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable(file=status)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)


def _die_with_parent() -> None:
    import ctypes

    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL, 0, 0, 0)


class Worker:
    """Run what is asked for over one connection.

    Attributes:
        current: number of the task whose code is being run, 0 if none is.
    """

    def __init__(self, connection: socket.socket, tokens: int, interrupts: int) -> None:
        self._connection = connection
        self._reader = wire.Reader(connection)
        self._sending = Lock()
        self._tokens = tokens
        self._interrupts = interrupts
        self._token = 0  # of a task that is still to come
        #: Functions by number, as pickles until they are called.
        self._functions: dict[int, Any] = {}
        self._context = Context()
        #: What of that could not be loaded: why, and what it is.
        self._unusable: tuple[BaseException, str] | None = None
        self._coroutines = Coroutines()
        self._keeper = Keeper(self._terminate)
        self.current = 0
        self._told: set[int] = set()  # the numbers of tasks that are to end

    def serve(self) -> None:
        """Serve until the connection ends."""
        self._keeper.keep()
        while True:
            try:
                kind, number, data, buffers = self._reader.read()
            except (EOFError, ConnectionError):
                return

            if kind == wire.SETUP:
                self._set_up(pickles.load(data))
            elif kind == wire.FUNCTION:
                self._functions[number] = bytes(data)
            elif self._may_begin(number):
                self._run(number, data, buffers)
            del data, buffers  # an idle worker holds nothing of a task

    def _set_up(self, given: dict[str, Any]) -> None:
        """Become like the process that the tasks come from."""
        self._functions.clear()
        self._keeper.become(given)
        present = sys.modules.get("__main__")
        if not isinstance(present, LazyMain) and given["main"] != "here":
            # That of the program has the other name once it is imported. Both are in
            # `sys.modules` wherever somebody has imported `multiprocessing`.
            if getattr(present, "__name__", "") != "__mp_main__":
                main = LazyMain(given["main"])
                # In a file that was imported to be run functions know the latter name.
                sys.modules["__main__"] = sys.modules["__mp_main__"] = main
        self._context = Context()
        if given["levels"] is not None:
            from .logs import forward

            forward(self._send_record, given["levels"])
        self._unusable = None
        for place, packed in given["variables"]:
            try:
                variable = pickles.unwrapped(place[0], place[1], 0)
                self._context.run(variable.set, pickles.load(packed))
            except BaseException as error:
                self._unusable = explained(error), f"context variable {place[1]!r}"

    def _may_begin(self, number: int) -> bool:
        """Return whether a task is still to be run here."""
        while self._token < number:
            try:
                token = os.read(self._tokens, NUMBER.size)
            except BlockingIOError:
                return False

            if not token:
                return False  # nobody wants it any more: the connection ends too

            self._token = NUMBER.unpack(token)[0]
        return self._token == number

    def _run(
        self, number: int, data: bytes | bytearray, buffers: Sequence[bytearray]
    ) -> None:
        """Run a task and send what came of it."""
        stage = "argument"
        if self._unusable is not None:
            self._broken(number, stage, *self._unusable)
            return

        try:
            place, *arguments = pickles.load(data, buffers)
            del data, buffers
            baggage: Sequence[Baggage] = ()
            if place.__class__ is tuple:
                place, baggage = place
            function = self._functions[place]
            if function.__class__ is bytes:
                stage = "function"
                function = self._functions[place] = pickles.load(function)
        except BaseException as error:
            self._broken(number, stage, explained(error), "")
            return

        context = self._context.copy()
        self.current = number
        try:
            if number in self._told:
                self._end_current()
            for prepare, given in baggage:
                context.run(prepare, given)
            result = context.run(function, *arguments)
            if result.__class__ is CoroutineType:
                result = self._coroutines.run(result, context)
        except BaseException as error:
            self.current = 0
            self._keeper.restore()
            self._send(wire.ERROR, number, pickles.dump_error(error))
            return

        self.current = 0
        del arguments, function, context
        self._keeper.restore()
        try:
            dumped, large = pickles.dump(result)
        except BaseException as error:
            path = pickles.culprit(result, "result")
            self._broken(number, "result", error, path)
            return

        self._send(wire.RESULT, number, dumped, large)

    def _broken(self, number: int, stage: str, error: BaseException, path: str) -> None:
        """Send what could not be pickled or unpickled, and why."""
        self._keeper.restore()
        told = stage, path, pickles.dump_error(error)
        self._send(wire.BROKEN, number, pickle.dumps(told))

    def _send(
        self,
        kind: int,
        number: int,
        data: bytes,
        buffers: Sequence[memoryview] = (),
    ) -> None:
        with self._sending:
            wire.send(self._connection, wire.pieces_of(kind, number, data, buffers))

    def _send_record(self, record: bytes) -> None:
        """Send a log record, of whatever thread."""
        self._send(wire.LOG, self.current, record)

    def _terminate(self, number: int, frame: object) -> None:
        """Handle SIGTERM: the run means the present task, anybody else this process."""
        try:
            told = os.read(self._interrupts, 1024)
        except BlockingIOError:
            if self._told:
                return  # it is ending, and this process with it

            _flush()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
            return

        self._told |= {number for (number,) in NUMBER.iter_unpack(told)}

        if self.current in self._told:
            self._end_current()

    def _end_current(self) -> None:
        """End the present task by an exception."""
        from ..errors import TaskCancelled

        self.current = 0  # once
        if not self._coroutines.cancel():
            raise TaskCancelled("the task was told to end", "")


class Coroutines:
    """Run coroutines, one after another, on an event loop that is kept."""

    def __init__(self) -> None:
        self._runner: Any = None
        self._running: asyncio.Task[Any] | None = None

    def run(self, coroutine: Any, context: Context) -> Any:
        """Run one to its end, in the context of its task."""
        import asyncio

        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(reachable(coroutine, self._runs_as), context=context)

    def _runs_as(self, task: asyncio.Task[Any] | None) -> None:
        self._running = task

    def cancel(self) -> bool:
        """Cancel the one that is running, from a signal handler, if there is one."""
        running = self._running
        if running is None:
            return False

        running.get_loop().call_soon_threadsafe(running.cancel)
        return True


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass  # closed, or its reader is gone
