"""P12: how long whole runs take when workers are few and tasks of all lengths."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from statistics import median
from time import perf_counter, sleep
from typing import Any, ClassVar

from syncra import Threads as SyncraThreads

from ..model import Goal, Measurement, Row, Settings
from ..peers.thread_pool import PullingWorkers
from ..peers.with_syncra import graph_of
from ..shapes import Work

WORKERS = 4
#: Seconds that the shortest and the longest task take.
SHORTEST, LONGEST = 0.001, 0.03


class Ordering(Measurement):
    """P12: makespans of random graphs, over what no order can be faster than."""

    id = "P12"
    description = "makespan ÷ max(longest path, work / workers), 4 threads, mixed tasks"
    goals: ClassVar[Mapping[str, Goal]] = {"later run": Goal(1.05, 1.02, at_most=True)}

    def rows(self, settings: Settings) -> Iterator[Row]:
        found: dict[str, list[float]] = {"fifo": [], "first run": [], "later run": []}
        pool = PullingWorkers(WORKERS)
        for seed in range(6 * settings.few_rounds):
            work, seconds = random_work(random.Random(seed))
            bound = least(work, seconds)
            run = partial(graph_of(work)[0].run, executor=SyncraThreads(WORKERS))
            found["fifo"].append(timed(pool.prepare_work(work)) / bound)
            found["first run"].append(timed(run) / bound)
            found["later run"].append(timed(run) / bound)
        pool.close()
        for name, ratios in found.items():
            yield Row(
                id=self.id,
                what=name,
                shape="random",
                value=min(ratios),
                by_median=median(ratios),
                goal=self.goals.get(name),
                judged_by_median=True,
                samples={name: ratios},
                notes={"graphs": len(ratios), "workers": WORKERS},
            )


def random_work(chance: random.Random) -> tuple[Work, list[float]]:
    """Return a layered graph of tasks that sleep, and the seconds of each.

    Most are short and a few are long, as real ones are. A task takes one to three
    results, most of the layer before, some of any earlier one.
    """
    waits_for: list[tuple[int, ...]] = []
    layers: list[range] = []
    for _ in range(chance.randint(5, 9)):
        size = chance.randint(4, 16)
        layer = range(len(waits_for), len(waits_for) + size)
        for _ in layer:
            before: set[int] = set()
            if layers:
                for _ in range(chance.randint(1, 3)):
                    near = chance.random() < 0.7
                    among = layers[-1] if near else range(layer.start)
                    before.add(chance.choice(among))
            waits_for.append(tuple(sorted(before)))
        layers.append(layer)
    seconds = [
        min(LONGEST, SHORTEST * chance.lognormvariate(1.2, 1.0)) for _ in waits_for
    ]
    functions: list[Callable[..., Any]] = [sleeping(length) for length in seconds]
    return Work(functions, [False] * len(functions), waits_for, 0), seconds


def sleeping(seconds: float) -> Callable[..., int]:
    """Return a function that takes any results and so much time."""

    def task(*results: object) -> int:
        sleep(seconds)
        return 0

    return task


def least(work: Work, seconds: list[float]) -> float:
    """Return what no order can be faster than."""
    ends: list[float] = []
    for length, before in zip(seconds, work.waits_for, strict=True):
        ends.append(length + max((ends[task] for task in before), default=0.0))
    return max(*ends, sum(seconds) / WORKERS)


def timed(run: Callable[[], object]) -> float:
    """Return the seconds that a run takes."""
    start = perf_counter()
    run()
    return perf_counter() - start
