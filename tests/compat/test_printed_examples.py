"""What Processes 1.0, the first Syncra and TaskFlow print in their documents, run.

Each example is a file under `examples/`, as printed but for what is said here. There is
no Python in what TaskFlow prints: one graph in JSON, which `Graph.from_file` reads.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from syncra import delete_graph

ROOT = Path(__file__).parents[2]
EXAMPLES = Path(__file__).parent / "examples"
#: Where the documents are, if they are there.
REFERENCE = ROOT.parent / "shared" / "reference"

#: Document, folder of its examples, how many it has, and how they had to be changed.
DOCUMENTS: list[tuple[str, str, int, dict[str, str]]] = [
    (
        "processes-1.0.md",
        "processes",
        1,
        {"from processes import": "from syncra.compat.processes import"},
    ),
    # Without the colon it is no Python.
    (
        "syncra-first.md",
        "first_syncra",
        5,
        {"task(dependent_result)\n": "task(dependent_result):\n"},
    ),
    ("taskflow.md", "taskflow", 0, {}),
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Run in a folder of its own, with no graph left over."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    try:
        delete_graph("my_graph")
    except KeyError:
        pass  # the example has made none


def run(*names: str) -> dict[str, Any]:
    """Run examples one after another as one script; return its variables."""
    variables: dict[str, Any] = {"__name__": "__main__"}
    for name in names:
        path = EXAMPLES / name
        text = path.read_text(encoding="utf-8")
        exec(compile(text, path, "exec"), variables)
    return variables


@pytest.mark.parametrize(
    ("document", "folder_name", "count", "changes"),
    DOCUMENTS,
    ids=[document for document, *_ in DOCUMENTS],
)
def test_every_example_is_here(document, folder_name, count, changes) -> None:
    """As many as the document prints, and the same text."""
    here = [
        path.read_text("utf-8") for path in sorted(EXAMPLES.glob(f"{folder_name}/*"))
    ]
    assert len(here) == count
    if not (REFERENCE / document).exists():
        pytest.skip(f"there is no {document} beside the repository")
    text = (REFERENCE / document).read_text(encoding="utf-8")
    printed = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    for old, new in changes.items():
        printed = [block.replace(old, new) for block in printed]
    assert printed == here


def test_processes_quick_start(folder: Path) -> None:
    """Results reach arguments as it says, and what happened is in the log files."""
    result = run("processes/01_quick_start.py")["process_result"]
    passed = result.passed_tasks_results
    assert {name: one.result for name, one in passed.items()} == {
        "t-1": run_date(),
        "intependent": "foo",
        "sum_csv": 10,
        "sum_x_and_csv": 10 + 10 + 100,
    }
    assert all(one.worked and one.exception is None for one in passed.values())
    assert result.failed_tasks == set()
    log = (folder / "etl.log").read_text(encoding="utf-8")
    told = re.findall(r"process\.(\S+) (started|succeeded)", log)
    order = ["t-1", "sum_csv", "sum_x_and_csv"]
    ends = ("started", "succeeded")
    assert told == [(name, end) for name in order for end in ends]
    assert "intependent succeeded" in (folder / "indep.log").read_text("utf-8")


def run_date() -> Any:
    from datetime import date

    return date(2025, 12, 30)


def test_first_syncra_install() -> None:
    """What is installed has the name that is printed."""
    (_, _, name) = (EXAMPLES / "first_syncra/01_install.txt").read_text().split()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert name == project["project"]["name"]


def test_first_syncra_functions(capsys) -> None:
    """The task prints its dependency, `main` what the comments say."""
    run("first_syncra/02_declare.py", "first_syncra/03_run.py")
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["example_output", "example_output", "final_example_output"]


def test_first_syncra_with_coroutines(capsys) -> None:
    """The comment on the last line is wrong in the document: that task returns None."""
    run("first_syncra/04_declare_mixed.py", "first_syncra/05_run_mixed.py")
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["example_output", "example_output", "None"]
