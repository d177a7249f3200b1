"""The site of docs/: its reference is whole, and its checker sees what is wrong."""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import json
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

from syncra import errors
from syncra._core.states import STATE_NAMES, TRANSITIONS

#: Pages say the same whichever Python reads them.
pytestmark = pytest.mark.one_python

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PUBLIC_MODULES = (
    "syncra",
    "syncra.errors",
    "syncra.executors",
    "syncra.observers",
    "syncra.compat.concurra",
    "syncra.compat.processes",
)


def script(name: str) -> ModuleType:
    """Return a script of docs/, which is no package."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def object_at(path: str) -> object:
    """Return what a dotted path of a public module stands for."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def public_names() -> dict[str, object]:
    """Return all public names with what they stand for, but for modules."""
    found = {
        f"{module}.{name}": object_at(f"{module}.{name}")
        for module in PUBLIC_MODULES
        for name in importlib.import_module(module).__all__
    }
    return {
        path: value
        for path, value in found.items()
        if not isinstance(value, ModuleType)
    }


def places() -> list[str]:
    """Return what has a place in the reference."""
    return [
        path
        for page in sorted(REFERENCE.glob("*.md"))
        for path in re.findall(r"^::: (\S+)$", page.read_text("utf-8"), re.MULTILINE)
    ]


def test_every_public_name_has_a_place_in_the_reference() -> None:
    """One of `syncra` may have it under its other name, as `syncra.errors.Skip`."""
    there = {id(object_at(path)) for path in places()}
    public = public_names()
    assert len(public) > 80
    assert [path for path, value in public.items() if id(value) not in there] == []


def test_the_reference_has_public_names_only_each_in_one_place() -> None:
    given = places()
    assert [path for path in given if path not in public_names()] == []
    assert len(given) == len(set(given))


