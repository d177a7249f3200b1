"""What Syncra and other libraries can do, found out by programs.

`python -m benchmarks.features` asks each question of each library in a process of its
own, writes the answers as JSON, and the tables made of them into the pages.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import machine
from .children import ROOT
from .features_table import write_pages
from .probes import LIBRARIES
from .probes.asking import Asking
from .probes.questions import QUESTION, QUESTIONS

RESULTS = ROOT / "benchmarks" / "results" / "features.json"


def main(arguments: list[str] | None = None) -> None:
    """Ask what is to be asked, and write it down."""
    options = _parser().parse_args(arguments)
    found = _read(options.json)
    if not options.pages_only:
        _ask(found, options)
    if options.json == RESULTS:
        write_pages(found)


def _ask(found: dict[str, Any], options: argparse.Namespace) -> None:
    libraries = [one for one in LIBRARIES if one.id in options.library]
    for library in libraries:
        answers: dict[str, list[str]] = found["answers"].setdefault(library.id, {})
        for question in options.question:
            answer = Asking(library.id, QUESTION[question]).answer()
            answers[question] = [answer.outcome, answer.evidence]
            line = f"{library.id:10} {question:20} {answer.outcome:8} {answer.evidence}"
            print(line, flush=True)
        found["versions"][library.id] = machine.version_of(library.package)
    found["python"] = machine.describe()["python"]
    found["date"] = datetime.now(UTC).date().isoformat()
    found["answers"] = _in_order(found["answers"])
    options.json.parent.mkdir(exist_ok=True)
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    options.json.write_text(text, encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    """Return earlier answers, which stay where nobody is asked again."""
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found

    return {"python": "", "date": "", "versions": {}, "answers": {}}


def _in_order(answers: dict[str, Any]) -> dict[str, Any]:
    return {
        library.id: {
            question.id: answers[library.id][question.id]
            for question in QUESTIONS
            if question.id in answers[library.id]
        }
        for library in LIBRARIES
        if library.id in answers
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("benchmarks.features", description=__doc__)
    names = [library.id for library in LIBRARIES]
    parser.add_argument("--library", nargs="+", choices=names, default=names)
    ids = list(QUESTION)
    parser.add_argument("--question", nargs="+", choices=ids, default=ids)
    parser.add_argument(
        "--json",
        type=Path,
        default=RESULTS,
        help="where the answers are; pages are made of the usual ones",
    )
    text = "only write the tables of the answers that are there"
    parser.add_argument("--pages-only", action="store_true", help=text)
    return parser


if __name__ == "__main__":
    main()
