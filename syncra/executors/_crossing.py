"""What crosses the border between two processes: a call, and what came of it.

A pool does not say whether it works in this process. So it is given a `Call`, which it
may simply call. If it pickles it instead, a `RemoteCall` arrives on the other side, and
what comes back is a `Result` or a `Raised`. To the pool each of them is a few bytes:
what cannot be pickled, or not be rebuilt, costs its own task and never the pool.
"""

from __future__ import annotations

import pickle
import sys
from io import BytesIO
from threading import Lock
from types import CoroutineType, FunctionType

from .._loops import refuse_coroutine
from .._names import message_of, text_of
from ..errors import RemoteTaskError, SerializationError
from ._base import without_own_frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task
    from collections.abc import Callable
    from contextvars import Context
    from types import TracebackType
    from typing import Any

#: Held while a coroutine begins, ends, or is told to end.
_guard = Lock()


class Call:
    """Call a function for a task, here or wherever it is sent.

    Parameters:
        function: what to call.
        arguments: what with.
        context: the context of the task; left behind where the call is sent away.

    Attributes:
        raised: what the function has raised in this process, or None.
        traceback: its traceback as it came from the function.
        refused: what could not be sent, "function" or "argument", and why; or None.
        was_told: whether a coroutine was to end.
    """

    __slots__ = (
        "_arguments",
        "_context",
        "_function",
        "_is_here",
        "_running",
        "raised",
        "refused",
        "traceback",
        "was_told",
    )

    def __init__(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], context: Context
    ) -> None:
        self._function = function
        self._arguments = arguments
        self._context = context
        self._is_here = False
        self._running: tuple[AbstractEventLoop, Task[Any]] | None = None
        self.raised: BaseException | None = None
        self.traceback: TracebackType | None = None
        self.refused: tuple[str, BaseException] | None = None
        self.was_told = False

    def __call__(self) -> Any:
        self._is_here = True
        self.raised = self.traceback = None  # a pool may try several times
        try:
            return self._context.run(_run, self._function, self._arguments, self)
        except BaseException as error:
            # The pool adds frames of its own, or raises something of its own.
            self.raised = error
            self.traceback = error.__traceback__
            raise

    def interrupt(self) -> bool:
        """Have a coroutine cancelled; return whether it is one that runs here."""
        with _guard:
            self.was_told = True  # seen by one that is about to begin
            if self._running is not None:
                loop, task = self._running
                loop.call_soon_threadsafe(task.cancel)
            return self.is_coroutine

    @property
    def is_coroutine(self) -> bool:
        """Return whether it is a coroutine in this process."""
        is_declared = self._function.__class__ is ToItsEnd
        return self._running is not None or (self._is_here and is_declared)

    def begins(self, loop: AbstractEventLoop, task: Task[Any]) -> None:
        """Take note of the asyncio task that the function turned out to be."""
        with _guard:
            self._running = loop, task
            if self.was_told:
                task.cancel()

    def ends(self) -> None:
        """Take note that this task is over."""
        with _guard:
            self._running = None

    def __reduce__(self) -> Any:
        stage = "function"
        try:
            function = dumps(self._function)
            stage = "argument"
            for argument in self._arguments:
                if getattr(type(argument), "_is_run_context", False):
                    raise TypeError(
                        "a Context cannot leave the process of its run; pass what the "
                        "task needs of it, or run the task in a thread"
                    )
            arguments = dumps(self._arguments)
        except BaseException as error:
            self.refused = stage, error
            raise

        return RemoteCall, (function, arguments)


class RemoteCall:
    """Be a call that has been sent away.

    Parameters:
        function: what to call, pickled.
        arguments: what with, pickled.
    """

    __slots__ = ("_arguments", "_function")

    def __init__(self, function: bytes, arguments: bytes) -> None:
        self._function = function
        self._arguments = arguments

    def __call__(self) -> Result:
        stage = "function"
        try:
            function = pickle.loads(self._function)
            stage = "argument"
            arguments = pickle.loads(self._arguments)
            stage = ""
            value = _run(function, arguments)
            stage = "result"
            return Result(dumps(value))
        except BaseException as error:
            raise raised_of(error, stage) from None

    def __reduce__(self) -> Any:
        return RemoteCall, (self._function, self._arguments)


