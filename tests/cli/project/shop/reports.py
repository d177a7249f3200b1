"""Graphs with names, one of them a part of the other."""

from __future__ import annotations

from syncra import Graph, task


@task(graph="prices")
def fetch() -> dict[str, float]:
    """Fetch the prices of a day."""
    return {"tea": 3.5, "rye": 2.0}


@task(graph="prices", dependencies=fetch)
def highest(prices: dict[str, float]) -> float:
    """Find the highest."""
    return max(prices.values())


daily = Graph("daily")
daily.add(highest.graph, name="prices")


@daily.task(dependencies="prices")
def letter(prices: object) -> str:
    """Write what the boss reads."""
    return f"dear boss, {prices['highest']} is the highest"  # type: ignore[index]
