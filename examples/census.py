"""Take a census of a Python source tree, by default the standard library.

Each top-level package or module gets two tasks: an async one that reads its files, and
a function that parses them. A large package gets them for every few files, and one that
joins their counts. The tasks that aggregate receive all counts at once:

    read:json ────> parse:json ─────────────────────┐   ┌──> totals ───┐
    read:os ──────> parse:os ───────────────────────┼───┼──> imports ──┼──> census
    read:test/1 ──> parse:test/1 ──┬──> join:test ──┤   ├──> cycles ───┤
    read:test/2 ──> parse:test/2 ──┘    ...         ┘   └──> longest ──┘
    ...             ...

The result is the same under every executor. A broken file is counted and named.

With `--executor processes` the files are parsed in worker processes; all else stays
here. The source of a few files goes to a process, and a count comes back, not a syntax
tree. The last line then says how long that took, from the start of the first parsing
task to the end of the last, and how long it would have taken one after another: the sum
of the seconds of a core that each task has measured of its own work. So it is without
the time that a task waits for a core, and without its way to a process and back. But a
core may be slower while others are busy too. So `--compare` parses everything once more
in a plain loop, and the line says how long that took, by the clock.

With `--executor dask` or `ray` all tasks run on a cluster that is started for it, and
what files have in them stays there.

The graph of the module, `graph`, is another way to the same result. Its tasks are there
before anybody knows of a tree, so each has a share of the files, which it reads and
parses. It is what a command runs:

    syncra run examples/census.py --input root=stdlib --input top=5
"""

import argparse
import ast
import heapq
import json
import logging
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
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, astuple, dataclass, field
from datetime import timedelta
from importlib.util import resolve_name
from pathlib import Path, PurePosixPath

import anyio

from syncra import Dask, Graph, Processes, Ray, Run, Task

