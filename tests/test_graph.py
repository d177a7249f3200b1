"""Putting graphs together: spellings, names, mistakes (design 2.1, 2.3)."""

from __future__ import annotations

import importlib
import pickle
import sys
import textwrap
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from syncra import Graph, Task, Threads, delete_graph, get_graph, list_graphs, task
from syncra.errors import (
    CycleError,
    DuplicateTaskError,
    GraphError,
    GraphNotFoundError,
    SignatureError,
    SyncraError,
    TaskNotFoundError,
    UnknownDependencyError,
)


@pytest.fixture(autouse=True)
def own_graphs() -> Iterator[None]:
    """Forget the graphs that a test has made by name."""
    before = list_graphs()
    yield
    for name in list_graphs():
        if name not in before:
            delete_graph(name)


def test_every_spelling_of_the_decorator() -> None:
    """`graph=`, `graph_name=`, positional, a `Graph`, bare and as a method."""
    mine = Graph("mine")

    @task(graph="spell")
    def a() -> int:
        return 1

    @task(graph_name="spell")
    def b() -> int:
        return 2

    @task("spell")
    def c() -> int:
        return 3

    @task(mine)
    def d() -> int:
        return 4

    @mine.task
    def e() -> int:
        return 5

    @mine.task(name="f", tags="slow")
    def g() -> int:
        return 6

    @task
    def free() -> int:
        return 7

    assert list(get_graph("spell")) == ["a", "b", "c"]
    assert list(mine) == ["d", "e", "f"]
    assert mine["f"].tags == {"slow"}
    assert free.graph is None
    assert dict(get_graph("spell")()) == {"a": 1, "b": 2, "c": 3}
    with pytest.raises(TypeError, match="mean the same"):
        task("x", graph_name="y")


def test_a_task_is_called_like_its_function() -> None:
    """It keeps name, text and signature, for unit tests and for tools."""
    import inspect

    @task(graph="like")
    def add(left: int, right: int = 2) -> int:
        """Add two numbers."""
        return left + right

    assert add(1) == 3
    assert add(1, right=5) == 6
    assert add.__name__ == "add"
    assert add.__doc__ == "Add two numbers."
    assert add.__qualname__.endswith("add")
    assert add.__wrapped__(1) == 3
    assert str(inspect.signature(add)) == "(left: 'int', right: 'int' = 2) -> 'int'"
    assert "Run a callable as one task" in (Task.__doc__ or "")
    assert repr(add) == "<Task 'add' of graph 'like'>"
    with pytest.raises(AttributeError):
        add.nothing  # noqa: B018


def test_tasks_as_methods() -> None:
    """A task written in a class body is still called with its instance."""

    class Loader:
        @task
        def load(self, path: str) -> tuple[Any, str]:
            return self, path

    loader = Loader()
    assert loader.load("x") == (loader, "x")
    graph = Graph()
    graph.add(loader.load)
    assert graph(path="p")["load"] == (loader, "p")


def test_stacked_decorators_make_tasks_of_one_function() -> None:
    """The same function can be a task of two graphs, or twice of one."""

    @task(graph="left")
    @task(graph="right", name="other")
    def function() -> int:
        return 1

    assert get_graph("left")["function"].function is (
        get_graph("right")["other"].function
    )
    again = task(graph="left", name="again")(function)
    assert get_graph("left")()[again] == 1


def test_without_a_graph_a_task_joins_that_of_its_dependencies() -> None:
    """Free tasks among the dependencies come along; none at all make a graph."""
    graph = Graph("home")
    a = graph.add(lambda: 1, name="a")

    @task
    def b() -> int:
        return 2

    @task(dependencies=(a, b))
    def c(x: int, y: int) -> int:
        return x + y

    assert b.graph is c.graph is graph

    @task
    def p() -> int:
        return 1

    @task(dependencies=p)
    def q(x: int) -> int:
        return x + 1

    assert p.graph is q.graph
    assert q.graph is not None
    assert q.graph()[q] == 2


def test_dependencies_of_two_graphs_are_refused() -> None:
    """The message names both graphs."""
    a = Graph("one").add(lambda: 1, name="a")
    b = Graph("two").add(lambda: 2, name="b")
    with pytest.raises(UnknownDependencyError, match="two graphs, 'one' and 'two'"):
        task(dependencies=(a, b))(lambda x, y: 0)
    with pytest.raises(UnknownDependencyError, match="of graph 'one'"):
        Graph("three").add(lambda x: 0, name="c", dependencies=a)


