"""Parts of what is shown of a run: the critical path, plain texts, whole files."""

from __future__ import annotations

import itertools
import json
import os
import random
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from syncra import Graph
from syncra.views.critical_path import (
    NEVER,
    critical_path,
    longest_chain,
    released_at,
)
from syncra.views.files import write_whole
from syncra.views.plain_text import plain_line, plain_text


def path_of(before: list[list[int]], finished: list[int]) -> list[int]:
    _, awaited = released_at(before, finished)
    return critical_path(awaited, finished)


def test_the_critical_path_ends_last() -> None:
    """And each of its tasks had waited for the one before."""
    before = [[], [], [0, 1], [0], [2, 3]]
    assert path_of(before, [5, 9, 12, 20, 25]) == [0, 3, 4]
    assert path_of(before, [5, 9, 22, 20, 25]) == [1, 2, 4]
    assert released_at(before, [5, 9, 12, 20, 25])[0] == [0, 0, 9, 5, 20]


def test_it_goes_through_what_has_not_run() -> None:
    """A skipped dependency was settled when what it depended on was."""
    before = [[], [0], [1], [2]]
    assert path_of(before, [5, NEVER, NEVER, 9]) == [0, 3]
    assert released_at(before, [5, NEVER, NEVER, 9])[0] == [0, 5, 5, 5]


def test_there_is_none_where_nothing_has_run() -> None:
    assert path_of([], []) == []
    assert path_of([[], [0]], [NEVER, NEVER]) == []


@pytest.mark.parametrize("seed", range(30))
def test_random_runs_are_explained_by_their_critical_path(seed: int) -> None:
    """With workers for all, the path is the longest chain, and takes the whole run."""
    chance = random.Random(seed)
    size = chance.randrange(1, 40)
    before = [
        sorted(chance.sample(range(task), min(task, chance.randrange(4))))
        for task in range(size)
    ]
    took = [chance.randrange(1, 50) for _ in range(size)]
    finished: list[int] = []
    for task in range(size):
        start = max((finished[other] for other in before[task]), default=0)
        finished.append(start + took[task])
    path = path_of(before, finished)
    assert sum(took[task] for task in path) == max(finished)
    assert longest_chain(before, took) == max(finished)
    for one, other in itertools.pairwise(path):
        assert one in before[other]


def test_a_long_chain_is_no_problem() -> None:
    """Nothing recurses."""
    size = 100_000
    before = [[task - 1] if task else [] for task in range(size)]
    assert path_of(before, list(range(1, size + 1))) == list(range(size))


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("plain", "plain"),
        ("two\nlines\tand", "two\nlines\tand"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b31mred", "red"),
        ("\x1bPdevice\x1b\\text", "text"),
        ("\x1b(Btext\x1b=", "text"),
        ("cut \x1b[3", "cut "),
        ("nul\x00bel\x07back\x08", "nulbelback"),
        ("line\r\nend\rover", "line\nendover"),
        ("user\u202egpj.exe", "usergpj.exe"),
        ("\ud800lone", "\N{REPLACEMENT CHARACTER}lone"),
        ("naïve - ünïcode 👩‍🚀", "naïve - ünïcode 👩‍🚀"),
    ],
)
def test_fault_116_texts_are_made_plain(text: str, plain: str) -> None:
    assert plain_text(text, 100) == plain


def test_long_texts_keep_both_ends() -> None:
    """And say how much is left out."""
    text = plain_text("a" * 5_000 + "b" * 5_000, 200)
    assert len(text) == 200
    assert text.startswith("aaa")
    assert text.endswith("bbb")
    assert "characters left out" in text
    assert plain_line("a\nb" * 100, 10) == "a ba ba b…"


# Files.


def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    """And not the one beside it that is written first."""
    nowhere, directory = tmp_path / "nowhere" / "run.html", tmp_path / "run.html"
    with pytest.raises(FileNotFoundError) as caught:
        write_whole(nowhere, "text")
    assert str(caught.value).endswith(f": {str(nowhere)!r}")
    directory.mkdir()
    with pytest.raises(IsADirectoryError) as caught_too:
        write_whole(directory, "text")
    assert str(caught_too.value).endswith(f": {str(directory)!r}")
    assert list(tmp_path.iterdir()) == [directory]


def test_fault_121_a_full_disk_is_said(tmp_path: Path) -> None:
    """As an error, and the run is what it was."""
    if not Path("/dev/full").is_char_device():
        pytest.skip("there is no /dev/full on this system")

    graph = Graph("one")
    graph.add(lambda: 1, name="one")
    run = graph.run()
    with pytest.raises(OSError, match="No space left"):
        run.report().to_html("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        run.report().to_trace("/dev/full")
    assert Path("/dev/full").is_char_device()
    assert run.ok
    assert run["one"] == 1
    assert not list(Path("/dev").glob(".*.part"))


LIMITED = """
import resource, signal, sys
from syncra import Graph
graph = Graph("one")
graph.add(lambda: 1, name="one")
run = graph.run()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    run.report().to_html(sys.argv[1])
except OSError:
    assert run.ok and run["one"] == 1
    print("failed as it should")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
@pytest.mark.parametrize("there", ["the last report", None])
def test_fault_121_half_a_report_is_none(tmp_path: Path, there: str | None) -> None:
    """Writing fails in the middle: the old file is whole, and nothing else is there."""
    path = tmp_path / "run.html"
    if there is not None:
        path.write_text(there)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "failed as it should\n"
    names = [file.name for file in tmp_path.iterdir()]
    assert names == ([] if there is None else ["run.html"])
    if there is not None:
        assert path.read_text() == there


def test_fault_121_an_interrupted_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C between writing and replacing."""

    def interrupted(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "run.html"
    path.write_text("old")
    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, "new")
    assert [file.name for file in tmp_path.iterdir()] == ["run.html"]
    assert path.read_text() == "old"


def test_what_is_no_regular_file_is_written_to_and_stays(tmp_path: Path) -> None:
    """As `/dev/stdout`, or what another program reads from."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("there are no named pipes")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    graph = Graph("piped")
    graph.add(lambda: 1, name="one")
    report = graph.run().report()
    with ThreadPoolExecutor(1) as reader:
        text = reader.submit(pipe.read_text, encoding="utf-8")
        assert report.to_trace(pipe) == pipe
        assert json.loads(text.result(30)) == json.loads(report.to_trace())
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    graph = Graph("empty")
    with pytest.raises(FileNotFoundError):
        graph.run().report().to_html(tmp_path / "no" / "run.html")
    with pytest.raises(IsADirectoryError):
        graph.run().report().to_html(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_fault_120_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    """So nobody can have another file overwritten."""
    victim, link = tmp_path / "victim", tmp_path / "run.html"
    victim.write_text("precious")
    link.symlink_to(victim)
    write_whole(link, "report")
    assert victim.read_text() == "precious"
    assert link.read_text() == "report"
    assert not link.is_symlink()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such rights")
def test_a_file_may_be_read_by_whom_the_umask_allows(tmp_path: Path) -> None:
    """As any file that a program makes."""
    before = os.umask(0o027)
    try:
        path = write_whole(tmp_path / "run.html", "report")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
