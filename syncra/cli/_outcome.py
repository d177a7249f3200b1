"""What a run has come to, for those who read it and for programs."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Mapping
from datetime import date, time
from pathlib import PurePath
from reprlib import Repr
from typing import Any

from .._keeping import ends_of
from .._names import counted, message_of
from .._report import readable_seconds
from ..views._words import one_line
from ..views.plain_text import plain_line, plain_text
from ._output import MOST_ROWS, OF_STATES, standard_error, standard_output
from ._problems import traceback_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._graph import Graph
    from .._records import TaskRecord
    from .._run import Run

#: The most failures whose tracebacks are shown, and results that are.
MOST_FAILURES = 5
MOST_RESULTS = 20
#: The most lines of a result that is a text.
MOST_LINES = 100
#: The most letters of a result on a terminal, and of one in JSON that has no such form.
LENGTH_OF_A_RESULT = 300
LENGTH_OF_A_REPR = 10_000


class Outcome:
    """Hold a run that is over.

    Parameters:
        graph: the graph.
        run: the run.
        interruption: what a signal has ended it with, or None.
        targets: the tasks that were asked for; None for all.
        all_results: whether the results of all tasks are wanted.
    """

    def __init__(
        self,
        graph: Graph,
        run: Run,
        interruption: BaseException | None,
        targets: Sequence[str] | None,
        all_results: bool,
    ) -> None:
        self.run = run
        self.interruption = interruption
        compiled = graph.compiled(targets)
        self._wanted = [compiled.names[task] for task in ends_of(compiled)]
        if targets is not None:
            self._wanted = list(dict.fromkeys(targets))
        self._asked_for = targets is not None or all_results
        if all_results:
            self._wanted = list(run.records)

    @property
    def code(self) -> int:
        """Return the exit code."""
        if isinstance(self.interruption, KeyboardInterrupt):
            return 130

        if isinstance(self.interruption, SystemExit):
            return int(self.interruption.code or 1)

        return 0 if self.run.ok else 1

    @property
    def state(self) -> str:
        """Return in one word what became of the run."""
        if self.interruption is not None:
            return "interrupted" if self.code == 130 else "terminated"

        if self.run.ok:
            return "succeeded"

        return "failed" if self.run.errors else "cancelled"

    @property
    def results(self) -> dict[str, Any]:
        """Return the results that were asked for, of those tasks that have one."""
        return {name: self.run[name] for name in self._wanted if name in self.run}

    @property
    def results_to_show(self) -> dict[str, Any]:
        """Return the results without None where nobody has asked for it.

        It is what a task gives that is there for what it does.
        """
        return {
            name: value
            for name, value in self.results.items()
            if value is not None or self._asked_for
        }

    def ended_by(self) -> str:
        """Return what has ended the run from outside, or ""."""
        if self.interruption is not None:
            return "Ctrl-C" if self.code == 130 else "SIGTERM"

        error = self.run._session.interruption
        return "" if error is None else message_of(error)


def show(outcome: Outcome, *, quiet: bool, with_results: bool = True) -> None:
    """Show what has become of a run: results on standard output, all else elsewhere.

    Parameters:
        outcome: the run.
        quiet: whether to leave out the table.
        with_results: whether to show results.
    """
    _show_failures(outcome)
    if with_results:
        _show_results(outcome)
    if not quiet:
        _show_table(outcome)


def _show_failures(outcome: Outcome) -> None:
    """Show the tracebacks of tasks that failed, from the code of the user's on."""
    output = standard_error()
    errors = outcome.run.errors
    for name, error in list(errors.items())[:MOST_FAILURES]:
        record = outcome.run.records[name]
        text = traceback_of(error, record._traceback).rstrip()
        output.line(f"task {one_line(name, 60)!r} failed:", "bold red")
        for line in text.split("\n"):
            output.line(f"  {line}")
    more = len(errors) - MOST_FAILURES
    if more > 0:
        output.line(
            f"and {counted(more, 'more task')} failed; --report and --json tell of all"
        )
    output.flush()


def _show_results(outcome: Outcome) -> None:
    output = standard_output()
    results = outcome.results_to_show
    for name, value in list(results.items())[:MOST_RESULTS]:
        lines = _lines_of(value)
        if len(lines) < 2:
            first = lines[0] if lines else short(value)
            output.line(f"{one_line(name, 60)}: {first}".rstrip())
            continue

        output.line(f"{one_line(name, 60)}:")
        for line in lines[:MOST_LINES]:
            output.line(f"  {line}".rstrip())
        if len(lines) > MOST_LINES:
            output.line(f"  ... and {counted(len(lines) - MOST_LINES, 'more line')}")
    more = len(results) - MOST_RESULTS
    if more > 0:
        output.line(f"... and {counted(more, 'more result')}; --json has all")
    output.flush()


