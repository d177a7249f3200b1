"""A task: a callable plus how to run it. It holds nothing of any run."""

from __future__ import annotations

from types import GenericAlias, MethodType

from ._names import place_of
from ._signature import (
    check_callable,
    is_coroutine_function,
    parameter_for_result,
    refuse_generator,
)
from .errors import SignatureError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping
    from typing import Any, ClassVar, Generic, TypeAlias, overload

    from typing_extensions import ParamSpec, TypeVar, Unpack

    from ._core.policy import Retry
    from ._graph import Graph
    from ._options import TaskOptions

    P = ParamSpec("P")
    R = TypeVar("R")
    F = TypeVar("F", bound=Callable[..., Any])

    Dependency: TypeAlias = "Task[..., Any] | Part | Callable[..., Any] | str"
    Dependencies: TypeAlias = (
        "Dependency | Iterable[Dependency] | Mapping[str, Dependency]"
    )

    class _Typed(Generic[P, R]):
        __slots__ = ()

else:
    # `typing` takes longer to import than all of Syncra, so at run time the class only
    # answers to a subscript.
    P = R = None

    class _Typed:
        __slots__ = ()
        __class_getitem__ = classmethod(GenericAlias)


#: What is given where nothing is. Compared by identity, since what is given may be an
#: array or a series of names, which compare otherwise. It is the `()` of users too.
NOTHING: tuple[()] = ()
_NO_KWARGS: Mapping[str, Any] = {}


class Options:
    """Hold how a task is run: all that `task()` takes beside function and wiring.

    One instance is shared by all tasks that say nothing special.
    """

    __slots__ = (
        "executor",
        "fallback",
        "kwargs",
        "limit",
        "log",
        "outputs",
        "priority",
        "retry",
        "tags",
        "timeout",
        "trigger",
    )

    def __init__(
        self,
        *,
        outputs: tuple[str, ...] = (),
        kwargs: Mapping[str, Any] = _NO_KWARGS,
        executor: Any = None,
        retry: Retry | None = None,
        timeout: float | None = None,
        trigger: str = "all_succeeded",
        tags: frozenset[str] = frozenset(),
        limit: Mapping[str, int] | None = None,
        priority: int = 0,
        fallback: str | None = None,
        log: Any = None,
    ) -> None:
        self.fallback = fallback
        self.log = log
        self.limit = limit
        self.priority = priority
        self.outputs = outputs
        self.kwargs = kwargs
        self.executor = executor
        self.retry = retry
        self.timeout = timeout
        self.trigger = trigger
        self.tags = tags


DEFAULT_OPTIONS = Options()


