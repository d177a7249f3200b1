"""A graph in the language of Graphviz, of which `dot` makes a picture."""

from __future__ import annotations

from html import escape

from ._colours import GREY, INK, LOOKS, PALE_INK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._model import Box, Edge, Picture

_FONT = "Helvetica,Arial,sans-serif"
_SHAPES = {
    "input": "parallelogram",
    "group": "box3d",
    "failed": "octagon",
}
#: Shapes whose corners are far out need less room within, those with a rim more.
_MARGINS = {"parallelogram": "0,0", "octagon": "0.04,0.02", "box3d": "0.18,0.12"}


def dot(picture: Picture, attributes: Mapping[str, str] | None = None) -> str:
    """Return a picture in the language of Graphviz.

    Parameters:
        picture: what is drawn.
        attributes: of the whole graph, in addition to ours or instead.
    """
    title = f"<b>{markup(picture.title)}</b>: {markup(picture.counts)}"
    whole = {
        "rankdir": picture.direction,
        "bgcolor": "transparent",
        "fontname": _FONT,
        "fontsize": "13",
        "fontcolor": GREY,
        "labelloc": "t",
        "ranksep": "0.45",
        "nodesep": "0.22",
        "tooltip": picture.title,
        **(attributes or {}),
    }
    boxes = {"fontname": _FONT, "fontsize": "12", "fontcolor": INK, "height": "0.4"}
    edges = {
        "fontname": _FONT,
        "fontsize": "10",
        "fontcolor": GREY,
        "color": GREY,
        "arrowsize": "0.7",
    }
    lines = [
        f"digraph {quoted(picture.title)} {{",
        f"    graph [label=<{title}>, {_listed(whole)}]",
        f'    node [{_listed(boxes)}, margin="0.14,0.06"]',
        f"    edge [{_listed(edges)}]",
        *(f"    {_box(box)}" for box in picture.boxes),
        *(f"    {_edge(edge)}" for edge in picture.edges),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _box(box: Box) -> str:
    look = LOOKS[box.state or box.kind]
    shape = _SHAPES.get(box.kind) or _SHAPES.get(box.state or "", "box")
    styles = ["filled"]
    if shape == "box" and not look.dashed:
        styles.append("rounded")
    if look.dashed:
        styles.append("dashed")
    text = markup(box.title)
    for remark in box.remarks:
        size = f'point-size="10" color="{PALE_INK}"'
        text += f"<br/><font {size}>{markup(remark)}</font>"
    attributes = {
        "shape": shape,
        "style": ",".join(styles),
        "fillcolor": look.fill,
        "color": look.border,
        "penwidth": f"{look.width:g}",
        "tooltip": box.hint,
        "class": " ".join(filter(None, (box.kind, box.state))),
    }
    if shape in _MARGINS:
        attributes["margin"] = _MARGINS[shape]
    return f"{box.id} [label=<{text}>, {_listed(attributes)}]"


def _edge(edge: Edge) -> str:
    attributes = {}
    if edge.is_order:
        attributes["style"] = "dashed"
    # Otherwise the hint would say what we call the boxes.
    what = edge.label or ("order" if edge.is_order else "data")
    attributes["tooltip"] = attributes["labeltooltip"] = what
    label = f"label=<{markup(edge.label)}>, " if edge.label else ""
    return f"{edge.source} -> {edge.target} [{label}{_listed(attributes)}]"


def _listed(attributes: Mapping[str, str]) -> str:
    return ", ".join(
        f"{name}={quoted(value, name.endswith('tooltip'))}"
        for name, value in attributes.items()
    )


def quoted(text: str, is_hint: bool = False) -> str:
    """Return a text as a string, in which Graphviz finds nothing to replace.

    In hints it looks twice for what to replace.
    """
    backslash = "\\" * (4 if is_hint else 2)
    text = escape(text, quote=False).replace("\\", backslash).replace('"', '\\"')
    return f'"{text}"'


def markup(text: str) -> str:
    """Return a text for a label of markup, in which it is nothing but text."""
    # A label that ends with a bracket is a syntax error to Graphviz 2.
    return escape(text).replace("\\", "\\\\").replace("]", "&#93;")
