"""What holds the code together: floors, purity, laziness, errors, size (design 3.3)."""

from __future__ import annotations

import ast
import builtins
import graphlib
import importlib
import inspect
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import syncra
from syncra import errors, observers
from syncra._files.problems import Problem

PACKAGE = Path(syncra.__file__).parent
ROOT = Path(__file__).parent.parent
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

#: Every module, lowest floor first. A module imports only from lower floors, so
#: those of one floor do not know of one another.
FLOORS = (
    # What anybody may use.
    {"errors", "_children", "_clock", "_entry", "_interpreter", "_loops", "_names"}
    | {"_origins", "_parts", "_redaction", "_remote", "_tracebacks"},
    {"_alarm", "_annotations"},
    # Values from text and JSON.
    {"_plain_values"},
    {"_conversion"},
    # Processes, and what passes between them; much of it runs in a child.
    {"_processes", "_processes.keeper", "_processes.logs", "_processes.wire"},
    {"_processes.entry"},
    {"_processes.pickles"},
    {"_processes.worker"},
    {"_processes.guardian"},
    {"_processes.births"},
    {"_processes.child"},
    {"_processes.idle"},
    # The core, pure.
    {"_core", "_core.deadlines", "_core.plan", "_core.policy", "_core.states"},
    {"_core.ranking"},
    {"_core.machine"},
    {"_core.limited"},
    # One task: what it takes, and how that is fetched.
    {"_context_annotation"},
    {"_signature"},
    {"_binding", "_task"},
    {"_calls", "_declare", "_inputs"},
    {"_compiled"},
    {"_compile"},
    # What is known of a run.
    {"_context", "_journal", "_lookup", "_task_logs"},
    {"_records"},
    # What is made of that to be looked at.
    {"views", "views.critical_path", "views.files", "views.plain_text"},
    {"views.failures", "views.timeline"},
    {"views.page_logs"},
    {"views.page_data", "views.trace"},
    {"views.html"},
    {"_report"},
    # How graphs and runs are drawn; knows what was compiled, and states.
    {"views._colours", "views._words"},
    {"views._wiring"},
    {"views.folding", "views.text"},
    {"views._model"},
    {"views.dot", "views.dot_program", "views.mermaid"},
    {"views.drawing"},
    {"_drawable"},
    # Where tasks run; knows lanes and calls, nothing of graphs.
    {"executors._pool"},
    {"executors._private_loop"},
    {"executors._base", "executors._in_thread"},
    {"executors._crossing", "executors._loop_worker", "executors._parcels"}
    | {"executors._same_code", "executors._small_pickles"},
    {
        "executors._flights",
        "executors._on_asyncio",
        "executors._on_trio",
        "executors._remote_work",
        "executors._stalls",
    },
    {"executors.coroutines", "executors.threads"},
    {"executors._desk", "executors.foreign", "executors.sequential"},
    {"executors.processes"},
    # Clusters: what runs there; parcels; what comes back; the lane; engines.
    {"executors._cluster_reports", "executors._dask_work", "executors._packing"}
    | {"executors._ray_work"},
    {"executors._cluster_sending", "executors._dask_cluster"}
    | {"executors._ray_channel", "executors._ray_witness"},
    {"executors._cluster", "executors._ray_link"},
    {"executors._on_cluster", "executors._ray_cluster"},
    {"executors.dask", "executors.ray"},
    {"executors"},
    # What a graph is.
    {"observers", "observers._base", "observers._log_file"},
    {"observers._protocol"},
    {"_copying", "_gathering", "_options", "_redefinition"},
    {"_definition"},
    # One run: who runs it, who ends it, who waits for it.
    {"observers._failure", "observers._log_filter", "observers._log_router"}
    | {"observers._open_telemetry", "observers._view"},
    {"observers._keep_logs", "observers._log_writer"},
    {"observers._live", "observers._notebook"},
    {"observers._progress"},
    {"_facts", "_keeping", "_observing", "_outcome", "_route"},
    {"_events", "_scheduling"},
    {"_supervisor"},
    {"_engine"},
    {"_rollback", "_signals"},
    {"_session"},
    {"_background", "_completed", "_raising"},
    {"_run"},
    {"_calling"},
    # What watches runs: alerts.
    {"observers._connection", "observers._delivery", "observers._summary"},
    {"observers._http", "observers._letter", "observers._smtp"},
    {"observers._email", "observers._webhook"},
    # A command as a callable; knows nothing of runs.
    {"_command_result", "_placeholders", "_process"},
    {"_command"},
    {"_declare_command"},
    # Graphs from files.
    {"_files", "_files.bounds", "_files.problems", "_files.types", "_registered"},
    {"_files.entries", "_files.functions", "_files.schema", "_files.tracing"},
    {"_files.json_text", "_files.toml_text", "_files.yaml_text"},
    {"_files.document", "_files.saving"},
    {"_files.building"},
    {"_files.loading"},
    {"_storable"},
    # A definition that can be run, and what users write.
    {"_nested", "_preparing"},
    {"_graph"},
    {"_registry"},
    {"_decorator"},
    # The command line.
    {"cli._arguments", "cli._problems"},
    {"cli._streams"},
    {"cli._output"},
    {"cli._completion", "cli._outcome", "cli._target", "cli._values"},
    {"cli._check", "cli._list", "cli._plan", "cli._show"},
    {"cli._run"},
    {"cli._parser"},
    {"cli"},
    {"__main__"},
    {"__init__"},
    # Interfaces of other systems, which stand on the public names alone.
    {"compat"},
    {"compat._concurra_results"},
    {"compat.concurra", "compat.processes"},
)

