"""Tell about event loops and their coroutines, without importing any library of them.

Whoever runs inside a loop has imported it, so a library that is not in `sys.modules`
cannot be running one.
"""

from __future__ import annotations

from sys import modules
from types import CoroutineType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import Task
    from collections.abc import Callable, Coroutine
    from typing import Any, Literal


def running_library() -> Literal["asyncio", "trio"] | None:
    """Return the library whose event loop runs in this thread, or None."""
    trio = modules.get("trio")
    if trio is not None:
        lowlevel = getattr(trio, "lowlevel", None)  # absent while trio is imported
        in_trio_run = getattr(lowlevel, "in_trio_run", None)
        if in_trio_run is not None and in_trio_run():
            return "trio"

    events = modules.get("asyncio.events")
    get_running_loop = getattr(events, "_get_running_loop", None)
    if get_running_loop is not None and get_running_loop() is not None:
        return "asyncio"

    return None


def call_soon_here() -> Callable[[Callable[[], object]], Any]:
    """Return what schedules a callback on this thread's event loop from any thread."""
    if running_library() == "trio":
        return modules["trio"].lowlevel.current_trio_token().run_sync_soon  # type: ignore[no-any-return]

    return modules["asyncio"].get_running_loop().call_soon_threadsafe  # type: ignore[no-any-return]


def is_cancelled_error(error: BaseException) -> bool:
    """Return whether asyncio or trio raise it where a coroutine is cancelled.

    Or a pool, for what it had not started.
    """
    for name, attribute in (
        ("asyncio", "CancelledError"),
        ("trio", "Cancelled"),
        ("concurrent.futures", "CancelledError"),
    ):
        kind = getattr(modules.get(name), attribute, None)
        if kind is not None and isinstance(error, kind):
            return True

    return False


def refuse_coroutine(coroutine: Any) -> None:
    """Raise since a coroutine has returned another one instead of a result."""
    coroutine.close()
    raise TypeError(
        f"a coroutine returned another coroutine, {coroutine.__qualname__!r}, that "
        f"nobody awaits: write `return await ...`"
    )


async def reachable(
    coroutine: Coroutine[Any, Any, Any], tell: Callable[[Task[Any] | None], object]
) -> Any:
    """Await a coroutine on asyncio that others can cancel meanwhile.

    Parameters:
        coroutine: the coroutine of a task.
        tell: called with the asyncio task before it begins, with None when it is over.
    """
    tell(modules["asyncio"].current_task())
    try:
        result = await coroutine
    finally:
        tell(None)
    if type(result) is CoroutineType:
        refuse_coroutine(result)
    return result


async def as_coroutine(awaitable: Any) -> Any:
    """Return a coroutine for what a function marked as a coroutine function gave."""
    return await awaitable if hasattr(awaitable, "__await__") else awaitable
