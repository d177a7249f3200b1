"""Graphs of one shape, run by Syncra and by others in turns."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from .apart import Apart
from .checks import prepared
from .model import Cannot, Cost, Goal, Row
from .peers import Peer
from .shapes import Shape
from .timing import Timer, in_turns, timer, times_for

Peers = tuple[type[Peer], ...]


@dataclass(slots=True)
class Contest:
    """Time Syncra, hand-written code and libraries on graphs of one shape.

    Syncra and the hand-written run in this process, libraries each in its own. A
    library that is slow has a smaller graph, and Syncra runs that one beside it, too.

    Attributes:
        measurement: the id of the one that this is for.
        shape: of the graphs.
        tasks: how many they have, where nobody is slow.
        rounds: how often each is timed.
        cannot: why somebody could not be timed, by name.
        sizes: the tasks of the graph of each library, by name.
        samples: the timings, by name.
    """

    measurement: str
    shape: Shape
    tasks: int
    rounds: int
    cannot: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    samples: dict[str, list[float]] = field(default_factory=dict)

    def hold(self, syncra: type[Peer], by_hand: Peers, libraries: Peers = ()) -> None:
        """Prepare everybody, and time them in turns."""
        timers: dict[str, Timer] = {}
        fewer: dict[str, int] = {}
        with ExitStack() as stack:
            for kind in libraries:
                apart = Apart(kind, self.shape)
                stack.callback(apart.close)
                try:
                    apart.fit(self.tasks)
                except Cannot as cannot:
                    apart.close()
                    self.cannot[kind.name] = str(cannot)
                else:
                    self.sizes[kind.name] = apart.tasks
                    timers[kind.name] = self._noted(apart)
                    fewer[kind.name] = apart.rounds(self.rounds)
            for kind in by_hand:
                self._enter(kind, (self.tasks,), timers, stack)
            sizes = (self.tasks, *self.sizes.values())
            self._enter(syncra, sizes, timers, stack)
            self.samples = in_turns(timers, self.rounds, fewer)

    def row(
        self, syncra: type[Peer], other: type[Peer], goal: Goal, judged: bool
    ) -> Row:
        """Return what came of one of the others, beside Syncra on the same graph.

        Parameters:
            syncra: Syncra, as it ran here.
            other: the other.
            goal: which says what is divided by what.
            judged: whether the goal is about this one.
        """
        row = Row(id=self.measurement, what=other.name, shape=self.shape.name)
        cannot_be = self.cannot.get(syncra.name) or self.cannot.get(other.name)
        if cannot_be:
            return replace(row, cannot=cannot_be)

        tasks = self.sizes.get(other.name, self.tasks)
        ours = self.samples[self._named(syncra, tasks)]
        theirs = self.samples[other.name]
        our_cost, their_cost = Cost.of(ours, tasks), Cost.of(theirs, tasks)
        # Of a library it is told how much longer it takes, whatever the goal counts.
        upside_down = goal.at_most and not other.package
        value, by_median = (
            our_cost.over(their_cost) if upside_down else their_cost.over(our_cost)
        )
        return replace(
            row,
            baseline=their_cost,
            syncra=our_cost,
            value=value,
            by_median=by_median,
            goal=goal if judged else None,
            remark="" if tasks == self.tasks else f"{tasks} tasks",
            notes={"tasks": tasks, "library": bool(other.package)},
            samples={syncra.name: ours, other.name: theirs},
        )

    def _enter(
        self,
        kind: type[Peer],
        sizes: tuple[int, ...],
        timers: dict[str, Timer],
        stack: ExitStack,
    ) -> None:
        """Prepare one who runs in this process, for graphs of these sizes."""
        peer = kind()
        stack.callback(peer.close)
        for tasks in set(sizes):
            try:
                run = prepared(peer, self.shape, tasks)
            except Cannot as cannot:
                self.cannot[kind.name] = str(cannot)
                return

            times = times_for(timer(run)())
            timers[self._named(kind, tasks)] = timer(run, times)

    def _named(self, kind: type[Peer], tasks: int) -> str:
        """Return a name for the timings of that size."""
        return kind.name if tasks == self.tasks else f"{kind.name}, {tasks} tasks"

    def _noted(self, apart: Apart) -> Timer:
        """Return its timer, which keeps the reason if it fails."""

        def timed() -> float:
            try:
                return apart.timed()
            except Cannot as cannot:
                self.cannot[apart.peer.name] = str(cannot)
                raise

        return timed
