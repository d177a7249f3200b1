"""What crosses the border between two processes: a call, and what came of it.

A pool does not say whether it works in this process. So it is given a `Call`, which it
may simply call. If it pickles it instead, a `RemoteCall` arrives on the other side, and
what comes back is a `Result` or a `Raised`. To the pool each of them is a few bytes:
what cannot be pickled, or not be rebuilt, costs its own task and never the pool.
"""

from __future__ import annotations

import pickle
import sys
from contextvars import copy_context
from threading import Lock
from types import CoroutineType

from .._loops import as_coroutine, reachable
from .._names import text_of
from .._processes import Unpicklable, pickles
from ..errors import SerializationError, TaskCancelled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import Task
    from collections.abc import Callable, Sequence
    from contextvars import Context
    from types import TracebackType
    from typing import Any

    from .._origins import Baggage

#: Held while a coroutine begins, ends, or is told to end.
_guard = Lock()


class Call:
    """Call a function for a task, here or wherever it is sent.

    Parameters:
        function: what to call.
        arguments: what with.
        context: the context of the task; left behind where the call is sent away.
        baggage: what takes of the context what observers want to have there too.

    Attributes:
        raised: what the function has raised in this process, or None.
        traceback: its traceback as it came from the function.
        refused: what could not be sent, "function" or "argument", and why; or None.
        was_told: whether a coroutine was to end.
    """

    __slots__ = (
        "_arguments",
        "_baggage",
        "_context",
        "_function",
        "_is_here",
        "_is_sent",
        "_running",
        "raised",
        "refused",
        "traceback",
        "was_told",
    )

    def __init__(
        self,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        context: Context,
        baggage: Callable[[Context], list[Baggage]] | None = None,
    ) -> None:
        self._baggage = baggage
        self._function = function
        self._arguments = arguments
        self._context = context
        self._is_here = self._is_sent = False
        self._running: Task[Any] | None = None
        self.raised: BaseException | None = None
        self.traceback: TracebackType | None = None
        self.refused: tuple[str, BaseException, str] | None = None
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
        """Have a coroutine cancelled; return whether it may be one that runs here."""
        with _guard:
            self.was_told = True  # seen by one that is about to begin
            if self._running is not None:
                loop = self._running.get_loop()
                loop.call_soon_threadsafe(self._running.cancel)
            # A pool may have begun with it, and not have called it yet.
            is_declared = self._function.__class__ is ToItsEnd
            return self._running is not None or (is_declared and not self._is_sent)

    @property
    def is_coroutine(self) -> bool:
        """Return whether it is a coroutine in this process."""
        is_declared = self._function.__class__ is ToItsEnd
        return self._running is not None or (self._is_here and is_declared)

    def runs_as(self, task: Task[Any] | None) -> None:
        """Take note of the asyncio task that the function runs as; None: it is over."""
        with _guard:
            self._running = task
            if task is not None and self.was_told:
                task.cancel()

    def __reduce__(self) -> Any:
        self._is_sent = True
        stage = "function"
        try:
            function, _ = pickles.dump_function(self._function)
            stage = "argument"
            arguments = dumps(self._arguments)
        except Unpicklable as error:
            self.refused = stage, error.__cause__ or error, error.path
            raise
        except BaseException as error:
            path = pickles.culprit_among(self._function, self._arguments)
            self.refused = stage, error, path
            raise

        return RemoteCall, (function, arguments, self._packed_baggage())

    def _packed_baggage(self) -> bytes:
        """Return what is to be done there before, pickled; b"" if that is nothing."""
        return packed_baggage(self._baggage(self._context) if self._baggage else ())


class RemoteCall:
    """Be a call that has been sent away.

    Parameters:
        function: what to call, pickled.
        arguments: what with, pickled.
        baggage: what observers want to be called before, pickled; b"" if nothing.
    """

    __slots__ = ("_arguments", "_baggage", "_function")

    def __init__(self, function: bytes, arguments: bytes, baggage: bytes = b"") -> None:
        self._function = function
        self._arguments = arguments
        self._baggage = baggage

    def __call__(self) -> Result:
        stage = "function"
        try:
            function = pickle.loads(self._function)
            stage = "argument"
            arguments = pickle.loads(self._arguments)
            stage = ""
            if self._baggage:
                value = prepared(self._baggage).run(_run, function, arguments)
            else:
                value = _run(function, arguments)
            stage = "result"
            return Result(dumps(value))
        except BaseException as error:
            path = pickles.culprit(value, "result") if stage == "result" else ""
            raise Raised(stage, pickles.dump_error(error), path) from None

    def __reduce__(self) -> Any:
        return RemoteCall, (self._function, self._arguments, self._baggage)


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
            raise Raised("result", pickles.dump_error(error)) from None

    def __reduce__(self) -> Any:
        return Result, (self._data,)


