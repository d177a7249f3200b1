"""Where a run stands, as all that show it want to know."""

from __future__ import annotations

from .._clock import clock
from .._names import text_of
from .._records import State
from .._report import shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._run import Run

WIDTH_OF_BAR = 25
OVER = (State.SUCCEEDED, State.FAILED, State.SKIPPED, State.CANCELLED)


class View:
    """Show one run. What is common to all ways to do that.

    Attributes:
        run: the run.
        counts: how many tasks have come to which end.
        running: when the tasks that are running have started, by name.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.size = len(run.records)
        self.counts = dict.fromkeys(OVER, 0)
        self.running: dict[str, float] = {}
        self._start = clock()

    def begin(self) -> None:
        """Take note that the run starts."""

    def say(self, state: str, text: str) -> None:
        """Show a text at once, that tells of a state."""

    def started(self, task: str, attempt: int) -> None:
        """Take note that an attempt starts."""
        self.running[task] = clock()

    def finished(self, task: str, state: State) -> None:
        """Take note that a task is over."""
        self.running.pop(task, None)
        self.counts[state] += 1

    def end(self, with_table: bool) -> None:
        """Take note that the run is over."""

    @property
    def done(self) -> int:
        """Return how many tasks are over."""
        return sum(self.counts.values())

    @property
    def elapsed(self) -> float:
        """Return the seconds since the run has started."""
        return clock() - self._start

    def line(self) -> str:
        """Return where the run stands, in one line."""
        done, size = self.done, self.size
        part = done / size if size else 1.0
        filled = int(part * WIDTH_OF_BAR)
        bar = "#" * filled + "." * (WIDTH_OF_BAR - filled)
        minutes, seconds = divmod(round(self.elapsed, 1), 60)
        found = (
            f"{shown(self.run.graph)}: [{bar}] {done}/{size} [{round(100 * part, 2)}%]"
            f" in {minutes:.0f} min {round(seconds, 1)} sec"
        )
        bad = [
            f"{count} {state}"
            for state, count in self.counts.items()
            if count and state != State.SUCCEEDED
        ]
        return f"{found}, {', '.join(bad)}" if bad else found


def shown(name: str) -> str:
    """Return a name as it is shown."""
    return shortened(name, 40)


def told(error: BaseException) -> str:
    """Return what is shown of an error."""
    return shortened(text_of(error), 200)
