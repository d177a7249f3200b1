"""A run in which only so many tasks may be running at once."""

from __future__ import annotations

from .machine import NOTHING, Machine, queue_for
from .states import READY, RUNNING, WAITING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


class LimitedMachine(Machine):
    """Start a task only when everything that it needs is free.

    What a task needs it takes when it starts, all of it or nothing, and gives back when
    it is over or waits to be tried again. So nobody holds one thing while waiting for
    another, and no order of events can lead to a deadlock. A task that finds something
    lacking is parked there, out of its queue, until some of that is given back.

    Parameters:
        capacities: how much there is of each thing.
        needs: for each task that needs something, how much of which: pairs of the
            number of a thing and an amount.
        default: what all others need.
        options: what `Machine` takes.
    """

    has_limits = True

    __slots__ = ("_default", "_needs", "_parked", "free")

    def __init__(
        self,
        *args: Any,
        capacities: Sequence[int],
        needs: Mapping[int, Sequence[tuple[int, int]]],
        default: Sequence[tuple[int, int]] = (),
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        #: How much of each thing is not taken. For reading only.
        self.free = list(capacities)
        self._needs = needs
        self._default = default
        ranks = next(filter(None, self.ranks or ()), None)
        self._parked = [queue_for(ranks) for _ in capacities]

    def take(self, lane: int) -> int:
        queue = self.queues[lane]
        while queue:
            task = queue.popleft()
            needs = self._needs.get(task, self._default)
            lacking = self._lacking(needs)
            if lacking == NOTHING:
                for thing, amount in needs:
                    self.free[thing] -= amount
                self.states[task] = RUNNING
                return task

            self._parked[lacking].append(task)
            # Others may have been left where they are for the sake of this one.
            for thing, _ in needs:
                if thing != lacking:
                    self._unpark(thing)
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

    def _settle(self, task: int, table: bytes, event: str) -> None:
        super()._settle(task, table, event)
        self._give_back(task)

    def _cancel_waiting(self) -> None:
        # They are ready as those in the queues are.
        for parked in self._parked:
            while parked:
                self._offer(parked.popleft())
        super()._cancel_waiting()

    def _lacking(self, needs: Sequence[tuple[int, int]]) -> int:
        """Return a thing of which there is not enough free now, or NOTHING."""
        free = self.free
        for thing, amount in needs:
            if free[thing] < amount:
                return thing

        return NOTHING

    def _give_back(self, task: int) -> None:
        needs = self._needs.get(task, self._default)
        for thing, amount in needs:
            self.free[thing] += amount
        for thing, _ in needs:
            self._unpark(thing)

    def _unpark(self, thing: int) -> None:
        """Make ready again as many of those that wait for a thing as it is enough for.

        One that needs much is not passed by others that wait behind it; those that
        become ready only now may be first all the same.
        """
        parked = self._parked[thing]
        room = self.free[thing]
        while parked:
            task = parked.popleft()
            room -= self._amount(task, thing)
            if room < 0:
                parked.appendleft(task)
                return

            self._offer(task)

    def _amount(self, task: int, thing: int) -> int:
        needs = self._needs.get(task, self._default)
        return next(amount for found, amount in needs if found == thing)
