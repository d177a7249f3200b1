"""Every example that users read is run."""

from __future__ import annotations

import doctest
import importlib.util
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

import syncra
from syncra import delete_graph, list_graphs

ROOT = Path(__file__).parent.parent
#: The page about clusters needs one, and is run where they are tested; the others are
#: run in `test_how_to.py`, and the tutorial in `test_tutorial.py`.
ELSEWHERE = {"clusters", "notebooks", "testing"}
PAGES = [
    ROOT / "README.md",
    *(
        page
        for page in sorted((ROOT / "docs").rglob("*.md"))
        if page.stem not in ELSEWHERE and page.parent.name != "tutorial"
    ),
]
#: What stands before a block that takes libraries which not every Python has.
NEEDS = re.compile(r"<!-- needs: ([\w ]+) -->\s*\Z")
MODULES = [
    "syncra",
    *(
        module.name
        for module in pkgutil.walk_packages(syncra.__path__, "syncra.")
        if not module.name.endswith("__main__")
    ),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_blocks_of_pages(page: Path, monkeypatch) -> None:
    """Python blocks of a page run one after another, as a reader would."""
    monkeypatch.chdir(ROOT)
    document = Sybil([PythonCodeBlockParser()], encoding="utf-8").parse(page)
    if page.stem == "django":  # which imports the module of its addresses
        module = ModuleType("page_about_django")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        document.namespace = vars(module)
    lacking = set()
    for example in document.examples():
        needed = NEEDS.search(document.text, 0, example.start)
        absent = {
            name
            for name in (needed[1].split() if needed else ())
            if importlib.util.find_spec(name) is None
        }
        lacking |= absent
        if not absent:
            example.evaluate()
    for name in list_graphs():
        delete_graph(name)
    if "asgiref" in sys.modules:  # it keeps one thread for good
        from asgiref.sync import SyncToAsync

        SyncToAsync.single_thread_executor.shutdown()
        SyncToAsync.single_thread_executor = ThreadPoolExecutor(1)
    if lacking:
        pytest.skip(f"blocks that need {lacking} were left out; the others are right")


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_docstrings(module: str) -> None:
    """Examples of the reference give what they say."""
    found = doctest.testmod(importlib.import_module(module))
    assert found.failed == 0
    for name in list_graphs():
        delete_graph(name)


def test_there_are_examples() -> None:
    """The two tests above would pass with nothing to run."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    count = sum(
        len(test.examples)
        for module in MODULES
        for test in finder.find(importlib.import_module(module))
    )
    assert count >= 15
    assert (ROOT / "README.md").read_text(encoding="utf-8").count("```python") >= 2


def test_pictures_of_pages_are_there_and_small() -> None:
    """A clone has all of them; they are made by `docs/make_pictures.py`."""
    count = 0
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for name in re.findall(r"!\[[^\]]+\]\(([^):]+)\)", text):
            picture = page.parent / name
            assert 1_000 < picture.stat().st_size < 200_000, picture
            count += 1
    assert count >= 4


@pytest.mark.one_python
@pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("dot")),
    reason="there is no chromium or no dot on this machine",
)
def test_the_pictures_can_be_made(tmp_path: Path) -> None:
    """By the command that CONTRIBUTING.md names, of a smaller tree."""
    for need in ("PIL", "graphviz", "playwright.sync_api", "rich"):
        pytest.importorskip(need, reason=f"{need} has no build for this Python")
    tree, into = tmp_path / "tree", tmp_path / "docs"
    tree.mkdir()
    into.mkdir()
    for number in range(60):
        (tree / f"module{number}.py").write_text("import os\n")
    (tree / "module7.py").write_text("this is no Python\n")
    done = subprocess.run(
        [
            *(sys.executable, ROOT / "docs" / "make_pictures.py"),
            *(tree, "--into", into),
        ],
        env={**os.environ, "PYTHONPATH": str(Path(syncra.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    made = {path.name: path.read_bytes() for path in into.iterdir()}
    assert sorted(made) == [
        "census-report-dark.png",
        "census-report.png",
        "census-terminal.svg",
        "census.svg",
    ]
    assert made["census-report.png"].startswith(b"\x89PNG")
    drawing, terminal = (
        made[f"census{name}.svg"].decode() for name in ("", "-terminal")
    )
    assert "parse*" in drawing
    assert "succeeded" in drawing
    assert "running" in terminal
    assert "@font-face" not in terminal
