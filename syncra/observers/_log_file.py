"""A file that log records of tasks are written to."""

from __future__ import annotations

import logging
import os
from threading import Lock

from .._redaction import Redaction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO


class LogFile:
    """Say where the log records of tasks go, and how. `log="etl.log"` stands for one.

    Each line has time, level, graph, task and attempt. Several tasks, graphs and runs
    may share a file, which is appended to, and closed when the last run is over that
    writes to it. Beside the records of all loggers that reach the root logger it gets a
    line when an attempt starts, fails or succeeds, and after a failure the traceback,
    the arguments, the local variables, and which tasks were skipped because of it.

    Where the program has not set up logging, records are written from `level` on; else
    those that its loggers let through.

    Parameters:
        path: the file. Its directory has to be there.
        level: the least level that is written, as `logging` has it.
        redact: texts that are never written, as passwords are; *** stands for them.

    Raises:
        ValueError: if there is no such level.

    Example:
        >>> import logging
        >>> from syncra import Graph
        >>> from syncra.observers import LogFile
        >>> log = LogFile("etl.log", level=logging.WARNING, redact=["s3cret"])
        >>> graph = Graph("etl", log=log)
    """

    __slots__ = ("_redaction", "level", "path")

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        level: int | str = "INFO",
        redact: Iterable[str] = (),
    ) -> None:
        if not os.fspath(path):
            raise ValueError("a log file has a path, got an empty one")

        self.path = os.path.abspath(os.fspath(path))
        self.level = level_number(level)
        if isinstance(redact, str):
            redact = (redact,)
        self._redaction = Redaction(tuple(redact))

    def __repr__(self) -> str:
        return f"LogFile({self.path!r}, level={logging.getLevelName(self.level)!r})"

    def redacted(self, text: str) -> str:
        """Return a text without what is never to be written."""
        return self._redaction.text(text)


def level_number(level: int | str) -> int:
    """Return a level as a number.

    Raises:
        ValueError: if there is no such level.
    """
    number = level
    if isinstance(number, str):
        number = logging.getLevelNamesMapping().get(number.upper(), "")
    if isinstance(number, bool) or not isinstance(number, int):
        raise ValueError(f"level is one of logging's, as 'INFO' or 20, got {level!r}")

    return number


class OpenFile:
    """Be a file that several runs append to, from `opened` to `close`."""

    _all: dict[str, OpenFile] = {}  # noqa: RUF012
    _guard = Lock()

    def __init__(self, path: str) -> None:
        # What cannot be encoded is written as an escape, and never lost.
        self._stream: TextIO = open(  # noqa: SIM115
            path, "a", encoding="utf-8", errors="backslashreplace"
        )
        self._path = path
        self._users = 0
        self._lock = Lock()

    @classmethod
    def opened(cls, path: str) -> OpenFile:
        """Return the open file of a path.

        Raises:
            OSError: if it cannot be opened.
        """
        with cls._guard:
            found = cls._all.get(path)
            if found is None:
                found = cls._all[path] = cls(path)
            found._users += 1
            return found

    def write(self, text: str) -> None:
        """Append a text, whole."""
        with self._lock:
            self._stream.write(text)
            self._stream.flush()

    def close(self) -> None:
        """Take note that a run is over that has opened it."""
        with self._guard:
            self._users -= 1
            if self._users:
                return

            del self._all[self._path]
        self._stream.close()


def _leave_child() -> None:
    # Another thread of the parent may have been writing.
    OpenFile._guard = Lock()
    for file in OpenFile._all.values():
        file._lock = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_child)
