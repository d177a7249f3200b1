"""A graph as text: a tree in which every task stands once, below what it waits for."""

from __future__ import annotations

import sys
from typing import NamedTuple

from .._names import counted
from ..errors import GraphError
from ._wiring import inputs_by_task, levels_of, remarks_on, wires_to
from ._words import one_line, some_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .._compiled import Compiled
    from .._task import Task

#: The most lines of tasks, and how deep branches within branches go.
MOST_LINES = 200
MOST_DEPTH = 20
#: The most tasks of which a line says that they stand elsewhere, or are needed.
MOST_NAMED = 4
LENGTH_OF_A_NAME = 60


class Signs(NamedTuple):
    """Hold what the lines of a tree are made of."""

    branch: str
    last: str
    beside: str
    below: str
    down: str
    ellipsis: str
    separator: str


PRETTY = Signs("├─ ", "└─ ", "│  ", "   ", "↓ ", "…", " · ")
#: For terminals and files that have no other letters.
PLAIN = Signs("|- ", "`- ", "|  ", "   ", "v ", "...", ", ")


def tree(
    name: str, tasks: Sequence[Task[..., Any]], compile_it: Callable[[], Compiled]
) -> str:
    """Return a graph as text. One with a mistake says what it is.

    Parameters:
        name: name of the graph.
        tasks: its tasks, in case they cannot be put together.
        compile_it: gives the compiled graph.
    """
    signs = PRETTY if is_writable("".join(PRETTY)) else PLAIN
    try:
        compiled = compile_it()
    except GraphError as error:
        lines = [f"graph {one_line(name, LENGTH_OF_A_NAME, signs.ellipsis)!r}: {error}"]
        lines += [
            f"{signs.branch}{one_line(task.name, LENGTH_OF_A_NAME, signs.ellipsis)}"
            for task in tasks[:MOST_LINES]
        ]
        if len(tasks) > MOST_LINES:
            lines.append(f"... and {len(tasks) - MOST_LINES:,} more tasks")
    else:
        lines = _Tree(compiled, signs).lines()
    return writable("\n".join(lines))


