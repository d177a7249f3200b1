"""A graph as runs need it: what the compiler makes, and everything else reads."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._calls import Arguments, Values
    from ._core.plan import Plan
    from ._core.policy import Retry
    from ._inputs import Input
    from ._task import Task


class Compiled:
    """Hold a graph as runs need it. Immutable, so any number of runs share one.

    Attributes:
        graph: name of the graph, for messages.
        tasks: the tasks; a task's id is its position.
        names: their names.
        ids: id of each task by name.
        plan: the shape of the graph.
        functions: what is called for each task.
        arguments: how its arguments are fetched, see `_calls`.
        is_async: 1 for each task whose call gives a coroutine.
        template: what a run's list of values starts from.
        run_slot: the slot of that list that holds the run.
        input_slots: the slot of each input, by name.
        inputs: a description of each input, by name.
        routes: what executors made of it, kept by them (see `_route`).
        limits: seconds that an attempt may take, of the tasks that have a timeout.
        retries: the retry policies, of the tasks that have one.
        triggers: the trigger of each task, or None if all are the default.
        priorities: the priority of each task, or None if all are 0.
        capacities: how much there is of each limit that tasks take from.
        needs: what tasks take while they run, of those that take something: pairs of
            the number of a limit and an amount.
        logs: where tasks write their log records to, of those that say so.
        order: what is known of the best order of its tasks (see `_scheduling`).
    """

    __slots__ = (
        "arguments",
        "capacities",
        "functions",
        "graph",
        "ids",
        "input_slots",
        "inputs",
        "is_async",
        "limits",
        "logs",
        "names",
        "needs",
        "order",
        "plan",
        "priorities",
        "retries",
        "routes",
        "run_slot",
        "tasks",
        "template",
        "triggers",
    )

    graph: str
    tasks: tuple[Task[..., Any], ...]
    names: tuple[str, ...]
    ids: dict[str, int]
    plan: Plan
    functions: list[Callable[..., Any]]
    arguments: list[Arguments]
    is_async: bytearray
    template: Values
    run_slot: int
    input_slots: dict[str, int]
    inputs: dict[str, Input]
    routes: dict[object, Any]
    limits: dict[int, float]
    retries: dict[int, Retry]
    triggers: bytearray | None
    priorities: list[int] | None
    capacities: list[int]
    needs: dict[int, tuple[tuple[int, int], ...]]
    logs: dict[int, Any]
    order: Any
