"""How results, constants and inputs reach parameters (design 2.2)."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from syncra import Context, Graph, Task
from syncra.errors import InputError, SignatureError


def results(graph: Graph, **inputs: Any) -> dict[str, Any]:
    return dict(graph.run(inputs, executor="sequential"))


def source(graph: Graph, *names: str) -> list[Task[..., Any]]:
    """Add tasks that return their own names."""
    return [graph.add(lambda name=name: name, name=name) for name in names]


def test_mapping_binds_by_parameter_name() -> None:
    """A mapping says which parameter gets which result, whatever the order."""
    graph = Graph()
    a, b = source(graph, "a", "b")
    graph.add(lambda x, y: (x, y), name="c", dependencies={"y": a, "x": b})
    assert results(graph)["c"] == ("b", "a")


def test_name_of_a_dependency_wins_over_order() -> None:
    """A parameter named like a dependency receives it, in whatever place."""
    graph = Graph()
    a, b, c = source(graph, "a", "b", "c")
    graph.add(lambda x, b, y: (x, b, y), name="d", dependencies=[b, a, c])
    assert results(graph)["d"] == ("a", "b", "c")


def test_remaining_dependencies_fill_in_order() -> None:
    """Without matching names results come in the order of the dependencies."""
    graph = Graph()
    graph.add(lambda x, y: x + y, name="c", dependencies=source(graph, "a", "b"))
    assert results(graph)["c"] == "ab"


def test_star_args_take_all_that_remain() -> None:
    """`*args` receives every dependency that found no parameter."""
    graph = Graph()
    tasks = source(graph, *"abcd")
    graph.add(lambda first, *rest: (first, rest), name="e", dependencies=tasks)
    assert results(graph)["e"] == ("a", ("b", "c", "d"))


def test_star_args_leave_keyword_only_parameters_alone() -> None:
    """Behind `*args` a parameter is filled by name or not at all."""
    graph = Graph()
    tasks = source(graph, *"abc")
    graph.add(lambda *all, flag=False: (all, flag), name="e", dependencies=tasks)
    graph.add(lambda *all, a=None: (all, a), name="f", dependencies=tasks)
    found = results(graph)
    assert found["e"] == (("a", "b", "c"), False)
    assert found["f"] == (("b", "c"), "a")


def test_dependencies_beyond_the_parameters_only_order() -> None:
    """A task takes as many results as it has room for."""
    graph = Graph()
    seen: list[str] = []
    a = graph.add(lambda: seen.append("a") or 1, name="a")
    b = graph.add(lambda: seen.append("b") or 2, name="b")
    graph.add(lambda x: (x, list(seen)), name="c", dependencies=[a, b])
    graph.add(lambda: list(seen), name="d", dependencies=[a, b])
    found = results(graph)
    assert found["c"] == (1, ["a", "b"])
    assert found["d"] == ["a", "b"]


def test_after_orders_without_data() -> None:
    """`after=` gives no result to a parameter that could take one."""
    graph = Graph()
    (a,) = source(graph, "a")
    graph.add(lambda x="default": x, name="b", after=a)
    assert results(graph)["b"] == "default"


def test_kwargs_bind_constants_before_dependencies() -> None:
    """A parameter that a constant fills is not free for results."""
    graph = Graph()
    (a,) = source(graph, "a")
    graph.add(lambda x, y: (x, y), name="b", dependencies=a, kwargs={"x": 1})
    graph.add(
        lambda x, **more: (x, more), name="c", dependencies=a, kwargs={"extra": 2}
    )
    found = results(graph)
    assert found["b"] == (1, "a")
    assert found["c"] == ("a", {"extra": 2})


def test_defaults_between_filled_parameters_are_kept() -> None:
    """A gap keeps its default, in positional-only parameters too."""

    def plain(a, b=2, c=3, d=4):
        return a, b, c, d

    def positional(a, b=2, c=3, /, d=4):
        return a, b, c, d

    graph = Graph()
    (x,) = source(graph, "x")
    graph.add(plain, name="p", dependencies={"c": x, "a": x})
    graph.add(positional, name="q", dependencies={"c": x, "a": x})
    found = results(graph)
    assert found["p"] == ("x", 2, "x", 4)
    assert found["q"] == ("x", 2, "x", 4)


def test_keyword_only_parameters() -> None:
    """They are filled by name, by constants, by order, and by inputs."""

    def function(a, *, b, c=3, d):
        return a, b, c, d

    graph = Graph()
    x, b = source(graph, "x", "b")
    graph.add(function, name="f", dependencies=[x, b], kwargs={"d": 4, "c": 3})
    graph.add(function, name="g", dependencies={"a": x, "c": b})
    found = results(graph, b="input b", d="input d")
    assert found["f"] == ("x", "b", 3, 4)
    assert found["g"] == ("x", "input b", "b", "input d")


def test_a_tuple_is_never_spread() -> None:
    """Without `outputs` a result is passed whole."""
    graph = Graph()
    pair = graph.add(lambda: (1, 2), name="pair")
    graph.add(lambda x, y=None: (x, y), name="f", dependencies=pair)
    assert results(graph)["f"] == ((1, 2), None)


@pytest.mark.parametrize("form", ["tuple", "list", "mapping"])
def test_outputs_are_parts_of_the_result(form: str) -> None:
    """Parts are taken by `task["part"]`, or by parameters of their names."""
    graph = Graph()
    forms = {
        "tuple": ([1], "s"),
        "list": [[1], "s"],
        "mapping": {"schema": "s", "rows": [1]},
    }
    extract = graph.add(lambda: forms[form], name="extract", outputs=("rows", "schema"))
    graph.add(lambda x: x, name="by_part", dependencies=extract["schema"])
    graph.add(lambda schema, rows: (rows, schema), name="by_name", dependencies=extract)
    graph.add(lambda anything: anything, name="whole", dependencies=extract)
    graph.add(
        lambda x, rows: (x, rows),
        name="parts",
        dependencies=extract["schema"] & extract["rows"],
    )
    run = graph.run()
    assert run["by_part"] == "s"
    assert run["by_name"] == ([1], "s")
    assert run["whole"] == forms[form]
    assert run["parts"] == ("s", [1])
    assert run[extract["rows"]] == [1]


@pytest.mark.parametrize(
    ("result", "says"),
    [
        ((1, 2, 3), "returned 3 parts"),
        (5, "returned int instead of a tuple or a mapping"),
        ({"rows": 1}, "a mapping without schema"),
        ("ab", "returned str"),
    ],
)
def test_outputs_are_checked_where_they_are_made(result: Any, says: str, run) -> None:
    """A result without its parts fails the task that returned it."""
    graph = Graph()
    graph.add(lambda: result, name="extract", outputs=("rows", "schema"))
    with pytest.raises(TypeError, match="'extract' has outputs") as caught:
        run(graph)
    assert says in str(caught.value)


def test_outputs_of_a_coroutine_function(run) -> None:
    """An async task has parts too."""

    async def extract() -> tuple[int, int]:
        return 1, 2

    graph = Graph()
    task = graph.add(extract, outputs=("a", "b"))
    graph.add(lambda b: b, name="f", dependencies=task)
    assert run(graph)["f"] == 2


@pytest.mark.shares_memory
def test_context_parameter(run) -> None:
    """A parameter annotated `Context` receives the run context, by any name."""

    def use(value: int, me: Context) -> Any:
        me.shared["seen"] = value
        return (
            me.task,
            me.graph,
            me.attempt,
            dict(me.results),
            me.cancelled(),
            me.run_id,
        )

    async def use_async(value: int, me: "Context") -> Any:  # noqa: UP037 - as text
        return me.shared["seen"], me.run_id, me.logger.name

    graph = Graph("ctx")
    one = graph.add(lambda: 1, name="one")
    first = graph.add(use, dependencies=one)
    graph.add(use_async, dependencies=one, after=first)
    found = run(graph)
    assert found["use"][:5] == ("use", "ctx", 1, {"one": 1}, False)
    assert found["use"][5] == found["use_async"][1] == found.id
    assert found["use_async"][0] == 1
    assert found["use_async"][2] == "syncra.ctx.use_async"


def test_a_context_that_only_a_type_checker_imports(run) -> None:
    """The name has to do then, in each of its spellings."""
    names: dict[str, Any] = {}
    exec(
        "from __future__ import annotations\n"
        "def plain(me: Context): return me.task\n"
        "def dotted(me: syncra.Context): return me.task\n"
        "def maybe(me: Context | None): return me.task\n"
        "def other(me: Contexts | None = None): return me\n",
        names,
    )
    graph = Graph()
    for name in ("plain", "dotted", "maybe", "other"):
        graph.add(names[name])
    found = run(graph)
    assert dict(found) == {
        "plain": "plain",
        "dotted": "dotted",
        "maybe": "maybe",
        "other": None,
    }


def test_the_context_says_what_it_is_of() -> None:
    graph = Graph("ctx")

    def shown(me: Context) -> str:
        return repr(me)

    graph.add(shown)
    assert "of task 'shown' of graph 'ctx', attempt 1" in graph.run()["shown"]


def test_inputs_are_what_nothing_fills() -> None:
    """Free parameters without default are inputs, one for all tasks that share one."""

    def one(path: str, limit: int = 3) -> str:
        return f"{path}{limit}"

    def two(one: str, path: str, suffix: str) -> str:
        return f"{one}{path}{suffix}"

    graph = Graph()
    first = graph.add(one)
    graph.add(two, dependencies=first)
    assert list(graph.inputs) == ["path", "suffix"]
    assert graph.inputs["path"].tasks == ["one", "two"]
    assert graph.inputs["path"].annotation == "str"
    assert results(graph, path="p", suffix="s")["two"] == "p3ps"


def test_missing_and_unknown_inputs_are_named_before_anything_runs(run) -> None:
    """The message has task, parameter, place and the nearest match; nothing ran."""
    graph = Graph("etl")
    ran: list[int] = []

    def extract(path: str, limit: int = 3) -> None:
        ran.append(1)

    graph.add(extract)
    with pytest.raises(InputError) as caught:
        run(graph, {"pth": "x", "limit": 5})
    text = str(caught.value)
    assert caught.value.missing == ("path",)
    assert caught.value.unknown == ("pth", "limit")
    line = extract.__code__.co_firstlineno
    assert f"parameter 'path' of task 'extract' ({__file__}:{line})" in text
    assert "no input 'pth'" in text
    assert "Did you mean 'path'?" in text
    assert "bind it with kwargs=" in text
    assert isinstance(caught.value, TypeError)
    assert not ran


@pytest.mark.parametrize(
    ("options", "parameter", "says"),
    [
        ({"kwargs": {"rwos": 1}}, "rwos", "Did you mean 'rows'?"),
        ({"dependencies": {"rowz": "a"}}, "rowz", "Did you mean 'rows'?"),
        ({"kwargs": {"rows": 1}, "dependencies": {"rows": "a"}}, "rows", "bound twice"),
    ],
)
def test_fault_75_wiring_that_cannot_work(
    options: dict[str, Any], parameter: str, says: str
) -> None:
    """It is refused when the graph is compiled, naming task, parameter and place."""

    def load(rows, flag=False):
        raise AssertionError("never runs")

    graph = Graph()
    source(graph, "a")
    graph.add(load, **options)
    with pytest.raises(SignatureError, match="task 'load'") as caught:
        graph.run()
    assert caught.value.task == "load"
    assert caught.value.parameter == parameter
    assert says in str(caught.value)
    assert f"{__file__}:{load.__code__.co_firstlineno}" in str(caught.value)


def test_fault_75_unknown_output() -> None:
    """A part that a task does not have is refused where it is named."""
    graph = Graph()
    task = graph.add(lambda: (1, 2), name="extract", outputs=("rows", "schema"))
    with pytest.raises(SignatureError, match=r"Did you mean 'rows'\?"):
        task["row"]
    with pytest.raises(SignatureError, match="name its parts"):
        graph.add(lambda: 1, name="plain")["rows"]


class Callables:
    """Callables of every shape, all of them adding one."""

    def method(self, value):
        return value + 1

    @classmethod
    def class_method(cls, value):
        return value + 1

    @staticmethod
    def static_method(value):
        return value + 1

    async def async_method(self, value):
        return value + 1

    def __call__(self, value):
        return value + 1


class AsyncCallable:
    async def __call__(self, value):
        return value + 1


def two(value, by):
    return value + by


async def async_two(value, by):
    return value + by


@functools.wraps(two)
def wrapper(*args, **kwargs):
    return two(*args, **kwargs, by=1) if len(args) == 1 else two(*args, **kwargs)


def decorated(function):
    @functools.wraps(function)
    async def inner(*args, **kwargs):
        return await function(*args, **kwargs)

    return inner


def returns_coroutine(value):
    return async_two(value, 1)


SHAPES: dict[str, Any] = {
    "method": Callables().method,
    "class_method": Callables.class_method,
    "static_method": Callables.static_method,
    "async_method": Callables().async_method,
    "callable": Callables(),
    "async_callable": AsyncCallable(),
    "partial": functools.partial(two, by=1),
    "async_partial": functools.partial(async_two, by=1),
    "partial_of_method": functools.partial(Callables().method),
    "partial_of_partial": functools.partial(functools.partial(async_two), by=1),
    "builtin": (1).__add__,
    "lambda": lambda value: value + 1,
    "decorated_async": functools.partial(decorated(async_two), by=1),
    "class": lambda value: int(value) + 1,
    "returns_coroutine": returns_coroutine,
    "max": functools.partial(max, 2),
}


@pytest.mark.parametrize("shape", list(SHAPES))
def test_fault_76_callables_of_every_shape(shape: str, run) -> None:
    """Methods, partials, builtins and callable objects are tasks, sync and async."""
    graph = Graph()
    one = graph.add(lambda: 1, name="one")
    task = graph.add(SHAPES[shape], name="f", dependencies=one)
    assert run(graph)[task] == 2


def test_fault_76_classes_and_signatureless_builtins() -> None:
    """A class is called; a builtin without signature takes what there is."""
    graph = Graph()
    one = graph.add(lambda: 3, name="one")
    graph.add(complex, name="complex", dependencies=[one, one])
    graph.add(min, name="min", dependencies=one, kwargs={"default": 0})
    graph.add(dict, name="dict", dependencies={"key": one})
    graph.add(range, name="range", dependencies=one)
    graph.add(str, name="str", dependencies=one)
    graph.remove("min")
    found = results(graph)
    assert found["complex"] == 3 + 3j
    assert found["dict"] == {"key": 3}
    assert found["range"] == range(3)
    assert found["str"] == "3"


def test_generator_functions_are_refused() -> None:
    """Nobody would run the iterator, so it is said at once (fault 12)."""

    def rows():
        yield 1

    async def async_rows():
        yield 1

    graph = Graph()
    with pytest.raises(SignatureError, match="is a generator function"):
        graph.add(rows)
    with pytest.raises(SignatureError, match="is an async generator function"):
        graph.task(async_rows)
    with pytest.raises(SignatureError, match="generator function"):
        graph.add(functools.partial(rows), name="partial")


def test_what_is_not_callable_is_refused() -> None:
    """`graph.add(f())` is a slip that says what to do."""
    with pytest.raises(TypeError, match="Pass the function itself"):
        Graph().add(3, name="three")


def test_a_signature_is_read_once_per_function(monkeypatch) -> None:
    """Ten thousand tasks of one function read its signature once."""
    from syncra import _signature

    reads: list[Any] = []
    read = _signature._read
    monkeypatch.setattr(_signature, "_read", lambda f: reads.append(f) or read(f))

    def function(x=0):
        return x

    graph = Graph()
    for number in range(100):
        graph.add(function, name=str(number))
    graph.compiled()
    assert reads == [function]


def test_classes_of_callables_by_the_hundred() -> None:
    """What is known of the first ones need not be kept, and none is mistaken."""
    graph = Graph()
    for number in range(300):

        def call(self: Any, number: int = number) -> int:
            return number

        made = type("Made", (), {"__slots__": (), "__call__": call})
        graph.add(made(), name=str(number), kwargs={"number": number})
    assert sum(graph.run().values()) == sum(range(300))


class Slotted:
    """Called alike whatever it holds, so it is looked at once."""

    __slots__ = ("step",)

    def __init__(self, step: int) -> None:
        self.step = step

    def __call__(self, number: int, context: Context, more: int = 0) -> str:
        return f"{context.task}: {number + self.step + more}"


class Waiting(Slotted):
    __slots__ = ()

    async def __call__(self, number: int) -> int:  # type: ignore[override]
        return number + self.step


class Yielding(Slotted):
    __slots__ = ()

    def __call__(self) -> Any:  # type: ignore[override]
        yield self.step


class Wrapping(Slotted):
    __slots__ = ("__wrapped__",)

    def __init__(self, function: Any) -> None:
        self.__wrapped__ = function

    def __call__(self, *arguments: Any) -> Any:  # type: ignore[override]
        return self.__wrapped__(*arguments)


def test_callable_objects_without_a_dictionary(monkeypatch) -> None:
    """They are wired like functions: by name, context and default; awaited; refused."""
    monkeypatch.setattr("inspect.signature", None)  # a million of them have no time
    graph = Graph()
    number = graph.add(Waiting(1), name="one")
    graph.add(Slotted(10), name="ten", dependencies={"number": number})
    graph.add(Slotted(20), name="twenty", dependencies=number)
    assert dict(graph.run({"number": 1})) == {
        "one": 2,
        "ten": "ten: 12",
        "twenty": "twenty: 22",
    }
    with pytest.raises(SignatureError, match="is a generator function"):
        graph.add(Yielding(1), name="yielding")


class Endless:
    """Claim to stand for another one, without end."""

    @property
    def __wrapped__(self) -> Endless:
        return Endless()

    def __call__(self, number: int) -> int:
        return number + 1


def test_a_callable_that_wraps_another_one_without_end() -> None:
    """Looked through so far, and called as it is."""
    graph = Graph()
    graph.add(Endless(), name="more", kwargs={"number": 1})
    assert graph.run()["more"] == 2


def test_callable_objects_that_wrap_a_function_are_looked_at_one_by_one() -> None:
    """What one of a class takes is nothing that another one takes."""

    def two(left: int, right: int) -> int:
        return left - right

    graph = Graph()
    graph.add(Wrapping(two), name="two")
    graph.add(Wrapping(abs), name="absolute", dependencies="two")
    assert graph.run({"left": 1, "right": 5})["absolute"] == 4