#: What a module of the core may import beside the core.
PURE = {"__future__", "collections", "heapq", "math"}
#: What a module of the core may not call.
IMPURE_CALLS = {"__import__", "eval", "exec", "input", "open", "print", "time"}

#: What an adapter may not import: all that runs anything.
RUNNERS = {"anyio", "asyncio", "concurrent", "multiprocessing", "queue", "sched"}
RUNNERS |= {"signal", "subprocess", "threading", "_thread", "trio"}

#: Design: about 400.
LINES_OF_A_FILE = 420
#: What is longer, and why it is one file all the same.
LONGER = {
    "_engine": "all that happens under the lock of a run is read together",
    "_graph": "one noun is one class, most of it what it says to its users",
    "_observing": "one thread, from its first call to its being given up",
    "_run": "one noun is one class, a third of it what it says to its users",
    "_processes.pickles": "all that crosses between processes, and why it cannot",
    "_task": "one noun is one class, most of it what it says to its users",
    "compat._concurra_results": "the interface of another system in two files",
    "compat.concurra": "the interface of another system in two files",
    "errors": "all that can be raised, for those who look for what to catch",
    "executors._cluster_reports": "whatever may come back, against one state",
    "executors._flights": "each method moves a flight on its one way",
}
LINES_AT_MOST = 650
LINES_OF_A_FUNCTION = 60


def module_name(path: Path) -> str:
    """Return the name of a module as `FLOORS` says it: within Syncra."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    if len(parts) > 1 and parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts)


PATHS = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {
    name: ast.parse(path.read_text(encoding="utf-8")) for name, path in PATHS.items()
}


def is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {
        "TYPE_CHECKING",
        "typing.TYPE_CHECKING",
    }


def executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a tree but those that only type checkers look at."""
    stack = [tree]
    while stack:
        node = stack.pop()
        yield node
        if is_for_type_checkers(node):
            stack += node.orelse
        else:
            stack += ast.iter_child_nodes(node)


