"""Log records of worker processes, on their way to the loggers of the program."""

from __future__ import annotations

import logging
import pickle
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def levels() -> dict[str, int]:
    """Return the level of each logger that has one of its own, by name."""
    root = logging.getLogger()
    found = {
        name: logger.level
        for name, logger in list(root.manager.loggerDict.items())
        if isinstance(logger, logging.Logger) and logger.level
    }
    found[""] = int(root.level)
    return found


def forget_handlers() -> None:
    """Leave the handling of records to the process that this is a forked copy of."""
    root = logging.getLogger()
    for logger in (root, *root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            logger.handlers.clear()
            logger.propagate = True


def forward(send: Callable[[bytes], object], wanted: dict[str, int]) -> None:
    """Have all log records of this process sent, with the levels of another."""
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler, _Forwarder):
            root.removeHandler(handler)
    root.addHandler(_Forwarder(send))
    for name, level in wanted.items():
        logging.getLogger(name or None).setLevel(level)


class _Forwarder(logging.Handler):
    """Send each record, as text: arguments and errors need not be picklable."""

    def __init__(self, send: Callable[[bytes], object]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.format(record)  # fills in `message` and `exc_text`
            fields = {**record.__dict__, "msg": record.message, "args": None}
            fields["exc_info"] = None
            try:
                data = pickle.dumps(fields)
            except Exception:
                fields = {key: _plain(value) for key, value in fields.items()}
                data = pickle.dumps(fields)
            self._send(data)
        except Exception:
            self.handleError(record)


def _plain(value: object) -> object:
    """Return a value of a record, or its repr if it cannot travel."""
    try:
        pickle.dumps(value)
    except Exception:
        return repr(value)

    return value


def handle(data: bytes | bytearray) -> None:
    """Give a record that was sent to the loggers of this process."""
    record = logging.makeLogRecord(pickle.loads(data))
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.levelno):
        try:
            logger.handle(record)
        except Exception as error:
            # A filter of the user's is at fault, not the task, and not the run.
            sys.excepthook(type(error), error, error.__traceback__)
