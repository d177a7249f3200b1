"""A run on a terminal, redrawn in place."""

from __future__ import annotations

import atexit

from .._clock import clock
from .._records import State
from .._report import readable_seconds, shortened
from ..errors import MissingExtraError
from ._view import View

try:
    import rich.live
    from rich.console import Console, Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text
except ImportError as error:
    raise MissingExtraError(
        "the live display of a run needs rich: pip install 'syncra[rich]'", "rich"
    ) from error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from .._report import Report
    from .._run import Run

#: How often the display is redrawn in a second.
REFRESHES = 8
#: The most running tasks that it shows.
MOST_RUNNING = 8
#: The most tasks of the table at the end.
MOST_ROWS = 50
#: How many it shows where there are more and none of them is remarkable.
MOST_SLOWEST = 10
#: Sign and colour of each state.
SIGNS = {
    State.SUCCEEDED: ("✓", "green"),
    State.FAILED: ("✗", "bold red"),
    State.SKIPPED: ("-", "yellow"),
    State.CANCELLED: ("○", "magenta"),
    State.RUNNING: ("…", "blue"),
    State.PENDING: (" ", "dim"),
}


class Live(View):
    """Draw a bar, what is running and for how long; failures stay above it."""

    def __init__(
        self, run: Run, stream: TextIO, summary: bool = True, redirect: bool = False
    ) -> None:
        super().__init__(run)
        self._with_summary = summary
        self._console = Console(file=stream)
        self._plain = not _is_utf_8(stream)
        self._live = rich.live.Live(
            console=self._console,
            get_renderable=self._drawn,
            refresh_per_second=REFRESHES,
            transient=True,
            redirect_stdout=redirect,
            redirect_stderr=redirect,
        )

    def begin(self) -> None:
        self._live.start()
        atexit.register(self._live.stop)  # a program that is ended shows its cursor

    def say(self, state: str, text: str) -> None:
        sign, colour = SIGNS[State.FAILED] if state == "failed" else ("↻", "yellow")
        mark = state if self._plain else sign
        self._console.print(Text(f"{mark} ", colour).append(text, "default"))

    def end(self, with_table: bool) -> None:
        try:
            self._live.stop()
        finally:
            atexit.unregister(self._live.stop)
        if with_table and self.size:
            self._console.print(self._table())
        if self._with_summary:
            self._console.print(self._summary())

    def _drawn(self) -> Group:
        """Return what is shown at this moment. Called by a thread of rich's."""
        running = list(self.running.copy().items())
        now = clock()
        bar = Table.grid(padding=(0, 1), expand=False)
        bar.add_row(
            Text(shortened(self.run.graph, 30), "bold"),
            ProgressBar(max(self.size, 1), self.done, width=30),
            Text(f"{self.done}/{self.size}"),
            self._counts(),
            Text(_clock_time(self.elapsed), "dim"),
        )
        tasks = Table.grid(padding=(0, 1))
        for name, since in running[:MOST_RUNNING]:
            age = now - since
            shown = f"{age:.1f} s" if age < 60 else _clock_time(age)
            tasks.add_row("  ", Text(shortened(name, 50), "blue"), Text(shown, "dim"))
        more = len(running) - MOST_RUNNING
        if more > 0:
            tasks.add_row("  ", Text(f"and {more:,} more are running", "dim"))
        return Group(bar, tasks) if running else Group(bar)

    def _counts(self) -> Text:
        parts = [
            Text(f"{count} {state}", SIGNS[state][1])
            for state, count in self.counts.items()
            if count and state != State.SUCCEEDED
        ]
        if self.running:
            parts.insert(0, Text(f"{len(self.running)} running", "blue"))
        return Text(", ").join(parts)

    def _summary(self) -> Text:
        counts = str(self.run.progress) or "no tasks"
        took = readable_seconds(self.run.report().duration)
        style = "bold green" if self.run.ok else "bold red"
        return Text(f"{shortened(self.run.graph, 40)}: {counts} in {took}", style)

    def _table(self) -> Table:
        """Return the tasks: all, or of many those that one wants to see."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("task", overflow="fold")
        table.add_column("state")
        table.add_column("attempts", justify="right")
        table.add_column("duration", justify="right")
        table.add_column("why", overflow="fold")
        report = self.run.report()
        # Where all of very many have succeeded, one may still want to make them faster.
        names = report.shown(MOST_ROWS) or report.slowest(MOST_SLOWEST)
        for name in names:
            record = report.tasks[name]
            sign, colour = SIGNS[record.state]
            mark = "" if self._plain else f"{sign} "
            table.add_row(
                Text(shortened(record.name, 50)),
                Text(f"{mark}{record.state}", colour),
                str(len(record.attempts)),
                readable_seconds(record.duration),
                Text(shortened(record.why, 100)),
            )
        hidden = self.size - len(names)
        if hidden:
            table.add_row(Text(f"... and {hidden:,} {_others(report, names)}", "dim"))
        return table


def _others(report: Report, names: list[str]) -> str:
    """Return what the tasks are that a table does not show."""
    states = {report.tasks[name].state for name in names}
    return "that were faster" if states == {State.SUCCEEDED} else "more"


def _is_utf_8(stream: TextIO) -> bool:
    encoding = getattr(stream, "encoding", None) or ""
    return encoding.lower().replace("-", "") == "utf8"


def _clock_time(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
