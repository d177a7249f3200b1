"""A graph as one task of another graph."""

from __future__ import annotations

from .errors import TaskCancelled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._graph import Graph
    from ._run import Run


def nested(inner: Graph, outer: Graph) -> Callable[..., Any]:
    """Return a function that runs `inner`, with its inputs as parameters.

    The result is the inner `Run`. Each run has workers of its own, so an inner run
    never waits for a worker of the outer one.

    Raises:
        ValueError: if a graph would become a task of itself.
    """
    import inspect

    _check_nesting(inner, outer)

    async def run_async(**inputs: Any) -> Any:
        return _whole(await inner.arun(inputs))

    def run_sync(**inputs: Any) -> Any:
        return _whole(inner.run(inputs))

    run_graph: Any = run_async if inner.is_async else run_sync
    run_graph.__name__ = run_graph.__qualname__ = inner.name
    run_graph.runs_graph = inner
    run_graph.__declared_at__ = f"graph {inner.name!r}"
    run_graph.stays_here = True  # its own tasks run where their graph says
    run_graph.__doc__ = f"Run graph {inner.name!r} and return its run."
    run_graph.__signature__ = inspect.Signature(
        [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if found.is_required else found.default,
            )
            for name, found in inner.inputs.items()
        ]
    )
    function: Callable[..., Any] = run_graph
    return function


def _whole(run: Run) -> Run:
    """Return a run that has come to its own end.

    Raises:
        TaskCancelled: if it was ended with the run that it is a part of.
    """
    progress = run.progress
    if progress.cancelled:
        raise TaskCancelled(
            f"the run of graph {run.graph!r} was cancelled: no result of "
            f"{progress.cancelled:,} of {progress.total:,} tasks.",
            "",
        )

    return run


def _check_nesting(inner: Graph, outer: Graph) -> None:
    """Raise a ValueError if `inner` is, or has somewhere within, the graph `outer`."""
    seen = {inner}
    pending = [inner]
    while pending:
        graph = pending.pop()
        if graph is outer:
            raise ValueError(
                f"graph {outer.name!r} cannot be a task of itself"
                + (f", and it is within graph {inner.name!r}" * (inner is not outer))
            )

        for task in graph.values():
            found = getattr(task.function, "runs_graph", None)
            if found is not None and found not in seen:
                seen.add(found)
                pending.append(found)
