"""The engine of one run: it shares the machine between the workers of all lanes.

There is no dispatcher and no queue of results. A worker reports an outcome and takes
its next task in one call, under one short lock:

    worker of a lane --advance(task, value)--> machine: succeed, take --> next task
                                          '--> lanes with more ready work: hire

Nothing happens while no worker calls, so the engine itself needs no thread.
"""

from __future__ import annotations

import sys
from contextvars import copy_context
from os import urandom
from threading import Lock, current_thread, main_thread
from time import sleep, time

from ._core.machine import NOTHING, Machine
from ._journal import Journal
from ._route import Route, route
from .executors._base import clock, without_own_frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ._compile import Compiled
    from ._context import Context
    from .executors._base import Executor, Lane

_free_threaded = not getattr(sys, "_is_gil_enabled", lambda: True)()


class Engine:
    """Run a compiled graph once.

    Parameters:
        compiled: the graph.
        inputs: value of each of its inputs.
        executor: what runs tasks that name no executor of their own.
        on_error: "raise" or "continue".
        in_loop: whether the run is awaited in an event loop.
    """

    def __init__(
        self,
        compiled: Compiled,
        inputs: Mapping[str, Any],
        executor: str | Executor,
        on_error: str,
        in_loop: bool,
    ) -> None:
        path: Route = route(compiled, executor, in_loop)
        self.compiled = compiled
        self.on_error = on_error
        self.in_loop = in_loop
        self.lock = Lock()
        self.machine = machine = Machine(
            compiled.plan,
            path.lanes,
            len(path.executors),
            stop_on_failure=on_error != "continue",
        )
        self.queues = machine.queues
        self.functions = path.functions
        self.arguments = compiled.arguments
        self.values = values = compiled.template.copy()
        values[compiled.run_slot] = self
        for name, slot in compiled.input_slots.items():
            values[slot] = inputs[name]
        self.context = copy_context()
        self.journal = journal = Journal(
            compiled, machine.states, values, path.lanes, path.names
        )
        self.started = journal.started
        self.finished = journal.finished
        self.workers = journal.workers
        self.lanes: list[Lane] = []
        for index, made_by in enumerate(path.executors):
            lane = made_by.open(index, in_loop)
            lane.attach(self)
            self.lanes.append(lane)
        self.loop_lanes: list[Any] = [lane for lane in self.lanes if lane.on_loop]
        self.several = len(self.lanes) > 1
        #: Whether every task is settled.
        self.is_over = False
        #: What ended the run from outside, to be raised again at its end.
        self.interruption: BaseException | None = None
        self.shared: dict[str, Any] = {}
        self.run_id = ""
        self._when_over: list[Callable[[], object]] = []

    # What workers call.

    def enter(self, lane: Lane, worker: str) -> int:
        """Give a worker that comes to a lane its first task."""
        self._acquire()
        try:
            return self._next(lane, clock())
        finally:
            self.lock.release()

    def advance(self, lane: Lane, worker: str, task: int, value: Any) -> int:
        """Take the result of a task and give its worker the next one."""
        if not self.lock.acquire(False):
            self._acquire()
        try:
            now = clock()
            self.values[task] = value
            self.finished[task] = now
            self.workers[task] = worker
            machine = self.machine
            machine.succeed(task)
            following = machine.take(lane.index)
            if following >= 0:
                self.started[following] = now
                if lane.vacant and self.queues[lane.index]:
                    lane.hire()
            else:
                self._leave(lane, now)
            if self.several:
                self._hire_elsewhere(lane)
            return following
        finally:
            self.lock.release()

    def fail(self, lane: Lane, worker: str, task: int, error: BaseException) -> int:
        """Take the error of a task and give its worker the next one."""
        traceback = without_own_frames(error.__traceback__)
        error.__traceback__ = traceback
        self._add_note(error, task)
        self._acquire()
        try:
            now = clock()
            journal = self.journal
            self.finished[task] = now
            self.workers[task] = worker
            machine = self.machine
            if isinstance(error, KeyboardInterrupt) and _in_main_thread():
                # Ctrl-C reached the task instead of us: the run is what it meant.
                self.interruption = error
                machine.cancel(task)
                self._stop()
            else:
                journal.errors[task] = error
                journal.tracebacks[task] = traceback
                if journal.first_error is None:
                    journal.first_error = task
                machine.fail(task)
                if machine.stopped:
                    self._stop()
            following = self._next(lane, now)
            if self.several:
                self._hire_elsewhere(lane)
            return following
        finally:
            self.lock.release()

    def cancelled(self, lane: Lane, task: int, error: BaseException) -> None:
        """Take note that a task was stopped half-way, and its worker with it."""
        self._acquire()
        try:
            now = clock()
            self.finished[task] = now
            self.machine.cancel(task)
            self._leave(lane, now)
        finally:
            self.lock.release()

    def has_ready(self, lane: Lane) -> bool:
        """Return whether a lane has a ready task. Under the lock."""
        return bool(self.queues[lane.index])

    def context_of(self, task: int) -> Context:
        """Return the `Context` that a task receives."""
        from ._context import Context

        return Context(self, task)

    def identify(self) -> str:
        """Return the id of the run, made when it is first asked for."""
        if not self.run_id:
            self.run_id = urandom(8).hex()
        return self.run_id

    @property
    def needs_loop(self) -> bool:
        """Return whether tasks of the run need an event loop, shared or private."""
        return bool(self.loop_lanes) or any(self.compiled.is_async)

    # What the caller of the run calls.

    def run(self) -> None:
        """Run the graph to its end, blocking, from outside any event loop."""
        if self.loop_lanes:
            import anyio

            anyio.run(self.arun)
            return

        server = self._caller_lane()
        if server is not None:
            self.begin(server)
            try:
                server.serve()
            finally:
                close_private_loop()
        else:
            over = Lock()
            over.acquire()
            self._when_over.append(over.release)
            self.begin()
            try:
                over.acquire()
            except BaseException as interruption:
                self.interruption = interruption
                self.cancel()
                over.acquire()
        if self.interruption is not None:
            raise self.interruption

    async def arun(self) -> None:
        """Run the graph to its end on the running event loop, without blocking it."""
        from .executors.coroutines import LoopHost

        host = LoopHost(self, self.loop_lanes)
        self._when_over.append(host.signal)
        await host.run(self.begin, self.cancel)

    def begin(self, served: Lane | None = None) -> None:
        """Start the run: hire for every lane but the one that the caller serves."""
        with self.lock:
            self.journal.time_at_start = time()
            self.journal.clock_at_start = now = clock()
            if not self.machine.unsettled:
                self._end(now)
            for lane in self.lanes:
                if lane is not served and self.queues[lane.index] and lane.vacant:
                    lane.hire()

    def cancel(self) -> None:
        """Start nothing more and interrupt what can be interrupted."""
        with self.lock:
            if self.is_over:
                return

            self.machine.stop()
            self._stop()
            if not self.machine.unsettled:
                self._end(clock())

    def call_when_over(self, callback: Callable[[], object]) -> bool:
        """Have `callback` called at the end; return whether it is still to come."""
        with self.lock:
            if not self.is_over:
                self._when_over.append(callback)
            return not self.is_over

    def _add_note(self, error: BaseException, task: int) -> None:
        """Make an error say which task of which graph has raised it."""
        compiled = self.compiled
        note = f"raised by task {compiled.names[task]!r} of graph {compiled.graph!r}"
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)

    # Under the lock.

    def _next(self, lane: Lane, now: float) -> int:
        task = self.machine.take(lane.index)
        if task == NOTHING:
            self._leave(lane, now)
        else:
            self.started[task] = now
            if lane.vacant and self.queues[lane.index]:
                lane.hire()
        return task

    def _leave(self, lane: Lane, now: float) -> None:
        lane.left()
        if not self.machine.unsettled and not self.is_over:
            self._end(now)

    def _hire_elsewhere(self, here: Lane) -> None:
        for lane in self.lanes:
            if lane is not here and lane.vacant and self.queues[lane.index]:
                lane.wake()

    def _stop(self) -> None:
        for lane in self.lanes:
            lane.stop()

    def _end(self, now: float) -> None:
        self.is_over = True
        self.journal.ended = now
        for lane in self.lanes:
            lane.over()
        for callback in self._when_over:
            callback()
        # No circle of references may keep results alive once the run is forgotten.
        self._when_over.clear()
        self.lanes.clear()
        self.loop_lanes.clear()
        self.values[self.compiled.run_slot] = None

    def _acquire(self) -> None:
        if _free_threaded:
            self.lock.acquire()
            return

        # Whoever holds the lock waits for the interpreter lock, not for anything else.
        # Blocking on ours would make each of its releases a system call, for as long
        # as it keeps the interpreter; giving the interpreter away costs nothing.
        while not self.lock.acquire(False):
            sleep(0)

    def _caller_lane(self) -> Any:
        """Return the lane that the calling thread is to work for, or None."""
        first = None
        for lane, name in zip(self.lanes, self.journal.executors, strict=True):
            if name == "sequential":
                return lane

            first = first or lane
        # Signals only reach the main thread: there the caller has to stay free.
        return None if _in_main_thread() else first


def close_private_loop() -> None:
    """Close the private event loop of this thread, if it has one."""
    module = sys.modules.get(f"{__package__}.executors._private_loop")
    if module is not None:
        module.close()


def _in_main_thread() -> bool:
    return current_thread() is main_thread()
