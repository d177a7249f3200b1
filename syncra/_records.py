"""The record of each task of a run: states, times, errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice

from ._core import states as core
from ._lookup import id_of
from ._names import listed, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType
    from typing import Any, TypeAlias

    from ._journal import Journal
    from ._task import Task

    Causes: TypeAlias = int | tuple["Causes", ...]

#: How many tasks the short form of records names.
MOST_SHOWN = 20


class State(StrEnum):
    """Say where a task of a run stands.

    Each is a str too: `record.state == "failed"`.
    """

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


STATES = {
    core.PENDING: State.PENDING,
    core.READY: State.PENDING,
    core.RUNNING: State.RUNNING,
    core.SUCCEEDED: State.SUCCEEDED,
    core.FAILED: State.FAILED,
    core.SKIPPED: State.SKIPPED,
    core.CANCELLED: State.CANCELLED,
    core.WAITING: State.PENDING,
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """Hold one attempt at a task.

    Attributes:
        started_at: when it started, as an aware datetime.
        duration: seconds it took, or None while it runs.
        error: what it raised, or None.
        worker: what ran it: a thread, "process 4711", "loop", a worker of a cluster.
    """

    started_at: datetime
    duration: float | None
    error: BaseException | None
    worker: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Count the tasks of a run by their state at one moment.

    Attributes:
        pending: how many have not started, or wait for another attempt.
        running: how many are going on.
        succeeded: how many have a result.
        failed: how many have an error.
        skipped: how many were not to run.
        cancelled: how many were ended with the run.

    Example:
        >>> from syncra import Graph
        >>> graph = Graph("sums")
        >>> total = graph.add(lambda: 2 + 3, name="total")
        >>> print(graph().progress)
        1 succeeded
    """

    pending: int
    running: int
    succeeded: int
    failed: int
    skipped: int
    cancelled: int

    @property
    def total(self) -> int:
        """Return how many tasks there are."""
        return self.pending + self.running + self.over

    @property
    def over(self) -> int:
        """Return how many tasks have come to their end."""
        return self.succeeded + self.failed + self.skipped + self.cancelled

    def __str__(self) -> str:
        counts = ((getattr(self, state), state) for state in State)
        return ", ".join(f"{count:,} {state}" for count, state in counts if count)


def progress_of(states: bytes | list[int]) -> Progress:
    """Return the counts of the states of tasks."""
    states = bytes(states)  # of one moment
    counts = dict.fromkeys(State, 0)
    for state, shown in STATES.items():
        counts[shown] += states.count(state)
    return Progress(**counts)


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """Hold what became of one task in one run.

    Attributes:
        name: name of the task.
        state: where it stands; in `why` are a few words about it.
        started_at: when its first attempt started, as an aware datetime, or None.
        duration: seconds from then to its end, or None.
        attempts: its attempts, each with its error.
        error: what it finally raised, or None; of a cancelled task what it raised
            while it was ended, if that is more than the cancellation.
        executor: name of the executor.
        worker: what ran its last attempt, as in `Attempt`, or None.
        skipped_because: names of the tasks at the root of its being skipped.
        reason: what the task said that asked to be skipped, or None.
        abandoned: whether an attempt did not end when it was to, and was left behind.
        warning: what else is to be known of it, or None.
        rollback: what became of its undoing, or None.

    Example:
        >>> from syncra import Graph
        >>> graph = Graph("sums", on_error="continue")
        >>> ratio = graph.add(lambda: 1 / 0, name="ratio", retry=2)
        >>> record = graph().records["ratio"]
        >>> record.state, len(record.attempts), record.error
        (<State.FAILED: 'failed'>, 2, ZeroDivisionError('division by zero'))
    """

    name: str
    state: State
    started_at: datetime | None
    duration: float | None
    attempts: tuple[Attempt, ...]
    error: BaseException | None
    executor: str
    worker: str | None
    skipped_because: tuple[str, ...] = ()
    reason: str | None = None
    abandoned: bool = False
    warning: str | None = None
    rollback: TaskRecord | None = None
    _traceback: TracebackType | None = field(default=None, repr=False, compare=False)
    #: The traceback in a copy, which frames cannot be part of.
    _text: str | None = field(default=None, repr=False, compare=False)

    def __reduce__(self) -> tuple[object, ...]:
        values = [getattr(self, field.name) for field in fields(self)]
        return TaskRecord, (*values[:-2], None, self.traceback)

    @property
    def traceback(self) -> str | None:
        """Return the traceback of the error as text, or None."""
        if self.error is None or self._text is not None:
            return self._text

        import traceback

        try:
            return "".join(
                traceback.format_exception(
                    type(self.error), self.error, self._traceback
                )
            )
        except Exception:  # of an exception that cannot even be looked at
            frames = traceback.format_tb(self._traceback)
            return "".join([*frames, text_of(self.error)])

    @property
    def why(self) -> str:
        """Return in a few words why the task has not succeeded; "" if it has."""
        words = []
        if self.error is not None:
            words.append(text_of(self.error))
        elif self.reason is not None:
            words.append(self.reason or "by its own wish")
        elif self.skipped_because:
            words.append(f"because of {listed(self.skipped_because)}")
        elif self.state == State.SKIPPED:
            words.append("its trigger was not met")
        if self.abandoned:
            words.append("abandoned")
        if self.rollback is not None:
            undone = self.rollback.state == State.SUCCEEDED
            words.append("rolled back" if undone else f"rollback {self.rollback.state}")
        return ", ".join(words)


