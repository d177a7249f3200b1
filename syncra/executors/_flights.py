"""The lane of a pool of the user's: tasks in flight instead of workers that pull.

There is no worker that pulls by itself, so each task in flight stands for one:

    hire --> submit in a thread of ours --> the pool --> done-callback: report, and
                 ^                                        pull the next task
                 '-------------- submit that one <--------'

A pool may run what it gets at once, in the thread that submits, and may call back from
any thread, with locks of its own held. So nothing is submitted under the lock of the
run, at most one thread of a lane is submitting, and a callback submits by itself only
where that is known to be safe.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import BrokenExecutor, CancelledError
from functools import partial
from threading import Lock, get_ident

from .._calls import fetched
from .._loops import is_cancelled_error
from .._names import note_on, text_of
from ..errors import WorkerCrashed
from ._base import Lane
from ._crossing import Call, Raised, Result, interruption, refusal
from ._pool import start_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._base import Work, Worker

#: Where a flight is: not submitted, being so, in the pool, being reported.
_WAITS, _LEAVES, _AWAY, _BACK = range(4)


class Flight:
    """Be the worker of one task at a time: somebody in the pool, nobody knows who.

    Attributes:
        pool: name of the pool.
        task: id of the task.
        place: where it is.
        is_revoked: whether it was to end.
        delivered: whether it has ended because of that.
        call: what was submitted.
        future: what came for it.
    """

    __slots__ = (
        "call",
        "delivered",
        "future",
        "is_revoked",
        "place",
        "pool",
        "task",
    )

    def __init__(self, pool: str) -> None:
        self.pool = pool
        self.bind(-1)

    def bind(self, task: int) -> None:
        """Take over a task."""
        self.task = task
        self.place = _WAITS
        self.is_revoked = self.delivered = False
        self.call: Call | None = None
        self.future: Any = None

    def __str__(self) -> str:
        return self.pool

    @property
    def note_when_lost(self) -> str:
        """Return what becomes of its task where that is given up."""
        if self.call is not None and self.call.is_coroutine:
            return (
                f"its coroutine went on in {self.pool} after its cancellation, and "
                f"was abandoned"
            )

        return (
            f"a task that runs in {self.pool} cannot be interrupted: it was abandoned, "
            f"and goes on there"
        )


class ForeignLane(Lane):
    """Give one run its share of a pool.

    Parameters:
        index: the number of the lane.
        pool: the pool.
        name: what to call it.
        width: how many tasks are in flight at once.
        spare: how many more, if it does not matter when exactly they begin.
        submits_at_once: whether a callback may submit, since whoever calls it holds
            nothing and is not waited for.
    """

    __slots__ = (
        "_active",
        "_canceller",
        "_guard",
        "_hired",
        "_leaving",
        "_name",
        "_pool",
        "_sender",
        "_spare",
        "_submits_at_once",
        "_waiting",
        "_width",
        "_work",
    )

    def __init__(
        self,
        index: int,
        pool: Any,
        name: str,
        width: int,
        spare: int,
        submits_at_once: bool,
    ) -> None:
        super().__init__(index)
        self._pool = pool
        self._name = name
        self._width = width
        self._spare = spare
        self._submits_at_once = submits_at_once
        self._active = 0
        #: Taken inside the lock of the run, never around it.
        self._guard = Lock()
        #: How many flights were asked for that have no task yet.
        self._hired = 0
        #: Flights that have a task and are to be submitted.
        self._waiting: deque[Flight] = deque()
        #: Who submits at the moment, and what; None if nobody does.
        self._sender: object = None
        self._leaving: Flight | None = None
        #: The thread that is cancelling a future under the lock of the run.
        self._canceller = 0

    def attach(self, work: Work) -> None:
        self._work = work
        if not (work.compiled.limits or work.has_limits):
            # A spare task waits in the pool, where its time would be running.
            self._width += self._spare

    # Called by the engine, under its lock.

    def hire(self) -> None:
        self._active += 1
        self.vacant = self._active < self._width
        with self._guard:
            self._hired += 1
            sender = self._new_sender()
        if sender is None:
            return

        try:
            start_thread(sender)
        except RuntimeError:
            # There are no more threads to be had: what is in flight goes on.
            with self._guard:
                self._hired -= 1
                self._sender = None
            self._active -= 1
            self.vacant = False
            if self._waiting or not self._active:
                raise

    def left(self) -> None:
        self._active -= 1
        self.vacant = True

    def interrupt(self, task: int, worker: Worker) -> bool:
        assert isinstance(worker, Flight)
        with self._guard:
            if worker.place == _BACK:
                return False

            worker.is_revoked = True
            call, future = worker.call, worker.future
            is_waiting = worker in self._waiting
            if is_waiting:
                self._waiting.remove(worker)
        if is_waiting:
            # Whoever submits may be waiting himself, for a place in the pool.
            start_thread(partial(self._send_not, worker))
        if call is None:
            return True

        return (future is not None and self._cancels(future)) or call.interrupt()

    def abandon(self, task: int, worker: Worker) -> bool:
        self.left()
        self._replace_sender(worker)
        return True

    def _replace_sender(self, worker: Worker) -> None:
        with self._guard:
            if self._leaving is not worker:
                return

            # The pool does not give the sender back: somebody else goes on with that.
            self._sender = self._leaving = None
            sender = self._new_sender() if self._waiting or self._hired else None
        if sender is not None:
            start_thread(sender)

    def _cancels(self, future: Any) -> bool:
        """Take a task back from the pool; return whether that was possible."""
        self._canceller = get_ident()
        try:
            return _take_back(future)
        finally:
            self._canceller = 0

    # Submitting.

    def _new_sender(self) -> Callable[[], None] | None:
        """Return what is to run to submit what waits, if nobody does. Guarded."""
        if self._sender is not None:
            return None

        token = self._sender = object()
        return partial(self._send, token)

    def _send(self, token: object) -> None:
        """Submit until there is nothing to submit."""
        try:
            while True:
                flight = self._next(token)
                if flight is None:
                    return

                self._submit(flight)
        except BaseException as error:
            self._work.crash(error)

    def _next(self, token: object) -> Flight | None:
        while True:
            with self._guard:
                if self._sender is not token:
                    return None  # was taken for lost

                if self._waiting:
                    return self._waiting.popleft()

                if not self._hired:
                    self._sender = None
                    return None

                self._hired -= 1
            flight = Flight(self._name)
            task = self._work.enter(self, flight)
            if task >= 0:
                flight.task = task
                return flight

    def _submit(self, flight: Flight) -> None:
        work, task = self._work, flight.task
        try:
            call = self._call(task)
        except BaseException as error:
            return self._go_on(flight, self._fail(flight, error))

        with self._guard:
            is_revoked = flight.is_revoked or work.is_to_stop(task)
            if not is_revoked:
                flight.call = call
                flight.place = _LEAVES
                self._leaving = flight
        if is_revoked:
            return self._send_not(flight)

        try:
            future: Any = self._pool.submit(call)
        except BaseException as error:
            self._has_left(flight, None)
            return self._go_on(flight, self._fail(flight, error))

        if self._has_left(flight, future):
            _take_back(future)  # it was to end while it left
        future.add_done_callback(partial(self._done, flight))

    def _send_not(self, flight: Flight) -> None:
        """Report a task as cancelled that was to end before it was submitted."""
        flight.is_revoked = True
        unsent = CancelledError(f"it had not been given to {self._name}")
        try:
            self._go_on(flight, self._fail(flight, unsent))
        except BaseException as error:
            self._work.crash(error)

    def _call(self, task: int) -> Call:
        work = self._work
        arguments = fetched(work.arguments[task], work.values)
        origins = work.origins
        if origins is None:
            return Call(work.functions[task], arguments, work.context.copy())

        context = origins.begin(task)
        return Call(work.functions[task], arguments, context, origins.baggage)

    def _has_left(self, flight: Flight, future: Any) -> bool:
        """Note what the pool gave; return whether the flight was revoked meanwhile."""
        with self._guard:
            if self._leaving is flight:
                self._leaving = None
            flight.place = _AWAY
            flight.future = future
            return flight.is_revoked

    # Reporting.

    def _done(self, flight: Flight, future: Any) -> None:
        """Report how a flight ended. Called by the pool, in any thread, once."""
        if self._canceller == get_ident():
            # It is us who cancel it, with the lock of the run held. Without a thread
            # to be had it is given up at the end of its grace.
            start_thread(partial(self._back, flight, future))
        else:
            self._back(flight, future)

    def _back(self, flight: Flight, future: Any) -> None:
        try:
            self._report(flight, future)
        except BaseException as error:
            self._work.crash(error)

    def _report(self, flight: Flight, future: Any) -> None:
        call = flight.call
        assert call is not None
        try:
            value = future.result()
            if value.__class__ is Result:
                value = value.load()
            # A future takes an exception that is false for none.
            error = call.raised
        except BaseException as raised:
            # It asks exceptions things that they may not bear.
            error = raised if call.raised is None else call.raised
        if error is None:
            task = flight.task
            self._is_back(flight)
            following = self._work.advance(self, flight, task, value)
            del value
            return self._go_on(flight, following, True)

        is_own = error is call.raised or error.__class__ is Raised
        following = self._fail(flight, error)
        del error
        self._go_on(flight, following, is_own)

    def _is_back(self, flight: Flight) -> None:
        with self._guard:
            flight.place = _BACK
            flight.call = flight.future = None

    def _fail(self, flight: Flight, error: BaseException) -> int:
        task = flight.task
        error = self._meant_by(flight, error)
        flight.delivered = self._work.has_been_asked(task) or (
            flight.is_revoked and is_cancelled_error(error)
        )
        self._is_back(flight)
        return self._work.fail(self, flight, task, error)

    def _go_on(self, flight: Flight, following: int, may_submit: bool = False) -> None:
        """Have the next task of a flight submitted."""
        if following < 0:
            return

        with self._guard:
            flight.bind(following)
            self._waiting.append(flight)
            sender = self._new_sender()
        if sender is None:
            return

        if may_submit and self._submits_at_once:
            sender()
        else:
            try:
                start_thread(sender)
            except RuntimeError:
                if not may_submit:
                    raise

                sender()  # there are no more threads to be had

    def _meant_by(self, flight: Flight, error: BaseException) -> BaseException:
        """Return the error of a task for what the pool has raised for it."""
        call = flight.call
        name = self._work.compiled.names[flight.task]
        if call is not None and error is call.raised:
            error = BaseException.with_traceback(error, call.traceback)
            call.raised = call.traceback = None  # they would keep each other alive
        elif isinstance(error, Raised):
            stage, path, error = error.stage, error.path, error.restored(name)
            if stage:
                return refusal(name, self._name, stage, error, path)

            if isinstance(error, KeyboardInterrupt):
                # Ctrl-C reaches all processes of a terminal.
                return interruption(name, self._name, error)
        elif call is not None and call.refused is not None:
            return refusal(name, self._name, *call.refused)
        elif isinstance(error, BrokenExecutor):
            message = f"{self._name} is broken, and task {name!r} is lost with it"
            crashed = WorkerCrashed(f"{message}: {text_of(error)}", name)
            crashed.__cause__ = error
            return crashed
        elif isinstance(error, CancelledError):
            if not error.args:
                error.args = (f"{self._name} did not start it any more",)
        elif call is not None and flight.future is None:
            note_on(error, f"{self._name} has not accepted it")
        return error


def _take_back(future: Any) -> bool:
    try:
        return future.cancel() is True
    except Exception:
        return False
