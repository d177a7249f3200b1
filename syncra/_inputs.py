"""The inputs of a graph: what its caller has to give."""

from __future__ import annotations

from ._names import counted, hint, listed, nearest
from ._signature import EMPTY, signature_of
from .errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

    from ._compiled import Compiled

#: How many missing and how many unknown inputs an error tells of.
_MOST_TOLD = 10


class Input:
    """Describe an input of a graph: a parameter that the caller has to fill.

    A graph that was read from a file may say more of it than its tasks do.

    Attributes:
        name: name of the parameter.
        annotation: the type that the graph declares, or else its annotation in the
            first task that has one, or None.
        default: what it is if the caller gives nothing; `Input.empty` if there is
            nothing that it could be then.
        description: what the graph says it is for, or None.
        tasks: names of the tasks that receive it.

    Example:
        >>> from syncra import Graph
        >>> graph = Graph("greetings")
        >>> @graph.task
        ... def greet(name: str) -> str:
        ...     return f"Hello, {name}!"
        >>> found = graph.inputs["name"]
        >>> found.is_required, found.tasks
        (True, ['greet'])
    """

    __slots__ = ("annotation", "default", "description", "name", "tasks")

    #: The default of an input that has none.
    empty: Any = EMPTY

    def __init__(
        self,
        name: str,
        annotation: Any = None,
        default: Any = EMPTY,
        description: str | None = None,
    ) -> None:
        self.name = name
        self.annotation = annotation
        self.default = default
        self.description = description
        self.tasks: list[str] = []

    @property
    def is_required(self) -> bool:
        """Return whether the caller has to give it."""
        return self.default is EMPTY

    def __repr__(self) -> str:
        return f"<Input {self.name!r} of {listed(self.tasks)}>"


def with_defaults(compiled: Compiled, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the inputs of a run, with defaults for those that were not given.

    Each run has lists and mappings of its own, since its tasks may change them.
    """
    from copy import deepcopy

    defaults = {
        name: deepcopy(found.default)
        for name, found in compiled.inputs.items()
        if found.default is not EMPTY and name not in given
    }
    return {**defaults, **given} if defaults else given


def check_inputs(
    compiled: Compiled,
    given: Mapping[str, Any],
    also_known: Mapping[str, Any],
    options: Collection[str] = (),
) -> None:
    """Raise an `InputError` unless exactly the inputs of the graph are given.

    Parameters:
        compiled: the graph, or the part of it that is to run.
        given: values by input name.
        also_known: inputs that nothing needs now but that are no mistake.
        options: what `graph.run()` takes, which is no input.
    """
    missing = [name for name in compiled.inputs if name not in given]
    unknown = [
        name for name in given if name not in compiled.inputs and name not in also_known
    ]
    if not (missing or unknown):
        return

    lines = [_of_missing(compiled, name) for name in missing[:_MOST_TOLD]]
    lines += [_of_unknown(compiled, name, options) for name in unknown[:_MOST_TOLD]]
    more = len(missing) + len(unknown) - len(lines)
    raise InputError(
        f"graph {compiled.graph!r} cannot run: "
        + " Also, ".join(lines)
        + (f" And {counted(more, 'more input')} like these." if more else ""),
        missing,
        unknown,
    )


def _of_missing(compiled: Compiled, name: str) -> str:
    wanted = compiled.inputs[name]
    task = compiled.tasks[compiled.ids[wanted.tasks[0]]]
    more = len(wanted.tasks) - 1
    return (
        f"input {name!r} is missing: parameter {name!r} of task {task.name!r} "
        f"({task.place})"
        + (f" and of {more} more" if more else "")
        + " is filled by nothing."
        # Who knows systems that wire by names takes the name for enough.
        + (
            f" If it is to be the result of task {name!r}, say dependencies={name!r}."
            if name in compiled.ids and name != task.name
            else ""
        )
    )


def _of_unknown(compiled: Compiled, name: object, options: Collection[str]) -> str:
    begin = f"there is no input {name!r}: "
    if not isinstance(name, str):
        return begin + "inputs are given by name, which is a str."

    task = _task_with_parameter(compiled, name)
    if task is not None:
        return begin + (
            f"parameter {name!r} of task {task!r} is filled already, or has a default; "
            f"bind it with kwargs= there."
        )

    return (
        begin
        + f"the graph takes {listed(compiled.inputs) or 'no inputs'}."
        + (
            f" An option is given to run: graph.run({name}=...)."
            if name in options
            else hint(nearest(name, compiled.inputs))
        )
    )


def _task_with_parameter(compiled: Compiled, name: str) -> str | None:
    for task in compiled.tasks:
        if name in signature_of(task.function).parameters:
            return task.name

    return None
