"""A graph that takes inputs of many kinds, and gives results of many kinds."""

from __future__ import annotations

import enum
import threading
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from syncra import Graph

if TYPE_CHECKING:
    from uuid import UUID


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


@dataclass
class Item:
    name: str
    price: Decimal


kinds = Graph("kinds")


@kinds.task
def told(
    count: int,
    share: float,
    loud: bool,
    path: Path,
    day: date,
    colour: Colour,
    names: list[str],
    item: Item,
    mode: Literal["fast", "slow"],
    number: UUID,
    anything: Any,
    bare,
) -> list[str]:
    """Tell what has come."""
    return [repr(value) for value in locals().values()]


@kinds.task
def made() -> dict[str, Any]:
    """Make what JSON knows, and what it does not."""
    return {
        "day": date(2026, 1, 31),
        "item": Item("tea", Decimal("3.50")),
        "colour": Colour.RED,
        "lock": threading.Lock(),
        "pair": (1, 2),
    }


@kinds.task
def alike() -> dict[object, int]:
    """Give what JSON would lose a part of."""
    return {1: 2, "1": 3}


@kinds.task
def odd() -> float:
    """Give no number."""
    return float("nan")
