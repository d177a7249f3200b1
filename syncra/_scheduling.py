"""How many tasks of a run are going on at once, and which of those ready comes first.

Whose workers are few, takes first what the most depends on. What a task counts for in
that is 1, or the time it took when the graph was run before. Where that cannot pay,
because tasks become ready in that order anyway or take next to no time, the one that
has been ready for longest is next, which costs nothing to find.
"""

from __future__ import annotations

from operator import sub

from ._core.machine import Machine
from ._core.ranking import by_priority, longest_first
from ._core.states import SUCCEEDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Sequence
    from typing import Any

    from ._compiled import Compiled
    from ._core.plan import Plan
    from ._core.ranking import Ranks
    from ._journal import Journal
    from ._options import Settings
    from ._route import Route

#: Seconds between the ends of two tasks from which on it pays to choose among them.
WORTH_RANKING = 5e-5


class Order:
    """Keep in which order the tasks of a compiled graph are taken.

    Runs that go on at once share it; what it holds is replaced, never changed.

    Parameters:
        plan: the shape of the graph.
        priorities: the priority of each task, or None if all are 0.
    """

    __slots__ = ("_by_time", "_durations", "_is_quick", "_kept", "_plan", "_priorities")

    def __init__(self, plan: Plan, priorities: Sequence[int] | None) -> None:
        self._plan = plan
        self._priorities = priorities
        self._durations: array[float] | None = None
        self._is_quick = False
        self._kept: dict[str, Ranks | None] = {}
        self._by_time: tuple[array[float], Ranks | None] | None = None

    def learn(self, journal: Journal) -> None:
        """Take note of how long the tasks of a run have taken."""
        size = len(journal.states)
        assert journal.ended is not None
        is_quick = journal.ended - journal.clock_at_start < size * WORTH_RANKING
        if journal.states.count(SUCCEEDED) == size:
            self._is_quick = is_quick
            if not is_quick:
                from array import array

                durations = map(sub, journal.finished, journal.started)
                self._durations = array("f", durations)

    def longest_first(self) -> Ranks | None:
        """Return the ranks of a run whose workers are few."""
        plan, priorities = self._plan, self._priorities
        if self._is_quick:
            return self.as_declared()

        durations = self._durations
        if durations is None:
            if "longest" not in self._kept:
                self._kept["longest"] = longest_first(plan, None, priorities)
            return self._kept["longest"]

        known = self._by_time
        if known is None or known[0] is not durations:
            ranks = longest_first(plan, durations, priorities)
            known = self._by_time = durations, ranks
        return known[1]

    def as_declared(self) -> Ranks | None:
        """Return the ranks of a run that goes by priorities and nothing else."""
        if self._priorities is None:
            return None

        if "declared" not in self._kept:
            ranks = by_priority(self._plan.order, self._priorities)
            self._kept["declared"] = ranks
        return self._kept["declared"]


def machine_for(compiled: Compiled, path: Route, settings: Settings) -> Machine:
    """Return the machine of a run.

    Parameters:
        compiled: the graph.
        path: which lanes there are.
        settings: how it is to be run.
    """
    most = settings.max_concurrency
    is_limited = most is not None or bool(compiled.needs)
    shape: Any = compiled.plan, path.lanes, len(path.executors)
    options: dict[str, Any] = {
        "stop_on_failure": settings.on_error != "continue",
        "triggers": compiled.triggers,
        "ranks": _ranks(compiled, path, is_limited),
    }
    if not is_limited:
        return Machine(*shape, **options)

    from ._core.limited import LimitedMachine

    needs, capacities = compiled.needs, compiled.capacities
    default: tuple[tuple[int, int], ...] = ()
    if most is not None:
        everybody = (len(capacities), 1)
        default = (everybody,)
        needs = {task: (*known, everybody) for task, known in needs.items()}
        capacities = [*capacities, most]
    return LimitedMachine(
        *shape, **options, capacities=capacities, needs=needs, default=default
    )


def _ranks(
    compiled: Compiled, path: Route, is_limited: bool
) -> list[Ranks | None] | None:
    """Return the ranks of each lane, or None if there are none."""
    order = compiled.order
    if order is None:
        order = compiled.order = Order(compiled.plan, compiled.priorities)
    found = [
        order.longest_first()
        if (executor.is_bounded or is_limited) and not executor.in_order
        else order.as_declared()
        for executor in path.executors
    ]
    return found if any(found) else None
