"""What tasks must not change for one another: the state of the process they share."""

from __future__ import annotations

import _locale
import _signal  # type: ignore[import-not-found]
import os
import select
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Read with `_signal`: `signal.getsignal` looks for an enum, which takes longer than all
# else that is looked at after a task.
_SIGTERM = int(signal.SIGTERM)


class Keeper:
    """Keep directory, environment, import path and the like as a run has them.

    Looked at after every task, so it is made to cost little when nothing has changed.

    Parameters:
        terminate: the handler of SIGTERM.
    """

    def __init__(self, terminate: Callable[[int, Any], object]) -> None:
        self._terminate = terminate
        self._poll = select.poll()
        self._spare = {fd: os.dup(fd) for fd in range(3)}
        for fd in self._spare:
            self._poll.register(fd, 0)
        self._stdout, self._stderr = sys.stdout, sys.stderr

    def keep(self) -> None:
        """Take the present state as the one to keep."""
        self._directory = _directory()
        self._umask = os.umask(0)
        os.umask(self._umask)
        self._environment = dict(os.environ)
        self._raw = dict(_raw_environment())
        self._path = list(sys.path)
        self._arguments = list(sys.argv)
        self._locale = _locale.setlocale(_locale.LC_ALL)
        signal.signal(signal.SIGTERM, self._terminate)

    def become(self, given: dict[str, Any]) -> None:
        """Take over the state of the process that the tasks come from."""
        self._change_to(given["directory"])
        _become_environment(given["environment"])
        sys.path[:] = given["path"]
        sys.argv = list(given["arguments"])
        self.keep()

    def restore(self) -> None:
        """Undo what a task has changed, and show what it has printed."""
        if _directory() != self._directory:
            self._change_to(self._directory)
        os.umask(self._umask)
        if _raw_environment() != self._raw:
            _become_environment(self._environment)
        if sys.path != self._path:
            sys.path[:] = self._path
        if sys.argv != self._arguments:
            sys.argv = list(self._arguments)
        if _locale.setlocale(_locale.LC_ALL) != self._locale:
            _locale.setlocale(_locale.LC_ALL, self._locale)
        for fd, event in self._poll.poll(0):
            if event & select.POLLNVAL:
                os.dup2(self._spare[fd], fd)
        if _signal.getsignal(_SIGTERM) != self._terminate:
            signal.signal(signal.SIGTERM, self._terminate)
        sys.stdout, sys.stderr = self._stdout, self._stderr
        try:
            sys.stdout.flush()
        except Exception:
            pass  # nobody reads it any more

    @staticmethod
    def _change_to(directory: str | None) -> None:
        if directory is not None:
            try:
                os.chdir(directory)
            except OSError:
                pass  # it was removed


def _directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None


def _raw_environment() -> Any:
    # Comparing `os.environ` itself decodes it all, and that takes longer than a task.
    return getattr(os.environ, "_data", os.environ)


def _become_environment(wanted: dict[str, str]) -> None:
    for name in os.environ.keys() - wanted.keys():
        del os.environ[name]
    for name, value in wanted.items():
        if os.environ.get(name) != value:
            os.environ[name] = value
