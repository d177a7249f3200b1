"""What the page of a run shows, as data: columns of numbers, and each text once."""

from __future__ import annotations

from .._records import State
from .critical_path import NEVER, critical_path, longest_chain, released_at
from .failures import Failures
from .page_logs import PageLogs
from .plain_text import Texts, plain_line, plain_text, weight
from .timeline import Timeline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._records import TaskRecord
    from .._report import Report

#: How many bytes the names of all tasks may take, and how long they may be then.
ROOM_FOR_NAMES = 5_000_000
LENGTHS_OF_NAMES = (240, 120, 80, 60, 40, 24)
#: How many numbers may say who depends on whom.
ROOM_FOR_DEPENDENCIES = 1_200_000
#: How many bytes may tell of all that is remarkable, beside errors.
ROOM_FOR_NOTES = 1_500_000
LONGEST_NOTE = 2_000
#: How many bytes the names of workers may take, those of executors, and those of files.
ROOM_FOR_PLACES = 1_000_000

#: A state is one digit in the data.
NUMBERS = {state: str(number) for number, state in enumerate(State)}


class PageData:
    """Hold what the page of a run shows.

    Attributes:
        timeline: what is known of its tasks.
        failures: what of their errors.
        critical: positions of the tasks of the critical path.
        longest: microseconds of the longest chain of work.
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        self.timeline = timeline = Timeline(report)
        self.failures = Failures(timeline.remarkable)
        finished = timeline.finished
        self.released, self._awaited = released_at(timeline.before, finished)
        self.critical = critical_path(self._awaited, finished)
        self.longest = longest_chain(timeline.before, timeline.durations)
        self._workers = Texts(ROOM_FOR_PLACES)
        self._lists: list[list[int]] = []
        self.dependencies_left_out = 0

    def columns(self) -> dict[str, Any]:
        """Return everything as lists, dicts, strings and numbers for JSON.

        Times are microseconds since the start of the run, -1 where there is none; tasks
        are positions in topological order; texts that repeat are numbers of a list.
        """
        timeline, report = self.timeline, self.report
        executors, places = Texts(ROOM_FOR_PLACES), Texts(ROOM_FOR_PLACES)
        first = [spans[0] if spans else None for spans in timeline.spans]
        tasks = report._compiled.tasks
        columns = {
            "started_at": report.started_at.timestamp() * 1000,
            "duration": timeline.now,
            "is_over": report.duration is not None,
            "names": self._names(),
            "states": "".join([NUMBERS[state] for state in timeline.states]),
            "start": [NEVER if span is None else span.start for span in first],
            "took": timeline.durations,
            "released": self.released,
            "executor": [
                executors.number_of(plain_line(name, 120))
                for name in timeline.executors
            ],
            "worker": [
                self._worker(spans[-1].worker) if spans else NEVER
                for spans in timeline.spans
            ],
            "attempts": self._attempts(),
            "critical": self.critical,
            "awaited": self._awaited,
            "before": self._before(),
            "lists": self._lists,
            "dependencies_left_out": self.dependencies_left_out,
            "place": [
                places.number_of(plain_line(tasks[task].place, 300))
                for task in timeline.ids
            ],
            "notes": self._notes(),
            "failures": {
                task: [found.message, found.traceback, int(found.is_own)]
                for task, found in self.failures.of.items()
            },
            "messages": self.failures.messages.all,
            "tracebacks": self.failures.tracebacks,
            **PageLogs(report, timeline).columns(),
        }
        columns["executors"] = executors.all
        columns["places"] = places.all
        columns["workers"] = self._workers.all
        return columns

    def _worker(self, name: str) -> int:
        return self._workers.number_of(plain_line(name, 120))

    def _names(self) -> list[str]:
        """Return the names of the tasks; shortened where together they are too long."""
        names = self.timeline.names
        for longest in LENGTHS_OF_NAMES:
            names = [plain_line(name, longest) or "?" for name in names]
            if sum(map(weight, names)) <= ROOM_FOR_NAMES:
                break
        return names

    def _before(self) -> list[int]:
        """Return for each task the number of the list of what it depends on.

        Tasks of one layer often depend on the same others, and those of the next one on
        others that are as far away: so a list holds distances, the smallest first, and
        those that follow one another are two numbers: the first, and minus how many
        more. What there is no room for is counted.
        """
        known: dict[tuple[int, ...], int] = {}
        room = ROOM_FOR_DEPENDENCIES
        numbers = []
        for task, dependencies in enumerate(self.timeline.before):
            packed = _packed([task - other for other in dependencies])
            if packed not in known and len(packed) > room:
                self.dependencies_left_out += len(dependencies)
                packed = ()
            number = known.setdefault(packed, len(self._lists))
            if number == len(self._lists):
                self._lists.append(list(packed))
                room -= len(packed)
            numbers.append(number)
        return numbers

    def _attempts(self) -> dict[int, list[list[Any]]]:
        """Return the attempts of the tasks of which there is more to tell."""
        return {
            task: self._spans(record)
            for task, record in self.timeline.remarkable.items()
            if len(record.attempts) > 1
        }

    def _spans(self, record: TaskRecord) -> list[list[Any]]:
        return [
            [
                span.start,
                NEVER if span.duration is None else span.duration,
                self._worker(span.worker),
                NEVER if span.error is None else self.failures.message(span.error),
            ]
            for span in self.timeline.spans_of(record)
        ]

    def _notes(self) -> dict[int, dict[str, Any]]:
        """Return what else is to be known of tasks: reasons, warnings, tags..."""
        room = ROOM_FOR_NOTES
        notes: dict[int, dict[str, Any]] = {}
        tasks = self.report._compiled.tasks
        for task, known in enumerate(self.timeline.ids):
            record = self.timeline.remarkable.get(task)
            tags = tasks[known].tags
            if record is None and not tags:
                continue

            note = self._note(record) if record is not None else {}
            if tags:
                note["tags"] = [plain_line(str(tag), 60) for tag in sorted(tags)[:50]]
            size = weight(str(note))
            if note and room >= size:
                room -= size
                notes[task] = note
        return notes

    def _note(self, record: TaskRecord) -> dict[str, Any]:
        note: dict[str, Any] = {}
        if record.reason is not None:
            note["reason"] = plain_text(record.reason, LONGEST_NOTE)
        if record.warning is not None:
            note["warning"] = plain_text(record.warning, LONGEST_NOTE)
        if record.abandoned:
            note["abandoned"] = 1
        if record.rollback is not None:
            undone = record.rollback
            note["rollback"] = [int(NUMBERS[undone.state]), self._spans(undone)]
        return note


def _packed(distances: list[int]) -> tuple[int, ...]:
    """Return distances, sorted, with runs of numbers as one and how many follow."""
    packed: list[int] = []
    previous = 0
    for distance in sorted(distances):
        if packed and distance == previous + 1:
            if packed[-1] < 0:
                packed[-1] -= 1
            else:
                packed.append(-1)
        else:
            packed.append(distance)
        previous = distance
    return tuple(packed)
