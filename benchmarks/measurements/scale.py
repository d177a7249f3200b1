"""P5: whether a task costs more in a large graph, and how much memory it takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from ..children import answer_of
from ..model import Cost, Goal, Measurement, Row, Settings

SMALL = 10_000


class Scale(Measurement):
    """P5: a graph of many tasks and one of few, in a process of their own.

    The memory is what the process holds at its peak, after the graph was made and run
    once under each executor, beyond what it held before. All results are one object.
    """

    id = "P5"
    description = "1M tasks ÷ 10k tasks, time a task; peak memory a task beyond values"
    goals: ClassVar[Mapping[str, Goal]] = {
        "time": Goal(1.5, 1.2, at_most=True),
        "memory": Goal(1024, 500, at_most=True, unit="B"),
    }

    def rows(self, settings: Settings) -> Iterator[Row]:
        found = answer_of(
            "benchmarks.large", settings.large, SMALL, settings.few_rounds
        )
        for executor in found["executors"]:
            names = {size: f"{executor}, {size}" for size in ("small", "large")}
            samples = {size: found["samples"][name] for size, name in names.items()}
            small = Cost.of(samples["small"], found["small_tasks"])
            large = Cost.of(samples["large"], found["large_tasks"])
            value, by_median = large.over(small)
            yield Row(
                id=self.id,
                what=f"10k, {executor}",
                shape=found["shape"],
                baseline=small,
                syncra=large,
                value=value,
                by_median=by_median,
                goal=self.goals["time"],
                samples=samples,
                notes={
                    "tasks": settings.large,
                    "seconds_to_build": found["seconds_to_build"],
                },
            )
        memory = found["memory"]
        if isinstance(memory, str):
            yield Row(id=self.id, what="memory", shape=found["shape"], cannot=memory)
            return

        yield Row(
            id=self.id,
            what="memory",
            shape=found["shape"],
            value=memory["bytes_per_task"],
            goal=self.goals["memory"],
            notes=memory,
        )
