"""What alerts tell of a run: complete in itself, bounded, and free of secrets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from socket import gethostname

from .._names import listed, message_of, printable, text_of
from .._records import Progress, State
from .._redaction import Redaction
from .._report import readable_seconds, shortened
from ..errors import TaskCancelled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

    from .._records import TaskRecord
    from .._run import Run

#: The most tasks of a kind that are listed, and their causes.
MOST_LISTED = 50
MOST_CAUSES = 3
#: The most characters of a name, and of what an error says, and its lines.
LENGTH_OF_NAME = 80
LENGTH_OF_TEXT = 2_000
LINES_OF_TEXT = 30
#: The most lines of the details of a failure, and of each the characters.
FIRST_LINES, LAST_LINES = 20, 60
LENGTH_OF_LINE = 1_000
WHEN = ("failure", "always")


class Words:
    """Make texts of others fit to be shown: without secrets, short, printable.

    Parameters:
        secrets: what must not be seen.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._redaction = Redaction(secrets)

    def clean(self, text: str) -> str:
        """Return a text without secrets."""
        return self._redaction.text(text)

    def line(self, text: str, length: int = LENGTH_OF_NAME) -> str:
        """Return a text on one line of at most so many characters."""
        return shortened(self.clean(text), length)

    def lines(self, text: str) -> str:
        """Return a text of many lines, as far as it is not too long."""
        whole = self.clean(text).strip()
        lines = whole[: LENGTH_OF_TEXT + 1].splitlines()
        shown = "\n".join(map(_printable, lines[:LINES_OF_TEXT]))[:LENGTH_OF_TEXT]
        is_cut = len(whole) > LENGTH_OF_TEXT or len(lines) > LINES_OF_TEXT
        return f"{shown.rstrip()} ..." if is_cut else shown

    def all_lines(self, lines: Iterable[str]) -> str:
        """Return lines, of very many the first and the last, none of them very long."""
        whole = self.clean("\n".join(lines)).splitlines()
        shown = [
            line if len(line) <= LENGTH_OF_LINE else f"{line[: LENGTH_OF_LINE - 4]} ..."
            for line in map(_printable, whole)
        ]
        hidden = len(shown) - FIRST_LINES - LAST_LINES
        if hidden > 1:
            shown[FIRST_LINES:-LAST_LINES] = [f"... {hidden:,} lines ..."]
        return "\n".join(shown)


def _printable(line: str) -> str:
    return printable(line.expandtabs(4).rstrip())


@dataclass(frozen=True, slots=True)
class Problem:
    """Hold a task that has not succeeded, or whose undoing has not.

    Attributes:
        name: name of the task.
        type_name: full name of the class of what it raised; "" if it raised nothing.
        message: what that says.
        place: where it was raised, as "file:line, in function"; "" if not known.
        attempts: how many there were.
        duration: seconds they took, or None.
        note: what else is to be known, in a few words.
    """

    name: str
    type_name: str
    message: str
    place: str
    attempts: int
    duration: float | None
    note: str = ""

    @property
    def text(self) -> str:
        """Return class and text of the error."""
        short = self.type_name.rpartition(".")[2]
        return f"{short}: {self.message}" if self.message else short


@dataclass(frozen=True, slots=True)
class Skipped:
    """Hold a task that was skipped.

    Attributes:
        name: name of the task.
        because: the first names of those at the root of it.
        why: in words.
    """

    name: str
    because: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Summary:
    """Hold what is told of a run: all counts, and the first of each kind of task.

    Attributes:
        graph: name of the graph.
        run_id: id of the run.
        host: name of the machine.
        started_at: when it started.
        duration: seconds it took, or None.
        progress: how many tasks came to which end.
        ended_by: what has ended it from outside, or "".
        failed: tasks that failed, first failure first.
        cancelled: tasks that were cancelled.
        skipped: tasks that were skipped.
        not_undone: what could not be undone.
        undone: how many tasks were undone.
    """

    graph: str
    run_id: str
    host: str
    started_at: datetime
    duration: float | None
    progress: Progress
    ended_by: str
    failed: tuple[Problem, ...]
    cancelled: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    not_undone: tuple[Problem, ...]
    undone: int

    @property
    def outcome(self) -> str:
        """Return "failed", "cancelled" or "succeeded"."""
        if self.progress.failed:
            return "failed"

        return "cancelled" if self.progress.cancelled else "succeeded"


