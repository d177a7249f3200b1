"""Keeping what tasks log, for the report of their run."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from .._redaction import Redaction
from .._task_logs import LogEntry, TaskLogs
from ..executors.threads import checked_count
from ..views.plain_text import plain_line, plain_text
from ._base import Observer
from ._log_file import level_number
from ._log_router import router

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable

    from .._origins import Origin
    from .._run import Run

#: The most characters of one entry, and of the name of its logger.
LONGEST_TEXT, LONGEST_NAME = 10_000, 200


class KeepLogs(Observer):
    """Keep what the tasks of a run log, for its report: `run.report().logs`.

    The records of all loggers that reach the root logger, from threads, coroutines and
    worker processes. A pool of other processes that is not Syncra's own keeps its
    records there. Of several for one run the last one counts.

    Where the program has not set up logging, records are kept from `level` on; else
    those that its loggers let through. A text of more than 10,000 characters loses its
    middle, and codes for terminals are taken out.

    Parameters:
        level: the least level that is kept, as `logging` has it.
        max_records: the most records that are kept of each task, which are the last.
        max_bytes: about the most bytes that the records of a run take; where they
            would take more, the oldest go.
        redact: texts that are never kept, as passwords are; *** stands for them.

    Raises:
        TypeError: if max_records or max_bytes is not an int.
        ValueError: if there is no such level, or a number is not positive.

    Example:
        >>> import logging
        >>> from syncra import Graph
        >>> from syncra.observers import KeepLogs
        >>> graph = Graph("etl", observers=[KeepLogs()])
        >>> @graph.task
        ... def load():
        ...     logging.getLogger("etl").warning("%d rows", 3)
        >>> for entry in graph().report().logs["load"]:
        ...     print(entry.level, entry.logger, entry.text)
        WARNING etl 3 rows
    """

    #: Contexts have to know which task they are of.
    wants_origins = True

    def __init__(
        self,
        *,
        level: int | str = "INFO",
        max_records: int = 100,
        max_bytes: int = 2**24,
        redact: Iterable[str] = (),
    ) -> None:
        self._level = level_number(level)
        self._max_records = checked_count(max_records, "max_records")
        self._max_bytes = checked_count(max_bytes, "max_bytes")
        redact = (redact,) if isinstance(redact, str) else tuple(redact)
        self._redaction = Redaction(redact)
        self._receivers: dict[str, _Receiver] = {}

    def before_run(self, run: Run) -> None:
        """Have records come, since the run begins."""
        run._journal.keep_logs(TaskLogs(self._max_records, self._max_bytes))
        receiver = _Receiver(run, self._level, self._redaction)
        self._receivers[run.id] = receiver
        router.add(run.id, receiver)
        run._session.when_released(partial(self._forget, run.id))

    def run_finished(self, run: Run) -> None:
        """Take no more records, since the run is over."""
        self._forget(run.id)

    def _forget(self, run_id: str) -> None:
        receiver = self._receivers.pop(run_id, None)
        if receiver is not None:
            router.remove(run_id, receiver)


class _Receiver:
    """Take what the tasks of one run log."""

    def __init__(self, run: Run, level: int, redaction: Redaction) -> None:
        self.level = level
        self._redaction = redaction
        self._logs = run._journal.logs

    def receive(self, record: logging.LogRecord, text: str, origin: Origin) -> None:
        """Keep a record."""
        assert self._logs is not None
        redacted = self._redaction.text
        if self._redaction.longest:
            # A code for terminals may stand in the middle of a secret.
            text = plain_text(redacted(text), 4 * LONGEST_TEXT)
        self._logs.add(
            origin.task,
            LogEntry(
                time=datetime.fromtimestamp(record.created, UTC),
                level=plain_line(record.levelname, 40),
                level_number=record.levelno,
                # What is cut off only now cannot be the half of a secret.
                logger=plain_line(redacted(record.name), LONGEST_NAME),
                text=plain_text(redacted(text), LONGEST_TEXT),
                attempt=origin.attempt,
            ),
        )
