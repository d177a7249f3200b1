"""Letting go of results that nobody is going to read any more."""

from __future__ import annotations

from ._calls import Gather, slots_of
from ._core.machine import ALL_DONE, ANY_FAILED
from ._core.states import SUCCEEDED
from ._names import hint, nearest
from .errors import TaskNotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ._compiled import Compiled
    from ._definition import Definition
    from ._engine import Engine


class Keeping:
    """Keep some results of a run to its end, and others until they have been read.

    A result that is not to be kept is dropped when the last task that takes it is over:
    until then it may be tried again.

    Parameters:
        engine: the run.
        kept: ids of the tasks whose results stay.
    """

    __slots__ = (
        "_held",
        "_journal",
        "_kept",
        "_reads",
        "_unread",
    )

    def __init__(self, engine: Engine, kept: frozenset[int]) -> None:
        compiled = engine.compiled
        self._kept = kept
        self._journal = engine.journal
        self._reads, self._unread = reads_of(compiled)
        #: What is to be undone when the run fails is needed until then.
        self._held: set[int] = set()
        if engine.settings.on_error == "rollback":
            tasks = enumerate(compiled.tasks)
            self._held = {task for task, known in tasks if known.undo is not None}

    def settled(self, tasks: Sequence[int]) -> None:
        """Drop what is not needed any more now that tasks have been settled."""
        unread, given_up = self._unread, self._journal.abandoned
        for task in tasks:
            # One that was given up goes on, and may read yet.
            for upstream in () if task in given_up else self._reads[task]:
                unread[upstream] -= 1
                if not unread[upstream]:
                    self._drop(upstream)
            if not unread[task]:
                self._drop(task)

    def finish(self) -> None:
        """Drop what was needed to undo it. At the end of everything."""
        held, self._held = self._held, set()
        for task in held:
            self._drop(task)

    def _drop(self, task: int) -> None:
        if task not in self._kept and task not in self._held:
            if self._journal.states[task] == SUCCEEDED:
                self._journal.values[task] = None


def reads_of(compiled: Compiled) -> tuple[list[Sequence[int]], list[int]]:
    """Return whose results each task takes, and how many tasks take that of each."""
    size = compiled.plan.size
    unread = [0] * size
    reads: list[Sequence[int]] = []
    for task, arguments in enumerate(compiled.arguments):
        slots: Sequence[int] = slots_of(arguments)
        if isinstance(arguments, Gather) and arguments.takes_context:
            slots = [*slots, *compiled.plan.predecessors[task]]
        found = [slot for slot in slots if slot < size]
        if len(found) > 1:
            found = list(dict.fromkeys(found))
        reads.append(found)
        for upstream in found:
            unread[upstream] += 1
    return reads, unread


def ends_of(compiled: Compiled) -> list[int]:
    """Return the tasks whose results are what a graph comes to: its last ones.

    What only watches does not count as what comes after: an alarm or clean-up that
    takes no result. To add one must not make the result before it disappear.
    """
    plan, triggers = compiled.plan, compiled.triggers
    if triggers is None:
        return plan.leaves

    watching = {
        task
        for task, trigger in enumerate(triggers)
        if trigger in (ALL_DONE, ANY_FAILED)
        and plan.predecessors[task]
        and not {*slots_of(compiled.arguments[task])} & {*plan.predecessors[task]}
    }
    return [
        task for task, after in enumerate(plan.successors) if watching.issuperset(after)
    ]


def check_keep(keep: object, graph: Definition) -> None:
    """Raise unless it may tell whose results a run of a graph is to keep.

    Raises:
        TaskNotFoundError: if it is a text, and no task has that name.
        TypeError: if it is neither a task nor several.
    """
    whose = f"run of graph {graph.name!r}"
    what = 'keep is "all", "targets", or the tasks whose results are kept'
    if isinstance(keep, str) and keep not in graph:
        suggestion = nearest(keep, ["all", "targets", *graph])
        raise TaskNotFoundError(
            f"{whose}: {what}, and no task is named {keep!r}." + hint(suggestion),
            keep,
            suggestion,
        )

    if not (callable(keep) or hasattr(keep, "__iter__")):
        raise TypeError(f"{whose}: {what}, got {keep!r}")


def kept_by(compiled: Compiled, keep: Iterable[str]) -> frozenset[int]:
    """Return the ids of tasks whose results a run is to keep.

    Raises:
        TaskNotFoundError: if one of them is not a task of the run.
    """
    for name in keep:
        if name not in compiled.ids:
            raise TaskNotFoundError(
                f"the run of graph {compiled.graph!r} is to keep the result of task "
                f"{name!r}, which is not among its targets and what they need.",
                name,
                None,
            )

    return frozenset(compiled.ids[name] for name in keep)
