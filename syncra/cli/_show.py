"""`syncra show`: a graph as text, as a picture, as data."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

from .._annotations import type_name
from .._names import counted, unwrapped
from ..errors import MissingExtraError, SyncraError
from ..views._wiring import inputs_by_task, levels_of, wires_to
from ..views._words import one_line, some_of
from ._output import MOST_ROWS, standard_output
from ._problems import Problem
from ._target import load_graph
from ._values import annotation_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from .._compiled import Compiled
    from .._graph import Graph
    from .._inputs import Input
    from .._task import Task

#: Formats by the suffix of a file.
_SUFFIXES = {
    ".txt": "text",
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
    ".dot": "dot",
    ".gv": "dot",
    ".svg": "svg",
    ".html": "html",
    ".htm": "html",
    ".json": "json",
}


def command(options: argparse.Namespace) -> int:
    """Show a graph; return the exit code."""
    form = options.format
    if form is None and options.output is not None:
        form = _SUFFIXES.get(Path(options.output).suffix.lower())
        if form is None:
            raise Problem(
                f"--output {options.output}: the suffix tells no format; name it with "
                f"--format"
            )

    graph = load_graph(options)
    try:
        compiled = graph.compiled()
        if options.output is None and form in (None, "text"):
            _show(graph, compiled)
            return 0

        text = _made(graph, compiled, form or "text")
    except SyncraError as error:
        raise Problem(str(error)) from error

    if options.output is None:
        standard_output().line(text.rstrip("\n"))
        return 0

    from ..views.files import write_whole

    try:
        write_whole(options.output, text.rstrip("\n") + "\n")
    except OSError as error:
        raise Problem(f"{options.output} cannot be written: {error.strerror}") from None

    return 0


def _made(graph: Graph, compiled: Compiled, form: str) -> str:
    """Return a graph in a format."""
    if form == "text":
        return str(graph)

    if form == "mermaid":
        return graph.to_mermaid()

    if form == "dot":
        return graph.to_dot()

    if form == "svg":
        return _svg(graph)

    facts = facts_of(compiled)
    return json.dumps(facts, indent=2) if form == "json" else _page(graph, facts)


def _svg(graph: Graph) -> str:
    from ..views.drawing import drawn

    return drawn(graph._picture(None, "auto"), "svg", timeout=60.0).decode()


def facts_of(compiled: Compiled) -> dict[str, Any]:
    """Return what there is to know of a graph, as JSON has it."""
    inputs = inputs_by_task(compiled)
    levels = levels_of(compiled)
    return {
        "graph": compiled.graph,
        "inputs": [
            {
                "name": name,
                "type": type_name(annotation_of(compiled, wanted)) or None,
                "tasks": wanted.tasks,
                **_extra(wanted),
            }
            for name, wanted in compiled.inputs.items()
        ],
        "tasks": [
            {
                "name": compiled.names[task],
                "doc": doc_of(compiled.tasks[task]),
                "place": compiled.tasks[task].place,
                "level": levels[task] + 1,
                "is_async": bool(compiled.is_async[task]),
                "depends_on": _sources(compiled, task, is_order=False),
                "after": _sources(compiled, task, is_order=True),
                "inputs": inputs.get(task, []),
                "tags": sorted(compiled.tasks[task].tags),
            }
            for task in compiled.plan.order
        ],
    }


def _extra(wanted: Input) -> dict[str, Any]:
    """Return what only the inputs of a file of data have."""
    found: dict[str, Any] = {}
    if not wanted.is_required:
        try:
            found["default"] = json.loads(json.dumps(wanted.default))
        except (TypeError, ValueError):
            found["default"] = str(wanted.default)
    if wanted.description:
        found["description"] = wanted.description
    return found


def _sources(compiled: Compiled, task: int, *, is_order: bool) -> list[str]:
    return [
        compiled.names[wire.source]
        for wire in wires_to(compiled, task)
        if wire.is_order == is_order
    ]


def doc_of(task: Task[..., Any]) -> str:
    """Return the first line of what is said of the function of a task."""
    own = unwrapped(task.function)[-1]
    text = getattr(own, "__doc__", None)
    if not isinstance(text, str) or not text.strip():
        return ""

    return text.strip().splitlines()[0].strip()


def _show(graph: Graph, compiled: Compiled) -> None:
    """Show the tree, the tasks and the inputs."""
    output = standard_output()
    for line in str(graph).split("\n"):
        output.line(line)
    facts = facts_of(compiled)
    tasks = [task for task in facts["tasks"] if task["doc"] or task["inputs"]]
    if tasks:
        output.line()
        output.table(
            ("task", "inputs", "what it does"),
            [
                (task["name"], some_of(task["inputs"], 4, 30), task["doc"])
                for task in tasks[:MOST_ROWS]
            ],
        )
        if len(tasks) > MOST_ROWS:
            more = counted(len(tasks) - MOST_ROWS, "more task")
            output.line(f"... and {more}; --format json has all")
    if facts["inputs"]:
        output.line()
        output.table(
            ("input", "type", "default", "taken by", "description"),
            [
                (
                    one["name"],
                    one["type"] or "",
                    repr(one["default"]) if "default" in one else "",
                    some_of(one["tasks"], 3, 30),
                    one.get("description", ""),
                )
                for one in facts["inputs"][:MOST_ROWS]
            ],
        )
        if len(facts["inputs"]) > MOST_ROWS:
            more = counted(len(facts["inputs"]) - MOST_ROWS, "more input")
            output.line(f"... and {more}; --format json has all")


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem;
  padding: 0 1rem; color: #1c2430; background: #fff; }
h1 { font-size: 1.4rem; } .picture { overflow-x: auto; margin: 1rem 0; }
.picture svg { max-width: 100%; height: auto; background: #fff; }
.picture pre { font-size: 13px; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .35rem .8rem .35rem 0; vertical-align: top;
  border-bottom: 1px solid #dde3ec; } code { font-size: 13px; }
@media (prefers-color-scheme: dark) { body { color: #e6e9ef; background: #14181f; }
  th, td { border-color: #333b48; } .picture svg { border-radius: 6px; } }
"""


def _page(graph: Graph, facts: dict[str, Any]) -> str:
    """Return a page that needs no network: the picture and the table of tasks."""
    try:
        drawing = _svg(graph)
        picture = drawing[drawing.index("<svg") :]
    except MissingExtraError:
        picture = f"<pre>{escape(str(graph))}</pre>"
    name = escape(one_line(graph.name, 80))
    rows = "\n".join(
        f"<tr><td><code>{escape(one_line(task['name'], 80))}</code></td>"
        f"<td>{escape(some_of(task['depends_on'] + task['after'], 6, 60))}</td>"
        f"<td>{escape(', '.join(task['inputs']))}</td>"
        f"<td>{escape(task['doc'])}</td></tr>"
        for task in facts["tasks"]
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{name}</title>
<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>
<body><h1>{name}: {counted(len(facts["tasks"]), "task")}</h1>
<div class="picture">{picture}</div>
<table>
<tr><th>task</th><th>waits for</th><th>inputs</th><th>what it does</th></tr>
{rows}
</table></body></html>
"""
