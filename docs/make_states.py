"""Write the page of states and its picture from the table of legal moves.

    python docs/make_states.py

The page is `docs/reference/states.md`; the picture, beside it, is drawn by `dot`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from syncra._core.states import STATE_NAMES, TERMINAL, TRANSITIONS
from syncra._records import STATES, State

PAGE = Path(__file__).parent / "reference" / "states.md"
PICTURE = PAGE.with_suffix(".svg")

#: What the states of the engine say; several are one public state.
MEANINGS = {
    "pending": "what it waits for is not over",
    "ready": "nothing is missing but a worker, or its `limit=`",
    "running": "an attempt is going on",
    "waiting": "an attempt has failed, and the wait before the next one goes on",
    "succeeded": "it has a result",
    "failed": "it has an error, and no attempt is left",
    "skipped": "it was not to run: what it needed has no result, or it raised `Skip`",
    "cancelled": "the run ended before it did",
}

ENDS = "the run ends: a failure, `run.cancel()`, its `timeout=`, a signal"

#: When a task makes each move.
CAUSES = {
    ("pending", "ready"): "all it waits for is over, as its `trigger=` wants it",
    ("pending", "skip"): "its `trigger=` cannot be met any more",
    ("pending", "cancel"): ENDS,
    ("ready", "take"): "a worker takes it",
    ("ready", "cancel"): ENDS,
    ("running", "succeed"): "its function has returned",
    ("running", "fail"): (
        "the attempt has raised or its `timeout=` is over, and `retry=` allows no other"
    ),
    ("running", "skip"): "it has raised `Skip`",
    ("running", "cancel"): ENDS,
    ("running", "retry"): (
        "the attempt has raised or its `timeout=` is over, and `retry=` allows another"
    ),
    ("running", "put_back"): "a worker that has taken it, but not begun, gives it back",
    ("waiting", "wake"): "the wait before the next attempt is over",
    ("waiting", "cancel"): ENDS,
}

#: Fills that dark letters can be read on; the lines suit light and dark pages.
FILLS = {
    "pending": "#e2e5ea",
    "ready": "#e2e5ea",
    "waiting": "#e2e5ea",
    "running": "#bfdbfe",
    "succeeded": "#bbe8c6",
    "failed": "#f7c0c0",
    "skipped": "#f3e3a8",
    "cancelled": "#e3cdf2",
}
LINES = "#7c8694"

HEAD = """\
# States of a task

<!-- Made by docs/make_states.py from the table in syncra/_core/states.py. -->

In each run every task is in one state. Records, observers and reports tell it as a
[`State`][syncra.State], which is a text: `record.state == "failed"`. There are six:
{public}.
The engine knows two more, which are shown as "pending": a task that is ready, and one
that waits for its next attempt.

![The states of a task, and the moves between them](states.svg)

A task changes its state only by a move that is on this page. Any other is refused, and
then nothing has changed. No task ever leaves
{last}.
"""


def listed(names: list[str], last: str) -> str:
    """Return names as a part of a sentence, the last one after `last`."""
    return f"{', '.join(names[:-1])} {last} {names[-1]}"


def page() -> str:
    """Return the page, as Markdown."""
    head = HEAD.format(
        public=listed([f'"{state}"' for state in State], "and"),
        last=listed([f'"{STATE_NAMES[state]}"' for state in sorted(TERMINAL)], "or"),
    )
    rows = ["## States", "", "| state | shown as | what it says |", "|---|---|---|"]
    rows += [
        f"| {name} | {STATES[STATE_NAMES.index(name)]} | {meaning} |"
        for name, meaning in MEANINGS.items()
    ]
    rows += ["", "## Moves", "", "| from | to | move | when |", "|---|---|---|---|"]
    rows += [
        f"| {STATE_NAMES[old]} | {STATE_NAMES[new]} | {event} | "
        f"{CAUSES[STATE_NAMES[old], event]} |"
        for (old, event), new in TRANSITIONS.items()
    ]
    return "\n".join([head, *rows, ""])


def drawing() -> str:
    """Return the picture, in the language of `dot`."""
    lines = [
        "digraph states {",
        "  graph [rankdir=LR bgcolor=transparent nodesep=0.35 ranksep=0.75 pad=0.1]",
        '  node [shape=box style="filled,rounded" fontname=Helvetica fontsize=13'
        f' color="{LINES}" height=0.4]',
        f'  edge [fontname=Helvetica fontsize=11 color="{LINES}"'
        f' fontcolor="{LINES}" arrowsize=0.7]',
    ]
    lines += [f'  {name} [fillcolor="{FILLS[name]}"]' for name in STATE_NAMES]
    lines += [
        f'  {STATE_NAMES[old]} -> {STATE_NAMES[new]} [label="{event}"]'
        for (old, event), new in TRANSITIONS.items()
    ]
    return "\n".join([*lines, "}", ""])


def main() -> int:
    """Write the page and the picture."""
    PAGE.write_text(page(), encoding="utf-8")
    drawn = subprocess.run(
        ["dot", "-Tsvg"], input=drawing(), capture_output=True, text=True, check=True
    )
    PICTURE.write_text(drawn.stdout, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
