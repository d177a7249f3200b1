"""Checking of what `task()` and `graph.add()` take beside function and wiring."""

from __future__ import annotations

from collections.abc import Mapping

from ._core.machine import TRIGGERS
from ._core.policy import Retry, seconds
from ._declare import make_task, name_of
from ._names import hint, listed, nearest
from ._task import DEFAULT_OPTIONS, NOTHING, Options
from .executors import check_executor
from .executors.threads import checked_count

ON_ERROR = ("raise", "continue", "rollback")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, MutableMapping
    from os import PathLike
    from typing import Any, TypeAlias, TypedDict

    from typing_extensions import Unpack

    from ._definition import Target
    from ._task import Dependencies, Task
    from .executors import AnyExecutor, Executor
    from .observers import LogFile, ProgressDisplay

    #: Where log records go: the path of a file, or more about it.
    Log: TypeAlias = str | PathLike[str] | LogFile
    #: Whose results a run keeps: "all", "targets", or those of some tasks.
    Keep: TypeAlias = str | Iterable[Target]

    class TaskOptions(TypedDict, total=False):
        """Hold what `task()` takes beside graph, name and wiring."""

        outputs: Iterable[str]
        kwargs: Mapping[str, Any] | None
        executor: AnyExecutor | None
        retry: int | Retry | None
        timeout: float | None
        trigger: str
        limit: str | Mapping[str, int] | None
        priority: int
        tags: Iterable[str]
        fallback: str | None
        log: Log | None

    class NamedOptions(TaskOptions, total=False):
        """Hold what `graph.add()` takes beside the callable."""

        name: str | None
        dependencies: Dependencies
        after: Dependencies

    class RunOptions(TypedDict, total=False):
        """Hold what `graph.run()` takes beside the inputs."""

        targets: Iterable[Target] | None
        executor: AnyExecutor | None
        max_concurrency: int | None
        on_error: str | None
        timeout: float | None
        grace: float | None
        keep: Keep
        observers: Iterable[object]
        progress: bool | ProgressDisplay
        shared: MutableMapping[str, Any] | None
        n_jobs: int | None


def new_task(
    function: Callable[..., Any],
    name: str | None = None,
    dependencies: Dependencies = NOTHING,
    after: Dependencies = NOTHING,
    **options: Unpack[TaskOptions],
) -> Task[..., Any]:
    """Return a free task of `function`; see `syncra.task` for the parameters."""
    checked = options_from(name or function, **options) if options else DEFAULT_OPTIONS
    return make_task(function, name, dependencies, after, checked)


def options_from(
    function: object,
    *,
    outputs: Iterable[str] = NOTHING,
    kwargs: Mapping[str, Any] | None = None,
    executor: AnyExecutor | None = None,
    retry: int | Retry | None = None,
    timeout: float | None = None,
    trigger: str = "all_succeeded",
    limit: str | Mapping[str, int] | None = None,
    priority: int = 0,
    tags: Iterable[str] = NOTHING,
    fallback: str | None = None,
    log: Log | None = None,
    **unknown: object,
) -> Options:
    """Return the options of a task, each of them checked.

    Parameters:
        function: the callable, or the name of the task, for messages.
        outputs: names of the parts of the result.
        kwargs: constants by parameter name.
        executor: how the task is executed, or None for that of the graph.
        retry: how often it is tried in all, or a policy.
        timeout: the most seconds an attempt may take.
        trigger: when it runs, by what became of the tasks it waits for.
        limit: what it takes of the limits of its graph while it runs.
        priority: of several ready tasks the one with the highest is next.
        tags: labels of the task.
        fallback: "threads" for a function that cannot leave this process.
        log: the file that its log records are written to.

    Raises:
        TypeError: if something has the wrong type, or there is no such option.
        ValueError: if a value is out of its range or there is no such executor.
    """
    name = function if isinstance(function, str) else name_of(function)
    whose = f"task {name!r}"
    if unknown:
        known = [*(options_from.__kwdefaults__ or ()), "name", "dependencies", "after"]
        raise no_such_option(next(iter(unknown)), whose, known)

    if executor is not None:
        executor = check_executor(executor, whose)
    if trigger not in TRIGGERS:
        raise ValueError(
            f"{whose}: trigger is one of {listed(TRIGGERS)}, got {trigger!r}."
            + hint(nearest(str(trigger), TRIGGERS))
        )

    if fallback not in (None, "threads"):
        raise ValueError(f'{whose}: fallback is "threads" or None, got {fallback!r}')

    if type(priority) is not int:
        raise TypeError(f"{whose}: priority is an int, got {priority!r}")

    rest = kwargs, executor, retry, timeout, limit, fallback, log
    if (
        outputs is tags is NOTHING
        and all(one is None for one in rest)
        and trigger == "all_succeeded"
        and priority == 0
    ):
        return DEFAULT_OPTIONS

    return Options(
        outputs=_names(outputs, whose, "outputs"),
        kwargs=_constants(kwargs, whose),
        executor=executor,
        retry=_retry(retry, whose),
        timeout=None if timeout is None else seconds(timeout, f"{whose}: timeout"),
        trigger=trigger,
        limit=_limit(limit, whose),
        priority=priority,
        tags=frozenset(_names(tags, whose, "tags")),
        fallback=fallback,
        log=None if log is None else log_file(log, whose),
    )


