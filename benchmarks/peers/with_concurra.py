"""concurra, whose runners run once, so that each run makes one and adds the tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..model import Cannot
from ..shapes import Function, Shape
from ._base import Peer
from ._pools import WORKERS


class ConcurraThreads(Peer):
    """Run the graph in at most two threads at once, one for each task.

    It orders tasks and hands on no results, so tasks leave them where others look.
    """

    name = "concurra"
    package = "concurra"
    measurements = ("P2",)

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        from concurra import TaskRunner

        work = shape.work(count)
        tasks = list(enumerate(zip(work.functions, work.waits_for, strict=True)))

        def run() -> object:
            values: list[Any] = [None] * count

            def execute(task: int, function: Function, before: tuple[int, ...]) -> None:
                values[task] = function(*[values[one] for one in before])

            runner = TaskRunner(max_concurrency=WORKERS, progress_stats=False)
            for task, (function, before) in tasks:
                runner.add_task(
                    execute, task, function, before, label=task, depends_on=before
                )
            runner.run(verify=False)
            return values[-1]

        return run


class ConcurraProcesses(Peer):
    """Say why it does not take part where tasks run in processes."""

    name = "concurra"
    package = "concurra"
    measurements = ("P4",)
    in_processes = True

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        import concurra  # noqa: F401 - whether it is installed is said first

        raise Cannot("hands on no results, and processes share no memory")
