"""joblib, which runs loops: of the shapes, only the wide one is a loop.

Its root and its last task are called by the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..model import Cannot
from ..shapes import Shape
from ._base import Peer
from ._pools import WORKERS


class Joblib(Peer):
    """Run the loop in the calling thread."""

    name = "joblib"
    package = "joblib"
    measurements = ("P1",)
    backend = "sequential"
    workers = 1

    def __init__(self) -> None:
        self._parallel: Any = None

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        from joblib import Parallel, delayed

        if shape.name != "wide":
            raise Cannot("runs loops, not graphs")

        first, *middle, last = shape.work(count).functions
        calls = [delayed(function) for function in middle]
        # Entered, so that its workers live on between runs.
        parallel = Parallel(n_jobs=self.workers, backend=self.backend)
        self._parallel = parallel.__enter__()

        def run() -> object:
            value = first()
            return last(*parallel(call(value) for call in calls))

        return run

    def close(self) -> None:
        if self._parallel is not None:
            self._parallel.__exit__(None, None, None)


class JoblibThreads(Joblib):
    """Run the loop in two threads."""

    measurements = ("P2",)
    backend = "threading"
    workers = WORKERS


class JoblibProcesses(Joblib):
    """Run the loop in two processes, those of loky."""

    measurements = ("P4",)
    in_processes = True
    backend = "loky"
    workers = WORKERS
