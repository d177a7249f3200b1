"""The engine of one run: it shares the machine between the workers of all lanes.

There is no dispatcher and no queue of results. A worker reports an outcome and takes
its next task in one call, under one short lock:

    worker of a lane --advance(task, value)--> machine: succeed, take --> next task
                                          '--> lanes with more ready work: hire

Nothing happens while no worker calls, so the engine itself needs no thread. What has to
happen at a certain time (a retry, a limit) the one clock of all runs does: `tick`.
"""

from __future__ import annotations

from contextvars import copy_context
from threading import Lock
from time import sleep, time

from ._clock import clock
from ._core.machine import NOTHING
from ._core.states import READY, RUNNING
from ._events import Events
from ._interpreter import has_gil
from ._journal import Journal
from ._outcome import FAIL, INTERRUPT, RETRY, SKIP, Outcome, outcome_of, timed_out
from ._parts import Parts
from ._route import Route, route
from ._scheduling import machine_for
from ._supervisor import Supervisor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping, Sequence
    from contextvars import Context
    from typing import Any

    from ._compiled import Compiled
    from ._options import Settings
    from .executors._base import Lane, Worker

_free_threaded = not has_gil()


class Engine(Events):
    """Run a compiled graph once.

    Parameters:
        compiled: the graph.
        inputs: value of each of its inputs.
        settings: how it is to be run.
        in_loop: whether the run is awaited in an event loop.
        context: what each task gets a copy of; the caller's context if None.
    """

    def __init__(
        self,
        compiled: Compiled,
        inputs: Mapping[str, Any],
        settings: Settings,
        in_loop: bool,
        context: Context | None = None,
    ) -> None:
        path: Route = route(compiled, settings.executor, in_loop)
        self.compiled = compiled
        self.settings = settings
        self.in_loop = in_loop
        self.lock = Lock()
        self.machine = machine = machine_for(compiled, path, settings)
        self.queues = machine.queues
        self.functions = path.functions
        self.arguments = compiled.arguments
        self.values = values = compiled.template.copy()
        values[compiled.run_slot] = self
        for name, slot in compiled.input_slots.items():
            values[slot] = inputs[name]
        self.context = copy_context() if context is None else context.copy()
        self.journal = journal = Journal(
            compiled, machine.states, values, path.lanes, path.names, path.warnings
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
        #: Whether hardly anybody ever waits for the lock.
        self.is_alone = len(self.lanes) == 1 and self.lanes[0].in_one_thread
        self.is_over = False
        #: What ended the run from outside, to be raised again at its end.
        self.interruption: BaseException | None = None
        #: Called at the end, under the lock.
        self.when_over: list[Callable[[], object]] = []
        self.listeners: list[Callable[[Sequence[int]], object]] = []
        self.shared: MutableMapping[str, Any] = (
            {} if settings.shared is None else settings.shared
        )
        self.run_id = ""
        #: What was written down about the run that this one undoes, if it does.
        self.undoes: Journal | None = None
        self.plain = True
        self.supervisor: Supervisor | None = None
        if compiled.limits or settings.timeout is not None:
            self.supervise()
        self.listen_for(settings)
        #: The runs that tasks of this one have started.
        self.parts: Parts = Parts(self, is_part=context is None)

    # What workers call.

    def enter(self, lane: Lane, worker: Worker) -> int:
        """Give a worker that comes to a lane its first task."""
        self._acquire()
        try:
            task = self._next(lane, worker, clock())
            if self.has_limits and self.several:
                self._wake_others(lane)  # for what this one has let pass
            return task
        finally:
            self.lock.release()

    def advance(self, lane: Lane, worker: Worker, task: int, value: Any) -> int:
        """Take the result of a task and give its worker the next one."""
        ring = None
        if self.is_alone:
            self.lock.acquire()  # without arguments it is twice as fast
        elif not self.lock.acquire(False):
            self._acquire()
        try:
            now = clock()
            plain = self.plain
            if plain or self._accepts(worker, task):
                self.values[task] = value
                self.finished[task] = now
                following = self.machine.succeed(task, lane.index)
                if not plain:
                    if following >= 0:  # whatever ends the run there finds it so
                        self.workers[following] = worker
                    self._succeeded(task, following, now)
                if following >= 0:
                    self.started[following] = now
                    self.workers[following] = worker
                    if lane.vacant and self.queues[lane.index]:
                        lane.hire()
                else:
                    self._leave(lane, now)
                if self.several:
                    ring = self._hire_elsewhere(lane)
                return following

            if self.supervise().forgets(worker, task):
                return NOTHING
        finally:
            self.lock.release()
            if ring is not None:
                ring()
        # It ended after its time was up: no success, whatever it returns.
        return self.fail(lane, worker, task, timed_out(self, task))

    def fail(self, lane: Lane, worker: Worker, task: int, error: BaseException) -> int:
        """Take the error of a task and give its worker the next one."""
        self._acquire()
        try:
            if self.supervisor is not None and self.supervisor.forgets(worker, task):
                return NOTHING  # so nobody is asked about another attempt

            was_asked = self.was_asked_to_end(task)
        finally:
            self.lock.release()
        outcome = outcome_of(self, worker, task, error, was_asked)  # the user's code
        self._acquire()
        try:
            if self.supervisor is not None and self.supervisor.forgets(worker, task):
                return NOTHING  # given up meanwhile

            now = clock()
            self.settle(task, outcome, now)
            following = self._next(lane, worker, now)
            if self.several:
                self._wake_others(lane)
            return following
        finally:
            self.lock.release()

    def leave(self, lane: Lane, task: int) -> None:
        """Take note that a worker cannot go on; what it was to run becomes ready.

        Parameters:
            lane: the lane of the worker.
            task: what `advance` or `fail` has just given it; nothing if negative.
        """
        if task < 0:
            return

        with self.lock:
            now = clock()
            self.withdraw(task)
            self._leave(lane, now)
            self._wake_others(None)

    def put_back(self, worker: Worker, tasks: Sequence[int]) -> bool:
        """Take note that a worker has not begun with tasks; others may have them.

        Returns:
            Whether the worker was given up for one of them.
        """
        given_up = False
        with self.lock:
            for task in reversed(tasks):
                # That attempt is over, and another one may be going on elsewhere.
                if self.supervisor is not None and self.supervisor.forgets(
                    worker, task
                ):
                    given_up = True
                else:
                    self.withdraw(task)
            if not self.is_over:
                self.follow_up(clock())
        return given_up

    def begun(self, task: int, worker: Worker, now: float) -> None:
        """Take note that a task begins only now that its worker has taken long ago."""
        with self.lock:
            # It may have been given up, or withdrawn, this very moment.
            if self.machine.states[task] == RUNNING and self.workers[task] is worker:
                self.started[task] = now

    def crash(self, error: BaseException) -> None:
        """End the run since Syncra itself is at fault: nobody shall wait for ever."""
        with self.lock:
            if not self.is_over:
                self.interruption = error
                self.journal.cancelled = True
                now = clock()
                self.halt(now, 0.0)
                self.follow_up(now)

    # What the driver of the run calls.

    def begin(self, served: Lane | None = None) -> None:
        """Start the run: hire for every lane but the one that the caller serves."""
        try:
            with self.lock:
                self._begin(served)
        except BaseException as error:
            self.crash(error)  # such as: there are no more threads to be had

    def cancel(self, grace: float | None = None) -> None:
        """Start nothing more, interrupt what can be, give up the rest after a grace.

        Parameters:
            grace: seconds until then; what the run was told if None.
        """
        with self.lock:
            if self.is_over:
                return

            self.journal.cancelled = True
            now = clock()
            self.halt(now, grace)
            self.follow_up(now)

    def stop(self) -> None:
        """Start nothing more but clean-up and alarm, as after a failure."""
        with self.lock:
            if self.is_over:
                return

            self.journal.cancelled = True
            now = clock()
            self.machine.stop()
            self.supervise().interrupt_all(now, self.settings.grace)
            self.follow_up(now)

    def tick(self) -> None:
        """Do what is due. Called by the clock, and in vain now and then."""
        self._acquire()
        try:
            if self.is_over:
                return

            now = clock()
            supervisor = self.supervise()
            self.machine.wake(now)
            supervisor.tick(now)
            self.follow_up(now)
            if not self.is_over:
                supervisor.rearm()
        finally:
            self.lock.release()

    # Under the lock.

    def _begin(self, served: Lane | None) -> None:
        self.journal.time_at_start = time()
        self.journal.clock_at_start = now = clock()
        if self.is_over:
            # It was cancelled before it began; who waits for it has come since.
            self.journal.ended = now
            self._let_go()
            return

        if self.supervisor is not None:
            self.supervisor.begin(now)
        if not self.machine.unsettled:
            self._end(now)
        for lane in self.lanes:  # an event loop looks for itself at first
            if not (lane is served or lane.on_loop) and self.queues[lane.index]:
                lane.wake()

    def supervise(self) -> Supervisor:
        """Return the supervisor of the run, made when it is first needed."""
        if self.supervisor is None:
            self.supervisor = Supervisor(self)
            self.plain = False
        return self.supervisor

    def withdraw(self, task: int) -> None:
        """Make a task ready again that was taken but has not begun, or cancel it."""
        if self.machine.states[task] != RUNNING:
            return  # it was given up

        past = self.journal.attempts.get(task)
        self.started[task] = past[-1].started if past else 0.0
        self.workers[task] = past[-1].worker if past else None
        if self.supervisor is not None:
            self.supervisor.ended(task)
        self.machine.put_back(task)
        if self.is_told and self.machine.states[task] != READY:
            self._announce(task)

    def settle(self, task: int, outcome: Outcome, now: float) -> None:
        """Write down how an attempt ended that was no success, and act on it."""
        kind, error = outcome.kind, outcome.error
        journal, machine = self.journal, self.machine
        self.finished[task] = now
        if self.supervisor is not None:
            self.supervisor.ended(task)
        if kind == RETRY and not self.is_to_stop(task):
            if self.observing is not None:
                attempt = self.attempt_of(task)
                self.observing.retrying(task, attempt, error, outcome.wait)
            journal.note_attempt(task, outcome)
            machine.retry_at(task, now + outcome.wait)
            if outcome.wait:
                self.supervise().arm(now + outcome.wait)
            else:
                machine.wake(now)
            return

        if kind == FAIL or kind == RETRY:
            assert error is not None
            journal.note_error(task, error, outcome.traceback)
            stopped_before = machine.stopped
            machine.fail(task)
            if machine.stopped and not stopped_before:
                self.supervise().interrupt_all(now, self.settings.grace)
        elif kind == SKIP:
            journal.reasons[task] = outcome.reason
            machine.skip(task)
        else:
            if error is not None and kind != INTERRUPT:
                journal.cleanup_errors[task] = error
            machine.cancel(task)
            if kind == INTERRUPT:
                self.interruption = error
                journal.cancelled = True
                self.halt(now)
        if self.is_told:
            self._announce(task)

    def halt(self, now: float, grace: float | None = None) -> None:
        """Start nothing more; end what is running, and the runs that it has started."""
        if grace is None:
            grace = self.settings.grace
        self.machine.halt()
        self.supervise().interrupt_all(now, grace, for_all=True)
        self.parts.cancel(grace)

    def follow_up(self, now: float) -> None:
        """Draw the consequences of what was not done by a worker."""
        if self.is_told:
            self._announce(NOTHING)
        if self.machine.unsettled:
            self._wake_others(None)
        elif not self.is_over:
            self._end(now)

    def _accepts(self, worker: Worker, task: int) -> bool:
        return self.supervisor is None or self.supervisor.accepts(worker, task)

    def _succeeded(self, task: int, following: int, now: float) -> None:
        """Tell those who want to know of each attempt."""
        if self.supervisor is not None:
            self.supervisor.advanced(task, following, now)
        if self.listeners:
            self._tell_listeners(task)
        if self.observing is not None:
            self.observing.advanced(task, following)

    def _started(self, task: int, now: float) -> None:
        if self.supervisor is not None:
            self.supervisor.started(task, now)
        if self.observing is not None and self.observing.wants_starts:
            self.observing.started(task)

    def _next(self, lane: Lane, worker: Worker, now: float) -> int:
        task = self.machine.take(lane.index)
        if task == NOTHING:
            self._leave(lane, now)
        else:
            self.started[task] = now
            self.workers[task] = worker
            if not self.plain:
                self._started(task, now)
            if lane.vacant and self.queues[lane.index]:
                lane.hire()
        return task

    def _leave(self, lane: Lane, now: float) -> None:
        lane.left()
        if not self.machine.unsettled and not self.is_over:
            self._end(now)

    def _wake_others(self, here: Lane | None) -> None:
        if ring := self._hire_elsewhere(here):
            ring()

    def _hire_elsewhere(self, here: Lane | None) -> Callable[[], object] | None:
        """Wake other lanes; return what is left of that for when the lock is free."""
        ring = None
        try:
            for lane in self.lanes:
                if lane is not here and lane.vacant and self.queues[lane.index]:
                    ring = lane.wake() or ring
        except BaseException:
            if ring is not None:
                ring()  # it has been promised
            raise

        return ring

    def _end(self, now: float) -> None:
        self.is_over = True
        self.journal.ended = now
        self.compiled.order.learn(self.journal)
        if self.is_told:
            self._announce(NOTHING)
        for lane in self.lanes:
            lane.over()
        if self.journal.clock_at_start:
            self._let_go()  # else whoever begins it looks at its lanes before
        if self.supervisor is not None:
            self.supervisor.close()
        self.values[self.compiled.run_slot] = None

    def _let_go(self) -> None:
        """Tell who waits for the end, and let go of everybody."""
        for callback in self.when_over:
            callback()
        # No circle of references may keep results alive once the run is forgotten.
        for known in (self.when_over, self.listeners, self.lanes, self.loop_lanes):
            known.clear()

    def _acquire(self) -> None:
        if _free_threaded:
            self.lock.acquire()
            return

        # Whoever holds the lock waits for the interpreter lock, not for anything else.
        # Blocking on ours would make each of its releases a system call; giving the
        # interpreter away costs nothing.
        while not self.lock.acquire(False):
            sleep(0)
