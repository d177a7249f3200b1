"""From what the user gives to a task: name, callable and dependencies, checked."""

from __future__ import annotations

from collections.abc import Mapping

from ._signature import check_callable, is_coroutine_function, refuse_generator
from ._task import DEFAULT_OPTIONS, NOTHING, AsyncTask, Options, Part, Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._task import Dependencies


def make_task(
    function: Callable[..., Any],
    name: str | None = None,
    dependencies: Dependencies = NOTHING,
    after: Dependencies = NOTHING,
    options: Options = DEFAULT_OPTIONS,
) -> Task[..., Any]:
    """Return a free task of `function`, with everything that can be checked checked.

    Parameters:
        function: a callable, or a task to make another task of its function.
        name: name of the task; that of the function if None.
        dependencies: one dependency, several, or a mapping by parameter.
        after: one upstream task or several.
        options: how to run it.

    Raises:
        TypeError: if something has the wrong type.
        SignatureError: if the function is a generator function.
        ValueError: if the name is empty.
    """
    if isinstance(function, Task):
        function = function.function
    if name is None:
        name = name_of(function)
    elif type(name) is not str or not name:
        check_name(name)
    check_callable(function, name)
    code = getattr(function, "__code__", None)
    if code is None or code.co_flags & 0x220:  # a generator of either kind
        refuse_generator(function, name)
    kind = AsyncTask if is_coroutine_function(function) else Task
    task = kind.__new__(kind)  # type: ignore[call-overload]  # not declared, but filled
    task._fill(
        function,
        name,
        _normal(dependencies, name, "dependencies")
        if dependencies is not NOTHING
        else (),
        tuple(_normal(after, name, "after")) if after is not NOTHING else (),
        options,
    )
    return task  # type: ignore[no-any-return]


def name_of(function: object) -> str:
    """Return the name that a task of this callable gets when none is given."""
    found = getattr(function, "__name__", None)
    if found is None:
        inner = getattr(function, "func", None)  # a partial
        return name_of(inner) if inner is not None else type(function).__name__

    return str(found)


def check_name(name: object) -> None:
    """Raise for what cannot be the name of a task."""
    if not isinstance(name, str):
        raise TypeError(f"a task's name is a str, got {name!r}")

    if not name:
        raise ValueError("a task's name cannot be empty")


def _normal(given: Any, name: str, what: str) -> Any:
    """Return dependencies as a tuple, or as a dict if they came as a mapping."""
    if isinstance(given, (Task, Part, str)) or (
        callable(given) and not hasattr(given, "__iter__")
    ):
        return (given,)

    if isinstance(given, Mapping):
        if what == "after":
            raise TypeError(
                f"task {name!r}: after= takes a task or several; "
                f"a mapping binds results, so it goes to dependencies="
            )

        return {
            _checked_key(key, name): _checked(given[key], name, what) for key in given
        }

    try:
        return tuple([_checked(item, name, what) for item in given])
    except TypeError as error:
        if error.args and str(error.args[0]).startswith("task "):
            raise

        raise TypeError(
            f"task {name!r}: {what}= takes a task, a function, a name, or several of "
            f"them, got {given!r}"
        ) from None


def _checked(item: Any, name: str, what: str) -> Any:
    if isinstance(item, (Task, Part, str)) or callable(item):
        return item

    raise TypeError(
        f"task {name!r}: {what}= holds {item!r}, "
        f"which is neither a task, a function nor a name"
    )


def _checked_key(key: Any, name: str) -> str:
    if isinstance(key, str):
        return key

    raise TypeError(
        f"task {name!r}: the keys of dependencies= are parameter names, got {key!r}"
    )