class Records(Mapping[str, TaskRecord]):
    """Give the record of each task by name, in topological order.

    A view: while the run goes on, a record shows where the task stands when asked.
    """

    __slots__ = ("_causes", "_changes", "_journal", "_keeps", "_rollbacks")

    def __init__(
        self,
        journal: Journal,
        rollbacks: Mapping[str, TaskRecord] | None = None,
        keeps: object = None,
    ) -> None:
        self._journal = journal
        self._keeps = keeps  # the run, which takes its errors with it
        self._rollbacks = rollbacks or {}
        self._causes: list[Causes] | None = None
        self._changes = True

    def copy(self) -> Records:
        """Return the records of this moment, which do not change any more."""
        found = Records(self._journal.copy(), self._rollbacks, self._keeps)
        found._changes = False
        return found

    __copy__ = copy

    def __reduce__(self) -> tuple[object, ...]:
        return dict, (dict(self),)

    def __getitem__(self, name: str | Task[..., Any]) -> TaskRecord:
        compiled = self._journal.compiled
        task = compiled.ids.get(name) if isinstance(name, str) else None
        if task is None:
            task = id_of(compiled, name)
        return self._record(compiled.names[task], task)

    @property
    def progress(self) -> Progress:
        """Return how many tasks are in each state."""
        return progress_of(self._journal.states)

    def without_causes(self) -> Iterator[TaskRecord]:
        """Go through the records in topological order, without `skipped_because`.

        Where many are skipped because of many, these names take time and room.
        """
        compiled = self._journal.compiled
        for task in compiled.plan.order:
            yield self._record(compiled.names[task], task, with_causes=False)

    def _record(self, name: str, task: int, *, with_causes: bool = True) -> TaskRecord:
        journal = self._journal
        state = STATES[journal.states[task]]
        attempts = self._attempts(task)
        started_at = duration = None
        if attempts:
            started_at = attempts[0].started_at
            if journal.finished[task]:
                past = journal.attempts.get(task)
                began = past[0].started if past else journal.started[task]
                duration = journal.finished[task] - began
        worker = journal.workers[task]
        return TaskRecord(
            name=name,
            state=state,
            started_at=started_at,
            duration=duration,
            attempts=attempts,
            error=journal.errors.get(task, journal.cleanup_errors.get(task)),
            executor=journal.executors[journal.lanes[task]],
            worker=None if worker is None else str(worker),
            skipped_because=self._because(task)
            if state == State.SKIPPED and with_causes
            else (),
            reason=journal.reasons.get(task),
            abandoned=task in journal.abandoned,
            warning=journal.warnings.get(task),
            rollback=self._rollbacks.get(name),
            _traceback=journal.tracebacks.get(task),
        )

    def _attempts(self, task: int) -> tuple[Attempt, ...]:
        journal = self._journal
        found = [
            Attempt(
                self._moment(past.started),
                past.finished - past.started,
                past.error,
                str(past.worker),
            )
            for past in journal.attempts.get(task, ())
        ]
        past = journal.attempts.get(task)
        # One that waits to be tried again has only attempts that are over.
        if journal.started[task] != (past[-1].started if past else 0.0):
            running = journal.states[task] == core.RUNNING
            # Once it is over, the start of the last attempt is before its end.
            found.append(
                Attempt(
                    self._moment(journal.started[task]),
                    None if running else self._duration(task),
                    journal.errors.get(task),
                    str(journal.workers[task]),
                )
            )
        return tuple(found)

    def _duration(self, task: int) -> float:
        return self._journal.finished[task] - self._journal.started[task]

    def __iter__(self) -> Iterator[str]:
        compiled = self._journal.compiled
        return (compiled.names[task] for task in compiled.plan.order)

    def states(self) -> Iterator[tuple[str, State]]:
        """Go through names and states in topological order, which takes little time."""
        compiled, states = self._journal.compiled, self._journal.states
        for task in compiled.plan.order:
            yield compiled.names[task], STATES[states[task]]

    def __len__(self) -> int:
        return len(self._journal.compiled.names)

    def __repr__(self) -> str:
        shown = [
            f"{name}: {state}" for name, state in islice(self.states(), MOST_SHOWN)
        ]
        more = len(self) - len(shown)
        return f"<Records {', '.join(shown)}{f' and {more:,} more' if more else ''}>"

    def _moment(self, clock: float) -> datetime:
        journal = self._journal
        since = timedelta(seconds=clock - journal.clock_at_start)
        return datetime.fromtimestamp(journal.time_at_start, UTC) + since

    def _because(self, task: int) -> tuple[str, ...]:
        """Return the names of the tasks that a skipped one owes it to."""
        if self._causes is None or (self._changes and self._journal.ended is None):
            self._causes = causes_of(self._journal)
        names: Sequence[str] = self._journal.compiled.names
        return tuple(names[cause] for cause in expanded(self._causes[task]))


