"""What a graph is made of: named tasks, put together, looked at and compiled."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from threading import RLock

from ._compile import Compiler
from ._copying import Copied
from ._drawable import Drawable
from ._gathering import Gathering
from ._lookup import of_another_graph
from ._names import hint, listed, nearest
from ._redefinition import is_redefinition
from ._task import Part, Task
from .errors import (
    DuplicateTaskError,
    GraphError,
    TaskNotFoundError,
    UnknownDependencyError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Self, TypeAlias

    from ._compiled import Compiled
    from ._inputs import Input

    Target: TypeAlias = "Task[..., Any] | str | Callable[..., Any]"

#: How many different `targets=` a graph remembers the compiled form of.
_MOST_KEPT = 32


class Definition(Copied, Gathering, Drawable, Mapping[str, "Task[..., Any]"]):
    """Hold named tasks and the edges between them, and compile them when asked.

    `Graph` adds to it how tasks are declared and how they are run.

    Parameters:
        name: what messages and records call it; "graph" if None.
        limits: how much there is of what tasks take while they run, by name.
    """

    def __init__(
        self, name: str | None = None, limits: Mapping[str, int] | None = None
    ) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"a graph's name is a str, got {name!r}")

        if name == "":
            raise ValueError("a graph's name cannot be empty")

        self.name = name if name is not None else "graph"
        #: What it is for.
        self.description: str | None = None
        #: What it says itself of its inputs.
        self._declared: dict[str, Input] = {}
        self._limits = dict(limits or {})
        self._begin()

    def _begin(self) -> None:
        self._tasks: dict[str, Task[..., Any]] = {}
        self._overrides: dict[str, Callable[..., Any]] = {}
        self._compiled: dict[frozenset[str] | None, Compiled] = {}
        # Guards changes and compilation; runs work on what was compiled.
        self._lock = RLock()

    # Putting it together.

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
            upstream = dependency.task if type(dependency) is Part else dependency
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
    ) -> Iterator[Self]:
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
        if not isinstance(replacements, Mapping):
            raise TypeError(
                f"override takes a mapping of tasks to functions, got {replacements!r}"
            )

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
            return self._tasks[self._name_of(name)]

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

    def __str__(self) -> str:
        from .views.text import tree

        return tree(self.name, list(self._tasks.values()), self.compiled)

    def _to_draw(self) -> tuple[Compiled, None]:
        return self.compiled(), None

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
            compiler = self._compiler(self._tasks.copy())
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
        return self._compiler(tasks).compile()

    def _compiler(
        self,
        tasks: Mapping[str, Task[..., Any]],
        overrides: Mapping[str, Callable[..., Any]] | None = None,
    ) -> Compiler:
        """Return what compiles some of the tasks, as overridden unless said so."""
        if overrides is None:
            overrides = self._overrides
        return Compiler(self.name, tasks, overrides, self._limits, self._declared)

    def _compiled_for(self, whole: Compiled, targets: Iterable[Target]) -> Compiled:
        names = self.names_of(targets)
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

    def names_of(self, targets: Iterable[Target]) -> frozenset[str]:
        """Return the names of tasks given as tasks, names or functions, or of one."""
        if isinstance(targets, (str, Task)) or callable(targets):
            targets = (targets,)
        try:
            names = list(targets)
        except TypeError:
            raise TypeError(
                f"run of graph {self.name!r}: targets= takes a task or several, "
                f"got {targets!r}"
            ) from None

        return frozenset(map(self._name_of, names))

    def accepted_inputs(self, partly: bool) -> Mapping[str, Any]:
        """Return inputs that a run need not use: of other tasks, of overridden ones."""
        known: dict[str, Any] = {}
        if partly:
            known.update(self.compiled().inputs)
        if self._overrides:
            known.update(self._compiler(self._tasks, overrides={}).compile().inputs)
        return known

    def _name_of(self, target: object) -> str:
        """Return the name of a task given as task, name or function."""
        if isinstance(target, Task):
            there = self._tasks.get(target.name)
            if there is target or (there is not None and target.graph is self):
                return target.name

            if there is not None:
                raise of_another_graph(f"graph {self.name!r}", target)

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


def depends_on(task: Task[..., Any], upstream: Task[..., Any]) -> bool:
    """Return whether a task names another among its dependencies."""
    given = task.dependencies
    for item in (*(given.values() if isinstance(given, dict) else given), *task.after):
        one = item.task if type(item) is Part else item
        if one is upstream or one is upstream.function:
            return True

        if isinstance(one, str) and one == upstream.name:
            return True

    return False
