"""Pictures in files and notebooks, drawn by the real `dot`."""

from __future__ import annotations

import shutil
import signal
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from picture_names import PAYLOADS, SPECIAL, graph_of, graph_of_payloads
from test_pictures import etl, failing, layered
from tests_helpers import in_a_script

from syncra import Graph
from syncra.errors import DrawingFailed, GraphError, MissingExtraError

needs_dot = pytest.mark.skipif(
    shutil.which("dot") is None, reason="the program `dot` of Graphviz is not here"
)
SVG = "{http://www.w3.org/2000/svg}"
HARMLESS = {
    *("html", "head", "body", "svg", "g", "a", "title", "text", "path", "polygon"),
    *("polyline", "ellipse"),
}
XLINK = "{http://www.w3.org/1999/xlink}"


def texts_of(svg: Path) -> dict[str, tuple[str, str | None]]:
    """Return text and hint of each box of a picture, by what edges call it."""
    found = {}
    for group in ET.parse(svg).getroot().iter(f"{SVG}g"):
        if (group.get("class") or "").startswith("node"):
            lines = ["".join(text.itertext()) for text in group.iter(f"{SVG}text")]
            link = group.find(f".//{SVG}a")
            hint = None if link is None else link.get(f"{XLINK}title")
            title = group.findtext(f"{SVG}title") or ""
            found[title] = "".join(lines).replace("\xa0", " "), hint
    return found


@needs_dot
@pytest.mark.parametrize(
    ("suffix", "begin"),
    [(".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF"), (".PNG", b"\x89PNG")],
)
def test_draw(tmp_path: Path, suffix: str, begin: bytes) -> None:
    pytest.importorskip("graphviz")
    path = etl().draw(tmp_path / f"graph{suffix}")
    assert path == tmp_path / f"graph{suffix}"
    assert path.read_bytes().startswith(begin)
    assert etl().draw(str(path), direction="TB", fold=None) == path
    assert list(tmp_path.iterdir()) == [path]


@needs_dot
def test_what_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("graphviz")
    found = texts_of(etl().draw(tmp_path / "graph.svg"))
    assert found["i0"] == ("path", "input path")
    assert found["t2"] == ("enrichasync", "enrich")
    run = failing()()
    found = texts_of(run.draw(tmp_path / "run.svg"))
    assert found["t0"][0] == "chargefailed"
    big = layered(20, 50, lambda level, at: f"layer{level}_{at}")
    found = texts_of(big.draw(tmp_path / "big.svg"))
    assert found["g3"][0] == "layer3*50 tasks"
    assert found["g3"][1].endswith(" and 40 more")


@needs_dot
def test_fault_119_dot_draws_any_name_as_it_is(tmp_path: Path) -> None:
    pytest.importorskip("graphviz")
    graph = graph_of(list(SPECIAL), '"]; evil [label=\\N <b>')
    found = texts_of(graph.draw(tmp_path / "special.svg", fold=None))
    assert len(found) == len(SPECIAL)
    for number, name in enumerate(SPECIAL):
        text, hint = found[f"t{number}"]
        if name.isprintable() and name.strip() and len(name) <= 40:
            shown = " ".join(name.split())
            assert (text, (hint or "").replace("\xa0", " ")) == (shown, shown)
        else:
            assert text.strip()
    long = found[f"t{SPECIAL.index('x' * 500)}"]
    assert long[0] == "x" * 20 + "…" + "x" * 19
    assert long[1] == "x" * 500


