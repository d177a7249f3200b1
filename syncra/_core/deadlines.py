"""Which running tasks have a limit, and when the next one is due."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Deadlines:
    """Keep the deadlines of running tasks.

    Tasks of one limit fall due in the order they started, so each limit has a dict of
    its own, whose first entry is its next: starting and ending a task costs one entry,
    not a place in a heap.

    Parameters:
        limits: the most seconds that an attempt at a task may take, by task.
    """

    __slots__ = ("_by_limit", "_limits")

    def __init__(self, limits: Mapping[int, float]) -> None:
        self._limits = limits
        self._by_limit: dict[float, dict[int, float]] = {
            limit: {} for limit in sorted(set(limits.values()))
        }

    def start(self, task: int, now: float) -> float | None:
        """Take note that an attempt starts, and return when it is to be over."""
        limit = self._limits.get(task)
        if limit is None:
            return None

        deadline = self._by_limit[limit][task] = now + limit
        return deadline

    def end(self, task: int) -> None:
        """Take note that it is over."""
        limit = self._limits.get(task)
        if limit is not None:
            self._by_limit[limit].pop(task, None)

    def next(self) -> float | None:
        """Return when the next attempt is to be over, or None if none is going on."""
        return min(
            (
                next(iter(running.values()))
                for running in self._by_limit.values()
                if running
            ),
            default=None,
        )

    def due(self, now: float) -> list[int]:
        """Return the tasks that should have ended by `now`, and forget them."""
        found = []
        for running in self._by_limit.values():
            while running:
                task, deadline = next(iter(running.items()))
                if deadline > now:
                    break

                del running[task]
                found.append(task)
        return found
