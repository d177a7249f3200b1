"""What a run tells about its tasks: states, times, errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from ._core import states as core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ._journal import Journal


class State(StrEnum):
    """Say where a task of a run stands."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


_STATES = {
    core.PENDING: State.PENDING,
    core.READY: State.PENDING,
    core.RUNNING: State.RUNNING,
    core.SUCCEEDED: State.SUCCEEDED,
    core.FAILED: State.FAILED,
    core.SKIPPED: State.SKIPPED,
    core.CANCELLED: State.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """Hold one attempt at a task.

    Attributes:
        started_at: when it started, as an aware datetime.
        duration: seconds it took, or None while it runs.
        error: what it raised, or None.
    """

    started_at: datetime
    duration: float | None
    error: BaseException | None


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """Hold what became of one task in one run.

    Attributes:
        name: name of the task.
        state: where it stands.
        started_at: when its first attempt started, as an aware datetime, or None.
        duration: seconds from then to its end, or None.
        attempts: its attempts, each with its error.
        error: what it finally raised, or None.
        traceback: the traceback of that as text, or None.
        executor: name of the executor.
        worker: name of the thread that ran it, or None.
        skipped_because: names of the tasks at the root of its being skipped.
    """

    name: str
    state: State
    started_at: datetime | None
    duration: float | None
    attempts: tuple[Attempt, ...]
    error: BaseException | None
    executor: str
    worker: str | None
    skipped_because: tuple[str, ...]

    @property
    def traceback(self) -> str | None:
        """Return the traceback of the error as text, or None."""
        if self.error is None:
            return None

        import traceback

        return "".join(traceback.format_exception(self.error))


class Records(Mapping[str, TaskRecord]):
    """Give the record of each task by name, in topological order.

    A view: while the run goes on, a record shows where the task stands when asked.
    """

    __slots__ = ("_causes", "_journal")

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._causes: list[frozenset[int]] | None = None

    def __getitem__(self, name: str) -> TaskRecord:
        journal = self._journal
        task = journal.compiled.ids[name]
        state = _STATES[journal.states[task]]
        error = journal.errors.get(task)
        started_at = duration = None
        attempts: tuple[Attempt, ...] = ()
        if journal.started[task]:
            started_at = self._moment(journal.started[task])
            if journal.finished[task]:
                duration = journal.finished[task] - journal.started[task]
            attempts = (Attempt(started_at, duration, error),)
        return TaskRecord(
            name=name,
            state=state,
            started_at=started_at,
            duration=duration,
            attempts=attempts,
            error=error,
            executor=journal.executors[journal.lanes[task]],
            worker=journal.workers[task],
            skipped_because=self._because(task) if state == State.SKIPPED else (),
        )

    def __iter__(self) -> Iterator[str]:
        compiled = self._journal.compiled
        return (compiled.names[task] for task in compiled.plan.order)

    def __len__(self) -> int:
        return len(self._journal.compiled.names)

    def __repr__(self) -> str:
        states = ", ".join(f"{name}: {record.state}" for name, record in self.items())
        return f"<Records {states}>"

    def _moment(self, clock: float) -> datetime:
        journal = self._journal
        since = timedelta(seconds=clock - journal.clock_at_start)
        return datetime.fromtimestamp(journal.time_at_start, UTC) + since

    def _because(self, task: int) -> tuple[str, ...]:
        """Return the names of the tasks that a skipped one owes it to."""
        if self._causes is None or self._journal.ended is None:
            self._causes = causes_of(self._journal)
        names: Sequence[str] = self._journal.compiled.names
        return tuple(names[cause] for cause in sorted(self._causes[task]))


def causes_of(journal: Journal) -> list[frozenset[int]]:
    """Return for each task the failed or cancelled ones that it was skipped for."""
    none: frozenset[int] = frozenset()
    causes = [none] * len(journal.states)
    plan = journal.compiled.plan
    for task in plan.order:
        if journal.states[task] != core.SKIPPED:
            continue

        found = none
        for before in plan.predecessors[task]:
            state = journal.states[before]
            if state == core.SKIPPED:
                # Sharing the set keeps 100,000 skipped in a row linear.
                found = causes[before] if not found else found | causes[before]
            elif state in (core.FAILED, core.CANCELLED):
                found = found | {before}
        causes[task] = found
    return causes
