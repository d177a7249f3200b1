"""Functions in the processes of a `ProcessPoolExecutor`, by hand, in two ways.

The pool lives on between runs. Neither cares for a task that fails: that would only
make them slower.
"""

from __future__ import annotations

from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from queue import SimpleQueue
from threading import Event
from typing import Any

from ..shapes import Work
from ._pools import WORKERS, InPool


class _InProcesses(InPool):
    """Run graphs in a pool of two processes, begun as Syncra begins its own."""

    def __init__(self) -> None:
        super().__init__(ProcessPoolExecutor(WORKERS, get_context("forkserver")))


class ProcessPoolAndQueue(_InProcesses):
    """Submit what is ready from the calling thread, which hears of ends by a queue."""

    name = "pool + queue"

    def _run(
        self,
        work: Work,
        followers: list[list[int]],
        missing: list[int],
        roots: list[int],
    ) -> object:
        functions, waits_for = work.functions, work.waits_for
        values: list[Any] = [None] * len(functions)
        finished: SimpleQueue[tuple[int, Future[Any]]] = SimpleQueue()
        report = finished.put

        def submit(task: int) -> None:
            arguments = [values[one] for one in waits_for[task]]
            future = self._pool.submit(functions[task], *arguments)
            future.add_done_callback(lambda future: report((task, future)))

        for task in roots:
            submit(task)
        for _ in functions:
            task, future = finished.get()
            values[task] = future.result()
            for follower in followers[task]:
                missing[follower] -= 1
                if not missing[follower]:
                    submit(follower)
        return values[-1]


class ProcessPoolFromCallback(_InProcesses):
    """Submit what is ready from the thread of the pool that hears of an end first."""

    name = "pool + callbacks"

    def _run(
        self,
        work: Work,
        followers: list[list[int]],
        missing: list[int],
        roots: list[int],
    ) -> object:
        functions, waits_for = work.functions, work.waits_for
        values: list[Any] = [None] * len(functions)
        over = Event()
        # All callbacks are made in one thread, so no count needs a lock.
        left = len(functions)

        def submit(task: int) -> None:
            arguments = [values[one] for one in waits_for[task]]
            future = self._pool.submit(functions[task], *arguments)
            future.add_done_callback(partial(finish, task))

        def finish(task: int, future: Future[Any]) -> None:
            nonlocal left
            values[task] = future.result()
            for follower in followers[task]:
                missing[follower] -= 1
                if not missing[follower]:
                    submit(follower)
            left -= 1
            if not left:
                over.set()

        for task in roots:
            submit(task)
        over.wait()
        return values[-1]
