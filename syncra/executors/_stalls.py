"""Telling who blocks an event loop.

A coroutine that computes, sleeps with `time.sleep` or waits for a lock holds up every
other one. From outside that shows as a callback that does not get its turn.
"""

from __future__ import annotations

from functools import partial

from .._alarm import call_at
from .._clock import clock
from ._pool import start_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._base import Work
    from .coroutines import LoopHost

#: Seconds without a turn after which a loop counts as blocked.
PATIENCE = 0.5
#: Seconds between two looks.
INTERVAL = 0.25

_watched: set[_Watch] = set()


class _Watch:
    """Watch one loop on behalf of one run."""

    def __init__(self, host: LoopHost, work: Work) -> None:
        self._host = host
        self._work = work
        self._asked_at: float | None = None
        #: The task that was told of last.
        self._blamed = -1

    def look(self, now: float) -> None:
        if self._asked_at is None:
            self._asked_at = now
            try:
                self._host.call_soon(self._answer)
            except RuntimeError:
                _watched.discard(self)  # the loop was closed
        elif now - self._asked_at >= PATIENCE:
            task = self._host.stepping
            if task != self._blamed:
                self._blamed = task
                # A log may take its time, and this is the clock of all runs.
                start_thread(partial(self._work.stalled, task, PATIENCE))

    def _answer(self) -> None:
        self._asked_at = None


class _Guard:
    """Look at all watched loops now and then, as long as there are any."""

    def __init__(self) -> None:
        self._armed = False

    def arm(self) -> None:
        if not self._armed:
            self._armed = True
            try:
                call_at(clock() + INTERVAL, self._look)
            except RuntimeError:
                self._armed = False  # there is no thread for the clock now

    def _look(self) -> None:
        self._armed = False
        if not _watched:
            return

        self.arm()
        now = clock()
        for watch in list(_watched):
            watch.look(now)


_guard = _Guard()


def watch_for_stalls(host: LoopHost, work: Work) -> Callable[[], None]:
    """Watch the loop of a run; return what ends that."""
    watch = _Watch(host, work)
    _watched.add(watch)
    _guard.arm()
    return lambda: _watched.discard(watch)
