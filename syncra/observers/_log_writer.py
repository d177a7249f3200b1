"""Writing the log records of tasks to files, while their run goes on."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from .._core.states import CANCELLED, FAILED, SKIPPED
from .._names import listed, printable
from .._records import State
from .._report import readable_seconds, shortened
from ._base import Observer
from ._failure import SkippedTasks, failure_lines
from ._log_file import OpenFile
from ._log_router import router

TRIGGER_NOT_MET = "its trigger was not met"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .._origins import Origin
    from .._run import Run
    from ._log_file import LogFile


class LogWriter(Observer):
    """Write the records of the tasks of one run, and how they went.

    Parameters:
        for_all: the file for all tasks, if there is one.
        for_some: the files of single tasks, by name.
    """

    #: Contexts have to know which task they are of.
    wants_origins = True

    def __init__(
        self, for_all: LogFile | None, for_some: Mapping[str, LogFile]
    ) -> None:
        self.run_id = ""
        self._for_all = for_all
        self._for_some = for_some
        self._open: dict[str, OpenFile] = {}
        self._skipped: SkippedTasks | None = None
        self._logs = [log for log in (for_all, *for_some.values()) if log is not None]
        self.level = min(log.level for log in self._logs)

    def before_run(self, run: Run) -> None:
        """Open the files and have records come, since the run begins.

        Raises:
            OSError: if a file cannot be opened.
        """
        try:
            for log in self._logs:
                if log.path not in self._open:
                    self._open[log.path] = OpenFile.opened(log.path)
        except BaseException:
            self._close()
            raise

        self.run_id = run.id
        run._session.when_released(self.close)
        router.add(run.id, self)

    def receive(self, record: logging.LogRecord, text: str, origin: Origin) -> None:
        """Write a record of a task."""
        head = head_of(
            datetime.fromtimestamp(record.created, UTC),
            record.levelno,
            origin.graph,
            origin.task,
            origin.attempt,
        )
        lines = f"{record.name}: {text}".splitlines()
        self.write(origin.task, record.levelno, head, lines or [""])

    def files_of(self, task: str) -> dict[str, LogFile]:
        """Return where the records of a task go, by path."""
        logs = (self._for_all, self._for_some.get(task))
        return {log.path: log for log in logs if log is not None}

    def write(self, task: str, level: int, head: str, lines: Iterable[str]) -> None:
        """Write something of a task, in one piece."""
        lines = list(lines)
        for log in self.files_of(task).values():
            self._write(log, level, head, lines)

    def _write(self, log: LogFile, level: int, head: str, lines: list[str]) -> None:
        if level < log.level:
            return

        text = log.redacted("\n".join([head + lines[0], *lines[1:]]))
        text = "\n    ".join(map(printable, text.split("\n")))
        file = self._open.get(log.path)
        if file is not None:  # else a task goes on that was given up
            file.write(f"{text}\n")

    def task_started(self, run: Run, task: str, attempt: int) -> None:
        """Write that an attempt starts."""
        if self.files_of(task):
            past = run.records[task].attempts[attempt - 1 : attempt]
            when = past[0].started_at if past else datetime.now(UTC)
            self._note(run, task, attempt, when, logging.INFO, ["started"])

    def task_retrying(
        self, run: Run, task: str, attempt: int, error: BaseException, wait: float
    ) -> None:
        """Write that an attempt has failed."""
        told = shortened(f"{type(error).__name__}: {error}", 300)
        words = f"failed: {told}; again in {readable_seconds(wait) or '0 s'}"
        self._note(run, task, attempt, datetime.now(UTC), logging.WARNING, [words])

    def task_finished(self, run: Run, task: str, state: State) -> None:
        """Write how a task has ended; after a failure, what helps to understand it."""
        if not self.files_of(task):
            return

        if state == State.SKIPPED:
            reason = _reason(run, task)
            # An alarm for which there was no cause is good news.
            level = logging.INFO if reason == TRIGGER_NOT_MET else logging.WARNING
            self._note(run, task, 0, datetime.now(UTC), level, [f"skipped: {reason}"])
            return

        record = run.records[task]
        attempt = len(record.attempts)
        when = datetime.now(UTC)
        if record.started_at is not None and record.duration is not None:
            when = record.started_at + timedelta(seconds=record.duration)
        words = [str(state)]
        if record.duration is not None:
            words.append(f"in {readable_seconds(record.duration)}")
        line = " ".join(words) + (
            f": {shortened(record.why, 300)}" if record.why else ""
        )
        if state == State.FAILED:
            if self._skipped is None:
                self._skipped = SkippedTasks(run)
            skipped = self._skipped.line_of(task)
            for log in self.files_of(task).values():
                lines = [line, *failure_lines(run, task, skipped, log.redacted)]
                self._note(run, task, attempt, when, logging.ERROR, lines, log)
        else:
            level = logging.INFO if state == State.SUCCEEDED else logging.WARNING
            self._note(run, task, attempt, when, level, [line])

    def run_finished(self, run: Run) -> None:
        """Close the files."""
        self.close()

    def close(self) -> None:
        """Close the files, if they are open."""
        router.remove(self.run_id, self)
        self._close()

    def _note(
        self,
        run: Run,
        task: str,
        attempt: int,
        when: datetime,
        level: int,
        lines: list[str],
        only: LogFile | None = None,
    ) -> None:
        head = head_of(when, level, run.graph, task, attempt)
        if only is None:
            self.write(task, level, head, lines)
        else:
            self._write(only, level, head, lines)

    def _close(self) -> None:
        files, self._open = self._open, {}
        for file in files.values():
            file.close()


def _reason(run: Run, task: str) -> str:
    """Return why a task was skipped, as far as a look at those before it tells."""
    compiled, journal = run._engine.compiled, run._journal
    number = compiled.ids[task]
    if number in journal.reasons:
        return shortened(journal.reasons[number], 300) or "by its own wish"

    lacking = (FAILED, SKIPPED, CANCELLED)
    before = [
        compiled.names[other]
        for other in compiled.plan.predecessors[number]
        if journal.states[other] in lacking
    ]
    if not before:
        return TRIGGER_NOT_MET

    more = f" and {len(before) - 5:,} more" if len(before) > 5 else ""
    return f"because of {listed(before[:5])}{more}"


def head_of(when: datetime, level: int, graph: str, task: str, attempt: int) -> str:
    """Return what each record begins with."""
    time = when.astimezone().isoformat(sep=" ", timespec="milliseconds")
    name = logging.getLevelName(level)
    which = f"{shortened(graph, 40)}.{shortened(task, 60)}"
    again = f"#{attempt}" if attempt > 1 else ""
    return f"{time} {name:<8} {which}{again} "
