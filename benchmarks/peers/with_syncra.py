"""Syncra itself, through its public names, with everything it does by default."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from syncra import Graph, Processes, Run, State, Task, Threads
from syncra.observers import Observer

from ..model import Cannot
from ..shapes import Shape, Work
from ._base import Peer


class SyncraSequential(Peer):
    """Run the graph in the calling thread."""

    name = "syncra sequential"

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        graph, last = graph_of(shape.work(count))
        return lambda: graph.run(executor="sequential")[last]


class SyncraThreads(Peer):
    """Run the graph in two threads."""

    name = "syncra threads"

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        graph, last = graph_of(shape.work(count))
        threads = Threads(2)
        return lambda: graph.run(executor=threads)[last]


class Counter(Observer):
    """Count what it is told, as cheap as an observer can be that is told everything."""

    def __init__(self) -> None:
        self.count = 0

    def task_started(self, run: Run, task: str, attempt: int) -> None:
        """Count."""
        self.count += 1

    def task_finished(self, run: Run, task: str, state: State) -> None:
        """Count."""
        self.count += 1


class SyncraWatched(Peer):
    """Run the graph in two threads, with all that may be switched on for each task."""

    name = "syncra watched"

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        graph, last = graph_of(shape.work(count), timeout=60.0, retry=3)
        threads = Threads(2)

        def run() -> object:
            counter = Counter()
            result = graph.run(executor=threads, observers=[counter])[last]
            assert counter.count == 2 * count
            return result

        return run


class SyncraProcesses(Peer):
    """Run the graph in two processes, which live on between runs."""

    name = "syncra processes"

    def __init__(self) -> None:
        self._processes = Processes(2)

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        graph, last = graph_of(shape.work(count))
        return lambda: graph.run(executor=self._processes)[last]

    def close(self) -> None:
        self._processes.close()


class SyncraAsyncio(Peer):
    """Await the graph in asyncio, on a loop that lives on between runs."""

    name = "syncra asyncio"

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        graph, last = graph_of(shape.work(count))
        start = self._runner.run

        async def run() -> object:
            return (await graph())[last]

        return lambda: start(run())

    def close(self) -> None:
        self._runner.close()


class SyncraTrio(Peer):
    """Await the graph in trio."""

    name = "syncra trio"

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        try:
            import trio
        except ImportError:
            raise Cannot("trio is not installed") from None

        graph, last = graph_of(shape.work(count))

        async def run() -> object:
            return (await graph())[last]

        return lambda: trio.run(run)


def graph_of(work: Work, **options: Any) -> tuple[Graph, Task[..., Any]]:
    """Return the graph as Syncra's users make it, and its last task."""
    graph = Graph()
    tasks: list[Task[..., Any]] = []
    for number, function in enumerate(work.functions):
        before = [tasks[one] for one in work.waits_for[number]]
        task = graph.add(function, name=f"t{number}", dependencies=before, **options)
        tasks.append(task)
    return graph, tasks[-1]
