"""`syncra list`."""

from __future__ import annotations

import json

from ..errors import GraphError
from ._output import MOST_ROWS, standard_output
from ._target import load, selected

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from .._graph import Graph


def command(options: argparse.Namespace) -> int:
    """List the graphs of a module or file; return the exit code."""
    loaded, name = load(options)
    found: list[dict[str, Any]] = [
        {
            "graph": known,
            "attribute": loaded.attributes.get(known),
            "tasks": len(graph),
            "inputs": _inputs(graph),
        }
        for known, graph in selected(loaded, name).items()
    ]
    output = standard_output()
    if options.json:
        output.line(json.dumps(found))
        return 0

    output.table(
        ("graph", "attribute", ">tasks", "inputs"),
        [
            (
                str(one["graph"]),
                str(one["attribute"] or ""),
                f"{one['tasks']:,}",
                "?" if one["inputs"] is None else ", ".join(one["inputs"]),
            )
            for one in found[:MOST_ROWS]
        ],
    )
    if len(found) > MOST_ROWS:
        output.line(f"... and {len(found) - MOST_ROWS:,} more; --json has all")
    return 0


def _inputs(graph: Graph) -> list[str] | None:
    """Return the names of the inputs; None for a graph that has a mistake."""
    try:
        return list(graph.inputs)
    except GraphError:
        return None
