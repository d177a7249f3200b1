"""What became of a run, as plain data and as text."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

from ._names import message_of, printable
from ._records import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from typing import Any, NoReturn, overload

    from ._journal import Journal
    from ._records import Records, TaskRecord
    from ._task_logs import LogEntry


#: Of which tasks the text of a large run tells, the most interesting first.
BY_INTEREST = (
    State.FAILED,
    State.CANCELLED,
    State.RUNNING,
    State.SKIPPED,
    State.PENDING,
)


class Report:
    """Tell what became of a run, as plain data and as text.

    Attributes:
        graph: name of the graph.
        run_id: id of the run.
        started_at: when it started, as an aware datetime.
        duration: seconds it took, or None while it goes on.
        progress: how many tasks came to which end.
        tasks: the record of each task by name, in topological order.
        logs: what tasks have logged, by name, the oldest first. Nothing without the
            observer `KeepLogs`; those that have logged nothing are not there.
        logs_dropped: how many other records there were of tasks that had too many.

    Example:
        >>> from syncra import Graph
        >>> graph = Graph("sums")
        >>> total = graph.add(lambda: 2 + 3, name="total")
        >>> report = graph().report()
        >>> report.graph, report.progress.succeeded, list(report.tasks)
        ('sums', 1, ['total'])
    """

    #: The most tasks that the text shows one by one.
    MOST_SHOWN = 200

    def __init__(self, journal: Journal, run_id: str, records: Records) -> None:
        self.graph = journal.compiled.graph
        self.run_id = run_id
        self.started_at = datetime.fromtimestamp(journal.time_at_start, UTC)
        ended = journal.ended
        self.duration = None if ended is None else ended - journal.clock_at_start
        # Records are a view of what goes on, but the report is of one moment.
        self._all = records if ended is not None else records.copy()
        self.tasks: Mapping[str, TaskRecord] = self._all
        self.progress = self._all.progress
        self._compiled = journal.compiled
        self.logs: Mapping[str, tuple[LogEntry, ...]] = {}
        self.logs_dropped: Mapping[str, int] = {}
        if journal.logs is not None:
            self.logs, self.logs_dropped = journal.logs.entries()

    #: What looks for who is to blame need not look into it.
    refuses_pickling = True

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            f"a report on graph {self.graph!r} cannot be copied or pickled, "
            f"but to_dict() can."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as dicts, lists, strings and numbers."""
        return {
            "graph": self.graph,
            "run_id": self.run_id,
            "started_at": self.started_at.isoformat(),
            "duration": self.duration,
            "progress": asdict(self.progress),
            "tasks": [
                {**_task_as_dict(record), **self._logs_as_dict(record.name)}
                for record in self.tasks.values()
            ],
        }

    def _logs_as_dict(self, task: str) -> dict[str, Any]:
        entries = self.logs.get(task, ())
        return {
            "logs": [{**asdict(entry), "time": _iso(entry.time)} for entry in entries],
            "logs_dropped": self.logs_dropped.get(task, 0),
        }

    def to_json(self, indent: int | None = None) -> str:
        """Return the same as JSON.

        Parameters:
            indent: how far each level is indented; all on one line if None.
        """
        import json

        return json.dumps(self.to_dict(), indent=indent)

    if TYPE_CHECKING:

        @overload
        def to_html(self, path: None = None) -> str: ...
        @overload
        def to_html(self, path: str | os.PathLike[str]) -> Path: ...

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str | Path:
        """Make a page of it: the graph, a timeline, all tasks, all errors.

        One file for any browser, which needs no network. It tells names, states, times,
        workers and errors with their tracebacks, but no values.

        Parameters:
            path: where to write it; what is there is replaced when all is written.
                Nothing is written if None.

        Returns:
            The path, or the page itself if there is none.

        Raises:
            MissingExtraError: if Jinja is not there: `pip install 'syncra[html]'`.
            OSError: if it cannot be written; what was at the path is there still.

        Example:
            >>> from syncra import Graph
            >>> graph = Graph("letters")
            >>> a = graph.add(lambda: "A", name="a")
            >>> graph().report().to_html()[:15]
            '<!doctype html>'
        """
        from .views.html import to_html

        return self._written(path, to_html(self))

    if TYPE_CHECKING:

        @overload
        def to_trace(self, path: None = None) -> str: ...
        @overload
        def to_trace(self, path: str | os.PathLike[str]) -> Path: ...

    def to_trace(self, path: str | os.PathLike[str] | None = None) -> str | Path:
        """Make a trace of it, to be opened in Perfetto or chrome://tracing.

        JSON in the trace event format of Chrome: a track for each worker, or several
        where what it runs overlaps, as coroutines do; a slice for each attempt; arrows
        along dependencies.

        Parameters:
            path: as for `to_html`.

        Returns:
            The path, or the JSON itself if there is none.

        Raises:
            OSError: if it cannot be written; what was at the path is there still.

        Example:
            >>> from syncra import Graph
            >>> graph = Graph("letters")
            >>> a = graph.add(lambda: "A", name="a")
            >>> '"name":"a"' in graph().report().to_trace()
            True
        """
        from .views.trace import to_trace

        return self._written(path, to_trace(self))

    def slowest(self, most: int) -> list[str]:
        """Return the names of the tasks that took the longest, the longest first.

        Parameters:
            most: how many at the most; those that have not ended are not among them.
        """
        from heapq import nlargest

        ended = [
            (record.duration, record.name)
            for record in self._records()
            if record.duration is not None
        ]
        return [name for _, name in nlargest(most, ended)]

    def _written(self, path: str | os.PathLike[str] | None, text: str) -> str | Path:
        if path is None:
            return text

        from .views.files import write_whole

        return write_whole(path, text)

    def _records(self) -> Iterable[TaskRecord]:
        """Go through the records in topological order, as long as it takes no room."""
        return self._all.without_causes()

    def __str__(self) -> str:
        records = [self.tasks[name] for name in self.shown(self.MOST_SHOWN)]
        hidden = len(self.tasks) - len(records)
        rows = [("task", "state", "attempts", "duration", "why")]
        rows += [
            (
                shortened(record.name, 40),
                str(record.state),
                str(len(record.attempts)),
                readable_seconds(record.duration),
                shortened(record.why, 100),
            )
            for record in records
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.rjust(width) if column in (2, 3) else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        if hidden:
            lines.append(f"... and {hidden:,} more tasks")
        counts = str(self.progress) or "no tasks"
        spent = readable_seconds(self.duration)
        took = f"in {spent}" if spent else "so far"
        lines.append(f"graph {shortened(self.graph, 40)!r}: {counts} {took}")
        return "\n".join(lines)

    def shown(self, most: int) -> list[str]:
        """Return the names of the tasks to be shown, in topological order.

        Of very many, what has succeeded needs the least words, what failed the most.

        Parameters:
            most: how many are shown at the most.
        """
        if len(self.tasks) <= most:
            return list(self.tasks)

        found: dict[State, list[tuple[int, str]]] = {state: [] for state in State}
        for place, (name, state) in enumerate(self._all.states()):
            if len(found[state]) < most:
                found[state].append((place, name))
        shown = [pair for state in BY_INTEREST for pair in found[state]]
        return [name for _, name in sorted(shown[:most])]


def _task_as_dict(record: TaskRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "state": str(record.state),
        "started_at": _iso(record.started_at),
        "duration": record.duration,
        "attempts": [
            {
                "started_at": _iso(attempt.started_at),
                "duration": attempt.duration,
                "error": _error_as_dict(attempt.error),
                "worker": attempt.worker,
            }
            for attempt in record.attempts
        ],
        "error": _error_as_dict(record.error),
        "traceback": record.traceback,
        "executor": record.executor,
        "worker": record.worker,
        "skipped_because": list(record.skipped_because),
        "reason": record.reason,
        "abandoned": record.abandoned,
        "warning": record.warning,
        "rollback": _task_as_dict(record.rollback) if record.rollback else None,
    }


def _error_as_dict(error: BaseException | None) -> dict[str, str] | None:
    if error is None:
        return None

    kind = type(error)
    return {
        "type": f"{kind.__module__}.{kind.__qualname__}",
        "message": message_of(error),
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def shortened(text: str, length: int) -> str:
    """Return a text on one line, without control characters, of at most `length`."""
    words = text.split(None, length)[:length]
    text = " ".join(word[: length + 1] for word in words)
    text = " ".join(printable(text).split())
    return text if len(text) <= length else f"{text[: length - 3]}..."


def readable_seconds(seconds: float | None) -> str:
    """Return a duration in the unit that suits it; "" for None."""
    if seconds is None:
        return ""

    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} us"

    if seconds < 1:
        return f"{seconds * 1e3:.1f} ms"

    if seconds < 100:
        return f"{seconds:.2f} s"

    whole = round(seconds)
    return f"{whole // 60} min {whole % 60} s"
