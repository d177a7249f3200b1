"""Coroutines in a thread that has no event loop: on one of its own, kept a while."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from threading import current_thread, local

from ._pool import after_job

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

_thread = local()
_running: dict[
    str, tuple[asyncio.AbstractEventLoop | None, asyncio.Task[Any] | None]
] = {}


class OnPrivateLoop:
    """Call a coroutine function and run what it gives to its end in this thread."""

    __slots__ = ("__wrapped__",)

    def __init__(self, function: Callable[..., Coroutine[Any, Any, Any]]) -> None:
        self.__wrapped__ = function

    def __call__(self, *arguments: Any) -> Any:
        return run_here(self.__wrapped__(*arguments))


def run_here(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end on the private loop of this thread."""
    runner = getattr(_thread, "runner", None)
    if runner is None:
        runner = _thread.runner = asyncio.Runner()
    # Without the context the coroutine would run in the one of the first call.
    return runner.run(_known(coroutine), context=copy_context())


async def _known(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Await a coroutine that `interrupt` can reach meanwhile."""
    name = current_thread().name
    _running[name] = asyncio.get_running_loop(), asyncio.current_task()
    try:
        return await coroutine
    finally:
        del _running[name]


def interrupt(thread: str) -> bool:
    """Cancel the coroutine that runs in a thread; return whether there is one."""
    loop, task = _running.get(thread, (None, None))
    if loop is None or task is None:
        return False

    try:
        loop.call_soon_threadsafe(task.cancel)
    except RuntimeError:
        return False  # it has just ended

    return True


@after_job.append
def close() -> None:
    """Close the private loop of this thread, if it has one."""
    runner = getattr(_thread, "runner", None)
    if runner is not None:
        _thread.runner = None
        runner.close()
