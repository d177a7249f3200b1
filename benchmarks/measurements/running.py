"""P1, P2, P3, P4, P10, P11: runs of the same graphs by Syncra and by others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import ClassVar

from ..model import Cannot, Cost, Goal, Measurement, Row, Settings
from ..peers import Peer, others_of
from ..peers.asyncio_tasks import AsyncioTaskGroup, AsyncioTasks, AsyncioToThread
from ..peers.plain_loop import PlainLoop
from ..peers.process_pool import ProcessPoolAndQueue, ProcessPoolFromCallback
from ..peers.thread_pool import PoolAndQueue, PoolFromInside, PullingWorkers
from ..peers.trio_tasks import TrioTasks
from ..peers.with_syncra import (
    SyncraAsyncio,
    SyncraProcesses,
    SyncraSequential,
    SyncraThreads,
    SyncraTrio,
)
from ..shapes import WIRING, Kind, Shape, shapes
from ..timing import in_turns, timer, times_for

Peers = tuple[type[Peer], ...]


class Running(Measurement):
    """Let Syncra and others run graphs of every shape, in turns.

    Attributes:
        kind: of the tasks.
        syncra: Syncra, with the right executor.
        baseline: whom the goals are about.
        beside: others that are timed in the same turns.
        apart: pairs of another and of Syncra's way to run beside it.
        most_tasks: the most that a graph has, where each of them takes long.

    The shapes are those that there are goals for.
    """

    kind: Kind
    syncra: type[Peer]
    baseline: type[Peer]
    beside: Peers = ()
    apart: tuple[tuple[type[Peer], type[Peer]], ...] = ()
    most_tasks: int | None = None

    def rows(self, settings: Settings) -> Iterator[Row]:
        if self.most_tasks is not None:
            tasks = min(settings.tasks, self.most_tasks)
            settings = replace(settings, tasks=tasks)
        others = (self.baseline, *self.beside, *others_of(self.id))
        for shape in shapes(self.kind, self.goals):
            yield from self._contest(shape, settings, self.syncra, others)
        for other, syncra in self.apart:
            for shape in shapes(self.kind, self.goals):
                yield from self._contest(shape, settings, syncra, (other,))

    def _contest(
        self, shape: Shape, settings: Settings, syncra: type[Peer], others: Peers
    ) -> Iterator[Row]:
        """Give a row for each of the others, all timed in the same turns."""
        reasons: dict[type[Peer], str] = {}
        runs: dict[type[Peer], Callable[[], object]] = {}
        with ExitStack() as stack:
            for kind in (syncra, *others):
                peer = kind()
                stack.callback(peer.close)
                try:
                    runs[kind] = prepared(peer, shape, settings.tasks)
                except Cannot as cannot:
                    reasons[kind] = str(cannot)
            timers = {
                kind.name: timer(run, times_for(run)) for kind, run in runs.items()
            }
            samples = in_turns(timers, settings.rounds)

        costs = {
            name: Cost.of(found, settings.tasks) for name, found in samples.items()
        }
        for other in others:
            cannot_be = reasons.get(syncra) or reasons.get(other)
            if cannot_be:
                yield Row(
                    id=self.id, what=other.name, shape=shape.name, cannot=cannot_be
                )
                continue

            goal = self.goals[shape.name]
            ours, theirs = costs[syncra.name], costs[other.name]
            ratios = ours.over(theirs) if goal.at_most else theirs.over(ours)
            yield Row(
                id=self.id,
                what=other.name,
                shape=shape.name,
                baseline=theirs,
                syncra=ours,
                value=ratios[0],
                by_median=ratios[1],
                goal=goal if other is self.baseline else None,
                notes={"tasks": settings.tasks},
                samples={name: samples[name] for name in (syncra.name, other.name)},
            )


def prepared(peer: Peer, shape: Shape, count: int) -> Callable[[], object]:
    """Return what runs the graph, after a run to warm up whose result is checked."""
    run = peer.prepare(shape, count)
    found, expected = run(), shape.work(count).expected
    if found != expected:
        raise RuntimeError(
            f"{peer.name} on the {shape.name} shape: expected {expected}, got {found!r}"
        )

    return run


def everywhere(goal: Goal) -> dict[str, Goal]:
    """Return the same goal for every shape."""
    return dict.fromkeys(WIRING, goal)


class Sequential(Running):
    """P1: what a graph costs that nobody runs at once."""

    id = "P1"
    description = "sequential, no-op functions, records on ÷ plain loop"
    goals = everywhere(Goal(8, 4, at_most=True))
    kind = "functions"
    syncra = SyncraSequential
    baseline = PlainLoop


class Threads(Running):
    """P2: functions in two threads."""

    id = "P2"
    description = "hand-written ThreadPoolExecutor + queue ÷ threads(2)"
    goals = everywhere(Goal(5, 15))
    kind = "functions"
    syncra = SyncraThreads
    baseline = PoolAndQueue
    beside = (PoolFromInside, PullingWorkers)


class Coroutines(Running):
    """P3: coroutines, awaited in asyncio; beside it the same in trio."""

    id = "P3"
    description = "one asyncio task per task ÷ `await graph()`, coroutines"
    goals = everywhere(Goal(2.5, 4))
    kind = "coroutines"
    syncra = SyncraAsyncio
    baseline = AsyncioTasks
    beside = (AsyncioTaskGroup,)
    apart = ((TrioTasks, SyncraTrio),)


class SmallInProcesses(Running):
    """P4: functions that do nothing in two processes, so what it costs to get there."""

    id = "P4"
    description = "ProcessPoolExecutor + queue ÷ processes(2)"
    goals: ClassVar[Mapping[str, Goal]] = {"chain": Goal(2, 3), "wide": Goal(3, 8)}
    kind = "functions"
    syncra = SyncraProcesses
    baseline = ProcessPoolAndQueue
    beside = (ProcessPoolFromCallback,)
    most_tasks = 1000


class BusyInProcesses(Running):
    """P10: real work in two processes; the pool beside shows what the machine gives."""

    id = "P10"
    description = "plain loop ÷ processes(2), 64 functions that take 30 ms"
    goals: ClassVar[Mapping[str, Goal]] = {"wide": Goal(1.8, 1.95)}
    kind = "busy"
    syncra = SyncraProcesses
    baseline = PlainLoop
    beside = (ProcessPoolAndQueue,)
    most_tasks = 66


class Mixed(Running):
    """P11: coroutines and functions that wait for one another, awaited in asyncio."""

    id = "P11"
    description = "asyncio tasks + to_thread ÷ `await graph()`, every other a function"
    goals: ClassVar[Mapping[str, Goal]] = {
        "chain": Goal(0.9, 1.2),
        "wide": Goal(2.5, 5),
        "layered": Goal(2.5, 5),
    }
    kind = "mixed"
    syncra = SyncraAsyncio
    baseline = AsyncioToThread
