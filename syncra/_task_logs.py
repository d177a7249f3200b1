"""What tasks have logged, kept in memory within limits."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import TypeAlias

    _Kept: TypeAlias = dict[str, tuple["LogEntry", ...]]

#: About how many bytes an entry takes beside its text.
BYTES_OF_AN_ENTRY = 400


@dataclass(frozen=True, slots=True)
class LogEntry:
    """Hold what a task has logged at once.

    Attributes:
        time: when, as an aware datetime.
        level: name of its level, as "INFO".
        level_number: the same as `logging` counts it, as 20.
        logger: name of the logger.
        text: what it says, with the traceback if there was one.
        attempt: number of the attempt at the task, from 1.
    """

    time: datetime
    level: str
    level_number: int
    logger: str
    text: str
    attempt: int


class TaskLogs:
    """Keep the last entries of each task of a run.

    Parameters:
        max_records: the most that are kept of each task.
        max_bytes: about the most bytes that all of them take; the oldest go first.
    """

    def __init__(self, max_records: int, max_bytes: int) -> None:
        self.max_records = max_records
        self._room = max_bytes
        self._entries: OrderedDict[int, tuple[str, LogEntry]] = OrderedDict()
        #: The numbers of the entries of each task; the last ones have the last numbers.
        self._numbers: dict[str, list[int]] = {}
        self._dropped: dict[str, int] = {}
        self._count = 0
        #: What was told last, when there were how many.
        self._known: tuple[int, _Kept, dict[str, int]] | None = None
        self._is_closed = False
        self._lock = Lock()
        self._process = os.getpid()

    def add(self, task: str, entry: LogEntry) -> None:
        """Keep an entry of a task, and let go of the oldest if need be."""
        if os.getpid() != self._process:
            return  # a copy of the program, where nobody is ever going to ask

        with self._lock:
            if self._is_closed:
                return

            self._count += 1
            self._entries[self._count] = task, entry
            self._room -= _size(entry)
            numbers = self._numbers.setdefault(task, [])
            numbers.append(self._count)
            if len(numbers) > self.max_records:
                self._drop(numbers[0])
            while self._room < 0:
                self._drop(next(iter(self._entries)))

    def _drop(self, number: int) -> None:
        """Let go of an entry, the oldest one of its task."""
        task, entry = self._entries.pop(number)
        self._room += _size(entry)
        numbers = self._numbers[task]
        del numbers[0]
        if not numbers:
            del self._numbers[task]
        self._dropped[task] = self._dropped.get(task, 0) + 1

    def close(self) -> None:
        """Take no more entries: they are kept elsewhere from now on."""
        with self._lock:
            self._is_closed = True

    def entries(self) -> tuple[_Kept, dict[str, int]]:
        """Return what is kept at this moment, and how much is not, by task.

        Returns:
            The entries of each task, the oldest first; and how many others there were
            of tasks that had more.
        """
        with self._lock:
            known = self._known
            if known is None or known[0] != self._count:
                kept = {
                    task: tuple(self._entries[number][1] for number in numbers)
                    for task, numbers in self._numbers.items()
                }
                known = self._known = self._count, kept, self._dropped.copy()
            return known[1], known[2]


def _size(entry: LogEntry) -> int:
    text = entry.text
    size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    return size + BYTES_OF_AN_ENTRY
