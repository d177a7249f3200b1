"""Executors: how the callables of tasks are executed.

Chosen by name ("auto", "sequential", "threads", "processes") or as an instance, for a
graph, a run or a task. A pool of `concurrent.futures`, or what looks like one, is an
instance too.
"""

from __future__ import annotations

from ._base import Executor, Lane
from .sequential import Sequential
from .threads import Threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    import concurrent.futures
    from typing import TypeAlias

    from .coroutines import Coroutines
    from .dask import Dask
    from .foreign import Foreign
    from .processes import Processes
    from .ray import Ray

    #: What users give as `executor=`.
    AnyExecutor: TypeAlias = str | Executor | concurrent.futures.Executor

__all__ = [
    "Coroutines",
    "Dask",
    "Executor",
    "Foreign",
    "Lane",
    "Processes",
    "Ray",
    "Sequential",
    "Threads",
    "resolve",
]

NAMES = ("auto", "sequential", "threads", "processes")

_instances: dict[str, Executor] = {}


def check_executor(executor: object, whose: str) -> str | Executor:
    """Return the executor that the user gave or named, or raise if it is none.

    Parameters:
        executor: what the user gave.
        whose: what it was given for, for the message.

    Raises:
        ValueError: if there is no executor of that name.
        TypeError: if it is neither a name nor an executor.
    """
    if isinstance(executor, str):
        if executor not in NAMES:
            from .._names import hint, listed, nearest

            raise ValueError(
                f"{whose}: there is no executor {executor!r}; "
                f"the names are {listed(NAMES)}." + hint(nearest(executor, NAMES))
            )

        return executor

    if isinstance(executor, Executor):
        return executor

    if hasattr(executor, "submit"):
        from .foreign import Foreign, is_pool

        if is_pool(executor):
            return Foreign(executor)  # type: ignore[arg-type]  # as good as one

    raise TypeError(
        f"{whose}: an executor is a name or an instance of an executor, "
        f"got {executor!r}"
    )


def resolve(executor: str | Executor, is_async: bool) -> Executor:
    """Return the executor that a name stands for, for a task of that kind.

    Parameters:
        executor: a name, or an executor, which is returned.
        is_async: whether the callable of the task is a coroutine function.
    """
    if isinstance(executor, Executor):
        return executor

    if executor == "auto":
        executor = "coroutines" if is_async else "threads"
    found = _instances.get(executor)
    if found is None:
        found = _instances[executor] = _make(executor)
    return found


def _make(name: str) -> Executor:
    if name == "threads":
        return Threads()

    if name == "sequential":
        return Sequential()

    if name == "processes":
        from .processes import Processes

        return Processes()

    from .coroutines import Coroutines

    return Coroutines()


def __getattr__(name: str) -> object:
    if name == "Coroutines":  # needs anyio
        from .coroutines import Coroutines

        return Coroutines

    if name == "Dask":
        from .dask import Dask

        return Dask

    if name == "Processes":
        from .processes import Processes

        return Processes

    if name == "Ray":
        from .ray import Ray

        return Ray

    if name == "Foreign":  # needs concurrent.futures
        from .foreign import Foreign

        return Foreign

    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
