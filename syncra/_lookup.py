"""Finding a task of a compiled graph by whatever stands for it."""

from __future__ import annotations

from ._names import hint, nearest
from ._task import Part, Task
from .errors import TaskNotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._compiled import Compiled


def of_another_graph(whose: str, task: Task[..., Any]) -> TaskNotFoundError:
    """Return the error for a task where there is only another one of its name.

    Parameters:
        whose: what was looked through, for the message.
        task: the task that was given.
    """
    graph = task.graph
    place = "no graph" if graph is None else f"another graph, {graph.name!r}"
    return TaskNotFoundError(
        f"{whose} has a task {task.name!r}, but the one that was given is of {place} "
        f"({task.place}).",
        task,
    )


def id_of(compiled: Compiled, key: object) -> int:
    """Return the id of a task.

    Parameters:
        compiled: the graph.
        key: the task, its name, its function if it has one task only, or a part of it.

    Raises:
        TaskNotFoundError: if it is not a task of the graph.
    """
    if isinstance(key, Part):
        key = key.task
    if isinstance(key, Task):
        task = compiled.ids.get(key.name)
        if task is not None and compiled.tasks[task].graph is key.graph:
            return task

        name: str = key.name
        if task is not None:
            raise of_another_graph(f"the run of graph {compiled.graph!r}", key)

    elif isinstance(key, str):
        task = compiled.ids.get(key)
        if task is not None:
            return task

        name = key
    else:
        found = [
            task
            for task, definition in enumerate(compiled.tasks)
            if definition.function is key
        ]
        if len(found) == 1:
            return found[0]

        name = getattr(key, "__name__", None) or repr(key)
    suggestion = nearest(name, compiled.ids)
    raise TaskNotFoundError(
        f"the run of graph {compiled.graph!r} has no task {name!r}."
        + (hint(suggestion) if suggestion != name else ""),
        key,
        suggestion,
    )