def is_writable(text: str) -> bool:
    """Return whether standard output can show a text."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except (UnicodeError, LookupError):
        return False

    return True


def writable(text: str) -> str:
    """Return a text as well as standard output can show it."""
    if is_writable(text):
        return text

    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        return text.encode(encoding, "backslashreplace").decode(encoding)
    except (UnicodeError, LookupError):
        return text.encode("ascii", "backslashreplace").decode("ascii")


class _Tree:
    """Write a compiled graph line by line.

    A task stands below the one of those it waits for that is the furthest down, so that
    it is as deep as its level; the others tell where it is. A task that is the only one
    to follow another goes straight down, so that a long chain stays narrow.
    """

    def __init__(self, compiled: Compiled, signs: Signs) -> None:
        self._compiled = compiled
        self._signs = signs
        self._inputs = inputs_by_task(compiled)
        self._levels = levels_of(compiled)
        self._homes: dict[int, int] = {}
        self._written: set[int] = set()
        self._lines: list[str] = []

    def lines(self) -> list[str]:
        compiled = self._compiled
        plan = compiled.plan
        # What is still to be written, the next at the end: a task, what stands before
        # its line, and what before those below it. A list stands for its tasks, which
        # are told of elsewhere.
        stack: list[tuple[int | list[int], str, str]] = []
        stack += [(task, "", "") for task in reversed(plan.roots)]
        while stack and len(self._lines) < MOST_LINES:
            item, before, below = stack.pop()
            if isinstance(item, list):
                self._lines.append(before + self._elsewhere(item))
                continue

            self._written.add(item)
            self._lines.append(before + self._line(item))
            if len(below) >= MOST_DEPTH * len(self._signs.below):
                count = len(plan.successors[item])
                if count:
                    self._lines.append(
                        f"{below}{self._signs.last}... {counted(count, 'task')} below"
                    )
            else:
                stack += reversed(self._below(item, below))
        rest = plan.size - len(self._written)
        if rest:
            self._lines.append(f"... and {counted(rest, 'more task')}")
        return [self._heading(), *self._lines]

    def _heading(self) -> str:
        compiled, signs = self._compiled, self._signs
        facts = [counted(compiled.plan.size, "task")]
        if compiled.plan.size:
            facts.append(counted(max(self._levels) + 1, "level"))
        if compiled.inputs:
            what = "input" if len(compiled.inputs) == 1 else "inputs"
            facts.append(f"{what} {self._some(list(compiled.inputs))}")
        name = one_line(compiled.graph, LENGTH_OF_A_NAME, signs.ellipsis)
        return f"graph {name!r}: {signs.separator.join(facts)}"

    def _below(self, task: int, below: str) -> list[tuple[int | list[int], str, str]]:
        """Return what comes below a task."""
        signs = self._signs
        own: list[int] = []
        elsewhere: list[int] = []
        for follower in self._compiled.plan.successors[task]:
            (own if self._home(follower) == task else elsewhere).append(follower)
        if len(own) == 1 and not elsewhere:
            return [(own[0], below + signs.down, below)]

        items: list[int | list[int]] = [*own]
        if elsewhere:
            items.append(elsewhere)
        found = [(item, below + signs.branch, below + signs.beside) for item in items]
        if items:
            found[-1] = (items[-1], below + signs.last, below + signs.below)
        return found

    def _home(self, task: int) -> int:
        """Return the task that another stands below."""
        home = self._homes.get(task)
        if home is None:
            before = self._compiled.plan.predecessors[task]
            home = max(before, key=self._levels.__getitem__)  # the first of several
            self._homes[task] = home
        return home

    def _line(self, task: int) -> str:
        compiled, signs = self._compiled, self._signs
        remarks = remarks_on(compiled, task)
        if task in self._inputs:
            what = "input" if len(self._inputs[task]) == 1 else "inputs"
            remarks.append(f"{what} {self._some(self._inputs[task])}")
        needs, after = self._needs(task)
        if needs:
            remarks.append(f"needs {needs}")
        if after:
            remarks.append(f"after {after}")
        name = one_line(compiled.names[task], LENGTH_OF_A_NAME, signs.ellipsis)
        return "  ".join(filter(None, (name, signs.separator.join(remarks))))

    def _needs(self, task: int) -> tuple[str, str]:
        """Return what a task waits for, where its place in the tree does not say it."""
        names = self._compiled.names
        wires = wires_to(self._compiled, task)
        needed = []
        for wire in wires:
            if not wire.is_order:
                parts = f"[{self._some(wire.parts)}]" if wire.parts else ""
                needed.append((names[wire.source], parts))
        after = [names[wire.source] for wire in wires if wire.is_order]
        if len(wires) == 1 and needed and not needed[0][1]:
            return "", ""

        shown = [
            one_line(name, LENGTH_OF_A_NAME, self._signs.ellipsis) + parts
            for name, parts in needed[:MOST_NAMED]
        ]
        more = len(needed) - len(shown)
        return (
            ", ".join(shown) + (f" and {more:,} more" if more else ""),
            self._some(after),
        )

    def _elsewhere(self, tasks: list[int]) -> str:
        """Say of tasks that stand below others where that is."""
        names = self._compiled.names
        above = [names[task] for task in tasks if task in self._written]
        below = [names[task] for task in tasks if task not in self._written]
        found = []
        if above:
            found.append(f"{self._some(above)} (above)")
        if below:
            found.append(f"{self._some(below)} (below)")
        return ", ".join(found)

    def _some(self, names: Sequence[str]) -> str:
        return some_of(names, MOST_NAMED, LENGTH_OF_A_NAME, self._signs.ellipsis)
