"""What Syncra adds to a cluster: the same no-op tasks, through both.

`python -m benchmarks.clusters` starts a Dask cluster of two processes and a Ray with
two cores, and prints, for each shape of 2,000 tasks, seconds through `client.submit` or
`f.remote` by hand, through Syncra, with and without small tasks travelling together,
and how these compare. `--engine ray` takes one of them; `--rounds 5` says how often
each is measured; the median counts. `--tasks 100000` has more tasks; then it prints
what Syncra takes, and by hand only with `--by-hand`.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from statistics import median
from time import perf_counter

from syncra import Dask, Graph, Ray

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    #: For each task, the numbers of those whose results it takes.
    Shape = list[tuple[int, ...]]

#: Up to so many tasks are submitted by hand too, and one by one.
FEW = 2000


def nothing(*values: object) -> None:
    """Do nothing."""


def shapes(tasks: int) -> dict[str, Shape]:
    """Return a chain, tasks without dependencies, and layers of 50."""
    layered: Shape = [()] * 50
    for number in range(50, tasks):
        first = (number // 50 - 1) * 50
        layered.append((first + number % 50, first + (number + 1) % 50))
    chain: Shape = [(), *((number,) for number in range(tasks - 1))]
    return {"layered": layered, "wide": [()] * tasks, "chain": chain}


def on_dask(executor: Any, shape: Shape) -> None:
    """Submit each task with the futures of others, as one does without Syncra."""
    client = executor.client
    futures: list[Any] = []
    for sources in shape:
        given = [futures[source] for source in sources]
        futures.append(client.submit(nothing, *given, pure=False))
    client.gather(futures)


def on_ray(executor: Any, shape: Shape) -> None:
    """Submit each task with the references of others, as one does without Syncra."""
    import ray

    remote = ray.remote(nothing)
    references: list[Any] = []
    for sources in shape:
        references.append(remote.remote(*[references[source] for source in sources]))
    ray.get(references)


def graph_of(shape: Shape) -> Graph:
    """Return the same as a graph."""
    graph = Graph("shape")
    for number, sources in enumerate(shape):
        names = [str(source) for source in sources]
        graph.add(nothing, name=str(number), dependencies=names)
    return graph


def seconds(work: Callable[[], object], rounds: int) -> float:
    """Return the median of some times."""
    found = []
    for _ in range(rounds):
        begin = perf_counter()
        work()
        found.append(perf_counter() - begin)
    return median(found)


def table(engine: str, options: argparse.Namespace) -> float:
    """Print the figures of an engine; return the worst ratio."""
    rounds, few = options.rounds, options.tasks <= FEW
    print(f"{engine}: {options.tasks:,} no-op tasks on 2 processes, median of {rounds}")
    print(
        f"{'':10}{'by hand':>9}{'Syncra':>9}{'ratio':>7}{'one by one':>12}{'ratio':>7}"
    )
    worst = 0.0
    together: Any
    alone: Any
    if engine == "dask":
        by_hand, together = on_dask, Dask(n_workers=2)
        alone = Dask(together, batch=False)
    else:
        by_hand, together = on_ray, Ray(init={"num_cpus": 2})
        alone = Ray(together, batch=False)
    with together:
        graph_of([()] * FEW).run(executor=together)
        for name, shape in shapes(options.tasks).items():
            graph = graph_of(shape)
            line = f"{name:10}"
            hand = 0.0
            if few or options.by_hand:
                hand = seconds(partial(by_hand, together, shape), rounds)
            line += f"{hand:9.2f}"
            ours = seconds(partial(graph.run, executor=together), rounds)
            line += f"{ours:9.2f}"
            if hand:
                worst = max(worst, ours / hand)
                line += f"{ours / hand:7.2f}"
            if few:
                single = seconds(partial(graph.run, executor=alone), rounds)
                line += f"{single:12.2f}{single / hand:7.2f}"
            print(line, flush=True)
    return worst


def main() -> None:
    """Print tables; exit with 1 if Syncra takes more than 1.3 times as long."""
    parser = argparse.ArgumentParser(description="Compare Syncra with bare clusters.")
    parser.add_argument("--engine", choices=("dask", "ray"))
    parser.add_argument("--tasks", type=int, default=FEW)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--by-hand", action="store_true")
    options = parser.parse_args()
    engines = [options.engine] if options.engine else ["dask", "ray"]
    sys.exit(max(table(engine, options) for engine in engines) > 1.3)


if __name__ == "__main__":
    main()
