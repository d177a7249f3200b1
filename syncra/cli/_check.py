"""`syncra check`."""

from __future__ import annotations

from .._names import counted
from ..errors import SyncraError
from ._output import standard_error, standard_output
from ._problems import Problem
from ._target import load, selected

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from .._graph import Graph


def command(options: argparse.Namespace) -> int:
    """Look for mistakes in one graph, or in all of a target; return the exit code."""
    try:
        loaded, name = load(options)
    except Problem as found:
        if isinstance(found.__cause__, SyncraError):  # seen when it was declared
            found.code = 1
        raise

    code = 0
    for known, graph in selected(loaded, name).items():
        problems = problems_of(graph)
        if problems:
            code = 1
            output = standard_error()
            count = counted(len(problems), "mistake")
            output.line(f"{known}: {count}", "bold red")
            for problem in problems:
                output.line(f"  {problem}")
            output.flush()
        elif not options.quiet:
            tasks = counted(len(graph), "task")
            standard_output().line(f"{known}: {tasks}, no mistakes")
    return code


def problems_of(graph: Graph) -> list[str]:
    """Return what is wrong with a graph: everything at once."""
    try:
        graph.check()
    except SyncraError as error:
        return [str(error)]
    except ExceptionGroup as group:
        return [str(error) for error in group.exceptions]

    return []
