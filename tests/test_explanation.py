"""What the pages in docs/explanation and README.md claim is what programs have seen."""

from __future__ import annotations

import ast
import json
import re
import runpy
from fnmatch import fnmatchcase
from functools import cache
from itertools import pairwise, takewhile
from pathlib import Path

import pytest

#: Pages say the same whichever Python reads them.
pytestmark = pytest.mark.one_python

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"
EXPLANATION = ROOT / "docs" / "explanation"
GUARANTEES = (EXPLANATION / "guarantees.md").read_text(encoding="utf-8")
COMPARISON = (EXPLANATION / "comparison.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = ROOT / "benchmarks" / "results" / "features.json"
FOUND = json.loads(RESULTS.read_text(encoding="utf-8"))


@cache
def functions_of(file: str) -> tuple[str, ...]:
    """Return the names of all functions in a file of tests; none if there is none."""
    path = TESTS / file
    if not path.exists():
        return ()

    tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return tuple(part.name for part in tree if isinstance(part, kinds))


def named_tests(text: str) -> list[tuple[str, str]]:
    return re.findall(r"`([\w/]+\.py)::([\w*]+)`", text)


@pytest.mark.parametrize("page", sorted(EXPLANATION.glob("*.md")), ids=lambda p: p.stem)
def test_every_test_that_a_page_names_is_there(page: Path) -> None:
    for file, name in named_tests(page.read_text(encoding="utf-8")):
        assert any(fnmatchcase(one, name) for one in functions_of(file)), (file, name)


def test_each_guarantee_is_shown_by_a_test_or_said_not_to_hold() -> None:
    parts = re.split(r"^## ", GUARANTEES, flags=re.MULTILINE)[1:]
    promises = [part for part in parts if part[0].isdigit()]
    assert [part.split(".")[0] for part in promises] == [str(n) for n in range(1, 11)]
    for promise in promises:
        assert named_tests(promise) or "**Does not hold yet.**" in promise, promise[:60]


def test_the_page_of_tests_shows_them_as_they_are() -> None:
    """`python docs/make_tests_page.py` makes it anew. All names lead there."""
    made = runpy.run_path(str(ROOT / "docs" / "make_tests_page.py"))
    shown = (EXPLANATION / "tests.md").read_text(encoding="utf-8")
    assert made["page"](GUARANTEES) == shown
    links = re.findall(
        r"\[`([\w/]+\.py)::([\w*]+)`\]\(tests\.md#([\w-]+)\)", GUARANTEES
    )
    assert {link[:2] for link in links} == set(named_tests(GUARANTEES))
    for file, name, place in links:
        assert place == made["anchor"](file, name)


def test_tests_that_are_not_there_are_found() -> None:
    """The tests above can fail."""
    assert named_tests("`test_run.py::test_nowhere_*` `faults/x.py::test_y`") == [
        ("test_run.py", "test_nowhere_*"),
        ("faults/x.py", "test_y"),
    ]
    assert not functions_of("faults/x.py")
    assert not any(
        fnmatchcase(one, "test_nowhere_*") for one in functions_of("test_run.py")
    )


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let that folder be imported, which is no part of what is installed."""
    monkeypatch.syspath_prepend(ROOT)


@pytest.mark.usefixtures("benchmarks")
def test_the_tables_are_made_of_what_was_seen() -> None:
    """`python -m benchmarks.features --pages-only` makes them anew."""
    from benchmarks.features_table import part, whole

    assert whole(COMPARISON, FOUND) == COMPARISON
    assert part(README, FOUND) == README


def test_the_readme_claims_nothing_else() -> None:
    """Its table of features is a part of the whole one, of what is shown there."""
    shown, whole = cells_of(README), cells_of(COMPARISON)
    assert len(shown) >= 60
    assert shown.items() <= whole.items()


def cells_of(page: str) -> dict[tuple[str, str], str]:
    """Return what the table of features of a page says, by row and library."""
    lines = iter(page.splitlines())
    head = next(line for line in lines if line.startswith("| | Syncra"))
    titles = [title.strip() for title in head.split("|")[2:-1]]
    found: dict[tuple[str, str], str] = {}
    for line in takewhile(lambda line: line.startswith("|"), lines):
        row, *cells = [cell.strip() for cell in line.split("|")[1:-1]]
        row = row.replace("\u00a0", " ")
        found |= {(row, title): cell for title, cell in zip(titles, cells, strict=True)}
    return found


def charted() -> dict[tuple[str, str], dict[str, str]]:
    """Return the figures of the chart by measurement and name: those of each shape."""
    chart = (ROOT / "docs" / "speed.svg").read_text(encoding="utf-8")
    texts = [text.strip() for text in re.findall(r">([^<>]+)<", chart)]
    found: dict[tuple[str, str], dict[str, str]] = {}
    measurement = shape = ""
    for one, other in pairwise(text for text in texts if text):
        if title := re.search(r"\((P\d+), ", one):
            measurement = title[1]
        elif one in ("chain", "wide", "layered"):
            shape = one
        elif "µs" in other and "µs" not in one:
            figure = other.split(" µs")[0]
            found.setdefault((measurement, one), {})[shape] = figure
    return found


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *EXPLANATION.glob("*.md")], ids=lambda page: page.stem
)
def test_figures_of_pages_are_those_of_the_chart(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    head = "| µs a task | | chain | wide | layered |"
    if head not in lines:
        assert "µs a task |" not in "".join(lines)
        return

    figures, measurement = charted(), ""
    for line in lines[lines.index(head) + 2 :]:
        if not line.startswith("|"):
            break

        what, name, *cells = [cell.strip(" *") for cell in line.split("|")[1:-1]]
        if what:
            measurement = what.rpartition("(")[2].rstrip(")")
        shown = dict(zip(("chain", "wide", "layered"), cells, strict=True))
        wanted = figures[measurement, name]
        assert {shape: cell for shape, cell in shown.items() if cell} == wanted, line


def test_drawings_are_those_that_the_script_makes() -> None:
    """`python docs/make_drawings.py` makes them anew."""
    names = runpy.run_path(str(ROOT / "docs" / "make_drawings.py"))
    for name, draw in names["DRAWINGS"].items():
        assert (EXPLANATION / name).read_text(encoding="utf-8") == draw(), name


#: These need a program or a type checker of their own, or leave a thread behind.
APART = {"interrupt_threads", "interrupt_processes", "killed", "typed", "limit"}
ASKED = [
    question
    for question, (outcome, _) in FOUND["answers"]["syncra"].items()
    if question not in APART and outcome == "yes"
]


@pytest.mark.usefixtures("benchmarks")
@pytest.mark.parametrize("question", ASKED)
def test_syncra_still_does_what_the_table_says(
    question: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from benchmarks.probes import of_syncra, work
    from benchmarks.probes.questions import QUESTION

    if question == "page":
        pytest.importorskip("jinja2")
    monkeypatch.setenv(work.FOLDER, str(tmp_path))
    work.begin_again()
    judge = QUESTION[question].judge
    assert judge is not None
    answer = judge(getattr(of_syncra, question)())
    assert answer.outcome == "yes", answer


def test_every_library_has_been_asked_everything() -> None:
    assert len(FOUND["answers"]) == 10
    for library, answers in FOUND["answers"].items():
        assert set(answers) == set(FOUND["answers"]["syncra"]), library
        assert FOUND["versions"][library], library
