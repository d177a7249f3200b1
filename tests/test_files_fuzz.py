"""Whatever a file holds, reading it gives a graph or a `SyncraError` (fault 133).

`nox -s fuzz` gives it 100,000 files; a normal run a few hundred.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import files_tasks  # noqa: F401 - what the files name
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_files import IN_JSON, IN_TOML, IN_YAML, WRONG_JSON, WRONG_TOML, WRONG_YAML
from test_files_schema import FULL, NAMES, VALUES

from syncra import Graph
from syncra.errors import GraphError, SyncraError

#: How many files in all; four tests have a part of them each.
INPUTS = int(os.environ.get("SYNCRA_FUZZ_INPUTS", "400"))

fuzzed = settings(
    max_examples=INPUTS // 4,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    print_blob=True,
)
SUFFIXES = [".json", ".toml", ".yaml"]
GOOD = {
    ".json": [IN_JSON, WRONG_JSON, json.dumps(FULL), json.dumps(FULL, indent=1)],
    ".toml": [IN_TOML, WRONG_TOML],
    ".yaml": [IN_YAML, WRONG_YAML, json.dumps(FULL), json.dumps(FULL, indent=1)],
}
#: What means something in one of the formats.
TOKENS = [
    *"{}[]()<>,:;.=-?!&*#|>%@\"'`\\/~^ \t\r\n\0\x1b\x85\u2028\ufeff\ud7ff\U0010ffff",
    *("<<", "---", "...", "&a", "*a", "!!", "!!python/name:os.system", "%YAML 1.1\n"),
    *("\\u", "\\ud800", "\\U0010FFFF", "'''", '"""', "[[", "]]", "[tasks]", "null"),
    *("true", "on", "nan", "inf", ".nan", "1e999", "0x", "0o8", "1_0", "9" * 50),
    *("2024-01-01", "10:00", "- ", ": ", "? ", "|\n ", "tasks", "name", "function"),
    *("shell", "command", "files_tasks:fail", "os.system", "{path}", "{{", "${x}"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the files are. Without PyYAML all YAML is a `SyncraError`."""
    return tmp_path_factory.mktemp("fuzz")


def read(folder: Path, suffix: str, text: str | bytes) -> None:
    """Read a file; what it defines is what it says of itself again."""
    file = folder / f"file{suffix}"
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    file.write_bytes(data)
    try:
        graph = Graph.from_file(file, allow="files_tasks", allow_commands=True)
    except SyncraError as error:
        for problem in getattr(error, "problems", ()):
            if problem.line is not None:
                lines = data.decode("utf-8", "replace").count("\n") + 1
                assert 1 <= problem.line <= lines
                assert problem.column >= 1
        return

    try:
        said = graph.to_dict()
    except GraphError:
        return

    again = Graph.from_dict(said, allow="files_tasks", allow_commands=True)
    assert again.to_dict() == said


@fuzzed
@given(suffix=st.sampled_from(SUFFIXES), text=st.text() | st.binary())
def test_fault_133_any_text(folder: Path, suffix: str, text: str | bytes) -> None:
    read(folder, suffix, text)


@fuzzed
@given(
    suffix=st.sampled_from(SUFFIXES),
    text=st.lists(st.sampled_from(TOKENS), max_size=40).map("".join),
)
def test_fault_133_any_tokens(folder: Path, suffix: str, text: str) -> None:
    read(folder, suffix, text)


@fuzzed
@given(st.data())
def test_fault_133_good_files_with_changes(folder: Path, data: st.DataObject) -> None:
    suffix = data.draw(st.sampled_from(SUFFIXES))
    text = data.draw(st.sampled_from(GOOD[suffix]))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        put = data.draw(
            st.sampled_from(TOKENS) | st.text(max_size=4) | st.just(text[start:end] * 2)
        )
        text = text[:start] + put + text[end:]
    read(folder, suffix, text)


OPTIONS = st.dictionaries(NAMES, VALUES, max_size=4)
TASKS = st.builds(
    lambda options, kind: {**options, **kind},
    OPTIONS,
    st.sampled_from(
        [
            {"function": "files_tasks:fail"},
            {"function": "files_tasks.extract", "outputs": ["rows", "origin"]},
            {"function": "files_tasks:double", "depends_on": ["a"]},
            {"function": "files_tasks.os.system"},
            {"shell": "echo {a} {b}"},
            {"command": ["echo", "{a}"], "after": "b"},
        ]
    ),
)
DOCUMENTS = st.builds(
    lambda top, tasks: {**top, "tasks": tasks},
    OPTIONS,
    st.dictionaries(st.sampled_from("abcd"), TASKS, max_size=4)
    | st.lists(
        st.builds(
            lambda name, task: {**task, "name": name}, st.sampled_from("abcd"), TASKS
        ),
        max_size=4,
    ),
)


@fuzzed
@given(document=DOCUMENTS, suffix=st.sampled_from([".json", ".yaml"]))
def test_fault_133_any_document(
    folder: Path, document: dict[str, object], suffix: str
) -> None:
    read(folder, suffix, json.dumps(document))
