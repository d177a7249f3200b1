"""The tasks that a document lists, and what they say about one another."""

from __future__ import annotations

from .._core.plan import Plan, PlanCycle
from .._names import hint, nearest
from .problems import MOST_SHOWN, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from .problems import Path, Problems


class Reference:
    """Hold what a task says it depends on, looked up.

    Attributes:
        task: name of the upstream task.
        output: the part of its result that is meant, or None for all of it.
        parameter: the parameter that it is for, or None if order says so.
    """

    __slots__ = ("output", "parameter", "task")

    def __init__(self, task: str, output: str | None, parameter: str | None) -> None:
        self.task = task
        self.output = output
        self.parameter = parameter


class Entry:
    """Hold what a document says of one task.

    Attributes:
        path: its place in the document.
        name: its name.
        said: all that it says.
        dependencies: what it depends on; empty until it has been looked up.
        after: names of the tasks that only have to finish first.
    """

    __slots__ = ("after", "dependencies", "name", "path", "said")

    def __init__(self, path: Path, name: str, said: dict[str, Any]) -> None:
        self.path = path
        self.name = name
        self.said = said
        self.dependencies: list[Reference] = []
        self.after: list[str] = []


def entries_of(data: Mapping[str, Any], problems: Problems) -> dict[str, Entry]:
    """Return the tasks of a document by name, and add what is wrong with the names.

    What the schema has objected to may be anything here, and is left out.
    """
    tasks = data.get("tasks")
    if isinstance(tasks, dict):
        return {
            name: Entry(("tasks", name), name, said)
            for name, said in tasks.items()
            if isinstance(name, str) and isinstance(said, dict)
        }

    found: dict[str, Entry] = {}
    for index, said in enumerate(tasks if isinstance(tasks, (list, tuple)) else ()):
        name = said.get("name") if isinstance(said, dict) else None
        if not isinstance(name, str) or not name:
            continue

        path = ("tasks", index)
        if name in found:
            first = found[name].path[1]
            text = f"the name {quoted(name)} is that of tasks[{first}] already"
            problems.add((*path, "name"), text)
            continue

        found[name] = Entry(path, name, said)
    return found


class References:
    """Look up what tasks say they depend on.

    Parameters:
        entries: the tasks by name.
        problems: where what is wrong is added.
    """

    def __init__(self, entries: dict[str, Entry], problems: Problems) -> None:
        self._entries = entries
        self._problems = problems
        #: The outputs of tasks that others name parts of, each looked up at once.
        self._outputs: dict[str, dict[str, None]] = {}

    def look_up(self) -> None:
        """Look up all of them, and look for cycles."""
        for entry in self._entries.values():
            for path, name, parameter in _named(entry, "depends_on"):
                found = self._reference(entry, path, name, parameter)
                if found is not None:
                    entry.dependencies.append(found)
            for path, name, _ in _named(entry, "after"):
                if name in self._entries:
                    entry.after.append(name)
                else:
                    self._add_unknown(entry, path, name)
        self._look_for_cycle()

    def _reference(
        self, entry: Entry, path: Path, name: str, parameter: str | None
    ) -> Reference | None:
        if name in self._entries:
            return Reference(name, None, parameter)

        # The name of the task may have brackets too.
        task, bracket, output = name[:-1].rpartition("[")
        if task not in self._entries:
            task, bracket, output = name[:-1].partition("[")
        upstream = self._entries.get(task)
        if upstream is None or not bracket or not name.endswith("]"):
            self._add_unknown(entry, path, name)
            return None

        outputs = self._outputs.get(task)
        if outputs is None:
            outputs = dict.fromkeys(texts_of(upstream.said.get("outputs", ())))
            self._outputs[task] = outputs
        if output not in outputs:
            text = f"task {quoted(task)} has no output {quoted(output)}"
            if self._problems.are_few:
                known = f"it has {', '.join(outputs)}" if outputs else "it names none"
                text += f"; {known}." + hint(nearest(output, outputs))
            self._problems.add(path, text)
            return None

        return Reference(task, output, parameter)

    def _add_unknown(self, entry: Entry, path: Path, name: str) -> None:
        text = f"there is no task {quoted(name)}."
        if self._problems.are_few:
            others = [other for other in self._entries if other != entry.name]
            text += hint(nearest(name, others))
        self._problems.add(path, text)

    def _look_for_cycle(self) -> None:
        entries = list(self._entries.values())
        ids = {entry.name: number for number, entry in enumerate(entries)}
        before = [
            list(
                dict.fromkeys(
                    ids[name]
                    for name in (
                        *(one.task for one in entry.dependencies),
                        *entry.after,
                    )
                )
            )
            for entry in entries
        ]
        for entry, upstream in zip(entries, before, strict=True):
            if ids[entry.name] in upstream:
                upstream.remove(ids[entry.name])
                text = f"task {quoted(entry.name)} depends on itself"
                self._problems.add(entry.path, text)
        try:
            Plan(before, range(len(entries)))
        except PlanCycle as cycle:
            names = [quoted(entries[task].name) for task in cycle.path]
            if len(names) > MOST_SHOWN:
                names[8:-8] = ["..."]
            self._problems.add(
                entries[cycle.path[0]].path,
                f"these tasks wait for one another: {' -> '.join(names)}",
            )


def texts_of(given: object) -> list[str]:
    """Return one name or several as a list; what is no name is left out."""
    if isinstance(given, str):
        return [given]

    items = given if isinstance(given, (list, tuple)) else ()
    return [item for item in items if isinstance(item, str)]


def _named(entry: Entry, key: str) -> Iterator[tuple[Path, str, str | None]]:
    """Yield path, name and parameter of each task that a task names."""
    given = entry.said.get(key)
    path = (*entry.path, key)
    if isinstance(given, str):
        yield path, given, None
    elif isinstance(given, dict):
        for parameter, name in given.items():
            if isinstance(name, str):
                yield (*path, parameter), name, parameter
    elif isinstance(given, (list, tuple)):
        for index, name in enumerate(given):
            if isinstance(name, str):
                yield (*path, index), name, None