CLUSTERS = {"dask": Dask, "ray": Ray}
EXECUTORS = ("auto", "sequential", "threads", "processes", *CLUSTERS)
EXCLUDED = {"site-packages", "dist-packages", "__pycache__"}
LOGGER = logging.getLogger("census")
FEW = 20  # files that are read and parsed by one task
SHARES = 16  # of the files, one for each task of the graph of the module
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
    seconds: float = 0.0  # that a core was busy with it


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
    files are open, for anyio has that many threads.
    """
    contents: dict[str, bytes | OSError] = {}
    for path in paths:
        contents[path] = await anyio.to_thread.run_sync(content_of, root / path)
    return contents


def content_of(path: Path) -> bytes | OSError:
    """Return the content of a file, or why it has none."""
    try:
        if path.is_fifo():
            raise OSError("a pipe, which may have no end")

        return path.read_bytes()
    except OSError as error:
        return error.with_traceback(None)


def parse(package: str, contents: dict[str, bytes | OSError], *, top: int) -> Count:
    """Parse files of one package and count what is in them."""
    return count_files(package, contents, top, PARSER)


def parse_apart(
    package: str, contents: dict[str, bytes | OSError], *, top: int
) -> Count:
    """Do the same in another process, which has its own filters of warnings."""
    ignore_warnings_about_files()
    return count_files(package, contents, top, nullcontext())


def count_files(
    package: str,
    contents: dict[str, bytes | OSError],
    top: int,
    parser: AbstractContextManager[object],
) -> Count:
    """Count what is in files of one package; `parser` is held while one is parsed."""
    began = time.thread_time()
    count = Count(package)
    for path, content in contents.items():
        count.size.files += 1
        try:
            if isinstance(content, OSError):
                raise content

            with parser:
                tree = ast.parse(content, path)
        except Exception as error:  # files break `ast` in more ways than SyntaxError
            count.size.broken += 1
            count.broken[path] = f"{type(error).__name__}: {error}"
            LOGGER.info("%s is broken: %s", path, count.broken[path])
        else:
            count.size.lines += len(content.splitlines())
            add_definitions(count, tree, path)
    count.longest = heapq.nlargest(top, count.longest)
    count.seconds = time.thread_time() - began
    LOGGER.info("%s: %d files, %d lines", package, count.size.files, count.size.lines)
    return count


def join(*counts: Count) -> Count:
    """Return the count of a package from those of its parts."""
    whole = Count(counts[0].package, totals(*counts))
    for count in counts:
        whole.imports.update(count.imports)
        whole.needs |= count.needs
        whole.longest += count.longest
        whole.broken |= count.broken
        whole.seconds += count.seconds
    return whole


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
    broken = dict(sorted(broken.items()))
    return Census(totals, packages, imports, cycles, longest, broken)


def build_graph(
    root: Path, processes: Processes | None = None, is_apart: bool = False
) -> Graph:
    """Return the graph that takes the census of `root`; its one input is `top`.

    Parameters:
        root: directory of the Python tree.
        processes: where files are parsed, if not where all else is done.
        is_apart: whether they are parsed in other processes anyway.

    Raises:
        ValueError: if `root` is not a directory or has no Python files.
    """
    graph = Graph("census")

    def add_count(package: str, label: str, paths: Sequence[str]) -> Task[..., Count]:
        files = {"root": root, "paths": paths}
        return graph.add(
            parse_apart if processes or is_apart else parse,
            name=f"parse:{label}",
            dependencies=graph.add(read, name=f"read:{label}", kwargs=files),
            kwargs={"package": package},
            executor=processes,
        )

    counts = []
    for package, paths in files_by_package(root).items():
        if len(paths) <= FEW:
            counts.append(add_count(package, package, paths))
            continue

        parts = [
            add_count(package, f"{package}/{number}", paths[start : start + FEW])
            for number, start in enumerate(range(0, len(paths), FEW), 1)
        ]
        counts.append(graph.add(join, name=f"join:{package}", dependencies=parts))
    for aggregate in (totals, imports, cycles, longest):
        graph.add(aggregate, dependencies=counts)
    graph.add(census, dependencies=[totals, imports, cycles, longest, *counts])
    return graph


def tree(root: Path) -> Path:
    """Return the directory of a tree; "stdlib" is that of the standard library."""
    return Path(sysconfig.get_path("stdlib")) if root == Path("stdlib") else root


def count_share(
    root: Path, files: dict[str, list[str]], *, share: int, top: int
) -> list[Count]:
    """Read and parse one of `SHARES` shares of the files; a count for each package."""
    ignore_warnings_about_files()
    every = [(package, path) for package, paths in files.items() for path in paths]
    contents: dict[str, dict[str, bytes | OSError]] = {}
    for package, path in every[share::SHARES]:
        contents.setdefault(package, {})[path] = content_of(root / path)
    return [parse(package, own, top=top) for package, own in contents.items()]


def join_shares(*shares: list[Count], top: int) -> Census:
    """Return the census of what all shares have counted."""
    parts: dict[str, list[Count]] = {}
    for count in (count for share in shares for count in share):
        parts.setdefault(count.package, []).append(count)
    counts = [join(*parts[package]) for package in sorted(parts)]
    found = (
        totals(*counts),
        imports(*counts),
        cycles(*counts),
        longest(*counts, top=top),
    )
    return census(*found, *counts)


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


def speed(run: Run, processes: Processes, seconds: float | None) -> str:
    """Return in a line what it was good for to parse in processes.

    Parameters:
        run: that has parsed the files.
        processes: that it has done it in.
        seconds: that it took to parse them one after another, if that was tried.
    """
    names = [name for name in run if name.startswith("parse:")]
    tasks = [run.records[name] for name in names]
    began = min(task.started_at for task in tasks)
    ended = max(task.started_at + timedelta(seconds=task.duration) for task in tasks)
    took = (ended - began).total_seconds()
    verb = "took" if seconds is not None else "would have taken"
    if seconds is None:
        seconds = sum(run[name].seconds for name in names)
    return (
        f"parsed in {min(processes.max_workers, len(names))} processes: {took:.1f} s; "
        f"one after another it {verb} {seconds:.1f} s "
        f"({seconds / took:.1f} times as fast)"
    )


def seconds_in_a_loop(run: Run, top: int) -> float:
    """Return how long it takes to parse everything again, one after another."""
    contents = {
        name.removeprefix("read:"): run[name]
        for name in run
        if name.startswith("read:")
    }
    began = time.perf_counter()
    for package, files in contents.items():
        parse(package, files, top=top)
    return time.perf_counter() - began


def tables(found: Census, *, top: int) -> str:
    """Return the tables as a text, the result of the graph of the module."""
    return report(found, top)


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


def executor_of(name: str) -> AbstractContextManager[str | Dask | Ray]:
    """Return what runs the tasks: a cluster, or what is known by its name."""
    return CLUSTERS[name]() if name in CLUSTERS else nullcontext(name)


def ignore_warnings_about_files() -> None:
    """Have the parser not warn of what is in the files."""
    for about_files in (SyntaxWarning, DeprecationWarning):
        warnings.simplefilter("ignore", about_files)


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description="Count what is in a Python tree.")
    library, output = Path(sysconfig.get_path("stdlib")), Path("census.json")
    add = parser.add_argument
    add("root", nargs="?", type=Path, default=library, help="default: standard library")
    add("--executor", choices=EXECUTORS, default="auto")
    compare = "with processes: parse one after another too, to compare"
    add("--compare", action="store_true", help=compare)
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
    ignore_warnings_about_files()
    processes = Processes() if options.executor == "processes" else None
    began = time.perf_counter()
    try:
        graph = build_graph(root, processes, options.executor in CLUSTERS)
    except ValueError as error:
        print(f"census: {error}", file=sys.stderr)
        return 2

    with executor_of("auto" if processes else options.executor) as executor:
        run = graph.run({"top": options.top}, executor=executor)
    found: Census = run["census"]
    seconds = time.perf_counter() - began
    data = {"root": str(root), "python": version, **asdict(found)}
    options.json.write_text(json.dumps(data, indent=1) + "\n")
    title = f"Census of {root}: Python {version}, {options.executor}, {seconds:.2f} s"
    # Names in the files may have characters that the terminal cannot show.
    encoding = sys.stdout.encoding or "utf-8"
    text = f"{title}\n\n{report(found, options.top)}"
    if processes:
        loop = seconds_in_a_loop(run, options.top) if options.compare else None
        text += f"\n\n{speed(run, processes, loop)}"
    print(text.encode(encoding, "backslashreplace").decode(encoding))
    return 0


graph = Graph("census")
graph.add(tree)
graph.add(files_by_package, name="files", dependencies={"root": tree})
for number in range(SHARES):
    graph.add(
        count_share,
        name=f"count:{number + 1}",
        dependencies={"root": tree, "files": "files"},
        kwargs={"share": number},
    )
graph.add(
    join_shares, name="census", dependencies=[name for name in graph if ":" in name]
)
graph.add(tables, dependencies="census")


if __name__ == "__main__":
    sys.exit(main())
