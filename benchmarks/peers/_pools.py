"""A pool that runs graphs by hand, whatever its workers are."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor

from ..shapes import Shape, Work
from ._base import Peer

#: Workers of each pool.
WORKERS = 2


class InPool(Peer):
    """Run graphs in a pool, which lives on between runs.

    Parameters:
        pool: the pool; shut down at the end.
    """

    def __init__(self, pool: Executor) -> None:
        self._pool = pool

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        return self.prepare_work(shape.work(count))

    def prepare_work(self, work: Work) -> Callable[[], object]:
        """Return what runs any graph once, as often as it is called."""
        followers, counts = work.followers(), work.counts()
        roots = [task for task, count in enumerate(counts) if not count]
        return lambda: self._run(work, followers, counts.copy(), roots)

    def _run(
        self,
        work: Work,
        followers: list[list[int]],
        missing: list[int],
        roots: list[int],
    ) -> object:
        """Run a graph once and return its last value.

        Parameters:
            work: the functions, and what each waits for.
            followers: of each function those that wait for it.
            missing: how many each waits for still; free to be changed.
            roots: those that wait for none.
        """
        raise NotImplementedError

    def close(self) -> None:
        self._pool.shutdown()