def _lines_of(value: object) -> list[str]:
    """Return the lines of a text, or of what a command has written; else nothing."""
    text = getattr(value, "stdout", None) if _is_command(value) else value
    if not isinstance(text, str):
        return []

    lines = plain_text(text, 100_000).rstrip("\n").split("\n")
    if len(lines) == 1 and len(lines[0]) > LENGTH_OF_A_RESULT:
        return []

    return [line[:LENGTH_OF_A_RESULT] for line in lines]


def _is_command(value: object) -> bool:
    return type(value).__name__ == "CommandResult"


def _show_table(outcome: Outcome) -> None:
    report = outcome.run.report()
    output = standard_error()
    names = report.shown(MOST_ROWS)
    records = [report.tasks[name] for name in names]
    again = any(len(record.attempts) > 1 for record in records)
    output.table(
        ("task", "state", ">attempts", ">duration", "why"),
        [_row(record, again) for record in records],
    )
    more = len(report.tasks) - len(names)
    if more and names:
        output.line(f"... and {counted(more, 'more task')}", "dim")
    counts = str(report.progress) or "no tasks"
    end = outcome.ended_by()
    output.line(
        f"{one_line(report.graph, 40)}: {counts} in "
        f"{readable_seconds(report.duration)}" + (f"; ended by {end}" if end else ""),
        "green" if outcome.code == 0 else "bold red",
    )
    output.flush()


def _row(record: TaskRecord, with_attempts: bool) -> tuple[Any, ...]:
    state = str(record.state)
    return (
        one_line(record.name, 60),
        (state, OF_STATES.get(state, "")),
        str(len(record.attempts)) if with_attempts else "",
        readable_seconds(record.duration),
        plain_line(record.why, 200),
    )


def short(value: object) -> str:
    """Return a result on one line; of a long one what comes first."""
    shortener = Repr()
    shortener.maxstring = shortener.maxother = shortener.maxlong = 200
    shortener.maxlist = shortener.maxtuple = shortener.maxdict = shortener.maxset = 12
    try:
        return one_line(shortener.repr(value), LENGTH_OF_A_RESULT)
    except Exception as error:
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"


# As JSON.


def to_json(outcome: Outcome) -> str:
    """Return everything about a run as one line of JSON.

    What has no form in JSON stands there as {"$repr": ..., "$type": ...}.
    """
    facts = outcome.run.report().to_dict()
    records = facts.pop("tasks")
    errors = {
        record["name"]: record["error"] | {"traceback": record["traceback"]}
        for record in records
        if record["state"] == "failed"
    }
    return json.dumps(
        {
            **facts,
            "state": outcome.state,
            "ended_by": outcome.ended_by() or None,
            "exit_code": outcome.code,
            "results": {name: _fit(value) for name, value in outcome.results.items()},
            "errors": errors,
            "records": records,
        }
    )


def _fit(value: object) -> object:
    """Return a value that JSON has a form for."""
    try:
        text = json.dumps(value, default=_form_of, allow_nan=False)
        found: object = json.loads(text, object_pairs_hook=_distinct)
    except Exception:  # code of the user's, too deep, not a number, keys of other kinds
        return _marked(value)

    return found


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return an object, unless keys such as 1 and "1" have become one."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("two keys are the same in JSON")

    return found


def _form_of(value: Any) -> object:
    if isinstance(value, (date, time)):
        return value.isoformat()

    if isinstance(value, (PurePath,)) or type(value).__name__ in ("Decimal", "UUID"):
        return str(value)

    if isinstance(value, enum.Enum):
        return value.value

    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: getattr(value, field.name)
            for field in dataclasses.fields(value)
        }

    if isinstance(value, Mapping):
        return dict(value)

    return _marked(value)


def _marked(value: object) -> dict[str, str]:
    kind = type(value)
    try:
        text = repr(value)
    except Exception as error:
        text = f"<its repr raises {type(error).__name__}>"
    if len(text) > LENGTH_OF_A_REPR:
        text = f"{text[:LENGTH_OF_A_REPR]}..."
    return {"$repr": text, "$type": f"{kind.__module__}.{kind.__qualname__}"}
