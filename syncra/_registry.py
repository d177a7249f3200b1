"""Graphs by name."""

from __future__ import annotations

from threading import Lock

from ._graph import Graph
from ._names import hint, nearest
from ._registered import graphs as _graphs
from .errors import GraphNotFoundError

_lock = Lock()


def get_graph(name: str) -> Graph:
    """Return the graph that tasks of this name's graph have joined.

    Parameters:
        name: what was given as `graph=`.

    Raises:
        GraphNotFoundError: if there is none, with the nearest name there is.

    Example:
        >>> from syncra import get_graph, task
        >>> @task(graph="hello")
        ... def greet(name: str) -> str:
        ...     return f"Hello, {name}!"
        >>> get_graph("hello")(name="Ada")[greet]
        'Hello, Ada!'
    """
    graph: Graph | None = _graphs.get(name)
    if graph is None:
        raise _not_found(name)

    return graph


def list_graphs() -> list[str]:
    """Return the names of all graphs, in the order they came to be."""
    return list(_graphs)


def delete_graph(name: str) -> None:
    """Forget the graph of this name. Runs that are going on end as they would.

    Parameters:
        name: name of the graph.

    Raises:
        GraphNotFoundError: if there is none.
    """
    with _lock:
        if name not in _graphs:
            raise _not_found(name)

        del _graphs[name]


def graph_of_name(name: str) -> Graph:
    """Return the graph of this name, made if there is none."""
    with _lock:
        graph: Graph | None = _graphs.get(name)
        if graph is None:
            graph = _graphs[name] = Graph(name)
        return graph


def _not_found(name: str) -> GraphNotFoundError:
    suggestion = nearest(str(name), _graphs)
    return GraphNotFoundError(
        f"there is no graph {name!r}."
        + (
            hint(suggestion)
            or " It comes to be when a task joins it: import the module of its tasks."
        ),
        name,
        suggestion,
    )
