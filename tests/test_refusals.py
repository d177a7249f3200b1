"""What is refused, and in which words: mistakes that nobody makes on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import pytest
from typing_extensions import TypeAliasType

from syncra import Graph, task
from syncra._annotations import type_name
from syncra._conversion import ConversionError, from_json, from_text
from syncra.errors import GraphError, TaskNotFoundError, UnknownDependencyError


def one() -> int:
    return 1


def two(one: int) -> int:
    return one + 1


def _private() -> int:
    return 1


def redefined() -> int:
    return 1


first_of_its_name = redefined


def redefined() -> int:  # type: ignore[no-redef]
    return 2


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"after": {"one": "one"}}, "after= takes a task or several; a mapping binds"),
        ({"dependencies": 3}, "dependencies= takes a task, a function, a name, or"),
        ({"dependencies": [3]}, "holds 3, which is neither a task, a function nor"),
        ({"dependencies": {3: "one"}}, "the keys of dependencies= are parameter names"),
    ],
)
def test_what_is_no_dependency(given: dict[str, Any], words: str) -> None:
    graph = Graph()
    graph.add(one)
    with pytest.raises(TypeError, match=f"task 'two': .*{words}"):
        graph.add(two, **given)
    assert list(graph) == ["one"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"outputs": ["a", 3]}, "outputs= holds names, got 3"),
        ({"outputs": ["a", ""]}, "outputs= holds names, got ''"),
        ({"outputs": ["a", "a"]}, "hold one of them twice"),
        ({"limit": 3}, "limit is the name of a limit of the graph, or a mapping"),
    ],
)
def test_what_is_no_option(given: dict[str, Any], words: str) -> None:
    graph = Graph()
    with pytest.raises((TypeError, ValueError), match=f"task 'one': .*{words}"):
        graph.add(one, **given)
    assert list(graph) == []


def test_what_is_no_graph() -> None:
    with pytest.raises(TypeError, match="graph= is a name or a Graph, got 3"):
        task(graph=3)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="graph_name= is a name or a Graph, got 3"):
        task(graph_name=3)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="graph 'g': limits has names for keys, got 3"):
        Graph("g", limits={3: 1})  # type: ignore[dict-item]


def test_a_function_that_is_no_task_of_the_run() -> None:
    graph = Graph("g")
    graph.add(one)
    run = graph.run()
    with pytest.raises(TaskNotFoundError, match="'g' has no task 'two'"):
        run[two]
    with pytest.raises(TaskNotFoundError, match=r"has no task 'functools\.partial"):
        run[partial(one)]


def test_a_dependency_of_another_graph() -> None:
    """The message says where that task is, and what to do."""
    stranger = Graph("other").add(one)
    with pytest.raises(UnknownDependencyError, match=r"on .* of graph 'other'"):
        Graph("mine").add(two, dependencies=stranger)


def test_a_function_that_stands_for_several_tasks() -> None:
    graph = Graph("pair")
    graph.add(one, name="a")
    graph.add(one, name="b")
    with pytest.raises(
        TaskNotFoundError, match=r"several tasks in graph 'pair': 'a', 'b'"
    ):
        graph.run(targets=[one])
    with pytest.raises(TaskNotFoundError, match="two"):
        graph.run(targets=[two])
    with pytest.raises(TaskNotFoundError, match="partial"):
        graph.run(targets=[partial(one)])
    with pytest.raises(TaskNotFoundError, match="stranger"):
        graph.run(targets=[Graph().add(one, name="stranger")])


def test_an_output_that_is_not_there() -> None:
    graph = Graph()
    parts = graph.add(lambda: (1, 2), name="parts", outputs=("rows", "schema"))
    with pytest.raises(GraphError, match="rows"):
        graph.add(two, dependencies=parts["row"])


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (_private, "private"),
        (first_of_its_name, "is not what .*:redefined leads to"),
        (lambda: 1, "has no name to find it by"),
    ],
)
def test_a_function_that_no_file_can_name(
    function: Callable[[], int], words: str
) -> None:
    graph = Graph("unsayable")
    graph.add(function, name="task")
    with pytest.raises(GraphError, match=words):
        graph.to_dict()


@dataclass
class Positive:
    """Hold a number that is more than 0."""

    number: int

    def __post_init__(self) -> None:
        if self.number <= 0:
            raise ValueError("not positive")


@dataclass
class Unreadable:
    """Hold something of a type that is not there."""

    number: Missing  # type: ignore[name-defined]  # noqa: F821


def test_values_of_classes() -> None:
    """Those that are there already, those that are refused, and what is no object."""
    there = Positive(1)
    assert from_json(there, Positive) is there
    assert from_json({"number": 2}, Positive) == Positive(2)
    with pytest.raises(ConversionError, match="Positive refuses it: not positive"):
        from_json({"number": 0}, Positive)
    with pytest.raises(ConversionError, match="expected a JSON object"):
        from_json([1], Positive)
    with pytest.raises(ConversionError, match="of Unreadable cannot be read"):
        from_json({"number": 1}, Unreadable)


def test_what_is_nested_too_deeply() -> None:
    nested: Any = []
    for _ in range(100_000):
        nested = [nested]
    kind: Any = list
    for _ in range(5_000):
        kind = list[kind]
    with pytest.raises(ConversionError, match="nested too deeply"):
        from_json(nested, kind)


def test_none_where_only_none_is_expected() -> None:
    assert from_json(None, type(None)) is None
    with pytest.raises(ConversionError):
        from_json(0, type(None))


T = TypeVar("T", bound=int)


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (TypeAliasType("Numbers", list[int]), "[1, 2]", [1, 2]),
        (T, "3", 3),
    ],
)
def test_annotations_that_stand_for_others(
    annotation: Any, text: str, value: object
) -> None:
    assert from_text(text, annotation) == value


@pytest.mark.parametrize(
    ("annotation", "name"),
    [
        (None, ""),
        (type(None), "None"),
        ("Rows", "Rows"),
        (list[Positive], "list[Positive]"),
    ],
)
def test_names_of_annotations(annotation: object, name: str) -> None:
    assert type_name(annotation) == name


def test_a_command_with_all_that_a_file_can_say_of_it() -> None:
    """It is written down, and comes back the same."""
    graph = Graph("commands")
    graph.command(
        ["curl", "{token}", "{{}}"],
        name="fetch",
        redact=["{token}"],
        max_output=100,
        cwd="/tmp/{place}",
        check=False,
    )
    said = graph.to_dict()
    (command,) = said["tasks"]
    assert command["redact"] == ["{token}"]
    assert command["max_output"] == 100
    assert command["check"] is False
    assert command["command"] == ["curl", "{token}", "{{}}"]
    assert Graph.from_dict(said, allow_commands=True).to_dict() == said


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({1: "one"}, "keys that are no texts"),
        (float("inf"), "holds inf, which JSON does not have"),
        ([object()], "holds a object"),
    ],
)
def test_constants_that_no_file_can_hold(value: object, words: str) -> None:
    graph = Graph("constants")
    graph.add(two, kwargs={"one": value})
    with pytest.raises(GraphError, match=words):
        graph.to_dict()


def test_a_constant_that_holds_itself() -> None:
    circle: list[Any] = []
    circle.append(circle)
    graph = Graph("circle")
    graph.add(two, kwargs={"one": circle})
    with pytest.raises(GraphError, match="a million values, or itself"):
        graph.to_dict()
