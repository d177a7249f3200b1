"""What demanding users have tried, and what came of it."""

from __future__ import annotations

import copy
import importlib
import inspect
import math
import os
import pickle
import re
import subprocess
import sys
import threading
import zipapp
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, Optional, TypeVar
from unittest.mock import AsyncMock, MagicMock

import pytest

import syncra
from syncra import Context, Graph, Retry, Task, delete_graph, get_graph, task
from syncra import Context as Circumstances
from syncra.errors import (
    DuplicateTaskError,
    GraphError,
    InputError,
    SerializationError,
    TaskCancelled,
    TaskNotFoundError,
    TaskSkipped,
    TaskTimeout,
)

T = TypeVar("T")

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


def test_a_parameter_that_has_the_name_of_a_task_and_does_not_depend_on_it() -> None:
    """It is an input, as any other; but hardly was it meant to be one."""
    graph = Graph("g")
    graph.add(lambda: 1, name="rows")
    graph.add(lambda rows: rows, name="count")
    with pytest.raises(InputError, match="task 'rows', say dependencies='rows'"):
        graph()
    assert graph(rows=2)["count"] == 2
    graph = Graph("g")
    graph.add(lambda rows: rows, name="rows")
    with pytest.raises(InputError) as caught:
        graph()
    assert "dependencies" not in str(caught.value)


def test_an_input_that_is_given_as_an_option() -> None:
    """Who has learned `graph(path=...)` writes `graph.run(path=...)`."""
    graph = Graph("g")
    graph.add(lambda path, target: path, name="a")
    for name in ("path", "target"):
        with pytest.raises(TypeError, match=f"'{name}'. It is an input: .*{name}': "):
            graph.run(**{name: "data.csv"})
    graph.add(len, name="b", dependencies="c")
    with pytest.raises(TypeError, match="no option 'path'"):
        graph.run(path="data.csv")


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


# Callables of every kind.


def test_a_mock_stands_in_for_a_task() -> None:
    """It has every attribute that it is asked for, that of a coroutine function too."""
    graph = Graph()
    load = graph.add(lambda path: path, name="load")
    graph.add(lambda load: load + 1, name="use", dependencies=load)
    for mock in (MagicMock(return_value=3), AsyncMock(return_value=3)):
        with graph.override({load: mock}):
            assert graph(path="x")["use"] == 4
        assert mock.call_count == 1


@pytest.mark.skipif(sys.version_info < (3, 12), reason="there is no such mark")
def test_a_function_that_is_marked_as_a_coroutine_function() -> None:
    def give() -> Any:
        async def inside() -> int:
            return 5

        return inside()

    graph = Graph()
    task = graph.add(inspect.markcoroutinefunction(give))  # type: ignore[attr-defined]
    assert task.is_async
    assert graph()["give"] == 5


class Static:
    @staticmethod
    def __call__(value: int) -> int:
        return value


class OfClass:
    @classmethod
    def __call__(cls, value: int) -> int:
        return value


class StaticInSlots:
    __slots__ = ()

    @staticmethod
    def __call__(value: int) -> int:
        return value


class InheritsStatic(StaticInSlots):
    __slots__ = ()


class Pair(Generic[T]):
    def __init__(self, value: T) -> None:
        self.value = value


@pytest.mark.parametrize(
    "function",
    [Static(), OfClass(), StaticInSlots(), InheritsStatic(), Pair[int]],
    ids=["static", "class", "slots", "inherited", "generic"],
)
def test_what_is_called_in_an_unusual_way(function: Any) -> None:
    graph = Graph()
    graph.add(function, name="call")
    assert list(graph.inputs) == ["value"]
    found: Any = graph(value=7)["call"]
    assert getattr(found, "value", found) == 7


def optional(run: Context | None = None) -> str:
    return run.task if run is not None else "none"


def optional_otherwise(run: Optional[Context] = None) -> str:  # noqa: UP045
    return run.task if run is not None else "none"


