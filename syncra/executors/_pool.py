"""Threads that are kept between runs, since starting one costs more than a small graph.

There is no limit and no queue: whoever asks for a thread gets one. A thread that has
nothing to do waits for `IDLE_SECONDS` and then ends. All are daemons, so that none of
them keeps the interpreter from ending.
"""

from __future__ import annotations

import os
from itertools import count
from threading import Lock, Thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

IDLE_SECONDS = 10.0

_idle: list[_Kept] = []
_numbers = count(1)


class _Kept:
    """Run one job after another in one thread."""

    __slots__ = ("_job", "_wake")

    def __init__(self, job: Callable[[], object]) -> None:
        self._job: Callable[[], object] | None = job
        self._wake = Lock()
        self._wake.acquire()
        Thread(target=self._serve, name=f"syncra-{next(_numbers)}", daemon=True).start()

    def give(self, job: Callable[[], object]) -> None:
        """Run `job` next. Only for a worker that was taken from the idle ones."""
        self._job = job
        self._wake.release()

    def _serve(self) -> None:
        while True:
            job = self._job
            self._job = None
            assert job is not None
            try:
                job()
            finally:
                # Nothing of the finished run may live on in a waiting thread.
                del job
                _idle.append(self)
            if not self._wake.acquire(timeout=IDLE_SECONDS):
                try:
                    _idle.remove(self)
                except ValueError:
                    self._wake.acquire()  # taken this very moment: the job comes
                else:
                    return


def start_thread(job: Callable[[], object]) -> None:
    """Run `job` in a thread, at once."""
    try:
        kept = _idle.pop()
    except IndexError:
        _Kept(job)
    else:
        kept.give(job)


def idle_count() -> int:
    """Return how many threads wait for a job."""
    return len(_idle)


# A child made by fork has none of these threads.
os.register_at_fork(after_in_child=_idle.clear)
