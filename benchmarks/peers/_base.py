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
    """

    name: str
    measurements: tuple[str, ...] = ()

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        """Return what runs that graph of `count` tasks once, as often as it is called.

        It runs every task and returns the result of the last one. All that one
        can prepare once and use for many runs is done here, and is not timed.

        Raises:
            Cannot: if there is no way, with the reason.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Give back what `prepare` has taken: threads, processes, loops."""
