"""Take a census of a Python source tree, by default the standard library.

Each top-level package or module gets two tasks: an async one that reads its files, and
a function that parses them. The tasks that aggregate receive all counts at once:

    read:json ──> parse:json ──┐   ┌──> totals ───┐
    read:os ────> parse:os ────┼───┼──> imports ──┼──> census
    ...           ...          │   ├──> cycles ───┤
    read:wave ──> parse:wave ──┘   └──> longest ──┘

The result is the same under every executor. A broken file is counted and named.
"""

import argparse
import ast
import heapq
import json
import os
import platform
import sys
import sysconfig
import textwrap
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, astuple, dataclass, field
from importlib.util import resolve_name
from pathlib import Path, PurePosixPath

import anyio

from syncra import Graph

EXCLUDED = {"site-packages", "dist-packages", "__pycache__"}
BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")  # hold statements
# Before 3.12.2 a thread could make `ast.parse` fail in another one (gh-106905).
PARSER = threading.Lock() if sys.version_info < (3, 12, 2) else nullcontext()


@dataclass(order=True)
class Function:
    """A function and its length in lines, from `def` to its end."""

    length: int
    path: str
    line: int
    name: str


@dataclass
class Size:
    """How much there is; lines, functions and classes are of unbroken files."""

    lines: int = 0
    files: int = 0
    broken: int = 0
    functions: int = 0
    classes: int = 0


@dataclass
class Count:
    """What is in one top-level package or module."""

    package: str
    size: Size = field(default_factory=Size)
    imports: Counter[str] = field(default_factory=Counter)  # files by imported module
    needs: set[str] = field(default_factory=set)  # imported outside of functions
    longest: list[Function] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)  # reason by path


@dataclass
class Census:
    """What is in the whole tree."""

    totals: Size
    packages: dict[str, Size]
    imports: dict[str, int]
    cycles: list[list[str]]
    longest: list[Function]
    broken: dict[str, str]


async def read(root: Path, paths: Iterable[str]) -> dict[str, bytes | OSError]:
    """Return the content of each file of one package, or why it has none.

    The files are read one after another, but all packages at once. No more than 40
    files are open, for anyio reads them in that many threads.
    """
    contents: dict[str, bytes | OSError] = {}
    for path in paths:
        file = anyio.Path(root, path)
        try:
            if await file.is_fifo():
                raise OSError("a pipe, which may have no end")

            contents[path] = await file.read_bytes()
        except OSError as error:
            contents[path] = error.with_traceback(None)
    return contents


def parse(package: str, contents: dict[str, bytes | OSError], *, top: int) -> Count:
    """Parse the files of one package and count what is in them."""
    count = Count(package)
    for path, content in contents.items():
        count.size.files += 1
        try:
            if isinstance(content, OSError):
                raise content

            with PARSER:
                tree = ast.parse(content, path)
        except Exception as error:  # files break `ast` in more ways than SyntaxError
            count.size.broken += 1
            count.broken[path] = f"{type(error).__name__}: {error}"
        else:
            count.size.lines += len(content.splitlines())
            add_definitions(count, tree, path)
    count.longest = heapq.nlargest(top, count.longest)
    return count


def totals(*counts: Count) -> Size:
    """Add up the sizes of all packages."""
    return Size(*map(sum, zip(*(astuple(each.size) for each in counts), strict=True)))


def imports(*counts: Count) -> dict[str, int]:
    """Return how many files import each module, most imported first."""
    files = sum((count.imports for count in counts), Counter[str]())
    return dict(sorted(files.items(), key=lambda item: (-item[1], item[0])))


def cycles(*counts: Count) -> list[list[str]]:
    """Return the groups of packages that need one another, largest first."""
    needs = {count.package: count.needs for count in counts}
    reached = {package: reachable(package, needs) for package in needs}
    groups = {
        tuple(sorted(other for other in others if package in reached.get(other, ())))
        for package, others in reached.items()
    }
    cyclic = [list(group) for group in groups if len(group) > 1]
    return sorted(cyclic, key=lambda group: (-len(group), group))


def longest(*counts: Count, top: int) -> list[Function]:
    """Return the longest functions of all packages."""
    return heapq.nlargest(top, (each for count in counts for each in count.longest))


def census(
    totals: Size,
    imports: dict[str, int],
    cycles: list[list[str]],
    longest: list[Function],
    *counts: Count,
) -> Census:
    """Join what the other tasks have found, the largest package first."""
    by_size = sorted(counts, key=lambda count: (-count.size.lines, count.package))
    packages = {count.package: count.size for count in by_size}
    broken = {path: why for count in counts for path, why in count.broken.items()}
    return Census(totals, packages, imports, cycles, longest, broken)


def build_graph(root: Path) -> Graph:
    """Return the graph that takes the census of `root`; its one input is `top`.

    Raises:
        ValueError: if `root` is not a directory or has no Python files.
    """
    graph = Graph("census")
    counts = []
    for name, paths in files_by_package(root).items():
        files = {"root": root, "paths": paths}
        contents = graph.add(read, name=f"read:{name}", kwargs=files)
        count = graph.add(
            parse, name=f"parse:{name}", dependencies=contents, kwargs={"package": name}
        )
        counts.append(count)
    for aggregate in (totals, imports, cycles, longest):
        graph.add(aggregate, dependencies=counts)
    graph.add(census, dependencies=[totals, imports, cycles, longest, *counts])
    return graph


