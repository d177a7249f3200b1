"""The graphs that are measured: their shapes, and tasks that do nothing, or work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Function = Callable[..., Any]
Kind = Literal["functions", "coroutines", "mixed", "busy"]

#: How many tasks there are in one layer of the layered shape.
LAYER = 50
#: Where, from its own place, the three that a task of a layer waits for stand.
OFFSETS = (0, 1, 7)
#: How far a busy task counts: some 30 ms.
FAR = 800_000


@dataclass(frozen=True, slots=True)
class Work:
    """Hold one graph as everybody receives it.

    Attributes:
        functions: the callable of each task; a task's id is its position.
        is_async: whether that is a coroutine function.
        waits_for: for each task, whose results it takes, in the order of its
            parameters; always of smaller ids, so the ids are a topological order.
        expected: the result of the last task.
    """

    functions: list[Function]
    is_async: list[bool]
    waits_for: list[tuple[int, ...]]
    expected: int

    def followers(self) -> list[list[int]]:
        """Return for each task the ids that wait for it."""
        followers: list[list[int]] = [[] for _ in self.waits_for]
        for task, before in enumerate(self.waits_for):
            for upstream in before:
                followers[upstream].append(task)
        return followers

    def ends(self) -> list[int]:
        """Return the tasks that none waits for; the last task is the last of them."""
        return [task for task, after in enumerate(self.followers()) if not after]

    def counts(self) -> list[int]:
        """Return for each task how many it waits for."""
        return [len(before) for before in self.waits_for]


@dataclass(frozen=True, slots=True)
class Shape:
    """Describe graphs of one shape, of any number of tasks.

    Attributes:
        name: "chain", "wide" or "layered".
        kind: whether its tasks are functions, coroutine functions, or both in turn;
            or functions, of which those with one argument keep a core busy.
    """

    name: str
    kind: Kind

    def work(self, count: int) -> Work:
        """Return the graph of `count` tasks, the same one each time."""
        waits_for = WIRING[self.name](count)
        is_async = [self._is_async(task) for task in range(count)]
        plain = BUSY if self.kind == "busy" else FUNCTIONS
        functions = [
            (COROUTINES if awaited else plain)[min(len(before), 4)]
            for before, awaited in zip(waits_for, is_async, strict=True)
        ]
        # Only the last task of the wide shape takes more than three results.
        expected = len(waits_for[-1]) if functions[-1] in (all_of, async_all_of) else 1
        return Work(functions, is_async, waits_for, expected)

    def _is_async(self, task: int) -> bool:
        return self.kind == "coroutines" or (self.kind == "mixed" and task % 2 == 0)


def shapes(kind: Kind, names: Iterable[str] | None = None) -> list[Shape]:
    """Return every shape, or those of the names, of tasks of that kind."""
    return [Shape(name, kind) for name in names or WIRING]


def chain(count: int) -> list[tuple[int, ...]]:
    """Let each task wait for the one before."""
    return [(task - 1,) if task else () for task in range(count)]


def wide(count: int) -> list[tuple[int, ...]]:
    """Let all wait for the first task, and the last task for all of them."""
    return [(), *[(0,)] * (count - 2), tuple(range(1, count - 1))]


def layered(count: int) -> list[tuple[int, ...]]:
    """Let each task wait for three of the layer before, each taken three times."""
    return [_of_layer_before(task) for task in range(count)]


def _of_layer_before(task: int) -> tuple[int, ...]:
    layer, place = divmod(task, LAYER)
    if not layer:
        return ()

    first = (layer - 1) * LAYER
    return tuple([first + (place + offset) % LAYER for offset in OFFSETS])


WIRING: dict[str, Callable[[int], list[tuple[int, ...]]]] = {
    "chain": chain,
    "wide": wide,
    "layered": layered,
}


# Tasks: they take what they are given and do nothing with it, or count if so named.


def none() -> int:
    return 1


def one_of(first: int) -> int:
    return first


def two_of(first: int, second: int) -> int:
    return first


def three_of(first: int, second: int, third: int) -> int:
    return first


def all_of(*given: int) -> int:
    return len(given)


def busy_one_of(first: int) -> int:
    total = 0
    for number in range(FAR):
        total += number & 7
    return first


async def async_none() -> int:
    return 1


async def async_one_of(first: int) -> int:
    return first


async def async_two_of(first: int, second: int) -> int:
    return first


async def async_three_of(first: int, second: int, third: int) -> int:
    return first


async def async_all_of(*given: int) -> int:
    return len(given)


#: By the number of results that the task takes, the last for more than three.
FUNCTIONS: Sequence[Function] = (none, one_of, two_of, three_of, all_of)
BUSY: Sequence[Function] = (none, busy_one_of, two_of, three_of, all_of)
COROUTINES: Sequence[Function] = (
    async_none,
    async_one_of,
    async_two_of,
    async_three_of,
    async_all_of,
)
