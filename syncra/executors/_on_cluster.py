"""What executors on clusters have in common, whatever the engine."""

from __future__ import annotations

from weakref import finalize

from ._base import Executor
from ._cluster import ClusterLane
from ._crossing import ToItsEnd
from .threads import checked_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextvars import ContextVar
    from types import TracebackType
    from typing import Any, Self

    from ._cluster_reports import Cluster


class ClusterExecutor(Executor):
    """Run tasks on a cluster.

    Parameters:
        cluster: the engine, which has connected with nothing yet.
        forget: ends what was started for this executor when nobody has it any more;
            None if the connection is somebody else's.
        max_in_flight: how many submissions of a run are on the way at once.
        batch: whether several small tasks may travel in one submission.
        context: context variables whose values tasks shall see.

    Raises:
        ValueError: if max_in_flight is not positive, or a variable is not found.
    """

    __slots__ = (
        "__weakref__",
        "_batch",
        "_cluster",
        "_ending",
        "_variables",
        "max_in_flight",
    )

    is_here = False
    is_kept = False
    is_bounded = True

    def __init__(
        self,
        cluster: Cluster,
        forget: Callable[[], object] | None,
        *,
        max_in_flight: int | None,
        batch: bool,
        context: Iterable[ContextVar[Any]],
    ) -> None:
        if max_in_flight is not None:
            max_in_flight = checked_count(max_in_flight, "max_in_flight")
        self.max_in_flight = max_in_flight
        self._batch = batch
        from .processes import place_of

        self._variables = [(variable, place_of(variable)) for variable in context]
        self._cluster = cluster
        # Also at the end of the interpreter.
        self._ending = None if forget is None else finalize(self, forget)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the cluster, and end what was started here."""
        raise NotImplementedError

    def adapt(
        self, function: Callable[..., Any], is_async: bool, in_loop: bool
    ) -> Callable[..., Any]:
        return ToItsEnd(function) if is_async else function

    def open(self, index: int, in_loop: bool) -> ClusterLane:
        return ClusterLane(
            index, self._cluster, self.max_in_flight, self._batch, self._variables
        )
