"""From the answers of libraries to the tables of the pages."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from .children import ROOT
from .probes import LIBRARIES
from .probes.questions import QUESTION, QUESTIONS

#: What tables show of answers.
CELLS = {"yes": "yes", "no": "no", "does not apply": "-", "not checked": "not checked"}
#: In which order answers are shown.
ORDER = {outcome: place for place, outcome in enumerate(CELLS)}
#: Between these lines, pages are made anew.
BEGIN, END = "<!-- {}: made by benchmarks/features.py -->", "<!-- end of {} -->"
#: The page with all of it.
PAGE = ROOT / "docs" / "explanation" / "comparison.md"


#: The page with a part of it: rows in which libraries differ.
README = ROOT / "README.md"
README_ROWS = (
    "coroutines",
    "threads",
    "processes",
    "mixed",
    "commands",
    "results",
    "mapped",
    "kept",
    "typed",
    "goes_on",
    "retries",
    "limit",
    "rollback",
    "crash",
    "interrupt_threads",
    "killed",
    "page",
)
#: Who has no column there, for which there is not enough room.
README_WITHOUT = ("taskade", "dask", "tawazi", "joblib")


def table(
    found: dict[str, Any],
    rows: Collection[str] = tuple(QUESTION),
    without: Collection[str] = (),
) -> str:
    """Return one row for each of these questions, one column for each library."""
    libraries = [library for library in LIBRARIES if library.id not in without]
    titles = [library.title for library in libraries]
    lines = [f"| | {' | '.join(titles)} |", "|---" * (len(titles) + 1) + "|"]
    for question in QUESTIONS:
        if question.id not in rows:
            continue

        cells = [_cell(found, library.id, question.id) for library in libraries]
        # A wide table can be pushed aside; its rows would become high instead.
        title = question.title if without else question.title.replace(" ", "\u00a0")
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(found: dict[str, Any], library: str, question: str) -> str:
    outcome, _ = _answer(found, library, question)
    return CELLS[outcome]


def _answer(found: dict[str, Any], library: str, question: str) -> tuple[str, str]:
    answers = found["answers"].get(library, {})
    outcome, evidence = answers.get(question, ("not checked", "nobody has asked"))
    return outcome, evidence


def versions(found: dict[str, Any]) -> str:
    """Return what was asked: which version, and what of it."""
    lines = ["| library | version | what was used |", "|---|---|---|"]
    lines += [
        f"| {library.title} | {found['versions'].get(library.id)} | {library.used} |"
        for library in LIBRARIES
    ]
    asked = f"Asked on {found['date']}, with CPython {found['python']} on Linux."
    return "\n".join([*lines, "", asked])


def evidence(found: dict[str, Any]) -> str:
    """Return for each question what was done, and what was seen of whom."""
    parts = []
    for question in QUESTIONS:
        title = question.title[0].upper() + question.title[1:]
        parts.append(f"### {title}\n\nDone: {question.check}.\n")
        seen: dict[tuple[str, str], list[str]] = {}
        for library in LIBRARIES:
            answer = _answer(found, library.id, question.id)
            seen.setdefault(answer, []).append(library.title)
        # First those that can: the sort keeps the order of the libraries.
        for (outcome, text), titles in sorted(
            seen.items(), key=lambda one: ORDER[one[0][0]]
        ):
            parts.append(f"- {CELLS[outcome]}: {', '.join(titles)}: {_quoted(text)}")
        parts.append("")
    return "\n".join(parts).rstrip()


def _quoted(text: str) -> str:
    """Return text from a program as code, whatever is in it."""
    return f"`{text.replace('`', chr(39))}`"


def filled(page: str, name: str, content: str) -> str:
    """Return a page with what is between the lines of that name made anew."""
    begin, end = BEGIN.format(name), END.format(name)
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n\n{content}\n\n{end}{after}"


def whole(page: str, found: dict[str, Any]) -> str:
    """Return the page with all that is made of the answers."""
    for name, content in (
        ("table", table(found)),
        ("versions", versions(found)),
        ("evidence", evidence(found)),
    ):
        page = filled(page, name, content)
    return page


def part(page: str, found: dict[str, Any]) -> str:
    """Return the README with its rows of the table."""
    return filled(page, "table", table(found, README_ROWS, README_WITHOUT))


def write_pages(found: dict[str, Any]) -> None:
    """Write the pages anew."""
    for path, make in ((PAGE, whole), (README, part)):
        path.write_text(make(path.read_text(encoding="utf-8"), found), encoding="utf-8")
