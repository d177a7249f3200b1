"""Which lane each task of a graph runs in: a compiled graph and an executor, met."""

from __future__ import annotations

from ._processes import Unpicklable
from .errors import SerializationError
from .executors import resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._compiled import Compiled
    from .executors._base import Executor

#: How many executors a compiled graph remembers.
_MOST_KEPT = 8


class Route:
    """Hold the lanes of a compiled graph under one default executor.

    Attributes:
        executors: the executor of each lane.
        names: their names.
        lanes: the lane of each task.
        functions: what the lane's workers call for each task.
        is_lasting: whether `functions` hold for a later run too.
        warnings: what is to be known of tasks that are run otherwise than they say.
    """

    __slots__ = (
        "executors",
        "functions",
        "is_lasting",
        "lanes",
        "names",
        "warnings",
    )

    def __init__(
        self, compiled: Compiled, default: str | Executor, in_loop: bool
    ) -> None:
        self.executors: list[Executor] = []
        self.warnings: dict[int, str] = {}
        self.is_lasting = True
        self.lanes = [0] * len(compiled.tasks)
        self.functions: list[Callable[..., Any]] = compiled.functions
        found: dict[object, tuple[int, bool]] = {}
        adapted = None
        for task, is_async in enumerate(compiled.is_async):
            chosen = compiled.tasks[task].options.executor or default
            if is_async and chosen == "auto":
                if _has(compiled.functions[task], "wants_thread"):
                    chosen = "threads"
            elif chosen not in _HERE and not resolve(chosen, bool(is_async)).is_here:
                function = compiled.functions[task]
                if _has(function, "stays_here") or _has(function, "wants_thread"):
                    chosen = "auto" if _has(function, "stays_here") else "threads"
            key = (chosen, is_async)
            place = found.get(key)
            if place is None:
                place = found[key] = self._open(chosen, bool(is_async), in_loop)
            lane, adapts = place
            if lane:
                self.lanes[task] = lane
            if adapts:
                if adapted is None:
                    adapted = compiled.functions.copy()
                adapted[task] = self._adapt(
                    compiled, task, self.executors[lane], in_loop
                )
        if adapted is not None:
            self.functions = adapted
        self.names = [executor.name for executor in self.executors]

    def _adapt(
        self, compiled: Compiled, task: int, executor: Executor, in_loop: bool
    ) -> Any:
        """Return what the workers of a lane call for a task."""
        function, is_async = compiled.functions[task], bool(compiled.is_async[task])
        try:
            adapted = executor.adapt(function, is_async, in_loop)
        except Unpicklable as error:
            found = error
        else:
            self.is_lasting &= getattr(adapted, "is_lasting", True)
            return adapted

        name = compiled.names[task]
        what = (
            f"task {name!r} of graph {compiled.graph!r} cannot run in another process: "
            f"its function cannot be pickled, because {found.text}"
        )
        fallback = compiled.tasks[task].options.fallback
        if fallback is None:
            where = f" The culprit is {found.path}." if found.path else ""
            raise SerializationError(
                f"{what}.{where} Define it at the top of a module, or give the task "
                f'fallback="threads".',
                name,
                found.stage,
                found.path,
            ) from found.__cause__

        lane, _ = self._open(fallback, is_async, in_loop)
        self.lanes[task] = lane
        self.warnings[task] = f"{what}; it runs with {fallback!r} instead"
        return resolve(fallback, is_async).adapt(function, is_async, in_loop)

    def _open(
        self, chosen: str | Executor, is_async: bool, in_loop: bool
    ) -> tuple[int, bool]:
        """Return the lane of a task, and whether its function has to be adapted."""
        executor = resolve(chosen, is_async)
        if executor not in self.executors:
            self.executors.append(executor)
        # An executor that wants functions as they are says so by giving one back.
        adapts = executor.adapt(_probe, is_async, in_loop) is not _probe
        return self.executors.index(executor), adapts


def route(compiled: Compiled, executor: str | Executor, in_loop: bool) -> Route:
    """Return the route of a compiled graph, made at its first use."""
    if not isinstance(executor, str) and not executor.is_kept:
        return Route(compiled, executor, in_loop)

    key = (executor, in_loop)
    found = compiled.routes.get(key)
    if found is None:
        if len(compiled.routes) >= _MOST_KEPT:
            compiled.routes.clear()
        found = Route(compiled, executor, in_loop)
        if found.is_lasting:
            compiled.routes[key] = found
    return found


#: What runs tasks in this process, by its name.
_HERE = ("auto", "sequential", "threads")


def _has(function: Any, mark: str) -> bool:
    """Return whether a callable has a mark that says where it is to run.

    A command is a process with pipes: how many of them there are must have a bound, and
    a worker process that is killed would leave it behind ("wants_thread"). A graph that
    is a task only waits for its own tasks ("stays_here").
    """
    return hasattr(getattr(function, "__wrapped__", function), mark)


def _probe() -> None:
    """Stand for any function."""
