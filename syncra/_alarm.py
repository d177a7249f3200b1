"""One thread that calls others at the time they asked for.

All runs share it: it wakes retries, ends attempts whose time is up and ends the grace
of runs that are to stop. It starts when it is first needed and then stays, asleep.

`call_at` takes no lock, so a signal handler may use it.
"""

from __future__ import annotations

import atexit
import os
from _thread import start_new_thread
from collections import deque
from heapq import heappop, heappush
from itertools import count
from threading import Lock, current_thread

from ._clock import clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Alarm: TypeAlias = tuple[float, int, Callable[[], object]]

#: Waits longer than this are cut up; the platform has a limit of its own.
_LONGEST_WAIT = 1e6


class _Clock:
    """Hold the thread and what it has been asked for."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        # Not a queue: its timed wait was seen to miss an item without the GIL.
        self._inbox: deque[Alarm] = deque()
        self._wake = Lock()
        self._wake.acquire()
        self._numbers = count()
        self._started = False
        self._ended = Lock()
        self._ended.acquire()

    def call_at(self, when: float, callback: Callable[[], object]) -> None:
        self._put((when, next(self._numbers), callback))
        if not self._started:
            # Two starting at once share the inbox, and each alarm goes to one of them.
            self._started = True
            try:
                start_new_thread(self._serve, ())
            except BaseException:
                self._started = False  # the next one tries again
                raise

    def _put(self, alarm: Alarm) -> None:
        self._inbox.append(alarm)
        try:
            self._wake.release()
        except RuntimeError:
            pass  # it is awake already, and looks into the inbox before it sleeps

    def end(self) -> None:
        """End the thread, with the interpreter: it must not be stopped half-way."""
        if self._started:
            self._put((-1.0, -1, self.end))
            self._ended.acquire(timeout=1.0)

    def _serve(self) -> None:
        # Started without `threading`, whose locks a signal handler may not wait for.
        current_thread().name = "syncra-clock"
        inbox = self._inbox
        alarms: list[Alarm] = []
        while True:
            wait = -1.0
            if alarms:
                wait = min(max(alarms[0][0] - clock(), 0.0), _LONGEST_WAIT)
            self._wake.acquire(timeout=wait)
            while inbox:
                heappush(alarms, inbox.popleft())
            while alarms and alarms[0][0] <= clock():
                _, _, callback = heappop(alarms)
                if callback == self.end:
                    return self._ended.release()

                try:
                    callback()
                except BaseException as error:
                    _report(error)
                callback = None  # type: ignore[assignment]


def call_at(when: float, callback: Callable[[], object]) -> None:
    """Have `callback` called at `when`, in seconds on `clock`, in another thread."""
    _clock.call_at(when, callback)


def _report(error: BaseException) -> None:
    """Show an error that nobody is there to catch, as `threading` does."""
    import sys

    sys.excepthook(type(error), error, error.__traceback__)


_clock = _Clock()
atexit.register(_clock.end)
# A child made by fork has not this thread.
os.register_at_fork(after_in_child=_clock.reset)
