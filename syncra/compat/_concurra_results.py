"""What Concurra's results, tables and lines say, made of the records of a run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from itertools import zip_longest
from pickle import dumps
from re import fullmatch
from time import monotonic
from traceback import format_exception
from typing import Any, NamedTuple

from syncra import State, TaskRecord
from syncra.errors import (
    CommandFailed,
    RemoteTaskError,
    SerializationError,
    TaskExited,
    TaskTimeout,
    WorkerCrashed,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence
    from typing import NoReturn

    from syncra import CommandResult, Run

    from .concurra import TaskRunner

SUCCESSFUL, FAILED, TERMINATED = "Successful", "Failed", "Terminated"
INFO = 20
#: Parts of a run after each of which its progress is logged, and letters of the bar.
LINES, BAR = 10, 25
#: The most characters of what a command has printed in the text of its error.
LONGEST_OUTPUT = 500


class Entry(NamedTuple):
    """Hold what was said of a task: a function, or a command if that is no callable."""

    label: Hashable
    name: str
    task: Any
    cwd: Any
    before: tuple[Hashable, ...]
    retries: int

    @property
    def is_command(self) -> bool:
        """Return whether it is a command or a text for a shell."""
        return not callable(self.task)

    @property
    def task_name(self) -> str:
        """Return what results call it."""
        if self.is_command:
            return "shell_command" if isinstance(self.task, str) else "command"

        return str(getattr(self.task, "__name__", self.task))


class NotPicklable(Exception):
    """Stand for a function that cannot leave this process and may not run here."""


class Call:
    """Hold a function and its arguments; called, it calls the function.

    Parameters:
        function: the function.
        args: its positional arguments.
        kwargs: its keyword arguments.
        may_run: whether it may run in this process. In another one it always may.
    """

    __slots__ = ("__weakref__", "args", "function", "kwargs", "may_run")

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        may_run: bool = True,
    ) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.may_run = may_run

    def __call__(self) -> Any:
        if not self.may_run:
            self.refuse()
        return self.function(*self.args, **self.kwargs)

    def refuse(self) -> NoReturn:
        """Raise what kept the call from going to another process."""
        try:
            dumps((self.function, self.args, self.kwargs))
        except Exception as error:
            raise NotPicklable from error

        raise NotPicklable

    def __reduce__(self) -> Any:
        return type(self), (self.function, self.args, self.kwargs)


class AsyncCall(Call):
    """Hold a coroutine function and its arguments."""

    __slots__ = ()

    async def __call__(self) -> Any:
        if not self.may_run:
            self.refuse()
        return await self.function(*self.args, **self.kwargs)


def literal(value: Any) -> Any:
    """Return a text whose braces are no placeholders; anything else as it is."""
    if not isinstance(value, str):
        return value

    return value.replace("{", "{{").replace("}", "}}")


def checked_retries(retries: object) -> int:
    """Return a number of retries, or raise for what is none."""
    message = "task_retries must be a non-negative integer."
    if isinstance(retries, bool) or not isinstance(retries, int):
        raise TypeError(message)

    if retries < 0:
        raise ValueError(message)

    return retries


def check_work(index: int, item: object) -> None:
    """Raise for what is no tuple of function, arguments, keywords and label."""
    if not isinstance(item, tuple):
        raise TypeError(f"Workload item at index {index} is not a tuple")

    if not 1 <= len(item) <= 4:
        raise ValueError(
            f"Invalid workload item at index {index}: expected a tuple with 1 to 4 "
            f"elements in the format:\n"
            f"(function: callable, args: tuple, kwargs: dict, label: str)\n"
            f"But got {len(item)} element(s): {item}"
        )

    if len(item) > 1 and not hasattr(item[1], "__iter__"):
        meant = (getattr(item[0], "__name__", str(item[0])), (item[1],))
        raise TypeError(
            f"Workload item at index {index}: 'args' must be an iterable such as a "
            f"tuple or list, got {type(item[1]).__name__}. Did you mean {meant}?"
        )

    if len(item) > 2 and not isinstance(item[2], Mapping):
        raise TypeError(
            f"Workload item at index {index}: 'kwargs' must be a mapping such as a "
            f"dict, got {type(item[2]).__name__}."
        )


#: After these there is no other attempt, and they are not listed among its errors.
_NO_ATTEMPT = (NotPicklable, SerializationError, TaskTimeout, WorkerCrashed)


def is_worth_retrying(error: BaseException) -> bool:
    """Return whether another attempt follows an error: only after an exception."""
    never = (*_NO_ATTEMPT, TaskExited)
    return isinstance(error, Exception) and not isinstance(error, never)


class Results(dict[Any, dict[str, Any]]):
    """Give what became of each task by label, each made when it is first asked for.

    Otherwise the results of a large run would take more time and room than the run.

    Parameters:
        entries: the tasks by label.
        names: their names in the run, by label.
        timeout: the most seconds an attempt was to take, or None.
        fast_fail: whether the first failure ended the run.
        run: the run, or None if there was none.
    """

    def __init__(
        self,
        entries: Mapping[Hashable, Entry],
        names: Mapping[Hashable, str],
        timeout: float | None,
        fast_fail: bool,
        run: Run | None,
    ) -> None:
        super().__init__(dict.fromkeys(entries))  # type: ignore[arg-type]
        self._entries = entries
        self._names = names
        self._run = run
        self._records = run.records if run is not None else {}
        self._timeout = timeout
        self._fast_fail = fast_fail
        self._is_complete = False

    def __getitem__(self, label: Any) -> dict[str, Any]:
        found = super().__getitem__(label)
        if found is None and not self._is_complete:
            found = self.made(label)
            super().__setitem__(label, found)
        return found

    def get(self, label: Any, default: Any = None) -> Any:
        """Return the result of a task, or a default."""
        return self[label] if label in self else default  # noqa: SIM401

    def __iter__(self) -> Iterator[Any]:  # so that `dict(results)` asks for each
        return super().__iter__()

    def copy(self) -> dict[Any, dict[str, Any]]:
        """Return a plain dictionary of the results."""
        return dict(self)

    def __ror__(self, other: Any) -> Any:
        return other | self.copy()

    def __reduce__(self) -> Any:
        return dict, (self.copy(),)

    def completed(self) -> Results:
        """Make all that is missing, after which this is a plain dictionary."""
        if not self._is_complete:
            for label in self:
                self[label]
            self._is_complete = True
        return self

    def are_successful(self) -> bool:
        """Return whether every task has succeeded."""
        return len(self._entries) == (0 if self._run is None else len(self._run))

    def fallen_back(self) -> list[Hashable]:
        """Return the labels of the tasks that were to run in processes and do not."""
        return [
            entry.label
            for entry in self._entries.values()
            if self._records[entry.name].warning is not None
        ]

    def known(self) -> Iterator[tuple[Hashable, dict[str, Any]]]:
        """Go through labels and results, keeping none that is not there yet."""
        for label in self._entries:
            yield label, super().get(label) or self.made(label)

    def made(self, label: Hashable) -> dict[str, Any]:
        """Return what became of one task."""
        entry = self._entries[label]
        record = self._records.get(entry.name)
        outcome = self._outcome(entry, record)
        seconds = round((record and record.duration) or 0.0, 2)
        attempts = 0 if outcome.mode is None or record is None else len(record.attempts)
        return {
            "task_name": entry.task_name,
            "start_time": _moment_of(record, 0.0),
            "end_time": _moment_of(record, record.duration if record else None),
            "duration": _duration_of(seconds),
            "duration_seconds": seconds,
            "result": outcome.result,
            "error": outcome.error,
            "trace": outcome.trace,
            "status": outcome.status,
            "has_failed": outcome.status != SUCCESSFUL,
            "output": outcome.result,
            "execution_mode": outcome.mode,
            "warning": outcome.warning,
            "attempts": attempts,
            "task_retries": entry.retries,
            "retried": attempts > 1,
            "retry_errors": _errors_of(record),
        }

    def _outcome(self, entry: Entry, record: TaskRecord | None) -> Outcome:
        if record is None:
            return Outcome(TERMINATED, error=NOT_COMPLETED)

        mode = _mode_of(entry, record)
        warning = FELL_BACK if mode == "thread_fallback" else None
        if record.state == State.SUCCEEDED:
            assert self._run is not None
            result = self._run[entry.name]
            if entry.is_command:
                result = _command_result(entry, result)
            return Outcome(SUCCESSFUL, result, mode=mode, warning=warning)

        error = record.error
        if record.state == State.FAILED and error is not None:
            if isinstance(error, TaskTimeout) and error.task == entry.name:
                text = f"TimeoutError: Task exceeded timeout of {self._timeout} seconds"
                return Outcome(TERMINATED, None, text, mode=mode, warning=warning)

            if isinstance(error, NotPicklable):
                mode, warning = None, MUST_NOT_FALL_BACK
            text, trace = _told(record, error)
            return Outcome(FAILED, _result_of(entry, error), text, trace, mode, warning)

        if record.state == State.SKIPPED and not self._fast_fail:
            return Outcome(TERMINATED, None, self._why_skipped(entry, record))

        return Outcome(TERMINATED, None, NOT_COMPLETED, mode=mode, warning=warning)

    def _why_skipped(self, entry: Entry, record: TaskRecord) -> str:
        run = self._run
        missing = [
            one for one in entry.before if run is None or self._names[one] not in run
        ]
        if not missing:  # by its own wish, which Concurra's tasks cannot have
            return f"RuntimeError: Skipped: {record.why}"

        missing.sort(key=str)
        return f"RuntimeError: Skipped: dependency {missing} failed or was terminated"


def _completing(name: str) -> Any:
    """Return a method of `dict` that needs all results to be there."""
    method = getattr(dict, name)

    def call(*given: Any) -> Any:
        return method(
            *[one.completed() if isinstance(one, Results) else one for one in given]
        )

    return call


for _name in (
    *("__eq__", "__ne__", "__or__", "__repr__", "__setitem__"),
    *("items", "pop", "popitem", "setdefault", "values"),
):
    setattr(Results, _name, _completing(_name))


class Outcome(NamedTuple):
    """Hold what results say of how a task has ended."""

    status: str
    result: Any = None
    error: str | None = None
    trace: str | None = None
    mode: str | None = None
    warning: str | None = None


NOT_COMPLETED = "RuntimeError: Execution terminated before completion"
FELL_BACK = "Task was not picklable; ran in thread fallback"
MUST_NOT_FALL_BACK = "Task was not picklable and thread fallback is disabled"


def _mode_of(entry: Entry, record: TaskRecord) -> str | None:
    """Return how a task was run; None if it never started."""
    if not record.attempts:
        return None

    if entry.is_command:
        return "subprocess"

    if record.executor == "processes":
        return "process"

    # In a runner of threads there is nothing to fall back from, and no warning.
    return "thread" if record.warning is None else "thread_fallback"


def _command_result(entry: Entry, result: CommandResult[Any]) -> dict[str, Any]:
    in_shell = isinstance(entry.task, str)
    return {
        "command": entry.task if in_shell else list(entry.task),
        "shell": in_shell,
        "returncode": result.returncode,
        "stdout": _as_text_mode(result.stdout) if result.captured else None,
        "stderr": _as_text_mode(result.stderr) if result.captured else None,
        "cwd": entry.cwd if entry.cwd is None else str(entry.cwd),
    }


def _as_text_mode(output: str | bytes) -> str | bytes:
    """Return text with the line ends that Python's text mode gives it."""
    if isinstance(output, bytes):
        return output

    return output.replace("\r\n", "\n").replace("\r", "\n")


