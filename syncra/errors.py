"""Every exception that Syncra raises by itself.

All of them derive from `SyncraError` and from the nearest builtin, so that
`except LookupError` keeps working in code that has never heard of Syncra. A message
says what happened, to which task, and what to do; the objects it talks about are
attributes of the exception.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ._command_result import CommandResult
    from ._files.problems import Problem

__all__ = [
    "CommandFailed",
    "CycleError",
    "DeliveryFailed",
    "DontRetry",
    "DrawingFailed",
    "DuplicateTaskError",
    "ExecutorLost",
    "FlowFileError",
    "GraphError",
    "GraphNotFoundError",
    "InputError",
    "MissingExtraError",
    "RemoteTaskError",
    "ResultNotKept",
    "RunNotFinished",
    "RunTimeout",
    "SerializationError",
    "SharedUnavailable",
    "SignatureError",
    "Skip",
    "SyncraError",
    "TaskCancelled",
    "TaskExited",
    "TaskNotFoundError",
    "TaskSkipped",
    "TaskTimeout",
    "UnknownDependencyError",
    "VersionMismatch",
    "WorkerCrashed",
]


class SyncraError(Exception):
    """Be the base of every error that Syncra raises by itself."""

    def __reduce__(self) -> tuple[object, ...]:
        # With its attributes and notes, and whatever its constructor takes.
        return _rebuilt, (type(self), self.args, self.__dict__.copy())


def _rebuilt(
    kind: type[SyncraError], args: tuple[object, ...], attributes: dict[str, object]
) -> SyncraError:
    error = kind.__new__(kind, *args)
    error.args = args  # an OSError does not take them there
    error.__dict__.update(attributes)
    return error


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


class FlowFileError(SyncraError, ValueError):
    """Report what is wrong with a file, or a mapping, that is to define a graph.

    Attributes:
        problems: all that was found, each with `file`, `line`, `column`, `path` (such
            as "tasks[2].retry.attempts") and `message`; file, line and column are None
            where they are not known.
    """

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


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

    def __init__(self, message: str = "", task: str = "") -> None:
        super().__init__(message)
        self.task = task


class TaskSkipped(_TaskOutcome, LookupError):
    """Say that a task has no result because it was skipped.

    Attributes:
        task: name of the task.
        because: names of the tasks at the root of it.
    """

    def __init__(
        self, message: str = "", task: str = "", because: Sequence[str] = ()
    ) -> None:
        super().__init__(message, task)
        self.because = tuple(because)


class TaskCancelled(_TaskOutcome, RuntimeError):
    """Say that a task has no result because it was cancelled.

    Attributes:
        task: name of the task.
    """


class TaskExited(_TaskOutcome, RuntimeError):
    """Report a task that has called `sys.exit`, which is its failure, not our end.

    Raised in place of the `SystemExit`, which is its cause: raised by itself it would
    end the calling program, and with the code 0 as if all were well.

    Attributes:
        task: name of the task.
        code: what it wanted to exit with.
    """

    def __init__(self, message: str, task: str, code: object) -> None:
        super().__init__(message, task)
        self.code = code


class TaskTimeout(_TaskOutcome, TimeoutError):
    """Report an attempt at a task that did not end within its `timeout=`.

    Attributes:
        task: name of the task.
        limit: the seconds it had; 0.0 if it was not Syncra that raised it.
    """

    def __init__(self, message: str = "", task: str = "", limit: float = 0.0) -> None:
        super().__init__(message, task)
        self.limit = limit


class WorkerCrashed(_TaskOutcome, RuntimeError):
    """Report that the process that ran a task has died.

    Attributes:
        task: name of the task.
        exitcode: its exit code; None if that is not known, or if a signal ended it.
        signal: number of the signal that ended it, or None.
    """

    def __init__(
        self,
        message: str,
        task: str,
        exitcode: int | None = None,
        signal: int | None = None,
    ) -> None:
        super().__init__(message, task)
        self.exitcode = exitcode
        self.signal = signal


class ExecutorLost(SyncraError, ConnectionError):
    """Report a cluster, the `executor`, that is gone with what was there."""

    def __init__(self, message: str, executor: str) -> None:
        super().__init__(message)
        self.executor = executor


class VersionMismatch(SyncraError, RuntimeError):
    """Report a worker of a cluster whose Python or Syncra is another one than here."""


class SerializationError(_TaskOutcome, TypeError):
    """Report something that cannot cross the border between two processes.

    Attributes:
        task: name of the task.
        stage: what could not: "function", "argument" or "result".
        path: where in it the culprit is, such as "rows[3].lock"; "" if not known.
    """

    def __init__(self, message: str, task: str, stage: str, path: str = "") -> None:
        super().__init__(message, task)
        self.stage = stage
        self.path = path


class RemoteTaskError(_TaskOutcome, RuntimeError):
    """Stand for an exception of a task that could not leave the process it was in.

    Attributes:
        task: name of the task.
        type_name: full name of the exception's class.
        text: its text.
        remote_traceback: its traceback there, as text.
    """

    def __init__(
        self, message: str, task: str, type_name: str, text: str, remote_traceback: str
    ) -> None:
        super().__init__(message, task)
        self.type_name = type_name
        self.text = text
        self.remote_traceback = remote_traceback


class CommandFailed(_TaskOutcome, RuntimeError):
    """Report a command that could not be started or that has not exited with 0.

    Attributes:
        task: name of the task.
        result: the `CommandResult`, with exit code and output.
    """

    def __init__(self, message: str, task: str, result: CommandResult[Any]) -> None:
        super().__init__(message, task)
        self.result = result


class MissingExtraError(SyncraError, ImportError):
    """Say that a part of Syncra needs a library that is not installed.

    Attributes:
        extra: the name of the extra that brings it.
        command: what installs it.
    """

    def __init__(self, message: str, extra: str) -> None:
        super().__init__(message)
        self.extra = extra
        self.command = f"pip install 'syncra[{extra}]'"


class DeliveryFailed(SyncraError, OSError):
    """Report a message about a run that could not be sent, which changes no run.

    Never raised by a run: alerts keep it in their `errors`.

    Attributes:
        where: to whom it was to be sent, without anything secret; "" if it did not
            come to that.
        refused: those of several recipients that were refused, with the reasons; the
            others have got it if there are any.
    """

    def __init__(
        self, message: str, where: str, refused: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.where = where
        self.refused = dict(refused or {})


class DrawingFailed(SyncraError, RuntimeError):
    """Report a picture that the program `dot` has not drawn.

    Attributes:
        exit_code: what it has ended with, minus the number of a signal if it was one;
            None if it could not be started or was ended at its limit.
        output: what it has said, as text.
    """

    def __init__(
        self, message: str, exit_code: int | None = None, output: str = ""
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.output = output


class RunTimeout(SyncraError, TimeoutError):
    """Report a run that did not end within its `timeout=`.

    Attributes:
        graph: name of the graph.
        limit: the seconds the run had.
        unfinished: names of the tasks that were running at its end.
    """

    def __init__(
        self, message: str, graph: str, limit: float, unfinished: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.graph = graph
        self.limit = limit
        self.unfinished = tuple(unfinished)


class RunNotFinished(SyncraError, RuntimeError):
    """Say that a run was asked for what it only has at its end."""


class ResultNotKept(_TaskOutcome, LookupError):
    """Say that a result was asked for that the run was told not to keep.

    Attributes:
        task: name of the task.
    """


class SharedUnavailable(SyncraError, RuntimeError):
    """Say that a task in another process has no `Context.shared`.

    Attributes:
        task: name of the task.
    """

    def __init__(self, message: str, task: str) -> None:
        super().__init__(message)
        self.task = task


class Skip(SyncraError, RuntimeError):
    """Be raised by a task that finds that it has nothing to do.

    The task and what depends on it are skipped; nothing has failed.

    Example:
        >>> from syncra import Graph, Skip
        >>> graph = Graph("mail")
        >>> @graph.task
        ... def unread() -> list[str]:
        ...     raise Skip("the mailbox is empty")
        >>> run = graph()
        >>> run.records["unread"].state, run.ok
        (<State.SKIPPED: 'skipped'>, True)
    """


class DontRetry(SyncraError, RuntimeError):
    """Be raised by a task that knows that another attempt would be of no use.

    The task fails at once with this exception, whatever its `retry=` says. Raise it
    `from` the error that made it so, and both are in the record.
    """
