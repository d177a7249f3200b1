"""Make the drawings of docs/explanation.

`python docs/make_drawings.py` writes them anew; a test compares.
"""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent / "explanation"
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.ground { fill: #ffffff } .title { font-weight: 600 } .quiet { fill: #59636e }
.task { fill: #1f6feb } .wait { fill: #d5dbe1 } .move { fill: #e0964a }
.label { fill: #ffffff } .line { stroke: #8c959f; fill: none }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .ground { fill: #0d1117 } .quiet { fill: #9aa4af }
.task { fill: #4c8dff } .wait { fill: #2c333b } .move { fill: #c9803a }
.label { fill: #0d1117 } .line { stroke: #6e7781 }
}
"""
#: Where a row of blocks begins, what one unit of time is wide, and a row is high.
LEFT, UNIT, HEIGHT = 96, 20, 24

#: Rows of a panel: who, and what it does when: begin, length, kind, label.
Block = tuple[float, float, str, str]
Rows = list[tuple[str, list[Block]]]

DISPATCHED: Rows = [
    (
        "caller",
        [
            (0, 1, "move", ""),
            (1, 4, "wait", "wait"),
            (5, 1, "move", ""),
            (6, 4, "wait", "wait"),
            (10, 1, "move", ""),
            (11, 4, "wait", "wait"),
            (15, 1, "move", ""),
            (16, 4, "wait", "wait"),
            (20, 1, "move", ""),
            (21, 4, "wait", "wait"),
            (25, 1, "move", ""),
        ],
    ),
    (
        "thread 1",
        [
            (2, 2, "task", "A"),
            (4, 3, "wait", ""),
            (7, 2, "task", "B"),
            (9, 8, "wait", ""),
            (17, 2, "task", "D"),
            (19, 7, "wait", ""),
        ],
    ),
    (
        "thread 2",
        [
            (0, 12, "wait", ""),
            (12, 2, "task", "C"),
            (14, 8, "wait", ""),
            (22, 2, "task", "E"),
            (24, 2, "wait", ""),
        ],
    ),
]
PULLED: Rows = [
    (
        "worker",
        [
            (0, 2, "task", "A"),
            (2, 0.4, "move", ""),
            (2.4, 2, "task", "B"),
            (4.4, 0.4, "move", ""),
            (4.8, 2, "task", "C"),
            (6.8, 0.4, "move", ""),
            (7.2, 2, "task", "D"),
            (9.2, 0.4, "move", ""),
            (9.6, 2, "task", "E"),
        ],
    ),
]


def pulling() -> str:
    """Return a chain of five tasks, run by a pool with a queue and by a worker."""
    parts = [text(12, 24, "A pool and a queue: somebody hands out", "title")]
    parts += rows_at(40, DISPATCHED)
    parts += [text(12, 150, "Syncra: who ends a task takes the next one", "title")]
    parts += rows_at(166, PULLED)
    parts += legend(214)
    return drawing(640, 236, parts)


def rows_at(top: float, rows: Rows) -> list[str]:
    """Return the rows of a panel, one below the other."""
    parts = []
    for name, blocks in rows:
        parts.append(text(12, top + 17, name, "quiet"))
        for begin, length, kind, label in blocks:
            left, width = LEFT + begin * UNIT, length * UNIT
            parts.append(box(left, top, width - 1, HEIGHT, kind))
            if label:
                style = "quiet" if kind == "wait" else "label"
                parts.append(text(left + width / 2, top + 17, label, style, True))
        top += HEIGHT + 6
    return parts


def legend(top: float) -> list[str]:
    """Return what the colours mean."""
    parts, left = [], float(LEFT)
    for kind, words in (
        ("task", "a task"),
        ("move", "deciding what is next"),
        ("wait", "waiting, and being woken"),
    ):
        parts += [box(left, top, 14, 14, kind), text(left + 20, top + 12, words)]
        left += 40 + 8 * len(words)
    return parts


def lanes() -> str:
    """Return one run with three lanes around one machine."""
    parts = [box(230, 20, 180, 60, "wait", 8)]
    parts += [text(320, 45, "the machine of the run", "title", True)]
    parts += [text(320, 65, "counters, states, one lock", "quiet", True)]
    for left, name, who, what in (
        (10, "lane of the event loop", "worker coroutines", "coroutine functions"),
        (222, "lane of threads", "worker threads", "functions"),
        (434, "lane of processes", "a thread and a child each", "functions over there"),
    ):
        middle = left + 98
        parts.append(box(left, 140, 196, 74, "wait", 8))
        parts.append(text(middle, 161, name, "title", True))
        parts.append(text(middle, 182, who, "", True))
        parts.append(text(middle, 202, what, "quiet", True))
        parts.append(f'<path class="line" d="M{middle} 140 L320 82" />')
    parts.append(text(14, 116, "done with 4, what next?", "quiet"))
    parts.append(text(490, 116, "take 7; wake the loop", "quiet"))
    return drawing(640, 226, parts)


def text(x: float, y: float, words: str, style: str = "", middle: bool = False) -> str:
    """Return words at a place."""
    anchor = ' text-anchor="middle"' if middle else ""
    kind = f' class="{style}"' if style else ""
    return f'<text x="{x:g}" y="{y:g}"{kind}{anchor}>{words}</text>'


def box(
    x: float, y: float, width: float, height: float, kind: str, round_by: int = 3
) -> str:
    """Return a filled box."""
    size = f'width="{width:g}" height="{height:g}" rx="{round_by}"'
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" {size} />'


def drawing(width: int, height: int, parts: list[str]) -> str:
    """Return a whole drawing that looks well on dark ground too."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
    ground = f'<rect class="ground" width="{width}" height="{height}" rx="6" />'
    size = f'width="{width}" height="{height}">'
    lines = [f"{head} {size}", f"<style>{STYLE}</style>", ground, *parts, "</svg>"]
    return "\n".join(lines) + "\n"


DRAWINGS = {"pulling.svg": pulling, "lanes.svg": lanes}


def main() -> None:
    """Write all drawings."""
    for name, draw in DRAWINGS.items():
        (HERE / name).write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
