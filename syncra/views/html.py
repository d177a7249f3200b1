"""The page of a run: one file that needs nothing else and sends nothing anywhere."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

from .._records import State
from ..errors import MissingExtraError
from .page_data import NUMBERS, PageData
from .plain_text import plain_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .._report import Report

#: How many places of errors the page tells of before it is scripted, and how many tasks
#: of each. All errors are in the table.
MOST_PLACES = 40
MOST_TASKS = 25

#: Colours are not enough to tell states apart.
ICONS = dict(zip(State, "○▶✓✕↷⊘", strict=True))
ICON_COLORS = {State.SUCCEEDED: "%232f9e6b", State.FAILED: "%23e5484d"}

COLUMNS = (
    ("state", "State"),
    ("task", "Task"),
    ("start", "Start"),
    ("took", "Took"),
    ("waited", "Waited"),
    ("attempts", "Attempts"),
    ("worker", "Worker"),
    ("why", "Why"),
)

#: What could end the element that the data is in, or the text of a script.
ESCAPED = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}


def to_html(report: Report) -> str:
    """Return the page of a run.

    Raises:
        MissingExtraError: if Jinja is not installed.
    """
    try:
        import jinja2
        from markupsafe import Markup
    except ImportError as missing:
        raise MissingExtraError(
            "a report page needs Jinja: pip install 'syncra[html]'.", "html"
        ) from missing

    page = PageData(report)
    templates = files(__package__) / "templates"
    style = (templates / "report.css").read_text("utf-8")
    scripts = sorted((templates / "report").iterdir(), key=lambda file: file.name)
    script = "".join(file.read_text("utf-8") for file in scripts)
    script = f'"use strict";\n(() => {{\n{script}}})();\n'
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    template = environment.from_string(
        (templates / "report.html.jinja").read_text("utf-8")
    )
    # The three that are not escaped: two are ours, and one is JSON without a "<".
    return template.render(
        policy=_policy(script, style),
        style=Markup(style),
        script=Markup(script),
        data=Markup(_embedded(page.columns())),
        version=_version(),
        columns=COLUMNS,
        **_summary(page),
        **_errors(page),
    )


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("syncra")
    except PackageNotFoundError:
        return ""


def _policy(script: str, style: str) -> str:
    """Return what the page may do: run this script, use this style, nothing else."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _hash(text: str) -> str:
    digest = sha256(text.encode()).digest()
    return f"sha256-{b64encode(digest).decode()}"


def _embedded(data: dict[str, Any]) -> str:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.translate(ESCAPED)


def verdict_of(report: Report) -> State:
    """Return the state of a whole run."""
    progress = report.progress
    if report.duration is None:
        return State.RUNNING
    if progress.failed:
        return State.FAILED
    if progress.cancelled or progress.pending:
        return State.CANCELLED
    return State.SUCCEEDED


def _summary(page: PageData) -> dict[str, Any]:
    report = page.report
    verdict = verdict_of(report)
    return {
        "graph": plain_line(report.graph, 200),
        "run_id": report.run_id,
        "verdict": str(verdict),
        "verdict_icon": ICONS[verdict],
        "icon": ICON_COLORS.get(verdict, "%23888888"),
        "started_at": report.started_at.isoformat(),
        "started_text": report.started_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        "tiles": list(_tiles(page)),
        "counts": list(_counts(report)),
        "critical_text": _critical_text(page),
    }


def _tiles(page: PageData) -> Iterator[dict[str, str]]:
    """Yield what one wants to know at first."""
    report, timeline = page.report, page.timeline
    total = report.progress.total
    spans = [span for spans in timeline.spans for span in spans]
    ended = report.progress.over
    yield {
        "name": "Duration" if report.duration is not None else "Duration so far",
        "value": duration_text(timeline.now),
        "detail": f"at best {duration_text(page.longest)}, never waiting for a worker"
        if page.longest
        else "",
    }
    yield {
        "name": "Tasks",
        "value": f"{total:,}",
        "detail": f"{report.progress.succeeded:,} succeeded"
        if ended == total
        else f"{ended:,} are over",
    }
    retried = sum(max(len(spans) - 1, 0) for spans in timeline.spans)
    yield {
        "name": "Attempts",
        "value": f"{len(spans):,}",
        "detail": f"{retried:,} of them tried again" if retried else "none tried again",
    }
    busy = sum(span.duration or 0 for span in spans)
    workers = len({span.worker for span in spans})
    yield {
        "name": "At once",
        "value": f"{busy / max(timeline.now, 1):.1f}",
        "detail": f"on average, {_plural(workers, 'worker')}",
    }
    if page.critical:
        worked, waited = _worked_and_waited(page)
        yield {
            "name": "Critical path",
            "value": duration_text(worked),
            "detail": f"{_plural(len(page.critical), 'task')}, "
            f"waiting {duration_text(waited)}",
        }


def _worked_and_waited(page: PageData) -> tuple[int, int]:
    durations = page.timeline.durations
    waited = sum(
        max(page.timeline.spans[task][0].start - page.released[task], 0)
        for task in page.critical
    )
    return sum(durations[task] for task in page.critical), waited


def _critical_text(page: PageData) -> str:
    if not page.critical:
        return ""

    worked, waited = _worked_and_waited(page)
    return (
        f"{_plural(len(page.critical), 'task')}, {duration_text(worked)} of work and "
        f"{duration_text(waited)} of waiting"
    )


def _counts(report: Report) -> Iterator[dict[str, Any]]:
    total = max(report.progress.total, 1)
    x = 0.0
    for state in State:
        count = getattr(report.progress, state)
        if not count:
            continue

        width = 1000 * count / total
        yield {
            "state": str(state),
            "number": NUMBERS[state],
            "icon": ICONS[state],
            "text": f"{count:,}",
            "x": f"{x:.1f}",
            "width": f"{width:.1f}",
        }
        x += width


def _errors(page: PageData) -> dict[str, Any]:
    """Return what the page tells of errors, also where no script may run."""
    failures = page.failures
    names = page.timeline.names
    places = []
    for kind, tasks in failures.places[:MOST_PLACES]:
        first = failures.of[tasks[0]]
        message = (
            failures.messages.all[first.message].removeprefix(kind).removeprefix(": ")
        )
        number = first.traceback
        places.append(
            {
                "kind": kind,
                "message": plain_line(message, 400),
                "count": len(tasks),
                "count_text": _plural(len(tasks), "task"),
                "more": f"{len(tasks) - MOST_TASKS:,}"
                if len(tasks) > MOST_TASKS
                else "",
                "tasks": [
                    {"position": task, "name": plain_line(names[task], 200) or "?"}
                    for task in tasks[:MOST_TASKS]
                ],
                "traceback": "" if number is None else failures.tracebacks[number],
            }
        )
    hidden = len(failures.places) - len(places)
    return {
        "places": places,
        "more_places": f"{hidden:,}" if hidden > 0 else "",
        "errors_text": f"of {_plural(len(failures.of), 'task')}",
    }


def _plural(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def duration_text(micros: int) -> str:
    """Return microseconds in the unit that suits them."""
    if micros < 1_000:
        return f"{micros} µs"
    if micros < 1_000_000:
        return f"{_three_digits(micros / 1_000)} ms"
    if micros < 60_000_000:
        return f"{_three_digits(micros / 1_000_000)} s"
    seconds = round(micros / 1_000_000)
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def _three_digits(number: float) -> str:
    return f"{float(f'{number:.3g}'):g}"  # which has no exponent, as 1e+03 has
