"""Tasks that are made by calling `Task`, and the ways they come into a graph."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from syncra import Graph, Task, delete_graph, get_graph, task
from syncra.errors import (
    DuplicateTaskError,
    GraphError,
    InputError,
    UnknownDependencyError,
)


def one() -> int:
    return 1


def increased(number: int) -> int:
    return number + 1


async def gathered(*numbers: int) -> list[int]:
    return list(numbers)


def test_a_task_that_depends_on_nothing_is_free() -> None:
    """It is in no graph, and called like its function."""
    alone = Task(func=one)
    assert alone.graph is None
    assert alone.name == "one"
    assert alone() == 1


def test_a_graph_comes_to_be_when_tasks_depend_on_one_another() -> None:
    """And takes in all of them, coroutines too."""
    first = Task(name="first", func=one)
    second = Task(name="second", func=increased, dependencies=first)
    last = Task(gathered, first & second, name="last")
    assert first.graph is second.graph is last.graph
    run = last.graph()
    assert run[last] == [1, 2]
    assert list(run) == ["first", "second", "last"]


def test_a_task_says_its_graph_and_how_it_is_run() -> None:
    """With what `@task` takes."""
    made = Task(increased, None, graph="made", kwargs={"number": 4}, retry=2)
    try:
        assert made.graph is get_graph("made")
        assert get_graph("made")()[made] == 5
    finally:
        delete_graph("made")


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        ((3,), {}, TypeError, "expected a function"),
        ((one,), {"graph": 3}, TypeError, "a name or a Graph, got 3"),
        ((one,), {"retrys": 3}, TypeError, "Did you mean 'retry'"),
        ((one,), {"dependencies": "first"}, UnknownDependencyError, "Give graph="),
    ],
)
def test_what_is_no_task(arguments, options, error, text) -> None:
    """Is refused as `@task` refuses it."""
    with pytest.raises(error, match=text):
        Task(*arguments, **options)


def test_tasks_of_two_graphs() -> None:
    """Cannot be waited for by one."""
    first, second = Task(one, name="first"), Task(one, name="second")
    left = Task(increased, first, name="left")
    right = Task(increased, second, name="right")
    with pytest.raises(UnknownDependencyError, match="of two graphs"):
        Task(gathered, left & right, name="both")


def test_adding_to_a_graph() -> None:
    """A task, several, a function; what they depend on comes along."""
    graph = Graph("sums")
    first = Task(name="first", func=one)
    graph += first
    assert first.graph is graph
    graph += [Task(increased, first, name="second"), gathered]
    graph += first  # is in it already
    assert list(graph) == ["first", "second", "gathered"]
    assert graph()["second"] == 2


@pytest.mark.parametrize("wrong", [3, None, "task"])
def test_adding_what_is_no_task(wrong: Any) -> None:
    """The error names the graph, and says what could be added."""
    graph = Graph("more")
    with pytest.raises(TypeError, match=r"graph 'more': `\+=` adds a task, .* got "):
        graph += wrong
    assert not list(graph)


def test_adding_a_graph() -> None:
    """It is one task of the other, as with `graph.add`."""
    inner, outer = Graph("inner"), Graph("outer")
    inner += one
    outer += inner
    assert outer()["inner"]["one"] == 1


def test_adding_what_is_elsewhere() -> None:
    """A task is in one graph, and a name is there once."""
    first = Task(one, name="first")
    second = Task(increased, first, name="second")
    graph = Graph("sums")
    with pytest.raises(GraphError, match="graph 'graph' already") as caught:
        graph += second
    assert "test_gathering.py" in str(caught.value)
    assert not len(graph)
    graph += Task(one, name="first")
    with pytest.raises(DuplicateTaskError):
        graph += Task(increased, name="first")


def test_a_graph_from_a_list() -> None:
    """Dependencies may be named before they come."""
    graph = Graph.from_list(
        "sums",
        [
            {"name": "second", "func": "more", "dependencies": "first"},
            {"name": "first", "func": one, "retry": 2},
        ],
        {"more": increased},
    )
    assert graph.name == "sums"
    assert dict(graph()) == {"first": 1, "second": 2}


@pytest.mark.parametrize(
    ("description", "error", "text"),
    [
        ({"name": "first"}, TypeError, "task 1 of the list has no func"),
        (one, TypeError, "task 1 of the list is no mapping, got <function one"),
        ("one", TypeError, "task 1 of the list is no mapping, got 'one'"),
        ({"func": "increasd"}, GraphError, "Did you mean 'increased'"),
        ({"func": one, "dependson": "a"}, TypeError, "no option 'dependson'"),
        ({"func": 3}, TypeError, "expected a function"),
    ],
)
def test_a_list_with_a_mistake(description, error, text) -> None:
    """It says where and what."""
    with pytest.raises(error, match=text):
        Graph.from_list("sums", [{"func": one}, description], {"increased": increased})


def test_n_jobs_is_max_concurrency() -> None:
    """With one at a time, no task ever meets another."""
    busy, met = threading.Lock(), []
    graph = Graph("alone")

    def alone() -> None:
        met.append(not busy.acquire(blocking=False))
        busy.release()

    for number in range(20):
        graph.add(alone, name=f"task {number}")
    graph.run(n_jobs=1)
    assert met == [False] * 20
    with pytest.raises(TypeError, match="mean the same"):
        graph.run(n_jobs=1, max_concurrency=1)
    with pytest.raises(ValueError, match="n_jobs is at least 1"):
        graph.run(n_jobs=0)


def test_an_option_that_is_given_like_an_input() -> None:
    """Calling a graph takes inputs; the message says where options go."""
    graph = Graph("sums")
    graph += one
    with pytest.raises(InputError, match=r"given to run: graph\.run\(n_jobs=\.\.\.\)"):
        graph(n_jobs=2)


def test_the_decorator_still_adopts_tasks_made_by_calling() -> None:
    """Both spellings give the same kind of task."""
    first = Task(one, name="first")

    @task(dependencies=first)
    def second(first: int) -> int:
        return first + 1

    assert second.graph is first.graph
    assert second.graph()[second] == 2
