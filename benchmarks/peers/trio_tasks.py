"""One trio task per task of the graph, by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..model import Cannot
from ..shapes import Shape
from ._base import Peer


class TrioTasks(Peer):
    """Start a trio task for each task as soon as nothing is missing.

    An event for each task to wait for takes three times as long.
    """

    name = "trio tasks"

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        try:
            import trio
        except ImportError:
            raise Cannot("trio is not installed") from None

        work = shape.work(count)
        functions, waits_for = work.functions, work.waits_for
        followers, counts = work.followers(), work.counts()
        roots = [task for task, count in enumerate(counts) if not count]

        async def run() -> object:
            missing = counts.copy()
            values: list[Any] = [None] * len(functions)
            async with trio.open_nursery() as nursery:
                start = nursery.start_soon

                async def execute(task: int) -> None:
                    values[task] = await functions[task](
                        *[values[one] for one in waits_for[task]]
                    )
                    for follower in followers[task]:
                        missing[follower] -= 1
                        if not missing[follower]:
                            start(execute, follower)

                for task in roots:
                    start(execute, task)
            return values[-1]

        return lambda: trio.run(run)