@needs_dot
def test_fault_119_no_payload_comes_to_life(tmp_path: Path) -> None:
    """Also where the drawing is part of a page, as in a notebook."""
    pytest.importorskip("graphviz")
    html5lib = pytest.importorskip("html5lib")
    for number in range(0, len(PAYLOADS), 40):
        graph = graph_of_payloads(PAYLOADS[number : number + 40])
        svg = graph._repr_mimebundle_()["image/svg+xml"]
        drawn = graph.draw(tmp_path / "drawn.svg", fold=None).read_text("utf-8")
        for text in (svg, drawn):
            page = html5lib.parse(f"<body>{text}</body>", namespaceHTMLElements=False)
            elements = [one for one in page.iter() if isinstance(one.tag, str)]
            assert {one.tag.split("}")[-1] for one in elements} <= HARMLESS
            for element in elements:
                assert not [key for key in element.attrib if key[:2] == "on"]
                assert not [key for key in element.attrib if "href" in str(key)]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("graph.sgv", "'graph.sgv' has the suffix '.sgv'. Did you mean 'svg'"),
        ("graph.pgn", "Did you mean 'png'"),
        ("graph", "'graph' has none"),
        (".svg", "has none"),
        ("graph.svg.exe", "'.exe'"),
    ],
)
def test_unknown_formats(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"drawn as 'svg', 'png', 'pdf'") as caught:
        etl().draw(name)
    assert message in str(caught.value)


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.raises(
        MissingExtraError, match=r"pip install 'syncra\[viz\]'"
    ) as found:
        etl().draw(tmp_path / "graph.svg")
    assert found.value.command == "pip install 'syncra[viz]'"
    assert "apt-get install graphviz" in str(found.value)
    assert not list(tmp_path.iterdir())


def test_without_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("graphviz")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingExtraError, match="apt-get install graphviz") as found:
        etl().draw(tmp_path / "graph.svg")
    assert found.value.extra == "viz"
    assert not list(tmp_path.iterdir())


@needs_dot
def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    pytest.importorskip("graphviz")
    path = tmp_path / "nowhere" / "graph.svg"
    with pytest.raises(FileNotFoundError) as found:
        etl().draw(path)
    assert found.value.filename == str(path)
    assert str(found.value).endswith(f": {str(path)!r}")


@needs_dot
def test_fault_120_names_choose_no_path(tmp_path: Path) -> None:
    """Only the caller says where a file goes; a link there is replaced."""
    pytest.importorskip("graphviz")
    names = ["../../up", "/etc/x", "..\\up", "a/../../b", "con", "~", "x\x00.svg"]
    graph = graph_of(names, "../../graph")
    inside = tmp_path / "inside"
    inside.mkdir()
    precious = tmp_path / "precious.svg"
    precious.write_text("precious")
    (inside / "link.svg").symlink_to(precious)
    graph.draw(inside / "link.svg")
    graph().draw(inside / "run.svg")
    assert precious.read_text() == "precious"
    assert not (inside / "link.svg").is_symlink()
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "inside",
        "link.svg",
        "precious.svg",
        "run.svg",
    ]


@needs_dot
@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
def test_fault_121_a_file_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path,
) -> None:
    pytest.importorskip("graphviz")
    path = tmp_path / "graph.svg"
    path.write_text("the old one")
    in_a_script(
        "import resource, signal\nfrom syncra import Graph\n"
        "graph = Graph('full')\ngraph.add(lambda: 1, name='a')\n"
        "run = graph()\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try:\n"
        f"    run.draw({str(path)!r})\n"
        "except OSError as error:\n"
        f"    assert error.filename == {str(path)!r}, error\n"
        "else:\n"
        "    raise SystemExit('it was written')\n"
        "assert run['a'] == 1 and run.ok\n"
    )
    assert path.read_text() == "the old one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_graph_with_a_mistake_is_not_drawn(tmp_path: Path) -> None:
    graph = Graph("wrong")
    graph.add(print, name="a", after="nobody")
    with pytest.raises(GraphError, match="nobody"):
        graph.draw(tmp_path / "graph.svg")
    with pytest.raises(GraphError, match="nobody"):
        graph.to_mermaid()
    shown = graph._repr_mimebundle_()
    assert shown.keys() == {"text/plain"}
    assert "nobody" in shown["text/plain"]


@needs_dot
@pytest.mark.parametrize("what", ["graph", "run"])
def test_in_a_notebook(what: str) -> None:
    pytest.importorskip("graphviz")
    shown = failing()
    if what == "run":
        shown = shown()
    bundle = shown._repr_mimebundle_()
    assert bundle.keys() == {"text/plain", "image/svg+xml"}
    assert bundle["text/plain"] == str(shown)
    assert ET.fromstring(bundle["image/svg+xml"].encode()).tag == f"{SVG}svg"
    assert shown._repr_mimebundle_(include=["text/plain"]).keys() == {"text/plain"}
    only = shown._repr_mimebundle_(exclude={"text/plain"})
    assert only.keys() == {"image/svg+xml"}


