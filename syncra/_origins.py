"""Which task it is whose code runs, where somebody wants to know: log records do.

To tell each task's context takes time, so it is done in runs only that write log files,
and when a filter has been made that marks records (`want`).
"""

from __future__ import annotations

from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextvars import Context
    from typing import Any, Protocol, TypeAlias

    #: A function that is called in another process, and its argument.
    Baggage: TypeAlias = tuple[Callable[[Any], object], Any]

    class Scope(Protocol):
        """Be an observer that does something in the context of each attempt."""

        def begin_attempt(self, origin: Origin) -> object: ...
        def baggage(self) -> Baggage: ...


class Origin:
    """Name an attempt at a task.

    Attributes:
        graph: name of the graph.
        run_id: id of the run.
        task: name of the task.
        attempt: number of the attempt, from 1.
    """

    __slots__ = ("attempt", "graph", "run_id", "task")

    def __init__(self, graph: str, run_id: str, task: str, attempt: int) -> None:
        self.graph = graph
        self.run_id = run_id
        self.task = task
        self.attempt = attempt


#: What stands for code that runs for no task.
NOWHERE = Origin("", "", "", 0)

#: The attempt whose code runs, in the context of a task.
current: ContextVar[Origin | None] = ContextVar("syncra_origin", default=None)


class Origins:
    """Make the contexts of the tasks of one run.

    Parameters:
        context: what each is a copy of.
        graph: name of the graph.
        run_id: id of the run.
        names: the names of the tasks.
        past: attempts at tasks that are over, as the journal has them.
        scopes: what is to be done in the context of each attempt before it begins.
    """

    __slots__ = ("_context", "_graph", "_names", "_past", "_run_id", "_scopes")

    def __init__(
        self,
        context: Context,
        graph: str,
        run_id: str,
        names: Sequence[str],
        past: Mapping[int, Sequence[object]],
        scopes: Sequence[Scope] = (),
    ) -> None:
        self._scopes = scopes
        self._context = context
        self._graph = graph
        self._run_id = run_id
        self._names = names
        self._past = past

    def of_others(
        self, names: Sequence[str], past: Mapping[int, Sequence[object]]
    ) -> Origins:
        """Return what makes the contexts of other tasks of the run: of its undoing.

        To observers the attempts at these are none.
        """
        return Origins(self._context, self._graph, self._run_id, names, past)

    def begin(self, task: int) -> Context:
        """Return the context of an attempt that begins."""
        context = self.context_of(task)
        for scope in self._scopes:
            try:
                origin = context[current]
                assert origin is not None
                context.run(scope.begin_attempt, origin)
            except Exception:
                _report(scope)
        return context

    def begin_elsewhere(self, task: int) -> list[Baggage]:
        """Begin an attempt in another process.

        Returns:
            Functions that are to be called there before it, each with an argument.
        """
        return self.baggage(self.begin(task)) if self._scopes else []

    def baggage(self, context: Context) -> list[Baggage]:
        """Return what is to be called in another process before an attempt there.

        Parameters:
            context: that of the attempt, which has begun.
        """
        found = []
        for scope in self._scopes:
            try:
                found.append(context.run(scope.baggage))
            except Exception:
                _report(scope)
        return found

    def context_of(self, task: int) -> Context:
        """Return a new context that knows the present attempt at a task."""
        context = self._context.copy()
        context.run(current.set, self._origin_of(task))
        return context

    def marked(self, task: int) -> Baggage:
        """Return what marks the present attempt at a task where no `context_of` is."""
        return current_is, self._origin_of(task)

    def _origin_of(self, task: int) -> Origin:
        attempt = 1 + len(self._past.get(task, ()))
        return Origin(self._graph, self._run_id, self._names[task], attempt)


def current_is(origin: Origin) -> None:
    """Mark the present context."""
    current.set(origin)


def is_scope(observer: object) -> bool:
    """Return whether an observer does something in the contexts of attempts."""
    return hasattr(observer, "begin_attempt")


def wants_origins(observer: object) -> bool:
    """Return whether an observer is of use only where contexts know their task."""
    return getattr(observer, "wants_origins", False) is True


def _report(scope: object) -> None:
    """Log what has gone wrong with an observer, which must not change the run."""
    from logging import getLogger

    name = type(scope).__name__
    getLogger("syncra.observers").warning("observer %s failed", name, exc_info=True)


class _Wishes:
    """Hold whether all runs are to tell where code runs for."""

    are_there = False


def want() -> None:
    """Have runs that start from now on tell it."""
    _Wishes.are_there = True


def are_wanted() -> bool:
    """Return whether somebody wants to know it of all runs."""
    return _Wishes.are_there
