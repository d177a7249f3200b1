"""Dask's own schedulers, without its collections and without a cluster."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

from ..shapes import Shape
from ._base import Peer
from ._pools import WORKERS


class Dask(Peer):
    """Run the graph in the calling thread."""

    name = "dask"
    package = "dask"
    measurements = ("P1",)

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        from dask import get

        graph, ends = graph_of(shape, count)
        return lambda: get(graph, ends)[-1]


class _InPool(Dask):
    """Run the graph in a pool that is handed to it, and lives on between runs."""

    def __init__(self) -> None:
        self._pool = self._make_pool()

    def _make_pool(self) -> Executor:
        raise NotImplementedError

    def close(self) -> None:
        self._pool.shutdown()


class DaskThreads(_InPool):
    """Run the graph in two threads."""

    measurements = ("P2",)

    def _make_pool(self) -> Executor:
        return ThreadPoolExecutor(WORKERS)

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        from dask.threaded import get

        graph, ends = graph_of(shape, count)
        return lambda: get(graph, ends, pool=self._pool)[-1]


class DaskProcesses(_InPool):
    """Run the graph in two processes, with its own default of joining chains."""

    measurements = ("P4",)
    in_processes = True

    def _make_pool(self) -> Executor:
        return ProcessPoolExecutor(WORKERS, get_context("forkserver"))

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        from dask.multiprocessing import get

        graph, ends = graph_of(shape, count)
        return lambda: get(graph, ends, pool=self._pool)[-1]


def graph_of(shape: Shape, count: int) -> tuple[dict[str, Any], list[str]]:
    """Return the graph as its specification has it, and the tasks none waits for.

    The older form of tasks, tuples, would be made into this one in every run.
    """
    from dask._task_spec import Task, TaskRef  # described, but not exported

    work = shape.work(count)
    graph = {
        f"t{task}": Task(f"t{task}", function, *[TaskRef(f"t{one}") for one in before])
        for task, (function, before) in enumerate(
            zip(work.functions, work.waits_for, strict=True)
        )
    }
    return graph, [f"t{task}" for task in work.ends()]