class Raised(Exception):
    """Carry an exception out of a process that it may not be able to leave.

    Parameters:
        stage: what could not cross, or "" if it is the task that has raised it.
        packed: the exception, as `pickles.dump_error` makes it.
        path: where in what could not cross the culprit is.
    """

    def __init__(self, stage: str, packed: bytes, path: str = "") -> None:
        super().__init__(stage, packed, path)
        self.stage = stage
        self.packed = packed
        self.path = path

    def __str__(self) -> str:
        return f"{self.stage or 'task'}: an exception on its way"

    def restored(self, task: str) -> BaseException:
        """Return the exception, or what stands for it if it cannot be rebuilt.

        Parameters:
            task: name of the task that has raised it.
        """
        return pickles.load_error(self.packed, task)


class ToItsEnd:
    """Mark a coroutine function, and make sure that it gives a coroutine."""

    __slots__ = ("__wrapped__",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self.__wrapped__ = function

    def __call__(self, *arguments: Any) -> Any:
        found = self.__wrapped__(*arguments)
        return found if found.__class__ is CoroutineType else as_coroutine(found)


def refusal(
    task: str, pool: str, stage: str, cause: BaseException, path: str
) -> SerializationError:
    """Return the error of a task of which something cannot cross the border.

    Parameters:
        task: its name.
        pool: what is behind the border.
        stage: what it is: "function", "argument" or "result".
        cause: why.
        path: where in it the culprit is, "" if that is not known.
    """
    message = _REFUSALS[stage].format(task, pool, text_of(cause))
    if path:
        message += f" (the culprit is {path})"
    error = SerializationError(message, task, stage, path)
    error.__cause__ = cause
    return error


def interruption(task: str, pool: str, cause: BaseException) -> TaskCancelled:
    """Return the error of a task that Ctrl-C has reached behind the border."""
    cancelled = TaskCancelled(f"task {task!r} was interrupted in {pool}", task)
    cancelled.__cause__ = cause
    return cancelled


_REFUSALS = {
    "function": "the function of task {0!r} cannot be sent to {1}: {2}. Define it at "
    "the top level of a module that the other process can import.",
    "argument": "an argument of task {0!r} cannot be sent to {1}: {2}",
    "result": "the result of task {0!r} cannot be sent back from {1}: {2}",
}


def dumps(value: object) -> bytes:
    """Return `value` pickled, with what processes can send one another."""
    return pickles.dump_with_functions(value, pickler=_pickler())


_forking: list[Any] = []


def _pickler() -> Any:
    """Return the class that pickles what `multiprocessing` can, if that is loaded."""
    reduction = sys.modules.get("multiprocessing.reduction")
    base = getattr(reduction, "ForkingPickler", None)
    if base is not None and not _forking:
        _forking.append(pickles.by_reference(base))
    return _forking[0] if _forking else None


def _run(
    function: Callable[..., Any], arguments: tuple[Any, ...], call: Call | None = None
) -> Any:
    value = function(*arguments)
    if value.__class__ is not CoroutineType:
        return value

    import asyncio

    return asyncio.run(reachable(value, call.runs_as if call else _nobody))


def packed_baggage(baggage: Sequence[Baggage]) -> bytes:
    """Return what observers want to be called elsewhere, pickled; b"" if nothing.

    What cannot be pickled does not change the task.
    """
    try:
        return pickle.dumps(baggage) if baggage else b""
    except Exception:
        _warn_of_observer()
        return b""


def prepared(baggage: bytes) -> Context:
    """Return a context in which has been done what observers want.

    Whatever goes wrong with that does not change the task.
    """
    context = copy_context()
    try:
        for prepare, given in pickle.loads(baggage):
            context.run(prepare, given)
    except Exception:
        _warn_of_observer()
    return context


def _warn_of_observer() -> None:
    from logging import getLogger

    message = "what an observer has sent to another process is lost"
    getLogger("syncra.observers").warning(message, exc_info=True)


def _nobody(task: object) -> None:
    """Know nothing of an asyncio task: nobody can reach it here."""
