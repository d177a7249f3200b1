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


class _Router(logging.Handler):
    """Give each record to the run that it comes from. On the root logger, if needed."""

    def __init__(self) -> None:
        super().__init__()
        self._receivers: dict[str, tuple[Receiver, ...]] = {}
        self._guard = Lock()
        self._level_before: int | None = None

    def add(self, run_id: str, receiver: Receiver) -> None:
        """Take in somebody who wants the records of a run that begins."""
        root = logging.getLogger()
        with self._guard:
            if not self._receivers:
                if not root.handlers:
                    # The program has not set up logging: what is wanted has to come
                    # through, and warnings go where they would have gone.
                    self._level_before = root.level
                root.addHandler(self)
            known = self._receivers.get(run_id, ())
            self._receivers[run_id] = (*known, receiver)
            self._set_level()

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
            self._set_level()
            if not self._receivers:
                logging.getLogger().removeHandler(self)
                self._level_before = None

    def _set_level(self) -> None:
        if self._level_before is not None:
            levels = [
                receiver.level
                for receivers in self._receivers.values()
                for receiver in receivers
            ]
            logging.getLogger().setLevel(min([self._level_before, *levels]))

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