def renamed(run: Circumstances) -> str:
    return run.task


def evaluated() -> Any:
    def inner(run):
        return run.task if run is not None else "none"

    inner.__annotations__["run"] = Context | None
    return inner


@pytest.mark.parametrize(
    "function", [optional, optional_otherwise, renamed, evaluated()]
)
def test_a_parameter_that_may_be_a_context_gets_one(function: Any) -> None:
    """So that the function can be called without, in its own tests."""
    graph = Graph()
    graph.add(function, name="ask")
    assert not graph.inputs
    assert graph()["ask"] == "ask"


def tuple_of(run: tuple[Context, None]) -> object:
    return run


def function_of(run: Callable[[Context], None]) -> object:
    return run


@pytest.mark.parametrize("function", [tuple_of, function_of])
def test_a_parameter_that_has_to_do_with_a_context_is_an_input(function: Any) -> None:
    graph = Graph()
    graph.add(function)
    assert list(graph.inputs) == ["run"]


# Copying and pickling.


def shop() -> tuple[Graph, Task[[], int]]:
    graph = Graph("shop", limits={"till": 1}, on_error="rollback")
    prices = graph.add(lambda: (2, 3), name="prices", outputs=("tea", "rye"))
    first = graph.add(lambda tea: tea, name="first", dependencies=prices["tea"])
    total = graph.add(
        lambda a, b: a + b,
        name="total",
        dependencies={"a": first, "b": prices["rye"]},
        limit="till",
    )
    return graph, total


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_of_a_graph_is_another_graph(copied: Any) -> None:
    graph, total = shop()
    other = copied(graph)
    other.add(lambda total: -total, name="less", dependencies=other["total"])
    other.remove("less")
    other.add(lambda total: 2 * total, name="more", dependencies="total")
    assert list(graph) == ["prices", "first", "total"]
    assert list(other) == ["prices", "first", "total", "more"]
    assert other["total"] is not total
    assert (total.graph, other["total"].graph) == (graph, other)
    assert (graph()["total"], other()["more"]) == (5, 10)
    assert (other.on_error, other.name) == ("rollback", "shop")
    said = "has a task 'total', but the one that was given is of another graph, 'shop'"
    with pytest.raises(TaskNotFoundError, match=f"^the run of graph 'shop' {said}"):
        other()[total]
    with pytest.raises(TaskNotFoundError, match=f"^graph 'shop' {said}"):
        other.run(targets=[total])


class Named(Graph):
    """A graph with something of its own."""

    def __init__(self) -> None:
        super().__init__("named")
        self.owner = "me"


def test_a_copy_of_a_graph_keeps_its_class_and_its_rollbacks() -> None:
    undone: list[int] = []
    graph = Named()
    graph.add(lambda: 1, name="pay").rollback(undone.append)
    graph.add(lambda pay: 1 / 0, name="fail", dependencies="pay")
    other = copy.copy(graph)
    assert (type(other), other.owner) == (Named, "me")
    with pytest.raises(ZeroDivisionError):
        other.run(on_error="rollback")
    assert undone == [1]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda run: run, "a run of graph 'shop' cannot be .* dict.run. has its res"),
        (lambda run: run.report(), "a report on graph 'shop' cannot be .* to_dict"),
        (lambda run: shop()[0], "graph 'shop' cannot be pickled. Import the module"),
    ],
    ids=["run", "report", "graph"],
)
def test_what_cannot_be_pickled_says_what_can(make: Any, says: str) -> None:
    value = make(shop()[0]())
    with pytest.raises(TypeError, match=says):
        pickle.dumps(value)


def test_a_run_that_is_copied_by_mistake_keeps_its_errors() -> None:
    graph = Graph(on_error="continue")
    graph.add(lambda: 1 / 0, name="fail")
    run = graph()
    with pytest.raises(TypeError, match="cannot be copied"):
        copy.copy(run)
    assert isinstance(run.errors["fail"], ZeroDivisionError)


