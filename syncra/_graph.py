"""A graph: named tasks and the edges between them. It holds nothing of any run."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from threading import RLock

from ._compile import Compiler, check_inputs
from ._loops import running_library
from ._names import hint, listed, nearest, place_of
from ._options import options_from
from ._task import DEFAULT_OPTIONS, Task, make_task
from .errors import (
    DuplicateTaskError,
    GraphError,
    TaskNotFoundError,
    UnknownDependencyError,
)
from .executors import check_executor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator
    from typing import Any, ParamSpec, TypeAlias, TypeVar, overload

    from ._compile import Compiled, Input
    from ._run import Run
    from ._task import AsyncTask, Dependencies
    from .executors import Executor

    P = ParamSpec("P")
    R = TypeVar("R")
    Target: TypeAlias = "Task[..., Any] | str | Callable[..., Any]"

ON_ERROR = ("raise", "continue")

#: How many different `targets=` a graph remembers the compiled form of.
_MOST_KEPT = 32


class Graph(Mapping[str, "Task[..., Any]"]):
    """Collect tasks that depend on one another, and run them.

    A graph is a mapping of name to `Task`, in the order the tasks were added. Calling
    it runs it: `graph(path="data.csv")` in a script, `await graph(path="data.csv")`
    inside an event loop. It can run many times, at once too.

    Parameters:
        name: what messages and records call it; "graph" if None.
        executor: how tasks are executed that do not say so themselves: "auto"
            (coroutines on the event loop, functions in threads), "sequential",
            "threads", or an executor.
        on_error: what a failing task does to the run: "raise" ends it and raises,
            "continue" skips what depends on the task.

    Raises:
        ValueError: if there is no such executor or policy.

    Example:
        >>> from syncra import Graph
        >>> graph = Graph("sums")
        >>> @graph.task
        ... def numbers(count: int) -> list[int]:
        ...     return list(range(count))
        >>> @graph.task(dependencies=numbers)
        ... def total(numbers: list[int]) -> int:
        ...     return sum(numbers)
        >>> graph(count=4)[total]
        6
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        executor: str | Executor = "auto",
        on_error: str = "raise",
    ) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"a graph's name is a str, got {name!r}")

        if name == "":
            raise ValueError("a graph's name cannot be empty")

        self.name = name if name is not None else "graph"
        whose = f"graph {self.name!r}"
        check_executor(executor, whose)
        check_on_error(on_error, whose)
        self.executor = executor
        self.on_error = on_error
        self._tasks: dict[str, Task[..., Any]] = {}
        self._overrides: dict[str, Callable[..., Any]] = {}
        self._compiled: dict[frozenset[str] | None, Compiled] = {}
        # Guards changes and compilation; runs work on what was compiled.
        self._lock = RLock()

    # Putting it together.

    if TYPE_CHECKING:

        @overload
        def task(
            self, function: Callable[P, Coroutine[Any, Any, R]], /
        ) -> AsyncTask[P, R]: ...
        @overload
        def task(self, function: Callable[P, R], /) -> Task[P, R]: ...
        @overload
        def task(
            self,
            *,
            name: str | None = None,
            dependencies: Dependencies = (),
            after: Dependencies = (),
            outputs: Iterable[str] = (),
            kwargs: Mapping[str, Any] | None = None,
            executor: str | Executor | None = None,
            tags: Iterable[str] = (),
        ) -> _Decorator: ...
        def task(self, *args: Any, **options: Any) -> Any: ...
    else:

        def task(
            self,
            function=None,
            /,
            *,
            name=None,
            dependencies=(),
            after=(),
            outputs=(),
            kwargs=None,
            executor=None,
            tags=(),
        ):
            """Make a task of the decorated function and add it to this graph.

            Used as `@graph.task` or `@graph.task(...)`, with the parameters of
            `syncra.task` except `graph`.
            """

            def decorate(function):
                return self._add(
                    make_task(
                        function,
                        name,
                        dependencies,
                        after,
                        options_from(function, outputs, kwargs, executor, tags),
                    ),
                    redefines=True,
                )

            return decorate if function is None else decorate(function)

    if TYPE_CHECKING:

        @overload
        def add(
            self,
            item: Graph,
            *,
            name: str | None = None,
            dependencies: Dependencies = (),
            after: Dependencies = (),
            outputs: Iterable[str] = (),
            kwargs: Mapping[str, Any] | None = None,
            executor: str | Executor | None = None,
            tags: Iterable[str] = (),
        ) -> Task[..., Run]: ...
        @overload
        def add(
            self,
            item: AsyncTask[P, R] | Callable[P, Coroutine[Any, Any, R]],
            *,
            name: str | None = None,
            dependencies: Dependencies = (),
            after: Dependencies = (),
            outputs: Iterable[str] = (),
            kwargs: Mapping[str, Any] | None = None,
            executor: str | Executor | None = None,
            tags: Iterable[str] = (),
        ) -> AsyncTask[P, R]: ...
        @overload
        def add(
            self,
            item: Callable[P, R],
            *,
            name: str | None = None,
            dependencies: Dependencies = (),
            after: Dependencies = (),
            outputs: Iterable[str] = (),
            kwargs: Mapping[str, Any] | None = None,
            executor: str | Executor | None = None,
            tags: Iterable[str] = (),
        ) -> Task[P, R]: ...
        def add(self, *args: Any, **options: Any) -> Any: ...
    else:

        def add(
            self,
            item,
            *,
            name=None,
            dependencies=(),
            after=(),
            outputs=(),
            kwargs=None,
            executor=None,
            tags=(),
        ):
            """Add a task and return it.

            Parameters:
                item: a callable; a free task; a task of another graph, of whose
                    function another task is made; or a graph, which becomes one task.
                name: name of the task; that of the callable if None.
                dependencies: upstream tasks, see `syncra.task`.
                after: upstream tasks that only have to finish first.
                outputs: names of the parts of the result.
                kwargs: constants by parameter name.
                executor: how the task is executed.
                tags: labels of the task.

            Raises:
                DuplicateTaskError: if the name is taken by something else.
                GraphError: if the callable or a dependency cannot be used.
            """
            if outputs == () and kwargs is None and executor is None and tags == ():
                options = DEFAULT_OPTIONS
            else:
                options = options_from(item, outputs, kwargs, executor, tags)
            if type(item) is not _function:
                if isinstance(item, Task) and item.graph is None:
                    if (
                        name is None
                        and dependencies == ()
                        and options is DEFAULT_OPTIONS
                    ):
                        return self._add(item, redefines=False)

                if isinstance(item, Graph):
                    from ._nested import nested

                    name = name or item.name
                    item = nested(item, self)
            return self._add(
                make_task(item, name, dependencies, after, options), redefines=False
            )

    def _add(self, task: Task[..., Any], redefines: bool) -> Any:
        """Add a task that belongs to no graph yet."""
        with self._lock:
            if task.dependencies or task.after:
                self._adopt_dependencies(task)
            self._place(task, redefines)
        return task

    def _place(self, task: Task[..., Any], redefines: bool) -> None:
        name = task.name
        there = self._tasks.get(name)
        if there is not None and not is_redefinition(there, task, redefines):
            raise DuplicateTaskError(
                f"graph {self.name!r} has a task {name!r} already: "
                f"{there.place} and {task.place}. Give one of them another name with "
                f"name=, or remove the old one with graph.remove({name!r}).",
                name,
                (there.place, task.place),
            )

        task.graph = self
        self._tasks[name] = task
        if self._compiled:
            self._compiled = {}

    def _adopt_dependencies(self, task: Task[..., Any]) -> None:
        """Take in the free tasks among the dependencies; refuse those of others."""
        given = task.dependencies
        for dependency in (
            *(given.values() if isinstance(given, dict) else given),
            *task.after,
        ):
            upstream = getattr(dependency, "task", dependency)
            if not isinstance(upstream, Task) or upstream.graph is self:
                continue

            if upstream.graph is None:
                self._add(upstream, redefines=True)
            else:
                raise UnknownDependencyError(
                    f"task {task.name!r} ({task.place}) of graph {self.name!r} depends "
                    f"on task {upstream.name!r} of graph {upstream.graph.name!r}. A "
                    f"task's dependencies are of its own graph: add the other graph "
                    f"to this one as one task, or make another task of the function.",
                    task.name,
                    upstream.name,
                )

    def remove(self, task: Target) -> Task[..., Any]:
        """Remove a task and return it, free again.

        Parameters:
            task: the task, its name or its function.

        Raises:
            TaskNotFoundError: if it is not in the graph.
            GraphError: if other tasks depend on it.
        """
        with self._lock:
            name = self._name_of(task)
            needed_by = [
                other.name
                for other in self._tasks.values()
                if other.name != name and depends_on(other, self._tasks[name])
            ]
            if needed_by:
                raise GraphError(
                    f"task {name!r} of graph {self.name!r} is still needed by "
                    f"{listed(needed_by)}. Remove those first."
                )

            removed = self._tasks.pop(name)
            removed.graph = None
            self._compiled = {}
            return removed

    @contextmanager
    def override(
        self, replacements: Mapping[Target, Callable[..., Any]]
    ) -> Iterator[Graph]:
        """Let other functions stand in for those of tasks, for a test.

        Inside the `with` block each run uses the replacements, whoever starts it. They
        are wired by their own parameters, and may be sync or async whatever the
        originals are. Inputs that only the originals have are accepted and unused.

        Parameters:
            replacements: functions by task, task name or function.

        Raises:
            TaskNotFoundError: if one is not for a task of the graph.
            TypeError: if one cannot be called.

        Example:
            >>> from syncra import Graph
            >>> graph = Graph("weather")
            >>> @graph.task
            ... def temperature() -> float:
            ...     raise OSError("no network in tests")
            >>> with graph.override({temperature: lambda: 21.5}):
            ...     graph()[temperature]
            21.5
        """
        given = {}
        for target, function in replacements.items():
            name = self._name_of(target)
            if not callable(function):
                raise TypeError(
                    f"override of task {name!r}: expected a function, got "
                    f"{function!r}. For a fixed value write `lambda: value`."
                )

            given[name] = function.function if isinstance(function, Task) else function
        with self._lock:
            before = self._overrides
            self._overrides = {**before, **given}
            self._compiled = {}
        try:
            yield self
        finally:
            with self._lock:
                self._overrides = before
                self._compiled = {}

    # Looking at it.

    def __getitem__(self, name: str) -> Task[..., Any]:
        task = self._tasks.get(name)
        if task is None:
            raise self._not_found(name)

        return task

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, item: object) -> bool:
        if isinstance(item, Task):
            return self._tasks.get(item.name) is item

        return item in self._tasks

    # Two graphs are never the same, and an empty one is still a graph.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<Graph {self.name!r} of {len(self._tasks)} tasks>"

    @property
    def inputs(self) -> dict[str, Input]:
        """Return a description of each input of the graph, by name.

        Raises:
            GraphError: if the graph has a mistake.
        """
        return dict(self.compiled().inputs)

    @property
    def is_async(self) -> bool:
        """Return whether any task of the graph is a coroutine function."""
        return any(self.compiled().is_async)

    def order(self) -> list[Task[..., Any]]:
        """Return the tasks in the topological order that "sequential" runs them in.

        Raises:
            GraphError: if the graph has a mistake.
        """
        compiled = self.compiled()
        return [compiled.tasks[task] for task in compiled.plan.order]

    def check(self) -> None:
        """Check the whole graph without running anything.

        Raises:
            GraphError: if there is one mistake, that mistake.
            ExceptionGroup: if there are several, of all of them.
        """
        with self._lock:
            compiler = Compiler(self.name, self._tasks.copy(), self._overrides)
        compiler.problems = []
        compiler.compile()
        if len(compiler.problems) == 1:
            raise compiler.problems[0]

        if compiler.problems:
            raise ExceptionGroup(
                f"graph {self.name!r} has {len(compiler.problems)} mistakes",
                compiler.problems,
            )

    def compiled(self, targets: Iterable[Target] | None = None) -> Compiled:
        """Return the graph, or what `targets` need of it, as runs need it.

        Made once and kept until the graph changes.
        """
        compiled = self._compiled.get(None)
        if compiled is None:
            with self._lock:
                compiled = self._compiled.get(None)
                if compiled is None:
                    compiled = self._compile(self._tasks)
                    self._compiled[None] = compiled
        if targets is None:
            return compiled

        return self._compiled_for(compiled, targets)

    def _compile(self, tasks: dict[str, Task[..., Any]]) -> Compiled:
        return Compiler(self.name, tasks, self._overrides).compile()

    def _compiled_for(self, whole: Compiled, targets: Iterable[Target]) -> Compiled:
        if isinstance(targets, (str, Task)) or callable(targets):
            targets = (targets,)
        names = frozenset(self._name_of(target) for target in targets)
        with self._lock:
            if self._compiled.get(None) is not whole:
                return self.compiled(names)  # changed meanwhile

            found = self._compiled.get(names)
            if found is None:
                needed = whole.plan.upstream(whole.ids[name] for name in names)
                if len(self._compiled) > _MOST_KEPT:
                    self._compiled = {None: whole}
                found = self._compiled[names] = self._compile(
                    {whole.names[task]: whole.tasks[task] for task in needed}
                )
            return found

    def _name_of(self, target: object) -> str:
        """Return the name of a task given as task, name or function."""
        if isinstance(target, Task):
            there = self._tasks.get(target.name)
            if there is target or (there is not None and target.graph is self):
                return target.name

            raise self._not_found(target.name)

        if isinstance(target, str):
            if target in self._tasks:
                return target

            raise self._not_found(target)

        names = [name for name, task in self._tasks.items() if task.function is target]
        if len(names) == 1:
            return names[0]

        shown = getattr(target, "__name__", None) or repr(target)
        if names:
            raise TaskNotFoundError(
                f"function {shown!r} has several tasks in graph {self.name!r}: "
                f"{listed(names)}. Name the one you mean.",
                target,
            )

        raise self._not_found(shown)

    def _not_found(self, name: object) -> TaskNotFoundError:
        suggestion = nearest(str(name), self._tasks)
        return TaskNotFoundError(
            f"graph {self.name!r} has no task {name!r}."
            + (hint(suggestion) if suggestion != name else ""),
            name,
            suggestion,
        )

    # Running it.

    def __call__(self, /, **inputs: Any) -> Run:
        """Run the graph with the given inputs.

        In a script it blocks and returns the finished `Run`. Inside a running event
        loop, asyncio's or trio's, it returns a `Run` to `await`.

        Parameters:
            inputs: the inputs of the graph, by parameter name.

        Raises:
            GraphError: if the graph has a mistake.
            InputError: if inputs are missing or unknown.
            BaseException: the original exception of the first task that fails, unless
                the graph says `on_error="continue"`.
        """
        from ._run import block, to_await

        if running_library() is None:
            return block(self._engine(inputs))

        return to_await(self._engine(inputs, in_loop=True))

    def run(
        self,
        inputs: Mapping[str, Any] | None = None,
        *,
        targets: Iterable[Target] | None = None,
        executor: str | Executor | None = None,
        on_error: str | None = None,
    ) -> Run:
        """Run the graph, block until its end, and return the `Run`.

        Works inside a running event loop too, as in a notebook cell: coroutines then
        run on a loop of their own in another thread.

        Parameters:
            inputs: the inputs of the graph, by parameter name.
            targets: run only these tasks and what they need.
            executor: overrides that of the graph.
            on_error: overrides that of the graph.

        Raises:
            GraphError: if the graph has a mistake.
            InputError: if inputs are missing or unknown.
            BaseException: the original exception of the first task that fails, unless
                `on_error` is "continue".
        """
        from ._run import block

        return block(self._engine(inputs, targets, executor, on_error))

    async def arun(
        self,
        inputs: Mapping[str, Any] | None = None,
        *,
        targets: Iterable[Target] | None = None,
        executor: str | Executor | None = None,
        on_error: str | None = None,
    ) -> Run:
        """Run the graph on the running event loop and return the `Run`.

        Never blocks the loop: coroutines run on it, functions in threads. Takes and
        raises what `run` does.
        """
        from ._run import to_await

        return await to_await(
            self._engine(inputs, targets, executor, on_error, in_loop=True)
        )

    def start(
        self,
        inputs: Mapping[str, Any] | None = None,
        *,
        targets: Iterable[Target] | None = None,
        executor: str | Executor | None = None,
        on_error: str | None = None,
    ) -> Run:
        """Start the graph in the background and return its `Run` at once.

        Takes what `run` does. The error of a task is raised by whoever asks for its
        result, by `await run` and by `run.raise_for_errors()`.

        Raises:
            GraphError: if the graph has a mistake.
            InputError: if inputs are missing or unknown.
        """
        from ._run import in_background

        return in_background(self._engine(inputs, targets, executor, on_error))

    def _engine(
        self,
        inputs: Mapping[str, Any] | None,
        targets: Iterable[Target] | None = None,
        executor: str | Executor | None = None,
        on_error: str | None = None,
        in_loop: bool = False,
    ) -> Any:
        """Return what will run the graph, everything that can be wrong checked."""
        from ._engine import Engine

        if executor is None:
            executor = self.executor
        else:
            check_executor(executor, f"run of graph {self.name!r}")
        if on_error is None:
            on_error = self.on_error
        else:
            check_on_error(on_error, f"run of graph {self.name!r}")
        compiled = self.compiled(targets)
        given = inputs if inputs is not None else {}
        if given or compiled.inputs:
            if given.keys() != compiled.inputs.keys():
                check_inputs(compiled, given, self._accepted(targets is not None))
        return Engine(compiled, given, executor, on_error, in_loop)

    def _accepted(self, partly: bool) -> Mapping[str, Any]:
        """Return inputs that a run need not use: of other tasks, of overridden ones."""
        known: dict[str, Any] = {}
        if partly:
            known.update(self.compiled().inputs)
        if self._overrides:
            known.update(Compiler(self.name, self._tasks, {}).compile().inputs)
        return known


