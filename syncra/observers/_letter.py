"""A letter about a run: what it says, as plain text, as HTML and as a mail."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from socket import gethostname
from textwrap import indent

from .._names import counted
from .._records import State
from ._summary import MOST_CAUSES, problem_of, skipped_of, took

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from email.headerregistry import Address
    from email.message import EmailMessage

    from .._records import TaskRecord
    from ._summary import Problem, Summary, Words

#: What stands before every subject, for filters.
PREFIX = "[syncra]"
LENGTH_OF_SUBJECT = 200
NO_DETAILS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Entry:
    """Hold one thing that a section lists.

    Attributes:
        name: what it is.
        text: what is to be said of it, of several lines at times.
        detail: what is less important, on one line.
    """

    name: str
    text: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Hold a title, and what is listed under it."""

    title: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Letter:
    """Hold what is said, in no form yet.

    Attributes:
        subject: in a few words.
        heading: in a sentence.
        sections: at length.
        facts: label and value of what is always told.
    """

    subject: str
    heading: str
    sections: tuple[Section, ...]
    facts: tuple[tuple[str, str], ...]

    def as_text(self) -> str:
        """Return it as plain text."""
        parts = [self.heading]
        for section in self.sections:
            parts.append(f"\n{section.title}")
            for entry in section.entries:
                detail = f" ({entry.detail})" if entry.detail else ""
                parts.append(f"  {entry.name}{detail}")
                if entry.text:
                    parts.append(indent(entry.text, "      "))
        parts.append("")
        parts += [f"{label + ':':<10} {value}" for label, value in self.facts]
        return "\n".join(parts) + "\n"

    def as_html(self) -> str:
        """Return it as HTML, everything in it escaped, for light and dark readers."""
        body = [f"<h1 {STYLES['h1']}>{escape(self.heading)}</h1>"]
        for section in self.sections:
            body.append(f"<h2 {STYLES['h2']}>{escape(section.title)}</h2>")
            body.append(f"<table {TABLE}>")
            body += map(_row, section.entries)
            body.append("</table>")
        body.append(f"<hr {STYLES['hr']}><table {TABLE}>")
        body += [
            f"<tr><th {STYLES['label']}>{escape(label)}</th>"
            f"<td {STYLES['value']}>{escape(value)}</td></tr>"
            for label, value in self.facts
        ]
        body.append("</table>")
        return PAGE.format(title=escape(self.subject), body="\n".join(body))


