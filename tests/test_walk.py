"""What demanding users have tried, and what came of it."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from syncra import Graph
from syncra.errors import InputError

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


# What is of the wrong type, or is not there.


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kwargs": 5}, "kwargs= is a mapping of parameter names to values, got 5"),
        ({"kwargs": "abc"}, "kwargs= is a mapping"),
        ({"kwargs": [("x", 1)]}, "kwargs= is a mapping"),
        ({"tags": None}, "tags= takes a name or several, got None"),
        ({"outputs": 5}, "outputs= takes a name or several, got 5"),
        ({"retry": 1.5}, "retry is the number of attempts"),
    ],
)
def test_an_option_of_the_wrong_type_names_the_task_as_it_was_named(
    options: dict[str, Any], says: str
) -> None:
    """Not as its function, which may be a lambda."""
    graph = Graph()
    with pytest.raises(TypeError, match=f"^task 'load': {re.escape(says)}"):
        graph.add(lambda x=1: x, name="load", **options)
    with pytest.raises(TypeError, match=f"^task 'load': {re.escape(says)}"):
        graph.task(name="load", **options)(lambda x=1: x)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"target": "a"}, "there is no option 'target'. Did you mean 'targets'?"),
        ({"in_loop": True}, "there is no option 'in_loop'."),
        ({"inputs": [1]}, "inputs is a mapping of names to values, got list"),
        ({"inputs": 0}, "inputs is a mapping of names to values, got int"),
        ({"targets": 5}, "targets= takes a task or several, got 5"),
    ],
)
def test_what_a_run_does_not_understand(options: dict[str, Any], says: str) -> None:
    graph = Graph("g")
    graph.add(lambda: 1, name="a")
    for call in (graph.run, graph.start):
        with pytest.raises(TypeError) as caught:
            call(**options)
        assert str(caught.value).startswith(f"run of graph 'g': {says}")


def test_inputs_are_given_by_names() -> None:
    with pytest.raises(InputError, match="no input 1: inputs are given by name"):
        Graph().run({1: 2})  # type: ignore[dict-item]


def test_the_error_for_very_many_inputs_can_be_read() -> None:
    graph = Graph()
    graph.add(eval(f"lambda {', '.join(f'a{n}' for n in range(5000))}: 0"), name="all")
    with pytest.raises(InputError) as caught:
        graph.run({f"b{n}": n for n in range(5000)})
    assert len(str(caught.value)) < 20_000
    assert "And 9,980 more inputs like these." in str(caught.value)
    assert len(caught.value.missing) == len(caught.value.unknown) == 5000
