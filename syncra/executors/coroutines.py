"""Coroutines on the event loop, asyncio's or trio's, through anyio.

A worker is a coroutine that serves many tasks. One that takes a task while more is
ready makes sure that one spare worker is started; the spare only gets to run when
somebody really suspends, takes a task, and hires the next. So coroutines that never
suspend cost no new asyncio or trio task, and 10,000 that wait get 10,000 workers.

Each step of a task's coroutine is made inside the task's own context, since its worker
has another one.
"""

from __future__ import annotations

import math
from types import CoroutineType

import anyio
from anyio.lowlevel import checkpoint

from .._loops import running_library
from ._base import Executor, Lane, clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Iterable
    from contextvars import Context
    from typing import Any

    from anyio.abc import TaskGroup

    from ._base import Work

#: Seconds after which a worker lets the others on the loop go on.
SLICE = 0.005


class Coroutines(Executor):
    """Run coroutine functions on the event loop of the run, all at once."""

    __slots__ = ()

    name = "coroutines"

    def __repr__(self) -> str:
        return "Coroutines()"

    def open(self, index: int, in_loop: bool) -> LoopLane:
        return LoopLane(index)


class LoopHost:
    """Give one run its place on the event loop: a task group and a way to be woken.

    One coroutine is always resident. Whoever makes work for the loop from elsewhere,
    or ends the run, wakes it once; it hires, since a bare callback of the loop may not
    start tasks.
    """

    def __init__(self, work: Work, lanes: Iterable[LoopLane]) -> None:
        self._work = work
        self._lanes = list(lanes)
        self._event = anyio.Event()
        self._signalled = False
        self._to_cancel = False
        self._call_soon = call_soon_here()
        self._group: TaskGroup = anyio.create_task_group()
        for lane in self._lanes:
            lane.host = self

    def signal(self) -> None:
        """Wake the resident coroutine, from any thread, under the run's lock."""
        if not self._signalled:
            self._signalled = True
            self._call_soon(self._set)

    def cancel(self) -> None:
        """Cancel all running coroutines, from any thread, under the run's lock."""
        self._to_cancel = True
        self.signal()

    def start_worker(self, lane: LoopLane) -> None:
        """Start one more worker. Only on the loop's own thread."""
        self._group.start_soon(lane.work)

    async def run(self, begin: Callable[[], None], cancel: Callable[[], None]) -> None:
        """Host the run until it is over.

        Parameters:
            begin: starts the run.
            cancel: stops it; called if the caller of the run is cancelled.
        """
        async with self._group:
            begin()
            try:
                await self._reside()
            except anyio.get_cancelled_exc_class():
                # By ourselves after a failure, or by whoever cancelled the caller:
                # the run ends either way, but only when all its tasks have ended.
                cancel()
                self._group.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    await self._reside()
                raise
        for lane in self._lanes:
            lane.host = None  # lanes and host would keep each other alive

    async def _reside(self) -> None:
        work = self._work
        while True:
            with work.lock:
                if work.is_over:
                    return

                for lane in self._lanes:
                    lane.hire_if_ready()
                if self._to_cancel:
                    self._to_cancel = False
                    self._group.cancel_scope.cancel()
                self._event = anyio.Event()
                self._signalled = False
            await self._event.wait()

    def _set(self) -> None:
        self._event.set()


