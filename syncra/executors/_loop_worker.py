"""A worker on an event loop: a coroutine that serves many tasks.

Each step of a task's coroutine is made inside the task's own context, since its worker
has another one. That each step passes through here is also what makes it possible to
end any coroutine: the cancellation is thrown into it once, so that it can clean up, and
if it has not ended after a grace it is closed.
"""

from __future__ import annotations

import types
from types import CoroutineType

from anyio.lowlevel import checkpoint

from .._clock import clock
from .._loops import as_coroutine, refuse_coroutine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextvars import Context
    from typing import Any

    from ._base import Work
    from .coroutines import LoopHost, LoopLane

#: What a stepper gives when its coroutine is at its end.
FINISHED = object()
#: Seconds after which a worker lets the others on the loop go on.
SLICE = 0.005


class LoopWorker:
    """Serve tasks of one lane, one after another, on the event loop.

    What differs between asyncio and trio is in `AsyncioWorker` and `TrioWorker`.

    Attributes:
        interrupted: whether its present task was asked to end.
        delivered: whether that task has been told so.
        given_up: whether it is not waited for any more.
        is_gone: whether it has come to its end.
        stepper: what makes the steps of its coroutines.
        value: what its present coroutine has returned, once it is finished.
    """

    __slots__ = (
        "delivered",
        "given_up",
        "host",
        "interrupted",
        "is_gone",
        "lane",
        "stepper",
        "value",
        "work",
    )

    def __init__(self, host: LoopHost, lane: LoopLane, work: Work) -> None:
        self.host = host
        self.lane = lane
        self.work = work
        self.interrupted = self.delivered = self.given_up = self.is_gone = False
        self.stepper: Any = None
        self.value: Any = None

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
        self.is_gone = True
        self.stepper = self.value = None
        del self.host, self.lane, self.work

    async def serve(self) -> None:
        """Be a worker until the lane has nothing ready."""
        lane = self.lane
        try:
            with self.work.lock:
                lane.arrived()
            if not lane.slice_end:
                lane.slice_end = clock() + SLICE
            await self._serve(lane, self.work)
        except BaseException as error:
            if not self.given_up:
                self.work.crash(error)
        finally:
            self.host.gone(self)
            self.release()

    async def _serve(self, lane: LoopLane, work: Work) -> None:
        started = work.started
        copy_context, origins = work.context.copy, work.origins
        advance = work.advance
        host = self.host
        step = self._first_step()
        context: Any
        task = work.enter(lane, self)
        while task >= 0:
            try:
                if started[task] > lane.slice_end:
                    await checkpoint()
                    lane.slice_end = clock() + SLICE
                host.stepping = task
                context = copy_context() if origins is None else origins.begin(task)
                waits_for = context.run(step, task)
                if waits_for is not FINISHED:
                    await Resumed(waits_for, context, self, task)
                value = self.value
                if value.__class__ is CoroutineType:
                    refuse_coroutine(value)
            except BaseException as error:
                self._failed(error)
                value = self.value = None
                step = self._first_step()
                task = work.fail(lane, self, task, error)
            else:
                task = advance(lane, self, task, value)
                value = self.value = None
            # What a finished task leaves must not wait for the next one to finish.
            context = None
            if self.interrupted:
                # It cannot be undone reliably, so another worker goes on.
                return work.leave(lane, task)

    def _first_step(self) -> Callable[[Any], Any]:
        """Return what makes the first step of one task after another."""
        self.stepper = stepper = _stepping(self, self.work)
        stepper.send(None)
        return stepper.send

    def _failed(self, error: BaseException) -> None:
        if self.interrupted:
            self.delivered = True
        else:
            self.recover(error)


class Resumed:
    """Await a coroutine that has begun, making each further step in its context.

    Parameters:
        waits_for: what it gave to the loop at its first step.
        context: the context of its task.
        worker: who drives it, and has its result in the end.
        task: the id of its task.
    """

    __slots__ = ("_run", "_task", "_waits_for", "_worker")

    def __init__(
        self, waits_for: Any, context: Context, worker: LoopWorker, task: int
    ) -> None:
        self._waits_for = waits_for
        self._run = context.run
        self._worker = worker
        self._task = task

    def __await__(self) -> Generator[Any, Any, None]:
        run, worker, task = self._run, self._worker, self._task
        host, coroutine = worker.host, worker.stepper
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
            waits_for = run(step, argument)
            if waits_for is FINISHED:
                return

    def _close(self) -> None:
        """End the coroutine here and now, whatever it says to that."""
        try:
            self._run(self._worker.stepper.close)
        except BaseException:
            pass  # its task is settled, and nobody is left to be told


@types.coroutine
def _stepping(worker: LoopWorker, work: Work) -> Generator[Any, Any, None]:
    """Drive the coroutines of one task after another, each task as its id is sent.

    What a coroutine awaits comes out; at its end comes FINISHED, and the worker has the
    result. So a coroutine ends without a StopIteration to be raised and caught, which
    takes twice as long as all else here. One that fails ends this too.
    """
    functions, arguments, values = work.functions, work.arguments, work.values
    coroutine: Any
    while True:
        task = yield FINISHED
        slots = arguments[task]
        if slots is None:
            coroutine = functions[task]()
        elif slots.__class__ is int:
            coroutine = functions[task](values[slots])
        elif slots.__class__ is not tuple:
            coroutine = functions[task](*slots(values))
        elif len(slots) == 2:
            first, second = slots
            coroutine = functions[task](values[first], values[second])
        else:
            first, second, third = slots
            coroutine = functions[task](values[first], values[second], values[third])
        if coroutine.__class__ is not CoroutineType:
            coroutine = as_coroutine(coroutine)
        worker.value = yield from coroutine
        coroutine = slots = None  # what a task leaves must not wait for the next one


class GivenUp(BaseException):
    """End the worker of a task that is not waited for any more."""
