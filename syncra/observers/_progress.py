"""How a run goes on, shown to whoever waits for it: live, in lines, or in the log."""

from __future__ import annotations

import sys
from logging import INFO, getLogger

from .._records import State
from .._report import readable_seconds
from ._base import Observer
from ._view import View, shown, told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from .._run import Run

STYLES = ("auto", "live", "lines", "log", "notebook")
#: Of how many tasks each one that is over gives a line; of more, each percent does.
MOST_LINES = 100


class ProgressDisplay(Observer):
    """Show the progress of runs while they go on. `progress=True` stands for one.

    What has failed is shown as it happens, and at the end a table of the tasks.

    Parameters:
        style: "live", a bar with what is running, redrawn in place (needs rich);
            "lines", one for each task that is over, or each percent of many; "log",
            the same through the logger "syncra.progress"; "notebook", a bar in the
            output of a cell; or "auto": in a notebook that, on a terminal "live" if
            rich is installed, elsewhere "lines"; without rich "log" where the program
            has set up logging so that it shows, and else "lines".
        table: whether the end shows a table of the tasks.
        summary: whether a live display leaves behind how many tasks came to which end.
        redirect: whether what the program prints meanwhile is shown above a live
            display, which it would disturb; for this `sys.stdout` and `sys.stderr` are
            others as long as the run goes on.
        stream: where to write; the standard error at the start of the run if None.

    Raises:
        ValueError: if there is no such style.
        MissingExtraError: if it is "live" and rich is not installed.

    Example:
        >>> import sys
        >>> from syncra import Graph
        >>> from syncra.observers import ProgressDisplay
        >>> graph = Graph("etl")
        >>> rows = graph.add(lambda: [1, 2], name="rows")
        >>> display = ProgressDisplay(style="lines", stream=sys.stdout, table=False)
        >>> run = graph.run(observers=[display])  # doctest: +ELLIPSIS
        etl: [#########################] 1/1 [100.0%] in 0 min 0.0 sec
    """

    def __init__(
        self,
        *,
        style: str = "auto",
        table: bool = True,
        summary: bool = True,
        redirect: bool = False,
        stream: TextIO | None = None,
    ) -> None:
        if style not in STYLES:
            raise ValueError(f"style is one of {', '.join(STYLES)}, got {style!r}")

        if style == "live":
            from . import _live  # noqa: F401  # says now what is not installed

        self._style = style
        self._table = table
        self._summary = summary
        self._redirect = redirect
        self._stream = stream
        self._views: dict[str, View] = {}

    def run_started(self, run: Run) -> None:
        """Begin to show a run."""
        stream = self._stream or sys.stderr
        view = self._view_of(run, stream)
        self._views[run.id] = view
        view.begin()

    def task_started(self, run: Run, task: str, attempt: int) -> None:
        """Show a task among the running ones."""
        self._views[run.id].started(task, attempt)

    def task_retrying(
        self, run: Run, task: str, attempt: int, error: BaseException, wait: float
    ) -> None:
        """Show that an attempt has failed."""
        again = f"again in {readable_seconds(wait)}" if wait else "again"
        text = f"{shown(task)}: attempt {attempt} failed ({told(error)}), {again}"
        self._views[run.id].running.pop(task, None)
        self._views[run.id].say("retrying", text)

    def task_finished(self, run: Run, task: str, state: State) -> None:
        """Show that a task is over."""
        view = self._views[run.id]
        if state == State.FAILED:
            error = run.records[task].error
            assert error is not None
            view.say("failed", f"{shown(task)}: {told(error)}")
        view.finished(task, state)

    def run_finished(self, run: Run) -> None:
        """Show the end of a run, and the table of its tasks."""
        self._views.pop(run.id).end(self._table)

    def _view_of(self, run: Run, stream: TextIO) -> View:
        """Return what shows a run."""
        style = _best_style(stream) if self._style == "auto" else self._style
        if style == "live":
            from ._live import Live

            return Live(run, stream, self._summary, self._redirect)

        if style == "notebook":
            from ._notebook import Cell

            return Cell(run)

        if style == "log":
            logger = getLogger("syncra.progress")
            return Lines(run, logger.info, logger.warning)

        def write(text: str) -> None:
            stream.write(f"{text}\n")
            stream.flush()

        return Lines(run, write, write)


class Lines(View):
    """Write lines, each through a function."""

    def __init__(
        self, run: Run, write: Callable[[str], object], warn: Callable[[str], object]
    ) -> None:
        super().__init__(run)
        self._write = write
        self._warn = warn
        self._step = max(1, -(-self.size // MOST_LINES))

    def say(self, state: str, text: str) -> None:
        self._warn(f"{shown(self.run.graph)}: {state}: {text}")

    def finished(self, task: str, state: State) -> None:
        super().finished(task, state)
        done = self.done
        if done % self._step == 0 or done == self.size:
            self._write(self.line())

    def end(self, with_table: bool) -> None:
        if with_table:
            self._write(str(self.run.report()))


def display_of(progress: object, whose: str) -> tuple[object, ...]:
    """Return the observers that `progress=` stands for.

    Raises:
        TypeError: if it is neither a bool nor a display.
    """
    if isinstance(progress, ProgressDisplay):
        return (progress,)

    if progress not in (True, False, None):
        raise TypeError(
            f"{whose}: progress is True, False or a ProgressDisplay, got {progress!r}"
        )

    return (ProgressDisplay(),) if progress else ()


def _best_style(stream: TextIO) -> str:
    """Return the style that suits where this program runs."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is not None and hasattr(shell, "kernel"):
        return "notebook"

    from importlib.util import find_spec

    if find_spec("rich") is None:
        # Who asks for progress is to see some.
        logger = getLogger("syncra.progress")
        return "log" if logger.hasHandlers() and logger.isEnabledFor(INFO) else "lines"

    is_terminal = getattr(stream, "isatty", lambda: False)()
    return "live" if is_terminal else "lines"
