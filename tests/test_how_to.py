"""Guides that are no scripts: cells of a notebook, and tests for pytest."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests_helpers import in_a_script
from tutorial_project import BLOCK

import syncra

GUIDES = Path(__file__).parent.parent / "docs" / "how-to"
#: As a kernel does: every cell on one event loop that runs all the time.
A_NOTEBOOK = """
import asyncio
import sys
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

config = Config()
config.HistoryManager.enabled = False
shell = InteractiveShell.instance(config=config)
shell.kernel = object()  # as a notebook's shell has one
shell.display_pub = CapturingDisplayPublisher(parent=shell)

async def main():
    for cell in {cells!r}:
        ran = await shell.run_cell_async(
            cell, transformed_cell=shell.transform_cell(cell)
        )
        ran.raise_error()

asyncio.run(main())
assert "run" in shell.user_ns
"""


def blocks_of(page: str) -> list[tuple[str | None, str]]:
    """Return title and text of each block of Python on a page."""
    text = (GUIDES / page).read_text(encoding="utf-8")
    return [
        (found["title"], found["text"])
        for found in BLOCK.finditer(text)
        if found["language"] == "python"
    ]


def test_every_cell_of_the_page_about_notebooks() -> None:
    pytest.importorskip("IPython")
    pytest.importorskip("cloudpickle", reason="functions of a notebook travel by it")
    cells = [text for _, text in blocks_of("notebooks.md")]

    assert len(cells) > 10
    in_a_script(A_NOTEBOOK.format(cells=cells))


def test_every_test_of_the_page_about_tests(tmp_path: Path) -> None:
    """They are run by pytest, and all of them are collected."""
    for title, text in blocks_of("testing.md"):
        assert title is not None
        path = tmp_path / title
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        path.write_text(f"{before}\n\n{text}", encoding="utf-8")
    there = re.findall(r"^(?:async )?def test_", path.read_text(encoding="utf-8"), re.M)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(syncra.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert f"{len(there)} passed" in done.stdout
    assert len(there) > 8
