"""What ends or gives up attempts: limits, cancellation, the grace after it.

An engine gets a supervisor when it first needs one, so that a plain run pays nothing.
Everything here is done under the lock of the run, unless it says otherwise.

An attempt is asked to end (`interrupt`) where that is possible: a coroutine, a process,
what still waits in a pool or on a cluster, but not a function in a thread. What cannot
be asked, or does not listen, is given up in the end (`lose`): the task is settled, its
lane gets another worker, and whatever the lost one reports later does not count.
"""

from __future__ import annotations

from _weakref import ref
from math import inf

from ._clock import clock
from ._core.deadlines import Deadlines
from ._core.states import RUNNING
from ._outcome import CANCEL, FAIL, Outcome, outcome_of, timed_out
from .errors import RunTimeout
from .executors._pool import start_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._engine import Engine
    from .executors._base import Lane, Worker

#: Seconds that what is to stop has for its cleaning up, unless the user says otherwise.
GRACE = 5.0


class Supervisor:
    """Watch over the attempts of one run."""

    __slots__ = (
        "_alarm_at",
        "_expired",
        "_interrupted",
        "_lost",
        "_patience",
        "_run_deadline",
        "deadlines",
        "engine",
    )

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        limits = engine.compiled.limits
        self.deadlines = Deadlines(limits) if limits else None
        #: Attempts whose worker was given up.
        self._lost: set[tuple[int, Worker]] = set()
        #: Running tasks whose time is up.
        self._expired: set[int] = set()
        #: Running tasks that were asked to end.
        self._interrupted: set[int] = set()
        #: Attempts that will be given up, and when; soonest first.
        self._patience: list[tuple[float, int, Worker]] = []
        self._run_deadline = inf
        self._alarm_at = inf

    # What the engine tells.

    def begin(self, now: float) -> None:
        """Take note that the run has started."""
        limit = self.engine.settings.timeout
        if limit is not None:
            self._run_deadline = now + limit
            self.arm(self._run_deadline)

    def started(self, task: int, now: float) -> None:
        """Take note that an attempt starts."""
        if self.deadlines is not None:
            deadline = self.deadlines.start(task, now)
            if deadline is not None and deadline < self._alarm_at:
                self.arm(deadline)

    def ended(self, task: int) -> None:
        """Take note that an attempt is over, however it went."""
        if self.deadlines is not None:
            self.deadlines.end(task)
        if self._expired:
            self._expired.discard(task)
        if self._interrupted:
            self._interrupted.discard(task)
        if self._patience:
            # The next attempt has a patience of its own.
            self._patience = [entry for entry in self._patience if entry[1] != task]

    def advanced(self, task: int, following: int, now: float) -> None:
        """Take note of a success, and of what its worker goes on with, if not < 0."""
        if self._expired or self._interrupted or self._patience:
            self.ended(task)
        elif self.deadlines is not None:
            self.deadlines.end(task)
        if following >= 0:
            self.started(following, now)

    def accepts(self, worker: Worker, task: int) -> bool:
        """Return whether the result that a worker reports still counts."""
        if task in self._expired:
            return False

        return not self._lost or (task, worker) not in self._lost

    def forgets(self, worker: Worker, task: int) -> bool:
        """Return whether the worker was given up; it has come to its end now."""
        attempt = (task, worker)
        if attempt not in self._lost:
            return False

        self._lost.discard(attempt)
        return True

    def close(self) -> None:
        """Take note that the run is over. Lost workers may still be told so."""
        del self.engine
        self._patience.clear()

    def is_lost(self, worker: Worker, task: int) -> bool:
        """Return whether an attempt was given up and has not come to its end."""
        return (task, worker) in self._lost

    def was_asked_to_end(self, task: int) -> bool:
        """Return whether a running task has been interrupted."""
        return task in self._interrupted

    def has_expired(self, task: int) -> bool:
        """Return whether the time of a running task is up."""
        return task in self._expired

    # Time.

    def arm(self, when: float) -> None:
        """Have the engine's `tick` called at `when`, unless it is called sooner."""
        if when >= self._alarm_at:
            return

        from ._alarm import call_at

        self._alarm_at = when
        this = ref(self.engine)  # an alarm in an hour must not keep results till then

        def ring() -> None:
            engine = this()
            if engine is not None:
                engine.tick()

        call_at(when, ring)

    def tick(self, now: float) -> None:
        """Do what is due."""
        self._alarm_at = inf
        if self.deadlines is not None:
            for task in self.deadlines.due(now):
                # The end of one may have been the end of the others.
                if self.engine.machine.states[task] == RUNNING:
                    self._expire(task, now)
        if now >= self._run_deadline:
            self._run_deadline = inf
            self._time_out(now)
        while self._patience and self._patience[0][0] <= now:
            _, task, worker = self._patience.pop(0)
            if self._is_at(task, worker):
                self.lose(task, now)

    def rearm(self) -> None:
        """Have `tick` called when the next thing is due."""
        due = [self._run_deadline]
        wake = self.engine.machine.next_wake()
        if wake is not None:
            due.append(wake)
        if self.deadlines is not None:
            limit = self.deadlines.next()
            if limit is not None:
                due.append(limit)
        if self._patience:
            due.append(self._patience[0][0])
        self.arm(min(due))

    # Ending attempts.

    def interrupt_all(
        self, now: float, grace: float | None, for_all: bool = False
    ) -> None:
        """Ask all running tasks that are to end to do so.

        Parameters:
            now: the time.
            grace: seconds until they are given up; if None, what their lane says, and
                those that cannot be interrupted are waited for.
            for_all: whether those are given up too.
        """
        # Clean-up and alarm go on, and keep the limits that they have.
        to_stop = self.engine.is_to_stop
        self._patience = [entry for entry in self._patience if not to_stop(entry[1])]
        for task in self.running():
            if not to_stop(task) or self.engine.machine.states[task] != RUNNING:
                continue

            asked = self._interrupt(task)
            if self.engine.machine.states[task] != RUNNING:
                continue  # it had not really begun

            part = self.engine.parts.awaited_by(self._worker_of(task))
            if part is not None:
                part.stop()
            if asked or for_all or grace is not None:
                self._give_up_in(self._patience_for(task, grace), task, now)

    def lose(self, task: int, now: float) -> None:
        """Go on without an attempt that does not end."""
        engine = self.engine
        worker = self._worker_of(task)
        part = engine.parts.awaited_by(worker)
        if part is not None:
            part.cancel()
        attempt = (task, worker)
        if attempt not in self._lost:
            self._lost.add(attempt)
            if self._lane_of(task).abandon(task, worker):
                engine.journal.abandoned.setdefault(task, []).append(worker)
        if task not in self._expired:
            engine.settle(task, Outcome(CANCEL), now)
            return

        error = timed_out(engine, task, worker)
        retry = engine.compiled.retries.get(task)
        if engine.is_to_stop(task):
            # There is no other attempt, so nobody is asked about one.
            engine.settle(task, Outcome(FAIL, error), now)
        elif retry is not None and retry.calls_user_code:
            # The user's code must not stop the clock.
            start_thread(lambda: self._judge(engine, task, worker, error))
        else:
            was_asked = self.was_asked_to_end(task)
            outcome = outcome_of(engine, worker, task, error, was_asked)
            engine.settle(task, outcome, now)

    def running(self) -> list[int]:
        """Return the tasks that are running."""
        return list(_positions(self.engine.machine.states, RUNNING))

    def _judge(
        self, engine: Engine, task: int, worker: Worker, error: BaseException
    ) -> None:
        """Settle an attempt that was given up, if the run still goes on. Not locked."""
        outcome = outcome_of(engine, worker, task, error, self.was_asked_to_end(task))
        with engine.lock:
            if not engine.is_over and self._is_at(task, worker):
                now = clock()
                engine.settle(task, outcome, now)
                engine.follow_up(now)

    def _interrupt(self, task: int) -> bool:
        """Ask a running task to end; return whether that can be asked of it."""
        # Known before it happens: a thread may tell of its end without the lock.
        self._interrupted.add(task)
        try:
            asked = self._lane_of(task).interrupt(task, self._worker_of(task))
        except Exception as error:
            # It is somebody else's executor. Nobody shall wait for ever because of it.
            asked = False
            self.engine.interruption = self.engine.interruption or error
        if not asked:
            self._interrupted.discard(task)
        return asked

    def _patience_for(self, task: int, grace: float | None) -> float:
        return self._lane_of(task).patience if grace is None else grace

    def _give_up_in(self, grace: float, task: int, now: float) -> None:
        if grace <= 0:
            self.lose(task, now)
            return

        self._patience.append((now + grace, task, self._worker_of(task)))
        self._patience.sort(key=_when)
        self.arm(self._patience[0][0])

    def _expire(self, task: int, now: float) -> None:
        """End an attempt whose time is up."""
        self._expired.add(task)
        if self._interrupt(task):
            if self.engine.machine.states[task] != RUNNING:
                return  # it had not really begun: its time is still to come

            grace = self.engine.settings.grace
            self._give_up_in(self._patience_for(task, grace), task, now)
        else:
            self.lose(task, now)

    def _time_out(self, now: float) -> None:
        """End the run since its own time is up."""
        engine = self.engine
        compiled, settings = engine.compiled, engine.settings
        running = self.running()
        names = [compiled.names[task] for task in running]
        shown = ", ".join(map(repr, names[:1])) or "no task"
        if len(names) > 1:
            shown = f"{len(names):,} tasks, such as {shown}"
        limit = settings.timeout or 0.0
        engine.interruption = RunTimeout(
            f"the run of graph {compiled.graph!r} did not end within {limit:g} s; "
            f"running then: {shown}.",
            compiled.graph,
            limit,
            names,
        )
        grace = settings.grace
        engine.halt(now, grace)
        if grace is None:
            # Who limits a run wants to go on then: no thread is waited for.
            for task in running:
                if engine.machine.states[task] == RUNNING:
                    if task not in self._interrupted:
                        self.lose(task, now)

    def _is_at(self, task: int, worker: Worker) -> bool:
        """Return whether a task is running and this is who runs it."""
        engine = self.engine
        return engine.machine.states[task] == RUNNING and engine.workers[task] is worker

    def _worker_of(self, task: int) -> Worker:
        worker = self.engine.workers[task]
        assert worker is not None
        return worker

    def _lane_of(self, task: int) -> Lane:
        return self.engine.lanes[self.engine.journal.lanes[task]]


def _when(entry: tuple[float, int, Worker]) -> float:
    return entry[0]


def _positions(states: list[int], state: int) -> Iterator[int]:
    found = -1
    for _ in range(states.count(state)):
        found = states.index(state, found + 1)
        yield found
