"""What a measurement is, and what comes out of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Settings:
    """Hold what the user of the command has chosen.

    Attributes:
        tasks: size of the graphs that are run many times.
        rounds: how often each competitor is timed.
        large: size of the graphs that are to be large.
    """

    tasks: int
    rounds: int
    large: int

    @property
    def few_rounds(self) -> int:
        """Return how often something is timed that takes seconds."""
        return max(2, self.rounds // 2)


@dataclass(frozen=True, slots=True)
class Goal:
    """Say how good a value has to be (the bar) and how good it should be (the aim).

    Attributes:
        bar: what it must not be worse than.
        aim: what it should reach.
        at_most: whether smaller is better: then the value is Syncra ÷ baseline.
        unit: what the value is counted in; nothing for a ratio.
    """

    bar: float
    aim: float
    at_most: bool = False
    unit: str = ""

    @property
    def sign(self) -> str:
        """Return how a value is compared with the bar."""
        return "≤" if self.at_most else "≥"

    def verdict(self, value: float) -> str:
        """Return "aim", "met" (the bar is, the aim is not) or "below bar"."""
        if self._reaches(value, self.aim):
            return "aim"

        return "met" if self._reaches(value, self.bar) else "below bar"

    def _reaches(self, value: float, wanted: float) -> bool:
        return value <= wanted if self.at_most else value >= wanted


@dataclass(frozen=True, slots=True)
class Cost:
    """Hold what something takes, in microseconds."""

    best: float
    median: float

    @classmethod
    def of(cls, seconds: Sequence[float], tasks: int = 1) -> Cost:
        """Return the cost of one task, from timings of so many tasks each."""
        scale = 1e6 / tasks
        return cls(min(seconds) * scale, median(seconds) * scale)

    def over(self, other: Cost) -> tuple[float, float]:
        """Return the ratio to another cost by best, and that by median."""
        return (
            self.best / other.best if other.best > 0 else math.inf,
            self.median / other.median if other.median > 0 else math.inf,
        )

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.best - other.best, self.median - other.median)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Hold one line of the table.

    Attributes:
        id: of the measurement.
        what: which comparison of that measurement it is.
        shape: of the graph; "-" where there is none.
        baseline: what the other side takes.
        syncra: what Syncra takes.
        value: the ratio by best times, or another number where the goal has a unit.
        by_median: the ratio by median times.
        goal: what the value is held against, if it is.
        judged_by_median: whether the verdict looks at `by_median`.
        cannot: why nothing could be measured, if so.
        remark: what is to be known beside; only where there is no goal.
        samples: every single timing in seconds, by name of the competitor.
        notes: more that was found out on the way.
    """

    id: str
    what: str
    shape: str = "-"
    baseline: Cost | None = None
    syncra: Cost | None = None
    value: float | None = None
    by_median: float | None = None
    goal: Goal | None = None
    judged_by_median: bool = False
    cannot: str = ""
    remark: str = ""
    samples: Mapping[str, Sequence[float]] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """Return how the value compares with the goal; nothing if there is none."""
        judged = self.by_median if self.judged_by_median else self.value
        if self.goal is None or judged is None:
            return ""

        return self.goal.verdict(judged)


class Measurement:
    """Measure one line of the table of speed: subclass it and list the subclass.

    Attributes:
        id: of the line, as in "P1".
        description: what is compared with what.
        goals: bar and aim, by the shape or other thing that they are for.
    """

    id: str
    description: str
    goals: ClassVar[Mapping[str, Goal]]

    def rows(self, settings: Settings) -> Iterator[Row]:
        """Measure, and give each row as soon as it is known."""
        raise NotImplementedError


class Cannot(Exception):
    """Say why something cannot be measured here, in a few words."""
