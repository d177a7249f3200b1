"""From the tasks of a graph to what a run needs: all names, edges and wiring settled.

This is where every mistake in a graph is found: before anything runs.
"""

from __future__ import annotations

from ._binding import FromInput, Link, TaskLabel, bind
from ._calls import (
    Layout,
    WithKeywords,
    WithOutputs,
    WithOutputsAsync,
    arguments_of,
    fetch,
)
from ._compiled import Compiled
from ._core.machine import ALL_DONE, ALL_SUCCEEDED, TRIGGERS
from ._core.plan import Plan, PlanCycle
from ._inputs import Input
from ._names import hint, listed, nearest, place_of
from ._signature import EMPTY, is_coroutine_function, signature_of
from ._task import DEFAULT_OPTIONS, Part, Task
from .errors import CycleError, GraphError, SignatureError, UnknownDependencyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from ._binding import Binding


#: How many mistakes are told with what may have been meant; to find that takes time.
MANY_PROBLEMS = 20

_NOTHING_DECLARED: Mapping[str, Input] = {}


class Compiler:
    """Compile the tasks of one graph.

    Parameters:
        graph: name of the graph, for messages.
        tasks: the tasks by name, in the order they were added.
        overrides: functions that stand in for those of tasks, by task name.
        limits: how much there is of what tasks take while they run, by name.
        declared: what the graph itself says of inputs, by name.
    """

    def __init__(
        self,
        graph: str,
        tasks: Mapping[str, Task[..., Any]],
        overrides: Mapping[str, Callable[..., Any]],
        limits: Mapping[str, int],
        declared: Mapping[str, Input] = _NOTHING_DECLARED,
    ) -> None:
        self._limits = limits
        self._declared = declared
        self._graph = graph
        self._tasks = tasks
        self._overrides = overrides
        self._ids = {name: index for index, name in enumerate(tasks)}
        self._by_function: dict[int, list[str]] | None = None
        self._layout = Layout(len(tasks))
        self._inputs: dict[str, Input] = {}
        #: Problems found so far, if they are collected instead of raised.
        self.problems: list[GraphError] | None = None

    def compile(self) -> Compiled:
        """Return the compiled graph, or raise the first mistake found.

        Raises:
            UnknownDependencyError: if a dependency is not a task of the graph.
            CycleError: if tasks wait for one another.
            SignatureError: if a function cannot be called with what is there for it.
        """
        compiled = Compiled()
        count = len(self._tasks)
        compiled.graph = self._graph
        compiled.tasks = tuple(self._tasks.values())
        compiled.names = tuple(self._tasks)
        compiled.ids = self._ids
        compiled.functions = [None] * count  # type: ignore[list-item]
        compiled.arguments = [None] * count
        compiled.is_async = bytearray(count)
        compiled.limits = {}
        compiled.retries = {}
        compiled.triggers = compiled.priorities = compiled.order = None
        compiled.capacities = list(self._limits.values())
        compiled.needs = {}
        compiled.logs = {}
        predecessors: list[Sequence[int]] = [()] * count
        for task, definition in enumerate(compiled.tasks):
            try:
                predecessors[task] = self._add(compiled, task, definition)
            except GraphError as error:
                if self.problems is None:
                    raise

                self.problems.append(error)
        try:
            compiled.plan = Plan(predecessors, self._ids.values())
        except PlanCycle as found:
            problem = self._cycle(found.path)
            if self.problems is None:
                raise problem from None

            self.problems.append(problem)
        compiled.template = self._layout.template
        compiled.run_slot = self._layout.run_slot
        compiled.input_slots = self._layout.inputs
        compiled.inputs = self._inputs
        compiled.routes = {}
        return compiled

    def _add(
        self, compiled: Compiled, task: int, definition: Task[..., Any]
    ) -> Sequence[int]:
        """Settle one task and return the ids of the tasks it waits for."""
        function = definition.function
        if self._overrides:
            function = self._overrides.get(definition.name, function)
        if is_coroutine_function(function):
            compiled.is_async[task] = 1
        options = definition.options
        if options is not DEFAULT_OPTIONS:
            self._note_options(compiled, task, definition)
        given = definition.dependencies
        if type(given) is tuple and not (options.kwargs or options.outputs):
            before = self._add_simple(compiled, task, function, given)
        else:
            before = None
        if before is None:
            before = self._add_any(compiled, task, definition, function)
        if definition.after:
            before = [
                *before,
                *(self._link(definition, d).task for d in definition.after),
            ]
        if len(before) > 1:
            before = list(dict.fromkeys(before))
        if task in before:
            raise CycleError(
                f"task {definition.name!r} ({definition.place}) of graph "
                f"{self._graph!r} depends on itself. Remove that dependency.",
                (definition.name, definition.name),
            )

        return before

    def _note_options(
        self, compiled: Compiled, task: int, definition: Task[..., Any]
    ) -> None:
        options = definition.options
        if options.timeout is not None:
            compiled.limits[task] = options.timeout
        if options.retry is not None:
            compiled.retries[task] = options.retry
        if options.limit is not None:
            compiled.needs[task] = self._needs(definition, options.limit)
        if options.log is not None:
            compiled.logs[task] = options.log
        if options.priority:
            if compiled.priorities is None:
                compiled.priorities = [0] * len(self._tasks)
            compiled.priorities[task] = options.priority
        if options.trigger == TRIGGERS[ALL_SUCCEEDED]:
            return

        if compiled.triggers is None:
            compiled.triggers = bytearray(len(self._tasks))
        trigger = compiled.triggers[task] = TRIGGERS.index(options.trigger)
        if trigger != ALL_DONE and not (definition.dependencies or definition.after):
            raise GraphError(
                f"task {definition.name!r} ({definition.place}) of graph "
                f"{self._graph!r} has the trigger {options.trigger!r} but no "
                f"dependencies, so it would never run. Say what it watches, with "
                f"dependencies= or after=."
            )

    def _needs(
        self, definition: Task[..., Any], limit: Mapping[str, int]
    ) -> tuple[tuple[int, int], ...]:
        """Return what a task takes of the limits of the graph, by their numbers."""
        whose = f"task {definition.name!r} ({definition.place})"
        known = list(self._limits)
        for name, amount in limit.items():
            if name not in self._limits:
                raise GraphError(
                    f"{whose} takes from the limit {name!r}, which graph "
                    f"{self._graph!r} does not have. Give it with "
                    f"Graph(limits={{{name!r}: ...}})." + hint(nearest(name, known))
                )

            if amount > self._limits[name]:
                raise GraphError(
                    f"{whose} takes {amount} of the limit {name!r}, of which graph "
                    f"{self._graph!r} has {self._limits[name]}: it would never run."
                )

        return tuple((known.index(name), amount) for name, amount in limit.items())

    def _add_simple(
        self,
        compiled: Compiled,
        task: int,
        function: Callable[..., Any],
        given: tuple[Any, ...],
    ) -> Sequence[int] | None:
        """Settle a task whose plain parameters are filled in order; None if it is not.

        The rules of `_binding` come to this when no name matches; it is most tasks.
        """
        signature = signature_of(function)
        room = signature.positional
        if room < 0:
            if not signature.takes_any or signature.parameters:
                return None

            room = len(given)  # nothing but `*args`, which takes all

        before = []
        ids, tasks, parameters = self._ids, self._tasks, signature.parameters
        for dependency in given:
            if not isinstance(dependency, Task):
                return None

            name = dependency.name
            if (
                tasks.get(name) is not dependency
                or name in parameters
                or dependency.options.outputs
            ):
                return None

            before.append(ids[name])
        if room > len(before):
            return None  # defaults or inputs

        compiled.functions[task] = function
        compiled.arguments[task] = fetch(before[:room])
        return before

    def _add_any(
        self,
        compiled: Compiled,
        task: int,
        definition: Task[..., Any],
        function: Callable[..., Any],
    ) -> list[int]:
        options = definition.options
        given = definition.dependencies
        links: Any
        if isinstance(given, dict):
            links = {name: self._link(definition, item) for name, item in given.items()}
            before = [link.task for link in links.values()]
        else:
            links = [self._link(definition, item) for item in given]
            before = [link.task for link in links]
        label = TaskLabel(definition.name, function)
        binding = bind(label, signature_of(function), links, options.kwargs)
        self._note_inputs(definition, binding)
        if binding.keywords:
            count = len(binding.positional)
            function = WithKeywords(function, count, list(binding.keywords))
        if options.outputs:
            kind = WithOutputsAsync if compiled.is_async[task] else WithOutputs
            function = kind(function, definition.name, options.outputs)
        compiled.functions[task] = function
        compiled.arguments[task] = arguments_of(task, binding, self._layout)
        return before

    def _note_inputs(self, definition: Task[..., Any], binding: Binding) -> None:
        for source in (*binding.positional, *binding.keywords.values()):
            if isinstance(source, FromInput):
                found = self._inputs.get(source.name)
                if found is None:
                    found = self._inputs[source.name] = self._new_input(source.name)
                if found.annotation is None and source.annotation is not EMPTY:
                    found.annotation = source.annotation
                found.tasks.append(definition.name)

    def _new_input(self, name: str) -> Input:
        said = self._declared.get(name)
        if said is None:
            return Input(name)

        return Input(name, said.annotation, said.default, said.description)

    def _link(self, definition: Task[..., Any], dependency: Any) -> Link:
        """Return a dependency with its name looked up."""
        output = None
        if isinstance(dependency, Part):
            output = dependency.output
            dependency = dependency.task
        if isinstance(dependency, Task):
            # One that was defined again since is found under its name.
            name = dependency.name
        elif isinstance(dependency, str):
            name = dependency
        else:
            name = self._name_of_function(definition, dependency)
        upstream = self._tasks.get(name)
        if upstream is None:
            raise self._unknown(definition, name)

        if output is not None and output not in upstream.outputs:
            try:
                upstream[output]
            except SignatureError as error:  # which says which outputs there are
                error.add_note(
                    f"task {definition.name!r} ({definition.place}) needs it"
                )
                raise
        return Link(self._ids[name], name, output, upstream.outputs)

    def _name_of_function(
        self, definition: Task[..., Any], function: Callable[..., Any]
    ) -> str:
        if self._by_function is None:
            self._by_function = {}
            for name, task in self._tasks.items():
                self._by_function.setdefault(id(task.function), []).append(name)
        # Of its own function a task means the other one: it cannot wait for itself.
        names = [
            name
            for name in self._by_function.get(id(function), ())
            if name != definition.name
        ]
        if len(names) == 1:
            return names[0]

        shown = getattr(function, "__name__", None) or repr(function)
        if not names:
            raise UnknownDependencyError(
                f"task {definition.name!r} ({definition.place}) depends on function "
                f"{shown!r} ({place_of(function)}), which is no task of graph "
                f"{self._graph!r}. Add it with graph.add({shown}) or decorate it.",
                definition.name,
                shown,
            )

        raise UnknownDependencyError(
            f"task {definition.name!r} ({definition.place}) depends on function "
            f"{shown!r}, of which graph {self._graph!r} has several tasks: "
            f"{listed(names)}. Name the one you mean.",
            definition.name,
            shown,
        )

    def _unknown(self, definition: Task[..., Any], name: str) -> UnknownDependencyError:
        suggestion = None
        if not self.problems or len(self.problems) < MANY_PROBLEMS:
            others = (known for known in self._ids if known != definition.name)
            suggestion = nearest(name, others)
        return UnknownDependencyError(
            f"task {definition.name!r} ({definition.place}) of graph {self._graph!r} "
            f"depends on {name!r}, and the graph has no task of that name."
            + hint(suggestion),
            definition.name,
            name,
            suggestion,
        )

    def _cycle(self, path: Sequence[int]) -> CycleError:
        tasks = list(self._tasks.values())
        names = [tasks[task].name for task in path]
        places = ", ".join(
            f"{tasks[task].name!r} at {tasks[task].place}" for task in path[:-1][:10]
        )
        shown = names if len(names) <= 20 else [*names[:10], "...", *names[-9:]]
        return CycleError(
            f"graph {self._graph!r} has a cycle of {len(names) - 1} tasks: "
            f"{' -> '.join(shown)}. Remove one of these dependencies ({places}).",
            names,
        )
