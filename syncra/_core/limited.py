"""A run in which only so many tasks may be running at once."""

from __future__ import annotations

from heapq import heappop, heappush

from .machine import NOTHING, Machine
from .states import READY, RUNNING, WAITING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, TypeAlias

    #: What a task takes: pairs of the number of a thing and an amount.
    Needs: TypeAlias = tuple[tuple[int, int], ...]


class LimitedMachine(Machine):
    """Start a task only when everything that it needs is free.

    What a task needs it takes when it starts, all of it or nothing, and gives back when
    it is over or waits to be tried again. So nobody holds one thing while waiting for
    another, and no order of events can lead to a deadlock.

    A task that finds something lacking is parked, out of its queue, until there is
    enough of that. Meanwhile nobody behind it starts who needs the same, so one that
    needs much gets its turn; from other things it keeps nobody. Behind it are those of
    lower rank or, where there are no ranks, all that were not parked before it. Once
    there is enough it waits for a worker of its lane as others do, and one of another
    lane may be quicker: nothing is left lying for somebody who cannot use it yet.

    Parameters:
        capacities: how much there is of each thing.
        needs: for each task that needs something, how much of which: pairs of the
            number of a thing and an amount.
        default: what all others need.
        options: what `Machine` takes.
    """

    has_limits = True

    __slots__ = (
        "_default",
        "_lines",
        "_needs",
        "_parked",
        "_parkings",
        "_places",
        "_since",
        "free",
    )

    def __init__(
        self,
        *args: Any,
        capacities: Sequence[int],
        needs: Mapping[int, Needs],
        default: Needs = (),
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        #: How much of each thing is not taken. For reading only.
        self.free = list(capacities)
        self._needs = needs
        self._default = default
        ranks = next(filter(None, self.ranks or ()), None)
        self._places = None if ranks is None else ranks.places
        #: When those were parked first that have been since they were last started.
        self._since: dict[int, int] = {}
        self._parkings = 0
        #: Whoever needs the same lacks the same: a look at the first tells of all.
        self._parked: dict[Needs, Group] = {}
        #: The groups that wait for each thing, by their first tasks. A heap, in which
        #: entries stay that do not hold any more.
        self._lines: list[list[tuple[int, int, Group]]] = [[] for _ in capacities]

    def take(self, lane: int) -> int:
        queue = self.queues[lane]
        while queue:
            task = queue.popleft()
            needs = self._needs.get(task, self._default)
            lacking = self._lacking(task, needs)
            if lacking == NOTHING:
                for thing, amount in needs:
                    self.free[thing] -= amount
                self._since.pop(task, None)
                self.states[task] = RUNNING
                return task

            self._park(task, needs, lacking)
            # Others may have been left where they are for the sake of this one.
            self._unpark(thing for thing, _ in needs if thing != lacking)
        return NOTHING

    def succeed(self, task: int, lane: int = NOTHING) -> int:
        super().succeed(task)
        self._give_back(task)
        return self.take(lane) if lane >= 0 else NOTHING

    def retry_at(self, task: int, when: float) -> None:
        super().retry_at(task, when)
        if self.states[task] == WAITING:  # else it was settled
            self._give_back(task)

    def put_back(self, task: int) -> None:
        super().put_back(task)
        if self.states[task] == READY:  # else it was settled
            self._give_back(task)

    def parked(self) -> list[int]:
        """Return the ready tasks that wait for what others have, the first in front."""
        groups = self._parked.values()
        return [task for _, task in sorted(pair for group in groups for pair in group)]

    def _settle(self, task: int, table: Sequence[int], event: str) -> None:
        super()._settle(task, table, event)
        self._give_back(task)

    def _cancel_waiting(self) -> None:
        # They are ready as those in the queues are.
        for task in self.parked():
            self._offer(task)
        self._parked.clear()
        for line in self._lines:
            line.clear()
        super()._cancel_waiting()

    def _lacking(self, task: int, needs: Needs) -> int:
        """Return a thing that a task may not take now, or NOTHING."""
        free, lines = self.free, self._lines
        for thing, amount in needs:
            if free[thing] < amount or (
                lines[thing] and self._is_behind(task, lines[thing], thing)
            ):
                return thing

        return NOTHING

    def _is_behind(
        self, task: int, line: list[tuple[int, int, Group]], thing: int
    ) -> bool:
        """Return whether somebody waits for a thing who is before a task."""
        while line:
            first, _, group = line[0]
            if group.stands(first, thing):
                return first < self._seniority(task)

            heappop(line)
        return False

    def _seniority(self, task: int) -> int:
        """Return the number of a task in all lines; the least comes first."""
        if self._places is not None:
            return self._places[task]

        return self._since.get(task, self._parkings)

    def _park(self, task: int, needs: Needs, lacking: int) -> None:
        group = self._parked.get(needs)
        if group is None:
            group = self._parked[needs] = Group(needs, len(self._parked))
        if self._places is None and task not in self._since:
            self._since[task] = self._parkings
            self._parkings += 1
        heappush(group, (self._seniority(task), task))
        # It is the first of them, or the others stand in a line.
        if group[0][1] == task:
            self._line_up(group, lacking)

    def _line_up(self, group: Group, thing: int) -> None:
        """Let a group wait for a thing, with its first task."""
        group.thing = thing
        heappush(self._lines[thing], (group[0][0], group.number, group))

    def _give_back(self, task: int) -> None:
        needs = self._needs.get(task, self._default)
        for thing, amount in needs:
            self.free[thing] += amount
        self._unpark(thing for thing, _ in needs)

    def _unpark(self, things: Iterable[int]) -> None:
        """Make as many of those ready again that wait for things as these allow."""
        offered: list[tuple[int, int]] = []
        for thing in things:
            line, room = self._lines[thing], self.free[thing]
            while line and room:
                first, _, group = line[0]
                if not group.stands(first, thing):
                    heappop(line)
                    continue

                amount = group.amount_of(thing)
                if amount > room:
                    break

                heappop(line)
                lacking = self._lacking(group[0][1], group.needs)
                if lacking != NOTHING:
                    self._line_up(group, lacking)
                    continue

                room -= amount
                offered.append(heappop(group))
                if group:
                    self._line_up(group, thing)
        # In front: they are those who have been ready for longest.
        for _, task in sorted(offered, reverse=True):
            self.queues[self._lanes[task]].appendleft(task)


class Group(list[tuple[int, int]]):
    """Be the parked tasks that need the same: a heap of their seniorities and ids."""

    __slots__ = ("needs", "number", "thing")

    def __init__(self, needs: Needs, number: int) -> None:
        super().__init__()
        self.needs = needs
        self.number = number
        #: What they wait for: the line in which their first one stands.
        self.thing = NOTHING

    def stands(self, first: int, thing: int) -> bool:
        """Return whether an entry in the line of a thing holds still."""
        return self.thing == thing and bool(self) and self[0][0] == first

    def amount_of(self, thing: int) -> int:
        """Return how much of a thing each of them needs."""
        return next(amount for found, amount in self.needs if found == thing)
