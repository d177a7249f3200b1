"""`syncra run`."""

from __future__ import annotations

import logging
import os
import sys
from importlib.util import find_spec
from pathlib import Path

from ..errors import GraphError, RunTimeout, SyncraError
from ..observers import Observer, ProgressDisplay, TaskLogFilter
from ._check import problems_of
from ._outcome import Outcome, show, to_json
from ._output import Output, standard_error, standard_output
from ._problems import Problem, traceback_of
from ._streams import only_for_caller
from ._target import load_graph
from ._values import values_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from .._graph import Graph
    from .._run import Run


def command(options: argparse.Namespace) -> int:
    """Run a graph and show what has become of it; return the exit code."""
    if not options.json:
        outcome = _outcome(options)
        show(outcome, quiet=options.quiet)
        return _finished(outcome, options)

    with only_for_caller() as stream:
        outcome = _outcome(options)
        code = _finished(outcome, options)
        if not options.quiet:
            show(outcome, quiet=False, with_results=False)
        Output(stream).line(to_json(outcome))
    return code


def _outcome(options: argparse.Namespace) -> Outcome:
    """Run the graph.

    Raises:
        Problem: if it does not come to that.
    """
    _check_files(options)
    graph = load_graph(options)
    inputs = _inputs(graph, options)
    if options.log_level is not None:
        _show_logs(options.log_level)
    follower = _Follower()
    interruption: BaseException | None = None
    try:
        run = graph.run(inputs, **_how(options, follower))
    except BaseException as error:
        if follower.run is None or not follower.run.done:
            if isinstance(error, Exception):
                raise _refused(graph, error) from error

            raise

        run = follower.run
        if error is run._session.interruption and not isinstance(error, RunTimeout):
            interruption = error
        # What a task has raised is in its record.
    return Outcome(graph, run, interruption, options.targets, options.all_results)


class _Follower(Observer):
    """Take note of the run, also where it raises."""

    def __init__(self) -> None:
        self.run: Run | None = None

    def before_run(self, run: Run) -> None:
        """Take note of it before anything of it runs."""
        self.run = run

    def run_finished(self, run: Run) -> None:
        """Be told of its end, as every observer is told something."""


def _refused(graph: Graph, error: Exception) -> Problem:
    """Return what says why a run has not begun."""
    if isinstance(error, (SyncraError, OSError)):
        return Problem(str(error))

    # Of an observer or an executor of the user's.
    return Problem(
        f"graph {graph.name!r} cannot run: {type(error).__name__} was raised before "
        f"its first task.",
        details=traceback_of(error, error.__traceback__),
    )


def _inputs(graph: Graph, options: argparse.Namespace) -> dict[str, object]:
    try:
        compiled = graph.compiled(options.targets)
        known = graph.accepted_inputs(partly=options.targets is not None)
    except GraphError as error:
        mistakes = problems_of(graph) or [str(error)]
        lines = mistakes if len(mistakes) == 1 else ["several mistakes:", *mistakes]
        raise Problem("\n  ".join(lines)) from error
    except SyncraError as error:  # there is no such target
        raise Problem(str(error)) from error

    return values_of(compiled, known, options.input, options.inputs)


def _how(options: argparse.Namespace, follower: _Follower) -> dict[str, Any]:
    """Return the options of the run."""
    keep: Any = "all" if options.all_results else "targets"
    how: dict[str, Any] = {
        "targets": options.targets,
        "executor": _executor(options),
        "max_concurrency": options.max_concurrency,
        "on_error": options.on_error,
        "timeout": options.timeout or None,
        "grace": options.grace,
        "keep": keep,
        "observers": [follower],
    }
    if not options.quiet:
        how["progress"] = ProgressDisplay(
            style=_style(options),
            table=False,
            summary=False,
            redirect=standard_output().is_terminal,
            stream=sys.stderr,
        )
    return how


def _executor(options: argparse.Namespace) -> Any:
    """Return the executor, with as many workers as are asked for."""
    if options.max_concurrency is not None:
        if options.executor == "threads":
            from ..executors import Threads

            return Threads(options.max_concurrency)

        if options.executor == "processes":
            from ..executors import Processes

            return Processes(options.max_concurrency)

    return options.executor


def _style(options: argparse.Namespace) -> str:
    """Return how progress is shown: in place only where nothing else is written."""
    is_live = (
        standard_error().is_terminal
        and os.environ.get("TERM") != "dumb"
        and options.log_level is None
        and find_spec("rich") is not None
    )
    return "live" if is_live else "lines"


def _show_logs(level: str) -> None:
    """Show log records on standard error, with the names of tasks."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(TaskLogFilter())
    handler.addFilter(_name_task)
    handler.setFormatter(
        logging.Formatter(
            "%(asctime)s %(levelname)-7s %(name)s%(of_task)s: %(message)s"
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def _name_task(record: logging.LogRecord) -> bool:
    task = getattr(record, "task", "")
    record.of_task = f" [{task}]" if task else ""
    return True


def _check_files(options: argparse.Namespace) -> None:
    """Find out before a long run what cannot be written after it."""
    for path in (options.report, options.trace):
        if path is None:
            continue

        directory = Path(path).absolute().parent
        if not directory.is_dir():
            raise Problem(
                f"{path} cannot be written: there is no directory {directory}"
            )

        if Path(path).is_dir() or not os.access(directory, os.W_OK):
            raise Problem(f"{path} cannot be written")

    if options.report is not None and find_spec("jinja2") is None:
        raise Problem("--report takes Jinja: pip install 'syncra[html]'")


def _finished(outcome: Outcome, options: argparse.Namespace) -> int:
    """Write the files that were asked for and return the exit code."""
    code = outcome.code
    report = outcome.run.report()
    for path, write in (
        (options.report, report.to_html),
        (options.trace, report.to_trace),
    ):
        if path is None:
            continue

        try:
            write(path)
        except OSError as error:
            standard_error().line(f"syncra: {path} cannot be written: {error.strerror}")
            code = code or 1
    return code