@pytest.mark.parametrize(
    "sent", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))]
)
def test_records_can_be_sent(sent: Any) -> None:
    graph = Graph(on_error="continue")
    graph.add(lambda: 1, name="one")
    graph.add(lambda: 1 / 0, name="bad")
    records = sent(graph().records)
    assert [record.state for record in records.values()] == ["succeeded", "failed"]
    assert isinstance(records["bad"].error, ZeroDivisionError)
    assert "1 / 0" in records["bad"].traceback


def test_a_run_sent_to_a_process_is_refused_by_name() -> None:
    """And the parts of it that are named travel."""
    inner = Graph("inner")
    inner.add(lambda: 4, name="four")
    graph = Graph("outer")
    graph.add(inner, outputs=("four",))
    graph.add(len, name="whole", dependencies="inner", executor="processes")
    graph.add(float, name="part", dependencies=graph["inner"]["four"])
    run = graph.run(on_error="continue")
    assert run["part"] == 4.0
    error = run.errors["whole"]
    assert isinstance(error, SerializationError)
    assert "a run of graph 'inner' cannot be copied or pickled" in str(error)
    assert error.path == "obj"


# Looking things up.


def test_a_task_is_found_by_itself_wherever_its_name_is() -> None:
    graph, total = shop()
    run = graph()
    assert graph[total] is total  # type: ignore[index]
    assert run.records[total].name == "total"  # type: ignore[index]
    with pytest.raises(KeyError, match="Did you mean 'total'"):
        run.records["totl"]


# Graphs in graphs.


def test_a_graph_that_is_within_itself_is_refused_where_it_is_added() -> None:
    a, b, c = Graph("a"), Graph("b"), Graph("c")
    a.add(b)
    b.add(c)
    for graph in (a, b, c):
        with pytest.raises(ValueError, match="'c' cannot be a task of itself"):
            c.add(graph)
    a.add(c)  # twice is not within itself
    assert len(c) == 0


def test_a_graph_that_is_a_task_is_not_said_to_be_code_of_ours() -> None:
    graph, inner = Graph("outer"), Graph("inner")
    inner.add(lambda path: path, name="load")
    graph.add(inner)
    with pytest.raises(InputError, match=r"task 'inner' \(graph 'inner'\)"):
        graph()


# Errors that tasks raise, and waiting.


@pytest.mark.parametrize("kind", [TaskCancelled, TaskTimeout, TaskSkipped])
def test_a_task_may_raise_errors_of_ours(kind: Any) -> None:
    graph = Graph(on_error="continue")

    def fail() -> None:
        raise kind("by itself")

    def fail_bare() -> None:
        raise kind

    graph.add(fail)
    graph.add(fail_bare)
    run = graph()
    assert [type(error) for error in run.errors.values()] == [kind, kind]
    assert str(run.errors["fail"]) == "by itself"
    assert run.records["fail"].state == "failed"


def test_how_long_to_wait() -> None:
    go = threading.Event()
    graph = Graph("g")
    graph.add(go.wait, name="wait")
    run = graph.start()
    try:
        assert run.wait(-1) is False
        for bad, error in ((math.nan, ValueError), (math.inf, ValueError)):
            with pytest.raises(error, match="run of graph 'g': wait is a finite"):
                run.wait(bad)
        with pytest.raises(TypeError, match="run of graph 'g': wait is a number"):
            run.wait("1")  # type: ignore[arg-type]
    finally:
        go.set()
    assert run.wait(1e300) is True


# Programs of every kind, whose processes have to find what they define.


def program(path: Path) -> subprocess.CompletedProcess[str]:
    root = str(Path(syncra.__file__).parents[1])
    before = os.environ.get("PYTHONPATH", "")
    return subprocess.run(
        [sys.executable, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([root, before])},
        check=False,
    )


