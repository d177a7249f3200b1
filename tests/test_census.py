"""The census counts the same under every executor, whatever the files are like."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import trio

CENSUS = Path(__file__).parent.parent / "examples" / "census.py"
EXECUTORS = ("auto", "sequential", "threads", "processes")
SPEED = re.compile(
    r"parsed in (\d+) processes: (\d+\.\d) s; "
    r"one after another it (would have taken|took) (\d+\.\d) s "
    r"\((\d+\.\d) times as fast\)"
)

ALPHA = """\
import beta
from . import inner
from .inner import Shape
"""
INNER = '''\
import os.path


class Shape:
    """Something with an area."""

    class Side:
        async def length(self):
            return 1

    def area(self):
        def square(number):
            return number**2

        return square(2)


'''
BETA = """\
import alpha.inner

if alpha.inner:
    import os.path

    pattern = "\\d"  # an invalid escape, which the parser warns of


def late():
    import gamma

    return gamma
"""
FILES = {
    "alpha/__init__.py": ALPHA.encode(),
    "alpha/inner.py": INNER.encode(),
    "alpha/notes.txt": b"import this",
    "alpha/__pycache__/cached.py": b"import this",
    "beta/__init__.py": BETA.encode(),
    "beta/latin.py": "# coding: latin-1\ncafé = 'é'\n".encode("latin-1"),
    "broken.py": b"import this\ndef (:\n",
    "dist-packages/hidden.py": b"import this",
    "empty.py": b"",
    "gamma.py": b"import alpha\r\nfrom beta import late\r\nfrom os import path",
    "nulls.py": b"import this\0",
    "site-packages/hidden.py": b"import this",
    "utf.py": b"# coding: utf-8\nname = '\xff'\n",
}


def size(lines=0, files=1, broken=0, functions=0, classes=0) -> dict[str, int]:
    return {
        "lines": lines,
        "files": files,
        "broken": broken,
        "functions": functions,
        "classes": classes,
    }


def function(length: int, path: str, line: int, name: str) -> dict[str, Any]:
    return {"length": length, "path": path, "line": line, "name": name}


PACKAGES = {
    "alpha": size(lines=20, files=2, functions=3, classes=2),
    "beta": size(lines=14, files=2, functions=1),
    "gamma": size(lines=3),
    "broken": size(broken=1),
    "empty": size(),
    "nulls": size(broken=1),
    "utf": size(broken=1),
}
FUNCTIONS = [
    function(5, "alpha/inner.py", 11, "Shape.area"),
    function(4, "beta/__init__.py", 9, "late"),
    function(2, "alpha/inner.py", 12, "Shape.area.square"),
    function(2, "alpha/inner.py", 8, "Shape.Side.length"),
]


@pytest.fixture(scope="module")
def census() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(CENSUS.parent)  # where worker processes look too
        yield importlib.import_module("census")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small source tree with everything that is special."""
    root = tmp_path / "tree"
    write(root, FILES)
    return root


