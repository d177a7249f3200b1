"""A run in the output of a notebook's cell."""

from __future__ import annotations

from html import escape

import IPython.display

from .._clock import clock
from .._report import readable_seconds
from ._view import OVER, View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._records import State
    from .._run import Run

#: Seconds between two updates, as each is a message to the browser.
PAUSE = 0.2
#: The most texts and the most running tasks that are shown.
MOST_TEXTS, MOST_RUNNING = 20, 8


class Cell(View):
    """Show a bar, what is running, and what went wrong."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self._ipython: Any = IPython.display  # which tells no types
        self._handle: Any = None
        self._shown_at = 0.0
        self._texts: list[str] = []
        self._untold = 0

    def begin(self) -> None:
        self._handle = self._ipython.display(self._content(), display_id=True)

    def say(self, state: str, text: str) -> None:
        if len(self._texts) < MOST_TEXTS:
            self._texts.append(f"{state}: {text}")
        else:
            self._untold += 1
        self._update()

    def started(self, task: str, attempt: int) -> None:
        super().started(task, attempt)
        self._update()

    def finished(self, task: str, state: State) -> None:
        super().finished(task, state)
        self._update()

    def end(self, with_table: bool) -> None:
        table = ""
        if with_table:
            table = f"<pre>{escape(str(self.run.report()))}</pre>"
        self._handle.update(self._content(table))

    def _update(self) -> None:
        now = clock()
        if now - self._shown_at > PAUSE:
            self._shown_at = now
            self._handle.update(self._content())

    def _content(self, table: str = "") -> Any:
        return self._ipython.HTML(self._html() + table)

    def _html(self) -> str:
        counts = [f"{self.counts[state]} {state}" for state in OVER]
        running = list(self.running)
        lines = [escape(text) for text in self._texts]
        if self._untold:
            lines.append(f"... and {self._untold:,} more")
        if running:
            names = ", ".join(map(escape, running[:MOST_RUNNING]))
            more = len(running) - MOST_RUNNING
            lines.append(
                f"running: {names}" + (f" and {more:,} more" if more > 0 else "")
            )
        return (
            f"<div><b>{escape(self.run.graph)}</b> "
            f'<progress max="{max(self.size, 1)}" value="{self.done}"></progress> '
            f"{self.done}/{self.size} ({', '.join(counts)}) "
            f"{readable_seconds(self.elapsed)}<br>{'<br>'.join(lines)}</div>"
        )