def imported(name: str, nodes: Iterator[ast.AST]) -> Iterator[str]:
    """Yield the full names of the modules that nodes of the module `name` import."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(name, node)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if inner.removeprefix("syncra.") in PATHS else base


def absolute(name: str, node: ast.ImportFrom) -> str:
    """Return the full name of the module that `from ... import` speaks of."""
    if not node.level:
        return node.module or ""

    package = ["syncra", *name.split(".")]
    if PATHS[name].name != "__init__.py" or name == "__init__":
        package.pop()
    package = package[: len(package) - node.level + 1]
    return ".".join([*package, *([node.module] if node.module else [])])


def own_imports(name: str) -> set[str]:
    """Return the modules of Syncra that running the module `name` may import.

    Importing a module imports the packages it is in, unless one is there already.
    """
    found = set()
    for full in imported(name, executed(TREES[name])):
        if full == "syncra":
            found.add("__init__")
        elif full.startswith("syncra."):
            target = full.removeprefix("syncra.")
            found.add(target)
            package = target.rpartition(".")[0]
            if package and not f"{name}.".startswith(f"{package}."):
                found.add(package)
    return found


IMPORTS = {name: own_imports(name) for name in PATHS}


def test_every_module_has_a_floor() -> None:
    """A new module is put on a floor by whoever adds it."""
    placed = sorted(name for floor in FLOORS for name in floor)
    assert placed == sorted(PATHS)


def test_the_map_of_the_code_is_complete() -> None:
    """Every module once, with the first sentence of its docstring."""
    text = CONTRIBUTING.partition("\n## Map of the code\n")[2]
    found = [line for line in text.splitlines() if line.startswith("| `")]
    expected = []
    for name, path in PATHS.items():
        docstring = ast.get_docstring(TREES[name])
        assert docstring, f"{name} does not say what it is"
        first = " ".join(docstring.partition("\n\n")[0].split()).removesuffix(".")
        expected.append(f"| `{path.relative_to(PACKAGE).as_posix()}` | {first} |")
    assert sorted(found) == sorted(expected)


def test_every_session_is_told_of() -> None:
    """What `nox -l` lists is in the table of sessions."""
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    sessions = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any("nox.session" in ast.unparse(one) for one in node.decorator_list)
    }
    table = CONTRIBUTING.partition("| session |")[2].partition("\n\n")[0]
    first_cells = "".join(line.split("|")[1] for line in table.splitlines()[2:])
    assert set(re.findall(r"`(\w+)`", first_cells)) == sessions


@pytest.mark.parametrize("name", PATHS)
def test_imports_go_down(name: str) -> None:
    """A module imports only from lower floors, in its functions too."""
    floors = {name: number for number, floor in enumerate(FLOORS) for name in floor}
    upward = {other for other in IMPORTS[name] if floors[other] >= floors[name]}
    assert not upward, f"{name} imports {upward}, which are not below it"


def test_there_are_no_import_cycles() -> None:
    """Whatever the floors say."""
    graphlib.TopologicalSorter(IMPORTS).prepare()


def test_imports_are_seen() -> None:
    """The three tests above would pass if no import was found."""
    assert "_core.states" in IMPORTS["_core.machine"]
    assert {"_core", "_core.states", "_session", "_records"} < IMPORTS["_run"]
    assert "_names" in IMPORTS["executors"]
    assert "executors.coroutines" in IMPORTS["executors"]
    inside = [name for name in IMPORTS if not name.startswith("compat")]
    assert "__init__" not in set().union(*map(IMPORTS.__getitem__, inside))
    assert "__init__" in IMPORTS["compat.concurra"]
    assert "__init__" in IMPORTS["compat.processes"]
    assert not IMPORTS["__init__"]
    assert not IMPORTS["errors"]


@pytest.mark.parametrize("name", [name for name in PATHS if name.startswith("_core")])
def test_the_core_is_pure(name: str) -> None:
    """It can neither start a thread nor read a clock, wait or talk."""
    nodes = list(executed(TREES[name]))
    for full in imported(name, iter(nodes)):
        assert full.startswith("syncra._core") or full.partition(".")[0] in PURE, full
    called = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
    assert not called & IMPURE_CALLS


ADAPTERS = [name for name in PATHS if name.startswith("compat.")]


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_translates_to_public_names(name: str) -> None:
    """It schedules nothing and starts nothing: no thread, process or event loop."""
    public = {"syncra": syncra, "syncra.errors": errors, "syncra.observers": observers}
    for node in executed(TREES[name]):
        if isinstance(node, ast.ImportFrom):
            base = absolute(name, node)
            assert base.partition(".")[0] not in RUNNERS, ast.unparse(node)
            if base.partition(".")[0] == "syncra" and "syncra.compat" not in base:
                names = {alias.name for alias in node.names}
                assert names <= {*public[base].__all__}, ast.unparse(node)
        elif isinstance(node, ast.Import):
            modules = {alias.name.partition(".")[0] for alias in node.names}
            assert not modules & {*RUNNERS, "syncra"}, ast.unparse(node)


def test_an_adapter_is_two_files_at_most() -> None:
    """The second one has its name."""
    systems = {name for name in ADAPTERS if not name.startswith("compat._")}
    for system in systems:
        others = [one for one in ADAPTERS if one.startswith(f"compat._{system[7:]}_")]
        assert len(others) <= 1
        systems = systems | {*others}
    assert systems == {*ADAPTERS}


HEAVY = {
    "anyio",
    "asyncio",
    "concurrent.futures",
    "dataclasses",
    "enum",
    "inspect",
    "logging",
    "multiprocessing",
    "trio",
    "typing",
}


def loaded_by(script: Path, code: str) -> set[str]:
    """Return which modules of `HEAVY` a script loads, beyond those of an empty one."""

    def after(code: str) -> set[str]:
        script.write_text(
            # What is registered first is called last: the end of a program counts too.
            "import atexit, sys\natexit.register(lambda: print(*sys.modules))\n" + code,
            encoding="utf-8",
        )
        done = subprocess.run(
            [sys.executable, script], capture_output=True, text=True, check=True
        )
        return set(done.stdout.split())

    found = after(code)
    assert "syncra" in found
    return (found - after("")) & HEAVY


def test_importing_costs_next_to_nothing(tmp_path: Path) -> None:
    """What `import syncra` needs is loaded when it is used."""
    assert not loaded_by(tmp_path / "script.py", "import syncra")


THREE_TASKS = """
from syncra import Graph, get_graph, task