def depends_on(task: Task[..., Any], upstream: Task[..., Any]) -> bool:
    """Return whether a task names another among its dependencies."""
    given = task.dependencies
    return any(
        getattr(item, "task", item) in (upstream, upstream.name, upstream.function)
        for item in (
            *(given.values() if isinstance(given, dict) else given),
            *task.after,
        )
    )


def is_redefinition(
    there: Task[..., Any], task: Task[..., Any], redefines: bool
) -> bool:
    """Return whether a task is an old one defined again, and so replaces it.

    A notebook cell that is run again or a module that is reloaded makes a new function
    of the same module and qualified name. Functions made in a loop have these in
    common too, but also their code: added one by one, they are different tasks.
    """
    old, new = there.function, task.function
    name = getattr(new, "__qualname__", None)
    if name is None or name.endswith("<lambda>"):
        return False

    if getattr(old, "__qualname__", None) != name:
        return False

    if getattr(old, "__module__", None) != getattr(new, "__module__", None):
        return False

    if redefines:
        return old is not new

    return getattr(old, "__code__", None) is not getattr(new, "__code__", None)


def check_on_error(on_error: object, whose: str) -> None:
    """Raise a ValueError unless it is one of the policies."""
    if on_error not in ON_ERROR:
        raise ValueError(
            f"{whose}: on_error is one of {listed(ON_ERROR)}, got {on_error!r}"
        )


if TYPE_CHECKING:
    from typing import Protocol

    class _Decorator(Protocol):
        """Turn a function into a task."""

        @overload
        def __call__(
            self, function: Callable[P, Coroutine[Any, Any, R]], /
        ) -> AsyncTask[P, R]: ...
        @overload
        def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...


_function = type(place_of)
