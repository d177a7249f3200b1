"""Worker processes that nobody uses, kept for a while: beginning one takes long."""

from __future__ import annotations

import atexit
import os
from threading import Lock
from weakref import ref

from .._alarm import call_at
from .._clock import clock
from . import births
from .child import Child, all_children

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FunctionType

#: Seconds after which an idle child is ended.
IDLE_SECONDS = 30.0

_idle: dict[str, list[Child]] = {method: [] for method in births.METHODS}
_idle_lock = Lock()


def hire(method: str) -> Child:
    """Return an idle child, or one that has not begun yet."""
    while True:
        with _idle_lock:
            idle = _idle[method]
            child = idle.pop() if idle else Child(method, _sent.generation)
        if child.generation == _sent.generation and not child.has_died():
            return child

        child.close()


class _Sent:
    """Hold which functions went to children.

    Attributes:
        functions: by module and name.
        generation: how often one of them was another one than before. Children that
            were begun earlier may have imported its module as it was then.
    """

    def __init__(self) -> None:
        self.functions: dict[tuple[str, str], ref[FunctionType]] = {}
        self.generation = 0


_sent = _Sent()


def note_function(function: FunctionType) -> None:
    """Have new children begun from now on if a function was defined anew.

    Parameters:
        function: one that children find by its name.
    """
    key = function.__module__, function.__qualname__
    with _idle_lock:
        before = _sent.functions.get(key)
        if before is not None and before() is function:
            return

        _sent.functions[key] = ref(function)
        if before is not None:
            _sent.generation += 1


def dismiss(child: Child) -> None:
    """Keep a child for the next one who wants one, or end it if it is of no use."""
    if child.spent or child.in_hand or child.pid is None:
        child.close()
        return

    child.idle_since = now = clock()
    with _idle_lock:
        _idle[child.method].append(child)
    try:
        call_at(now + IDLE_SECONDS, _end_old)
    except RuntimeError:
        pass  # no thread for the clock now: who comes to an end later ends it too


def end_idle(method: str) -> None:
    """End the idle children of a kind."""
    with _idle_lock:
        ended, _idle[method] = _idle[method], []
    for child in ended:
        child.close()


def idle_pids() -> set[int]:
    """Return the numbers of the idle children."""
    with _idle_lock:
        return {child.pid or 0 for idle in _idle.values() for child in idle}


def _end_old() -> None:
    """End the children that have been idle for long, and the guardian with the last."""
    limit = clock() - IDLE_SECONDS
    for method, idle in _idle.items():
        with _idle_lock:
            old = [child for child in idle if child.idle_since <= limit]
            _idle[method] = [child for child in idle if child.idle_since > limit]
        for child in old:
            child.close()
    births.end_guardian_if_unused()


@atexit.register
def _end_all() -> None:
    for method in births.METHODS:
        end_idle(method)
    births.end_guardian()


def _forget_all() -> None:
    if _idle_lock.locked():
        _idle_lock.release()  # its holder is not here
    for idle in _idle.values():
        idle.clear()
    for child in list(all_children):
        child.forget()


os.register_at_fork(after_in_child=_forget_all)
