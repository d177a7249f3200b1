"""How an attempt at a task ended, if not with a result, and what that calls for."""

from __future__ import annotations

import sys
from contextlib import suppress
from threading import current_thread, main_thread

from ._loops import is_cancelled_error
from ._names import message_of, note_on, text_of
from ._tracebacks import KNOWN, PACKAGE, RAISED_AGAIN, without_own_frames
from .errors import DontRetry, Skip, TaskCancelled, TaskTimeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Any

    from .executors._base import Worker

FAIL, RETRY, SKIP, CANCEL, INTERRUPT = "fail", "retry", "skip", "cancel", "interrupt"


class Outcome:
    """Hold what an attempt calls for.

    Attributes:
        kind: FAIL, RETRY, SKIP, CANCEL, or INTERRUPT: Ctrl-C has reached the task, and
            the run is what it meant.
        error: what the task raised; None for a cancellation and nothing else.
        traceback: its traceback, from the first frame that is not Syncra's.
        wait: seconds before the next attempt.
        reason: why the task wants to be skipped.
    """

    __slots__ = ("error", "kind", "reason", "traceback", "wait")

    def __init__(
        self,
        kind: str,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
        wait: float = 0.0,
        reason: str = "",
    ) -> None:
        self.kind = kind
        self.error = error
        self.traceback = traceback
        self.wait = wait
        self.reason = reason


def outcome_of(
    engine: Any, worker: Worker, task: int, error: BaseException, was_asked: bool
) -> Outcome:
    """Return what the error of an attempt calls for.

    Asking a retry policy may call the user's code: then not under the lock.

    Parameters:
        engine: the run.
        worker: who has made the attempt.
        task: id of the task.
        error: what it has raised.
        was_asked: whether the task was asked to end, as it is known under the lock.
    """
    traceback = _own_traceback(error, engine.started[task])
    # A coroutine that has not seen that it was asked to end has failed by itself.
    told = getattr(worker, "delivered", was_asked)
    if engine.has_expired(task) and (told or isinstance(error, TaskTimeout)):
        if not isinstance(error, TaskTimeout):
            cause = error
            error = timed_out(engine, task)
            error.__cause__ = cause  # shows where it was when its time was up
            traceback = None
    elif told:
        quiet = (
            is_cancelled_error(error)
            or isinstance(error, (Skip, TaskCancelled))
            or _means_the_run(engine, task, error)
        )
        return Outcome(CANCEL, None if quiet else error)
    elif isinstance(error, Skip):
        return Outcome(SKIP, error, reason=message_of(error))
    elif _means_the_run(engine, task, error):
        return Outcome(INTERRUPT, error)
    elif isinstance(error, TaskCancelled) and engine.is_to_stop(task):
        return Outcome(CANCEL, error)  # of a run that was part of this one

    attempt = engine.attempt_of(task)
    compiled = engine.compiled
    retry = compiled.retries.get(task) if compiled.retries else None
    wait = None
    if retry is not None and not _is_final(error):
        wait = _wait(retry, error, attempt, compiled.names[task])
    _add_note(error, compiled.names[task], compiled.graph, attempt)
    if wait is None:
        return Outcome(FAIL, error, traceback)

    return Outcome(RETRY, error, traceback, wait)


def _is_final(error: BaseException) -> bool:
    """Return whether no policy is to have it tried again.

    Who quits the debugger in a task has seen enough, and is not to see it again.
    """
    quit_debugger = getattr(sys.modules.get("bdb"), "BdbQuit", DontRetry)
    return isinstance(error, (DontRetry, quit_debugger))


