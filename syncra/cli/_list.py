"""`syncra list`."""

from __future__ import annotations

import json

from ..errors import GraphError
from ._output import MOST_ROWS, standard_output
from ._target import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from .._graph import Graph


def command(options: argparse.Namespace) -> int:
    """List the graphs of a module or file; return the exit code."""
    loaded, name = load(options)
    if name:
        from ._target import chosen

        graphs = {name: chosen(loaded, name)}
    else:
        graphs = loaded.graphs
    found = [
        {
            "graph": known,
            "attribute": loaded.attributes.get(known),
            "tasks": len(graph),
            "inputs": _inputs(graph),
        }
        for known, graph in graphs.items()
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
                "?" if inputs is None else ", ".join(inputs),
            )
            for one, inputs in (
                (one, _inputs(graphs[str(one["graph"])])) for one in found
            )
        ][:MOST_ROWS],
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