def files_by_package(root: Path) -> dict[str, list[str]]:
    """Return the paths of the Python files in `root` by top-level package or module."""
    if not root.is_dir():
        raise ValueError(f"{root} is not a directory")

    found: list[str] = []
    unlisted: list[OSError] = []
    for place, directories, names in os.walk(root, onerror=unlisted.append):
        directories[:] = set(directories) - EXCLUDED
        found += [os.path.join(place, name) for name in names if name.endswith(".py")]
    if not found:
        raise ValueError(f"{root} has no Python files")

    # What cannot be listed is taken for a file, which cannot be read.
    found += [error.filename for error in unlisted]
    packages: dict[str, list[str]] = {}
    for path in sorted(Path(each).relative_to(root).as_posix() for each in found):
        package = path.partition("/")[0].removesuffix(".py")
        packages.setdefault(package, []).append(path)
    return packages


def add_definitions(count: Count, tree: ast.Module, path: str) -> None:
    """Add the functions, classes and imports of a file to a count."""
    package = ".".join(PurePosixPath(path).parent.parts)
    modules: set[str] = set()
    # Each statement, the definition around it, and whether it waits for a call.
    statements: list[tuple[ast.AST, str, bool]] = [(tree, "", False)]
    while statements:  # recursion could get too deep
        statement, name, waits = statements.pop()
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            name, waits = f"{name}.{statement.name}".removeprefix("."), True
            first, last = statement.lineno, statement.end_lineno or statement.lineno
            count.size.functions += 1
            count.longest.append(Function(last - first + 1, path, first, name))
        elif isinstance(statement, ast.ClassDef):
            name = f"{name}.{statement.name}".removeprefix(".")
            count.size.classes += 1
        elif isinstance(statement, (ast.Import, ast.ImportFrom)):
            names = imported(statement, package)
            modules.update(names)
            if not waits:
                count.needs.update(each.partition(".")[0] for each in names)
        for block in BLOCKS:
            inner = getattr(statement, block, ())
            statements += [(each, name, waits) for each in inner]
    count.imports.update(modules)


def imported(statement: ast.Import | ast.ImportFrom, package: str) -> list[str]:
    """Return the modules that a statement in a package imports."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]

    try:
        return [resolve_name("." * statement.level + (statement.module or ""), package)]
    except ImportError:
        return []  # beyond the root


def reachable(start: str, edges: dict[str, set[str]]) -> set[str]:
    """Return what can be reached from `start`; itself too if there is a way back."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        unseen = edges.get(waiting.pop(), set()) - found
        found |= unseen
        waiting += unseen
    return found


def report(found: Census, top: int) -> str:
    """Return the tables that are printed."""
    header = ("lines", "files", "broken", "functions", "classes", "package")
    sizes = [(*astuple(size), name) for name, size in found.packages.items()]
    total = (*astuple(found.totals), f"in all {len(sizes)}")
    modules = [(files, module) for module, files in found.imports.items()]
    groups = [
        (len(group), textwrap.shorten(", ".join(group), 78, placeholder=" ..."))
        for group in found.cycles
    ]
    functions = [
        (each.length, f"{each.path}:{each.line} {each.name}") for each in found.longest
    ]
    broken = [(f"{path}: {why}",) for path, why in found.broken.items()]
    tables = (
        table("Largest packages", [header, *sizes[:top], total]),
        table("Most imported modules", [("files", "module"), *modules[:top]]),
        table(f"Import cycles: {len(groups)}", [("size", "packages"), *groups[:top]]),
        table("Longest functions", [("lines", "function"), *functions]),
        table(f"Broken files: {len(broken)}", broken),
    )
    return "\n\n".join(tables)


def table(title: str, rows: Iterable[tuple[int | str, ...]]) -> str:
    """Return rows under a title, all columns but the last one aligned right."""
    cells = [
        [f"{cell:,}" if isinstance(cell, int) else cell for cell in row] for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [title]
    for *numbers, name in cells:
        lines.append("  ".join(["", *map(str.rjust, numbers, widths), name]))
    return "\n".join(lines)


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description="Count what is in a Python tree.")
    library, output = Path(sysconfig.get_path("stdlib")), Path("census.json")
    add = parser.add_argument
    add("root", nargs="?", type=Path, default=library, help="default: standard library")
    add("--executor", choices=("auto", "sequential", "threads"), default="auto")
    add("--json", type=Path, default=output, metavar="PATH", help=f"default: {output}")
    add("--top", type=int, default=10, metavar="N", help="rows a table, default: 10")
    options = parser.parse_args(arguments)
    if options.top < 1:
        parser.error(f"argument --top: {options.top} is not positive")
    if not options.json.parent.is_dir():
        parser.error(f"argument --json: {options.json.parent} is not a directory")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Take a census, print it and write it as JSON; return the exit code."""
    options = parse_arguments(arguments)
    root, version = options.root.absolute(), platform.python_version()
    for about_files in (SyntaxWarning, DeprecationWarning):
        warnings.simplefilter("ignore", about_files)
    began = time.perf_counter()
    try:
        graph = build_graph(root)
    except ValueError as error:
        print(f"census: {error}", file=sys.stderr)
        return 2

    run = graph.run({"top": options.top}, executor=options.executor)
    found: Census = run["census"]
    seconds = time.perf_counter() - began
    data = {"root": str(root), "python": version, **asdict(found)}
    options.json.write_text(json.dumps(data, indent=1) + "\n")
    title = f"Census of {root}: Python {version}, {options.executor}, {seconds:.2f} s"
    # Names in the files may have characters that the terminal cannot show.
    encoding = sys.stdout.encoding or "utf-8"
    text = f"{title}\n\n{report(found, options.top)}"
    print(text.encode(encoding, "backslashreplace").decode(encoding))
    return 0


if __name__ == "__main__":
    sys.exit(main())
