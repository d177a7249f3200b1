"""Every example that users read is run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

import syncra
from syncra import delete_graph, list_graphs

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
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
    for example in document.examples():
        example.evaluate()
    for name in list_graphs():
        delete_graph(name)


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
