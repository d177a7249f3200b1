"""Checking of what `task()` and `graph.add()` take beside function and wiring."""

from __future__ import annotations

from ._task import DEFAULT_OPTIONS, Options, name_of
from .executors import check_executor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from .executors import Executor


def options_from(
    function: object,
    outputs: Iterable[str],
    kwargs: Mapping[str, Any] | None,
    executor: str | Executor | None,
    tags: Iterable[str],
) -> Options:
    """Return the options of a task, each of them checked.

    Parameters:
        function: the callable, for messages.
        outputs: names of the parts of the result.
        kwargs: constants by parameter name.
        executor: how the task is executed, or None for that of the graph.
        tags: labels of the task.

    Raises:
        TypeError: if something has the wrong type.
        ValueError: if a name stands twice or there is no such executor.
    """
    if outputs == () and kwargs is None and executor is None and tags == ():
        return DEFAULT_OPTIONS

    whose = f"task {name_of(function)!r}"
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