def has_failed(run: Run) -> bool:
    """Return whether a run that is over has something to be alarmed about."""
    progress = run.progress
    return bool(progress.failed or progress.cancelled)


def summary_of(run: Run, words: Words) -> Summary:
    """Return what is told of a run."""
    report, records = run.report(), run.records
    progress = report.progress
    of_state: dict[State, list[str]] = {State.CANCELLED: [], State.SKIPPED: []}
    if progress.cancelled or progress.skipped:
        for name, state in records.states():
            names = of_state.get(state)
            if names is not None and len(names) < MOST_LISTED:
                names.append(name)
    errors = islice(run.errors, MOST_LISTED)
    undoings = run.rollbacks
    spoilt = [one for one in undoings.values() if one.state == State.FAILED]
    return Summary(
        graph=words.line(report.graph),
        run_id=report.run_id,
        host=words.line(gethostname()),
        started_at=report.started_at,
        duration=report.duration,
        progress=progress,
        ended_by=_ended_by(run, words) if progress.cancelled else "",
        failed=tuple(problem_of(records[name], words) for name in errors),
        cancelled=tuple(map(words.line, of_state[State.CANCELLED])),
        skipped=tuple(
            skipped_of(records[name], words) for name in of_state[State.SKIPPED]
        ),
        not_undone=tuple(problem_of(one, words) for one in spoilt[:MOST_LISTED]),
        undone=sum(one.state == State.SUCCEEDED for one in undoings.values()),
    )


def problem_of(record: TaskRecord, words: Words) -> Problem:
    """Return what is told of a task that has failed."""
    error = record.error
    type_name = message = place = ""
    if error is not None:
        kind = type(error)
        type_name = words.line(f"{kind.__module__}.{kind.__qualname__}", 200)
        message = words.lines(message_of(error))
        place = words.line(_place(error), 300)
    notes = []
    if record.abandoned:
        notes.append("abandoned")
    if record.warning:
        notes.append(words.line(record.warning, 300))
    return Problem(
        name=words.line(record.name),
        type_name=type_name,
        message=message,
        place=place,
        attempts=len(record.attempts),
        duration=record.duration,
        note=", ".join(notes),
    )


def skipped_of(record: TaskRecord, words: Words) -> Skipped:
    """Return what is told of a task that was skipped."""
    causes = record.skipped_because
    because = tuple(map(words.line, causes[:MOST_CAUSES]))
    why = words.line(record.reason or "", 300)
    if causes:
        more = len(causes) - len(because)
        why = f"because of {listed(because)}" + (f" and {more:,} more" if more else "")
    return Skipped(words.line(record.name), because, why or "its trigger was not met")


def _place(error: BaseException) -> str:
    """Return where an exception was raised; "" if that is not known."""
    traceback = error.__traceback__
    if traceback is None:
        return ""

    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    code = traceback.tb_frame.f_code
    return f"{code.co_filename}:{traceback.tb_lineno}, in {code.co_name}"


def _ended_by(run: Run, words: Words) -> str:
    """Return what has ended a run from outside; "" if nothing has."""
    try:
        run.raise_for_errors()
    except BaseExceptionGroup as group:
        last = group.exceptions[-1]
        if not any(last is error for error in run.errors.values()):
            told = isinstance(last, TaskCancelled)  # which tells of the run by itself
            return words.line(message_of(last) if told else text_of(last), 300)

    return ""


def took(seconds: float | None) -> str:
    """Return a duration in words."""
    return readable_seconds(seconds) or "no time"


def checked_when(when: object, whose: str) -> str:
    """Return when to tell of a run, or raise if it is no such thing."""
    if not isinstance(when, str) or when not in WHEN:
        raise ValueError(f"{whose}: when= is {' or '.join(map(repr, WHEN))}: {when!r}")

    return when


def checked_secrets(redact: object, whose: str) -> tuple[str, ...]:
    """Return what must not be seen, or raise without showing it."""
    if isinstance(redact, str):
        return (redact,)

    secrets = tuple(redact) if isinstance(redact, Iterable) else (redact,)
    if not all(isinstance(secret, str) for secret in secrets):
        raise TypeError(f"{whose}: redact= takes texts")

    return secrets