def _own_traceback(error: BaseException, started: float) -> TracebackType | None:
    """Return the traceback of an attempt, without our frames and older ones.

    An exception object that is raised again and again collects the frames of all times.
    Those of a run that the task has called since it started are its own, though.
    """
    traceback = without_own_frames(error.__traceback__)
    known = vars(error).get(KNOWN)
    if vars(error).get(RAISED_AGAIN, -1.0) >= started:
        known = None
    before, entry = None, traceback
    while entry is not None and id(entry) != known:
        before, entry = entry, entry.tb_next
    if before is not None and entry is not None:
        before.tb_next = None
    if traceback is not None:
        vars(error)[KNOWN] = id(traceback)  # alive as long as it is in a chain
    return BaseException.with_traceback(error, traceback).__traceback__


def _means_the_run(engine: Any, task: int, error: BaseException) -> bool:
    """Return whether a task was hit by a signal that was meant for the run."""
    if error is engine.interruption:
        return True

    return (
        isinstance(error, KeyboardInterrupt)
        and current_thread() is main_thread()
        and not getattr(engine.functions[task], "runs_in_thread", False)
    )


def timed_out(engine: Any, task: int, worker: Worker | None = None) -> TaskTimeout:
    """Return the error of an attempt whose time is up.

    Parameters:
        engine: the engine of its run.
        task: id of the task.
        worker: who is given up with it, to tell what it was doing.
    """
    compiled = engine.compiled
    name = compiled.names[task]
    limit = compiled.limits[task]
    error = TaskTimeout(
        f"task {name!r} of graph {compiled.graph!r} did not end within {limit:g} s",
        name,
        limit,
    )
    _add_note(error, name, compiled.graph, engine.attempt_of(task))
    if worker is None:
        return error

    if hasattr(worker, "note_when_lost"):
        error.add_note(worker.note_when_lost)
        return error

    where = _where(worker) if isinstance(worker, str) else ""
    if where:
        where = f" at {where}"
    if not engine.was_asked_to_end(task):
        note = f"its thread cannot be interrupted and was abandoned{where}"
    elif isinstance(worker, str):
        note = f"its coroutine went on after its cancellation, and was abandoned{where}"
    else:
        note = "its coroutine went on after its cancellation, and was closed"
    error.add_note(note)
    return error


def _wait(retry: Any, error: BaseException, attempt: int, name: str) -> float | None:
    """Return the seconds before another attempt, or None if there is to be none."""
    from random import random

    try:
        pause: float | None = retry.pause(error, attempt, random())
        return pause
    except BaseException as broken:
        note_on(error, f"the retry policy of task {name!r} raised {text_of(broken)}")
        return None


def _add_note(error: BaseException, name: str, graph: str, attempt: int) -> None:
    """Make an error say which task of which graph has raised it."""
    note = f"raised by task {name!r} of graph {graph!r}"
    if attempt > 1:
        # The same exception may have been raised by the attempts before.
        with suppress(Exception):  # of a class that answers as it likes
            notes = getattr(error, "__notes__", [])
            notes[:] = [old for old in notes if not old.startswith(note)]
        note += f", attempt {attempt}"
    note_on(error, note)


def _where(worker: str) -> str:
    """Return where in the user's code a thread is, as well as it is known."""
    from threading import enumerate as all_threads

    idents = [thread.ident for thread in all_threads() if thread.name == worker]
    if not idents:
        return ""

    # Without the GIL the thread runs on meanwhile: a frame that has returned leads
    # nowhere, and another look finds another one.
    for _ in range(10):
        frame = sys._current_frames().get(idents[0] or 0)
        places = _places(frame)
        if places is not None:
            # The task's own line tells most, the innermost one what it waits for.
            return ", ".join(places if len(places) < 2 else [places[-1], places[0]])

    return ""


def _places(frame: FrameType | None) -> list[str] | None:
    """Return where the user's code is, innermost first; None if it cannot be told."""
    places: list[str] = []
    while frame is not None and not frame.f_code.co_filename.startswith(PACKAGE):
        code = frame.f_code
        places.append(f"{code.co_filename}:{frame.f_lineno} in {code.co_name}")
        frame = frame.f_back
    return places if frame is not None else None
