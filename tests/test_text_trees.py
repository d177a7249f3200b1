"""`print(graph)`: every task once, below what it waits for."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest
from picture_names import SPECIAL, graph_of
from test_pictures import etl
from tests_helpers import in_a_script

from syncra import Graph


def test_a_tree() -> None:
    """Chains go straight down, branches to the right, others are referred to."""
    assert str(etl()) == (
        "graph 'etl': 5 tasks · 4 levels · input path\n"
        "extract  input path\n"
        "├─ enrich  async · needs extract[rows]\n"
        "│  ↓ crunch  threads · needs enrich, extract[schema]\n"
        "│  ↓ load  needs crunch · after migrate\n"
        "└─ crunch (above)\n"
        "migrate\n"
        "└─ load (above)"
    )


def test_what_stands_below() -> None:
    """A task is as deep as its level, so it may come after who refers to it."""
    graph = Graph("deep")
    graph.add(lambda: 1, name="a")
    graph.add(lambda: 1, name="b")
    graph.add(lambda b: 1, name="c", dependencies="b")
    graph.add(lambda a, c: 1, name="d", dependencies=["a", "c"])
    assert str(graph).splitlines()[1:] == [
        "a",
        "└─ d (below)",
        "b",
        "↓ c",
        "↓ d  needs a, c",
    ]


def test_the_short_form_stays() -> None:
    assert repr(etl()) == "<Graph 'etl' of 5 tasks>"
    assert str(Graph("none")) == "graph 'none': 0 tasks"


class Terminal(io.StringIO):
    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "no-such-one"])
def test_plain_letters_where_there_are_no_others(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = etl()
    graph.add(print, name="Größe 🚀", after="load")
    monkeypatch.setattr(sys, "stdout", Terminal(encoding))
    text = str(graph)
    monkeypatch.undo()
    text.encode("ascii" if encoding == "no-such-one" else encoding)
    assert "|- enrich  async, needs extract[rows]\n" in text
    assert "`- crunch (above)\n" in text
    assert "v Gr" in text
    assert "\\U0001f680" in text


def test_pretty_letters_in_a_program_that_prints_into_a_pipe() -> None:
    code = (
        "import sys\nfrom syncra import Graph\n"
        "sys.stdout.reconfigure(encoding={!r})\n"
        "graph = Graph('pipe')\ngraph.add(lambda: 1, name='a')\n"
        "graph.add(lambda a: 1, name='b', dependencies='a')\nprint(graph)\n"
    )
    assert in_a_script(code.format("ascii")).splitlines()[1:] == ["a", "v b"]


def one_of_many(*results: int) -> int:
    return 1


def shape(kind: str, size: int) -> Graph:
    graph = Graph(kind)
    graph.add(one_of_many, name="0")
    for number in range(1, size):
        before = {
            "chain": [number - 1],
            "wide": [0],
            "ladder": [number - 1, number - 2] if number > 1 else [0],
            "tree": [(number - 1) // 2],
            "apart": [],
        }[kind]
        graph.add(
            one_of_many, name=f"{number}", dependencies=[str(one) for one in before]
        )
    return graph


@pytest.mark.one_python
@pytest.mark.parametrize("kind", ["chain", "wide", "ladder", "tree", "apart"])
def test_a_huge_graph_stays_short(kind: str) -> None:
    """A chain of 100,000 tasks is a normal graph, but nobody reads it line by line."""
    lines = str(shape(kind, 100_000)).splitlines()
    assert lines[0].startswith(f"graph '{kind}': 100,000 tasks")
    assert len(lines) <= 202
    assert max(map(len, lines)) < 200
    shown = len(lines) - 2
    count = int(lines[-1].removeprefix("... and ").split()[0].replace(",", ""))
    assert count >= 100_000 - shown


def test_all_to_all_names_few() -> None:
    graph = Graph("dense")
    before: list[Any] = []
    for level in range(5):
        before = [
            graph.add(lambda *r: 1, name=f"l{level}_{at}", dependencies=before)
            for at in range(30)
        ]
    lines = str(graph).splitlines()
    assert len(lines) <= 202
    assert max(map(len, lines)) < 200
    assert any("and 26 more" in line for line in lines)


@pytest.mark.parametrize("mistake", ["cycle", "unknown"])
def test_a_graph_with_a_mistake_says_which(mistake: str) -> None:
    graph = Graph("wrong")
    graph.add(lambda b: 1, name="a", dependencies="b")
    if mistake == "cycle":
        graph.add(lambda a: 1, name="b", dependencies="a")
    lines = str(graph).splitlines()
    assert lines[0].startswith("graph 'wrong': ")
    assert "cycle" in lines[0] if mistake == "cycle" else "no task" in lines[0]
    assert lines[1] == "├─ a"


def test_a_large_graph_with_a_mistake_stays_short() -> None:
    graph = Graph("wrong")
    for number in range(1_234):
        graph.add(lambda: 1, name=str(number))
    graph.add(lambda: 1, name="last", after="nobody")
    lines = str(graph).splitlines()
    assert "nobody" in lines[0]
    assert len(lines) == 202
    assert lines[-1] == "... and 1,035 more tasks"


def test_deep_branches_end_somewhere() -> None:
    """What is below the deepest line is counted; where nothing is, nothing is said."""
    graph = Graph("deep")
    before = graph.add(lambda: 1, name="0")
    for number in range(1, 25):
        # A second follower makes each of them a branch and no chain.
        graph.add(lambda x: 1, name=f"leaf {number}", dependencies=before)
        before = graph.add(lambda x: 1, name=str(number), dependencies=before)
    lines = str(graph).splitlines()
    cut = [line for line in lines if line.endswith("... 2 tasks below")]
    assert len(cut) == 1
    assert lines[lines.index(cut[0]) - 1].endswith("─ 20")
    assert any(line.endswith("─ leaf 20") for line in lines)
    assert lines[-1] == "... and 8 more tasks"


def test_fault_119_names_do_nothing_to_a_terminal() -> None:
    """No line break, escape sequence or change of direction comes through."""
    text = str(graph_of(list(SPECIAL), "\x1b[2J\nname\u202e"))
    assert len(text.splitlines()) == len(SPECIAL) + 1
    assert not set("\x00\x1b\r\u202e\u2028\ud800") & set(text)
    text.encode()


def test_plain_print(capsys: pytest.CaptureFixture[str]) -> None:
    print(etl())
    assert capsys.readouterr().out.count("\n") == 8
