"""Texts that want to be run as scripts: fault 119."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import html5lib
import pytest
from tests_browser import Viewer, running_browser

from syncra import Graph, Retry, Run, Skip
from syncra.observers import KeepLogs

pytestmark = pytest.mark.one_python

CALL = "window.hit=1;alert(1)"
BODIES = (
    f"<script>{CALL}</script>",
    f"<ScRiPt >{CALL}</sCrIpT\t>",
    f"<img src=x onerror={CALL}>",
    f"<img/src=x/onerror='{CALL}'>",
    f"<svg onload={CALL}>",
    f"<svg><script>{CALL}</script></svg>",
    f"<svg><animate onbegin={CALL} attributeName=x dur=1s>",
    f"<body onload={CALL}>",
    f"<iframe src=javascript:{CALL}></iframe>",
    f'<iframe srcdoc="<script>parent.{CALL}</script>">',
    f"<details open ontoggle={CALL}>",
    f"<input autofocus onfocus={CALL}>",
    f"<video><source onerror={CALL}>",
    f"<a href=javascript:{CALL}>x</a>",
    f"<math><mtext><style><img src=x onerror={CALL}></style>",
    f"<form><button formaction=javascript:{CALL}>x",
    f"<meta http-equiv=refresh content='0;url=javascript:{CALL}'>",
    f"<object data=javascript:{CALL}>",
    f"<style>*{{background:url(javascript:{CALL})}}</style>",
    f"<link rel=stylesheet href=data:text/css,*{{}} onload={CALL}>",
    f"<base href=javascript:{CALL}//>",
    f"x onmouseover={CALL} autofocus tabindex=1 onfocus={CALL} y",
    f"&lt;script&gt;{CALL}&lt;/script&gt;",
    f"{{{{ ''.__class__ }}}}{{% raw %}}${{{CALL}}}",
    f"\\u003cscript\\u003e{CALL}\\u003c/script\\u003e",
)
OPENINGS = (
    "",
    "'>",
    '"> ',
    "</script>",
    "-->]]>",
    "</title></style></textarea></noscript>",
    "\u2028*/\n",
    "<!--<script>",
)
PAYLOADS = [opening + body for opening in OPENINGS for body in BODIES]

#: What the page of any run is made of.
OWN = {"script": 2, "style": 1, "meta": 6, "link": 1, "base": 0, "iframe": 0, "img": 0}


def dangerous(payloads: list[str], name: str) -> Run:
    """Return a run that has each payload in all texts that come from users."""
    graph = Graph(name, on_error="continue", observers=[KeepLogs()])
    logging.addLevelName(45, payloads[-1])
    with ThreadPoolExecutor(1, thread_name_prefix=payloads[0]) as pool:
        for number, payload in enumerate(payloads):

            def fail(payload: str = payload) -> None:
                logger = logging.getLogger(f"tests.payloads.{payload}")
                logger.log(45, "%s", payload)
                kind = type(payload.replace("\0", ""), (Exception,), {})
                error = kind(payload)
                error.add_note(payload)
                raise error from ValueError(payload)

            def idle(payload: str = payload) -> None:
                raise Skip(payload)

            graph.add(
                fail,
                name=f"{payload} {number}",
                tags=(payload,),
                retry=Retry(2, backoff=0),
                executor=pool,
            )
            graph.add(idle, name=f"idle {payload} {number}")
            graph.add(
                lambda *before: None,
                name=f"after {payload} {number}",
                dependencies=f"{payload} {number}",
            )
        return graph.run()


def test_there_are_200_payloads() -> None:
    assert len(set(PAYLOADS)) == 200


def elements(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Go through the elements of a page, as a browser without scripts parses it."""
    tree = html5lib.parse(text, namespaceHTMLElements=False)
    for item in tree.iter():
        if isinstance(item.tag, str):
            yield item.tag, dict(item.attrib)


