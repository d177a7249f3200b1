"""`syncra plan`: what a run would do."""

from __future__ import annotations

import json

from .._names import counted
from .._route import route
from ..errors import SyncraError
from ..views._wiring import inputs_by_task, levels_of, remarks_on
from ..views._words import some_of
from ._output import MOST_ROWS, standard_output
from ._problems import Problem
from ._target import load_graph

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from .._compiled import Compiled
    from .._graph import Graph


def command(options: argparse.Namespace) -> int:
    """Show what would run; return the exit code."""
    graph = load_graph(options)
    try:
        compiled = graph.compiled(options.targets)
        executor = options.executor or graph.executor
        lanes = route(compiled, executor, False)
    except SyncraError as error:
        raise Problem(str(error)) from error

    where = [lanes.names[lane] for lane in lanes.lanes]
    found = {
        "graph": graph.name,
        "tasks": _tasks(compiled, where, options.targets),
        "inputs": list(compiled.inputs),
        "not_needed": [name for name in graph if name not in compiled.ids],
    }
    if options.json:
        standard_output().line(json.dumps(found))
    else:
        _show(graph, compiled, found)
    return 0


def _tasks(
    compiled: Compiled, where: list[str], targets: list[str] | None
) -> list[dict[str, Any]]:
    """Return what is to be told of each task, in an order that they could run in."""
    names, plan, levels = compiled.names, compiled.plan, levels_of(compiled)
    inputs = inputs_by_task(compiled)
    wanted = set(targets or ())
    return [
        {
            "task": names[task],
            "level": levels[task] + 1,
            "where": where[task],
            "waits_for": [names[before] for before in plan.predecessors[task]],
            "needed_by": [names[after] for after in plan.successors[task]],
            "is_target": names[task] in wanted,
            "inputs": inputs.get(task, []),
            "remarks": [
                remark
                for remark in remarks_on(compiled, task)
                if remark not in (where[task], "async")
            ],
        }
        for task in plan.order
    ]


def _show(graph: Graph, compiled: Compiled, found: dict[str, Any]) -> None:
    output = standard_output()
    tasks = found["tasks"]
    output.table(
        (">#", ">level", "task", "where", "waits for", "why", "how"),
        [
            (
                str(number),
                str(task["level"]),
                task["task"],
                task["where"],
                some_of(task["waits_for"], 3, 30),
                _why(task),
                ", ".join(task["remarks"]),
            )
            for number, task in enumerate(tasks[:MOST_ROWS], 1)
        ],
    )
    if len(tasks) > MOST_ROWS:
        output.line(
            f"... and {counted(len(tasks) - MOST_ROWS, 'more task')}; --json has all"
        )
    levels = max((task["level"] for task in tasks), default=0)
    output.line(
        f"{counted(len(tasks), 'task')} in {counted(levels, 'level')}; tasks of one "
        f"level do not wait for one another."
        if tasks
        else f"graph {graph.name!r} has no tasks."
    )
    if compiled.inputs:
        output.line(f"Inputs to give: {some_of(found['inputs'], 10, 40)}.")
    if found["not_needed"]:
        output.line(f"Not needed: {some_of(found['not_needed'], 10, 40)}.")


def _why(task: dict[str, Any]) -> str:
    """Return why a task is part of the run."""
    if task["is_target"]:
        return "asked for"

    if task["needed_by"]:
        return f"needed by {some_of(task['needed_by'], 3, 30)}"

    return "at the end"
