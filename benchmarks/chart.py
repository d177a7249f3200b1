"""A chart of what a task costs, as an SVG that needs nothing else to be looked at."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

Kind = Literal["syncra", "hand", "library"]

#: The measurements that are drawn, where there are results of them.
TITLES = {
    "P1": "Functions, one after another",
    "P2": "Functions in two threads",
    "P3": "Coroutines",
    "P4": "Functions in two processes",
    "P11": "Coroutines and functions in turn, awaited",
}
KINDS: dict[Kind, str] = {
    "syncra": "Syncra",
    "hand": "written by hand",
    "library": "other libraries",
}

WIDTH = 800
MARGIN = 16
#: Where bars begin, and where the longest ends: the rest is for its number.
LEFT, RIGHT = 190, 630
ROW = 18
BAR = 11
#: How far below the middle of a row the line of its text is.
DROP = 4

STYLE = """\
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.ground { fill: #ffffff }
.title { font-size: 18px; font-weight: 600 }
.section { font-size: 15px; font-weight: 600 }
.strong { font-weight: 600 }
.quiet { fill: #59636e }
.line { stroke: #d5dbe1 }
.syncra { fill: #1f6feb }
.hand { fill: #7d8894 }
.library { fill: #e0964a }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.ground { fill: #0d1117 }
.quiet { fill: #9aa4af }
.line { stroke: #2c333b }
.syncra { fill: #4c8dff }
.hand { fill: #77818c }
.library { fill: #c9803a }
}"""


@dataclass(frozen=True, slots=True)
class Bar:
    """Hold one bar, or why there is none.

    Attributes:
        name: of who ran the graph.
        kind: what that is.
        cost: of one task, in microseconds.
        tasks: how many the graph had, if fewer than that of the others.
        cannot: why there is no cost.
    """

    name: str
    kind: Kind
    cost: float = 0.0
    tasks: int | None = None
    cannot: str = ""


@dataclass(frozen=True, slots=True)
class Scale:
    """Map microseconds to places from left to right, each decade as wide.

    Attributes:
        first: the exponent of ten where bars begin.
        last: that of where the longest ends.
    """

    first: int
    last: float

    @classmethod
    def of(cls, costs: Sequence[float]) -> Scale:
        """Return the scale that all costs fit in."""
        # The shortest bar is to be seen, too: it is a third of a decade long at least.
        first = math.floor(math.log10(min(costs)) - 1 / 3)
        return cls(first, max(first + 1, math.log10(max(costs))))

    def place(self, cost: float) -> float:
        """Return where a bar of that cost ends."""
        share = (math.log10(cost) - self.first) / (self.last - self.first)
        return LEFT + (RIGHT - LEFT) * share

    def ticks(self) -> list[float]:
        """Return the costs that have a line."""
        exponents = range(self.first, math.floor(self.last) + 1)
        return [10.0**exponent for exponent in exponents]


class _Drawing:
    """Collect the parts of the picture, from the top to the bottom."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.bottom: float = MARGIN

    def text(
        self, x: float, y: float, text: str, style: str = "", anchor: str = "start"
    ) -> None:
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" '
            f'text-anchor="{anchor}">{escape(text)}</text>'
        )

    def box(self, x: float, y: float, width: float, height: float, style: str) -> None:
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'class="{style}"/>'
        )

    def line(self, x: float, top: float, bottom: float) -> None:
        self.parts.append(
            f'<line x1="{x:.1f}" y1="{top:.1f}" x2="{x:.1f}" y2="{bottom:.1f}" '
            f'class="line"/>'
        )

    def finished(self, title: str) -> str:
        """Return the whole picture."""
        height = math.ceil(self.bottom + MARGIN)
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
                f'height="{height}" viewBox="0 0 {WIDTH} {height}" role="img">',
                f"<title>{escape(title)}</title>",
                f"<style>\n{STYLE}\n</style>",
                f'<rect width="{WIDTH}" height="{height}" class="ground"/>',
                *self.parts,
                "</svg>\n",
            ]
        )


def drawn(results: Mapping[str, Any]) -> str | None:
    """Return the chart of what was measured, or None if nothing in it is drawn.

    Parameters:
        results: as they are written as JSON.
    """
    sections = {
        name: [row for row in results["rows"] if row["id"] == name] for name in TITLES
    }
    if not any(sections.values()):
        return None

    drawing = _Drawing()
    title = "What a task costs"
    _head(drawing, title, results)
    for name, rows in sections.items():
        if rows:
            most = most_tasks(rows)
            tasks = f"{name}, {most:,} tasks"
            _section(drawing, f"{TITLES[name]} ({tasks})", groups_of(rows, most))
    return drawing.finished(title)


def most_tasks(rows: Iterable[Mapping[str, Any]]) -> int:
    """Return how many tasks the graphs have of those who are not slow."""
    return max(int(row["notes"].get("tasks", 0)) for row in rows)


def groups_of(rows: Iterable[Mapping[str, Any]], most: int) -> dict[str, list[Bar]]:
    """Return the bars of each shape, the shortest first.

    Parameters:
        rows: those of one measurement.
        most: how many tasks there are, where nobody is slow.
    """
    groups: dict[str, dict[str, Bar]] = {}
    for row in rows:
        group = groups.setdefault(row["shape"], {})
        name, tasks = row["what"], row["notes"].get("tasks", most)
        kind: Kind = "library" if row["notes"].get("library") else "hand"
        if row["cannot"]:
            group[name] = Bar(name, kind, cannot=row["cannot"])
            continue

        fewer = tasks if tasks < most else None
        group[name] = Bar(name, kind, row["baseline"]["best"], fewer)
        if fewer is None:
            syncra = next(iter(row["samples"])).capitalize()
            group[syncra] = Bar(syncra, "syncra", row["syncra"]["best"])
    return {
        shape: sorted(group.values(), key=lambda bar: (bool(bar.cannot), bar.cost))
        for shape, group in groups.items()
    }


def _head(drawing: _Drawing, title: str, results: Mapping[str, Any]) -> None:
    """Draw what is said of the whole chart."""
    machine = results["machine"]
    top = drawing.bottom
    drawing.text(MARGIN, top + 14, title, "title")
    drawing.text(
        MARGIN,
        top + 36,
        "Microseconds for each task, of tasks that do nothing. Shorter is faster; "
        "the scale is logarithmic.",
        "quiet",
    )
    drawing.text(
        MARGIN,
        top + 54,
        f"Syncra {machine['syncra']}, {machine['implementation']} {machine['python']}, "
        f"{machine['processor']}, {machine['usable_cpus']} CPUs, "
        f"{results['started_at'][:10]}. The best of {results['settings']['rounds']} "
        f"rounds.",
        "quiet",
    )
    x = float(MARGIN)
    for kind, name in KINDS.items():
        drawing.box(x, top + 68, 12, 12, kind)
        drawing.text(x + 18, top + 78, name)
        x += 34 + 7 * len(name)
    drawing.bottom = top + 84


def _section(
    drawing: _Drawing, title: str, groups: Mapping[str, Sequence[Bar]]
) -> None:
    """Draw one measurement: a group of bars for each shape, all on one scale."""
    drawing.bottom += 34
    drawing.text(MARGIN, drawing.bottom, title, "section")
    drawing.bottom += 2
    costs = [bar.cost for bars in groups.values() for bar in bars if not bar.cannot]
    scale = Scale.of(costs) if costs else Scale(0, 1)
    for shape, bars in groups.items():
        top = drawing.bottom + 30
        drawing.text(MARGIN, top - 6, shape, "strong")
        bottom = top + ROW * len(bars)
        for cost in scale.ticks():
            x = scale.place(cost)
            drawing.line(x, top - 2, bottom)
            drawing.text(x, top - 6, f"{cost:,g} µs", "quiet", "middle")
        for row, bar in enumerate(bars):
            _bar(drawing, scale, bar, top + ROW * (row + 0.5))
        drawing.bottom = bottom


def _bar(drawing: _Drawing, scale: Scale, bar: Bar, middle: float) -> None:
    """Draw one bar between its name and its number."""
    style = "strong" if bar.kind == "syncra" else ""
    drawing.text(LEFT - 8, middle + DROP, bar.name, style, "end")
    if bar.cannot:
        # On a ground of its own, since the lines of the scale go through it.
        text = f"cannot: {bar.cannot}"[:90]
        drawing.box(LEFT + 1, middle - ROW / 2, 6.2 * len(text), ROW, "ground")
        drawing.text(LEFT + 4, middle + DROP, text, "quiet")
        return

    end = scale.place(bar.cost)
    drawing.box(LEFT, middle - BAR / 2, end - LEFT, BAR, bar.kind)
    text = f"{number(bar.cost)} µs"
    if bar.tasks is not None:
        text += f" ({bar.tasks:,} tasks)"
    drawing.box(end + 3, middle - ROW / 2, 6.6 * len(text) + 4, ROW, "ground")
    drawing.text(end + 5, middle + DROP, text, style)


def number(cost: float) -> str:
    """Return a number with as many digits as say something."""
    if cost >= 10:
        return f"{cost:,.0f}"

    return f"{cost:.1f}" if cost >= 1 else f"{cost:.2f}"
