"""Raising what tasks have raised, where their run is called or their result is read."""

from __future__ import annotations

from ._clock import clock
from ._core.states import CANCELLED
from ._tracebacks import KNOWN, RAISED_AGAIN
from .errors import (
    ResultNotKept,
    RunNotFinished,
    TaskCancelled,
    TaskExited,
    TaskSkipped,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import NoReturn

    from ._journal import Journal
    from ._records import TaskRecord


def error_of(journal: Journal, task: int) -> tuple[BaseException, TracebackType | None]:
    """Return what is raised for a task that failed, and its traceback."""
    error = journal.errors[task]
    if not isinstance(error, SystemExit):
        return error, journal.tracebacks[task]

    name, graph = journal.compiled.names[task], journal.compiled.graph
    instead = TaskExited(
        f"task {name!r} of graph {graph!r} has called sys.exit({error.code!r}); "
        f"return from it instead, or raise an error.",
        name,
        error.code,
    )
    instead.__cause__ = error
    return instead, None


def no_result(graph: str, record: TaskRecord) -> TaskSkipped | TaskCancelled:
    """Return what is raised for a task that was skipped or cancelled."""
    task = f"task {record.name!r} of graph {graph!r}"
    if record.state == "skipped":
        message = f"{task} was skipped: {record.why}."
        return TaskSkipped(message, record.name, record.skipped_because)

    return TaskCancelled(f"{task} was cancelled.", record.name)


def not_over(journal: Journal, task: int) -> RunNotFinished:
    """Return what is raised for a task that has not come to its end."""
    name, graph = journal.compiled.names[task], journal.compiled.graph
    return RunNotFinished(
        f"task {name!r} of graph {graph!r} is not over yet; "
        f"wait for it with run.wait() or `await run`."
    )


def not_started(graph: str) -> RunNotFinished:
    """Return what is raised for whatever is asked of a run that waits to be awaited."""
    return RunNotFinished(
        f"this run of graph {graph!r} has not started: inside an event loop "
        f"a graph is awaited. Write `run = await graph(...)`, or `graph.run(...)` "
        f"to block."
    )


def not_kept(journal: Journal, task: int) -> ResultNotKept:
    """Return what is raised for a result that the run was told not to keep."""
    name, graph = journal.compiled.names[task], journal.compiled.graph
    return ResultNotKept(
        f"the result of task {name!r} of graph {graph!r} was not kept: name "
        f"the task in keep=, where the graph is run.",
        name,
    )


def group_of(
    journal: Journal, interruption: BaseException | None
) -> BaseExceptionGroup | None:
    """Return everything that is wrong with a run as one group; None if nothing is.

    Parameters:
        journal: what was written down about the run.
        interruption: what has ended it from outside, or None.
    """
    graph, errors = journal.compiled.graph, list(journal.errors.values())
    if interruption is not None:
        errors.append(interruption)
    elif journal.cancelled:
        count = journal.states.count(CANCELLED)
        message = (
            f"the run of graph {graph!r} was cancelled; {count} tasks have no result."
        )
        errors.append(TaskCancelled(message, ""))
    if not errors:
        return None

    failed, tasks = len(journal.errors), len(journal.states)
    message = f"{failed} of {tasks} tasks of graph {graph!r} failed"
    return BaseExceptionGroup(message, errors)


def raise_again(error: BaseException, traceback: TracebackType | None) -> NoReturn:
    """Raise a kept exception with the traceback that it was kept with.

    Each raise adds the frames it passes to the exception, so one that is raised many
    times would grow; the kept traceback is put back first.
    """
    if KNOWN in vars(error):
        vars(error)[RAISED_AGAIN] = clock()
    try:
        raise BaseException.with_traceback(error, traceback)
    finally:
        del error
