"""What has to hold for each task of a run, whatever went wrong in it."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from chaos_mixed import MixedTasks
from chaos_schedules import DEADLY, ENDLESS, OBEYED, TaskPlan
from chaos_trial import Trial

from syncra import DontRetry, State, TaskRecord
from syncra.errors import (
    RemoteTaskError,
    RunTimeout,
    SerializationError,
    TaskTimeout,
    WorkerCrashed,
)

#: Times in records are rounded to microseconds.
ROUNDING = timedelta(microseconds=3)
#: Seconds that a busy machine may be late.
LATE = 3.0

#: These run even when a failure has stopped the run.
OUTLIVING = {"all_done", "any_failed"}
NO_SUCCESS = {"raise", "base", "exit", "final", "skip", "odd", "unpicklable", *DEADLY}


class TaskChecks:
    """Compare what a run tells of its tasks with what they saw.

    Attributes:
        halted: whether nothing at all was to start any more.
        stopped: whether only clean-up and alarm were to start.
        hurt: for each task, whether it failed or was skipped since one did.
    """

    def __init__(self, trial: Trial) -> None:
        assert trial.run is not None
        self.trial = trial
        self.tasks = trial.tasks
        self.schedule = trial.schedule
        self.run = trial.run
        self.records: list[TaskRecord] = [
            trial.records[plan.name] for plan in self.schedule.tasks
        ]
        self.states = [record.state for record in self.records]
        self.timed_out = self._timed_out()
        self.halted = trial.ended_at is not None or self.timed_out
        self.stopped = self.halted or (
            self.schedule.on_error != "continue" and State.FAILED in self.states
        )
        self.hurt: list[bool] = []
        for plan, record in zip(self.schedule.tasks, self.records, strict=True):
            dropped = record.state == State.SKIPPED and not record.attempts
            heir = dropped and any(self.hurt[other] for other in plan.waits_for)
            self.hurt.append(record.state == State.FAILED or heir)

    def _timed_out(self) -> bool:
        """Return whether the run's own time was up."""
        try:
            self.run.raise_for_errors()
        except BaseExceptionGroup as group:
            return any(isinstance(error, RunTimeout) for error in group.exceptions)

        return False

    def of_task(self, plan: TaskPlan, record: TaskRecord) -> Iterator[str]:
        """Yield each broken promise about a task in words."""
        yield from self.starting(plan, record)
        yield from self.counts(plan, record)
        yield from self.errors(plan, record)
        yield from self.times(plan, record)
        yield from self.leaving(plan, record)
        yield from self.ending(plan, record)
        if record.state == State.FAILED:
            yield from self.failure(plan, record)
        yield from self.reasons(plan, record)

    def wants_to_run(self, plan: TaskPlan) -> bool:
        """Return whether the trigger of a task is met."""
        states = [self.states[other] for other in plan.waits_for]
        if plan.trigger == "all_succeeded":
            return all(state == State.SUCCEEDED for state in states)

        if plan.trigger == "any_succeeded":
            return any(state == State.SUCCEEDED for state in states)

        if plan.trigger == "any_failed":
            return any(self.hurt[other] for other in plan.waits_for)

        return True

    def outlives(self, plan: TaskPlan) -> bool:
        """Return whether a task runs although a failure has stopped the run."""
        return not self.stopped or (not self.halted and plan.trigger in OUTLIVING)

    def starting(self, plan: TaskPlan, record: TaskRecord) -> Iterator[str]:
        """Check that the task has started if and only if it should (I2, I8)."""
        wants = self.wants_to_run(plan)
        states = [f"{self.states[other]}" for other in plan.waits_for]
        if record.attempts:
            if not wants:
                yield f"I2: ran although {plan.trigger} is not met by {states}"
        elif record.state == State.SKIPPED:
            if wants:
                yield f"I8: skipped although {plan.trigger} is met by {states}"
        elif record.state != State.CANCELLED:
            yield "I1: ended without an attempt"
        if record.state == State.CANCELLED and wants and self.outlives(plan):
            yield "I8: cancelled, but nobody has ended it"
        for other in plan.waits_for:
            before = self.records[other]
            if record.attempts and before.attempts:
                if end_of(before) > record.attempts[0].started_at + ROUNDING:
                    yield f"I2: started before {before.name} was over"
            if before.state == State.SUCCEEDED and not before.abandoned:
                # An earlier attempt, which was given up, may go on for a while.
                ends = self.moments("end", other, self.count("start", other))
                begins = self.moments("start", plan.index, 1)
                if ends and begins and ends[0] > begins[0]:
                    yield f"I2: was at work before {before.name} had returned"

    def counts(self, plan: TaskPlan, record: TaskRecord) -> Iterator[str]:
        """Check how often the task was started (I3)."""
        starts, known = self.count("start", plan.index), len(record.attempts)
        if known > plan.attempts:
            yield f"I3: {known} attempts, allowed {plan.attempts}"
        # An attempt may be ended before the function itself has been called.
        if not known - self.ended_early(record) <= starts <= known:
            yield f"I3: {known} attempts, but {starts} starts"
        if bool(known) != (record.worker is not None):
            yield f"{known} attempts, but worker {record.worker!r}"
        if bool(known) != (record.started_at is not None):
            yield f"{known} attempts, but started_at {record.started_at}"

    def errors(self, plan: TaskPlan, record: TaskRecord) -> Iterator[str]:
        """Check the errors of the attempts against what they raised (I6)."""
        raised = self.tasks.raised[plan.index]
        errors = [attempt.error for attempt in record.attempts]
        told = [error for error in errors if error in raised]
        if told != [error for error in raised if error in told]:
            yield f"I6: attempts raised {raised}, records say {told}"
        by_own_wish = record.state == State.SKIPPED and bool(errors)
        if len(raised) - len(told) > self.ended_early(record) + by_own_wish:
            yield f"I6: attempts raised {raised}, records say only {told}"
        if None in errors[:-1]:
            yield "an attempt without an error was followed by another"
        for error in errors:
            if error is not None and error not in raised:
                if not isinstance(error, TaskTimeout) and not self.fits(plan, error):
                    yield f"I6: an error that nobody raised: {error!r}"

    def times(self, plan: TaskPlan, record: TaskRecord) -> Iterator[str]:
        """Check how long the attempts took."""
        if record.duration is not None and record.duration < 0:
            yield f"took {record.duration} s"
        for attempt in record.attempts:
            if attempt.duration is None or attempt.duration < 0:
                yield f"an attempt took {attempt.duration} s"
            elif isinstance(attempt.error, TaskTimeout):
                if plan.timeout is None or attempt.duration < plan.timeout - 1e-4:
                    yield f"TaskTimeout after {attempt.duration} of {plan.timeout} s"
        for first, second in pairwise(record.attempts):
            pause = second.started_at - first.started_at
            if pause + ROUNDING < timedelta(seconds=first.duration or 0):
                yield "two attempts at once"

    def leaving(self, plan: TaskPlan, record: TaskRecord) -> Iterator[str]:
        """Check that what is left behind is known, and ends some day (I5)."""
        until = self.trial.seen_until
        early = [event for event in self.tasks.events if event[3] <= until]
        begun = sum(event[:2] == ("start", plan.index) for event in early)
        ended = sum(event[:2] == ("end", plan.index) for event in early)
        # A process that was killed may take a moment to end.
        if begun > ended and not record.abandoned and not plan.is_away:
            yield "was still going on at the end, but is not abandoned"
        if record.abandoned and not self.ended_early(record):
            yield "abandoned without a reason"
        grace = self.schedule.grace is None or self.schedule.grace >= OBEYED
        if plan.is_away and record.abandoned:
            yield "abandoned, though a process can be killed"
        told = record.abandoned or self.never_ended(plan)
        if told and plan.obeys and ENDLESS.intersection(plan.acts):
            if grace and self.schedule.end_grace in {None, OBEYED}:
                yield "given up although it ends when it is told to"
        if self.count("end", plan.index) != self.count("start", plan.index):
            yield "I5: an attempt has never come to its end"

    def ending(self, plan: TaskPlan, record: TaskRecord) -> Iterator[str]:
        """Check the final state against the last attempt."""
        late = any(
            attempt.error is None and (attempt.duration or 0.0) > plan.timeout + LATE
            for attempt in record.attempts
            if plan.timeout is not None and record.state != State.CANCELLED
        )
        if late:
            yield f"ended well after its time of {plan.timeout} s"
        if record.state == State.SUCCEEDED:
            if record.attempts[-1].error is not None or record.error is not None:
                yield f"succeeded with {record.error!r}"
            act = plan.act(self.count("start", plan.index))
            told = self.stopped and act == "swallow"
            if act in NO_SUCCESS or (act in ENDLESS and not told):
                yield f"succeeded by {act}"
        elif record.state == State.SKIPPED:
            texts = [str(error) for error in self.tasks.raised[plan.index]]
            if record.error is not None:
                yield f"skipped with {record.error!r}"
            if record.attempts and record.reason not in texts:
                yield f"skipped, says {record.reason!r}"
            if record.attempts and "evade" in plan.acts:
                yield "skipped itself when it was told to end"
        elif record.state == State.CANCELLED and record.error is not None:
            known = record.error in self.tasks.raised[plan.index]
            if not known and not self.fits(plan, record.error):
                yield f"I6: cancelled with {record.error!r}"

    def failure(self, plan: TaskPlan, record: TaskRecord) -> Iterator[str]:
        """Check the error of a task that failed (I6)."""
        known = len(record.attempts)
        error = record.attempts[-1].error
        if error is None or record.error is not error:
            yield f"I6: failed with {record.error!r}, last attempt with {error!r}"
            return

        again = isinstance(error, Exception) and not isinstance(error, DontRetry)
        if again and known < plan.attempts and self.outlives(plan):
            yield f"gave up after {known} of {plan.attempts} attempts"
        note = f"raised by task {plan.name!r} of graph 'chaos'"
        note += f", attempt {known}" if known > 1 else ""
        notes = getattr(error, "__notes__", [])
        if [text for text in notes if text.startswith("raised by")] != [note]:
            yield f"I6: notes {notes}, not {note!r}"
        if isinstance(error, TaskTimeout):
            if error.task != plan.name:
                yield f"I6: {error!r} names {error.task}"
            return

        if plan.is_away:
            told = record.traceback or ""
            if error not in self.tasks.raised[plan.index]:
                if getattr(error, "task", None) != plan.name:
                    yield f"I6: {error!r} does not name its task"
            elif "in __call__" not in told or "in throw" not in told:
                yield f"I6: the traceback of {error!r} is {told}"
            return

        names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        starts = {"chaos_task", "chaos_coroutine"}
        if not starts.intersection(names) or names[-1] != "_throw":
            yield f"I6: the traceback of {error!r} is {names}"

    def reasons(self, plan: TaskPlan, record: TaskRecord) -> Iterator[str]:
        """Check what a skipped task says that it owes it to."""
        causes: set[str] = set()
        if record.state == State.SKIPPED and not record.attempts:
            causes = self.causes(plan.index)
        if sorted(record.skipped_because) != sorted(causes):
            yield f"skipped because of {record.skipped_because}, not {causes}"

    def causes(self, index: int) -> set[str]:
        """Return the names of the tasks at the root of a task's being skipped."""
        found = set()
        stack = list(self.schedule.tasks[index].waits_for)
        seen = set(stack)
        while stack:
            other = stack.pop()
            record = self.records[other]
            if record.state == State.SUCCEEDED:
                continue

            if record.state == State.SKIPPED and not record.attempts:
                new = set(self.schedule.tasks[other].waits_for) - seen
                seen |= new
                stack.extend(new)
            else:
                found.add(record.name)
        return found

    def ended_early(self, record: TaskRecord) -> int:
        """Return how many attempts did not end by themselves."""
        expired = sum(isinstance(a.error, TaskTimeout) for a in record.attempts)
        crashed = sum(isinstance(a.error, WorkerCrashed) for a in record.attempts)
        return expired + crashed + (record.state == State.CANCELLED)

    # What happens in and to other processes.

    def fits(self, plan: TaskPlan, error: BaseException) -> bool:
        """Return whether an error that no function has raised had to be expected."""
        if isinstance(error, SerializationError):
            return error.stage == "result" and "unpicklable" in plan.acts

        if isinstance(error, RemoteTaskError):
            return error.type_name.endswith("ChaosOdd") and "odd" in plan.acts

        return self.may_crash(plan.index, error)

    def may_crash(self, index: int, error: BaseException | None) -> bool:
        """Return whether a process may have ended as an error says."""
        plan = self.schedule.tasks[index]
        if not isinstance(error, WorkerCrashed) or not plan.is_away:
            return False

        killed = self.trial.killer.killed
        ways = [DEADLY[act] for act in plan.acts if act in DEADLY]
        if killed["worker"] or killed["guardian"]:
            ways.append((None, 9))
        if killed["guardian"]:
            ways.append((None, None))
        return (error.exitcode, error.signal) in ways

    def crashes_beyond(self, index: int) -> int:
        """Return how often the process of a task died that had not killed it itself."""
        plan, record = self.schedule.tasks[index], self.records[index]
        tries = list(record.attempts)
        if record.rollback is not None:
            tries += record.rollback.attempts
        crashed = sum(isinstance(one.error, WorkerCrashed) for one in tries)
        starts = range(1, self.count("start", index) + 1)
        return max(0, crashed - sum(plan.act(start) in DEADLY for start in starts))

    def never_ended(self, plan: TaskPlan) -> bool:
        """Return whether an attempt of one that waits for ever was cut off."""
        if not plan.is_away or self.trial.killer.kills:
            return False

        tasks = self.tasks
        return isinstance(tasks, MixedTasks) and plan.index in tasks.cut_off

    def moments(self, kind: str, index: int, attempt: int) -> list[float]:
        """Return when something happened in an attempt at a task."""
        wanted = kind, index, attempt
        return [event[3] for event in self.tasks.events if event[:3] == wanted]

    def count(self, kind: str, index: int) -> int:
        """Return how often something happened to a task."""
        return sum(event[:2] == (kind, index) for event in self.tasks.events)


def end_of(record: TaskRecord) -> datetime:
    """Return when the last attempt at a task was over."""
    attempt = record.attempts[-1]
    return attempt.started_at + timedelta(seconds=attempt.duration or 0.0)
