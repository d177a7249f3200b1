"""The run context: what a task may know of the run it is part of."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from types import MappingProxyType

from ._core.states import SUCCEEDED
from ._remote import was_told
from .errors import SharedUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logging import Logger
    from typing import Any, Protocol

    from ._compiled import Compiled
    from ._core.machine import Machine
    from ._journal import Journal

    class RunView(Protocol):
        """Be the part of a run that its tasks may see."""

        compiled: Compiled
        values: list[Any]
        shared: MutableMapping[str, Any]
        machine: Machine
        journal: Journal
        undoes: Journal | None

        def identify(self) -> str: ...
        def is_to_stop(self, task: int) -> bool: ...


class Context:
    """Tell a task about the run it is part of.

    A task that has a parameter annotated `syncra.Context` receives one.

    Attributes:
        graph: name of the graph.
        task: name of the task.
        attempt: number of this attempt, 1 for the first.

    Example:
        >>> from syncra import Context, Graph
        >>> graph = Graph("greeting")
        >>> @graph.task
        ... def greet(context: Context) -> str:
        ...     return f"{context.task}, attempt {context.attempt}"
        >>> graph()["greet"]
        'greet, attempt 1'
    """

    #: How wiring recognises the class in an annotation without importing it.
    _is_run_context = True

    __slots__ = ("_id", "_run", "attempt", "graph", "task")

    def __init__(self, run: RunView, task: int, attempt: int = 1) -> None:
        self._run = run
        self._id = task
        self.graph = run.compiled.graph
        self.task = run.compiled.names[task]
        self.attempt = attempt

    @property
    def run_id(self) -> str:
        """Return the id of the run: 16 hexadecimal digits, new for each run."""
        return self._run.identify()

    @property
    def results(self) -> Mapping[str, Any]:
        """Return the results of the tasks that this one waits for, by name.

        What has no result, since it failed or was skipped, is not in it.
        """
        compiled, run = self._run.compiled, self._run
        return MappingProxyType(
            {
                compiled.names[before]: run.values[before]
                for before in compiled.plan.predecessors[self._id]
                if run.machine.states[before] == SUCCEEDED
            }
        )

    @property
    def errors(self) -> Mapping[str, BaseException]:
        """Return what went wrong in the run so far, by name of the task that failed."""
        journal = self._run.undoes or self._run.journal
        names, errors = journal.compiled.names, journal.errors
        found = {names[task]: error for task, error in list(errors.items())}
        return MappingProxyType(found)

    @property
    def shared(self) -> MutableMapping[str, Any]:
        """Return the mapping that all tasks of the run share.

        A new dict for each run, or what the run was given with `shared=`; after the run
        it is `run.shared`. All attempts of a task see it, and so do rollback functions.
        A graph that is a task has one of its own, for it is a run of its own:
        `run["inner"].shared`. A function may run a graph with the one that it has got:
        `inner.run(shared=context.shared)`.

        Tasks run at once. Of a dict each single operation is safe in threads: setting
        and getting, `setdefault`, `pop`, `update`. What reads and then writes, such as
        `shared["count"] += 1`, loses updates unless a lock is held around it, or all
        tasks that do it are coroutines without an `await` in between.

        Raises:
            SharedUnavailable: in another process, where changes would reach nobody.

        Example:
            >>> from threading import Lock
            >>> from syncra import Context, Graph
            >>> graph, lock = Graph("visits"), Lock()
            >>> def visit(context: Context) -> None:
            ...     with lock:
            ...         context.shared["visits"] += 1
            >>> tasks = [graph.add(visit, name=f"visit{n}") for n in range(3)]
            >>> graph.run(shared={"visits": 0}).shared
            {'visits': 3}
        """
        return self._run.shared

    @property
    def logger(self) -> Logger:
        """Return the logger of the task, "syncra.<graph>.<task>"."""
        from logging import getLogger

        return getLogger(f"syncra.{self.graph}.{self.task}")

    def cancelled(self) -> bool:
        """Return whether the run is to stop, so that a long task can end early."""
        return self._run.is_to_stop(self._id)

    def __reduce__(self) -> Any:
        from ._processes.pickles import dump_error

        errors = {name: dump_error(error) for name, error in self.errors.items()}
        known = self.run_id, self.graph, self.task, self.attempt, dict(self.results)
        return ContextElsewhere, (*known, errors)

    def __repr__(self) -> str:
        return (
            f"<Context of task {self.task!r} of graph {self.graph!r}, "
            f"attempt {self.attempt}>"
        )


class ContextElsewhere(Context):
    """Tell a task in another process what was known when it was sent there."""

    __slots__ = ("_errors", "_results", "_run_id")

    def __init__(
        self,
        run_id: str,
        graph: str,
        task: str,
        attempt: int,
        results: dict[str, Any],
        errors: dict[str, bytes],
    ) -> None:
        self._run_id = run_id
        self.graph = graph
        self.task = task
        self.attempt = attempt
        self._results = results
        self._errors = errors

    @property
    def run_id(self) -> str:
        return self._run_id

    @property
    def results(self) -> Mapping[str, Any]:
        return MappingProxyType(self._results)

    @property
    def errors(self) -> Mapping[str, BaseException]:
        from ._processes.pickles import load_error

        return {name: load_error(error, name) for name, error in self._errors.items()}

    @property
    def shared(self) -> MutableMapping[str, Any]:
        raise SharedUnavailable(
            f"task {self.task!r} of graph {self.graph!r} has no `Context.shared`: it "
            f"is in another process than the run, where a change would reach nobody. "
            f"Results travel through dependencies: return a value, and read those of "
            f"others as parameters or in `Context.results`. Or give the task an "
            f'executor in the process of the run, such as executor="threads".',
            self.task,
        )

    def cancelled(self) -> bool:
        told = was_told.get()  # in a process it is told by `TaskCancelled`
        return told is not None and told()

    def __reduce__(self) -> Any:
        known = self._run_id, self.graph, self.task, self.attempt, self._results
        return ContextElsewhere, (*known, self._errors)