def _result_of(entry: Entry, error: BaseException) -> Any:
    """Return the result of a task that failed: a command that has run has one."""
    if isinstance(error, CommandFailed) and error.__cause__ is None:
        if error.task == entry.name and entry.is_command:
            return _command_result(entry, error.result)

    return None


def _told(record: TaskRecord, error: BaseException) -> tuple[str, str | None]:
    """Return what a task has failed with in a line, and where."""
    cause = error.__cause__
    if isinstance(error, NotPicklable):
        if cause is None:
            return f"PicklingError: {record.warning}", record.warning

        return _summary(cause), "".join(format_exception(cause))

    if isinstance(error, WorkerCrashed):
        return _summary(error), f"{_summary(error)}\n"

    if isinstance(error, RemoteTaskError):
        return _summary(error), error.remote_traceback

    if type(cause).__name__ == "RemoteTraceback":  # of a task in another process
        return _summary(error), str(cause).strip().strip('"').lstrip()

    return _summary(error), record.traceback


def _summary(error: BaseException) -> str:
    """Return the type and the text of what a task has raised, as one would see it."""
    if isinstance(error, CommandFailed):
        if error.__cause__ is not None:
            return _summary(error.__cause__)

        result = error.result
        output = _shown(result.stderr).strip() or _shown(result.stdout).strip()
        if len(output) > LONGEST_OUTPUT:
            output = f"{output[:LONGEST_OUTPUT]}..."
        text = f"Command exited with return code {result.returncode}"
        return f"CommandExecutionError: {text}{output and ': '}{output}"

    if isinstance(error, WorkerCrashed):
        code = error.exitcode if error.signal is None else -error.signal
        text = f"Worker exited with code {code} without recording a result"
        return f"RuntimeError: {text}"

    if isinstance(error, TaskExited):
        return f"SystemExit: {error.code}"

    if isinstance(error, RemoteTaskError):
        return f"{error.type_name.rpartition('.')[2]}: {error.text}"

    if isinstance(error, SerializationError) and error.stage == "result":
        cause = error.__cause__ or error
        return f"{type(cause).__name__}: Could not record task result: {cause}"

    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # of an exception whose text cannot be had
        return f"{type(error).__name__}: <no text>"


