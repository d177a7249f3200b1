"""What demanding users have tried, and what came of it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from syncra import Graph

# Code and values that change between two runs of a graph.


class Model:
    def __init__(self) -> None:
        self.factor = 2

    def predict(self, value: int) -> int:
        return self.factor * value


def test_a_method_in_processes_sees_its_object_as_it_is_at_each_run() -> None:
    model = Model()
    graph = Graph(executor="processes")
    graph.add(model.predict, name="predict")
    assert graph(value=10)["predict"] == 20
    model.factor = 3
    assert graph(value=10)["predict"] == 30


def test_a_function_by_value_sees_variables_as_they_are_at_each_run() -> None:
    pytest.importorskip("cloudpickle")
    factor = 2
    graph = Graph(executor="processes")
    graph.add(lambda value: factor * value, name="scale")
    assert graph(value=10)["scale"] == 20
    factor = 3
    assert graph(value=10)["scale"] == 30


@pytest.fixture
def reloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that writes a module of some text and imports it, again."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # seconds tell files apart
    name = "module_of_the_walk"

    def load(text: str) -> ModuleType:
        (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        if name in sys.modules:
            return importlib.reload(sys.modules[name])

        return importlib.import_module(name)

    yield load
    sys.modules.pop(name, None)


def test_processes_run_what_a_module_has_after_it_was_reloaded(reloaded: Any) -> None:
    def run() -> Any:
        return Graph.run(graph_of(module))["price"]

    def graph_of(module: ModuleType) -> Graph:
        graph = Graph(executor="processes")
        graph.add(module.price)
        return graph

    text = "RATE = {}\ndef price(): return RATE\n"
    module = reloaded(text.format(2))
    assert run() == 2
    module = reloaded(text.format(3))
    assert run() == 3
