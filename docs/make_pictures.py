"""Make the pictures of these pages: take a real census and show its run.

    python docs/make_pictures.py

runs the graph of `examples/census.py` in worker processes, watched by a display of
progress and with its logs kept, and writes

    census.svg              the graph with the states of the run, folded
    census-report.png       the page of the run, light
    census-report-dark.png  the same in the dark, with a task opened and its log
    census-terminal.svg     the terminal, while the run goes on and at its end

It takes the extras `html`, `rich` and `viz`, the packages playwright and pillow, and
the programs chromium and `dot`; `nox -s pictures` installs the packages.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.text import Text

from syncra import Processes, Run
from syncra.observers import KeepLogs, ProgressDisplay

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT / "examples"))

import census  # noqa: E402  # an example, not a package

#: The most bytes of a picture, since a clone of the repository has them all.
MOST_BYTES = 200_000
COLUMNS = 96
#: What a terminal obeys rather than shows: moving, erasing, hiding its cursor.
COMMANDS = re.compile(r"\r|\x1b\[\d*[A-KSTfsu]|\x1b\[\?\d+[hl]")
COUNT = re.compile(r"(\d+)/(\d+)")


class Terminal(io.StringIO):
    """Be a terminal, and remember each thing that is written at once."""

    encoding = "utf-8"

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []

    def isatty(self) -> bool:
        """Return that there is somebody who looks at it."""
        return True

    def write(self, text: str) -> int:
        """Remember a text."""
        self.written.append(text)
        return len(text)

    def during(self) -> Text:
        """Return what was to be seen when two fifths of the tasks were over."""

        def distance(text: str) -> float:
            found = COUNT.search(COMMANDS.sub("", text))
            done = int(found[1]) / int(found[2]) if found else 2.0
            return abs(done - 0.4) + ("\n" not in text.strip())

        return shown(min(self.written, key=distance))

    def at_the_end(self) -> Text:
        """Return what stays there when the run is over."""
        whole = "".join(self.written)
        return shown(whole.rpartition("\x1b[?25h")[2])


def shown(text: str) -> Text:
    """Return a text with its colours, without commands to the terminal."""
    return Text.from_ansi(COMMANDS.sub("", text).strip("\n"))


def take_census(root: Path, terminal: Terminal) -> Run:
    """Return the run that takes the census of a tree, shown on a terminal."""
    os.environ |= {
        "COLUMNS": str(COLUMNS),
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
    }
    census.ignore_warnings_about_files()
    display = ProgressDisplay(style="live", stream=terminal)
    graph = census.build_graph(root, Processes())
    return graph.run({"top": 10}, observers=[KeepLogs(), display])


def draw_terminal(terminal: Terminal, path: Path) -> None:
    """Write what was to be seen on a terminal as SVG, without fonts from elsewhere."""
    console = Console(
        file=io.StringIO(), record=True, width=COLUMNS, force_terminal=True
    )
    console.print(terminal.during())
    console.print(Text("\n  ⋮\n", "dim"))
    console.print(terminal.at_the_end())
    text = console.export_svg(title="graph.run(progress=True)")
    text = re.sub(r"@font-face\s*\{.*?\}", "", text, flags=re.DOTALL)
    text = "\n".join(line.rstrip() for line in text.splitlines())
    path.write_text(f"{text}\n", encoding="utf-8")


def photograph(run: Run, directory: Path) -> None:
    """Write pictures of the page of a run."""
    with tempfile.TemporaryDirectory() as place, chromium() as browser:
        page = Path(place, "run.html")
        # Where this clone is matters to nobody.
        text = run.report().to_html().replace(f"{ROOT}{os.sep}", "")
        page.write_text(text, encoding="utf-8")
        light = opened(browser, page, "light", 1200, 1200)
        box = light.locator("#timeline").bounding_box()
        part = {"x": 0, "y": 0, "width": 1200, "height": box["y"] + box["height"] + 16}
        save(light.screenshot(clip=part), directory / "census-report.png")
        dark = opened(browser, page, "dark", 1200, 600)
        dark.fill("#search", "broken" if run["census"].broken else "lines")
        dark.wait_for_selector("#rows .row")
        dark.locator("#rows .row").first.click()
        dark.evaluate("scrollTo({ top: document.body.scrollHeight })")
        dark.wait_for_timeout(500)  # until it has moved there, and the task is open
        save(dark.screenshot(), directory / "census-report-dark.png")


@contextmanager
def chromium() -> Iterator[Any]:
    """Give the browser of the system."""
    program = shutil.which("chromium")
    if program is None:
        raise SystemExit("make_pictures: there is no chromium on this machine")

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


def opened(browser: Any, path: Path, scheme: str, width: int, height: int) -> Any:
    """Return a page that is open and drawn."""
    size = {"width": width, "height": height}
    page = browser.new_page(viewport=size, color_scheme=scheme, locale="en-GB")
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]")
    page.wait_for_timeout(500)  # a canvas is drawn in the next frame
    return page


def save(picture: bytes, path: Path) -> None:
    """Write a picture in few colours, which a page has anyway."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    # The rare colours too, and the common ones as they are.
    few = image.quantize(
        256,
        method=Image.Quantize.MAXCOVERAGE,
        kmeans=3,
        dither=Image.Dither.NONE,
    )
    few.save(path, optimize=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make all pictures; return the exit code."""
    parser = argparse.ArgumentParser(description="Make the pictures of the pages.")
    library = Path(sysconfig.get_path("stdlib"))
    parser.add_argument("root", nargs="?", type=Path, default=library)
    parser.add_argument("--into", type=Path, default=DOCS, metavar="DIRECTORY")
    options = parser.parse_args(arguments)
    terminal = Terminal()
    run = take_census(options.root.absolute(), terminal)
    names = ("census.svg", "census-terminal.svg")
    names += ("census-report.png", "census-report-dark.png")
    run.draw(options.into / names[0])
    draw_terminal(terminal, options.into / names[1])
    photograph(run, options.into)
    for name in names:
        size = (options.into / name).stat().st_size
        print(f"{options.into / name}: {size:,} bytes")
        if size > MOST_BYTES:
            print(f"make_pictures: {name} is too large", file=sys.stderr)
            return 1

    return 0


if __name__ == "__main__":
    sys.exit(main())