@pytest.mark.parametrize("kind", ["directory", "zip"])
def test_a_directory_and_a_zip_file_that_are_run(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "app"
    path.mkdir()
    (path / "__main__.py").write_text(
        "from syncra import Graph\n"
        "def double(value): return 2 * value\n"
        "if __name__ == '__main__':\n"
        "    graph = Graph(executor='processes')\n"
        "    graph.add(double)\n"
        "    print(graph(value=21)['double'])\n"
    )
    if kind == "zip":
        zipapp.create_archive(path, tmp_path / "app.pyz")
        path = tmp_path / "app.pyz"
    done = program(path)
    assert (done.stdout, done.stderr) == ("42\n", "")


def test_a_function_below_the_first_run_of_a_script(tmp_path: Path) -> None:
    """Its worker processes do not come that far, and the error says so."""
    script = tmp_path / "etl.py"
    script.write_text(
        "from syncra import Graph\n"
        "Graph()()\n"
        "def double(value): return 2 * value\n"
        "graph = Graph(executor='processes')\n"
        "graph.add(double)\n"
        "graph(value=21)\n"
    )
    done = program(script)
    assert "'double'" in done.stderr
    assert "where it first runs a graph, and this is defined below that" in done.stderr
    assert "under `if __name__ == '__main__':`" in done.stderr


# Two functions of one name.


@pytest.mark.parametrize("how", ["@task(graph=GRAPH)", "@GRAPH.task"])
def test_a_copied_function_whose_name_was_forgotten(how: str) -> None:
    """Both are there when the module is executed once; executed again it replaces."""
    graph = Graph("copied")
    text = f"{how}\ndef load(): return 1\n{how}\ndef use(): return 2\n"
    names = {"__name__": "walk", "task": task, "GRAPH": graph}
    exec(compile(text, "walk.py", "exec"), names)
    exec(compile(text.replace("1", "3"), "walk.py", "exec"), names)
    assert dict(graph()) == {"load": 3, "use": 2}
    copied = compile(text.replace("use", "load"), "walk.py", "exec")
    with pytest.raises(DuplicateTaskError, match=r"walk.py:\d and walk.py:[34]\. Give"):
        exec(copied, names)


def test_functions_of_a_loop_at_the_top_of_a_module() -> None:
    graph = Graph("loop")
    text = "for number in (1, 2):\n    @GRAPH.task\n    def load(): return number\n"
    with pytest.raises(DuplicateTaskError, match="another name with name="):
        exec(compile(text, "walk.py", "exec"), {"__name__": "walk", "GRAPH": graph})


def test_tasks_in_the_body_of_a_class() -> None:
    class Methods:
        @task(graph="walk: methods")
        @staticmethod
        def static() -> int:
            return 1

        @classmethod
        @task(graph="walk: methods")
        def of_class(cls) -> str:
            return cls.__name__

    assert (Methods.static(), Methods().static()) == (1, 1)
    assert (Methods.of_class(), Methods().of_class()) == ("Methods", "Methods")
    assert get_graph("walk: methods")(cls=Methods)["static"] == 1
    delete_graph("walk: methods")
    for kind in (classmethod, property):
        with pytest.raises(TypeError, match=f"Write @{kind.__name__} above @task"):
            task(graph=Graph())(kind(lambda this: 1))  # type: ignore[arg-type]


def test_a_log_file_has_a_path() -> None:
    with pytest.raises(ValueError, match="a log file has a path"):
        Graph(log="")


# Exceptions that do not want to be handled.


@dataclass(frozen=True, slots=True)
class FrozenError(Exception):
    code: int = 3


class NoNotesError(Exception):
    def __init__(self) -> None:
        self.__notes__ = "none"  # type: ignore[assignment]


class OwnTracebackError(Exception):
    def with_traceback(self, traceback: Any) -> Any:
        raise RuntimeError("no traceback")


class LockedError(Exception):
    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("locked")


class NosyError(Exception):
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")


def fail_with(kind: type[Exception]) -> None:
    raise kind


@pytest.mark.parametrize(
    "kind", [FrozenError, NoNotesError, OwnTracebackError, LockedError, NosyError]
)
@pytest.mark.parametrize("executor", ["threads", "sequential", "processes"])
def test_an_exception_of_an_odd_class_fails_its_task_alone(
    kind: Any, executor: str
) -> None:
    graph = Graph(on_error="continue", executor=executor)
    graph.add(fail_with, kwargs={"kind": kind}, retry=Retry(2, backoff=0))
    graph.add(int, name="other")
    run = graph()
    assert run["other"] == 0
    record = run.records["fail_with"]
    assert (record.state, len(record.attempts)) == ("failed", 2)
    assert kind.__name__ in record.traceback


def test_inputs_that_are_given_as_a_mapping_to_a_call() -> None:
    graph = Graph("g")
    graph.add(lambda path: path, name="load")
    with pytest.raises(TypeError, match=r"'g' takes its inputs by name, as graph\("):
        graph({"path": 1})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a mapping of tasks to functions, got 5"):
        graph.override(5).__enter__()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        (["ls", None], {}, "argument 1 is a str or a path, got None"),
        (["ls"], {"env": 5}, "env is a mapping of names to values, got 5"),
        (["ls"], {"redact": 5}, "redact= holds strings, got int"),
    ],
)
def test_a_command_of_the_wrong_types(arguments: Any, options: Any, says: str) -> None:
    with pytest.raises(TypeError, match=f"^command 'list': {re.escape(says)}"):
        Graph().command(arguments, name="list", **options)


