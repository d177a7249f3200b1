"""Threads that are kept between runs, since starting one costs more than a small graph.

There is no limit and no queue: whoever asks for a thread gets one. A thread that has
nothing to do waits for `IDLE_SECONDS` and then ends. All are daemons, so that one that
hangs does not keep the interpreter from ending; the others are ended with it in good
order, for a daemon that is stopped half-way may hold what the interpreter waits for.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from itertools import count
from threading import ExceptHookArgs, Lock, Thread
from time import sleep

from .._clock import clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

IDLE_SECONDS = 10.0
#: The most seconds that the end of the interpreter waits for threads to end a job.
LAST_WAIT = 1.0

#: Called in a thread that has ended a job, before it waits for the next one.
after_job: list[Callable[[], object]] = []

_idle: list[_Kept] = []
#: Threads that have a job and are expected to end it, by name.
_busy: dict[str, _Kept] = {}
_numbers = count(1)


class _Kept:
    """Run one job after another in one thread."""

    __slots__ = ("_job", "_wake", "thread")

    def __init__(self, job: Callable[[], object]) -> None:
        self._job: Callable[[], object] | None = job
        self._wake = Lock()
        self._wake.acquire()
        name = f"syncra-{next(_numbers)}"
        self.thread = Thread(target=self._serve, name=name, daemon=True)
        _busy[name] = self
        try:
            self.thread.start()
        except BaseException:
            del _busy[name]
            raise

    def give(self, job: Callable[[], object] | None) -> None:
        """Run `job` next; end if it is None. Only for one taken from the idle ones."""
        self._job = job
        if job is not None:
            _busy[self.thread.name] = self
        self._wake.release()

    def _serve(self) -> None:
        name = self.thread.name
        while True:
            job = self._job
            self._job = None
            if job is None:
                return

            try:
                try:
                    job()
                finally:
                    for callback in after_job:
                        callback()
            except BaseException:
                # The thread is given other jobs: it must not end of this one.
                threading.excepthook(ExceptHookArgs((*sys.exc_info(), self.thread)))
            # Nothing of the finished run may live on in a waiting thread.
            del job
            _idle.append(self)
            _busy.pop(name, None)
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


def give_up(name: str) -> None:
    """Take note that a thread is not expected to end its job."""
    _busy.pop(name, None)


def idle_count() -> int:
    """Return how many threads wait for a job."""
    return len(_idle)


@atexit.register
def _end_all() -> None:
    deadline = clock() + LAST_WAIT
    while (_busy or _idle) and clock() < deadline:
        try:
            kept = _idle.pop()
        except IndexError:
            sleep(0.0005)  # the busy ones are about to become idle
        else:
            kept.give(None)
            kept.thread.join(max(deadline - clock(), 0))


def _forget_all() -> None:
    _idle.clear()
    _busy.clear()


# A child made by fork has none of these threads.
os.register_at_fork(after_in_child=_forget_all)
