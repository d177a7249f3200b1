"""Whether those who are measured do all of the work.

A library may leave out tasks that the wanted result does not need, or give an earlier
result again, and be fast for that reason. So it is first given graphs whose tasks count
their calls and add to what they take.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .model import Cannot
from .peers import Peer
from .shapes import Function, Shape, Work

#: One entry for each call in this process; a list, since `append` is safe in threads.
CALLS: list[None] = []
#: How often the graph is run to see that each run does all of it.
TIMES = 2


@dataclass(frozen=True, slots=True)
class Counted(Shape):
    """Describe graphs of a shape whose tasks count their calls."""

    def work(self, count: int) -> Work:
        # Without `super()`: a dataclass with slots is another class than written.
        work = Shape.work(self, count)
        values: list[Any] = []
        functions: list[Function] = []
        for before, is_async in zip(work.waits_for, work.is_async, strict=True):
            number = min(len(before), 4)
            values.append(FUNCTIONS[number](*[values[one] for one in before]))
            functions.append((COROUTINES if is_async else FUNCTIONS)[number])
        return replace(work, functions=functions, expected=values[-1])


def prepared(peer: Peer, shape: Shape, count: int) -> Callable[[], object]:
    """Return what runs the graph, after a run to warm up whose result is checked."""
    run = peer.prepare(shape, count)
    found, expected = run(), shape.work(count).expected
    if found != expected:
        raise RuntimeError(
            f"{peer.name} on the {shape.name} shape: expected {expected}, got {found!r}"
        )

    return run


def check(kind: type[Peer], shape: Shape, count: int) -> None:
    """Let a peer run a small graph, and look at what came of it.

    Calls in other processes are not counted.

    Raises:
        Cannot: if a result is wrong, or a task was not called, or called twice.
    """
    counted = Counted(shape.name, shape.kind)
    expected = counted.work(count).expected
    peer = kind()
    try:
        run = peer.prepare(counted, count)
        for _ in range(TIMES):
            CALLS.clear()
            if run() != expected:
                raise Cannot("the result is wrong")

            if not peer.in_processes and len(CALLS) != count:
                raise Cannot(f"{len(CALLS)} calls of {count} functions")
    finally:
        peer.close()


# Tasks: each counts its call and gives one more than the sum of what it takes.


def none() -> int:
    CALLS.append(None)
    return 1


def one_of(first: int) -> int:
    CALLS.append(None)
    return first + 1


def two_of(first: int, second: int) -> int:
    CALLS.append(None)
    return first + second + 1


def three_of(first: int, second: int, third: int) -> int:
    CALLS.append(None)
    return first + second + third + 1


def all_of(*given: int) -> int:
    CALLS.append(None)
    return sum(given) + 1


async def async_none() -> int:
    return none()


async def async_one_of(first: int) -> int:
    return one_of(first)


async def async_two_of(first: int, second: int) -> int:
    return two_of(first, second)


async def async_three_of(first: int, second: int, third: int) -> int:
    return three_of(first, second, third)


async def async_all_of(*given: int) -> int:
    return all_of(*given)


#: In the order of those of `shapes`.
FUNCTIONS: Sequence[Function] = (none, one_of, two_of, three_of, all_of)
COROUTINES: Sequence[Function] = (
    async_none,
    async_one_of,
    async_two_of,
    async_three_of,
    async_all_of,
)
