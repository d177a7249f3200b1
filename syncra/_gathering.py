"""Other ways to bring tasks together in a graph: `graph += task`, and from a list."""

from __future__ import annotations

from collections.abc import Mapping

from ._names import hint, nearest
from ._task import Task
from .errors import GraphError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Self, TypeAlias

    #: What `graph += ...` takes, or several of it.
    Added: TypeAlias = "Task[..., Any] | Callable[..., Any]"


class Gathering:
    """Be the part of a graph that takes in tasks which are there already."""

    name: str
    add: Callable[..., Any]

    if TYPE_CHECKING:

        def __init__(self, name: str | None = None) -> None: ...

    def __iadd__(self, added: Added | Iterable[Added]) -> Self:
        """Add a free task, a function or a graph, or several of them.

        What is in the graph already stays as it is.

        Raises:
            TypeError: if it is none of these.
            DuplicateTaskError: if a name is taken by something else.
            GraphError: if a task is in another graph.
        """
        single = isinstance(added, Task) or callable(added)
        if isinstance(added, str) or not (single or hasattr(added, "__iter__")):
            raise TypeError(
                f"graph {self.name!r}: `+=` adds a task, a function or a graph, or "
                f"several of them, got {added!r}"
            )

        for item in (added,) if single else added:  # type: ignore[union-attr]
            if not isinstance(item, Task) or item.graph is None:
                self.add(item)
            elif item.graph is not self:
                raise GraphError(
                    f"task {item.name!r} ({item.place}) is in graph "
                    f"{item.graph.name!r} already, so `+=` does not add it to graph "
                    f"{self.name!r}. `graph.add(task)` makes another task of its "
                    f"function, `graph.add(task.graph)` one task of the whole graph."
                )
        return self

    @classmethod
    def from_list(
        cls,
        name: str | None,
        tasks: Iterable[Mapping[str, Any]],
        functions: Mapping[str, Callable[..., Any]] | None = None,
    ) -> Self:
        """Return a graph of tasks that are described by mappings.

        Parameters:
            name: name of the graph.
            tasks: for each task a mapping with `func`, which is a function or a name in
                `functions`, and whatever else `syncra.task` takes, such as `name` and
                `dependencies`. Dependencies given by name may come later.
            functions: functions by the names that `func` has.

        Raises:
            TypeError: if a description is no mapping, has no `func`, or an option there
                is none of.
            GraphError: if a name is not in `functions`, or a function or a dependency
                cannot be used.

        Example:
            >>> from syncra import Graph
            >>> graph = Graph.from_list(
            ...     "sums",
            ...     [
            ...         {"name": "total", "func": "sum", "dependencies": ["rows"]},
            ...         {"name": "rows", "func": lambda: [1, 2, 3]},
            ...     ],
            ...     {"sum": sum},
            ... )
            >>> graph()["total"]
            6
        """
        graph = cls(name)
        known = functions or {}
        for number, given in enumerate(tasks):
            if not isinstance(given, Mapping):
                raise TypeError(
                    f"graph {graph.name!r}: task {number} of the list is no mapping, "
                    f"got {given!r}"
                )

            options = dict(given)
            function = options.pop("func", None)
            if isinstance(function, str):
                if function not in known:
                    raise GraphError(
                        f"graph {graph.name!r}: task {number} of the list has func "
                        f"{function!r}, which is not in functions=."
                        + hint(nearest(function, known))
                    )

                function = known[function]
            if function is None:
                raise TypeError(
                    f"graph {graph.name!r}: task {number} of the list has no func"
                )

            graph.add(function, **options)
        return graph
