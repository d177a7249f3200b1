"""P7, P8: what it costs to import Syncra and to run a first graph, process and all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from tempfile import TemporaryDirectory
from typing import ClassVar

from ..children import seconds_of
from ..model import Cost, Goal, Measurement, Row, Settings
from ..timing import in_turns

#: Starts of a process for each round, since one takes only milliseconds.
STARTS = 10

FIRST_CALL = """
from syncra import Graph

graph = Graph()

@graph.task
def first():
    return 1

@graph.task(dependencies=first)
def second(first):
    return first + 1

@graph.task(dependencies=second)
def third(second):
    return second + 1

assert graph()[third] == 3
"""


def started(programs: dict[str, str], settings: Settings) -> dict[str, list[float]]:
    """Return how long whole processes take, each program started once before."""
    with TemporaryDirectory() as bytecode:
        timers = {
            name: partial(seconds_of, code, bytecode) for name, code in programs.items()
        }
        for start in timers.values():
            start()
        return in_turns(timers, settings.rounds * STARTS)


class Import(Measurement):
    """P7: the import alone, so the time of a bare start is taken off both.

    What is left of Syncra's may be lost in the noise, and even be negative.
    """

    id = "P7"
    description = "import syncra ÷ import logging, beyond a bare start of Python"
    goals: ClassVar[Mapping[str, Goal]] = {"import": Goal(1.5, 0.8, at_most=True)}

    def rows(self, settings: Settings) -> Iterator[Row]:
        samples = started(
            {
                "bare": "pass",
                "logging": "import logging",
                "syncra": "import syncra",
            },
            settings,
        )
        bare = Cost.of(samples["bare"])
        baseline = Cost.of(samples["logging"]) - bare
        syncra = Cost.of(samples["syncra"]) - bare
        value, by_median = syncra.over(baseline)
        yield Row(
            id=self.id,
            what="import logging",
            baseline=baseline,
            syncra=syncra,
            value=value,
            by_median=by_median,
            goal=self.goals["import"],
            judged_by_median=True,
            samples=samples,
        )


class FirstCall(Measurement):
    """P8: a script of three tasks from the start of Python to its end."""

    id = "P8"
    description = "first call of a graph of 3 functions, whole process ÷ python -c pass"
    goals: ClassVar[Mapping[str, Goal]] = {"process": Goal(3, 2, at_most=True)}

    def rows(self, settings: Settings) -> Iterator[Row]:
        samples = started({"bare": "pass", "syncra": FIRST_CALL}, settings)
        baseline = Cost.of(samples["bare"])
        syncra = Cost.of(samples["syncra"])
        value, by_median = syncra.over(baseline)
        yield Row(
            id=self.id,
            what="python -c pass",
            shape="chain",
            baseline=baseline,
            syncra=syncra,
            value=value,
            by_median=by_median,
            goal=self.goals["process"],
            judged_by_median=True,
            samples=samples,
        )
