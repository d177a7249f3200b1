"""Graphs that several tests use."""

from __future__ import annotations

import anyio

from syncra import Graph


def diamond() -> Graph:
    """Return a graph of two functions and two coroutines: number -> number * 5."""
    graph = Graph("diamond")

    def start(number: int) -> int:
        return number

    async def left(start: int) -> int:
        await anyio.sleep(0)
        return start * 2

    def right(start: int) -> int:
        return start * 3

    async def end(left: int, right: int) -> int:
        return left + right

    graph.add(start)
    graph.add(left, dependencies=start)
    graph.add(right, dependencies=start)
    graph.add(end, dependencies=(left, right))
    return graph
