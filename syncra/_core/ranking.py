"""Which of several ready tasks is taken first: ranks, and queues that go by them."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .plan import Plan


class Ranks:
    """Hold an order of all tasks of a plan.

    Parameters:
        tasks: all ids, the one to be taken first in front.

    Attributes:
        tasks: the same.
        places: for each task, its place among them.
    """

    __slots__ = ("places", "tasks")

    def __init__(self, tasks: Sequence[int]) -> None:
        self.tasks = tasks
        self.places = places = [0] * len(tasks)
        for place, task in enumerate(tasks):
            places[task] = place


class Ranked(list[int]):
    """Be a queue of ready tasks, the first by rank in front.

    It has what a machine asks of the `deque` that is its queue otherwise. In the list
    is a heap of places, so whether there is something in it costs nothing to ask.
    """

    __slots__ = ("_places", "_tasks")

    def __init__(self, ranks: Ranks) -> None:
        super().__init__()
        self._places = ranks.places
        self._tasks = ranks.tasks

    def append(self, task: int) -> None:
        """Take in a task."""
        heappush(self, self._places[task])

    #: A task that is put back is in front again by its rank.
    appendleft = append

    def extend(self, tasks: Iterable[int]) -> None:
        """Take in several tasks."""
        places = self._places
        super().extend([places[task] for task in tasks])
        heapify(self)

    def popleft(self) -> int:
        """Give the first task."""
        return self._tasks[heappop(self)]

    def __iter__(self) -> Iterator[int]:
        tasks = self._tasks
        return (tasks[place] for place in super().__iter__())


def remaining_paths(plan: Plan, weights: Sequence[float] | None = None) -> list[float]:
    """Return for each task how long the longest path is that begins with it.

    Parameters:
        plan: the shape of the graph.
        weights: what each task counts for; 1 if None.
    """
    longest: list[float] = [0.0] * plan.size
    successors = plan.successors
    for task in reversed(plan.order):
        behind = 0.0
        for follower in successors[task]:
            behind = max(behind, longest[follower])
        longest[task] = behind + (1.0 if weights is None else weights[task])
    return longest


def longest_first(
    plan: Plan,
    weights: Sequence[float] | None = None,
    priorities: Sequence[int] | None = None,
) -> Ranks | None:
    """Return the ranks by which those come first that most depends on.

    With two workers or more, a run takes the less time the earlier its longest path is
    begun ("critical path first", as list scheduling has it since Hu, 1961). Higher
    priorities come before that.

    Returns:
        None if tasks become ready in that order anyway.
    """
    longest = remaining_paths(plan, weights)
    by_path = longest.__getitem__
    if priorities is None and is_falling(map(by_path, plan.order)):
        return None

    return by_priority(sorted(plan.order, key=by_path, reverse=True), priorities)


def by_priority(tasks: Sequence[int], priorities: Sequence[int] | None) -> Ranks:
    """Return ranks by priority, and of equal ones in the order that is given."""
    if priorities is not None:
        tasks = sorted(tasks, key=priorities.__getitem__, reverse=True)
    return Ranks(tasks)


def is_falling(values: Iterable[float]) -> bool:
    """Return whether no value is greater than the one before it."""
    before = float("inf")
    for value in values:
        if value > before:
            return False

        before = value
    return True
