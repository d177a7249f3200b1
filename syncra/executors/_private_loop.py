"""Coroutines in a thread that has no event loop: on one of its own, kept a while."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from threading import local

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

_thread = local()


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
    return runner.run(coroutine, context=copy_context())


def close() -> None:
    """Close the private loop of this thread, if it has one."""
    runner = getattr(_thread, "runner", None)
    if runner is not None:
        _thread.runner = None
        runner.close()
