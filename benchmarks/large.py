"""A large graph and a small one in a process of their own, for P5.

`python -m benchmarks.large LARGE SMALL ROUNDS` prints JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from time import perf_counter

from syncra import Graph, Task, Threads
from syncra.executors import Executor

from .memory import Memory
from .model import Cannot
from .peers.with_syncra import graph_of
from .shapes import Shape
from .timing import in_turns, timer

SHAPE = Shape("layered", "functions")
EXECUTORS: dict[str, str | Executor] = {
    "sequential": "sequential",
    "threads": Threads(2),
}


def main(large: int, small: int, rounds: int) -> None:
    """Measure and print."""
    # As many tasks in all, so that both timings meet as much of what else goes on.
    repeat = max(1, large // small)
    runs: dict[str, Callable[[], None]] = {}
    graph, last = graph_of(SHAPE.work(small))
    for name, executor in EXECUTORS.items():
        runs[f"{name}, small"] = partial(run, graph, last, executor, repeat)
        run(graph, last, executor, 1)

    work = SHAPE.work(large)  # ours, not Syncra's: before the memory is looked at
    before = memory_now()
    start = perf_counter()
    graph, last = graph_of(work)
    build = perf_counter() - start
    for name, executor in EXECUTORS.items():
        runs[f"{name}, large"] = partial(run, graph, last, executor, 1)
        run(graph, last, executor, 1)
    memory = before if isinstance(before, str) else before.growth(large)
    samples = in_turns({name: timer(one) for name, one in runs.items()}, rounds)
    answer = {
        "shape": SHAPE.name,
        "executors": list(EXECUTORS),
        "small_tasks": repeat * small,
        "large_tasks": large,
        "seconds_to_build": build,
        "memory": memory,
        "samples": samples,
    }
    json.dump(answer, sys.stdout)


def run(
    graph: Graph, last: Task[..., int], executor: str | Executor, times: int
) -> None:
    """Run the graph so many times."""
    for _ in range(times):
        graph.run(executor=executor)[last]


def memory_now() -> Memory | str:
    """Return the memory of this moment, or why that is not known."""
    try:
        return Memory.now()
    except Cannot as cannot:
        return str(cannot)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