class _Doc:
    """Answer `Task.__doc__` for the class and the function's text for a task."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __get__(self, task: Task[..., Any] | None, owner: type) -> str | None:
        return self._text if task is None else task.function.__doc__


class Task(_Typed[P, R]):
    __doc__ = _Doc(
        """Run a callable as one task of a graph.

    Made by `@task`, `@graph.task`, `graph.add`, or by calling the class. Calling a task
    calls the function, so it is unit-tested like one; as a key of a `Run` it stands for
    its result. Without a graph a task joins that of its dependencies, a new one if they
    are free; without those it stays free, and `graph += task` adds it.

    Parameters:
        func: the callable.
        dependencies: upstream tasks whose results it may receive; see `syncra.task`.
        name: name of the task; that of the function if None.
        graph: the graph that the task joins, or its name.
        options: the other parameters of `syncra.task`.

    Raises:
        GraphError: if the callable or a dependency cannot be used.

    Example:
        >>> from syncra import Task
        >>> rows = Task(name="rows", func=lambda: [1, 2, 3])
        >>> total = Task(name="total", func=sum, dependencies=rows)
        >>> total.graph()[total]
        6

    Attributes:
        name: its name in the graph.
        function: the callable.
        graph: the graph it belongs to, or None as long as it is free.
        dependencies: upstream tasks whose results it may receive, as declared.
        after: upstream tasks that only have to finish first, as declared.
    """
    )

    __slots__ = (
        "__weakref__",
        "after",
        "dependencies",
        "function",
        "graph",
        "name",
        "options",
        "undo",
        "undo_takes",
    )

    if TYPE_CHECKING:

        @overload
        def __new__(
            cls,
            func: Callable[P, Coroutine[Any, Any, R]],
            dependencies: Dependencies | None = (),
            *,
            name: str | None = None,
            after: Dependencies = (),
            graph: str | Graph | None = None,
            **options: Unpack[TaskOptions],
        ) -> AsyncTask[P, R]: ...
        @overload
        def __new__(
            cls,
            func: Callable[P, R],
            dependencies: Dependencies | None = (),
            *,
            name: str | None = None,
            after: Dependencies = (),
            graph: str | Graph | None = None,
            **options: Unpack[TaskOptions],
        ) -> Task[P, R]: ...
        def __new__(cls, *args: Any, **options: Any) -> Any: ...

    else:

        def __init__(self, func, dependencies=(), *, graph=None, **options):
            Task._declare(self, func, dependencies, graph, options)

    #: What fills and places a task that is made by calling the class. It knows graphs,
    #: so it comes from above, with `_decorator`, which is where `syncra.Task` is from.
    _declare: ClassVar[Callable[..., None]]

    function: Callable[P, Any]
    name: str
    dependencies: tuple[Dependency, ...] | dict[str, Dependency]
    after: tuple[Dependency, ...]
    options: Options
    graph: Any
    #: What undoes it in a rollback, and the parameter that takes its result.
    undo: Callable[..., Any] | None
    undo_takes: str | None

    def _fill(
        self,
        function: Callable[P, Any],
        name: str,
        dependencies: Any = (),
        after: tuple[Dependency, ...] = (),
        options: Options = DEFAULT_OPTIONS,
    ) -> None:
        """Take what has been checked; the task is free then."""
        self.function = function
        self.name = name
        self.dependencies = dependencies
        self.after = after
        self.options = options
        self.graph = None
        self.undo = None
        self.undo_takes = None

    def rollback(self, function: F) -> F:
        """Have `function` undo the task when a run with `on_error="rollback"` fails.

        Used as a decorator. Only what has succeeded is undone, in reverse order of
        completion. The retry, timeout and executor of the task hold for its undoing
        too, but what cannot be sent to another process is done in a thread here.

        Parameters:
            function: takes the result of the task, or nothing, and a `Context` if a
                parameter is annotated so; sync or async.

        Raises:
            SignatureError: if it takes anything else.

        Example:
            >>> from syncra import Graph
            >>> graph = Graph("order", on_error="rollback")
            >>> @graph.task
            ... def charge() -> str:
            ...     return "payment 17"
            >>> @charge.rollback
            ... def refund(payment: str) -> None:
            ...     print("refunded", payment)
            >>> @graph.task(after=charge)
            ... def ship() -> None:
            ...     raise OSError("no truck")
            >>> try:
            ...     graph()
            ... except OSError as error:
            ...     print(error)
            refunded payment 17
            no truck
        """
        check_callable(function, self.name)
        refuse_generator(function, self.name)
        self.undo_takes = parameter_for_result(function, self.name)
        self.undo = function
        return function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)  # type: ignore[no-any-return]

    @property
    def __wrapped__(self) -> Callable[P, Any]:
        return self.function

    @property
    def __name__(self) -> str:
        return getattr(self.function, "__name__", self.name)

    @property
    def is_async(self) -> bool:
        """Return whether the callable gives a coroutine."""
        return is_coroutine_function(self.function)

    @property
    def place(self) -> str:
        """Return where the callable is defined, as "file:line"."""
        return place_of(self.function)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Return the names of the parts of the result."""
        return self.options.outputs

    @property
    def tags(self) -> frozenset[str]:
        """Return the labels given to the task."""
        return self.options.tags

    def __getattr__(self, name: str) -> Any:
        # What looks like the function's own (`__qualname__`, `__annotations__`,
        # `__defaults__`) is the function's; everything else is a mistake.
        if name.startswith("__") and name not in ("__wrapped__", "__name__"):
            return getattr(self.function, name)

        raise AttributeError(
            f"{type(self).__name__!r} object has no attribute {name!r}"
        )

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        # A task written in a class body is called like the method it was.
        if instance is None or isinstance(self.function, staticmethod):
            return self

        return MethodType(self, instance)

    def __getitem__(self, output: str) -> Part:
        """Return one part of the result, for `dependencies=` and for `run[...]`.

        Parameters:
            output: one of the names given as `outputs=`.

        Raises:
            SignatureError: if the task has no such output.
        """
        if output not in self.options.outputs:
            from ._names import hint, nearest

            known = self.options.outputs
            raise SignatureError(
                f"task {self.name!r} ({self.place}) has no output {output!r}; "
                + (
                    f"its outputs are {', '.join(known)}."
                    if known
                    else "name its parts with outputs=(...)."
                )
                + hint(nearest(str(output), known)),
                self.name,
            )

        return Part(self, output)

    # Without this, `iter(task)` would try task[0], task[1], ...
    __iter__ = None

    def __and__(self, other: Any) -> tuple[Any, ...]:
        if isinstance(other, tuple):
            return (self, *other)

        return (self, other) if isinstance(other, (Task, Part)) else NotImplemented

    def __rand__(self, other: Any) -> tuple[Any, ...]:
        return (*other, self) if isinstance(other, tuple) else NotImplemented

    def __repr__(self) -> str:
        graph = self.graph
        where = f" of graph {graph.name!r}" if graph is not None else ""
        return f"<Task {self.name!r}{where}>"

    def __reduce__(self) -> Any:
        return _reduce(self)


class AsyncTask(Task[P, R]):
    """Run a coroutine function as one task: called, it gives the coroutine.

    It differs from `Task` for type checkers only: `run[task]` is what the coroutine
    returns, and `await task(...)` is allowed.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        def __call__(  # type: ignore[override]
            self, *args: P.args, **kwargs: P.kwargs
        ) -> Coroutine[Any, Any, R]: ...


class Part:
    """Stand for one named part of a task's result."""

    __slots__ = ("output", "task")

    def __init__(self, task: Task[..., Any], output: str) -> None:
        self.task = task
        self.output = output

    def __and__(self, other: Any) -> tuple[Any, ...]:
        if isinstance(other, tuple):
            return (self, *other)

        return (self, other) if isinstance(other, (Task, Part)) else NotImplemented

    def __rand__(self, other: Any) -> tuple[Any, ...]:
        return (*other, self) if isinstance(other, tuple) else NotImplemented

    def __repr__(self) -> str:
        return f"<Part {self.output!r} of task {self.task.name!r}>"


def _reduce(task: Task[..., Any]) -> Any:
    """Pickle by reference: a task is found again where its module or graph has it."""
    import pickle
    import sys

    function = task.function
    module = getattr(function, "__module__", None)
    path = getattr(function, "__qualname__", None)
    if module and path:
        found: Any = sys.modules.get(module)
        for part in path.split("."):
            found = getattr(found, part, None)
        if found is task:
            return _find, (module, path)

    raise pickle.PicklingError(
        f"task {task.name!r} cannot be pickled: it is not found as "
        f"{module}.{path}, and tasks are pickled by reference"
    )


def _find(module: str, path: str) -> Any:
    import importlib

    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found
