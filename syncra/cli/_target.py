"""From what a command names to the graphs there."""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

from .._entry import ReachedRun, program
from .._graph import Graph
from .._names import hint, listed, nearest
from .._registry import get_graph, list_graphs
from .._task import Task
from .._tracebacks import PACKAGE
from ..errors import GraphError, MissingExtraError, SyncraError
from ._output import standard_error
from ._problems import Problem, traceback_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Any

#: How much of a file of data is looked at for names of modules.
_MOST_READ = 2**24
SUFFIXES_OF_DATA = (".yaml", ".yml", ".json", ".toml")


class Loaded:
    """Hold the graphs of a target.

    Attributes:
        where: the module or the file.
        graphs: the graphs there, each under the name that a command has for it.
        attributes: the attribute that holds a graph, by that name, where there is one.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self.graphs: dict[str, Graph] = {}
        self.attributes: dict[str, str] = {}

    def add(self, graph: Graph, attribute: str = "") -> None:
        """Take in a graph, once."""
        if any(graph is known for known in self.graphs.values()):
            return

        name = graph.name
        if name in self.graphs:  # two graphs of one name; only attributes differ
            name = attribute or f"{name}#{len(self.graphs) + 1}"
        while attribute and name in self.graphs:
            # That is the name of another graph, which has an attribute as well.
            other, its_attribute = self.graphs[name], self.attributes[name]
            self._put(name, graph, attribute)
            graph, name, attribute = other, its_attribute, its_attribute
        self._put(name, graph, attribute)

    def _put(self, name: str, graph: Graph, attribute: str) -> None:
        self.graphs[name] = graph
        if attribute:
            self.attributes[name] = attribute


def load(options: argparse.Namespace) -> tuple[Loaded, str]:
    """Return what a target names, and the name of the graph in it or "".

    Parameters:
        options: `target`: `module:graph`, a file, or `file.py:graph`; `allow`: packages
            that a file of data may name functions of; `allow_commands`: whether it may
            have tasks that run programs.

    Raises:
        Problem: if it is not found, cannot be imported or has no graphs.
    """
    where, name = _split(options.target)
    if where.lower().endswith(SUFFIXES_OF_DATA):
        return _load_data(where, options.allow, options.allow_commands), name

    if where.lower().endswith(".py") or os.sep in where:
        module = _run_file(where)
    else:
        module = _import(where)
    loaded = Loaded(where)
    _collect(module, loaded)
    if not loaded.graphs:
        raise Problem(
            f"there is no graph in {where}. A graph is a `Graph` that it holds, or one "
            f'that its tasks have joined, as with `@task(graph="etl")`.'
        )

    return loaded, name


def load_graph(options: argparse.Namespace) -> Graph:
    """Return the one graph that a target names.

    Raises:
        Problem: as `load`, and if it is none or could be several.
    """
    loaded, name = load(options)
    return chosen(loaded, name)


def selected(loaded: Loaded, name: str) -> dict[str, Graph]:
    """Return the graph of a name, or all without one, by the names of commands.

    Raises:
        Problem: if there is none of that name.
    """
    if not name:
        return loaded.graphs

    graph = chosen(loaded, name)
    return {known: one for known, one in loaded.graphs.items() if one is graph}


def chosen(loaded: Loaded, name: str) -> Graph:
    """Return the graph of a name; without a name, the only one that is in no other.

    Raises:
        Problem: if it is none, or could be several.
    """
    graphs = loaded.graphs
    if name:
        if name in graphs:
            return graphs[name]

        for known, attribute in loaded.attributes.items():
            if attribute == name:
                return graphs[known]

        raise Problem(
            f"there is no graph {name!r} in {loaded.where}, only {listed(graphs)}."
            + hint(nearest(name, (*graphs, *loaded.attributes.values())))
        )

    inner = {
        id(getattr(task.function, "runs_graph", None))
        for graph in graphs.values()
        for task in graph.values()
    }
    outer = [known for known, graph in graphs.items() if id(graph) not in inner]
    if len(outer) == 1:
        return graphs[outer[0]]

    raise Problem(
        f"there are several graphs in {loaded.where}: {listed(graphs)}. Name one of "
        f"them, as in {loaded.where}:{next(iter(outer or graphs))}"
    )


def _split(target: str) -> tuple[str, str]:
    """Return where a graph is, and its name or ""."""
    whole = target.lower()
    if whole.endswith((".py", *SUFFIXES_OF_DATA)):
        return target, ""

    where, colon, name = target.rpartition(":")
    if not colon or (len(where) == 1 and name[:1] in ("\\", "/")):  # a drive
        return target, ""

    if not where or not name:
        raise Problem(
            f"{target!r} names no graph; expected a module as in `shop.reports:daily`, "
            f"or a file as in `etl.py` or `etl.py:sales`"
        )

    return where, name


# Files of data.


def _load_data(where: str, allow: Sequence[str], allow_commands: bool) -> Loaded:
    path = _existing(where)
    directory = path.resolve().parent
    _search_first(directory)
    loaded = Loaded(where)
    try:
        # What is called like a module of Python would be that one.
        own = _modules_in(directory) - sys.stdlib_module_names - {"syncra"}
        with path.open("rb") as file:
            said = file.read(_MOST_READ).decode(errors="replace")
        own &= set(re.findall(r"\w+", said))  # messages list what is allowed
        loaded.add(
            Graph.from_file(
                path, allow=(*sorted(own), *allow), allow_commands=allow_commands
            )
        )
    except MissingExtraError as error:
        raise Problem(str(error)) from None
    except (SyncraError, OSError, ValueError) as error:
        raise _mistake(error) from error
    return loaded


def _modules_in(directory: Path) -> set[str]:
    """Return the modules and packages in a directory."""
    found = set()
    for entry in directory.iterdir():
        if entry.suffix == ".py" or (entry / "__init__.py").is_file():
            found.add(entry.stem)
    return {name for name in found if name.isidentifier()}


# Code.


def _run_file(where: str) -> ModuleType:
    """Import a file as the main module, which worker processes find again by its path.

    Not under its own name: there may be another module of that name, and a worker
    process that imported it by name would also do what it does when it is run.
    """
    path = _existing(where).resolve()
    _search_first(path.parent)
    module = ModuleType("__mp_main__")
    module.__file__ = str(path)
    module.__package__ = ""  # as where worker processes run it
    before = sys.modules.get("__main__"), sys.argv
    sys.modules["__main__"] = sys.modules["__mp_main__"] = module
    sys.argv = [str(path)]

    def execute() -> None:
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)

    try:
        place = _until_a_run(execute, where)
    except BaseException:
        if before[0] is not None:
            sys.modules["__main__"] = before[0]
        sys.argv = before[1]
        raise
    if place:
        standard_error().line(
            f"syncra: {place} runs a graph, so the file is not read from there on. Put "
            f'that below `if __name__ == "__main__":`.'
        )
    return module


def _import(name: str) -> ModuleType:
    """Import a module, also from the present directory."""
    if not all(name.split(".")):
        raise Problem(
            f"{name!r} is no module; expected one as in `shop.reports`, or a file as "
            f"in `etl.py`"
        )

    _search_first(Path.cwd())
    found: list[ModuleType] = []
    place = _until_a_run(lambda: found.append(import_module(name)), name)
    if place:
        raise Problem(
            f"module {name!r} runs a graph when it is imported ({place}). Put that "
            f'below `if __name__ == "__main__":`.'
        )

    return found[0]


def _until_a_run(execute: Callable[[], Any], where: str) -> str:
    """Execute code of the user's up to where it runs a graph; return that place or "".

    Raises:
        Problem: if it raises something.
    """
    program.importing = True
    try:
        execute()
    except ReachedRun as reached:
        return _last_place(reached.__traceback__)
    except GraphError as error:
        raise _mistake(error) from error
    except ModuleNotFoundError as error:
        if error.name is not None and f"{where}.".startswith(f"{error.name}."):
            raise _no_module(where, error.name) from error

        raise _failed(where, error) from error
    except (Exception, SystemExit) as error:
        raise _failed(where, error) from error
    finally:
        program.importing = False
    return ""


def _failed(where: str, error: BaseException) -> Problem:
    if isinstance(error, SystemExit):
        return Problem(
            f"{where} exits when it is imported ({_last_place(error.__traceback__)}). "
            f'Put that below `if __name__ == "__main__":`.'
        )

    if isinstance(error, MissingExtraError):
        return Problem(str(error))

    kind = type(error).__name__
    text = f"{where} cannot be imported: it has raised {kind}."
    if "no known parent package" in str(error) and Path(where).is_file():
        text += f" It is a part of a package. {_of_package(Path(where))}."
    return Problem(text, details=traceback_of(error, error.__traceback__))


def _of_package(path: Path) -> str:
    """Return what says how a package, or a file of one, is named as a module."""
    path = path.resolve()
    names = [path.stem] if path.stem != "__init__" else []
    parent = path.parent
    while (parent / "__init__.py").is_file() and parent != parent.parent:
        names.insert(0, parent.name)
        parent = parent.parent
    return (
        f"Name it as a module, {'.'.join(names)!r}, with the directory {str(parent)!r} "
        f"as the present one or in PYTHONPATH"
    )


def _mistake(error: Exception) -> Problem:
    """Return what says that a graph has a mistake, which `check` is about."""
    text = str(error).replace("allow_commands=True", "--allow-commands")
    problem = Problem(re.sub(r"allow=\['(\w+)'\]", r"--allow \1", text))
    problem.__cause__ = error
    return problem


def _no_module(where: str, name: str) -> Problem:
    known = [*sys.stdlib_module_names, *_modules_in(Path.cwd())]
    suggestion = nearest(name, known)
    for file in (f"{where}.py", f".{os.sep}{where}"):
        if Path(file).is_file():
            suggestion = file
    return Problem(f"there is no module {name!r}." + hint(suggestion))


def _last_place(traceback: TracebackType | None) -> str:
    """Return the last place of a traceback in code of the user's."""
    place = ""
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if not file.startswith((PACKAGE, "<frozen ")):
            place = f"{file}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return place