#: No colour of a background and none of a text: readers have theirs, light or dark.
#: Grey lines are seen on both. Styles stand where they are used, since many readers
#: throw style sheets away.
PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{title}</title>
<style>:root {{ color-scheme: light dark; }}</style>
</head>
<body style="font: 15px/1.45 system-ui, sans-serif; max-width: 46em; margin: 1em auto; \
padding: 0 1em">
{body}
</body>
</html>
"""
_CELL = "text-align: left; vertical-align: top; padding: 4px 12px 4px 0; "
_LINE = "border-top: 1px solid #8888; "
TABLE = 'role="presentation" width="100%" style="border-collapse: collapse"'
STYLES = {
    name: f'style="{style.strip()}"'
    for name, style in {
        "h1": "font-size: 20px; line-height: 1.3; margin: 0 0 12px",
        "h2": "font-size: 15px; margin: 20px 0 4px",
        "hr": "border: 0; border-top: 2px solid #8888; margin: 24px 0 8px",
        "entry": f"{_CELL}{_LINE}",
        "detail": "opacity: 0.75; font-size: 13px",
        "pre": "white-space: pre-wrap; overflow-wrap: anywhere; margin: 2px 0 0; "
        "font: 13px/1.4 ui-monospace, monospace",
        "label": f"{_CELL}font-weight: normal; width: 6em",
        "value": f"{_CELL}overflow-wrap: anywhere",
    }.items()
}


def _row(entry: Entry) -> str:
    cell = f"<strong>{escape(entry.name)}</strong>"
    if entry.detail:
        cell += f" <span {STYLES['detail']}>{escape(entry.detail)}</span>"
    if entry.text:
        cell += f"<pre {STYLES['pre']}>{escape(entry.text)}</pre>"
    return f"<tr><td {STYLES['entry']}>{cell}</td></tr>"


def of_run(
    summary: Summary, untold: int = 0, details: Mapping[str, str] = NO_DETAILS
) -> Letter:
    """Return the letter about a run.

    Parameters:
        summary: what is known of it.
        untold: of how many tasks no letter of their own was sent, though asked for.
        details: texts about failures, by name of the task.
    """
    progress = summary.progress
    total = counted(progress.total)
    if summary.outcome == "failed":
        what = f"failed: {progress.failed:,} of {total}"
        names: Iterable[str] = (problem.name for problem in summary.failed)
    elif summary.outcome == "cancelled":
        what = f"cancelled: {progress.cancelled:,} of {total}"
        names = summary.cancelled
    else:
        what = f"succeeded: {total} in {took(summary.duration)}"
        names = ()
    subject = f"{PREFIX} {summary.graph} {what}{_some(names)}"
    heading = f"{summary.graph} {what}"
    if summary.ended_by:
        heading += f". It was ended: {summary.ended_by}"
    if untold:
        heading += f". {counted(untold)} had no mail of their own"
    return Letter(
        subject=subject[:LENGTH_OF_SUBJECT],
        heading=heading,
        sections=tuple(
            section
            for section in (*_sections(summary), *_details(details))
            if section.entries
        ),
        facts=(
            *_facts(summary.graph, summary.run_id, summary.started_at, summary.host),
            ("Duration", took(summary.duration)),
            ("Tasks", str(progress) or "none"),
        ),
    )


def _sections(summary: Summary) -> Iterable[Section]:
    progress = summary.progress
    yield _section("Failed", map(_told, summary.failed), progress.failed)
    cancelled = map(Entry, summary.cancelled)
    yield _section("Cancelled", cancelled, progress.cancelled)
    skipped = [Entry(one.name, detail=one.why) for one in summary.skipped]
    title = "Skipped because of that" if summary.failed else "Skipped"
    yield _section(title, skipped, progress.skipped)
    spoilt = list(map(_told, summary.not_undone))
    yield _section("Could not be rolled back", spoilt, len(spoilt))
    if summary.undone:
        yield Section("Rolled back", (Entry(counted(summary.undone)),))


def _section(title: str, entries: Iterable[Entry], count: int) -> Section:
    shown = list(entries)
    hidden = count - len(shown)
    if shown and hidden > 0:
        shown.append(Entry(f"... and {hidden:,} more"))
    return Section(f"{title} ({count:,})", tuple(shown))


def _told(problem: Problem) -> Entry:
    details = [counted(problem.attempts, "attempt")] if problem.attempts != 1 else []
    if problem.duration is not None:
        details.append(f"after {took(problem.duration)}")
    if problem.note:
        details.append(problem.note)
    text = problem.text
    if problem.place:
        text += f"\nat {problem.place}"
    return Entry(problem.name, text, ", ".join(details))


def _some(names: Iterable[str]) -> str:
    """Return the first names in parentheses; "" if there are none."""
    known = list(names)
    if not known:
        return ""

    shown = [name if len(name) <= 40 else f"{name[:37]}..." for name in known]
    more = ", ..." if len(known) > MOST_CAUSES else ""
    return f" ({', '.join(shown[:MOST_CAUSES])}{more})"


def _facts(
    graph: str, run_id: str, started_at: datetime | None, host: str
) -> Iterable[tuple[str, str]]:
    yield "Graph", graph
    yield "Run", run_id
    yield "Host", host
    if started_at is not None:
        yield "Started", f"{started_at:%Y-%m-%d %H:%M:%S} UTC"


def _details(texts: Mapping[str, str]) -> Iterable[Section]:
    entries = tuple(Entry(name, text) for name, text in texts.items())
    if entries:
        yield Section("Details", entries)


def of_task(
    record: TaskRecord,
    graph: str,
    run_id: str,
    words: Words,
    details: Mapping[str, str] = NO_DETAILS,
) -> Letter:
    """Return the letter about one task that is over."""
    graph, name = words.line(graph), words.line(record.name)
    what = f"{graph}: {name} {record.state}"
    subject = f"{PREFIX} {what}"
    sections: tuple[Section, ...] = ()
    if record.state == State.FAILED:
        problem = problem_of(record, words)
        sections = (Section("Why", (_told(problem),)), *_details(details))
        subject += f": {' '.join(problem.text.split())}"
    elif record.state == State.SKIPPED:
        why = skipped_of(record, words).why
        sections = (Section("Why", (Entry(name, detail=why),)),)
        subject += f" {why}" if record.skipped_because else f": {why}"
    return Letter(
        subject=subject[:LENGTH_OF_SUBJECT],
        heading=f"Task {name} of {graph} {record.state}",
        sections=sections,
        facts=(
            *_facts(graph, run_id, record.started_at, words.line(gethostname())),
            ("Duration", took(record.duration)),
        ),
    )


def mail(
    letter: Letter, sender: Address, recipients: Sequence[Address]
) -> EmailMessage:
    """Return a letter as a mail, which holds nothing that answers should be sent to."""
    from datetime import UTC, datetime
    from email.message import EmailMessage
    from email.utils import make_msgid

    message = EmailMessage()
    message["Subject"] = letter.subject
    message["From"] = sender
    message["To"] = tuple(recipients)
    message["Date"] = datetime.now(UTC)
    # Of the sender's domain: the name of this machine may take long to find out.
    message["Message-ID"] = make_msgid("syncra", domain=sender.domain)
    message["Auto-Submitted"] = "auto-generated"
    # Lines of any length and letters of any kind pass through any server so.
    message.set_content(letter.as_text(), cte="quoted-printable")
    message.add_alternative(letter.as_html(), subtype="html", cte="quoted-printable")
    if all(str(message[name]).isascii() for name in ("Subject", "From", "To")):
        # Folded, a subject that is a little too long would begin with a line break.
        message.policy = message.policy.clone(max_line_length=LENGTH_OF_SUBJECT + 50)
    return message
