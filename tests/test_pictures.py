"""Graphs and runs as Mermaid and Graphviz text: what is drawn, states, folding."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from random import Random
from threading import Event
from typing import Any

import pytest
from picture_names import PAYLOADS, SPECIAL, graph_of, graph_of_payloads
from tests_helpers import in_a_script

from syncra import Context, Graph, Run


def etl() -> Graph:
    graph = Graph("etl")

    @graph.task(outputs=("rows", "schema"))
    def extract(path: str) -> tuple[list[int], str]:
        return [len(path)], "x"

    @graph.task
    def migrate() -> None: ...

    @graph.task(dependencies=extract["rows"])
    async def enrich(rows: list[int]) -> list[int]:
        return rows

    @graph.task(dependencies=[enrich, extract["schema"]], executor="threads")
    def crunch(enrich: list[int], schema: str) -> int:
        return sum(enrich)

    graph.add(lambda total: total, name="load", dependencies=crunch, after=migrate)
    return graph


def layered(
    levels: int, width: int, name: Callable[[int, int], str], **options: Any
) -> Graph:
    graph = Graph("layers")
    random = Random(7)
    before: list[Any] = []
    for level in range(levels):
        before = [
            graph.add(
                lambda *results: None,
                name=name(level, place),
                dependencies=random.sample(before, 2) if before else (),
                **{key: make(level, place) for key, make in options.items()},
            )
            for place in range(width)
        ]
    return graph


def boxes(mermaid: str) -> dict[str, str]:
    """Return what is written in boxes, by what edges call them."""
    found = re.findall(r'^    (\w+)\W+"(.*)"[\W]+:::\w+$', mermaid, re.MULTILINE)
    return {box: text.replace("#42;", "*").replace("#183;", "·") for box, text in found}


def edges(mermaid: str) -> set[tuple[str, str, str, str]]:
    """Return source, arrow, label and target of edges, boxes by their first line."""
    title = {box: text.split("<br/>")[0] for box, text in boxes(mermaid).items()}
    found = re.findall(r'^    (\w+) (-\.?->)(?:\|"(.*)"\|)? (\w+)$', mermaid, re.M)
    return {(title[a], arrow, label, title[b]) for a, arrow, label, b in found}


def test_mermaid() -> None:
    """Parts are labelled, `after` is dashed, inputs and executors are there."""
    assert etl().to_mermaid() == (
        "---\n"
        'title: "etl: 5 tasks"\n'
        "---\n"
        "flowchart LR\n"
        '    i0[/"path"/]:::input\n'
        '    t0("extract"):::task\n'
        '    t1("migrate"):::task\n'
        '    t2("enrich<br/>async"):::task\n'
        '    t3("crunch<br/>threads"):::task\n'
        '    t4("load"):::task\n'
        '    t0 -->|"rows"| t2\n'
        "    t2 --> t3\n"
        '    t0 -->|"schema"| t3\n'
        "    t3 --> t4\n"
        "    t1 -.-> t4\n"
        "    i0 --> t0\n"
        "    classDef task fill:#eef2f8,stroke:#5b6b84,stroke-width:1px,color:#1c2430\n"
        "    classDef input fill:#fbf7e6,stroke:#8a7434,stroke-width:1px,"
        "color:#1c2430\n"
    )


def test_dot() -> None:
    text = etl().to_dot()
    assert text.startswith('digraph "etl" {\n')
    assert 'rankdir="LR"' in text
    assert re.search(r"t0 -> t2 \[label=<rows>", text)
    assert re.search(r't1 -> t4 \[style="dashed"', text)
    assert not re.search(r't3 -> t4 \[style="dashed"', text)
    assert re.search(r"t2 \[label=<enrich<br/><font[^>]*>async</font>>", text)
    assert 'shape="parallelogram"' in text


@pytest.mark.parametrize("direction", ["LR", "TB"])
def test_direction(direction: Any) -> None:
    assert f"flowchart {direction}\n" in etl().to_mermaid(direction=direction)
    assert f'rankdir="{direction}"' in etl().to_dot(direction=direction)


def test_long_pictures_go_down() -> None:
    """So that they can be scrolled through."""
    assert "flowchart LR" in graph_of([f"{number}" for number in range(5)]).to_mermaid()
    assert (
        "flowchart TB" in graph_of([f"{number}" for number in range(30)]).to_mermaid()
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"direction": "TD"}, r"direction is one of 'LR', 'TB' or None, got 'TD'"),
        ({"direction": "LRR"}, "Did you mean 'LR'"),
        ({"fold": "tag"}, "Did you mean 'tags'"),
        ({"fold": True}, "fold is one of 'auto', 'tags', 'prefix' or None"),
    ],
)
def test_wrong_options(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        etl().to_mermaid(**options)
    with pytest.raises(ValueError, match=message):
        etl().to_dot(**options)


def test_results_that_nobody_takes_only_order() -> None:
    """As the graph is wired, and not as it was declared."""
    graph = Graph("room")
    graph.add(lambda: 1, name="a")
    graph.add(lambda: 2, name="b")
    graph.add(lambda one: one, name="c", dependencies=["a", "b"])
    assert edges(graph.to_mermaid()) == {("a", "-->", "", "c"), ("b", "-.->", "", "c")}
    with graph.override({"c": lambda one, two: one}):
        assert ("b", "-->", "", "c") in edges(graph.to_mermaid())


def test_who_takes_the_context_may_look_at_results() -> None:
    graph = Graph("context")
    graph.add(lambda: 1, name="a")
    graph.add(lambda: 2, name="b")

    @graph.task(dependencies="a", after="b")
    def look(context: Context) -> None: ...

    found = edges(graph.to_mermaid())
    assert found == {("a", "-->", "", "look"), ("b", "-.->", "", "look")}


def test_triggers_and_executors_are_told() -> None:
    graph = Graph("alarm", executor="threads")
    graph.add(lambda: 1, name="a", executor="processes")
    graph.add(print, name="b", after="a", trigger="any_failed")
    assert boxes(graph.to_mermaid()) == {
        "t0": "a<br/>processes",
        "t1": "b<br/>if any_failed",
    }


def test_inputs_that_lead_everywhere_are_named_in_boxes() -> None:
    graph = Graph("config")
    for number in range(12):
        graph.add(lambda config: config, name=f"task{number}")
    graph.add(lambda path: path, name="read")
    found = boxes(graph.to_mermaid())
    assert found["t3"] == "task3<br/>input config"
    assert found["i0"] == "path"
    assert "i1" not in found


def test_an_empty_graph() -> None:
    assert "flowchart LR" in Graph("empty").to_mermaid()
    assert Graph("empty").to_dot().startswith('digraph "empty"')


def failing() -> Graph:
    graph = Graph("orders", on_error="continue")

    @graph.task
    def charge() -> str:
        raise OSError("no money")

    graph.add(lambda charge: charge, name="ship", dependencies=charge)
    graph.add(print, name="alarm", after=charge, trigger="any_failed")
    return graph


def test_states_of_a_run() -> None:
    """Each is a word, a colour and a shape or border."""
    text = failing()().to_mermaid()
    assert 'title: "orders: 1 succeeded, 1 failed, 1 skipped"' in text
    assert '{{"charge<br/>failed"}}:::failed' in text
    assert '["ship<br/>skipped"]:::skipped' in text
    assert '("alarm<br/>if any_failed<br/>succeeded"):::succeeded' in text
    assert re.search("classDef skipped .*stroke-dasharray", text)
    dot = failing()().to_dot()
    assert re.search(r"t0 \[label=<charge<br/>.*failed.*octagon", dot)
    assert re.search(r"t1 \[label=<ship<br/>.*skipped.*dashed", dot)


def test_states_of_a_run_that_goes_on() -> None:
    started, go_on = Event(), Event()
    graph = Graph("slow")

    def wait() -> None:
        started.set()
        go_on.wait()

    graph.add(wait)
    graph.add(print, name="next", after=wait)
    run = graph.start()
    started.wait()
    try:
        assert boxes(run.to_mermaid()) == {
            "t0": "wait<br/>running",
            "t1": "next<br/>pending",
        }
    finally:
        run.cancel()
        go_on.set()
        run.wait()
    assert "t1" in boxes(run.to_mermaid())
    assert "next<br/>cancelled" in run.to_mermaid()


def test_a_run_of_targets_draws_these() -> None:
    run = etl().run({"path": "x"}, targets=["enrich"])
    assert boxes(run.to_mermaid()).keys() == {"i0", "t0", "t1"}


def test_a_large_graph_is_folded_by_prefix() -> None:
    graph = Graph("census")
    for number in range(333):
        graph.add(lambda: 1, name=f"read_{number}")
        graph.add(lambda x: x, name=f"parse_{number}", dependencies=f"read_{number}")
        graph.add(
            lambda x: x,
            name=f"count_{'words' if number % 2 else 'lines'}_{number}",
            dependencies=f"parse_{number}",
        )
    counts = [name for name in graph if name.startswith("count")]
    graph.add(lambda *counts: 1, name="join", dependencies=counts)
    text = graph.to_mermaid()
    assert sorted(boxes(text).values()) == [
        "count_lines*<br/>167 tasks",
        "count_words*<br/>166 tasks",
        "join",
        "parse*<br/>333 tasks",
        "read*<br/>333 tasks",
    ]
    assert ("read*", "-->", "333", "parse*") in edges(text)
    assert ("count_words*", "-->", "166", "join") in edges(text)
    assert len(boxes(graph.to_mermaid(fold=None))) == 1000
    run = graph.run()
    assert "read*<br/>333 tasks<br/>all succeeded" in boxes(run.to_mermaid()).values()


def test_a_large_graph_is_folded_by_tags() -> None:
    metals = ("bronze", "silver", "gold")
    graph = layered(
        20, 50, lambda level, at: f"{level * 50 + at}", tags=lambda level, at: [
            metals[min(level // 7, 2)]
        ]
    )  # fmt: skip
    graph.add(print, name="alone", after="7")
    for fold in ("auto", "tags"):
        text = graph.to_mermaid(fold=fold)
        assert sorted(boxes(text).values()) == [
            "alone",
            "bronze<br/>350 tasks · tag",
            "gold<br/>300 tasks · tag",
            "silver<br/>350 tasks · tag",
        ]
        assert ("bronze", "-.->", "", "alone") in edges(text)
    assert "bronze" not in graph.to_mermaid(fold="prefix")


def test_mixtures_of_tags_are_told_apart_or_else_by_the_most_common() -> None:
    few = Graph("few")
    many = Graph("many")
    for number in range(120):
        few.add(lambda: 1, name=f"f{number}", tags=["io", "slow"][: 1 + number % 2])
        many.add(lambda: 1, name=f"m{number}", tags=["io", f"customer{number}"])
    assert sorted(boxes(few.to_mermaid()).values()) == [
        "io, slow<br/>60 tasks · tags",
        "io<br/>60 tasks · tag",
    ]
    assert set(boxes(many.to_mermaid(fold="tags")).values()) == {
        "io<br/>120 tasks · tag"
    }


@pytest.mark.parametrize(
    "name",
    [
        lambda level, place: f"task_{level * 50 + place}",
        lambda level, place: str(uuid.uuid5(uuid.NAMESPACE_OID, f"{level} {place}")),
        lambda level, place: "🚀" * (level * 50 + place + 1),
        lambda level, place: f"layer{level}_{place}",
        lambda level, place: f"layerNumber{level}Task{place}",
    ],
    ids=["numbered", "random", "signs", "layers", "camel"],
)  # fmt: skip
def test_names_that_tell_nothing_fold_by_level(name: Any) -> None:
    """Whatever the names, the picture stays small and shows the way of the data."""
    text = layered(20, 50, name).to_mermaid()
    assert 5 <= len(boxes(text)) <= 40
    assert len(edges(text)) <= 400
    assert len(text) < 20_000
    if "level" in text:
        assert any(
            "level 3" in box or "levels 3" in box for box in boxes(text).values()
        )


def test_a_dense_graph_is_folded() -> None:
    """Mermaid draws no more than 500 edges, and nobody could follow them."""
    graph = Graph("dense")
    before: list[Any] = []
    for level in range(4):
        before = [
            graph.add(lambda *r: 1, name=f"level{level}_{at}", dependencies=before)
            for at in range(20)
        ]
    found = edges(graph.to_mermaid())
    assert ("level0*", "-->", "400", "level1*") in found
    assert len(found) == 3


def test_many_tasks_without_tags_are_folded_by_prefix_beside_the_others() -> None:
    graph = layered(2, 60, lambda level, place: f"load{level}_{place}")
    for number in range(3):
        graph.add(lambda: 1, name=f"tagged {number}", tags="bronze")
    found = set(boxes(graph.to_mermaid(fold="tags")).values())
    assert found == {
        "bronze<br/>3 tasks · tag",
        "load0*<br/>60 tasks",
        "load1*<br/>60 tasks",
    }


def test_tags_that_are_all_different_do_not_fold() -> None:
    """Names do then."""
    graph = Graph("many")
    for number in range(300):
        graph.add(lambda: 1, name=f"load_{number}", tags=(f"tag{number}",))
    for fold in ("auto", "tags"):
        found = list(boxes(graph.to_mermaid(fold=fold)).values())
        assert found == ["load*<br/>300 tasks"]


def test_of_many_inputs_boxes_only_name_them() -> None:
    graph = Graph("many")
    graph.command(["echo", *(f"{{a{number}}}" for number in range(25))], name="all")
    assert boxes(graph.to_mermaid()) == {
        "t0": "all<br/>async<br/>inputs a0, a1, a2 and 22 more"
    }


def test_boxes_that_wait_for_one_another_are_drawn() -> None:
    """As folded ones may, though the tasks in them do not."""
    graph = Graph("zigzag")
    before = graph.add(lambda: 1, name="left 0", tags="left")
    for number in range(1, 6):
        side = ("left", "right")[number % 2]
        before = graph.add(
            lambda x: 1, name=f"{side} {number}", tags=side, dependencies=before
        )
    found = edges(graph.to_mermaid(fold="tags"))
    assert {(source, target) for source, _, _, target in found} == {
        ("left", "right"),
        ("right", "left"),
    }


def test_what_only_comes_after_is_dashed_also_with_a_context() -> None:
    """Where a function means its other task, too."""
    graph = Graph("twice")

    def work(context: Context) -> None: ...

    graph.add(work, name="first")
    graph.add(work, name="second", after=work)
    graph.add(lambda: None, name="third", after="second")
    assert edges(graph.to_mermaid()) == {
        ("first", "-.->", "", "second"),
        ("second", "-.->", "", "third"),
    }


def test_small_graphs_fold_only_when_asked() -> None:
    graph = Graph("small")
    for number in range(4):
        graph.add(lambda: 1, name=f"load_{number}")
    graph.add(lambda *r: 1, name="join", dependencies=list(graph))
    assert len(boxes(graph.to_mermaid())) == 5
    folded = {"load*<br/>4 tasks", "join"}
    assert set(boxes(graph.to_mermaid(fold="prefix")).values()) == folded
    assert len(boxes(etl().to_mermaid(fold="prefix"))) == 6  # nothing in common


def test_a_group_tells_who_failed() -> None:
    graph = Graph("some", on_error="continue")
    for number in range(150):
        fails = number in (17, 40, 99)
        graph.add((lambda: 1 / 0) if fails else (lambda: 1), name=f"{'load'}_{number}")
    text = graph().to_mermaid(fold="prefix")
    assert "147 succeeded, 3 failed<br/>failed#58; load_17, load_40 and 1 more" in text
    assert ":::failed" in text


def test_pictures_are_always_the_same() -> None:
    """Of two programs, too, whose sets have other orders."""
    code = (
        "from syncra import Graph\n"
        "graph = Graph('same')\n"
        "for number in range(300):\n"
        "    graph.add(lambda *r: 1, name=f'task{number}', tags=['a', 'b', 'c'],\n"
        "        dependencies=list(graph)[-3:])\n"
        "for fold in ('auto', 'tags', 'prefix', None):\n"
        "    print(graph.to_mermaid(fold=fold), graph.to_dot(fold=fold))\n"
        "print(graph)\n"
    )
    first, second = in_a_script(code), in_a_script(code)
    assert first == second
    assert "a, b, c" in first


def test_a_plain_run_loads_no_pictures() -> None:
    in_a_script(
        "import sys\nfrom syncra import Graph\n"
        "graph = Graph()\ngraph.add(lambda: 1, name='a')\ngraph()\n"
        "assert not [name for name in sys.modules if name.startswith('syncra.views')]\n"
    )


@pytest.mark.parametrize("make", [etl, failing])
def test_what_a_run_looks_like_before_it_has_begun(make: Any) -> None:
    """In an event loop it may wait to be awaited."""
    graph = make()
    inputs = {"path": "x"} if make is etl else {}
    run: Run = graph.start(inputs)
    run.wait()
    assert len(boxes(run.to_mermaid())) == len(boxes(graph.to_mermaid()))


def test_names_do_nothing_in_mermaid() -> None:
    """Nothing but letters, digits and numbers of others stands in labels."""
    for graph in (
        graph_of(list(SPECIAL), "--- %%{init}%% <b>"),
        graph_of_payloads(PAYLOADS),
    ):
        text = graph.to_mermaid(fold=None)
        heading, *lines = text.split("flowchart ")
        assert json.loads(heading.splitlines()[1].removeprefix("title: "))
        assert not set("%{}<>&#;`$") & set(heading)
        for line in lines[0].splitlines()[1:]:
            for label in re.findall('"(.*)"', line):
                assert re.fullmatch(
                    r"(?:[^\W]|[ ,]|[^\x00-\u2000]|<br/>|#\d+;)*", label
                )


MERMAID = "mermaid@11.17.2"

PAGE = """<!doctype html><meta charset="utf-8"><body>
<script src="mermaid.min.js"></script>
<pre id="texts">{texts}</pre><div id="drawn"></div><pre id="found"></pre><script>
const found = [], drawn = document.getElementById("drawn");
window.alert = window.confirm = window.prompt = () => window.hit = 1;
(async () => {{
  mermaid.initialize({{startOnLoad: false}});
  for (const text of JSON.parse(document.getElementById("texts").textContent)) {{
    try {{
      drawn.innerHTML = (await mermaid.render("d" + found.length, text)).svg;
      found.push({{
        boxes: [...drawn.querySelectorAll("g.node")].map(box => {{
          const label = box.querySelector(".nodeLabel, .label").cloneNode(true);
          label.querySelectorAll("br").forEach(br => br.replaceWith("\\n"));
          return [box.id.split("-").at(-2), label.textContent];
        }}),
        edges: drawn.querySelectorAll("path.flowchart-link").length,
        title: drawn.querySelector(".flowchartTitleText").textContent,
        alive: drawn.querySelectorAll("script, img, a, iframe, form, input").length,
      }});
    }} catch (error) {{ found.push({{error: String(error)}}); }}
  }}
  document.getElementById("found").textContent =
    JSON.stringify({{found, hit: window.hit || 0}});
}})();
</script></body>"""


@pytest.fixture
def render(tmp_path: Path) -> Callable[[list[str]], Any]:
    """Let the real Mermaid draw texts in a real browser."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("there is no Chromium")
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm to fetch Mermaid with")
    try:
        fetched = subprocess.run(
            [npm, "pack", "--silent", MERMAID],
            cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        pytest.skip("Mermaid could not be fetched in a minute")
    if fetched.returncode:
        pytest.skip("Mermaid could not be fetched")
    packed = next(tmp_path.glob("*.tgz"))
    shutil.unpack_archive(packed, tmp_path, filter="data")
    shutil.copy(tmp_path / "package" / "dist" / "mermaid.min.js", tmp_path)

    def render(texts: list[str]) -> Any:
        escaped = json.dumps(texts).replace("&", "&amp;").replace("<", "&lt;")
        page = tmp_path / "page.html"
        page.write_text(PAGE.format(texts=escaped), encoding="utf-8")
        done = subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
             f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=60000",
             page.as_uri()],
            capture_output=True, text=True, encoding="utf-8", timeout=100, check=False,
        )  # fmt: skip
        html5lib = pytest.importorskip("html5lib")
        tree = html5lib.parse(done.stdout, namespaceHTMLElements=False)
        (found,) = (e for e in tree.iter("pre") if e.get("id") == "found")
        return json.loads(found.text)

    return render


