"""pipefunc, by `map`, which is faster than `run` and does not need recursion."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

from ..shapes import Shape
from ._base import Peer
from ._naming import is_of_any_number, named
from ._pools import WORKERS


class Pipefunc(Peer):
    """Run the graph in the calling thread."""

    name = "pipefunc"
    package = "pipefunc"
    measurements = ("P1",)
    most_tasks = 100  # it makes a graph of 1,000 in 40 seconds

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        pipeline, last = pipeline_of(shape, count)
        return lambda: (
            pipeline.map({}, parallel=False, storage="dict", show_progress=False)[
                last
            ].output
        )


class _InPool(Pipefunc):
    """Run the graph in a pool that is handed to it, and lives on between runs."""

    def __init__(self) -> None:
        self._pool = self._make_pool()

    def _make_pool(self) -> Executor:
        raise NotImplementedError

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        pipeline, last = pipeline_of(shape, count)
        return lambda: (
            pipeline.map({}, executor=self._pool, storage="dict", show_progress=False)[
                last
            ].output
        )

    def close(self) -> None:
        self._pool.shutdown()


class PipefuncThreads(_InPool):
    """Run the graph in two threads."""

    measurements = ("P2",)

    def _make_pool(self) -> Executor:
        return ThreadPoolExecutor(WORKERS)


class PipefuncProcesses(_InPool):
    """Run the graph in two processes."""

    measurements = ("P4",)
    in_processes = True

    def _make_pool(self) -> Executor:
        return ProcessPoolExecutor(WORKERS, get_context("forkserver"))


def pipeline_of(shape: Shape, count: int) -> tuple[Any, str]:
    """Return the pipeline and the name of its last result."""
    from pipefunc import PipeFunc, Pipeline

    work = shape.work(count)
    functions = []
    for task, function in enumerate(work.functions):
        before = [f"t{one}" for one in work.waits_for[task]]
        if is_of_any_number(function):
            functions.append(PipeFunc(named(function, f"t{task}", before), f"t{task}"))
        else:
            names = dict(
                zip(inspect.signature(function).parameters, before, strict=True)
            )
            functions.append(PipeFunc(function, f"t{task}", renames=names))
    return Pipeline(functions, validate_type_annotations=False), f"t{count - 1}"