def test_an_observer_that_would_have_to_be_awaited() -> None:
    class Slow:
        async def run_finished(self, run: object) -> None: ...

    with pytest.raises(TypeError, match=r"run_finished of .* nobody would"):
        Graph().run(observers=[Slow()])
    watching = MagicMock()
    Graph().run(observers=[watching])
    assert watching.run_finished.call_count == 1


# Arrays and objects that do not compare as others do.


class Names:
    """Be several names, as an array or a series is: equal to nothing as a whole."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth value is ambiguous")

    __hash__ = None  # type: ignore[assignment]


class Comparing(Names):
    def __call__(self) -> int:
        return 1


def test_names_may_come_as_an_array() -> None:
    graph = Graph(observers=Names())
    graph.add(lambda: (1, 2), name="pair", outputs=Names("a", "b"), tags=Names("t"))
    graph.add(lambda a, b: a + b, name="sum", dependencies=Names("pair"))
    graph.add(lambda: 3, name="last", after=Names("sum"))
    found = graph.run(targets=Names("last"), keep=Names("sum"), observers=Names())
    assert dict(found) == {"sum": 3}
    assert graph["pair"].tags == {"t"}


def test_a_callable_that_compares_as_arrays_do() -> None:
    graph, one = Graph(), Comparing()
    graph.add(one, name="one")
    graph.add(lambda one: one + 1, name="two", dependencies=[one])
    run = graph()
    assert (run["two"], run[one]) == (2, 1)  # type: ignore[index]
    with pytest.raises(GraphError, match="still needed by 'two'"):
        graph.remove(one)
    graph.remove("two")
    graph.remove(one)


class Series(Names):
    def keys(self) -> range:
        return range(len(self.names))


def test_a_series_of_names_is_no_mapping() -> None:
    """Though it has keys."""
    graph = Graph()
    graph.add(lambda: 1, name="a")
    graph.add(lambda: 2, name="b")
    graph.add(lambda x, y: x - y, name="c", dependencies=Series("b", "a"))
    assert graph()["c"] == 1
    with pytest.raises(TypeError, match="kwargs= is a mapping"):
        graph.add(lambda x: x, name="d", kwargs=Series("x"))  # type: ignore[arg-type]
