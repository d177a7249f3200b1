"""Tasks in a pool of the user's: any `concurrent.futures.Executor`, or what acts so."""

from __future__ import annotations

import sys

from ._base import Executor
from ._crossing import ToItsEnd
from ._flights import ForeignLane
from .threads import checked_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable
    from typing import Any

#: The most tasks in flight in a pool that does not say how many workers it has.
MOST_IN_FLIGHT = 64
#: How many more are in flight than a pool has workers, so that none of them has to wait
#: for the next task to arrive.
SPARE = 2


class Foreign(Executor):
    """Run tasks in a pool of yours: any `concurrent.futures.Executor`.

    A pool given as `executor=` becomes one by itself. Anything will do that has a
    `submit` which returns a future with `add_done_callback`, `cancel` and `result`. It
    is never shut down, and a run has only as many tasks in flight in it as keep it
    busy.

    In a pool of threads each task has its own copy of the caller's context variables.
    To a pool of processes go the function and its arguments, pickled (by cloudpickle
    what `pickle` cannot, if that is loaded). A task that is decorated at the top level
    of a module can go. A coroutine function is run to its end by the worker that gets
    it, on asyncio. A `Context` there raises `SharedUnavailable` instead of having a
    `shared`, and is never `cancelled()`.

    The start of a task is when it is handed to the pool, and its `timeout=` counts from
    then. What still waits in the pool when its time is up, or when the run is to end,
    is taken back. What runs there cannot be interrupted, except a coroutine in a
    thread: it is abandoned and goes on there, and its worker does nothing else until
    then. If all workers hang, tasks without a timeout wait for them.

    A task that runs another graph in the pool that it is running in keeps its worker
    while it waits for that: if all workers do so, they wait for ever. Give the inner
    graph another executor.

    Parameters:
        pool: the pool.
        max_in_flight: how many tasks of a run are in it at once; by default as many as
            it has workers, and a few more if no task of the run has a timeout; 64 if
            it does not tell how many it has.

    Raises:
        TypeError: if the pool has no `submit`, or max_in_flight is not an int.
        ValueError: if max_in_flight is not positive.

    Example:
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> from syncra import Graph
        >>> with ThreadPoolExecutor(2) as pool:
        ...     graph = Graph("squares", executor=pool)
        ...     two = graph.add(lambda: 2, name="two")
        ...     four = graph.add(lambda two: two * two, name="four", dependencies=two)
        ...     run = graph()
        >>> run["four"], run.records["four"].executor
        (4, 'ThreadPoolExecutor')
    """

    __slots__ = ("max_in_flight", "name", "pool")

    is_here = False
    is_kept = False
    is_bounded = True

    def __init__(
        self,
        pool: concurrent.futures.Executor,
        max_in_flight: int | None = None,
    ) -> None:
        if not is_pool(pool):
            raise TypeError(f"a pool has a method submit(), {pool!r} has none")

        self.pool = pool
        self.name = type(pool).__name__
        if max_in_flight is not None:
            max_in_flight = checked_count(max_in_flight, "max_in_flight")
        self.max_in_flight = max_in_flight

    def __repr__(self) -> str:
        return f"Foreign({self.pool!r})"

    # Tasks that name the same pool share a lane.

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Foreign)
            and self.pool is other.pool
            and self.max_in_flight == other.max_in_flight
        )

    def __hash__(self) -> int:
        return id(self.pool)

    def adapt(
        self, function: Callable[..., Any], is_async: bool, in_loop: bool
    ) -> Callable[..., Any]:
        return ToItsEnd(function) if is_async else function

    def open(self, index: int, in_loop: bool) -> ForeignLane:
        width, spare = self.max_in_flight, 0
        submits_at_once = _is_plain_pool_of_threads(self.pool)
        if width is None:
            width = _workers_of(self.pool)
            spare = 0 if submits_at_once or not width else SPARE
        return ForeignLane(
            index,
            self.pool,
            self.name,
            width or MOST_IN_FLIGHT,
            spare,
            submits_at_once,
        )


def is_pool(candidate: object) -> bool:
    """Return whether something can be used as a pool; a class of pools cannot."""
    return not isinstance(candidate, type) and callable(
        getattr(candidate, "submit", None)
    )


def _is_plain_pool_of_threads(pool: object) -> bool:
    """Return whether a pool submits as `ThreadPoolExecutor` does.

    Its workers call back with nothing held and never in the thread that submits, and
    its `submit` does not wait.
    """
    module = sys.modules.get("concurrent.futures.thread")
    known = getattr(module, "ThreadPoolExecutor", None)
    return known is not None and getattr(type(pool), "submit", None) is known.submit


def _workers_of(pool: object) -> int:
    """Return how many workers a pool has, 0 for one that does not tell."""
    for attribute in ("_max_workers", "max_workers"):
        found = getattr(pool, attribute, None)
        if isinstance(found, int) and found > 0:
            return found

    return 0
