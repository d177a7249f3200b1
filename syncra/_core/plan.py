"""What a graph looks like to the scheduler: who waits for whom, by integer id."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class PlanCycle(ValueError):
    """Report predecessors that form a cycle.

    Attributes:
        path: ids in the order they would run, the first one repeated at the end.
    """

    def __init__(self, path: list[int]) -> None:
        super().__init__(f"cycle: {' -> '.join(map(str, path))}")
        self.path = path


class Plan:
    """Hold the immutable shape of a graph: any number of runs may share one.

    Attributes:
        size: number of tasks; their ids are 0 to size - 1.
        predecessors: for each task, the ids it waits for, without repeats.
        successors: for each task, the ids that wait for it.
        counts: for each task, how many it waits for.
        order: all ids in topological order, level by level. Within a level those come
            first that are free first: when the last one they wait for has its place.
        roots: the ids that wait for nobody.
    """

    __slots__ = ("counts", "order", "predecessors", "roots", "size", "successors")

    def __init__(
        self,
        predecessors: Sequence[Sequence[int]],
        ids: Iterable[int] | None = None,
    ) -> None:
        size = len(predecessors)
        successors: list[list[int] | tuple[int, ...]] = [_NONE] * size
        counts = [0] * size
        # One int object for each id, wherever it stands: a run looks at all of them.
        ids = range(size) if ids is None else ids
        for task, waits_for in zip(ids, predecessors, strict=True):
            counts[task] = len(waits_for)
            for before in waits_for:
                followers = successors[before]
                if followers is _NONE:
                    # Most tasks have one follower; a tuple of one is half a list.
                    successors[before] = (task,)
                elif type(followers) is tuple:
                    successors[before] = [*followers, task]
                else:
                    followers.append(task)  # type: ignore[union-attr]
        successors = [tuple(f) for f in successors]
        self.size = size
        self.predecessors = predecessors
        self.successors: Sequence[Sequence[int]] = successors
        self.counts = counts
        self.roots = [task for task in ids if not counts[task]]
        self.order = self._sort()

    def _sort(self) -> list[int]:
        """Return the topological order (Kahn's algorithm), or raise `PlanCycle`."""
        waiting = self.counts.copy()
        successors = self.successors
        order = self.roots.copy()
        for task in order:  # grows while it is walked
            for follower in successors[task]:
                waiting[follower] -= 1
                if not waiting[follower]:
                    order.append(follower)

        if len(order) < self.size:
            raise PlanCycle(self._cycle(waiting))

        return order

    def _cycle(self, waiting: list[int]) -> list[int]:
        """Return one cycle among the tasks that never became free."""
        # Every such task waits for another such task, so walking backwards must
        # come round.
        task = next(task for task, count in enumerate(waiting) if count)
        position: dict[int, int] = {}
        path: list[int] = []
        while task not in position:
            position[task] = len(path)
            path.append(task)
            task = next(before for before in self.predecessors[task] if waiting[before])
        loop = path[position[task] :]
        loop.reverse()
        start = loop.index(min(loop))  # the same path whatever the walk began with
        return [*loop[start:], *loop[:start], loop[start]]

    @property
    def leaves(self) -> list[int]:
        """Return the ids that nobody waits for."""
        return [task for task, found in enumerate(self.successors) if not found]

    def upstream(self, targets: Iterable[int]) -> list[int]:
        """Return `targets` and everything they wait for, in ascending order."""
        found = set(targets)
        stack = list(found)
        while stack:
            for before in self.predecessors[stack.pop()]:
                if before not in found:
                    found.add(before)
                    stack.append(before)
        return sorted(found)


_NONE: tuple[int, ...] = ()
