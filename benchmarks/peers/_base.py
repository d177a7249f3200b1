"""What all who run graphs have in common."""

from __future__ import annotations

from collections.abc import Callable

from ..shapes import Shape


class Peer:
    """Run graphs in one way.

    Attributes:
        name: what the table calls it, in at most 17 letters.
        measurements: ids of the measurements that it takes part in by itself; for
            other libraries.
        package: what an installer calls it; for other libraries.
        most_tasks: the most it is given where making a larger graph takes too long to
            wait for; how long a run takes is found out without it.
        in_processes: whether its tasks run in other processes than `prepare`.
    """

    name: str
    measurements: tuple[str, ...] = ()
    package: str = ""
    most_tasks: int | None = None
    in_processes: bool = False

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        """Return what runs that graph of `count` tasks once, as often as it is called.

        It runs every task and returns the result of the last one. All that one
        can prepare once and use for many runs is done here, and is not timed.

        Raises:
            Cannot: if there is no way, with the reason.
            ModuleNotFoundError: if a library is not installed; for other libraries.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Give back what `prepare` has taken: threads, processes, loops."""
