"""What has to hold for a run as a whole, whatever went wrong in it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from chaos_mixed import MixedTasks
from chaos_schedules import WIDTHS, make_schedule
from chaos_task_checks import LATE, ROUNDING, TaskChecks, end_of
from chaos_tasks import plain_values
from chaos_trial import Trial

from syncra import State
from syncra.errors import (
    RunTimeout,
    TaskCancelled,
    TaskExited,
    TaskSkipped,
    TaskTimeout,
)

TERMINAL = {State.SUCCEEDED, State.FAILED, State.SKIPPED, State.CANCELLED}


def broken_promises(seed: int) -> list[str]:
    """Run the schedule of a seed and return what went against an invariant."""
    trial = Trial(make_schedule(seed))
    trial.carry_out()
    return list(Checks(trial).all())


class Checks(TaskChecks):
    """Compare what a run tells with what its tasks saw."""

    def all(self) -> Iterator[str]:
        """Yield each broken promise in words."""
        if set(self.states) - TERMINAL:
            yield f"I1: not all is over: {self.states}"
            return

        after = dict(self.run.records)
        for plan, record in zip(self.schedule.tasks, self.records, strict=True):
            if after[plan.name] != record:
                yield f"I1: {plan.name} changed after the end: {record} {after}"
            for problem in self.of_task(plan, record):
                yield f"{plan.name} ({record.state}): {problem}"
        yield from self.overlaps()
        if isinstance(self.tasks, MixedTasks):
            yield from self.away(self.tasks)
        yield from self.values()
        yield from self.bounds()
        yield from self.first_error()
        yield from self.raised()
        yield from self.undoing()
        yield from self.undoing_order()
        yield from self.views()
        yield from self.results()

    def overlaps(self) -> Iterator[str]:
        """Check that an executor that runs one task at a time does."""
        if not self.schedule.one_at_a_time:
            return

        going_on: set[int] = set()
        for kind, index, _, _ in self.tasks.events:
            if kind == "start":
                busy = [i for i in going_on if not self.records[i].abandoned]
                if busy and not self.records[index].abandoned:
                    yield f"tasks {busy} and {index} ran at once"
                going_on.add(index)
            elif kind == "end":
                going_on.discard(index)

    def away(self, tasks: MixedTasks) -> Iterator[str]:
        """Check what only holds for worker processes (I5, I8)."""
        excess = sum(self.crashes_beyond(plan.index) for plan in self.schedule.tasks)
        killed = self.trial.killer.killed
        # With the guardian end all that it has begun, and what it is about to begin.
        lost = len(self.schedule.tasks) * killed["guardian"]
        if excess > killed["worker"] + lost:
            yield f"I8: {excess} crashes that nobody has asked for, killed {killed}"
        for name, width in WIDTHS.items():
            spans = [
                span
                for index, span in tasks.spans
                if self.schedule.place(self.schedule.tasks[index]) == name
            ]
            for begin, _ in spans:
                busy = sum(first <= begin < last for first, last in spans)
                if busy > width:
                    yield f"{busy} tasks at once in {name}"

    def values(self) -> Iterator[str]:
        """Check the results against plain calls."""
        succeeded = [state == State.SUCCEEDED for state in self.states]
        plain = plain_values(self.schedule, succeeded)
        expected = {self.schedule.tasks[i].name: value for i, value in plain.items()}
        if dict(self.run) != expected:
            yield f"results are {dict(self.run)}, not {expected}"
        if list(self.run) != [name for name in self.run.records if name in expected]:
            yield "results are out of order"
        for index, value in plain.items():
            if value not in self.tasks.returned[index]:
                yield f"task {index} never returned its result"

    def bounds(self) -> Iterator[str]:
        """Check that the run came back in time, and left nothing behind (I4, I5)."""
        trial, schedule = self.trial, self.schedule
        grace = 5.0 if schedule.grace is None else schedule.grace
        # Of the tasks, of what undoes them, and of the event loop.
        limit = 3 * max(grace, schedule.end_grace or 0.0) + LATE
        if trial.ended_at is not None:
            if trial.returned_at - trial.ended_at > limit:
                yield f"I4: came back {trial.returned_at - trial.ended_at} s later"
        if schedule.timeout is not None:
            if trial.returned_at - trial.started_at > schedule.timeout + limit:
                yield f"I4: took {trial.returned_at - trial.started_at} s"
            if self.timed_out:
                if (self.run.report().duration or 0) < schedule.timeout - 1e-4:
                    yield "I4: RunTimeout too early"
        if trial.leaks:
            yield f"I5: left behind {sorted(trial.leaks)}"
        if trial.noise:
            yield f"errors that reached nobody: {trial.noise}"

    def first_error(self) -> Iterator[str]:
        """Check that all errors are known, and which of them came first (I6)."""
        failed = [record for record in self.records if record.state == State.FAILED]
        errors = self.run.errors
        if {record.name: record.error for record in failed} != errors:
            yield f"I6: errors are {errors}"
        elif failed:
            first = self.trial.records[next(iter(errors))]
            if end_of(first) > min(map(end_of, failed)) + ROUNDING:
                yield f"I6: {first.name} was not the first to fail"

    def raised(self) -> Iterator[str]:
        """Check what the call has raised (I6)."""
        error, schedule = self.trial.error, self.schedule
        first = next(iter(self.run.errors.values()), None)
        exited = isinstance(error, TaskExited) and isinstance(first, SystemExit)
        cause = error.__cause__ if error is not None and exited else error
        waits = schedule.way in {"background", "background-completed"}
        if self.trial.ended_at is not None and schedule.ending in {"signal", "outer"}:
            # It may have come too late to make a difference.
            names = {"KeyboardInterrupt", "CancelledError", "Cancelled"}
            if error is not None and cause is not first:
                if type(error).__name__ not in names:
                    yield f"I6: ended by {schedule.ending}, raised {error!r}"
        elif schedule.on_error == "continue" or waits:
            if error is not None:
                yield f"I6: raised {error!r}"
        elif first is not None or not self.timed_out:
            if cause is not first:
                yield f"I6: raised {error!r}, not {first!r}"
        elif not isinstance(error, RunTimeout):
            yield f"I6: raised {error!r}, not RunTimeout"

    def undoing(self) -> Iterator[str]:
        """Check which rollback functions were called, and how that went."""
        calls = Counter(index for index, _ in self.tasks.undone)
        wanted = self.schedule.on_error == "rollback" and self.stopped
        for plan, record in zip(self.schedule.tasks, self.records, strict=True):
            count, told = calls[plan.index], record.rollback
            undone = record.state == State.SUCCEEDED and plan.undo is not None
            if count and not (undone and wanted):
                yield f"{plan.name} was undone without a reason"
            if told is None:
                if undone and wanted and State.FAILED in self.states:
                    yield f"{plan.name} was not undone"
                continue

            allowed = plan.attempts if plan.undo == "raise" or plan.timeout else 1
            if count > allowed:
                yield f"{plan.name} was undone {count} times"
            if told.state == State.SUCCEEDED and (plan.undo == "raise" or not count):
                yield f"the rollback of {plan.name} {told.state}, called {count} times"
            timed_out = isinstance(told.error, TaskTimeout)
            excused = timed_out or self.may_crash(plan.index, told.error)
            if told.state == State.FAILED and plan.undo == "ok" and not excused:
                yield f"the rollback of {plan.name} failed with {told.error!r}"
            if told.state not in {State.SUCCEEDED, State.FAILED} and not self.halted:
                yield f"the rollback of {plan.name} was {told.state}"

    def undoing_order(self) -> Iterator[str]:
        """Check what rollback functions were given, and their order."""
        undone = self.tasks.undone
        names = [plan.name for plan in self.schedule.tasks]
        if any(value != self.run[names[index]] for index, value in undone):
            yield f"rollback functions were given {undone}"
        order = [end_of(self.records[index]) for index, _ in undone]
        if any(later > earlier + ROUNDING for earlier, later in pairwise(order)):
            yield f"undone in the order {undone}"
        # Whoever ends the run from outside gives what undoes it a grace too.
        patient = self.schedule.grace is None or self.schedule.grace >= LATE
        # After a failure it may be the undoing that is ended.
        states = self.states
        ended = State.CANCELLED in states and State.FAILED not in states
        if self.halted and ended and patient and self.schedule.on_error == "rollback":
            for plan, record in zip(self.schedule.tasks, self.records, strict=True):
                if record.state == State.SUCCEEDED and plan.undo is not None:
                    if record.rollback is None or not record.rollback.attempts:
                        if self.schedule.ending != "outer":
                            yield f"{plan.name} was not undone when the run was ended"

    def views(self) -> Iterator[str]:
        """Check that all ways to look at a run tell the same."""
        run, states = self.run, self.states
        counts = Counter(str(state) for state in states)
        progress = {state: getattr(run.progress, state) for state in State}
        if progress != {state: counts[state] for state in State}:
            yield f"progress is {run.progress}, not {counts}"
        if not run.done:
            yield "is not done"
        if run.ok != (State.FAILED not in states and State.CANCELLED not in states):
            yield f"ok is {run.ok} with {counts}"
        told = json.loads(run.report().to_json())
        if [task["state"] for task in told["tasks"]] != [
            str(record.state) for record in run.records.values()
        ]:
            yield "the report tells other states"
        if str(run).count("\n") != len(states) + 1:
            yield f"the text has {str(run).count(chr(10))} lines"
        if self.schedule.way == "background-completed":
            if sorted(self.trial.came) != sorted(run.records):
                yield f"as_completed gave {self.trial.came}"

    def results(self) -> Iterator[str]:
        """Check what asking for a result raises where there is none."""
        stand_ins = {State.SKIPPED: TaskSkipped, State.CANCELLED: TaskCancelled}
        for record in self.records:
            try:
                self.run[record.name]
            except BaseException as error:
                if record.state == State.FAILED:
                    fits = record.error in (error, error.__cause__)
                else:
                    kind = stand_ins.get(record.state)
                    fits = kind is not None and isinstance(error, kind)
                if not fits:
                    yield f"run[{record.name!r}] raises {error!r}"
            else:
                if record.state != State.SUCCEEDED:
                    yield f"run[{record.name!r}] does not raise"
