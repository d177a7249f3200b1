"""P1, P2, P3, P4, P9, P10, P11: runs of the same graphs by Syncra and by others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar

from ..contest import Contest, Peers
from ..model import Goal, Measurement, Row, Settings
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
    SyncraWatched,
)
from ..shapes import WIRING, Kind, Shape, shapes


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
        by_hand = (self.baseline, *self.beside)
        libraries = others_of(self.id)
        for shape in shapes(self.kind, self.goals):
            yield from self._contest(shape, settings, self.syncra, by_hand, libraries)
        for other, syncra in self.apart:
            for shape in shapes(self.kind, self.goals):
                yield from self._contest(shape, settings, syncra, (other,))

    def _contest(
        self,
        shape: Shape,
        settings: Settings,
        syncra: type[Peer],
        by_hand: Peers,
        libraries: Peers = (),
    ) -> Iterator[Row]:
        """Give a row for each of the others, all timed in the same turns."""
        contest = Contest(self.id, shape, settings.tasks, settings.rounds)
        contest.hold(syncra, by_hand, libraries)
        for other in (*by_hand, *libraries):
            judged = other is self.baseline
            yield contest.row(syncra, other, self.goals[shape.name], judged)


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


class Watched(Running):
    """P9: a limit and a retry policy for each task, and an observer, beside nothing."""

    id = "P9"
    description = "threads(2), timeouts + retry + one observer ÷ all off"
    goals = everywhere(Goal(4, 2, at_most=True))
    kind = "functions"
    syncra = SyncraWatched
    baseline = SyncraThreads


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
