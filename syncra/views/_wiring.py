"""Who waits for whom, and what passes between them: read off a compiled graph."""

from __future__ import annotations

from typing import NamedTuple

from .._calls import Gather, slots_of
from .._lookup import id_of
from ..errors import TaskNotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from .._compiled import Compiled


class Wire(NamedTuple):
    """Say that a task waits for another.

    Attributes:
        source: id of the task that is waited for.
        target: id of the task that waits.
        parts: names of the parts of the result that pass; none if all of it does.
        is_order: whether nothing passes.
    """

    source: int
    target: int
    parts: tuple[str, ...]
    is_order: bool


def wires_of(compiled: Compiled) -> list[Wire]:
    """Return all edges of a graph, by the task that waits."""
    return [
        wire for task in range(compiled.plan.size) for wire in wires_to(compiled, task)
    ]


def wires_to(compiled: Compiled, task: int) -> list[Wire]:
    """Return the edges that lead to a task, in the order it declares them."""
    before = compiled.plan.predecessors[task]
    if not before:
        return []

    arguments = compiled.arguments[task]
    if type(arguments) is int and len(before) == 1:
        return [Wire(before[0], task, (), arguments != before[0])]

    slots = slots_of(arguments)
    if not isinstance(arguments, Gather):
        taken = frozenset(slots)
        return [Wire(source, task, (), source not in taken) for source in before]

    parts: dict[int, dict[str | None, None]] = {}
    for slot, part in zip(slots, arguments.parts, strict=True):
        parts.setdefault(slot, {})[part] = None
    # Who takes the context can look at all results, but then it would not say `after`.
    only_order: Container[int] = (
        _after(compiled, task) if arguments.takes_context else ()
    )
    found = []
    for source in before:
        known = parts.get(source)
        if known is None:
            is_order = not arguments.takes_context or source in only_order
            found.append(Wire(source, task, (), is_order))
        else:
            names = tuple(name for name in known if name is not None)
            found.append(Wire(source, task, () if None in known else names, False))
    return found


def _after(compiled: Compiled, task: int) -> set[int]:
    """Return the ids of the tasks that a task only has to come after."""
    found = set()
    for given in compiled.tasks[task].after:
        try:
            found.add(id_of(compiled, given))
        except TaskNotFoundError:
            # A function that has several tasks, of which it means another one.
            found.update(
                source
                for source in compiled.plan.predecessors[task]
                if compiled.tasks[source].function is given
            )
    return found


def levels_of(compiled: Compiled) -> list[int]:
    """Return for each task how many others the longest path to it has."""
    plan = compiled.plan
    levels = [0] * plan.size
    for task in plan.order:
        before = plan.predecessors[task]
        if before:
            levels[task] = 1 + max(levels[one] for one in before)
    return levels


def remarks_on(compiled: Compiled, task: int) -> list[str]:
    """Return in a few words how a task is run, where that is not the usual."""
    options = compiled.tasks[task].options
    remarks = ["async"] if compiled.is_async[task] else []
    executor = options.executor
    if executor is not None:
        remarks.append(executor if isinstance(executor, str) else executor.name)
    if options.trigger != "all_succeeded":
        remarks.append(f"if {options.trigger}")
    return remarks


def inputs_by_task(compiled: Compiled) -> dict[int, list[str]]:
    """Return the names of the inputs that tasks take, of those that take some."""
    found: dict[int, list[str]] = {}
    for name, taken in compiled.inputs.items():
        for task in taken.tasks:
            found.setdefault(compiled.ids[task], []).append(name)
    return found