class LoopLane(Lane):
    """Give one run its worker coroutines.

    Parameters:
        index: the number of the lane.
        one_at_a_time: whether there is only ever one worker.
    """

    __slots__ = ("_active", "_one_at_a_time", "_slice_end", "_work", "host")

    on_loop = True

    def __init__(self, index: int, one_at_a_time: bool = False) -> None:
        super().__init__(index)
        self.host: LoopHost | None = None  # until the loop of the run is running
        self._one_at_a_time = one_at_a_time
        self._active = 0
        self._slice_end = 0.0

    def attach(self, work: Work) -> None:
        self._work = work

    def hire(self) -> None:
        # One spare at the most: it makes the lane vacant again when it gets to run.
        self.vacant = False
        assert self.host is not None
        self.host.start_worker(self)

    def wake(self) -> None:
        assert self.host is not None
        self.host.signal()

    def hire_if_ready(self) -> None:
        """Hire a worker if there is something to do and none is on its way."""
        if self.vacant and self._work.has_ready(self):
            self.hire()

    def left(self) -> None:
        self._active -= 1
        self.vacant = True

    def stop(self) -> None:
        if self.host is not None:
            self.host.cancel()

    def over(self) -> None:
        pass  # the host is told

    async def work(self) -> None:
        """Be a worker until the lane has nothing ready."""
        work = self._work
        functions = work.functions
        arguments = work.arguments
        values = work.values
        started = work.started
        copy_context = work.context.copy
        advance = work.advance
        context: Any
        if not self._slice_end:
            self._slice_end = clock() + SLICE
        with work.lock:
            self._active += 1
            self.vacant = not self._one_at_a_time
        task = work.enter(self, "loop")
        while task >= 0:
            slots = arguments[task]
            try:
                if started[task] > self._slice_end:
                    await checkpoint()
                    self._slice_end = clock() + SLICE
                context = copy_context()
                if slots is None:
                    coroutine = context.run(functions[task])
                elif slots.__class__ is int:
                    coroutine = context.run(functions[task], values[slots])
                else:
                    coroutine = context.run(functions[task], *slots(values))
                if coroutine.__class__ is not CoroutineType:
                    coroutine = _as_coroutine(coroutine)
                try:
                    waits_for = context.run(coroutine.send, None)
                except StopIteration as stop:
                    value = stop.value
                else:
                    value = await Resumed(waits_for, coroutine, context)
            except BaseException as error:
                if _is_cancellation(error):
                    work.cancelled(self, task, error)
                    raise

                _forget_own_cancellation(error)
                task = work.fail(self, "loop", task, error)
            else:
                task = advance(self, "loop", task, value)
                value = None
            # What a finished task leaves must not wait for the next one to finish.
            coroutine = context = None


async def _as_coroutine(awaitable: Any) -> Any:
    """Return a coroutine for what a function marked as a coroutine function gave."""
    return await awaitable if hasattr(awaitable, "__await__") else awaitable


class Resumed:
    """Await a coroutine that has begun, making each further step in its context.

    Parameters:
        waits_for: what it gave to the loop at its first step.
        coroutine: the coroutine.
        context: the context of its task.
    """

    __slots__ = ("_coroutine", "_run", "_waits_for")

    def __init__(
        self, waits_for: Any, coroutine: Coroutine[Any, Any, Any], context: Context
    ) -> None:
        self._waits_for = waits_for
        self._coroutine = coroutine
        self._run = context.run

    def __await__(self) -> Generator[Any, Any, Any]:
        run, coroutine = self._run, self._coroutine
        waits_for = self._waits_for
        step: Callable[[Any], Any]
        while True:
            try:
                answer = yield waits_for
            except GeneratorExit:
                run(coroutine.close)
                raise
            except BaseException as error:
                step, argument = coroutine.throw, error
            else:
                step, argument = coroutine.send, answer
            try:
                waits_for = run(step, argument)
            except StopIteration as stop:
                return stop.value


class InThread:
    """Call a function in a thread and wait for it without blocking the loop."""

    __slots__ = ("__wrapped__",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self.__wrapped__ = function

    async def __call__(self, *arguments: Any) -> Any:
        result = await anyio.to_thread.run_sync(self.__wrapped__, *arguments)
        if result.__class__ is CoroutineType:
            return await result  # a wrapped coroutine function

        return result


def call_soon_here() -> Callable[[Callable[[], object]], object]:
    """Return what schedules a callback on the running loop from any thread."""
    if running_library() == "trio":
        import trio

        return trio.lowlevel.current_trio_token().run_sync_soon

    import asyncio

    return asyncio.get_running_loop().call_soon_threadsafe


def _is_cancellation(error: BaseException) -> bool:
    """Return whether the worker itself is being cancelled, not just its task."""
    return (
        isinstance(error, anyio.get_cancelled_exc_class())
        and anyio.current_effective_deadline() == -math.inf
    )


def _forget_own_cancellation(error: BaseException) -> None:
    """Undo that a task has cancelled the asyncio task of its worker."""
    import sys

    asyncio = sys.modules.get("asyncio")
    if asyncio is None or not isinstance(error, asyncio.CancelledError):
        return

    try:
        current = asyncio.current_task()
    except RuntimeError:
        return  # trio

    while current is not None and current.cancelling():
        current.uncancel()
