"""What Syncra adds to a cluster: the same 2,000 no-op tasks, through both.

`python -m benchmarks.clusters` starts a Dask cluster of two processes and prints, for
each shape, seconds through `client.submit` by hand, through Syncra, with and without
small tasks travelling together, and how these compare. A number behind it says how
often each is measured; the median counts.
"""

from __future__ import annotations

import sys
from functools import partial
from statistics import median
from time import perf_counter

from syncra import Dask, Graph

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    #: For each task, the numbers of those whose results it takes.
    Shape = list[tuple[int, ...]]

TASKS = 2000
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 3


def nothing(*values: object) -> None:
    """Do nothing."""


def shapes() -> dict[str, Shape]:
    """Return a chain, tasks without dependencies, and layers of 50."""
    layered: Shape = [()] * 50
    for number in range(50, TASKS):
        first = (number // 50 - 1) * 50
        layered.append((first + number % 50, first + (number + 1) % 50))
    chain: Shape = [(), *((number,) for number in range(TASKS - 1))]
    return {"chain": chain, "wide": [()] * TASKS, "layered": layered}


def by_hand(client: Any, shape: Shape) -> None:
    """Submit each task with the futures of others, as one does without Syncra."""
    futures: list[Any] = []
    for sources in shape:
        given = [futures[source] for source in sources]
        futures.append(client.submit(nothing, *given, pure=False))
    client.gather(futures)


def graph_of(shape: Shape) -> Graph:
    """Return the same as a graph."""
    graph = Graph("shape")
    for number, sources in enumerate(shape):
        names = [str(source) for source in sources]
        graph.add(nothing, name=str(number), dependencies=names)
    return graph


def seconds(work: Callable[[], object]) -> float:
    """Return the median of some times."""
    found = []
    for _ in range(ROUNDS):
        begin = perf_counter()
        work()
        found.append(perf_counter() - begin)
    return median(found)


def main() -> None:
    """Print a table; exit with 1 if Syncra takes more than 1.3 times as long."""
    print(f"{TASKS:,} no-op tasks, Dask on 2 processes, median of {ROUNDS}, seconds")
    print(
        f"{'':10}{'by hand':>9}{'Syncra':>9}{'ratio':>7}{'one by one':>12}{'ratio':>7}"
    )
    worst = 0.0
    with Dask(n_workers=2) as together:
        alone = Dask(together, batch=False)
        client = together.client
        for name, shape in reversed(shapes().items()):
            graph = graph_of(shape)
            graph.run(executor=together)
            hand = seconds(partial(by_hand, client, shape))
            ours = seconds(partial(graph.run, executor=together))
            single = seconds(partial(graph.run, executor=alone))
            worst = max(worst, ours / hand)
            print(
                f"{name:10}{hand:9.2f}{ours:9.2f}{ours / hand:7.2f}"
                f"{single:12.2f}{single / hand:7.2f}"
            )
    sys.exit(worst > 1.3)


if __name__ == "__main__":
    main()
