"""Functions in the threads of a `ThreadPoolExecutor`, by hand, in three ways.

The pool lives on between runs. None of them cares for a task that fails: that would
only make them slower.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event, Lock
from typing import Any

from ..shapes import Work
from ._pools import WORKERS, InPool


class _InThreads(InPool):
    """Run graphs in a pool of two threads."""

    def __init__(self, workers: int = WORKERS) -> None:
        super().__init__(ThreadPoolExecutor(workers))
        self._workers = workers


class PoolAndQueue(_InThreads):
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
        finished: SimpleQueue[int] = SimpleQueue()
        submit, report, next_finished = self._pool.submit, finished.put, finished.get

        def execute(task: int) -> None:
            values[task] = functions[task](*[values[one] for one in waits_for[task]])
            report(task)

        for task in roots:
            submit(execute, task)
        for _ in functions:
            for follower in followers[next_finished()]:
                missing[follower] -= 1
                if not missing[follower]:
                    submit(execute, follower)
        return values[-1]


class PoolFromInside(_InThreads):
    """Submit what is ready from the task that made it so: no queue of ends."""

    name = "pool from inside"

    def _run(
        self,
        work: Work,
        followers: list[list[int]],
        missing: list[int],
        roots: list[int],
    ) -> object:
        functions, waits_for = work.functions, work.waits_for
        values: list[Any] = [None] * len(functions)
        submit, lock, over = self._pool.submit, Lock(), Event()
        left = len(functions)

        def execute(task: int) -> None:
            nonlocal left
            values[task] = functions[task](*[values[one] for one in waits_for[task]])
            ready = []
            with lock:
                for follower in followers[task]:
                    missing[follower] -= 1
                    if not missing[follower]:
                        ready.append(follower)
                left -= 1
                if not left:
                    over.set()
            for follower in ready:
                submit(execute, follower)

        for task in roots:
            submit(execute, task)
        over.wait()
        return values[-1]


class PullingWorkers(_InThreads):
    """Submit two loops that take ready tasks from a queue: Syncra's idea, bare."""

    name = "own pulling loops"

    def _run(
        self,
        work: Work,
        followers: list[list[int]],
        missing: list[int],
        roots: list[int],
    ) -> object:
        functions, waits_for = work.functions, work.waits_for
        values: list[Any] = [None] * len(functions)
        ready: SimpleQueue[int] = SimpleQueue()
        lock, left = Lock(), len(functions)

        def pull() -> None:
            nonlocal left
            take, offer = ready.get, ready.put
            while (task := take()) >= 0:
                values[task] = functions[task](
                    *[values[one] for one in waits_for[task]]
                )
                with lock:
                    for follower in followers[task]:
                        missing[follower] -= 1
                        if not missing[follower]:
                            offer(follower)
                    left -= 1
                    if not left:
                        for _ in range(self._workers):
                            offer(-1)

        for task in roots:
            ready.put(task)
        for future in [self._pool.submit(pull) for _ in range(self._workers)]:
            future.result()
        return values[-1]
