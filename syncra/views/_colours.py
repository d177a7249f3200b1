"""How states look in pictures: fill, border and how the border is drawn.

Fills are pale and letters on them dark, whatever lies behind the picture; what stands
beside boxes is of a grey that can be read on white and on black. Nobody has to tell
colours apart: each state is also written in its box, and has a shape or border.
"""

from __future__ import annotations

from typing import NamedTuple

#: Edges, and texts outside of boxes.
GREY = "#757b86"
#: Names in boxes, and what is written below them.
INK = "#1c2430"
PALE_INK = "#4b5563"


class Look(NamedTuple):
    """Hold the look of a box: colours, and whether its border is thick or dashed."""

    fill: str
    border: str
    width: float = 1.0
    dashed: bool = False


LOOKS = {
    "task": Look("#eef2f8", "#5b6b84"),
    "input": Look("#fbf7e6", "#8a7434"),
    "group": Look("#e7ebf4", "#46566f"),
    "pending": Look("#ffffff", "#6b7280"),
    "running": Look("#d3e5ff", "#0b5cad", 2.0),
    "succeeded": Look("#d5f0dc", "#1a7f37"),
    "failed": Look("#ffd6d1", "#b3201a", 2.5),
    "skipped": Look("#eceef1", "#6b7280", 1.0, True),
    "cancelled": Look("#ffe8c2", "#935a00", 1.5, True),
}
