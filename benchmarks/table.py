"""The table on the terminal: plain text of at most 100 columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .model import Cost, Goal, Measurement, Row

#: Width of each column; the first three are aligned to the left.
COLUMNS = {
    "id": 3,
    "what": 20,
    "shape": 7,
    "baseline µs": 11,
    "syncra µs": 11,
    "ratio": 9,
    "bar": 8,
    "aim": 5,
    "verdict": 9,
}
LEFT = 3
WIDEST = 100
GAP = "  "

LEGEND = """\
µs: of one task (P6: one insertion; P7, P8: one process), best/median of the rounds.
ratio: by best/by median. Under a bar with ≤ it is Syncra ÷ baseline, under one with ≥
baseline ÷ Syncra. P5: one task among many ÷ one among 10,000; memory is bytes a task.
verdict: by best, of P7, P8 and P12 by median: "below bar", "met" (the bar), "aim".
Rows without a bar are there to compare; nothing is promised about them. Of a library
the ratio is library ÷ Syncra. A row that ends in a number of tasks is of a smaller
graph, for both, since the library is slow."""


def heading() -> str:
    """Return the names of the columns and a line below them."""
    line = GAP.join("-" * width for width in COLUMNS.values())
    return f"{_joined(list(COLUMNS))}\n{line}"


def line(row: Row) -> str:
    """Return one row."""
    start = [row.id, row.what, row.shape]
    if row.cannot:
        return _joined([*start, f"cannot: {row.cannot}"], ragged=True)[:WIDEST]

    cells = [*start, _cost(row.baseline), _cost(row.syncra), _value(row)]
    goal = row.goal
    if goal is None:
        return f"{_joined([*cells, '-', '-'])}{GAP}{row.remark or '-':>9}"

    return _joined(
        [
            *cells,
            f"{goal.sign} {_wanted(goal.bar, goal)}",
            _wanted(goal.aim, goal),
            row.verdict,
        ]
    )


def described(machine: Mapping[str, Any], load: object) -> str:
    """Return the machine in a few lines."""
    return (
        f"Syncra {machine['syncra']} on {machine['implementation']} "
        f"{machine['python']} ({machine['build']}), "
        f"{machine['usable_cpus']} of {machine['cpus']} CPUs, load {load}\n"
        f"{machine['platform']}, {machine['processor']}"
    )


def listing(measurements: Iterable[Measurement]) -> str:
    """Return what can be measured, with bars and aims."""
    lines = []
    for measurement in measurements:
        lines.append(f"{measurement.id:<4} {measurement.description}")
        places: dict[Goal, list[str]] = {}
        for place, goal in measurement.goals.items():
            places.setdefault(goal, []).append(place)
        for goal, names in places.items():
            bar, aim = _wanted(goal.bar, goal), _wanted(goal.aim, goal)
            lines.append(f"     {', '.join(names)}: bar {goal.sign} {bar}, aim {aim}")
    return "\n".join(lines)


def _joined(cells: list[str], ragged: bool = False) -> str:
    fitted = [
        cell.ljust(width) if index < LEFT or ragged else cell.rjust(width)
        for index, (cell, width) in enumerate(
            zip(cells, COLUMNS.values(), strict=False)
        )
    ]
    return GAP.join(fitted).rstrip()


def _cost(cost: Cost | None) -> str:
    return "-" if cost is None else f"{_number(cost.best)}/{_number(cost.median)}"


def _value(row: Row) -> str:
    if row.value is None:
        return "-"

    if row.goal is not None and row.goal.unit:
        return f"{row.value:.0f} {row.goal.unit}"

    if row.by_median is None:
        return _number(row.value)

    return f"{_number(row.value)}/{_number(row.by_median)}"


def _wanted(number: float, goal: Goal) -> str:
    return f"{number:g}{' ' if goal.unit else ''}{goal.unit}"


def _number(number: float) -> str:
    if abs(number) >= 100:
        return f"{number:.0f}"

    return f"{number:.1f}" if abs(number) >= 10 else f"{number:.2f}"
