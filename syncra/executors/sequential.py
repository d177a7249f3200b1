"""One task after another, in the caller's thread."""

from __future__ import annotations

from ._base import Executor
from .threads import ThreadLane

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._base import Lane


class Sequential(Executor):
    """Run one task after another, in topological order, in the caller's thread.

    The order is the same in every run, and a debugger works. Coroutine functions are
    run to their end on an event loop that lasts as long as the run. Where the run is
    awaited, coroutines run on the caller's loop and functions in a thread, still one
    at a time. Where a task or the run has a `timeout=`, or the run a `grace=`, the
    caller has to be free to end what takes too long: tasks run in one other thread.

    Example:
        >>> from syncra import Graph, Sequential
        >>> graph = Graph("letters", executor=Sequential())
        >>> for letter in "abc":
        ...     task = graph.add(lambda letter=letter: print(letter), name=letter)
        >>> run = graph()
        a
        b
        c
    """

    __slots__ = ()

    name = "sequential"
    in_order = True

    def __repr__(self) -> str:
        return "Sequential()"

    def adapt(
        self, function: Callable[..., Any], is_async: bool, in_loop: bool
    ) -> Callable[..., Any]:
        if in_loop:
            from ._in_thread import InThread

            return function if is_async else InThread(function)

        if is_async:
            from ._private_loop import OnPrivateLoop

            return OnPrivateLoop(function)

        return function

    def open(self, index: int, in_loop: bool) -> Lane:
        if in_loop:
            from .coroutines import LoopLane

            return LoopLane(index, one_at_a_time=True)

        return ThreadLane(index, 1)
