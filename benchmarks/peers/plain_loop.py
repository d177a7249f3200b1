"""No library at all: a loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..shapes import Shape
from ._base import Peer


class PlainLoop(Peer):
    """Call one function after another in topological order."""

    name = "plain loop"

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        work = shape.work(count)
        functions, waits_for = work.functions, work.waits_for

        def run() -> object:
            values: list[Any] = []
            value_of, keep = values.__getitem__, values.append
            for function, before in zip(functions, waits_for, strict=True):
                keep(function(*map(value_of, before)))
            return values[-1]

        return run