def _constants(kwargs: Mapping[str, Any] | None, whose: str) -> dict[str, Any]:
    if kwargs is None:
        return {}

    if not isinstance(kwargs, Mapping):
        raise TypeError(
            f"{whose}: kwargs= is a mapping of parameter names to values, "
            f"got {kwargs!r}"
        )

    if not all(isinstance(key, str) for key in kwargs):
        raise TypeError(f"{whose}: the keys of kwargs= are parameter names")

    return dict(kwargs)


def _retry(retry: int | Retry | None, whose: str) -> Retry | None:
    if retry is None or isinstance(retry, Retry):
        return retry

    if isinstance(retry, bool) or not isinstance(retry, int):
        raise TypeError(
            f"{whose}: retry is the number of attempts in all, or a Retry, "
            f"got {retry!r}"
        )

    if retry < 1:
        raise ValueError(
            f"{whose}: retry is the number of attempts in all, at least 1, got {retry}"
        )

    return Retry(retry)


def log_file(log: Log, whose: str) -> LogFile:
    """Return where log records are to go.

    Raises:
        TypeError: if it is no path and no `LogFile`.
    """
    from .observers._log_file import LogFile

    if isinstance(log, LogFile):
        return log

    if not isinstance(log, str) and not hasattr(log, "__fspath__"):
        raise TypeError(
            f"{whose}: log is the path of a file, or a LogFile, got {log!r}"
        )

    return LogFile(log)


def _limit(
    limit: str | Mapping[str, int] | None, whose: str
) -> Mapping[str, int] | None:
    if limit is None:
        return None

    if isinstance(limit, str):
        limit = {limit: 1}
    if not hasattr(limit, "items"):
        raise TypeError(
            f"{whose}: limit is the name of a limit of the graph, or a mapping of "
            f"names to how much of them the task takes, got {limit!r}"
        )

    return checked_limits(limit, f"{whose}: limit") or None


def checked_limits(limits: Mapping[str, int] | None, whose: str) -> dict[str, int]:
    """Return amounts by name, or raise for what cannot be such.

    Raises:
        TypeError: if a name is no str or an amount no int.
        ValueError: if an amount is not positive.
    """
    if limits is None:
        return {}

    if not hasattr(limits, "items"):
        raise TypeError(f"{whose}: a mapping of names to amounts, got {limits!r}")

    found = dict(limits)
    for name, amount in found.items():
        if not isinstance(name, str):
            raise TypeError(f"{whose} has names for keys, got {name!r}")

        checked_count(amount, f"{whose} {name!r}")
    return found


class Settings:
    """Hold how one run is run.

    Attributes:
        executor: what runs tasks that name no executor of their own.
        on_error: "raise", "continue" or "rollback".
        timeout: the most seconds the run may take, or None.
        grace: seconds that what is to end has for it, or None for the default.
        max_concurrency: the most tasks that may be running at once, or None.
        kept: ids of the tasks whose results are kept; None if all are.
        observers: who is told what happens.
        shared: the mapping that the tasks share; a new one if None.
    """

    __slots__ = (
        "executor",
        "grace",
        "kept",
        "max_concurrency",
        "observers",
        "on_error",
        "shared",
        "timeout",
    )

    def __init__(
        self,
        executor: str | Executor,
        on_error: str,
        timeout: float | None = None,
        grace: float | None = None,
    ) -> None:
        self.kept: frozenset[int] | None = None
        self.observers: tuple[object, ...] = ()
        self.max_concurrency: int | None = None
        self.shared: MutableMapping[str, Any] | None = None
        self.executor = executor
        self.on_error = on_error
        self.timeout = timeout
        self.grace = grace


def check_on_error(on_error: object, whose: str) -> None:
    """Raise a ValueError unless it is one of the policies."""
    if on_error not in ON_ERROR:
        raise ValueError(
            f"{whose}: on_error is one of {listed(ON_ERROR)}, got {on_error!r}."
            + hint(nearest(str(on_error), ON_ERROR))
        )


def no_such_option(name: str, whose: str, known: Iterable[str]) -> TypeError:
    """Return the error for an option that nobody knows."""
    return TypeError(
        f"{whose}: there is no option {name!r}." + hint(nearest(name, known))
    )


def _names(given: Iterable[str], whose: str, what: str) -> tuple[str, ...]:
    if isinstance(given, str):
        given = (given,)
    try:
        names = tuple(given)
    except TypeError:
        raise TypeError(
            f"{whose}: {what}= takes a name or several, got {given!r}"
        ) from None

    for name in names:
        if not isinstance(name, str) or not name:
            raise TypeError(f"{whose}: {what}= holds names, got {name!r}")

    if len(set(names)) < len(names):
        raise ValueError(f"{whose}: {what}= names {names} hold one of them twice")

    return names
