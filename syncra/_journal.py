"""What is written down about a run while it goes on: one slot a task, nothing more."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from ._calls import Values
    from ._compile import Compiled


class Journal:
    """Hold the facts of one run, by task id. Records are made from it when asked for.

    Attributes:
        compiled: the graph.
        states: state of each task; the machine's own.
        values: results by task id, and behind them what `_calls` describes.
        started: clock reading at the start of each task, 0.0 if it has not started.
        finished: the same for its end.
        workers: name of the thread that ran it.
        errors: what tasks raised.
        tracebacks: the tracebacks of these as they came from the tasks.
        first_error: id of the task that failed first, or None.
        executors: name of the executor of each lane.
        lanes: lane of each task.
        clock_at_start: reading of the monotonic clock when the run started.
        time_at_start: seconds since the epoch at that moment.
        ended: clock reading at the end of the run, or None.
    """

    __slots__ = (
        "clock_at_start",
        "compiled",
        "ended",
        "errors",
        "executors",
        "finished",
        "first_error",
        "lanes",
        "started",
        "states",
        "time_at_start",
        "tracebacks",
        "values",
        "workers",
    )

    def __init__(
        self,
        compiled: Compiled,
        states: bytearray,
        values: Values,
        lanes: Sequence[int],
        executors: Sequence[str],
    ) -> None:
        size = len(states)
        self.compiled = compiled
        self.states = states
        self.values = values
        self.started = [0.0] * size
        self.finished = [0.0] * size
        self.workers: list[str | None] = [None] * size
        self.errors: dict[int, BaseException] = {}
        self.tracebacks: dict[int, TracebackType | None] = {}
        self.first_error: int | None = None
        self.lanes = lanes
        self.executors = executors
        self.clock_at_start = 0.0
        self.time_at_start = 0.0
        self.ended: float | None = None
