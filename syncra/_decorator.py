"""`@task`: from a function to a task of a graph."""

from __future__ import annotations

from ._graph import Graph
from ._options import new_task
from ._registry import graph_of_name
from ._task import Part, Task
from .errors import UnknownDependencyError

__all__ = ["Task", "task"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from typing import Any, ParamSpec, Protocol, TypeVar, overload

    from typing_extensions import Unpack

    from ._options import NamedOptions
    from ._task import AsyncTask

    P = ParamSpec("P")
    R = TypeVar("R")

    class Decorator(Protocol):
        """Turn a function into a task."""

        @overload
        def __call__(
            self, function: Callable[P, Coroutine[Any, Any, R]], /
        ) -> AsyncTask[P, R]: ...
        @overload
        def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...


if TYPE_CHECKING:

    @overload
    def task(graph: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncTask[P, R]: ...
    @overload
    def task(graph: Callable[P, R], /) -> Task[P, R]: ...  # type: ignore[overload-overlap]
    @overload
    def task(
        graph: str | Graph | None = None,
        *,
        graph_name: str | Graph | None = None,
        **options: Unpack[NamedOptions],
    ) -> Decorator: ...
    def task(*args: Any, **options: Any) -> Any: ...

else:

    def task(
        graph=None,
        *,
        name=None,
        dependencies=(),
        after=(),
        outputs=(),
        kwargs=None,
        executor=None,
        retry=None,
        timeout=None,
        trigger="all_succeeded",
        limit=None,
        priority=0,
        tags=(),
        fallback=None,
        log=None,
        graph_name=None,
    ):
        """Make a task of the decorated function.

        Used as `@task`, `@task("etl")` or `@task(graph="etl", ...)`. The task is called
        like the function, and can be decorated again to make another task of it.

        Parameters:
            graph: the graph that the task joins: a `Graph`, or a name, which is made a
                graph when it is first used. Without one the task joins the graph of
                its dependencies, or stays free until another task depends on it.
            name: name of the task; that of the function if None.
            dependencies: upstream tasks whose results the function may receive: a
                task, its name or its function, several of them, or a mapping of
                parameter name to task. Results reach parameters by name first, then
                in order; a result for which there is no parameter only orders.
            after: upstream tasks that only have to finish first.
            outputs: names of the parts of the result, if the function returns a tuple
                or a mapping of parts that other tasks may depend on one by one.
            kwargs: constants by parameter name.
            executor: how the task is executed, if not as its graph says.
            retry: how often the task is tried in all, or a `Retry` with waits and the
                errors that are worth another try.
            timeout: the most seconds an attempt may take. Then it fails with
                `TaskTimeout`: a coroutine is cancelled, a process ended; a thread,
                which nothing can stop, is left behind.
            trigger: when the task runs: "all_succeeded" (all it waits for has
                succeeded), "all_done" (all is over, for cleaning up), "any_failed"
                (something has failed, for an alarm) or "any_succeeded". Cleaning up
                and alarms run even where a failure ends the run. What has no result
                is passed as None.
            limit: the name of a limit of the graph, `Graph(limits={"db": 2})`, of which
                the task takes one while it runs, or a mapping of names to amounts. It
                starts only when all of it is there.
            priority: of several ready tasks the one with the highest is next. Of equal
                ones that which the longest path of others is waiting for, where the
                workers are few; 0 unless given.
            tags: labels of the task.
            fallback: "threads" to run a function there that should run in another
                process but cannot be sent to one; its record has a warning then.
            log: the file that the log records of the task are written to, beside that
                of its graph; see `syncra.observers.LogFile`.
            graph_name: another spelling of `graph`.

        Raises:
            GraphError: if the function or a dependency cannot be used.

        Example:
            >>> from syncra import get_graph, task
            >>> @task(graph="squares")
            ... def numbers() -> list[int]:
            ...     return [1, 2, 3]
            >>> @task(graph="squares", dependencies=numbers)
            ... def squares(numbers: list[int]) -> list[int]:
            ...     return [number**2 for number in numbers]
            >>> get_graph("squares")()[squares]
            [1, 4, 9]
        """
        if graph is not None and not isinstance(graph, (str, Graph)):
            if not callable(graph):
                raise TypeError(f"graph= is a name or a Graph, got {graph!r}")

            function, graph = graph, None
        else:
            function = None
        if graph_name is not None:
            if graph is not None:
                raise TypeError("graph= and graph_name= mean the same; give one")

            graph = graph_name
            if not isinstance(graph, (str, Graph)):
                raise TypeError(f"graph_name= is a name or a Graph, got {graph!r}")

        options = {
            "outputs": outputs,
            "kwargs": kwargs,
            "executor": executor,
            "retry": retry,
            "timeout": timeout,
            "trigger": trigger,
            "limit": limit,
            "priority": priority,
            "tags": tags,
            "fallback": fallback,
            "log": log,
        }

        def decorate(function):
            made = new_task(function, name, dependencies, after, **options)
            return _joined(made, graph)

        return decorate if function is None else decorate(function)


def _declare(
    task: Task[..., Any],
    function: Callable[..., Any],
    dependencies: Any,
    graph: str | Graph | None,
    options: Mapping[str, Any],
) -> None:
    """Make what `Task(...)` was called with of a task, and place it in its graph."""
    if graph is not None and not isinstance(graph, (str, Graph)):
        raise TypeError(f"graph= is a name or a Graph, got {graph!r}")

    given = () if dependencies is None else dependencies
    made = new_task(function, dependencies=given, **options)
    task._fill(made.function, made.name, made.dependencies, made.after, made.options)
    _joined(task, graph)


Task._declare = staticmethod(_declare)


def _joined(task: Task[..., Any], graph: str | Graph | None) -> Task[..., Any]:
    """Return a free task, placed in its graph if it is to have one."""
    joins = graph_of_name(graph) if isinstance(graph, str) else graph
    if joins is None:
        joins = _graph_of_dependencies(task)
    if joins is not None:
        joins._add(task, redefines=True)
    return task


def _graph_of_dependencies(task: Task[..., Any]) -> Graph | None:
    """Return the graph a task without one joins, or None if it stays free."""
    given = task.dependencies
    items = (*(given.values() if isinstance(given, dict) else given), *task.after)
    if not items:
        return None

    found: Graph | None = None
    for item in items:
        upstream = item.task if isinstance(item, Part) else item
        if not isinstance(upstream, Task):
            raise UnknownDependencyError(
                f"task {task.name!r} ({task.place}) depends on {item!r} but says "
                f"nothing of its graph. Give graph=, or give the dependency as a task.",
                task.name,
                str(item),
            )

        graph = upstream.graph
        if found is not None and graph is not None and graph is not found:
            raise UnknownDependencyError(
                f"task {task.name!r} ({task.place}) depends on tasks of two graphs, "
                f"{found.name!r} and {graph.name!r}. Add one graph to the other as "
                f"one task.",
                task.name,
                upstream.name,
            )

        found = found or graph
    return found if found is not None else Graph()