def _existing(where: str) -> Path:
    path = Path(where)
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:  # a name that is too long, a link to itself
        raise Problem(f"{where} cannot be read: {error.strerror}") from None
    if path.is_file():
        return path

    if path.is_dir():
        if (path / "__init__.py").is_file():
            raise Problem(f"{where} is a package. {_of_package(path)}.")

        raise Problem(f"{where} is a directory; expected a file or a module")

    if path.exists():  # a pipe or a device: a worker process could not read it again
        raise Problem(f"{where} is no regular file")

    try:
        beside = sorted(entry.name for entry in path.parent.iterdir())
    except OSError:
        raise Problem(f"there is no directory {str(path.parent)!r}") from None

    suggestion = nearest(path.name, beside)
    shown = str(path.with_name(suggestion)) if suggestion else None
    raise Problem(f"there is no file {where!r}." + hint(shown))


def _search_first(directory: Path) -> None:
    """Have modules be looked for in a directory, as for a script that is there."""
    if sys.path[:1] != [str(directory)]:
        sys.path.insert(0, str(directory))


def _collect(module: ModuleType, loaded: Loaded) -> None:
    """Find the graphs that a module holds or that its functions are tasks of."""
    for attribute, value in vars(module).items():
        if isinstance(value, Graph):
            loaded.add(value, attribute)
    for value in vars(module).values():
        if isinstance(value, Task) and isinstance(value.graph, Graph):
            loaded.add(value.graph)
    for name in list_graphs():
        graph = get_graph(name)
        if any(
            getattr(task.function, "__module__", None) == module.__name__
            for task in graph.values()
        ):
            loaded.add(graph)
    if not loaded.graphs:  # it may do no more than import what makes them
        for name in list_graphs():
            loaded.add(get_graph(name))
