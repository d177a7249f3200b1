"""Functions in threads, awaited on an event loop."""

from __future__ import annotations

from contextvars import copy_context
from functools import partial
from threading import current_thread
from types import CoroutineType

import anyio

from .._loops import call_soon_here
from .._parts import cancel_awaited_by
from ._pool import call, start_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class InThread:
    """Call a function in a thread and wait for it without blocking the loop."""

    __slots__ = ("__wrapped__",)

    #: What it raises has not been raised in the thread that awaits it.
    runs_in_thread = True

    def __init__(self, function: Callable[..., Any]) -> None:
        self.__wrapped__ = function

    async def __call__(self, *arguments: Any) -> Any:
        event, set_soon = event_here()
        names: list[str] = []
        job = partial(_noting_thread, names, partial(self.__wrapped__, *arguments))
        outcome: list[Any] = []
        start_thread(partial(call, copy_context(), job, outcome, set_soon))
        try:
            await event.wait()
        except BaseException:
            for name in names:
                cancel_awaited_by(name)
            raise

        error, result = outcome.pop(), outcome.pop()
        if error is not None:
            try:
                raise error
            finally:
                del error  # this frame is in its traceback, and so is that of `call`

        if result.__class__ is CoroutineType:
            return await result  # a wrapped coroutine function

        return result


def _noting_thread(names: list[str], function: Callable[[], Any]) -> Any:
    names.append(current_thread().name)
    return function()


def event_here() -> tuple[anyio.Event, Callable[[], object]]:
    """Return an event of this event loop, and what sets it from any thread."""
    event = anyio.Event()
    return event, partial(call_soon_here(), event.set)


async def wait_to_the_end(event: anyio.Event) -> BaseException | None:
    """Wait for an event, whoever is cancelled meanwhile, and return the last of that.

    Asyncio's own cancellation comes through a shield.
    """
    cancelled: BaseException | None = None
    with anyio.CancelScope(shield=True):
        while not event.is_set():
            try:
                await event.wait()
            except anyio.get_cancelled_exc_class() as error:
                cancelled = error
    return cancelled
