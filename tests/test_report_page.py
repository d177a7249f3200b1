"""The page of a run, in a real browser: `run.report().to_html()`."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests_browser import Viewer, running_browser, until

from syncra import Context, Graph, Retry, Run, Skip

pytestmark = pytest.mark.one_python

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with running_browser() as found:
        yield found


@pytest.fixture
def viewer(browser: Any) -> Iterator[Viewer]:
    """Open pages; fail if one of them complains, or asks for anything but its file."""
    viewer = Viewer(browser)
    yield viewer
    viewer.close()
    assert viewer.complaints == []
    asked = [url for url in viewer.requests if not url.startswith(("file:", "data:"))]
    assert asked == []


def orders() -> Run:
    """Return a run in which tasks come to different ends."""
    graph = Graph("orders", on_error="continue")

    @graph.task(tags=("slow", "input"))
    def fetch() -> list[int]:
        time.sleep(0.02)  # so that its bar is wide enough to be pointed at
        return [1, 2]

    @graph.task(dependencies=fetch, retry=Retry(3, backoff=0.001))
    def clean(rows: list[int], context: Context) -> list[int]:
        if context.attempt < 3:
            raise ConnectionError(f"closed by peer {context.attempt}")

        return rows

    @graph.task(dependencies=clean)
    def total(rows: list[int]) -> int:
        return {"rows": rows}["sum"]

    @graph.task(dependencies=total)
    def chart(total: int) -> None: ...

    @graph.task(dependencies=chart)
    def publish(chart: None) -> None: ...

    @graph.task(dependencies=clean)
    def holidays(rows: list[int]) -> None:
        raise Skip("no holidays this week")

    @graph.task(dependencies=clean)
    def summary(rows: list[int]) -> int:
        return sum(rows)

    return graph.run(executor="sequential")


#: Positions of its tasks in topological order, which are their numbers in the page.
FETCH, CLEAN, TOTAL, HOLIDAYS, SUMMARY, CHART, PUBLISH = range(7)
NAMES = ["fetch", "clean", "total", "holidays", "summary", "chart", "publish"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = orders().report().to_html(tmp_path / "run.html")
    assert path == tmp_path / "run.html"
    return path


def rows(page: Any) -> list[str]:
    return page.locator("#rows .row .task .name").all_inner_texts()


def is_drawn(page: Any) -> bool:
    """Return whether there is something on the timeline."""
    return page.evaluate(
        "(() => { const canvas = document.getElementById('timeline-canvas');"
        " const blank = document.createElement('canvas');"
        " [blank.width, blank.height] = [canvas.width, canvas.height];"
        " return canvas.toDataURL() !== blank.toDataURL() })()"
    )


def data_of(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    assert found
    return json.loads(found[1])


# What is in it.


def test_a_page_is_text_without_a_path() -> None:
    """Which anything can be done with."""
    text = orders().report().to_html()
    assert text.startswith("<!doctype html>")
    assert data_of(text)["names"] == NAMES


def test_summary_and_errors_need_no_script(viewer: Viewer, file: Path) -> None:
    """Where a page may not run any, as in the artefacts of many a build server."""
    page = viewer.open(file, java_script_enabled=False)
    assert page.locator("h1").inner_text() == "orders"
    assert page.locator(".badge.big").inner_text().split() == ["✕", "failed"]
    counts = page.locator(".counts").inner_text().split()
    assert counts == ["✓", "3", "succeeded", "✕", "1", "failed", "↷", "3", "skipped"]
    assert "KeyError" in page.locator("#errors summary").inner_text()
    trace = page.locator("#errors pre").inner_text()
    assert 'return {"rows": rows}["sum"]' in trace
    assert trace.splitlines()[0] == "Traceback (most recent call last):"
    assert page.locator("#timeline").is_hidden()
    assert page.locator("noscript").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1440, 900), (800, 600), (360, 740)])
def test_it_opens_on_any_screen(
    viewer: Viewer, file: Path, scheme: str, size: tuple[int, int]
) -> None:
    """Nothing sticks out, also with a task opened; everything is drawn."""
    viewport = {"width": size[0], "height": size[1]}
    page = viewer.open(file, viewport=viewport, color_scheme=scheme)
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    light = sum(map(int, re.findall(r"\d+", back)[:3])) > 380
    assert light is (scheme == "light")
    too_wide = "document.documentElement.scrollWidth - innerWidth"
    assert page.evaluate(too_wide) <= 0
    assert rows(page) == NAMES
    assert page.locator("#graph-svg .box").count() == 7
    assert page.locator("#graph-svg .way").count() == 6
    until(lambda: is_drawn(page))
    theme = page.locator("#theme").bounding_box()
    assert theme["x"] + theme["width"] <= size[0]
    page.locator("#rows .row").nth(TOTAL).click()
    assert page.locator("#details").is_visible()
    assert page.evaluate(too_wide) <= 0


def test_theme_is_kept(viewer: Viewer, file: Path) -> None:
    """The button goes through automatic, light and dark."""
    page = viewer.open(file, color_scheme="light")
    back = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(back)
    for label in ("light", "dark"):
        page.click("#theme")
        assert page.locator("#theme").get_attribute("aria-label") == f"Theme: {label}"
    dark = page.evaluate(back)
    assert dark != light
    page.reload()
    assert page.evaluate(back) == dark


# The table.


def test_tasks_are_found_filtered_and_sorted(viewer: Viewer, file: Path) -> None:
    """By whatever is known of them."""
    page = viewer.open(file)
    page.fill("#search", "CLOSED nothing")
    page.wait_for_selector("#nothing", state="visible")
    for text, wanted in (
        ("chart", ["chart"]),
        ("slow", ["fetch"]),
        ("keyerror", ["total"]),
        ("because total", ["chart", "publish"]),
        ("no holidays", ["holidays"]),
    ):
        page.fill("#search", text)
        until(lambda wanted=wanted: rows(page) == wanted)
    page.click("#clear")
    assert rows(page) == NAMES
    page.click("#filters .skipped")
    assert rows(page) == ["holidays", "chart", "publish"]
    assert page.locator("#filters .skipped").get_attribute("aria-pressed") == "true"
    page.click("#filters .failed")
    assert rows(page) == ["total", "holidays", "chart", "publish"]
    assert page.locator("#shown").inner_text() == "4 of 7 tasks"
    page.click("#clear")
    page.click("[data-column=task] button")
    assert rows(page) == sorted(NAMES)
    page.click("[data-column=task] button")
    assert rows(page) == sorted(NAMES, reverse=True)
    header = page.locator("[data-column=task]")
    assert header.get_attribute("aria-sort") == "descending"
    page.click("[data-column=task] button")
    assert rows(page) == NAMES


@pytest.mark.parametrize(
    "column", ["state", "task", "start", "took", "waited", "attempts", "worker", "why"]
)
def test_every_column_sorts(viewer: Viewer, file: Path, column: str) -> None:
    """Both ways; the second is the first one turned round, but for what is equal."""
    page = viewer.open(file)
    page.click(f"[data-column={column}] button")
    first = page.locator(f"#rows .{column}").all_inner_texts()
    page.click(f"[data-column={column}] button")
    second = page.locator(f"#rows .{column}").all_inner_texts()
    if column != "task":  # which has a mark beside its name
        assert second == first[::-1]
    assert len(rows(page)) == 7
    if column == "attempts":
        assert first == ["3", "1", "1", "1", "1", "0", "0"]


def test_states_lead_to_the_table(viewer: Viewer, file: Path) -> None:
    """From the counts at the top."""
    page = viewer.open(file)
    page.click(".counts .failed a")
    assert rows(page) == ["total"]


# One task.


def test_a_task_tells_what_became_of_it(viewer: Viewer, file: Path) -> None:
    """Attempts, errors, why it was skipped, whom it waited for, who waited for it."""
    page = viewer.open(file)
    page.locator("#rows .row").nth(CLEAN).click()
    told = page.locator("#details").inner_text()
    assert "Attempts (3)" in told
    assert "ConnectionError: closed by peer 1" in told
    assert "ConnectionError: closed by peer 2" in told
    assert page.locator("#details .attempts li.retried").count() == 2
    page.click("#details .task-link >> text=total")
    told = page.locator("#details").inner_text()
    assert page.locator("#details-title").inner_text() == "total"
    assert "KeyError: 'sum'" in told
    assert "Traceback (most recent call last)" in told
    assert page.url.endswith(f"#task-{TOTAL}")
    page.click("#details .task-link >> text=chart")
    page.click("#details .task-link >> text=publish")
    told = page.locator("#details").inner_text()
    assert re.search(r"Skipped because of\s+✕\s+total", told)
    page.click("#close")
    assert page.locator("#details").is_hidden()


def test_a_task_has_an_address(viewer: Viewer, file: Path) -> None:
    """Which can be sent to somebody; one that is no task is no harm."""
    page = viewer.open(file, address=f"#task-{HOLIDAYS}")
    assert page.locator("#details-title").inner_text() == "holidays"
    assert "no holidays this week" in page.locator("#details").inner_text()
    for address in ("#task-99", "#task--1", "#task-x", "#task-1e3", "#"):
        page = viewer.open(file, address=address)
        assert page.locator("#details").is_hidden()


def bar_under_the_pointer(page: Any, row: int = 0) -> tuple[float, float]:
    """Move the mouse along a row of the timeline until it is at a bar."""
    page.locator("#timeline").scroll_into_view_if_needed()
    box = page.locator("#timeline-canvas").bounding_box()
    height = page.evaluate(
        "parseFloat(document.getElementById('timeline-canvas').style.height)"
    )
    assert box["height"] == height
    y = box["y"] + 26 + row * 26 + 12
    for x in range(int(box["x"]) + 210, int(box["x"] + box["width"]), 4):
        page.mouse.move(x, y)
        if page.locator("#tip").is_visible():
            return x, y
    raise AssertionError("there is no bar in the row")


def test_a_bar_leads_to_its_task(viewer: Viewer, file: Path) -> None:
    """Pointing at it says what it is; a click opens the task and marks its row."""
    page = viewer.open(file)
    page.click("[data-mode=task]")
    x, y = bar_under_the_pointer(page)
    assert page.locator("#tip b").inner_text() == "fetch"
    assert "succeeded" in page.locator("#tip").inner_text()
    page.mouse.click(x, y)
    assert page.locator("#details-title").inner_text() == "fetch"
    assert page.locator("#rows .row.selected .name").inner_text() == "fetch"
    page.click("#to-table")
    until(lambda: page.evaluate("document.activeElement.id") == "grid")


def test_a_box_leads_to_its_task(viewer: Viewer, file: Path) -> None:
    """And what it is joined to stands out."""
    page = viewer.open(file)
    page.locator(f"#graph-svg .box[data-task='{SUMMARY}']").click()
    assert page.locator("#details-title").inner_text() == "summary"
    near = page.locator("#graph-svg .box.near .name").all_text_contents()
    assert sorted(near) == ["clean", "summary"]
    assert page.locator("#graph-svg .way.near").count() == 1


def test_the_critical_path_is_marked(viewer: Viewer, file: Path) -> None:
    """In the table, in the graph and as a list."""
    page = viewer.open(file)
    data = data_of(file.read_text("utf-8"))
    path = [NAMES[task] for task in data["critical"]]
    assert path[:2] == ["fetch", "clean"]
    assert page.locator("#rows .row:has(.mark) .name").all_inner_texts() == path
    assert page.locator("#graph-svg .box.critical").count() == len(path)
    assert page.locator("#graph-svg .way.critical").count() == len(path) - 1
    page.click(".path summary")
    assert page.locator("#critical-list .name").all_inner_texts() == path


def test_the_timeline_zooms(viewer: Viewer, file: Path) -> None:
    """By buttons, by wheel, and back."""
    page = viewer.open(file)
    image = "document.getElementById('timeline-canvas').toDataURL()"

    def changed(before: str) -> str:
        until(lambda: page.evaluate(image) != before)
        return page.evaluate(image)

    until(lambda: is_drawn(page))
    whole = page.evaluate(image)
    page.click("#zoom-in")
    near = changed(whole)
    page.locator("#timeline-canvas").hover(position={"x": 400, "y": 40})
    before = page.evaluate(image)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    nearer = changed(before)
    assert nearer not in (whole, near)
    page.mouse.move(0, 0)
    page.click("#zoom-fit")
    until(lambda: page.evaluate(image) == whole)


# Keys and touch.


def test_it_can_be_used_by_keyboard(viewer: Viewer, file: Path) -> None:
    """Search, rows, bars, boxes: all are reached, and focus comes back."""
    page = viewer.open(file)
    focused = "document.activeElement.id"
    page.keyboard.press("/")
    assert page.evaluate(focused) == "search"
    page.keyboard.type("c")
    page.keyboard.press("Enter")
    assert page.evaluate(focused) == "grid"
    page.keyboard.press("End")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    active = page.locator("#grid").get_attribute("aria-activedescendant")
    second = page.locator("#rows .row").nth(1)
    assert active == second.get_attribute("id")
    wanted = second.locator(".name").inner_text()
    page.keyboard.press("Enter")
    assert page.locator("#details-title").inner_text() == wanted
    assert page.evaluate(focused) == "details-title"
    page.keyboard.press("Escape")
    assert page.locator("#details").is_hidden()
    assert page.evaluate(focused) == "grid"

    page.focus("#timeline-scroller")
    said = page.locator("#timeline-said")
    page.keyboard.press("ArrowRight")
    first = said.text_content()
    assert first.startswith("fetch: succeeded")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert said.text_content().startswith("clean: attempt ")
    for key in ("+", "-", "0", "Shift+ArrowRight", "Home", "End", "PageUp"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    assert page.locator("#details").is_visible()
    page.keyboard.press("Escape")
    assert page.evaluate(focused) == "timeline-scroller"

    page.locator("#graph-svg [tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.locator("#details-title").inner_text() == "clean"


def test_everything_is_reached_by_tab(viewer: Viewer, file: Path) -> None:
    """All controls that are seen, in the order they are seen; no trap."""
    page = viewer.open(file)
    reached = []
    for _ in range(80):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "(() => { const it = document.activeElement;"
                " return it.id || it.dataset.task && 'box' || it.dataset.mode ||"
                " it.dataset.state || it.parentElement.dataset.column ||"
                " it.textContent.trim().slice(0, 20) })()"
            )
        )
    for wanted in (
        *("Skip to the content", "help", "theme", "task", "worker", "zoom-in"),
        *("zoom-fit", "timeline-scroller", "graph-fit", "box", "search", "3", "4"),
        *("state", "took", "why", "grid"),
    ):
        assert wanted in reached, wanted
    assert reached.index("theme") < reached.index("timeline-scroller")
    assert reached.index("box") < reached.index("search") < reached.index("grid")
    assert reached.count("box") <= 3  # one stop, and arrow keys within


def test_it_can_be_used_by_touch(viewer: Viewer, file: Path) -> None:
    """On a phone a tap opens a task, over the page."""
    page = viewer.open(file, **PHONE)
    row = page.locator("#rows .row").nth(TOTAL)
    row.scroll_into_view_if_needed()
    row.tap()
    assert page.locator("#details-title").inner_text() == "total"
    box = page.locator("#details").bounding_box()
    assert box["width"] == pytest.approx(360, abs=1)
    assert box["y"] + box["height"] == pytest.approx(740, abs=1)
    page.locator("#close").tap()
    assert page.locator("#details").is_hidden()


def test_two_fingers_zoom_the_timeline(viewer: Viewer, file: Path) -> None:
    """And one of them pans; neither is taken for a tap."""
    page = viewer.open(file, **PHONE)
    canvas = page.locator("#timeline-canvas")
    canvas.scroll_into_view_if_needed()
    until(lambda: is_drawn(page))
    image = "document.getElementById('timeline-canvas').toDataURL()"
    box = canvas.bounding_box()
    y = box["y"] + 60
    touch = page.context.new_cdp_session(page)

    def move(kind: str, *xs: float) -> None:
        points = [{"x": box["x"] + x, "y": y, "id": n} for n, x in enumerate(xs)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    whole = page.evaluate(image)
    move("touchStart", 180)
    move("touchStart", 180, 220)
    for shift in (10, 20, 30, 40):
        move("touchMove", 180 - shift, 220 + shift)
    move("touchEnd")
    until(lambda: page.evaluate(image) != whole)
    near = page.evaluate(image)
    move("touchStart", 150)
    for x in (165, 180, 200, 230):
        move("touchMove", x)
    move("touchEnd")
    until(lambda: page.evaluate(image) != near)
    assert page.locator("#details").is_hidden()
    assert page.evaluate("visualViewport.scale") == 1


def test_words_can_be_read(file: Path) -> None:
    """Contrast of 4.5 to 1 for texts, of 3 to 1 for what is drawn (WCAG AA)."""
    style = re.search(r"<style>(.*?)</style>", file.read_text("utf-8"), re.DOTALL)[1]
    light, *_ = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    (dark,) = re.findall(r':root\[data-theme="dark"\] \{(.*?)\}', style, re.DOTALL)

    def luminance(color: str) -> float:
        digits = color[1:] if len(color) == 7 else "".join(2 * c for c in color[1:])
        parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        parts = [
            part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4
            for part in parts
        ]
        return sum(map(float.__mul__, (0.2126, 0.7152, 0.0722), parts))

    def contrast(one: str, other: str) -> float:
        high, low = sorted((luminance(one), luminance(other)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    states = ("succeeded", "failed", "skipped", "cancelled", "running", "pending")
    for theme in (light, dark):
        colors = dict(re.findall(r"--([\w-]+): (#\w+)", theme))
        for back in ("back", "surface", "hover"):
            for text in ("ink", "muted", "accent"):
                assert contrast(colors[text], colors[back]) >= 4.5, (text, back)
        for state in states:
            text, soft = colors[f"{state}-text"], colors[f"{state}-soft"]
            assert contrast(text, soft) >= 4.5, state
            assert contrast(text, colors["surface"]) >= 4.5, state
        for drawn in ("succeeded", "failed", "cancelled", "running", "retried"):
            assert contrast("#ffffff", colors[drawn]) >= 4.5, drawn
            assert contrast(colors[drawn], colors["surface"]) >= 3, drawn
        assert contrast(colors["critical"], colors["surface"]) >= 3
        assert contrast(colors["critical-text"], colors["critical-soft"]) >= 4.5
        assert contrast(colors["accent"], colors["accent-soft"]) >= 4.5


# Runs of other kinds.


def test_a_page_of_a_run_that_goes_on(viewer: Viewer, tmp_path: Path) -> None:
    """It shows where the run stands, once more when it is over."""
    from threading import Event

    graph = Graph("waiting")
    started, go = Event(), Event()

    @graph.task
    def wait() -> None:
        started.set()
        go.wait(60)

    @graph.task(dependencies=wait)
    def end(wait: None) -> None: ...

    run = graph.start()
    try:
        assert started.wait(60)
        file = run.report().to_html(tmp_path / "run.html")
        page = viewer.open(file, address="#task-0")
        assert page.locator(".badge.big").inner_text().split() == ["▶", "running"]
        states = page.locator("#rows .state").all_inner_texts()
        assert [state.split()[1] for state in states] == ["running", "pending"]
    finally:
        go.set()
        run.wait()
    page = viewer.open(run.report().to_html(file))
    assert page.locator(".badge.big").inner_text().split() == ["✓", "succeeded"]


def test_a_page_of_a_run_that_was_cancelled(viewer: Viewer, tmp_path: Path) -> None:
    """Which is no success."""
    from threading import Event

    graph = Graph("waiting")
    started = Event()

    @graph.task
    def wait(context: Context) -> None:
        started.set()
        while not context.cancelled():
            time.sleep(0.001)

    graph.add(lambda wait: None, name="end", dependencies=wait)
    run = graph.start()
    assert started.wait(60)
    run.cancel()
    run.wait()
    page = viewer.open(run.report().to_html(tmp_path / "run.html"))
    assert page.locator(".badge.big").inner_text().split() == ["⊘", "cancelled"]


def test_a_page_of_a_rollback(viewer: Viewer, tmp_path: Path) -> None:
    """What was undone is told with its task."""
    graph = Graph("payments", on_error="rollback")

    @graph.task
    def charge() -> int:
        return 17

    @charge.rollback
    def refund(payment: int) -> None:
        raise OSError("the bank is closed")

    @graph.task(dependencies=charge)
    def ship(payment: int) -> None:
        raise RuntimeError("no truck")

    run = graph.start()
    run.wait()
    page = viewer.open(run.report().to_html(tmp_path / "run.html"), address="#task-0")
    told = page.locator("#details").inner_text()
    assert "Rollback" in told
    assert "the bank is closed" in told


def test_a_page_of_no_tasks(viewer: Viewer, tmp_path: Path) -> None:
    """It is empty, not broken."""
    page = viewer.open(Graph("empty").run().report().to_html(tmp_path / "run.html"))
    assert page.locator("#nothing").is_visible()
    assert page.locator("#timeline").is_hidden()


def test_coroutines_that_overlap_have_lanes(viewer: Viewer, tmp_path: Path) -> None:
    """No bar hides another one."""
    import anyio

    graph = Graph("pages")

    async def fetch() -> None:
        await anyio.sleep(0.01)

    for number in range(5):
        graph.add(fetch, name=f"fetch:{number}")
    page = viewer.open(graph.run().report().to_html(tmp_path / "run.html"))
    page.click("[data-mode=worker]")
    page.focus("#timeline-scroller")
    told = set()
    for key in ["ArrowRight", *["ArrowDown"] * 6]:
        page.keyboard.press(key)
        told.add(page.locator("#tip b").inner_text())
    assert told == {f"fetch:{number}" for number in range(5)}


def test_a_loop_with_many_coroutines_hides_no_other_worker(
    viewer: Viewer, tmp_path: Path
) -> None:
    """Its rows are low, and below those of workers that do one task at a time."""
    from threading import Event, Semaphore

    import anyio

    graph = Graph("pages")
    is_over, started = Event(), Semaphore(0)

    async def fetch() -> None:
        started.release()
        while not is_over.is_set():
            await anyio.sleep(0.001)

    def parse() -> None:
        try:
            assert all(started.acquire(timeout=30) for _ in range(100))
        finally:
            is_over.set()

    for number in range(100):
        graph.add(fetch, name=f"fetch:{number}")
    graph.add(parse)
    page = viewer.open(graph.run().report().to_html(tmp_path / "run.html"))
    page.click("[data-mode=worker]")
    page.focus("#timeline-scroller")
    page.keyboard.press("ArrowRight")
    assert page.locator("#tip b").inner_text() == "parse"
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    assert page.locator("#tip b").inner_text().startswith("fetch:")
    # All is seen at once: there is nothing to scroll to.
    scroller = "document.getElementById('timeline-scroller')"
    assert page.evaluate(f"{scroller}.scrollHeight - {scroller}.clientHeight") <= 4


def test_it_prints(viewer: Viewer, file: Path) -> None:
    """All rows, in light colours, without what can be clicked."""
    page = viewer.open(file, color_scheme="dark")
    until(lambda: is_drawn(page))
    corner = (
        "(() => { const canvas = document.getElementById('timeline-canvas');"
        " const copy = document.createElement('canvas').getContext('2d');"
        " copy.drawImage(canvas, -2, -54);"
        " return Array.from(copy.getImageData(0, 0, 1, 1).data) })()"
    )
    page.click("[data-mode=task]")
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
    until(lambda: sum(page.evaluate(corner)) > 900)  # the second row, which is tinted
    assert len(rows(page)) == 7
    assert page.locator(".controls").is_hidden()
    assert page.locator("#errors pre").is_visible()
    assert page.pdf()[:5] == b"%PDF-"


# Many tasks.


def large(count: int, width: int) -> Run:
    """Return a run of layers; some tasks fail, and some that depend on them."""
    graph = Graph(f"large {count}", on_error="continue", executor="sequential")

    def work(*before: object) -> None: ...

    def fail(*before: object) -> None:
        raise ValueError(f"no tile of {len(before)}")

    names = [f"tile {place // width:03}/{place % width:04}" for place in range(count)]
    for place, name in enumerate(names):
        is_bad = place % 997 == 500
        before = ()
        if place >= width:
            before = names[place - width], names[place - 1 - place % 7]
            before = tuple(dict.fromkeys(before))
        graph.add(
            fail if is_bad else work,
            name=name,
            dependencies=before if place % 3 else before[:1],
            trigger="all_done",
        )
    return graph.run()


def test_10_000_tasks_stay_usable(viewer: Viewer, tmp_path: Path) -> None:
    """Under 5 MB; only what is seen is drawn."""
    run = large(10_000, 100)
    file = run.report().to_html(tmp_path / "run.html")
    assert file.stat().st_size < 5_000_000
    page = viewer.open(file)
    assert page.locator("#shown").inner_text() == "10,000 tasks"
    assert page.evaluate("document.querySelectorAll('*').length") < 4_000
    top = page.locator("#levels").bounding_box()["y"]
    counts = page.locator("#levels .count").all()
    assert all(count.bounding_box()["y"] >= top for count in counts)
    page.fill("#search", "tile 051/0042")
    until(lambda: page.locator("#rows .row").count() == 1)
    page.click("#rows .row")
    assert page.locator("#details-title").inner_text() == "tile 051/0042"
    assert "tile 051/0042" in page.locator("#graph-part").inner_text()
    assert page.locator("#graph-svg .box.selected").count() == 1
    page.click("#clear")
    page.click("#filters .failed")
    failed = run.report().progress.failed
    assert page.locator("#shown").inner_text().startswith(f"{failed} of")
    page.click("#clear")
    page.focus("#grid")
    page.keyboard.press("End")
    last = rows(page)[-1]
    assert last == list(run.records)[-1]
    page.locator("#levels .level").nth(3).click()
    assert page.locator("#level-tasks").is_visible()


def test_fault_122_a_report_of_100_000_tasks_opens(
    viewer: Viewer, tmp_path: Path
) -> None:
    """At most 20 MB, and what is asked for is found."""
    run = large(100_000, 1_000)
    file = run.report().to_html(tmp_path / "run.html")
    assert file.stat().st_size < 20_000_000
    page = viewer.open(file)
    assert page.locator("#shown").inner_text() == "100,000 tasks"
    page.fill("#search", "tile 099/0999")
    until(lambda: page.locator("#rows .row").count() == 1)
    assert rows(page) == ["tile 099/0999"]
    page.click("[data-mode=task]")
    page.click("#rows .row")
    assert page.locator("#details-title").inner_text() == "tile 099/0999"


def test_fault_122_long_names_and_many_errors_do_not_fill_it() -> None:
    """All that grows with a run has a limit, and what is left out is said."""
    count = 100_000
    graph = Graph("bad", on_error="continue", executor="sequential")
    text = "<&>" * 2_000

    def fail() -> None:
        raise ValueError(text)

    for place in range(count):
        graph.add(fail, name=f"{'<name>' * 30}{place}", tags=("<tag>" * 10,))
    page = graph.run().report().to_html()
    assert len(page.encode()) < 20_000_000
    assert "100,000" in page


# What is kept out of it.


def test_values_are_not_in_it() -> None:
    """Neither inputs nor constants nor results; a page is shown to many."""
    graph = Graph("secrets", on_error="continue")
    graph.add(lambda key: f"made of {key}", name="a", kwargs={"key": "const-s3cret"})
    graph.add(lambda a, token: [token], name="b", dependencies="a")
    text = graph.run({"token": "input-s3cret"}).report().to_html()
    assert "s3cret" not in text


HIDDEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202e\ud800]")


def texts_in(data: Any) -> Iterator[str]:
    """Go through all texts of JSON data."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield key
            yield from texts_in(value)
    elif isinstance(data, list):
        for value in data:
            yield from texts_in(value)


