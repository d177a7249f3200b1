"""Functions in threads: the default for everything that is not a coroutine."""

from __future__ import annotations

import os
from functools import partial
from sys import modules
from threading import Lock, current_thread, get_ident

from ._base import Executor, Lane, work
from ._pool import after_job, give_up, start_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._base import Work, Worker


class Threads(Executor):
    """Run functions in threads, several at once.

    A coroutine function given to it is run to its end in its thread, on an event loop
    of that thread.

    Parameters:
        max_workers: how many tasks of a run may be running at once; by default four
            more than the machine has cores, and 32 at most.

    Raises:
        ValueError: if max_workers is not positive.

    Example:
        >>> from syncra import Graph, Threads
        >>> graph = Graph("pages", executor=Threads(50))
        >>> @graph.task
        ... def page() -> str:
        ...     return "<html>"
        >>> graph().records["page"].executor
        'threads'
    """

    __slots__ = ("max_workers",)

    name = "threads"
    is_bounded = True

    def __init__(self, max_workers: int | None = None) -> None:
        if max_workers is None:
            max_workers = min(32, (os.cpu_count() or 1) + 4)
        self.max_workers = checked_count(max_workers)

    def __repr__(self) -> str:
        return f"Threads({self.max_workers})"

    def adapt(
        self, function: Callable[..., Any], is_async: bool, in_loop: bool
    ) -> Callable[..., Any]:
        if is_async:
            from ._private_loop import OnPrivateLoop

            return OnPrivateLoop(function)

        return function

    def open(self, index: int, in_loop: bool) -> ThreadLane:
        return ThreadLane(index, self.max_workers)


class ThreadLane(Lane):
    """Give one run its threads.

    A worker that finds nothing ready goes back to the kept threads at once; it is as
    cheap to call it again as to wake it. One worker may be the caller of the run, who
    waits here instead while nothing is ready.
    """

    __slots__ = (
        "_active",
        "_caller",
        "_caller_waits",
        "_max_workers",
        "_numbers",
        "_work",
    )

    serves_caller = True

    def __init__(self, index: int, max_workers: int) -> None:
        super().__init__(index)
        self._max_workers = max_workers
        self._active = 0
        self._caller: Lock | None = None  # released when the caller shall go on
        self._caller_waits = False
        #: The numbers of its threads, by name.
        self._numbers: dict[str, int] = {}

    @property
    def in_one_thread(self) -> bool:
        return self._max_workers == 1

    def attach(self, work: Work) -> None:
        self._work = work

    def hire(self) -> None:
        self._active += 1
        self.vacant = self._active < self._max_workers
        if self._caller_waits:
            self._wake_caller()
            return

        try:
            start_thread(self._job())
        except RuntimeError:
            # There are no more threads to be had: those there are go on.
            self._active -= 1
            self.vacant = False
            if not self._active:
                raise

    def _job(self) -> Callable[[], object]:
        """Return what a thread is to do that is hired."""
        return partial(_work, self._work, self)

    def left(self) -> None:
        self._active -= 1
        self.vacant = True

    def interrupt(self, task: int, worker: Worker) -> bool:
        # A thread cannot be interrupted, but a coroutine in it can.
        private_loop = modules.get(f"{__package__}._private_loop")
        return private_loop is not None and bool(
            private_loop.interrupt(
                self._numbers.get(str(worker), 0), worker, self._work, task
            )
        )

    def abandon(self, task: int, worker: Worker) -> bool:
        self.left()
        give_up(str(worker))
        return True

    def over(self) -> None:
        if self._caller_waits:
            self._wake_caller()

    def serve(self) -> None:
        """Be a worker in the calling thread until the run is over."""
        try:
            self._serve(self._work)
        finally:
            for callback in after_job:
                callback()

    def _serve(self, run: Work) -> None:
        self._caller = Lock()
        self._caller.acquire()
        with run.lock:
            self._active += 1
            self.vacant = self._active < self._max_workers
        while True:
            try:
                self.pull(run)
            except BaseException as error:
                run.crash(error)
                raise

            with run.lock:
                if run.is_over:
                    return

                self._caller_waits = True
            # What becomes ready from now on comes through `hire`; nothing was ready
            # when the worker left, and what came between has found another thread.
            self._caller.acquire()
            if run.is_over:
                return

    def pull(self, run: Work) -> None:
        """Be a worker in the calling thread until nothing is ready."""
        self._numbers[current_thread().name] = get_ident()
        work(run, self)

    def _wake_caller(self) -> None:
        assert self._caller is not None
        self._caller_waits = False
        self._caller.release()


def _work(run: Work, lane: ThreadLane) -> None:
    try:
        lane.pull(run)
    except BaseException as error:
        run.crash(error)


def checked_count(count: object, option: str = "max_workers") -> int:
    """Return a number of workers or of what else, or raise for what cannot be one."""
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"{option} is a positive int, got {count!r}")

    if count < 1:
        raise ValueError(f"{option} is at least 1, got {count}")

    return count
