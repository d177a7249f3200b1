"""When the tasks of a run were running, and who ran them, in microseconds."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import NamedTuple

from .critical_path import NEVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from .._records import State, TaskRecord
    from .._report import Report

#: Start and end of what follows one another may be so far apart by rounding.
ROUNDING = 2


class Span(NamedTuple):
    """Hold one attempt.

    Attributes:
        start: microseconds from the start of the run to its start.
        duration: microseconds, or None if it was running when the report was made.
        worker: name of the worker.
        error: what it raised, or None.
    """

    start: int
    duration: int | None
    worker: str
    error: BaseException | None


class Timeline:
    """Hold what is known of the tasks of a run, by their topological positions.

    Attributes:
        names: names of the tasks.
        before: positions of the tasks that each one depends on.
        ids: id of each task in the compiled graph.
        states: where each task stands.
        executors: name of each one's executor.
        spans: the attempts at each task.
        remarkable: the records of tasks of which there is more to tell.
        now: microseconds from the start of the run to its end, or to the last thing
            known of one that goes on.
    """

    def __init__(self, report: Report) -> None:
        plan = report._compiled.plan
        self._zero = report.started_at
        self.ids: Sequence[int] = plan.order
        positions = [0] * plan.size
        for position, task in enumerate(plan.order):
            positions[task] = position
        self.before = [
            [positions[other] for other in plan.predecessors[task]]
            for task in plan.order
        ]
        self.names: list[str] = []
        self.states: list[State] = []
        self.executors: list[str] = []
        self.spans: list[tuple[Span, ...]] = []
        self.remarkable: dict[int, TaskRecord] = {}
        for record in report._records():
            if _is_remarkable(record):
                self.remarkable[len(self.names)] = record
            self.names.append(record.name)
            self.states.append(record.state)
            self.executors.append(record.executor)
            self.spans.append(self.spans_of(record))
        ends = [
            span.start + (span.duration or 0) for spans in self.spans for span in spans
        ]
        self.now = max(ends, default=0)
        if report.duration is not None:
            self.now = max(round(report.duration * 1e6), 0)

    def spans_of(self, record: TaskRecord) -> tuple[Span, ...]:
        """Return the attempts at a task."""
        return tuple(
            Span(
                self._since_start(attempt.started_at),
                None
                if attempt.duration is None
                else max(round(attempt.duration * 1e6), 0),
                attempt.worker,
                attempt.error,
            )
            for attempt in record.attempts
        )

    def _since_start(self, moment: datetime) -> int:
        since = moment - self._zero
        whole = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
        return max(whole, 0)

    @property
    def finished(self) -> list[int]:
        """Return when each task was over; `NEVER` if it has not run or is running."""
        return [
            NEVER
            if not spans or spans[-1].duration is None
            else spans[-1].start + spans[-1].duration
            for spans in self.spans
        ]

    @property
    def durations(self) -> list[int]:
        """Return what each task took, from its first start; `NEVER` as above."""
        return [
            NEVER if end == NEVER else end - spans[0].start
            for end, spans in zip(self.finished, self.spans, strict=True)
        ]


def _is_remarkable(record: TaskRecord) -> bool:
    return (
        record.error is not None
        or record.reason is not None
        or record.warning is not None
        or record.abandoned
        or record.rollback is not None
        or len(record.attempts) > 1
    )


def laid_out(spans: Iterable[tuple[int, int]]) -> list[int]:
    """Return for each span a lane in which it overlaps no other, as few as possible.

    Parameters:
        spans: pairs of start and end, sorted by start.
    """
    free: list[int] = []  # lanes that nobody is in, the first one first
    busy: list[tuple[int, int]] = []  # end and lane of those that somebody is in
    count = 0
    lanes = []
    for start, end in spans:
        while busy and busy[0][0] <= start + ROUNDING:
            heappush(free, heappop(busy)[1])
        if free:
            lane = heappop(free)
        else:
            lane = count
            count += 1
        heappush(busy, (end, lane))
        lanes.append(lane)
    return lanes
