"""taskade, which was the first Syncra.

A graph of taskade runs once: after that it gives the results of that run. So each run
makes a graph of tasks that were made before, with its capacity known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

from ..model import Cannot
from ..shapes import Shape
from ._base import Peer
from ._pools import WORKERS


class Taskade(Peer):
    """Run the graph in the calling thread."""

    name = "taskade"
    package = "taskade"
    measurements: tuple[str, ...] = ("P1",)

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        graph_of, last = self._prepared(shape, count)
        return lambda: graph_of()()[last]

    def _prepared(self, shape: Shape, count: int) -> tuple[Callable[[], Any], str]:
        """Return what makes the graph, and the name of the last task."""
        from taskade import Graph, Task

        work = shape.work(count)
        tasks: list[Any] = []
        for number, function in enumerate(work.functions):
            before = tuple([tasks[one] for one in work.waits_for[number]])
            tasks.append(Task(function, before or None, name=f"t{number}"))
        all_tasks = tuple(tasks)

        def graph_of() -> Any:
            return Graph(all_tasks, initial_capacity=count)

        return graph_of, f"t{count - 1}"


class _InPool(Taskade):
    """Run the graph in a pool that is handed to it, and lives on between runs."""

    def __init__(self) -> None:
        self._pool = self._make_pool()

    def _make_pool(self) -> Executor:
        raise NotImplementedError

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        graph_of, last = self._prepared(shape, count)
        return lambda: graph_of()(concurrency_pool=self._pool)[last]

    def close(self) -> None:
        self._pool.shutdown()


class TaskadeThreads(_InPool):
    """Run the graph in two threads."""

    measurements = ("P2",)

    def _make_pool(self) -> Executor:
        return ThreadPoolExecutor(WORKERS)


class TaskadeProcesses(_InPool):
    """Run the graph in two processes."""

    measurements = ("P4",)
    in_processes = True

    def _make_pool(self) -> Executor:
        return ProcessPoolExecutor(WORKERS, get_context("forkserver"))


class TaskadeAsyncio(Taskade):
    """Await the graph in asyncio."""

    measurements = ("P3",)

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        graph_of, last = self._prepared(shape, count)
        start = self._runner.run

        async def run() -> object:
            return (await graph_of()())[last]

        return lambda: start(run())

    def close(self) -> None:
        self._runner.close()


class TaskadeMixed(TaskadeAsyncio):
    """Await the graph in asyncio; functions are called on the loop, not in threads."""

    name = "taskade, on loop"
    measurements = ("P11",)

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        run = super().prepare(shape, count)
        if shape.name != "chain":
            # Its wrapper of functions looks at a variable of a loop that has gone on.
            raise Cannot("calls the last of those ready in place of each")

        return run