def test_ampersand_collects_dependencies() -> None:
    """`a & b & c` is a tuple."""
    graph = Graph()
    a, b, c = (graph.add(lambda: 1, name=name) for name in "abc")
    assert a & b == (a, b)
    assert a & b & c == (a, b, c)
    assert a & (b & c) == (a, b, c)
    with pytest.raises(TypeError):
        a & 3


def test_ampersand_collects_parts_too() -> None:
    """In any order, with tasks and with what is collected already."""
    graph = Graph()
    whole = graph.add(lambda: 1, name="whole")
    pair = graph.add(lambda: (1, 2), name="pair", outputs=("left", "right"))
    left, right = pair["left"], pair["right"]
    assert left & right & whole == (left, right, whole)
    assert left & (right & whole) == (left, right, whole)
    assert whole & left & right == (whole, left, right)
    assert repr(left) == "<Part 'left' of task 'pair'>"
    with pytest.raises(TypeError):
        left & 3
    with pytest.raises(TypeError):
        3 & left


def test_dependencies_by_name_by_function_and_before_they_exist() -> None:
    """Names may be forward references; a function stands for its only task."""
    graph = Graph()

    def late() -> int:
        return 2

    graph.add(lambda x, y: x * y, name="end", dependencies=["late", late])
    graph.add(late)
    assert graph()["end"] == 4
    graph.add(late, name="twice")
    with pytest.raises(UnknownDependencyError, match="several tasks: 'late', 'twice'"):
        graph()


def test_fault_73_unknown_dependency() -> None:
    """It is named with the nearest match, before anything runs."""
    graph = Graph("etl")
    ran: list[int] = []
    graph.add(lambda: ran.append(1), name="extract")
    graph.add(lambda x: x, name="load", dependencies="extrct")
    with pytest.raises(UnknownDependencyError) as caught:
        graph()
    assert "task 'load'" in str(caught.value)
    assert "Did you mean 'extract'?" in str(caught.value)
    assert f"{__file__}:" in str(caught.value)
    assert caught.value.suggestion == "extract"
    assert isinstance(caught.value, LookupError)
    assert not ran

    def stranger() -> None: ...

    graph.remove("load")
    graph.add(lambda x: x, name="load", dependencies=stranger)
    with pytest.raises(UnknownDependencyError, match="no task of graph 'etl'"):
        graph()


def test_fault_73_unknown_graph() -> None:
    """So is a graph that nobody has registered."""

    @task(graph="weather")
    def a() -> None: ...

    with pytest.raises(GraphNotFoundError, match=r"Did you mean 'weather'\?") as caught:
        get_graph("wheather")
    assert caught.value.suggestion == "weather"
    assert isinstance(caught.value, KeyError)
    assert "import the module" in str(GraphNotFoundError("import the module", "x"))
    delete_graph("weather")
    with pytest.raises(GraphNotFoundError):
        delete_graph("weather")
    assert "weather" not in list_graphs()


def test_fault_72_cycles_are_named_with_their_path() -> None:
    """Before anything runs, from the first task round to it again."""
    graph = Graph("loop")
    ran: list[int] = []
    graph.add(lambda: ran.append(1), name="start")
    graph.add(lambda x: x, name="a", dependencies=["c"], after="start")
    graph.add(lambda x: x, name="b", dependencies=["a"])
    graph.add(lambda x: x, name="c", dependencies=["b"])
    graph.add(lambda x: x, name="end", dependencies=["c"])
    with pytest.raises(CycleError, match="a -> b -> c -> a") as caught:
        graph()
    assert caught.value.cycle == ("a", "b", "c", "a")
    assert isinstance(caught.value, ValueError)
    assert not ran
    selfish = Graph("selfish")
    selfish.add(lambda x: x, name="me", dependencies="me")
    with pytest.raises(CycleError, match=r"'me' .* depends on itself"):
        selfish()


