"""Write the page of the tests that the page of guarantees names.

    python docs/make_tests_page.py

They are on it as they are in the folder `tests`.
"""

from __future__ import annotations

import ast
import re
from fnmatch import fnmatchcase
from pathlib import Path

DOCS = Path(__file__).parent
TESTS = DOCS.parent / "tests"
GUARANTEES = DOCS / "explanation" / "guarantees.md"
PAGE = DOCS / "explanation" / "tests.md"

HEAD = """\
# The tests that show it

What the page of [guarantees](guarantees.md) names, as it is in the folder `tests`. The
fixture `run` of many of them stands for every way to run a graph: one after another, in
threads, on asyncio and trio, in processes, in a pool of one's own, in the background.
`nox -s tests` runs them all.

<!-- Made by docs/make_tests_page.py. -->
"""


def named_tests(text: str) -> list[tuple[str, str]]:
    """Return files and patterns of the tests that a text names, sorted."""
    return sorted(set(re.findall(r"`([\w/]+\.py)::([\w*]+)`", text)))


def anchor(file: str, pattern: str) -> str:
    """Return where on the page the tests of a name are."""
    return re.sub(r"\W+", "-", f"{file}-{pattern}").strip("-").replace("_", "-")


def sources(file: str, pattern: str) -> list[str]:
    """Return the source of each test that a name stands for."""
    text = (TESTS / file).read_text(encoding="utf-8")
    lines = text.splitlines()
    found = []
    for part in ast.parse(text).body:
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(part, kinds) and fnmatchcase(part.name, pattern):
            first = min([part.lineno, *(one.lineno for one in part.decorator_list)])
            found.append("\n".join(lines[first - 1 : part.end_lineno]))
    return found


def page(guarantees: str) -> str:
    """Return the page."""
    parts, file_before = [HEAD], ""
    for file, pattern in named_tests(guarantees):
        if file != file_before:
            parts.append(f"\n## {file}\n")
            file_before = file
        parts.append(f'\n<a id="{anchor(file, pattern)}"></a>\n')
        for source in sources(file, pattern):
            # Not "python": these are shown, and run where they are.
            parts.append(f"\n```py\n{source}\n```\n")
    return "".join(parts)


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(GUARANTEES.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
