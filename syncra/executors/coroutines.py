"""Coroutines on the event loop, asyncio's or trio's.

A worker is a coroutine that serves many tasks. One that takes a task while more is
ready makes sure that one spare worker is started; the spare only gets to run when
somebody really suspends, takes a task, and hires the next. So coroutines that never
suspend cost no new asyncio or trio task, and 10,000 that wait get 10,000 workers.

Each step of a task's coroutine is made inside the task's own context, since its worker
has another one. That each step passes through here is also what makes it possible to
end any coroutine: the cancellation is thrown into it once, so that it can clean up, and
if it has not ended after a grace it is closed.
"""

from __future__ import annotations

from contextvars import copy_context
from functools import partial
from types import CoroutineType

import anyio
from anyio.lowlevel import checkpoint

from .._clock import clock
from .._loops import running_library
from ._base import Executor, Lane
from ._pool import start_thread
from ._stalls import watch_for_stalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Iterable
    from contextvars import Context
    from typing import Any

    from ._base import Work, Worker

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
    """Give one run its place on the event loop: workers, and a way to be woken.

    One coroutine is always resident, in the task that awaits the run. Whoever has
    something for the loop to do from elsewhere, or ends the run, wakes it once. The
    workers are tasks of their own, so that the run can end without one that does not.
    """

    def __init__(self, work: Work, lanes: Iterable[LoopLane]) -> None:
        self._work = work
        self._lanes = list(lanes)
        self._event = anyio.Event()
        self._signalled = False
        if running_library() == "trio":
            from ._on_trio import TrioWorker, call_soon_here

            self._worker_class: type[LoopWorker] = TrioWorker
        else:
            from ._on_asyncio import AsyncioWorker, call_soon_here

            self._worker_class = AsyncioWorker
        self.call_soon = call_soon_here()
        #: Workers that have not come to their end.
        self.workers: set[LoopWorker] = set()
        #: What is to be called in the loop's own thread, at the next opportunity.
        self._requests: list[Callable[[], object]] = []
        #: The task whose step is or was being made.
        self.stepping = -1

    def signal(self) -> None:
        """Wake the resident coroutine, from any thread, under the run's lock."""
        if not self._signalled:
            self._signalled = True
            self.call_soon(self._set)

    def request(self, callback: Callable[[], object]) -> None:
        """Have something called in the loop's thread, under the run's lock."""
        self._requests.append(callback)
        self.signal()

    def start_worker(self, lane: LoopLane) -> None:
        """Start one more worker. Only on the loop's own thread."""
        worker = self._worker_class(self, lane, self._work)
        self.workers.add(worker)
        worker.start()

    def gone(self, worker: LoopWorker) -> None:
        """Take note that a worker has come to its end. On the loop's own thread."""
        self.workers.discard(worker)
        if not self.workers and self._work.is_over:
            self.signal()

    async def run(self, begin: Callable[[], None]) -> None:
        """Host the run until it is over.

        Parameters:
            begin: called once the loop can take tasks.
        """
        for lane in self._lanes:
            lane.host = self
        forget = watch_for_stalls(self, self._work) if self._lanes else None
        try:
            begin()
            try:
                await self._reside()
            except GeneratorExit:
                self._work.cancel()  # the loop is no more
                raise
            except BaseException:
                # Whoever awaits the run was cancelled. The run ends with it, but only
                # when all its tasks have ended; that has a limit, the grace.
                self._work.cancel()
                await self._reside_to_the_end()
                raise
        finally:
            if forget is not None:
                forget()
            for lane in self._lanes:
                lane.host = None  # lanes and host would keep each other alive

    async def _reside(self) -> None:
        work = self._work
        while True:
            with work.lock:
                requests, self._requests = self._requests, []
                for callback in requests:
                    callback()
                if work.is_over and not self.workers:
                    return

                for lane in self._lanes:
                    lane.hire_if_ready()
                if self._signalled:
                    self._event = anyio.Event()
                    self._signalled = False
            await self._event.wait()

    async def _reside_to_the_end(self) -> None:
        with anyio.CancelScope(shield=True):
            while True:
                try:
                    return await self._reside()
                except anyio.get_cancelled_exc_class():
                    pass  # asked again; the end is near

    def _set(self) -> None:
        self._event.set()