def test_fault_72_a_long_cycle_is_shortened_in_the_message() -> None:
    """All of it is in the attribute."""
    graph = Graph()
    for number in range(1000):
        graph.add(
            lambda x: x, name=f"t{number}", dependencies=f"t{(number - 1) % 1000}"
        )
    with pytest.raises(CycleError) as caught:
        graph.order()
    assert len(caught.value.cycle) == 1001
    assert len(str(caught.value)) < 2500


SOURCE = """
from syncra import task

@task(graph="reloaded")
def extract():
    return {value}

@task(graph="reloaded", dependencies=extract)
def load(rows):
    return rows
"""


def test_fault_74_reloading_a_module_replaces_its_tasks(tmp_path, monkeypatch) -> None:
    """A redefined function replaces its task, and dependants follow."""
    file = tmp_path / "reloaded_module.py"
    file.write_text(SOURCE.format(value=1))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    module = importlib.import_module("reloaded_module")
    old = module.extract
    assert get_graph("reloaded")()[module.load] == 1
    file.write_text(SOURCE.format(value=22))
    importlib.reload(module)
    run = get_graph("reloaded")()
    assert run[module.load] == 22
    assert run[old] == 22
    assert list(get_graph("reloaded")) == ["extract", "load"]


def test_fault_74_a_notebook_cell_run_again() -> None:
    """Only the upstream cell runs again; what was defined below uses the new one."""
    cell = "@task(graph='cells')\ndef extract():\n    return {}\n"
    names: dict[str, Any] = {"task": task, "__name__": "__main__"}
    exec(cell.format(1), names)
    exec(
        "@task(graph='cells', dependencies=extract)\ndef load(x):\n    return x\n",
        names,
    )
    exec(cell.format(2), names)
    assert get_graph("cells")()["load"] == 2


def test_fault_74_a_cell_run_again_with_other_outputs() -> None:
    """What was defined below it depends on a part that is no more, and is told so."""
    cell = "@task(graph='parts', outputs={!r})\ndef pair():\n    return 1, 2\n"
    names: dict[str, Any] = {"task": task, "__name__": "__main__"}
    exec(cell.format(("left", "right")), names)
    exec(
        "@task(graph='parts', dependencies=pair['left'])\ndef use(x):\n    return x\n",
        names,
    )
    assert get_graph("parts")()["use"] == 1
    exec(cell.format(("right", "left")), names)
    assert get_graph("parts")()["use"] == 2
    exec(cell.format(("first", "second")), names)
    with pytest.raises(SignatureError, match=r"no output 'left'") as caught:
        get_graph("parts")()
    assert "task 'use' (" in "".join(caught.value.__notes__)


def test_fault_74_modules_with_functions_of_one_name() -> None:
    """Only what a module defines again replaces what it had defined, in new names too.

    A module that is forgotten and imported again has names of its own.
    """
    source = "@task(graph=graph)\ndef extract():\n    return {!r}\n"
    graph = Graph("etl")

    def execute(module: str, value: int) -> None:
        names = {"task": task, "graph": graph, "__name__": module}
        exec(source.format(value), names)

    execute("shop", 1)
    with pytest.raises(DuplicateTaskError, match="has a task 'extract' already"):
        execute("bank", 2)
    assert graph()["extract"] == 1
    execute("shop", 3)
    assert graph()["extract"] == 3


def test_a_dependency_that_was_moved_to_another_graph() -> None:
    mine, other = Graph("mine"), Graph("other")
    one = mine.add(lambda: 1, name="one")
    two = mine.add(lambda x: x, name="two", dependencies=one)
    mine.remove(two)
    other.add(mine.remove(one))
    with pytest.raises(UnknownDependencyError, match="'one' of graph 'other'"):
        mine.add(two)


def test_fault_74_two_functions_of_one_name() -> None:
    """Both places are in the message."""
    graph = Graph("etl")

    def make() -> Any:
        def extract() -> None: ...

        return extract

    def extract() -> None: ...

    graph.task(extract)
    with pytest.raises(DuplicateTaskError) as caught:
        graph.task(make())
    first, second = caught.value.places
    assert first == f"{__file__}:{extract.__code__.co_firstlineno}"
    assert first in str(caught.value)
    assert second in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert graph["extract"].function is extract