def test_the_table_of_errors_has_all_of_them() -> None:
    """And says of each which of Python's own it is."""
    page = (REFERENCE / "errors.md").read_text("utf-8")
    rows = re.findall(r"^\| \[`(\w+)`\]\[[^]]+\] \| ([^|]*) \|", page, re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(
        set(errors.__all__) - {"SyncraError"}  # what the page begins with
    )
    for name, others in rows:
        kinds = re.findall(r"`(\w+)`", others)
        kind = getattr(errors, name)
        assert all(issubclass(kind, getattr(builtins, other)) for other in kinds)
        assert bool(kinds) is (kind is not errors.GraphError)


def test_attributes_that_the_table_of_errors_names_are_documented() -> None:
    page = (REFERENCE / "errors.md").read_text("utf-8")
    rows = re.findall(r"^\| \[`(\w+)`\].*\| (.*) \|$", page, re.MULTILINE)
    named = [
        (name, attribute)
        for name, what_to_do in rows
        for attribute in re.findall(r"`\.(\w+)", what_to_do)
    ]
    assert len(named) > 10
    for name, attribute in named:
        assert f"    {attribute}: " in str(getattr(errors, name).__doc__)


def test_the_page_of_states_is_the_table_of_transitions() -> None:
    """After a change there, run `python docs/make_states.py`."""
    made = script("make_states").page()
    assert (REFERENCE / "states.md").read_text("utf-8") == made


def test_the_picture_of_states_is_the_table_of_transitions() -> None:
    """Every move, with its name; where they are is the choice of `dot`."""
    space = "{http://www.w3.org/2000/svg}"
    drawn = set()
    for group in ElementTree.parse(REFERENCE / "states.svg").iter(f"{space}g"):
        if group.get("class") == "edge":
            label = "".join(group.find(f"{space}text").itertext())
            drawn.add((group.find(f"{space}title").text, label))
    assert drawn == {
        (f"{STATE_NAMES[old]}->{STATE_NAMES[new]}", event)
        for (old, event), new in TRANSITIONS.items()
    }


@pytest.mark.skipif(not shutil.which("dot"), reason="there is no dot on this machine")
def test_page_and_picture_of_states_can_be_made(tmp_path: Path, monkeypatch) -> None:
    states = script("make_states")
    monkeypatch.setattr(states, "PAGE", tmp_path / "states.md")
    monkeypatch.setattr(states, "PICTURE", tmp_path / "states.svg")
    assert states.main() == 0
    assert "put_back" in (tmp_path / "states.svg").read_text("utf-8")
    assert "put_back" in (tmp_path / "states.md").read_text("utf-8")


def test_every_page_is_in_the_navigation() -> None:
    """A page that is not cannot be found by who does not search for it."""
    listed = re.findall(r"(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    there = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    assert there - set(listed) == set()
    assert len(listed) == len(set(listed))


def page_of(body: str, head: str = "") -> str:
    return f"<!doctype html><html><head>{head}</head><body>{body}</body></html>"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a small site with nothing wrong."""
    index = '<a href="guide/#start">guide</a> <a href="https://example.org/">web</a>'
    guide = (
        '<h2 id="start">Start</h2><img src="../a.png"><a href="../index.html">up</a>'
    )
    style = '<link rel="stylesheet" href="site.css"><link rel="icon" href="a.png">'
    (tmp_path / "guide").mkdir()
    (tmp_path / "index.html").write_text(page_of(index, style))
    (tmp_path / "guide" / "index.html").write_text(page_of(guide))
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    (tmp_path / "site.css").write_text("p { background: url(a.png) }")
    places = ["index.html", "", "guide/index.html", "guide/index.html#start"]
    items = {"items": [{"location": place} for place in places]}
    (tmp_path / "search.json").write_text(json.dumps(items))
    return tmp_path


def test_a_site_with_nothing_wrong(site: Path, capsys) -> None:
    check = script("check_site")
    assert check.problems_of(site) == []
    assert check.main([str(site)]) == 0
    assert capsys.readouterr().out == "2 pages, 0 problems\n"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('<a href="gone.html">x</a>', "gone.html is no file of the site"),
        ('<a href="../outside.html">x</a>', "../outside.html is no file of the site"),
        ('<a href="guide/#stop">x</a>', "guide/#stop has no such anchor"),
        ('<a href="#stop">x</a>', "#stop has no such anchor"),
        ('<img src="gone.png">', "gone.png is no file of the site"),
        ('<img srcset="a.png 1x, gone.png 2x">', "gone.png is no file of the site"),
        ('<img src="https://example.org/a.png">', "loads https://example.org/a.png"),
        ('<script src="//example.org/a.js"></script>', "loads //example.org/a.js"),
        (
            '<link rel="preconnect" href="https://fonts.example">',
            "loads https://fonts.example",
        ),
        (
            '<style>@import "https://example.org/a.css";</style>',
            "its style loads https://example.org/a.css",
        ),
        (
            '<p style="background: url(https://example.org/a.png)">',
            "its style loads https://example.org/a.png",
        ),
        ('<pre class="mermaid">graph TD</pre>', "has a Mermaid diagram"),
    ],
)
def test_what_is_wrong_with_a_page_is_told(
    site: Path, body: str, told: str, capsys
) -> None:
    page = site / "index.html"
    page.write_text(page.read_text().replace("<body>", f"<body>{body}"))
    check = script("check_site")
    (problem,) = check.problems_of(site)
    assert problem.startswith("index.html: ")
    assert told in problem
    assert check.main([str(site)]) == 1
    assert told in capsys.readouterr().out


def test_what_is_wrong_with_a_site_is_told(site: Path) -> None:
    check = script("check_site")
    (site / "site.css").write_text("@import url('https://example.org/a.css')")
    (site / "alone.html").write_text(page_of("nobody links here"))
    places = [{"location": "old.html"}, {"location": "guide/index.html#a"}]
    (site / "search.json").write_text(json.dumps({"items": places}))
    assert check.problems_of(site) == [
        "site.css: its style loads https://example.org/a.css",
        "search.json has 2 entries of 3 pages",
        "search.json: there is no page old.html",
        "search.json: there is no anchor guide/index.html#a",
        "alone.html: no page links to it",
    ]
    (site / "search.json").unlink()
    assert "search.json is missing" in check.problems_of(site)
    assert check.problems_of(site / "guide" / "nothing")[0].endswith("no pages")
