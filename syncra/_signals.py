"""Ctrl-C and SIGTERM while a script waits for a run.

The first signal ends the run in good order: nothing new starts, what can be interrupted
is, the rest has a grace; then the signal is raised where the run was called. A second
one ends it at once. Handlers of the user are left alone, and ours are gone when the run
is over.
"""

from __future__ import annotations

# `signal` itself imports `enum`, which takes longer than a small graph.
import _signal  # type: ignore[import-not-found]
import os
from threading import Lock, current_thread, main_thread

from ._clock import clock
from ._loops import running_library
from .executors._base import work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    from ._session import Session

_PACKAGE = __file__[: -len("_signals.py")]

#: Guards whose handlers are in force.
_guards: list[SignalGuard] = []


def wait_for(lock: Lock) -> None:
    """Wait until a lock is released. The frame of this is known to be waiting."""
    # A signal that comes just before a wait does not end it; most come early.
    wait = 0.01
    while not lock.acquire(timeout=wait):
        wait = min(2 * wait, 0.5)


def _signal_main_thread(number: int) -> None:
    """Make the main thread handle a signal, also where it sleeps."""
    if hasattr(_signal, "pthread_kill"):
        _signal.pthread_kill(main_thread().ident, number)
    else:
        from _thread import interrupt_main

        interrupt_main(number)  # type: ignore[arg-type]


def _is_of_a_task(frame: FrameType) -> bool:
    """Return whether a frame is of a task, not of what Syncra itself has called."""
    if frame.f_code.co_filename.startswith(_PACKAGE):
        return False

    around = frame.f_back
    while around is not None:
        if around.f_code.co_filename.startswith(_PACKAGE):
            return around.f_code is work.__code__

        around = around.f_back
    return False


class SignalGuard:
    """Handle signals for a run that the main thread waits for.

    Attributes:
        interruption: what is to be raised at the end, if a signal came.
    """

    __slots__ = ("_before", "_leaving", "_put_off", "_session", "interruption")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._before: list[tuple[int, Any]] = []
        self._put_off = False  # whether the next signal is one that came before
        #: Held by whoever has to know whether the main thread is still in the run.
        self._leaving = Lock()
        self.interruption: BaseException | None = None

    def __enter__(self) -> SignalGuard:
        if current_thread() is not main_thread():
            return self

        for number, default in (
            (_signal.SIGINT, _signal.default_int_handler),
            (_signal.SIGTERM, _signal.SIG_DFL),
        ):
            before = _signal.getsignal(number)
            # A handler of somebody else's has its own idea of what the signal means.
            if before is default or before == default:
                try:
                    _signal.signal(number, self._handle)
                except ValueError:
                    return self  # in a subinterpreter

                self._before.append((number, before))
        _guards.append(self)
        return self

    def __exit__(self, *raised: object) -> None:
        # The default handler of SIGINT may raise as soon as it is back, so it is last.
        with self._leaving:
            restored, self._before = self._before[::-1], []
        for number, before in restored:
            _signal.signal(number, before)
        if self in _guards:
            _guards.remove(self)

    def leave_child(self) -> None:
        """Let signals do in a child made by fork what they did before the run."""
        for number, before in self._before[::-1]:
            _signal.signal(number, before)
        self._before = []

    def _handle(self, number: int, frame: FrameType | None) -> None:
        # Runs in the main thread between any two instructions, so it takes no lock:
        # the main thread may be holding it.
        first, self._put_off = self.interruption is None or self._put_off, False
        if self.interruption is None:
            from ._alarm import call_at

            error: BaseException = (
                KeyboardInterrupt()
                if number == _signal.SIGINT
                else SystemExit(128 + number)
            )
            self.interruption = self._session.engine.interruption = error
            call_at(0.0, self._session.cancel)
        if frame is None:
            return

        assert self.interruption is not None
        code = frame.f_code
        if code is wait_for.__code__:
            if not first:
                raise KeyboardInterrupt

        elif _is_of_a_task(frame):
            # It is a task that runs here. A coroutine is cancelled by the session.
            if not first or running_library() is None:
                raise self.interruption

        elif not self._session.engine.is_over:
            # Raised here it could leave the run in disorder; so, in a moment.
            self._again(number)

    def _again(self, number: int) -> None:
        from ._alarm import call_at

        def again() -> None:
            # The main thread gets what is sent here before it can restore a handler.
            with self._leaving:
                if self._before:
                    self._put_off = True
                    _signal_main_thread(number)

        call_at(clock() + 0.005, again)


def _leave_child() -> None:
    # The run is its parent's, and a worker of a pool must end when it is told to.
    for guard in _guards:
        guard.leave_child()
    _guards.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_child)
