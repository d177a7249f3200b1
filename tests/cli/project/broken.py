"""A graph in which things go wrong."""

from __future__ import annotations

from syncra import Graph

orders = Graph("orders", on_error="continue")


@orders.task
def prices() -> dict[str, float]:
    return {"tea": 3.5}


@orders.task(dependencies=prices)
def total(prices: dict[str, float]) -> float:
    return prices["gin"]


@orders.task(dependencies=total)
def letter(total: float) -> str:
    return f"please pay {total}"


@orders.task(dependencies=prices)
def count(prices: dict[str, float]) -> int:
    return len(prices)
