"""What tasks have logged, in columns for the page of a run, as far as room is."""

from __future__ import annotations

from logging import WARNING
from typing import NamedTuple

from .._records import State
from .plain_text import Texts, plain_text, weight

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .._report import Report
    from .._task_logs import LogEntry
    from .timeline import Timeline

#: How many bytes all entries may take.
ROOM_FOR_LOGS = 2_500_000
LONGEST_ENTRY = 2_000
#: About how many bytes an entry takes beside its text.
BYTES_OF_AN_ENTRY = 32

#: Whose entries are kept when not all can be.
OF_INTEREST = (State.FAILED, State.CANCELLED, State.RUNNING)


class _Place(NamedTuple):
    """Say where an entry belongs, in the order in which entries get room.

    Attributes:
        rank: 0 for tasks of interest, 1 for warnings of others, 2 for the rest.
        from_end: how many entries of its task come after it.
        task: position of the task.
    """

    rank: int
    from_end: int
    task: int


class PageLogs:
    """Choose what the page tells of the logs of tasks.

    Where not all has room, tasks that have failed come first, then warnings, then the
    last entries of each of the others.

    Parameters:
        report: the report.
        timeline: what is known of its tasks.

    Attributes:
        left_out: how many entries of all tasks are not in the page.
    """

    def __init__(self, report: Report, timeline: Timeline) -> None:
        self._zero = report.started_at
        self._report = report
        self._timeline = timeline
        self._room = ROOM_FOR_LOGS
        self._texts, self._loggers = Texts(ROOM_FOR_LOGS), Texts(ROOM_FOR_LOGS)
        self._levels: dict[tuple[str, int], int] = {}
        self._known: set[str] = set()
        self.left_out = 0

    def columns(self) -> dict[str, Any]:
        """Return what was logged by the positions of tasks, and what is left out.

        An entry is microseconds since the start of the run, and the numbers of its
        level, its logger, its text, and its attempt.
        """
        names, dropped = self._timeline.names, self._report.logs_dropped
        lines: dict[int, list[tuple[int, list[int]]]] = {}
        missing: dict[int, list[int]] = {}
        for position, name in enumerate(names):
            if name in dropped:
                missing[position] = [dropped[name], 0]
        for place in sorted(self._places()):
            entries = self._report.logs[names[place.task]]
            line = self._line(entries[len(entries) - 1 - place.from_end])
            if line is not None:
                lines.setdefault(place.task, []).append((place.from_end, line))
            else:
                self.left_out += 1
                missing.setdefault(place.task, [0, 0])[1] += 1
        return {
            "logs": {
                task: [line for _, line in sorted(found, reverse=True)]
                for task, found in lines.items()
            },
            "logs_missing": missing,
            "logs_left_out": self.left_out,
            "log_levels": [list(level) for level in self._levels],
            "loggers": self._loggers.all,
            "log_texts": self._texts.all,
        }

    def _places(self) -> Iterator[_Place]:
        for task, name in enumerate(self._timeline.names):
            entries = self._report.logs.get(name, ())
            is_first = self._timeline.states[task] in OF_INTEREST
            for number, entry in enumerate(entries):
                rank = 0 if is_first else 1 if entry.level_number >= WARNING else 2
                yield _Place(rank, len(entries) - 1 - number, task)

    def _line(self, entry: LogEntry) -> list[int] | None:
        """Return an entry as numbers, or None if there is no room for it."""
        text = plain_text(entry.text, LONGEST_ENTRY)
        size = BYTES_OF_AN_ENTRY
        size += sum(
            weight(new) for new in (text, entry.logger) if new not in self._known
        )
        if size > self._room:
            return None

        self._room -= size
        self._known |= {text, entry.logger}
        since = entry.time - self._zero
        level = entry.level, entry.level_number
        return [
            max(round(since.total_seconds() * 1e6), 0),
            self._levels.setdefault(level, len(self._levels)),
            self._loggers.number_of(entry.logger),
            self._texts.number_of(text),
            entry.attempt,
        ]
