"""Every exception that Syncra raises by itself.

All of them derive from `SyncraError` and from the nearest builtin, so that
`except LookupError` keeps working in code that has never heard of Syncra. A message
says what happened, to which task, and what to do; the objects it talks about are
attributes of the exception.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "CycleError",
    "DuplicateTaskError",
    "GraphError",
    "GraphNotFoundError",
    "InputError",
    "RunNotFinished",
    "SignatureError",
    "SyncraError",
    "TaskCancelled",
    "TaskNotFoundError",
    "TaskSkipped",
    "UnknownDependencyError",
]


class SyncraError(Exception):
    """Be the base of every error that Syncra raises by itself."""


class GraphError(SyncraError):
    """Be the base of the errors in how a graph is put together."""


class CycleError(GraphError, ValueError):
    """Report tasks that wait for one another.

    Attributes:
        cycle: task names in the order they run, the first one repeated at the end.
    """

    def __init__(self, message: str, cycle: Sequence[str]) -> None:
        super().__init__(message)
        self.cycle = tuple(cycle)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.args[0], self.cycle)


class UnknownDependencyError(GraphError, LookupError):
    """Report a dependency that is not a task of the graph.

    Attributes:
        task: name of the task that depends on it.
        dependency: what was asked for.
        suggestion: the nearest task name of the graph, or None.
    """

    def __init__(
        self, message: str, task: str, dependency: str, suggestion: str | None = None
    ) -> None:
        super().__init__(message)
        self.task = task
        self.dependency = dependency
        self.suggestion = suggestion

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (
            self.args[0],
            self.task,
            self.dependency,
            self.suggestion,
        )


class DuplicateTaskError(GraphError, ValueError):
    """Report two different callables under one task name.

    Attributes:
        task: the name.
        places: where the two are defined, as "file:line".
    """

    def __init__(self, message: str, task: str, places: tuple[str, str]) -> None:
        super().__init__(message)
        self.task = task
        self.places = places

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.args[0], self.task, self.places)


class SignatureError(GraphError, TypeError):
    """Report a callable that cannot be called with what the graph has for it.

    Attributes:
        task: name of the task.
        parameter: name of the parameter, or None if it is not about one.
    """

    def __init__(self, message: str, task: str, parameter: str | None = None) -> None:
        super().__init__(message)
        self.task = task
        self.parameter = parameter

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.args[0], self.task, self.parameter)


class InputError(SyncraError, TypeError):
    """Report inputs that a call of a graph lacks or has too many of.

    Attributes:
        missing: names of inputs that were not given.
        unknown: names that were given and are no inputs.
    """

    def __init__(
        self, message: str, missing: Sequence[str] = (), unknown: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.missing = tuple(missing)
        self.unknown = tuple(unknown)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.args[0], self.missing, self.unknown)


class _NotFoundError(SyncraError, KeyError):
    """Be a KeyError whose text reads as a sentence."""

    def __init__(
        self, message: str, name: object, suggestion: str | None = None
    ) -> None:
        super().__init__(message)
        self.name = name
        self.suggestion = suggestion

    # KeyError shows the repr of its argument; a message is no key.
    __str__ = Exception.__str__

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.args[0], self.name, self.suggestion)


class GraphNotFoundError(_NotFoundError):
    """Report a graph name that nobody has registered.

    Attributes:
        name: the name asked for.
        suggestion: the nearest registered name, or None.
    """


class TaskNotFoundError(_NotFoundError):
    """Report a task that is not in the graph or run it was looked up in.

    Attributes:
        name: what was asked for.
        suggestion: the nearest task name, or None.
    """


class _TaskOutcome(SyncraError):
    """Be the base of what stands in for the result of a task that has none."""

    def __init__(self, message: str, task: str) -> None:
        super().__init__(message)
        self.task = task

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.args[0], self.task)


class TaskSkipped(_TaskOutcome, LookupError):
    """Say that a task has no result because it was skipped.

    Attributes:
        task: name of the task.
        because: names of the tasks at the root of it.
    """

    def __init__(self, message: str, task: str, because: Sequence[str] = ()) -> None:
        super().__init__(message, task)
        self.because = tuple(because)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.args[0], self.task, self.because)


class TaskCancelled(_TaskOutcome, RuntimeError):
    """Say that a task has no result because it was cancelled.

    Attributes:
        task: name of the task.
    """


class RunNotFinished(SyncraError, RuntimeError):
    """Say that a run was asked for what it only has at its end."""
