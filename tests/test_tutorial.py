"""The tutorial, done as its readers do it: page after page in one directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tutorial_project import (
    BLOCK,
    COMMAND,
    OF_THE_ENVIRONMENT,
    changed,
    masked,
    output_of,
    save,
)

TUTORIAL = Path(__file__).parent.parent / "docs" / "tutorial"
PAGES = sorted(TUTORIAL.glob("[0-9]-*.md"))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the directory that the reader works in."""
    return tmp_path_factory.mktemp("weather")


def do(page: Path, directory: Path) -> int:
    """Do what a page says, compare what commands print; return how many there are.

    With SYNCRA_SCREENS=1 what they print is written into the page instead.
    """
    text = page.read_text(encoding="utf-8")
    made, end, count = [], 0, 0
    for found in BLOCK.finditer(text):
        language, title, shown = found.groups()
        made.append(text[end : found.start("text")])
        end = found.end("text")
        if title is not None:
            if page != PAGES[-1]:  # which shows what the others have made
                save(title, shown, directory)
        elif language == "console":
            printed = printed_by(shown, directory)
            count += len(printed)
            if os.environ.get("SYNCRA_SCREENS") and printed:
                shown = "".join(f"$ {line}\n{said}" for line, _, said in printed)
            for line, expected, said in printed:
                if not os.environ.get("SYNCRA_SCREENS"):
                    assert masked(said) == masked(expected), f"{page.name}: {line}"
        else:
            assert language == "text", "no reader can run it"
        made.append(shown)
    if os.environ.get("SYNCRA_SCREENS"):
        page.write_text("".join([*made, text[end:]]), encoding="utf-8")
    return count


def printed_by(block: str, directory: Path) -> list[tuple[str, str, str]]:
    """Run the commands of a block; return each, what the page shows, what it prints."""
    return [
        (line, shown, output_of(line, directory))
        for line, shown in COMMAND.findall(block)
        if not line.startswith(OF_THE_ENVIRONMENT)
    ]


def test_what_the_tutorial_says_is_what_happens(directory: Path) -> None:
    """From its first page to its last, which shows the whole file that was made."""
    counts = {page.name: do(page, directory) for page in PAGES}
    made = (directory / "weather.py").read_text(encoding="utf-8")
    last = PAGES[-1].read_text(encoding="utf-8")
    shown = next(found for found in BLOCK.finditer(last) if found["title"])
    if os.environ.get("SYNCRA_SCREENS"):
        PAGES[-1].write_text(last.replace(shown["text"], made), encoding="utf-8")

    assert len(counts) == 5
    assert all(counts.values())
    assert shown["text"] == made


def test_every_page_says_what_comes_next() -> None:
    """By a link to a page that is there."""
    for page, after in zip(PAGES, [*PAGES[1:], None], strict=True):
        last = page.read_text(encoding="utf-8").rstrip().split("\n## ")[-1]
        assert last.startswith("What comes next")
        assert f"]({after.name})" in last if after else "](../how-to/" in last


def test_a_changed_module_is_what_a_reader_would_make_of_it() -> None:
    """The test above is worth as much as this is right."""
    source = "import os\n\nfrom syncra import Graph\n\na = 1\n\n\ndef f(): return a\n"
    block = "import csv\nimport sys\nfrom syncra import Graph, Retry\na = 2\ng = f\n"

    assert changed(source, block) == (
        "import csv\nimport os\nimport sys\n\nfrom syncra import Graph, Retry\n\n"
        "a = 2\n\n\ndef f(): return a\n\n\ng = f\n"
    )