@task(graph="etl")
def extract(path: str) -> list[int]:
    return [1, 2, len(path)]

@task(graph="etl", dependencies=extract)
def double(rows: list[int]) -> list[int]:
    return [2 * row for row in rows]

@task(graph="etl", dependencies=double)
def load(rows: list[int]) -> int:
    return sum(rows)

"""


@pytest.mark.parametrize(
    "call",
    [
        'get_graph("etl")(path="abc")',
        'get_graph("etl").run({"path": "abc"})',
        'get_graph("etl").run({"path": "abc"}, executor="sequential")',
        'get_graph("etl").run({"path": "abc"}, executor="threads")',
    ],
)
def test_a_graph_of_functions_loads_no_event_loop(tmp_path: Path, call: str) -> None:
    """A script of plain functions does not pay for coroutines and processes."""
    code = f"{THREE_TASKS}assert {call}[load] == 12\n"
    used = loaded_by(tmp_path / "script.py", code)
    unwanted = {"anyio", "asyncio", "trio", "multiprocessing", "concurrent.futures"}
    assert not used & {*unwanted, "inspect", "logging", "pickle", "subprocess"}


def test_loading_is_seen(tmp_path: Path) -> None:
    """The tests above would pass if nothing was ever found."""
    code = "import syncra\nsyncra.Coroutines\nsyncra.State\nimport concurrent.futures"
    found = loaded_by(tmp_path / "script.py", code)
    assert {"anyio", "concurrent.futures", "dataclasses"} <= found


def test_public_names() -> None:
    """They are said three times: for `*`, for the loader and for type checkers."""
    assert syncra.__all__ == sorted(set(syncra.__all__))
    assert sorted(syncra._HOMES) == syncra.__all__
    (for_checkers,) = filter(is_for_type_checkers, TREES["__init__"].body)
    names = {alias.asname for node in for_checkers.body for alias in node.names}
    assert sorted(names) == syncra.__all__
    homes = {
        alias.name: node.module
        for node in for_checkers.body
        for alias in node.names
        if node.module
    }
    modules = {name: home for name, home in syncra._HOMES.items() if name != home}
    assert homes == modules


@pytest.mark.parametrize("name", syncra.__all__)
def test_a_public_name_is_loaded_when_it_is_asked_for(name: str) -> None:
    """From its home, also when it was asked for before."""
    home = importlib.import_module(f"syncra.{syncra._HOMES[name]}")
    expected = home if name == syncra._HOMES[name] else getattr(home, name)
    assert syncra.__getattr__(name) is expected
    assert getattr(syncra, name) is expected
    assert name in dir(syncra)


def test_unknown_names() -> None:
    """They are no attributes, as in any module."""
    with pytest.raises(AttributeError, match="'syncra' has no attribute 'nothing'"):
        syncra.nothing  # noqa: B018
    with pytest.raises(ImportError):
        from syncra import nothing  # noqa: F401


#: Values for the parameters of exceptions, by annotation; `example` makes the texts.
PLAUSIBLE = {
    "BaseException": ValueError("inner"),
    "CommandResult[Any]": "any result",
    "Exception": ValueError("inner"),
    "Mapping[str, object]": {"key": 1},
    "Mapping[str, str]": {"key": "value"},
    "Sequence[Problem]": (Problem("flow.json", 2, 5, "tasks[0]", "some message"),),
    "Sequence[object]": (1, "two"),
    "Sequence[str]": ("one", "two"),
    "bool": True,
    "bytes": b"bytes",
    "dict[str, str]": {"key": "value"},
    "float": 1.5,
    "int": 7,
    "object": ("any", "object"),
    "tuple[str, ...]": ("one", "two"),
    "tuple[str, str]": ("one", "two"),
}

ERRORS = {
    name: value
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, BaseException) and name[0] != "_"
}


def example(kind: type[BaseException]) -> BaseException:
    """Make an exception, giving all that can be given, each text another one."""
    if not inspect.isfunction(kind.__init__):
        return kind("message")

    positional: list[object] = []
    named: dict[str, object] = {}
    for parameter in inspect.signature(kind).parameters.values():
        plausible = {**PLAUSIBLE, "str": f"some {parameter.name}"}
        annotation = parameter.annotation.removesuffix(" | None")
        assert annotation in plausible, f"PLAUSIBLE lacks {parameter} of {kind}"
        value = plausible[annotation]
        if parameter.kind is parameter.KEYWORD_ONLY:
            named[parameter.name] = value
        else:
            positional.append(value)
    return kind(*positional, **named)


def test_all_errors_are_public() -> None:
    """What is raised can be caught by name."""
    assert sorted(errors.__all__) == errors.__all__ == sorted(ERRORS)


@pytest.mark.parametrize("kind", ERRORS.values(), ids=ERRORS)
def test_an_error_has_two_parents(kind: type[BaseException]) -> None:
    """Ours, and the builtin that code which has never heard of Syncra catches."""
    assert issubclass(kind, errors.SyncraError)
    assert kind.__module__ == "syncra.errors"
    assert kind.__doc__
    parents = {
        base for base in kind.__mro__ if getattr(builtins, base.__name__, None) is base
    }
    if kind is not errors.SyncraError and kind is not errors.GraphError:
        assert parents - {Exception, BaseException, object}


@pytest.mark.parametrize("kind", ERRORS.values(), ids=ERRORS)
def test_an_error_can_be_sent(kind: type[BaseException]) -> None:
    """To another process and back, with all that it carries."""
    error = example(kind)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert repr(copy.args) == repr(error.args)
    assert repr(vars(copy)) == repr(vars(error))


@pytest.mark.parametrize("name", PATHS)
def test_a_file_can_be_read_in_one_go(name: str) -> None:
    """Or there is a reason why not, and no reason for nothing."""
    lines = len(PATHS[name].read_text(encoding="utf-8").splitlines())
    assert lines <= (LINES_AT_MOST if name in LONGER else LINES_OF_A_FILE)
    assert (name in LONGER) == (lines > LINES_OF_A_FILE)


def test_reasons_are_for_files_that_are_there() -> None:
    """A file that was renamed takes its reason with it."""
    assert LONGER.keys() <= PATHS.keys()


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many lines a function has, its docstring not counted."""
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is not None:
        docstring = function.body[0]
        lines -= docstring.end_lineno - docstring.lineno + 1
    return lines


@pytest.mark.parametrize("name", PATHS)
def test_functions_are_short(name: str) -> None:
    """Design: about 40 lines."""
    long = {
        f"{node.name}, line {node.lineno}": length(node)
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and length(node) > LINES_OF_A_FUNCTION
    }
    assert not long
