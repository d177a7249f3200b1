"""Coroutines in a thread that has no event loop: on one of its own, kept a while."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from functools import partial
from threading import Lock, get_ident, local

from .._clock import clock
from .._loops import reachable
from ._pool import after_job, call, start_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from ._base import Work

_thread = local()
#: The asyncio task of the coroutine that a thread runs, and when that began, by number
#: of the thread: names are what programs make them.
_running: dict[int, tuple[asyncio.Task[Any], float]] = {}
#: What tells whether a coroutine that is about to begin was told to end before.
_early: dict[int, Callable[[], bool]] = {}


class OnPrivateLoop:
    """Call a coroutine function and run what it gives to its end in this thread."""

    __slots__ = ("__wrapped__",)

    def __init__(self, function: Callable[..., Coroutine[Any, Any, Any]]) -> None:
        self.__wrapped__ = function

    def __call__(self, *arguments: Any) -> Any:
        return run_here(self.__wrapped__(*arguments))


def run_here(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end on the private loop of this thread."""
    if asyncio._get_running_loop() is not None:
        result, error = _outcome_beside(coroutine)
    else:
        runner = getattr(_thread, "runner", None)
        if runner is None:
            runner = _thread.runner = asyncio.Runner()
        # Without the context the coroutine would run in the one of the first call.
        result, error = runner.run(_known(coroutine), context=copy_context())
    if error is None:
        return result

    try:
        raise error
    finally:
        del error  # this frame is in its traceback


def _outcome_beside(
    coroutine: Coroutine[Any, Any, Any],
) -> tuple[Any, BaseException | None]:
    """Run a coroutine in another thread, since this one is in an event loop already.

    Returns:
        Its result, and what it has raised, as `_known` does.
    """
    over = Lock()
    over.acquire()
    outcome: list[Any] = []
    job = partial(run_here, coroutine)
    start_thread(partial(call, copy_context(), job, outcome, over.release))
    over.acquire()
    # Taken out: the frame of `call` knows the list, and is in the traceback.
    error, result = outcome.pop(), outcome.pop()
    return result, error


async def _known(coroutine: Coroutine[Any, Any, Any]) -> tuple[Any, Exception | None]:
    """Await a coroutine that `interrupt` can reach meanwhile; return what it raises.

    An exception that passes through asyncio ends up in a cycle with a frame of it, and
    what it holds would be kept until the garbage collector comes by.
    """
    try:
        return await reachable(coroutine, _runs_as), None
    except Exception as error:
        return None, error


def _runs_as(task: asyncio.Task[Any] | None) -> None:
    """Take note of the asyncio task that this thread runs; None: it is over."""
    thread = get_ident()
    if task is None:
        del _running[thread]
        _early.pop(thread, None)
        return

    _running[thread] = task, clock()
    early = _early.pop(thread, None)
    if early is not None and early():
        task.cancel()


def interrupt(thread: int, worker: str, work: Work, number: int) -> bool:
    """Cancel the coroutine that a thread runs for a task.

    Parameters:
        thread: number of the thread.
        worker: its name, as the run knows it.
        work: the run.
        number: id of the task.

    Returns:
        Whether the task is a coroutine, so that it will be cancelled.
    """
    since = work.started[number]
    if work.functions[number].__class__ is not OnPrivateLoop:
        return _cancel(thread, since)

    # It may not have begun; then it finds that it is to end.
    _early[thread] = partial(work.goes_on, number, worker, since)
    _cancel(thread, since)
    return True


def _cancel(thread: int, since: float) -> bool:
    task, began = _running.get(thread, (None, 0.0))
    # What began earlier runs this run, and is not of it.
    if task is None or began < since:
        return False

    try:
        task.get_loop().call_soon_threadsafe(task.cancel)
    except RuntimeError:
        return False  # it has just ended

    return True


@after_job.append
def close() -> None:
    """Close the private loop of this thread, if it has one."""
    _early.pop(get_ident(), None)  # it came too late, and knows the run
    runner = getattr(_thread, "runner", None)
    # One that is running is of a run around this one.
    if runner is not None and not runner.get_loop().is_running():
        _thread.runner = None
        runner.close()