def _shown(output: str | bytes) -> str:
    return output.decode("utf-8", "replace") if isinstance(output, bytes) else output


def _errors_of(record: TaskRecord | None) -> list[str]:
    attempts = record.attempts if record is not None else ()
    errors = [one.error for one in attempts if one.error is not None]
    return [_summary(one) for one in errors if not isinstance(one, _NO_ATTEMPT)]


def _moment_of(record: TaskRecord | None, after: float | None) -> str | None:
    """Return the local time so many seconds after the start of a task."""
    if record is None or record.started_at is None or after is None:
        return None

    moment = record.started_at + timedelta(seconds=after)
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _duration_of(seconds: float) -> str:
    return f"{seconds} sec" if seconds < 60 else f"{round(seconds / 60, 2)} min"


class Follower:
    """Log how a run goes on: progress, errors, and what a failure has ended."""

    def __init__(
        self,
        runner: TaskRunner,
        results_of: Callable[[Run], Results],
        labels: Mapping[str, Hashable],
        shows_progress: bool,
    ) -> None:
        self._log = runner.log
        self._name = runner.name
        self._logs_errors = runner.log_errors or runner.fast_fail
        self._ends_at_failure = runner.fast_fail
        self._shows_progress = shows_progress
        self._results_of = results_of
        self._results: Results | None = None
        self._labels = labels
        self._total = len(labels)
        self._every = max(self._total // LINES, 1)
        self._over = 0
        self._ended: list[tuple[Hashable, str]] = []
        self._started = monotonic()

    def task_finished(self, run: Run, task: str, state: State) -> None:
        """Log what there is to say of a task that is over."""
        if state != State.CANCELLED:
            self._over = over = self._over + 1
            if over % self._every == 0 or over == self._total:
                if self._shows_progress:
                    self._log.info(self._progress())
        if state == State.FAILED and self._logs_errors:
            self._log_error(self._labels[task], self._made(run, task))
        elif state == State.CANCELLED and run.records[task].attempts:
            self._ended.append((self._labels[task], self._made(run, task)["task_name"]))
        if not self._ends_at_failure:  # it is told later than what it has ended
            self._log_ended()

    def run_finished(self, run: Run) -> None:
        """Let go of the run, which knows this."""
        self._log_ended()
        self._results = None

    def _log_ended(self) -> None:
        for ended in self._ended:
            self._log.info("Deleting terminated task: {}, {}".format(*ended))
        self._ended.clear()

    def _made(self, run: Run, task: str) -> dict[str, Any]:
        if self._results is None:
            self._results = self._results_of(run)
        return self._results.made(self._labels[task])

    def _log_error(self, label: Hashable, made: dict[str, Any]) -> None:
        if made["status"] == TERMINATED:
            what = made["error"].removeprefix("TimeoutError: Task ")
            self._log.error(f"Task '{label}' {what}\n")
        else:
            self._log.error(f"{made['error']} {made['trace']}\n")
        if self._ends_at_failure:
            self._ends_at_failure = self._shows_progress = False
            self._log.error("terminating execution!")

    def _progress(self) -> str:
        over, total = self._over, self._total
        bar = "#" * round(BAR * over / total)
        minutes, seconds = divmod(round(monotonic() - self._started, 2), 60)
        return (
            f"{self._name} progress: [{bar:.<{BAR}}] {over}/{total} "
            f"[{round(100 * over / total, 2)}%] in {int(minutes)} min "
            f"{round(seconds, 2)} sec"
        )


def report(results: Results) -> str:
    """Return a table of all tasks, and below it what has failed."""
    lines = [table(results)]
    for label, made in results.known():
        if made["has_failed"]:
            lines.append(
                f"Task '{label}' failed with error: {made['error']} \n {made['trace']}"
            )
    return "\n".join(lines)


def table(results: Results) -> str:
    """Return a table of label, function, status and duration of all tasks."""
    headers = ("label", "task", "status", "duration")
    labels: list[Any] = []
    columns: list[list[str]] = [[], [], [], []]
    for label, made in results.known():
        labels.append(label)
        columns[1].append(made["task_name"])
        columns[2].append(made["status"])
        columns[3].append(made["duration"])
    numbers = _aligned_numbers(labels)
    columns[0] = [str(one).strip() for one in labels] if numbers is None else numbers
    widths = [
        max(
            len(header) + 2, *(len(line) for cell in cells for line in cell.split("\n"))
        )
        if cells
        else len(header) + 2
        for header, cells in zip(headers, columns, strict=True)
    ]
    rule = "+".join("-" * (width + 2) for width in widths)
    found = [f"+{rule}+", _row(headers, widths, numbers is not None), f"|{rule}|"]
    for cells in zip(*columns, strict=True):
        parts = [cell.split("\n") for cell in cells]
        for line in zip_longest(*parts, fillvalue=""):
            found.append(_row(line, widths, numbers is not None))
    return "\n".join([*found, f"+{rule}+"])


def shows_info(log: Any) -> bool:
    """Return whether a logger shows progress; one that cannot tell does."""
    is_enabled: Callable[[int], bool] | None = getattr(log, "isEnabledFor", None)
    return is_enabled is None or is_enabled(INFO)


def _row(cells: Sequence[str], widths: Sequence[int], has_numbers: bool) -> str:
    """Return a line of a table, numbers in its first cell to the right."""
    aligned = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    if has_numbers:
        aligned[0] = cells[0].rjust(widths[0])
    return f"| {' | '.join(aligned)} |"


def _aligned_numbers(labels: Sequence[Any]) -> list[str] | None:
    """Return labels that are all numbers, points below one another; else None."""
    if not labels or not all(type(label) in (int, float, str) for label in labels):
        return None

    texts = [str(label).strip() for label in labels]
    if all(fullmatch("[+-]?[0-9]+", text) for text in texts):
        return texts

    try:
        texts = [f"{float(text):g}" for text in texts]
    except ValueError:
        return None

    behind = [len(text) - len(text.partition(".")[0]) for text in texts]
    spaces = [" " * (max(behind) - length) for length in behind]
    return [text + space for text, space in zip(texts, spaces, strict=True)]