@pytest.mark.one_python
def test_fault_119_the_real_mermaid_draws_any_name(render: Any) -> None:
    """Each is shown as it is, and nothing comes to life."""
    graphs = [
        graph_of(list(SPECIAL), 'we"ird --- %%{init} <b> # {'),
        graph_of(PAYLOADS, "</script>"),
        etl(),
    ]
    result = render([graph.to_mermaid(fold=None) for graph in graphs])
    assert result["hit"] == 0
    for graph, found in zip(graphs, result["found"], strict=True):
        assert "error" not in found
        assert found["alive"] == 0
        assert graph is graphs[2] or found["edges"] == len(graph) - 1
    special = dict(result["found"][0]["boxes"])
    for number, name in enumerate(SPECIAL):
        shown = special[f"t{number}"]
        if name.isprintable() and name.strip() and len(name) <= 40 and "ﬂ" not in name:
            assert shown == " ".join(name.split())
        else:
            assert shown.strip()
    assert special[f"t{SPECIAL.index('a' + chr(10) + 'b')}"] == "a b"
    assert dict(result["found"][2]["boxes"])["t2"] == "enrich\nasync"
    assert result["found"][0]["title"].startswith('we"ird --- %%{init} <b> # {')


def test_the_pictures_of_the_documentation_are_those_of_its_examples() -> None:
    page = Path(__file__).parent.parent / "docs" / "pictures.md"
    blocks = re.findall(r"```(python|mermaid)\n(.*?)```", page.read_text("utf-8"), re.S)
    names: dict[str, Any] = {}
    drawn = []
    for number, (language, text) in enumerate(blocks):
        if language == "python":
            exec(text, names)
        else:
            shown = "run" if "run = " in blocks[number - 1][1] else "graph"
            assert text == names[shown].to_mermaid()
            drawn.append(shown)
    assert drawn == ["graph", "run", "graph"]