def check_elements(text: str) -> None:
    counts: Counter[str] = Counter()
    for tag, attributes in elements(text):
        counts[tag] += 1
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in {"style", "srcdoc", "formaction"}, (tag, name)
            if name in {"href", "src", "action"}:
                assert value.startswith(("#", "data:image/svg+xml,")), (tag, value)
    assert {tag: counts[tag] for tag in OWN} == OWN


@pytest.mark.parametrize("opening", OPENINGS)
def test_fault_119_no_text_becomes_an_element(opening: str) -> None:
    """Names, errors, notes, reasons, tags, workers, logs, the graph's own name."""
    payloads = [payload for payload in PAYLOADS if payload.startswith(opening)]
    payloads = payloads[: len(BODIES)]
    report = dangerous(payloads, payloads[0]).report()
    assert len(report.logs) == len(payloads)
    check_elements(report.to_html())


def test_fault_119_each_name_of_a_graph_stays_text() -> None:
    """It stands in the title too."""
    for payload in PAYLOADS:
        text = Graph(payload).run().report().to_html()
        # All that a template has written: without our own style and script.
        before, _, rest = text.partition("<style>")
        rest, _, own = rest.partition("</style>")[2].partition("<script>")
        assert own.endswith("</script>\n</body>\n</html>")
        check_elements(f"{before}<style></style>{rest}<script></script>")


def test_fault_119_no_payload_is_executed(tmp_path: Path) -> None:
    """Not when the page opens, not when a task is looked at, in any part of it."""
    file = dangerous(PAYLOADS, PAYLOADS[0]).report().to_html(tmp_path / "run.html")
    with running_browser() as browser:
        viewer = Viewer(browser)
        page = viewer.open(file)
        assert page.locator("#shown").inner_text() == "600 tasks"
        made = "document.querySelectorAll('script').length"
        assert page.evaluate(made) == 2
        risky = "img, iframe, object, embed, base, video, math, form:not(dialog form)"
        logged = 0
        for task in range(0, 600, 7):
            page.evaluate(f"location.hash = '#task-{task}'")
            page.locator("#details-title").wait_for()
            log = "document.querySelectorAll('#details .log .text').length"
            logged += page.evaluate(log)
            assert page.evaluate("window.hit") is None
        assert logged > 20
        page.click("[data-mode=task]")
        page.focus("#timeline-scroller")
        for _ in range(20):
            page.keyboard.press("ArrowDown")
        page.locator("#levels .level").first.click()
        page.fill("#search", "<script>")
        page.click("#filters .failed")
        inside = page.evaluate(
            "[...document.querySelectorAll('*')].flatMap("
            "(it) => it.getAttributeNames()).filter((name) => name.startsWith('on'))"
        )
        assert inside == []
        assert page.evaluate(f"document.querySelectorAll('{risky}').length") == 0
        assert page.evaluate("window.hit") is None
        assert page.evaluate(made) == 2
    # A policy that had to step in would have said so here.
    assert viewer.complaints == []
    assert [url for url in viewer.requests if url[:5] not in ("file:", "data:")] == []


def test_fault_119_the_policy_stops_what_would_slip_through(tmp_path: Path) -> None:
    """A second wall: no script, handler or style but the page's own."""
    graph = Graph("one")
    graph.add(lambda: None, name="one")
    file = graph.run().report().to_html(tmp_path / "run.html")
    with running_browser() as browser:
        viewer = Viewer(browser)
        page = viewer.open(file)
        attempts = (
            "document.body.innerHTML = '<img src=x onerror=window.hit=1>'",
            "document.body.insertAdjacentHTML('beforeend', '<b>x</b>')",
            "(() => { const it = document.createElement('script');"
            " it.textContent = 'window.hit = 1'; document.body.append(it) })()",
            "document.body.setAttribute('onclick', 'window.hit=1')",
            "fetch('file:///etc/hostname')",
        )
        for attempt in attempts:
            page.evaluate(
                f"(async () => {{ try {{ await ({attempt}) }} catch {{}} }})()"
            )
        page.click("h1")
        assert page.evaluate("window.hit") is None
        assert page.locator("body > b").count() == 0
    assert len(viewer.complaints) >= 4
