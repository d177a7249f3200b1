"""A graph as text for Mermaid, which GitHub, GitLab and notebooks make a picture of."""

from __future__ import annotations

import json

from ._colours import INK, LOOKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._model import Box, Edge, Picture

#: What encloses the title of a box: by its state, else by its kind.
_SHAPES = {
    "input": ("[/", "/]"),
    "group": ("[[", "]]"),
    "failed": ("{{", "}}"),
    "skipped": ("[", "]"),
    "cancelled": ("[", "]"),
}
_SHAPE = ("(", ")")


def mermaid(picture: Picture) -> str:
    """Return a picture as the text of a Mermaid flowchart."""
    title = f"{picture.title}: {picture.counts}"
    lines = ["---", f"title: {_quoted_title(title)}", "---"]
    lines.append(f"flowchart {picture.direction}")
    lines += [f"    {_box(box)}" for box in picture.boxes]
    lines += [f"    {_edge(edge)}" for edge in picture.edges]
    used = {_look(box) for box in picture.boxes}
    for name, look in LOOKS.items():
        if name in used:
            dashes = ",stroke-dasharray:5 4" if look.dashed else ""
            lines.append(
                f"    classDef {name} fill:{look.fill},stroke:{look.border},"
                f"stroke-width:{look.width:g}px,color:{INK}{dashes}"
            )
    return "\n".join(lines) + "\n"


def _box(box: Box) -> str:
    opening, closing = _SHAPES.get(box.kind) or _SHAPES.get(box.state or "", _SHAPE)
    text = "<br/>".join(map(escaped, (box.title, *box.remarks)))
    return f'{box.id}{opening}"{text}"{closing}:::{_look(box)}'


def _look(box: Box) -> str:
    return box.state or box.kind


def _edge(edge: Edge) -> str:
    arrow = "-.->" if edge.is_order else "-->"
    label = f'|"{escaped(edge.label)}"|' if edge.label else ""
    return f"{edge.source} {arrow}{label} {edge.target}"


def escaped(text: str) -> str:
    """Return a text for a label, where Mermaid takes none of it for its own.

    Everything but letters and digits is given by number: there are quotes, brackets,
    HTML, Markdown, icons and directives that would do something.
    """
    # It marks numbers with a letter of its own, which would end up as one.
    text = text.replace("ﬂ", "fl")
    return "".join(
        letter
        if letter.isalnum() or letter in " _," or ord(letter) > 0x2000
        else f"#{ord(letter)};"
        for letter in text
    )


def _quoted_title(title: str) -> str:
    """Return a title as YAML, in which Mermaid finds no directive of its own."""
    quoted = json.dumps(title, ensure_ascii=False)
    for letter in "%{}<>&#;`$":
        quoted = quoted.replace(letter, f"\\u{ord(letter):04x}")
    return quoted
