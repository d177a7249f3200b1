"""What is written down about a run while it goes on: one slot a task, nothing more."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Any

    from ._calls import Values
    from ._compiled import Compiled
    from ._outcome import Outcome
    from ._task_logs import TaskLogs
    from .executors._base import Worker


class PastAttempt:
    """Hold an attempt that was followed by another one."""

    __slots__ = ("error", "finished", "started", "worker")

    def __init__(
        self, started: float, finished: float, error: Any, worker: Worker | None
    ) -> None:
        self.started = started
        self.finished = finished
        self.error = error
        self.worker = worker


class Journal:
    """Hold the facts of one run, by task id. Records are made from it when asked for.

    Attributes:
        compiled: the graph.
        states: state of each task; the machine's own.
        values: results by task id, and behind them what `_calls` describes.
        started: clock reading at the start of each task, 0.0 if it has not started.
        finished: the same for its end.
        workers: the name of the thread that runs or ran it, or what has that name.
        attempts: attempts at tasks that were followed by another one.
        abandoned: who was given up while working on a task, by task.
        reasons: what tasks said that asked to be skipped.
        warnings: what is to be known of a task that ended well or badly.
        cleanup_errors: what tasks raised after they had been told to end.
        cancelled: whether the run was ended from outside.
        errors: what tasks raised that failed.
        tracebacks: the tracebacks of these as they came from the tasks.
        first_error: id of the task that failed first, or None.
        executors: name of the executor of each lane.
        lanes: lane of each task.
        logs: what tasks have logged, if that is kept.
        kept: ids of the tasks whose results stay; None if all do.
        clock_at_start: reading of the monotonic clock when the run started.
        time_at_start: seconds since the epoch at that moment.
        ended: clock reading at the end of the run, or None.
    """

    __slots__ = (
        "abandoned",
        "attempts",
        "cancelled",
        "cleanup_errors",
        "clock_at_start",
        "compiled",
        "ended",
        "errors",
        "executors",
        "finished",
        "first_error",
        "kept",
        "lanes",
        "logs",
        "reasons",
        "started",
        "states",
        "time_at_start",
        "tracebacks",
        "values",
        "warnings",
        "workers",
    )

    def __init__(
        self,
        compiled: Compiled,
        states: list[int],
        values: Values,
        lanes: Sequence[int],
        executors: Sequence[str],
        warnings: Mapping[int, str],
    ) -> None:
        size = len(states)
        self.compiled = compiled
        self.states = states
        self.values = values
        self.started = [0.0] * size
        self.finished = [0.0] * size
        self.workers: list[Worker | None] = [None] * size
        self.attempts: dict[int, list[PastAttempt]] = {}
        self.abandoned: dict[int, list[Worker]] = {}
        self.reasons: dict[int, str] = {}
        self.warnings = dict(warnings)
        self.cleanup_errors: dict[int, BaseException] = {}
        self.cancelled = False
        self.errors: dict[int, BaseException] = {}
        self.tracebacks: dict[int, TracebackType | None] = {}
        self.first_error: int | None = None
        self.lanes = lanes
        self.kept: frozenset[int] | None = None
        self.executors = executors
        self.clock_at_start = 0.0
        self.time_at_start = 0.0
        self.ended: float | None = None
        self.logs: TaskLogs | None = None

    def note_attempt(self, task: int, outcome: Outcome) -> None:
        """Write down an attempt that is followed by another one."""
        self.attempts.setdefault(task, []).append(
            PastAttempt(
                self.started[task],
                self.finished[task],
                outcome.error,
                self.workers[task],
            )
        )

    def note_error(
        self, task: int, error: BaseException, traceback: TracebackType | None
    ) -> None:
        """Write down what a task has finally raised."""
        self.errors[task] = error
        self.tracebacks[task] = traceback
        if self.first_error is None:
            self.first_error = task

    def warn_of_stall(self, task: int, seconds: float) -> None:
        """Say that a task blocks its event loop; in the log too, as it goes on."""
        if task in self.warnings:
            return

        from logging import getLogger

        compiled = self.compiled
        name = compiled.names[task]
        warning = (
            f"the coroutine of task {name!r} of graph {compiled.graph!r} has blocked "
            f"its event loop for more than {seconds:g} s: it should await what it "
            f"waits for, or be a plain function, which gets a thread"
        )
        self.warnings[task] = warning
        getLogger("syncra").warning("%s (%s)", warning, compiled.tasks[task].place)

    def keep_logs(self, logs: TaskLogs) -> None:
        """Keep what tasks log there, and nowhere else."""
        if self.logs is not None:
            self.logs.close()
        self.logs = logs

    def copy(self) -> Journal:
        """Return the facts of this moment, which do not change any more.

        States come first: of a task that goes on meanwhile more is known than its
        state tells, never less.
        """
        states = self.states.copy()
        found = Journal(
            self.compiled, states, self.values, self.lanes, self.executors, {}
        )
        found.started = self.started.copy()
        found.finished = self.finished.copy()
        found.workers = self.workers.copy()
        attempts = self.attempts.copy()
        found.attempts = {task: past.copy() for task, past in attempts.items()}
        found.abandoned = self.abandoned.copy()
        found.reasons = self.reasons.copy()
        found.warnings = self.warnings.copy()
        found.cleanup_errors = self.cleanup_errors.copy()
        found.errors = self.errors.copy()
        found.tracebacks = self.tracebacks.copy()
        found.first_error = self.first_error
        found.cancelled = self.cancelled
        found.kept = self.kept
        found.clock_at_start = self.clock_at_start
        found.time_at_start = self.time_at_start
        return found

    def forget_errors(self) -> None:
        """Let go of all exceptions: nobody can ask for them any more."""
        self.errors.clear()
        self.tracebacks.clear()
        self.cleanup_errors.clear()
        self.attempts.clear()
