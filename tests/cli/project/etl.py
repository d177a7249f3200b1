"""Sales of a shop, summed up: what the examples of the command line are about."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

from syncra import Graph

sales = Graph("sales")


@sales.task
def read(path: Path) -> list[dict[str, str]]:
    """Read the rows of a table."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@sales.task(dependencies=read)
def recent(rows: list[dict[str, str]], since: date | None) -> list[dict[str, str]]:
    """Leave out what was sold before a day."""
    return [
        row for row in rows if since is None or date.fromisoformat(row["day"]) >= since
    ]


@sales.task(dependencies=recent)
async def total(rows: list[dict[str, str]]) -> float:
    """Add up the prices."""
    return sum(float(row["price"]) for row in rows)


@sales.task(dependencies=recent)
def items(rows: list[dict[str, str]]) -> list[str]:
    """Name what was sold."""
    return sorted({row["item"] for row in rows})


if __name__ == "__main__":
    raise SystemExit("this is not to run")