class Result:
    """Hold the result of a remote call, pickled."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    def load(self) -> Any:
        """Return the result.

        Raises:
            Raised: if it cannot be rebuilt here.
        """
        try:
            return pickle.loads(self._data)
        except BaseException as error:
            raise raised_of(error, "result") from None

    def __reduce__(self) -> Any:
        return Result, (self._data,)


class Raised(Exception):
    """Carry an exception out of a process that it may not be able to leave.

    Parameters:
        stage: what could not cross, or "" if it is the task that has raised it.
        data: the exception, pickled; b"" if that is not possible.
        type_name: full name of its class.
        text: its text.
        remote_traceback: its traceback, as text.
    """

    def __init__(
        self, stage: str, data: bytes, type_name: str, text: str, remote_traceback: str
    ) -> None:
        super().__init__(stage, data, type_name, text, remote_traceback)
        self.stage = stage
        self.data = data
        self.type_name = type_name
        self.text = text
        self.remote_traceback = remote_traceback

    def __str__(self) -> str:
        return f"{self.type_name}: {self.text}"

    def restored(self, task: str) -> BaseException:
        """Return the exception, or what stands for it if it cannot be rebuilt.

        Parameters:
            task: name of the task that has raised it.
        """
        try:
            error = pickle.loads(self.data) if self.data else None
        except BaseException:  # such as one whose class wants other arguments
            error = None
        if not isinstance(error, BaseException):
            return RemoteTaskError(
                f"task {task!r} has raised {self}, an exception that cannot be "
                f"rebuilt outside its process",
                task,
                self.type_name,
                self.text,
                self.remote_traceback,
            )

        error.__cause__ = RemoteTraceback(self.remote_traceback)
        return error


class RemoteTraceback(Exception):
    """Show where an exception was raised, as the cause of it."""

    def __str__(self) -> str:
        return f"where it was raised:\n{self.args[0]}"


class ToItsEnd:
    """Mark a coroutine function, and make sure that it gives a coroutine."""

    __slots__ = ("__wrapped__",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self.__wrapped__ = function

    def __call__(self, *arguments: Any) -> Any:
        found = self.__wrapped__(*arguments)
        return found if found.__class__ is CoroutineType else _awaiting(found)


def raised_of(error: BaseException, stage: str) -> Raised:
    """Return an exception in the form in which it can always be sent."""
    from traceback import format_exception

    kind = type(error)
    own = without_own_frames(error.__traceback__)
    try:
        lines = format_exception(kind, error, own or error.__traceback__)
    except Exception:  # one that cannot even be looked at
        lines = []
    try:
        data = dumps(error)
    except Exception:
        data = b""
    name = f"{kind.__module__}.{kind.__qualname__}"
    return Raised(stage, data, name, message_of(error), "".join(lines))


def refusal(task: str, pool: str, stage: str, cause: BaseException) -> Exception:
    """Return the error of a task of which something cannot cross the border.

    Parameters:
        task: its name.
        pool: what the border belongs to.
        stage: what it is: "function", "argument" or "result".
        cause: why.
    """
    message = _REFUSALS[stage].format(task, pool, text_of(cause))
    error = SerializationError(message, task, stage)
    error.__cause__ = cause
    return error


_REFUSALS = {
    "function": "the function of task {0!r} cannot be sent to {1}: {2}. Define it at "
    "the top level of a module that the other process can import.",
    "argument": "an argument of task {0!r} cannot be sent to {1}: {2}",
    "result": "the result of task {0!r} cannot be sent back from {1}: {2}",
}


def dumps(value: object) -> bytes:
    """Return `value` pickled, by cloudpickle if that is loaded and nothing else can."""
    try:
        buffer = BytesIO()
        _pickler()(buffer, pickle.HIGHEST_PROTOCOL).dump(value)
        return buffer.getvalue()
    except Exception:
        cloudpickle = sys.modules.get("cloudpickle")
        if cloudpickle is None:
            raise

        try:
            return cloudpickle.dumps(value)  # type: ignore[no-any-return]
        except Exception:
            pass  # the first of the two errors is the clearer one
        raise


class _Reducing:
    """Pickle functions by where they are found, though a decorator stands there."""

    def reducer_override(self, value: Any) -> Any:
        if value.__class__ is FunctionType:
            place = _place_of(value)
            if place is not None:
                return find, place

        return NotImplemented


class _Pickler(_Reducing, pickle.Pickler):
    """Pickle what `pickle` can."""


#: Decorators above a function; some objects have a `__wrapped__` without end.
_DEEPEST = 100

_forking: list[Any] = []


def _pickler() -> Any:
    """Return the class that pickles what processes can send one another, if any."""
    reduction = sys.modules.get("multiprocessing.reduction")
    base = getattr(reduction, "ForkingPickler", None)
    if base is None:
        return _Pickler

    if not _forking:
        _forking.append(type("_ForkingPickler", (_Reducing, base), {}))
    return _forking[0]


def _place_of(function: Any) -> tuple[str, str, int] | None:
    """Return where a function is found below decorators, None if it is not.

    The name that `@task` stands above leads to the task, which leads to the function.
    """
    module, path = function.__module__, function.__qualname__
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    depth = 0
    while found is not None and found is not function and depth < _DEEPEST:
        found = getattr(found, "__wrapped__", None)
        depth += 1
    # What stands there itself needs no help.
    return (module, path, depth) if found is function and depth else None


def find(module: str, path: str, depth: int) -> Any:
    """Return the function that is so many decorators below a name."""
    from importlib import import_module

    found: Any = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    for _ in range(depth):
        found = found.__wrapped__
    return found


def _run(
    function: Callable[..., Any], arguments: tuple[Any, ...], call: Call | None = None
) -> Any:
    value = function(*arguments)
    if value.__class__ is not CoroutineType:
        return value

    import asyncio

    return asyncio.run(_to_its_end(value, call))


async def _to_its_end(coroutine: Any, call: Call | None) -> Any:
    """Await a coroutine that its call can reach meanwhile."""
    import asyncio

    if call is not None:
        this = asyncio.current_task()
        assert this is not None
        call.begins(asyncio.get_running_loop(), this)
    try:
        result = await coroutine
    finally:
        if call is not None:
            call.ends()
    if result.__class__ is CoroutineType:
        refuse_coroutine(result)
    return result


async def _awaiting(awaitable: Any) -> Any:
    """Return a coroutine for what a function marked as a coroutine function gave."""
    return await awaitable if hasattr(awaitable, "__await__") else awaitable
