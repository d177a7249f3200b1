"""Pictures in files and notebooks, made by the program `dot`."""

from __future__ import annotations

import os
from pathlib import Path
from secrets import token_hex

from .._names import hint, listed, nearest
from .dot import dot
from .dot_program import picture_by_dot
from .mermaid import mermaid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container
    from os import PathLike
    from typing import Any

    from ._model import Picture

#: The formats of files, and what is set for them beside the picture itself.
FORMATS: dict[str, dict[str, str]] = {
    "svg": {},
    "png": {"bgcolor": "white", "dpi": "144", "pad": "0.15"},
    "pdf": {"bgcolor": "white"},
}

#: With more edges than this `dot` keeps a reader of a notebook waiting.
MOST_EDGES_SHOWN = 600
#: How many seconds `dot` may take for a notebook, which shows the text as well.
LONGEST_WAIT = 10.0


def check_suffix(path: str | PathLike[str]) -> str:
    """Return the format that the name of a file asks for.

    Raises:
        ValueError: if there is no such format.
    """
    suffix = Path(path).suffix
    found = suffix.removeprefix(".").lower()
    if found in FORMATS:
        return found

    raise ValueError(
        f"a picture is drawn as {listed(FORMATS)}, by the suffix of its file; "
        f"{str(path)!r} has {f'the suffix {suffix!r}' if suffix else 'none'}."
        + hint(nearest(found, FORMATS))
    )


def draw(
    picture: Picture, path: str | PathLike[str], form: str, timeout: float | None
) -> Path:
    """Draw a picture into a file, which is there whole or not at all; return its path.

    Raises:
        MissingExtraError: if the package graphviz or its program `dot` is not there.
        DrawingFailed: if that fails, or takes longer than `timeout` seconds.
        OSError: if the file cannot be written.
    """
    path = Path(path)
    write_whole(path, drawn(picture, form, timeout))
    return path


def drawn(picture: Picture, form: str, timeout: float | None) -> bytes:
    """Return what a file of a picture has in it. Raises what `draw` does."""
    what = f"{len(picture.boxes):,} boxes and {len(picture.edges):,} edges"
    return picture_by_dot(dot(picture, FORMATS[form]), form, timeout, what)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file beside its place and move it there when all of it is written.

    A link that has the name of the file is replaced, not followed.
    """
    beside = path.with_name(f".{path.name[:100]}.{token_hex(8)}")
    try:
        try:
            with beside.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        error.filename = str(path)
        del error.filename2  # set to None it would be shown
        raise


def bundle(
    text: Callable[[], str],
    picture: Callable[[], Picture],
    include: Container[str] | None = None,
    exclude: Container[str] | None = None,
) -> dict[str, Any]:
    """Return what a notebook may show, by media type. Never raises an `Exception`.

    Parameters:
        text: gives the text.
        picture: gives the picture.
        include: the media types wanted; all if None.
        exclude: media types that are not wanted.
    """

    def wanted(kind: str) -> bool:
        return (not include or kind in include) and not (exclude and kind in exclude)

    found: dict[str, Any] = {}
    try:
        if wanted("text/plain"):
            found["text/plain"] = text()
        shown = picture()
        if wanted("image/svg+xml") and len(shown.edges) <= MOST_EDGES_SHOWN:
            try:
                found["image/svg+xml"] = drawn(shown, "svg", LONGEST_WAIT).decode()
            except Exception:  # JupyterLab can draw the other one by itself
                if wanted("text/vnd.mermaid"):
                    found["text/vnd.mermaid"] = mermaid(shown)
    except Exception:
        pass  # a graph with a mistake has no picture, but its text says which
    return found
