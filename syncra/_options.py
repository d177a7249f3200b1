"""Checking of what `task()` and `graph.add()` take beside function and wiring."""

from __future__ import annotations

from ._task import DEFAULT_OPTIONS, Options, make_task, name_of
from .executors import check_executor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, TypedDict

    from typing_extensions import Unpack

    from ._definition import Target
    from ._task import Dependencies, Task
    from .executors import Executor

    class TaskOptions(TypedDict, total=False):
        """Hold what `task()` takes beside graph, name and wiring."""

        outputs: Iterable[str]
        kwargs: Mapping[str, Any] | None
        executor: str | Executor | None
        tags: Iterable[str]

    class NamedOptions(TaskOptions, total=False):
        """Hold what `graph.add()` takes beside the callable."""

        name: str | None
        dependencies: Dependencies
        after: Dependencies

    class RunOptions(TypedDict, total=False):
        """Hold what `graph.run()` takes beside the inputs."""

        targets: Iterable[Target] | None
        executor: str | Executor | None
        on_error: str | None


def new_task(
    function: Callable[..., Any],
    name: str | None = None,
    dependencies: Dependencies = (),
    after: Dependencies = (),
    **options: Unpack[TaskOptions],
) -> Task[..., Any]:
    """Return a free task of `function`; see `syncra.task` for the parameters."""
    checked = options_from(function, **options) if options else DEFAULT_OPTIONS
    return make_task(function, name, dependencies, after, checked)


def options_from(
    function: object,
    *,
    outputs: Iterable[str] = (),
    kwargs: Mapping[str, Any] | None = None,
    executor: str | Executor | None = None,
    tags: Iterable[str] = (),
    **unknown: object,
) -> Options:
    """Return the options of a task, each of them checked.

    Parameters:
        function: the callable, for messages.
        outputs: names of the parts of the result.
        kwargs: constants by parameter name.
        executor: how the task is executed, or None for that of the graph.
        tags: labels of the task.

    Raises:
        TypeError: if something has the wrong type, or there is no such option.
        ValueError: if a name stands twice or there is no such executor.
    """
    whose = f"task {name_of(function)!r}"
    if unknown:
        raise _no_such_option(next(iter(unknown)), whose)

    if executor is not None:
        check_executor(executor, whose)
    if kwargs is not None and not all(isinstance(key, str) for key in kwargs):
        raise TypeError(f"{whose}: the keys of kwargs= are parameter names")

    return Options(
        outputs=_names(outputs, whose, "outputs"),
        kwargs=dict(kwargs) if kwargs is not None else {},
        executor=executor,
        tags=frozenset(_names(tags, whose, "tags")),
    )


def _no_such_option(name: str, whose: str) -> TypeError:
    from inspect import signature

    from ._names import hint, nearest

    known = [*signature(options_from).parameters, "name", "dependencies", "after"]
    return TypeError(
        f"{whose}: there is no option {name!r}." + hint(nearest(name, known))
    )


def _names(given: Iterable[str], whose: str, what: str) -> tuple[str, ...]:
    if isinstance(given, str):
        given = (given,)
    names = tuple(given)
    for name in names:
        if not isinstance(name, str) or not name:
            raise TypeError(f"{whose}: {what}= holds names, got {name!r}")

    if len(set(names)) < len(names):
        raise ValueError(f"{whose}: {what}= names {names} hold one of them twice")

    return names
