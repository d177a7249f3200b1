"""Sending messages beside a run, which has no time to wait for it.

What is to be sent is complete when it is handed over, so nothing of a run is kept
alive. One thread for each observer sends one message after another, and ends when there
is none. It is no daemon: the end of the program waits for it, and for how long is
bounded, since every sending is.
"""

from __future__ import annotations

import atexit
import os
from collections import deque
from threading import Condition, Thread, main_thread
from time import sleep
from weakref import WeakSet, ref

from .._clock import clock
from .._names import message_of
from .._observing import MOST_ERRORS, ObserverError
from ..errors import DeliveryFailed
from ._base import Observer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn, Self

    from .._run import Run


#: The most messages that wait to be sent; one more is dropped, and that reported.
MOST_WAITING = 100
#: The program is over: seconds after which a message that still waits is not begun
#: with, and the most between two tries of one.
LAST_PATIENCE = 60.0
LAST_PAUSE = 1.0

_deliveries: WeakSet[Delivery] = WeakSet()
#: Whether the interpreter would not wait for a thread that is started now.
_is_exiting = False


class _Parcel:
    """Hold something that is to be sent, and what it tells of."""

    __slots__ = ("event", "run", "send", "since")

    def __init__(self, run: Run, event: str, send: Callable[[], object]) -> None:
        self.run = ref(run)
        self.event = event
        self.send = send
        self.since = clock()


class Delivery:
    """Send messages in a thread of its own, and keep what goes wrong.

    Parameters:
        observer: whose messages they are.
        clean: what takes the secrets out of a text.
    """

    def __init__(self, observer: object, clean: Callable[[str], str]) -> None:
        self._observer = ref(observer)
        self._who = type(observer).__name__
        self._clean = clean
        self._errors: deque[DeliveryFailed] = deque(maxlen=MOST_ERRORS)
        self.reset()
        _deliveries.add(self)

    def reset(self) -> None:
        """Forget what is under way: a child made by fork has not the thread."""
        self._changed = Condition()
        self._waiting: deque[_Parcel] = deque()
        self._is_sending = False

    @property
    def errors(self) -> tuple[DeliveryFailed, ...]:
        """Return what went wrong, the last ones of many."""
        with self._changed:
            return tuple(self._errors)

    def put(self, run: Run, event: str, send: Callable[[], object]) -> None:
        """Have something sent, soon; in this thread if there cannot be another one.

        Parameters:
            run: the run it tells of.
            event: what has happened to it.
            send: what sends it; raises `DeliveryFailed` if it cannot.
        """
        parcel = _Parcel(run, event, send)
        with self._changed:
            is_full = len(self._waiting) >= MOST_WAITING
            starts = not self._is_sending and not is_full
            if not is_full:
                self._waiting.append(parcel)
            if starts:
                self._is_sending = True
        if is_full:
            self._fail(parcel, f"{MOST_WAITING} others wait to be sent: dropped")
        elif starts and not self._started():
            self._serve()

    def _started(self) -> bool:
        """Start the thread and return whether that was possible."""
        if _is_exiting:
            return False

        try:
            Thread(target=self._serve, name=f"alerts of {self._who}").start()
        except RuntimeError:  # no more threads
            return False

        return True

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until everything is sent or given up; return whether it is.

        Parameters:
            timeout: the most seconds to wait; for as long as it takes if None.
        """
        with self._changed:
            return self._changed.wait_for(lambda: not self._is_sending, timeout)

    def _serve(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._is_sending = False
                    self._changed.notify_all()
                    return

                parcel = self._waiting.popleft()
            self._deliver(parcel)
            del parcel

    def _deliver(self, parcel: _Parcel) -> None:
        waited = clock() - parcel.since
        if waited > LAST_PATIENCE and not main_thread().is_alive():
            return self._fail(parcel, "the program has ended before it was its turn")

        try:
            parcel.send()
        except DeliveryFailed as error:
            # As it is, but without frames: they know passwords.
            self._note(parcel, error.with_traceback(None))
        except BaseException as error:
            text = f"{type(error).__name__}: {message_of(error)}"
            self._fail(parcel, self._clean(text))

    def _fail(self, parcel: _Parcel, why: str) -> None:
        self._note(parcel, DeliveryFailed(f"{self._who} has not sent: {why}", ""))

    def _note(self, parcel: _Parcel, error: DeliveryFailed) -> None:
        """Keep an error, here and at the run if that is still there, and log it."""
        from logging import getLogger

        error.__cause__ = error.__context__ = None
        with self._changed:
            self._errors.append(error)
        getLogger("syncra.observers").warning("%s", error)
        run = parcel.run()
        if run is not None and len(run.observer_errors) < MOST_ERRORS:
            run.observer_errors.append(
                ObserverError(self._observer(), parcel.event, error)
            )


def pause(seconds: float) -> None:
    """Wait between two tries of sending; not for long if the program is over."""
    began = clock()
    while (passed := clock() - began) < seconds:
        if not main_thread().is_alive() and passed >= LAST_PAUSE:
            return

        sleep(min(seconds - passed, 0.2))


class Alert(Observer):
    """Be the base of the observers that send messages.

    A context manager: at its end it waits for what is under way.
    """

    _delivery: Delivery

    @property
    def errors(self) -> tuple[DeliveryFailed, ...]:
        """Return why messages could not be sent, the last 100 of many."""
        return self._delivery.errors

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all messages are sent or given up, and return whether they are.

        Parameters:
            timeout: the most seconds to wait; for as long as it takes if None, which
                is bounded, since every sending is.
        """
        return self._delivery.wait(timeout)

    def close(self) -> None:
        """Wait until all messages are sent or given up. It can be used again."""
        self._delivery.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        name = type(self).__name__
        raise TypeError(
            f"{name} cannot be pickled or copied, since what it logs in or signs with "
            f"must not travel; make another {name} where it is used"
        )


@atexit.register
def _end_all() -> None:
    """Wait for what was started too late for the interpreter to wait for it."""
    global _is_exiting  # noqa: PLW0603
    _is_exiting = True
    for delivery in list(_deliveries):
        delivery.wait(LAST_PATIENCE)


def _forget_all() -> None:
    for delivery in list(_deliveries):
        delivery.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