def test_faults_116_119_escapes_of_terminals_are_gone(
    viewer: Viewer, tmp_path: Path
) -> None:
    """Colours, titles, links, NUL, and what turns text round."""
    nasty = "\x1b[31mred\x1b[0m \x1b]0;title\x07a\x00b\x9b1mc\u202egnp.exe\ud800"
    graph = Graph(f"graph {nasty}", on_error="continue")

    def fail() -> None:
        raise ValueError(nasty)

    def idle() -> None:
        raise Skip(nasty)

    graph.add(fail, name=f"fail {nasty}")
    graph.add(idle, name="idle")
    text = graph.run().report().to_html(tmp_path / "run.html").read_text("utf-8")
    assert not HIDDEN.search(text)
    assert not [told for told in texts_in(data_of(text)) if HIDDEN.search(told)]
    assert data_of(text)["names"][0] == "fail red abcgnp.exe\N{REPLACEMENT CHARACTER}"
    page = viewer.open(tmp_path / "run.html")
    assert page.locator("h1").inner_text() == "graph red abcgnp.exe�"
    assert "ValueError: red abcgnp.exe�" in page.locator("#rows").inner_text()


@pytest.mark.parametrize("name", ["../../escaped", "/etc/passwd", "a\x00b", "..", ""])
def test_fault_120_names_do_not_say_where_a_report_goes(
    tmp_path: Path, name: str
) -> None:
    """Only the path does."""
    graph = Graph(name or "empty")
    graph.add(lambda: None, name=name or "empty")
    place = tmp_path / "reports"
    place.mkdir()
    graph.run().report().to_html(place / "run.html")
    assert [file.name for file in place.iterdir()] == ["run.html"]
    assert [file.name for file in tmp_path.iterdir()] == ["reports"]


def test_jinja_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the command that brings it."""
    import sys

    from syncra.errors import MissingExtraError

    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=re.escape("syncra[html]")) as caught:
        orders().report().to_html(tmp_path / "run.html")
    assert caught.value.command == "pip install 'syncra[html]'"
    assert not list(tmp_path.iterdir())