def test_fault_74_functions_made_in_a_loop_are_different_tasks() -> None:
    """They share module, qualified name and code: silently one would be a lie."""
    graph = Graph()

    def make(number: int) -> Any:
        def read() -> int:
            return number

        return read

    graph.add(make(1))
    with pytest.raises(DuplicateTaskError, match="name="):
        graph.add(make(2))
    graph.add(lambda: 1)
    with pytest.raises(DuplicateTaskError):
        graph.add(lambda: 2)
    with pytest.raises(DuplicateTaskError):
        graph.add(graph["read"].function)


NAMES = [
    "x" * 10_000,
    "nul\0byte",
    "new\nline",
    "\u202eright-to-left",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    "🚀",
    "a.b:c d",
    "{braces} %s",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_fault_77_strange_names_are_carried(name: str, run) -> None:
    """Any non-empty text is a name, and comes back as it was."""
    graph = Graph(name)
    first = graph.add(lambda: 1, name=name)
    graph.add(lambda x: x + 1, name="next", dependencies=name)
    found = run(graph)
    assert found[name] == found[first] == 1
    assert found["next"] == 2
    assert found.records[name].name == name
    assert repr(found)
    assert repr(graph)


def test_fault_77_names_that_are_none() -> None:
    """Empty names and names that are no text are refused."""
    graph = Graph()
    with pytest.raises(ValueError, match="cannot be empty"):
        graph.add(lambda: 1, name="")
    with pytest.raises(TypeError, match="is a str"):
        graph.add(lambda: 1, name=3)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="is a str"):
        Graph(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cannot be empty"):
        Graph("")


def test_a_graph_is_a_mapping() -> None:
    """Of name to task, in the order they were added; even empty it is true."""
    graph = Graph()
    assert graph
    assert len(graph) == 0
    assert dict(graph()) == {}
    a = graph.add(lambda: 1, name="a")
    assert list(graph.items()) == [("a", a)]
    assert a in graph
    assert "a" in graph
    assert "b" not in graph
    with pytest.raises(TaskNotFoundError, match="'abc'"):
        graph["abc"]
    with pytest.raises(KeyError):
        graph["abc"]


def test_remove() -> None:
    """A removed task is free; one that others need stays."""
    graph = Graph("g")
    a = graph.add(lambda: 1, name="a")
    b = graph.add(lambda x: x, name="b", dependencies=a)
    with pytest.raises(GraphError, match="still needed by 'b'"):
        graph.remove(a)
    assert graph.remove("b") is b
    assert b.graph is None
    assert graph.remove(a.function) is a
    assert not len(graph)
    with pytest.raises(TaskNotFoundError):
        graph.remove("a")


def test_order_and_check() -> None:
    """`order` is topological; `check` finds every mistake at once."""
    graph = Graph("g")
    graph.add(lambda x: x, name="b", dependencies="a")
    graph.add(lambda: 1, name="a")
    assert [item.name for item in graph.order()] == ["a", "b"]
    graph.check()
    graph.add(lambda x: x, name="c", dependencies="nothing")
    with pytest.raises(UnknownDependencyError):
        graph.check()
    graph.add(lambda x: x, name="d", kwargs={"y": 1})
    graph.add(lambda x: x, name="e", dependencies="f")
    graph.add(lambda x: x, name="f", dependencies="e")
    with pytest.raises(ExceptionGroup, match="3 mistakes") as caught:
        graph.check()
    kinds = [type(error).__name__ for error in caught.value.exceptions]
    assert kinds == ["UnknownDependencyError", "SignatureError", "CycleError"]


@pytest.mark.shares_memory
def test_targets_run_only_what_they_need(run) -> None:
    """Tasks, names and functions; inputs of the rest may be given and need not."""
    graph = Graph()
    ran: list[str] = []

    def a(path: str) -> str:
        ran.append("a")
        return path

    def b(a: str) -> str:
        ran.append("b")
        return a

    def c(other: str) -> str:
        ran.append("c")
        return other

    graph.add(a)
    task_b = graph.add(b, dependencies=a)
    graph.add(c)
    found = run(graph, {"path": "p"}, targets=[task_b])
    assert dict(found) == {"a": "p", "b": "p"}
    assert ran == ["a", "b"]
    assert dict(run(graph, {"path": "p", "other": "o"}, targets="a")) == {"a": "p"}
    assert dict(run(graph, {"other": "o"}, targets=[c])) == {"c": "o"}
    with pytest.raises(TaskNotFoundError, match="'d'"):
        run(graph, {}, targets=["d"])


def test_override_replaces_functions_for_a_test(run) -> None:
    """Inside the block, for every run; wired by its own parameters; then undone."""
    graph = Graph()

    def fetch(url: str) -> str:
        raise AssertionError

    async def parse(text: str) -> str:
        return text.upper()

    fetched = graph.add(fetch)
    parsed = graph.add(parse, dependencies=fetch)
    with graph.override({fetched: lambda: "fake"}):
        assert run(graph)[parsed] == "FAKE"
        assert run(graph, {"url": "ignored"})[parsed] == "FAKE"
        with graph.override({"parse": lambda text: text + "!"}):
            assert run(graph)[parsed] == "fake!"
        assert run(graph)[parsed] == "FAKE"
    with pytest.raises(AssertionError):
        run(graph, {"url": "x"})
    with pytest.raises(TypeError, match="lambda: value"), graph.override({"fetch": 3}):
        pass  # type: ignore[dict-item]
    with pytest.raises(TaskNotFoundError), graph.override({"nope": fetch}):
        pass


@pytest.mark.shares_memory
def test_a_graph_as_one_task(run) -> None:
    """Its inputs are parameters, its run is the result; sync and async."""
    inner = Graph("inner")

    async def double(number: int) -> int:
        return number * 2

    doubled = inner.add(double)
    outer = Graph("outer")
    one = outer.add(lambda: 21, name="number")
    nested = outer.add(inner, dependencies=one)
    assert run(outer)[nested][doubled] == 42
    again = Graph("again")
    again.add(inner, name="twice")
    assert run(again, {"number": 4})["twice"]["double"] == 8
    with pytest.raises(ValueError, match="task of itself"):
        inner.add(inner)


def test_more_targets_than_are_remembered() -> None:
    """A graph may be run for each of its tasks, one after another, and again."""
    graph = Graph()
    for number in range(100):
        graph.add(lambda number=number: number, name=str(number))
    for _ in range(2):
        for number in range(100):
            assert dict(graph.run(targets=str(number))) == {str(number): number}
    assert len(graph.run()) == 100


def test_more_executors_than_are_remembered() -> None:
    """Each is taken as it is, also one that was given before."""
    graph = Graph()
    graph.add(threading.current_thread, name="thread")
    executors = [Threads(number) for number in range(1, 20)]
    for executor in executors * 2:
        assert graph.run(executor=executor).records["thread"].executor == "threads"
    found = graph.run(executor="sequential")
    assert found["thread"] is threading.current_thread()


def test_executors_are_checked_where_they_are_named() -> None:
    """A slip in a name is said at once, with the nearest name."""
    with pytest.raises(ValueError, match=r"Did you mean 'threads'\?"):
        Graph(executor="thread")
    with pytest.raises(ValueError, match="no executor 'proces'"):
        Graph().add(lambda: 1, name="a", executor="proces")
    with pytest.raises(TypeError, match="an executor is a name"):
        Graph().run(executor=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="on_error is one of"):
        Graph(on_error="ignore")


def test_a_free_task_is_added_as_it_is() -> None:
    """The task itself joins; one of another graph lends its function only."""

    @task
    def a() -> int:
        return 1

    graph = Graph()
    assert graph.add(a) is a
    other = Graph()
    copy = other.add(a)
    assert copy is not a
    assert copy.function is a.function


MODULE = """
from syncra import task

@task(graph="pickled")
def extract(path):
    return path

class Loader:
    @task(graph="pickled")
    def load(self):
        return 1
"""


def test_tasks_pickle_by_reference(tmp_path, monkeypatch) -> None:
    """What comes back is the very task; one that is not found again is refused."""
    (tmp_path / "pickled_module.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("pickled_module")
    assert pickle.loads(pickle.dumps(module.extract)) is module.extract
    assert pickle.loads(pickle.dumps(module.Loader.load)) is module.Loader.load
    with pytest.raises(pickle.PicklingError, match="by reference"):
        pickle.dumps(Graph().add(lambda: 1, name="a"))


def test_every_error_is_a_syncra_error() -> None:
    """One `except` catches what Syncra raises by itself."""
    with pytest.raises(SyncraError):
        get_graph("nothing at all")
