"""Results that are somewhere else: on a cluster, until somebody here needs them."""

from __future__ import annotations

from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class Store(Protocol):
        """Be a cluster that has values."""

        name: str

        def get(self, handle: Any) -> Any: ...


#: In the context of a task on a cluster: whether it was told to end.
was_told: ContextVar[Callable[[], bool] | None] = ContextVar(
    "syncra_was_told", default=None
)


class Remote:
    """Stand for a value that is on a cluster. The value lives as long as this does.

    Parameters:
        store: the cluster.
        handle: what the cluster knows the value by.
        what: what the value is, for messages.
    """

    __slots__ = ("handle", "store", "what")

    def __init__(self, store: Store, handle: Any, what: str) -> None:
        self.store = store
        self.handle = handle
        self.what = what

    def fetch(self) -> Any:
        """Return the value itself, which travels here.

        Raises:
            ExecutorLost: if the cluster does not have it any more.
        """
        return self.store.get(self.handle)

    def part(self, output: str, index: int) -> RemotePart:
        """Return what stands for a named part of the value."""
        return RemotePart(self, output, index)

    def __repr__(self) -> str:
        return f"<{self.what}, on {self.store.name}>"


class RemotePart:
    """Stand for a named part of a value that is on a cluster."""

    __slots__ = ("index", "output", "whole")

    def __init__(self, whole: Remote, output: str, index: int) -> None:
        self.whole = whole
        self.output = output
        self.index = index

    def __repr__(self) -> str:
        return f"<{self.output!r} of {self.whole!r}>"