def write(root: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def taken(census: ModuleType, root: Path, *options: str) -> dict[str, Any]:
    """Return the JSON of a census of `root`."""
    path = root.parent / "census.json"
    assert census.main([str(root), "--json", str(path), *options]) == 0
    return json.loads(path.read_bytes())


@pytest.mark.parametrize("executor", EXECUTORS)
def test_totals(census: ModuleType, tree: Path, executor: str) -> None:
    """All that is in the JSON is exact."""
    found = taken(census, tree, "--executor", executor)
    reasons = found.pop("broken")
    assert found == {
        "root": str(tree),
        "python": ".".join(map(str, sys.version_info[:3])),
        "totals": size(lines=37, files=9, broken=3, functions=4, classes=2),
        "packages": PACKAGES,
        "imports": {
            "alpha.inner": 2,
            "beta": 2,
            "os.path": 2,
            "alpha": 2,
            "gamma": 1,
            "os": 1,
        },
        "cycles": [["alpha", "beta"]],
        "longest": FUNCTIONS,
    }
    assert list(found["packages"]) == list(PACKAGES)
    assert list(found["imports"].values()) == [2, 2, 2, 2, 1, 1]
    assert list(reasons) == ["broken.py", "nulls.py", "utf.py"]
    assert reasons["broken.py"].startswith("SyntaxError: invalid syntax")
    assert "null bytes" in reasons["nulls.py"]
    assert reasons["utf.py"].startswith("SyntaxError: ")


def test_json_is_the_same_under_every_executor(
    census: ModuleType, tree: Path, tmp_path: Path
) -> None:
    """Byte by byte, however often it runs."""
    written = set()
    for number, executor in enumerate(EXECUTORS * 3):
        path = tmp_path / f"{number}.json"
        census.main([str(tree), "--json", str(path), "--executor", executor])
        written.add(path.read_bytes())
    assert len(written) == 1


@pytest.mark.parametrize("executor", EXECUTORS)
def test_large_package(census: ModuleType, tmp_path: Path, executor: str) -> None:
    """One that is parsed in parts is counted as one, broken files and all."""
    root, count = tmp_path / "tree", 2 * census.FEW + 1
    files = {f"large/m{n:02}.py": b"import small\ndef f(): pass" for n in range(count)}
    files[f"large/m{count - 1}.py"] = files["large/m01.py"] = b"def"
    write(root, {**files, "small.py": b"import large.m05"})
    found = taken(census, root, "--executor", executor, "--top", "1")
    assert found["packages"] == {
        "large": size(2 * count - 4, count, broken=2, functions=count - 2),
        "small": size(lines=1),
    }
    assert found["imports"] == {"small": count - 2, "large.m05": 1}
    assert found["cycles"] == [["large", "small"]]
    assert found["longest"] == [function(1, f"large/m{count - 2}.py", 2, "f")]
    assert list(found["broken"]) == ["large/m01.py", f"large/m{count - 1}.py"]


def with_trio(main: Any) -> Any:
    async def wrapper() -> Any:
        return await main

    return trio.run(wrapper)


@pytest.mark.parametrize("run_loop", [asyncio.run, with_trio], ids=["asyncio", "trio"])
def test_graph_is_awaited(census: ModuleType, tree: Path, run_loop: Any) -> None:
    """The graph runs on a loop of asyncio or trio too."""
    (tree / "beta" / "__init__.py").unlink()  # only `main` silences its warning
    graph = census.build_graph(tree)

    async def take() -> Any:
        return (await graph(top=1))["census"]

    found = run_loop(take())
    assert found.totals == census.Size(25, 8, 3, 3, 2)
    assert found.longest == [census.Function(**FUNCTIONS[0])]
    assert found.cycles == []


def test_tasks_of_the_graph(census: ModuleType, tree: Path) -> None:
    """Each package has two tasks; `top` is the only input."""
    graph = census.build_graph(tree)
    assert set(graph) == {
        *(f"{what}:{package}" for what in ("read", "parse") for package in PACKAGES),
        *("totals", "imports", "cycles", "longest", "census"),
    }
    assert list(graph.inputs) == ["top"]
    assert graph["read:alpha"].is_async
    assert not graph["parse:alpha"].is_async


def test_tasks_of_a_large_package(census: ModuleType, tmp_path: Path) -> None:
    """Every few files have two tasks, and one joins their counts."""
    write(tmp_path, {f"large/m{number}.py": b"" for number in range(census.FEW + 1)})
    graph = census.build_graph(tmp_path)
    assert {name for name in graph if ":" in name} == {
        *(f"{what}:large/{part}" for what in ("read", "parse") for part in (1, 2)),
        "join:large",
    }


def test_results_are_picklable(census: ModuleType, tree: Path) -> None:
    """So that tasks may run in other processes."""
    run = census.build_graph(tree / "alpha")(top=5)
    results = dict(run)
    assert len(results) == 2 * 2 + 5
    assert pickle.loads(pickle.dumps(results)) == results


def test_top_limits_the_tables(
    census: ModuleType, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--top` is about what is printed, and how many functions are kept."""
    found = taken(census, tree, "--top", "1")
    assert found["longest"] == FUNCTIONS[:1]
    assert found["packages"] == PACKAGES
    printed = capsys.readouterr().out.splitlines()
    start = printed.index("Largest packages")
    assert [line.split()[-1] for line in printed[start + 1 : start + 4]] == [
        "package",
        "alpha",
        "7",
    ]


def test_files_that_cannot_be_read(census: ModuleType, tmp_path: Path) -> None:
    """A dangling link, a pipe and a directory like a file harm nobody."""
    root = tmp_path / "site-packages"
    write(root, {"good.py": b"x = 1\n", "folder.py/inner.py": b"y = 2\n"})
    (root / "gone.py").symlink_to(root / "nowhere.py")
    os.mkfifo(root / "pipe.py")
    found = taken(census, root)
    assert found["totals"] == size(lines=2, files=4, broken=2)
    assert list(found["broken"]) == ["gone.py", "pipe.py"]
    assert found["broken"]["gone.py"].startswith("FileNotFoundError: ")
    assert found["broken"]["pipe.py"] == "OSError: a pipe, which may have no end"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read(census: ModuleType, tree: Path) -> None:
    """Files and directories without permission are named."""
    (tree / "empty.py").chmod(0)
    (tree / "alpha").chmod(0)
    try:
        found = taken(census, tree)
    finally:
        (tree / "alpha").chmod(0o755)
    assert found["broken"]["empty.py"].startswith("PermissionError: ")
    assert found["broken"]["alpha"].startswith("PermissionError: ")


def test_cycles_are_found_without_recursion(census: ModuleType) -> None:
    """A ring longer than the recursion limit, a pair, a loner and one on itself."""
    ring = {f"r{number:04}": f"r{(number + 1) % 1100:04}" for number in range(1100)}
    edges = {**ring, "a": "b", "b": "a", "loner": "a", "self": "self", "far": "sys"}
    counts = [census.Count(name, needs={other}) for name, other in edges.items()]
    assert census.cycles(*counts) == [list(ring), ["a", "b"]]


@pytest.mark.parametrize(
    ("statement", "package", "modules"),
    [
        ("import a.b as c, d", "p", ["a.b", "d"]),
        ("from a.b import c", "p", ["a.b"]),
        ("from . import c", "p", ["p"]),
        ("from .a import c", "p.q", ["p.q.a"]),
        ("from ..a import c", "p.q", ["p.a"]),
        ("from ..a import c", "p", []),
        ("from . import c", "", []),
    ],
)
def test_imported(
    census: ModuleType, statement: str, package: str, modules: list[str]
) -> None:
    """Relative imports are resolved as far as the tree goes."""
    tree = census.ast.parse(statement)
    assert census.imported(tree.body[0], package) == modules


def command(*arguments: object, **environment: str) -> Any:
    """Run the example as readers do, but with every warning an error."""
    return subprocess.run(
        [sys.executable, "-W", "error", str(CENSUS), *map(str, arguments)],
        capture_output=True,
        check=False,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
    )


def test_command(tree: Path, tmp_path: Path) -> None:
    """The command prints tables, writes JSON and exits with 0."""
    done = command(tree, "--json", tmp_path / "out.json", "--executor", "threads")
    assert (done.returncode, done.stderr) == (0, "")
    title, *lines = done.stdout.splitlines()
    assert title.startswith(f"Census of {tree}: Python {sys.version_info[0]}.")
    assert ", threads, " in title
    assert title.endswith(" s")
    assert "     37      9       3          4        2  in all 7" in lines
    assert "      2  os.path" in lines
    assert "     2  alpha, beta" in lines
    assert "      5  alpha/inner.py:11 Shape.area" in lines
    assert "Broken files: 3" in lines
    assert lines[-2].startswith("  nulls.py: ")
    written = json.loads((tmp_path / "out.json").read_bytes())
    assert written["packages"] == PACKAGES


def test_speed_of_processes(tree: Path, tmp_path: Path) -> None:
    """The last line says what the processes were good for, as measured."""
    path = tmp_path / "out.json"
    done = command(tree, "--json", path, "--executor", "processes")
    assert (done.returncode, done.stderr) == (0, "")
    assert ", processes, " in done.stdout.splitlines()[0]
    said = SPEED.fullmatch(done.stdout.splitlines()[-1])
    assert said is not None
    assert said[3] == "would have taken"
    assert json.loads(path.read_bytes())["packages"] == PACKAGES


def test_comparison_with_processes(
    census: ModuleType, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With `--compare` it has really been done one after another."""
    taken(census, tree, "--executor", "processes", "--compare")
    said = SPEED.fullmatch(capsys.readouterr().out.splitlines()[-1])
    assert said is not None
    assert said[3] == "took"


def test_only_small_things_leave_a_process(census: ModuleType) -> None:
    """The count of a file is a small part of its syntax tree."""
    content = CENSUS.read_bytes()
    count = census.parse_apart("census", {"census.py": content}, top=10)
    assert count.seconds > 0
    assert len(pickle.dumps(count)) < len(content) / 5
    assert len(pickle.dumps(census.ast.parse(content))) > len(content)


def test_names_that_cannot_be_shown(tmp_path: Path) -> None:
    """A terminal without the characters of a name gets them escaped."""
    write(tmp_path, {"menu.py": "def café(): pass".encode()})
    path = tmp_path / "out.json"
    done = command(tmp_path, "--json", path, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "menu.py:1 caf\\xe9" in done.stdout
    assert json.loads(path.read_bytes())["longest"][0]["name"] == "café"


@pytest.mark.parametrize(
    ("root", "problem"),
    [
        ("nowhere", "is not a directory"),
        ("file.py", "is not a directory"),
        ("folder", "has no Python files"),
    ],
)
def test_bad_root(
    census: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    root: str,
    problem: str,
) -> None:
    """A root without Python files is a mistake, told in one line."""
    write(tmp_path, {"file.py": b"", "folder/__pycache__/hidden.py": b""})
    path = tmp_path / "out.json"
    assert census.main([str(tmp_path / root), "--json", str(path)]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", f"census: {tmp_path / root} {problem}\n")
    assert not path.exists()


def test_bad_root_of_the_command(tmp_path: Path) -> None:
    """The command exits with 2."""
    done = command(tmp_path / "nowhere")
    assert done.returncode == 2
    assert done.stderr == f"census: {tmp_path / 'nowhere'} is not a directory\n"


@pytest.mark.parametrize(
    "arguments",
    [["--top", "0"], ["--json", "nowhere/census.json"], ["--executor", "steam"]],
)
def test_bad_arguments(
    census: ModuleType, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """What cannot be done is refused before it takes time."""
    with pytest.raises(SystemExit) as exited:
        census.main(arguments)
    assert exited.value.code == 2
    assert f"argument {arguments[0]}: " in capsys.readouterr().err