def test_in_a_notebook_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """JupyterLab draws Mermaid by itself; others show the text."""
    monkeypatch.setitem(sys.modules, "graphviz", None)
    shown = etl()._repr_mimebundle_()
    assert shown == {"text/plain": str(etl()), "text/vnd.mermaid": etl().to_mermaid()}


def test_a_run_that_waits_to_be_awaited() -> None:
    import asyncio

    async def main() -> None:
        run = failing()()
        assert "pending" in run.to_mermaid()
        assert "not started" in run._repr_mimebundle_()["text/plain"]
        await run
        assert "failed" in run.to_mermaid()

    asyncio.run(main())


def program(directory: Path, text: str, mode: int = 0o755) -> None:
    """Put a program of the name `dot` into a directory."""
    path = directory / "dot"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(mode)


needs_sh = pytest.mark.skipif(sys.platform == "win32", reason="there is no /bin/sh")


@needs_sh
@pytest.mark.parametrize(
    ("text", "exit_code", "message"),
    [
        ("echo 'no such\033[31m plugin' >&2; exit 3", 3, "exit code 3: no such plugin"),
        ("kill -SEGV $$", -11, "was ended by SIGSEGV"),
        pytest.param(
            *("kill -36 $$", -36, "was ended by signal 36"),
            marks=pytest.mark.skipif(
                not hasattr(signal, "SIGRTMIN"), reason="there is no signal 36"
            ),
        ),
        ("cat >/dev/null", 0, "has not written a picture in the format svg"),
        ("echo surprise", 0, "has not written a picture in the format svg"),
    ],
)
def test_a_program_that_fails(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    exit_code: int,
    message: str,
) -> None:
    """It is an error of Syncra's that can be read, and the old file stays."""
    pytest.importorskip("graphviz")
    program(tmp_path, text)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    picture = tmp_path / "graph.svg"
    picture.write_text("the old one")
    with pytest.raises(DrawingFailed) as found:
        etl().draw(picture)
    assert message in str(found.value)
    assert "to_mermaid()" in str(found.value)
    assert found.value.exit_code == exit_code
    assert picture.read_text() == "the old one"
    shown = etl()._repr_mimebundle_()
    assert shown.keys() == {"text/plain", "text/vnd.mermaid"}
    assert etl()._repr_mimebundle_(include={"image/svg+xml"}) == {}


@needs_sh
def test_a_program_that_cannot_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("graphviz")
    (tmp_path / "dot").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises((DrawingFailed, MissingExtraError), match="`dot`"):
        etl().draw(tmp_path / "graph.svg")


@needs_sh
def test_a_program_that_hangs_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With whatever it has started; the error says what to do."""
    pytest.importorskip("graphviz")
    program(tmp_path, "sleep 300 & sleep 300")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(DrawingFailed, match=r"within 0\.05 s") as found:
        etl().draw(tmp_path / "graph.svg", timeout=0.05)
    assert 'fold="auto"' in str(found.value)
    assert "sfdp" in str(found.value)
    assert found.value.exit_code is None
    assert not (tmp_path / "graph.svg").exists()


@needs_dot
def test_a_graph_that_is_too_much_for_dot(tmp_path: Path) -> None:
    """Unfolded it takes minutes; folded it is drawn within the same limit."""
    pytest.importorskip("graphviz")
    big = layered(50, 100, lambda level, at: f"layer{level}_{at}")
    with pytest.raises(DrawingFailed, match="boxes and"):
        big.draw(tmp_path / "graph.svg", fold=None, timeout=0.5)
    assert big.draw(tmp_path / "graph.svg", timeout=60).exists()


@pytest.mark.parametrize("wrong", [0, -1, float("nan")])
def test_wrong_limits(tmp_path: Path, wrong: float) -> None:
    with pytest.raises(ValueError, match="draw: timeout"):
        etl().draw(tmp_path / "graph.svg", timeout=wrong)