def causes_of(journal: Journal) -> list[Causes]:
    """Return for each task those at the root of its having been skipped.

    These failed, were cancelled, or asked to be skipped themselves. An int is one of
    them, a tuple joins what others have; shared, so that a long chain stays linear.
    """
    causes: list[Causes] = [()] * len(journal.states)
    plan, states = journal.compiled.plan, journal.states
    for task in plan.order:
        if states[task] != core.SKIPPED or task in journal.reasons:
            continue

        found: dict[int, Causes] = {}
        for before in plan.predecessors[task]:
            if states[before] == core.SKIPPED and before not in journal.reasons:
                # Of ints the id would do as well; these cannot be mistaken for it.
                found[-1 - id(causes[before])] = causes[before]
            elif states[before] in (core.FAILED, core.CANCELLED, core.SKIPPED):
                found[before] = before
        parts = tuple(part for part in found.values() if part != ())
        causes[task] = parts[0] if len(parts) == 1 else parts
    return causes


def expanded(causes: Causes) -> list[int]:
    """Return the ids that causes are made of, in ascending order."""
    ids: set[int] = set()
    seen: set[int] = set()
    stack: list[Causes] = [causes]
    while stack:
        part = stack.pop()
        if isinstance(part, int):
            ids.add(part)
        elif id(part) not in seen:
            seen.add(id(part))
            stack += part
    return sorted(ids)
