"""Copies of graphs: other tasks of the same functions, put together the same way."""

from __future__ import annotations

from ._task import Part, Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn, Self


class Copied:
    """Be the part of a graph that makes copies of it."""

    name: str
    _tasks: dict[str, Task[..., Any]]
    _declared: dict[str, Any]
    _limits: dict[str, int]

    if TYPE_CHECKING:

        def _begin(self) -> None: ...

    def __copy__(self) -> Self:
        """Return a graph that can be changed without changing this one.

        Its tasks are other tasks, of the same functions and with the same options, in
        the place of which the functions and names of the old ones work as well.
        """
        made = type(self).__new__(type(self))
        vars(made).update(vars(self))
        made._begin()
        made._declared = self._declared.copy()
        made._limits = self._limits.copy()
        tasks = {task: _like(task) for task in self._tasks.values()}
        for task in tasks.values():
            task.dependencies = _among(task.dependencies, tasks)
            task.after = _among(task.after, tasks)
            task.graph = made
        made._tasks = {task.name: task for task in tasks.values()}
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        memo[id(self)] = made = self.__copy__()
        return made

    #: What looks for who is to blame need not look into it.
    refuses_pickling = True

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            f"graph {self.name!r} cannot be pickled. Import the module that makes it "
            f"where it is needed, or write it down with to_dict()."
        )


def _like(task: Task[..., Any]) -> Task[..., Any]:
    made = type(task).__new__(type(task))  # type: ignore[call-overload]
    made._fill(task.function, task.name, task.dependencies, task.after, task.options)
    made.undo, made.undo_takes = task.undo, task.undo_takes
    return made  # type: ignore[no-any-return]


def _among(given: Any, tasks: Mapping[Task[..., Any], Task[..., Any]]) -> Any:
    """Return dependencies with other tasks in the place of those that are there."""

    def other(dependency: Any) -> Any:
        if type(dependency) is Part:
            return Part(other(dependency.task), dependency.output)

        if isinstance(dependency, Task):
            return tasks.get(dependency, dependency)

        return dependency

    if isinstance(given, dict):
        return {parameter: other(one) for parameter, one in given.items()}

    return tuple(map(other, given))
