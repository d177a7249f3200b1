"""Giving the log records of tasks to the runs that want them."""

from __future__ import annotations

import logging
from threading import Lock

from .._origins import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from .._origins import Origin

    class Receiver(Protocol):
        """Be given the records of the tasks of a run.

        Attributes:
            level: the least level that it wants.
        """

        level: int

        def receive(
            self, record: logging.LogRecord, text: str, origin: Origin
        ) -> None: ...


class _Level(int):
    """Be a level that is told apart from the same one that others have set."""


class _Router(logging.Handler):
    """Give each record to the run that it comes from. On the root logger, if needed."""

    def __init__(self) -> None:
        super().__init__()
        self._receivers: dict[str, tuple[Receiver, ...]] = {}
        self._guard = Lock()
        #: The level of the root logger where the program has not set up logging, and
        #: what it has been raised or lowered to.
        self._level_before: int | None = None
        self._level_set: _Level | None = None

    def add(self, run_id: str, receiver: Receiver) -> None:
        """Take in somebody who wants the records of a run that begins."""
        root = logging.getLogger()
        with self._guard:
            if not self._receivers and not root.handlers:
                # The program has not set up logging: what is wanted has to come
                # through, and warnings go where they would have gone.
                self._level_before, self._level_set = root.level, None
            root.addHandler(self)  # again, if logging was set up meanwhile
            known = self._receivers.get(run_id, ())
            self._receivers[run_id] = (*known, receiver)
            self._set_level(root)

    def remove(self, run_id: str, receiver: Receiver) -> None:
        """Forget somebody, if he is known: his run is over."""
        with self._guard:
            known = self._receivers.get(run_id, ())
            others = tuple(other for other in known if other is not receiver)
            if len(others) == len(known):
                return

            if others:
                self._receivers[run_id] = others
            else:
                del self._receivers[run_id]
            root = logging.getLogger()
            self._set_level(root)
            if not self._receivers:
                root.removeHandler(self)
                self._level_before = None

    def _set_level(self, root: logging.Logger) -> None:
        if self._level_before is None:
            return

        levels = [
            receiver.level
            for receivers in self._receivers.values()
            for receiver in receivers
        ]
        if self._level_set is not None and root.level is not self._level_set:
            self._level_before = None  # the program has set its own meanwhile
        elif levels:
            self._level_set = _Level(min([self._level_before, *levels]))
            root.setLevel(self._level_set)
        else:
            root.setLevel(self._level_before)

    def emit(self, record: logging.LogRecord) -> None:
        """Give away a record of a task."""
        if self._level_before is not None and logging.getLogger().handlers == [self]:
            last = logging.lastResort
            if last is not None and record.levelno >= last.level:
                last.handle(record)
        origin = current.get()
        if origin is None:
            return

        for receiver in self._receivers.get(origin.run_id, ()):
            try:
                if record.levelno >= receiver.level:
                    receiver.receive(record, self.format(record), origin)
            except Exception:
                self.handleError(record)


router = _Router()
