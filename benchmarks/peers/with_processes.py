"""Processes, the library, whose tasks run in the calling thread or in threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..shapes import Shape
from ._base import Peer
from ._pools import WORKERS


class ProcessesSequential(Peer):
    """Run the graph in the calling thread."""

    name = "processes"
    package = "processes"
    measurements = ("P1",)

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        from processes import Process

        process = Process(tasks_of(shape, count))
        last = f"t{count - 1}"
        return lambda: process.run(parallel=False).entries[last].result


class ProcessesThreads(Peer):
    """Run the graph in two threads, which it starts anew for each run.

    What has run in threads gives the same results again, so each run is of a new
    `Process` of tasks that were made before.
    """

    name = "processes"
    package = "processes"
    measurements = ("P2",)

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        from processes import Process

        tasks = tasks_of(shape, count)
        last = f"t{count - 1}"

        def run() -> object:
            report = Process(tasks).run(parallel=True, max_workers=WORKERS)
            return report.entries[last].result

        return run


def tasks_of(shape: Shape, count: int) -> list[Any]:
    """Return the tasks of a graph, without a log file."""
    from processes import Task, TaskDependency

    work = shape.work(count)
    return [
        Task(
            f"t{task}",
            function,
            dependencies=[
                TaskDependency(f"t{one}", use_result_as_additional_args=True)
                for one in before
            ],
        )
        for task, (function, before) in enumerate(
            zip(work.functions, work.waits_for, strict=True)
        )
    ]
