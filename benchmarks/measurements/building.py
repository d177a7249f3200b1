"""P6: what it costs to add a task to a graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from syncra import Graph

from ..model import Cost, Goal, Measurement, Row, Settings
from ..shapes import none
from ..timing import in_turns, timer


class Building(Measurement):
    """P6: tasks of one function into a graph, small tuples into a dict."""

    id = "P6"
    description = "graph.add of 1M tasks of one function ÷ 1M dict inserts of a tuple"
    goals: ClassVar[Mapping[str, Goal]] = {"add": Goal(40, 15, at_most=True)}

    def rows(self, settings: Settings) -> Iterator[Row]:
        names = [f"t{number}" for number in range(settings.large)]

        def add_tasks() -> object:
            graph = Graph()
            add = graph.add
            for name in names:
                add(none, name=name)
            return graph

        def insert_tuples() -> object:
            table: dict[str, tuple[object, ...]] = {}
            for name in names:
                table[name] = (none, name)
            return table

        samples = in_turns(
            {"dict": timer(insert_tuples), "syncra": timer(add_tasks)},
            settings.few_rounds,
        )
        baseline = Cost.of(samples["dict"], settings.large)
        syncra = Cost.of(samples["syncra"], settings.large)
        value, by_median = syncra.over(baseline)
        yield Row(
            id=self.id,
            what="dict insert",
            baseline=baseline,
            syncra=syncra,
            value=value,
            by_median=by_median,
            goal=self.goals["add"],
            samples=samples,
            notes={"tasks": settings.large},
        )