class LoopLane(Lane):
    """Give one run its worker coroutines.

    Parameters:
        index: the number of the lane.
        one_at_a_time: whether there is only ever one worker.
    """

    __slots__ = ("_active", "_one_at_a_time", "_work", "host", "slice_end")

    on_loop = True

    def __init__(self, index: int, one_at_a_time: bool = False) -> None:
        super().__init__(index)
        self.host: LoopHost | None = None  # until the loop of the run is running
        self._one_at_a_time = one_at_a_time
        self._active = 0
        self.slice_end = 0.0

    def attach(self, work: Work) -> None:
        self._work = work

    def hire(self) -> None:
        # One spare at the most: it makes the lane vacant again when it gets to run.
        self.vacant = False
        assert self.host is not None
        self.host.start_worker(self)

    def wake(self) -> None:
        # A host that is still to come looks at its lanes first of all.
        if self.host is not None:
            self.host.signal()

    def hire_if_ready(self) -> None:
        """Hire a worker if there is something to do and none is on its way."""
        if self.vacant and self._work.has_ready(self):
            self.hire()

    def arrived(self) -> None:
        """Take note that a hired worker has begun. Under the run's lock."""
        self._active += 1
        self.vacant = not self._one_at_a_time

    def left(self) -> None:
        self._active -= 1
        self.vacant = True

    def interrupt(self, task: int, worker: Worker) -> bool:
        if isinstance(self._work.functions[task], InThread):
            return False

        assert self.host is not None
        assert isinstance(worker, LoopWorker)
        self.host.request(partial(self._interrupt, task, worker))
        return True

    def _interrupt(self, task: int, worker: LoopWorker) -> None:
        if self._work.was_asked_to_end(task):  # it may have ended meanwhile
            worker.interrupt()

    def abandon(self, task: int, worker: Worker) -> None:
        assert isinstance(worker, LoopWorker)
        self.left()
        host = self.host
        if host is not None:
            host.workers.discard(worker)
            host.request(worker.give_up)


