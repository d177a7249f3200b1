"""Tawazi, which calls functions only: it does not await coroutines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..shapes import Shape
from ._base import Peer
from ._pools import WORKERS


class Tawazi(Peer):
    """Run the graph in the calling thread."""

    name = "tawazi"
    package = "tawazi"
    measurements = ("P1",)
    most_tasks = 1_000  # it makes a graph of 10,000 in 20 seconds
    resource = "main-thread"
    workers = 1

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        from tawazi import Resource, dag, xn

        work = shape.work(count)
        resource = Resource(self.resource)
        nodes = {
            function: xn(function, resource=resource)
            for function in set(work.functions)
        }

        def describe() -> Any:
            values: list[Any] = []
            for function, before in zip(work.functions, work.waits_for, strict=True):
                values.append(nodes[function](*[values[one] for one in before]))
            return values[-1]

        run: Callable[[], object] = dag(describe, max_concurrency=self.workers)
        return run


class TawaziThreads(Tawazi):
    """Run the graph in two threads, which it starts anew for each run."""

    measurements = ("P2",)
    resource = "thread"
    workers = WORKERS