class LoopWorker:
    """Serve tasks of one lane, one after another, on the event loop.

    What differs between asyncio and trio is in `AsyncioWorker` and `TrioWorker`.

    Attributes:
        interrupted: whether its present task was asked to end.
        delivered: whether that task has been told so.
        given_up: whether it is not waited for any more.
    """

    __slots__ = (
        "delivered",
        "given_up",
        "host",
        "interrupted",
        "lane",
        "work",
    )

    def __init__(self, host: LoopHost, lane: LoopLane, work: Work) -> None:
        self.host = host
        self.lane = lane
        self.work = work
        self.interrupted = self.delivered = self.given_up = False

    def __str__(self) -> str:
        return "loop"

    def start(self) -> None:
        """Begin to serve, as a task of the event loop."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """Cancel the present task: throw into it what its library throws."""
        raise NotImplementedError

    def give_up(self) -> None:
        """End the present task by force, as far as that is possible."""
        raise NotImplementedError

    def tell(self, answer: Any) -> None:
        """Take note of what an interrupted task is told, and let it clean up then.

        Parameters:
            answer: what the loop has for it: an exception, or what trio has instead.
        """
        self.delivered = self.delivered or isinstance(answer, BaseException)

    def recover(self, error: BaseException) -> None:
        """Undo what a task that ended with `error` may have done to its worker."""

    def release(self) -> None:
        """Let go of everything: journals keep workers, which must not keep the run."""
        del self.host, self.lane, self.work

    async def serve(self) -> None:
        """Be a worker until the lane has nothing ready."""
        lane = self.lane
        try:
            with self.work.lock:
                lane.arrived()
            await self._serve(lane, self.work)
        except BaseException as error:
            if not self.given_up:
                self.work.crash(error)
        finally:
            self.host.gone(self)
            self.release()

    async def _serve(self, lane: LoopLane, work: Work) -> None:
        functions = work.functions
        arguments = work.arguments
        values = work.values
        started = work.started
        copy_context = work.context.copy
        advance = work.advance
        host = self.host
        context: Any
        if not lane.slice_end:
            lane.slice_end = clock() + SLICE
        task = work.enter(lane, self)
        while task >= 0:
            slots = arguments[task]
            try:
                if started[task] > lane.slice_end:
                    await checkpoint()
                    lane.slice_end = clock() + SLICE
                host.stepping = task
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
                    value = await Resumed(waits_for, coroutine, context, self, task)
            except BaseException as error:
                self._failed(error)
                task = work.fail(lane, self, task, error)
            else:
                task = advance(lane, self, task, value)
                value = None
            # What a finished task leaves must not wait for the next one to finish.
            coroutine = context = None
            if self.interrupted:
                # It cannot be undone reliably, so another worker goes on.
                return work.leave(lane, task)

    def _failed(self, error: BaseException) -> None:
        if self.interrupted:
            self.delivered = True
        else:
            self.recover(error)


async def _as_coroutine(awaitable: Any) -> Any:
    """Return a coroutine for what a function marked as a coroutine function gave."""
    return await awaitable if hasattr(awaitable, "__await__") else awaitable


class Resumed:
    """Await a coroutine that has begun, making each further step in its context.

    Parameters:
        waits_for: what it gave to the loop at its first step.
        coroutine: the coroutine.
        context: the context of its task.
        worker: who drives it.
        task: the id of its task.
    """

    __slots__ = ("_coroutine", "_run", "_task", "_waits_for", "_worker")

    def __init__(
        self,
        waits_for: Any,
        coroutine: Coroutine[Any, Any, Any],
        context: Context,
        worker: LoopWorker,
        task: int,
    ) -> None:
        self._waits_for = waits_for
        self._coroutine = coroutine
        self._run = context.run
        self._worker = worker
        self._task = task

    def __await__(self) -> Generator[Any, Any, Any]:
        run, coroutine = self._run, self._coroutine
        worker, host, task = self._worker, self._worker.host, self._task
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
            if worker.interrupted:
                if worker.given_up:
                    self._close()
                    raise GivenUp

                worker.tell(argument)
            host.stepping = task
            try:
                waits_for = run(step, argument)
            except StopIteration as stop:
                return stop.value

    def _close(self) -> None:
        """End the coroutine here and now, whatever it says to that."""
        try:
            self._run(self._coroutine.close)
        except BaseException:
            pass  # its task is settled, and nobody is left to be told


class GivenUp(BaseException):
    """End the worker of a task that is not waited for any more."""


class InThread:
    """Call a function in a thread and wait for it without blocking the loop."""

    __slots__ = ("__wrapped__",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self.__wrapped__ = function

    async def __call__(self, *arguments: Any) -> Any:
        event, set_soon = event_here()
        call = partial(self.__wrapped__, *arguments)
        outcome: list[Any] = []
        start_thread(partial(_call, copy_context(), call, outcome, set_soon))
        await event.wait()
        result, error = outcome
        if error is not None:
            raise error

        if result.__class__ is CoroutineType:
            return await result  # a wrapped coroutine function

        return result


def _call(
    context: Context,
    function: Callable[[], Any],
    outcome: list[Any],
    when_over: Callable[[], object],
) -> None:
    try:
        outcome += context.run(function), None
    except BaseException as error:
        outcome += None, error
    try:
        when_over()
    except RuntimeError:
        pass  # the loop has been closed: nobody waits


def event_here() -> tuple[anyio.Event, Callable[[], object]]:
    """Return an event of this event loop, and what sets it from any thread."""
    if running_library() == "trio":
        from ._on_trio import call_soon_here
    else:
        from ._on_asyncio import call_soon_here
    event = anyio.Event()
    return event, partial(call_soon_here(), event.set)
