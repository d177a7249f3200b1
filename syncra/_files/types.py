"""The types that files name for inputs, and their defaults."""

from __future__ import annotations

import datetime
from pathlib import Path, PurePath

from .._conversion import from_json
from .._inputs import Input

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: What a file calls the types; `json` is whatever JSON can say.
TYPES: dict[str, Any] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "path": Path,
    "date": datetime.date,
    "datetime": datetime.datetime,
    "list": list,
    "object": dict,
    "json": object,
}


def declared_input(name: str, said: Any) -> Input:
    """Return what a file says of an input.

    Parameters:
        name: its name.
        said: the name of its type, or a mapping that says more.

    Raises:
        ConversionError: if its default is not of its type.
    """
    if isinstance(said, str):
        return Input(name, TYPES[said])

    annotation = TYPES[said["type"]]
    default = Input.empty
    if "default" in said:
        default = said["default"]
        if default is not None and annotation is not object:
            default = from_json(default, annotation)
    return Input(name, annotation, default, said.get("description"))


def as_declared(found: Input) -> Any:
    """Return what a file says of an input, of one that a graph declares.

    Raises:
        ValueError: if a file cannot say it.
    """
    names = [name for name, kind in TYPES.items() if kind is found.annotation]
    if not names:
        raise ValueError(f"a file has no name for the type {found.annotation!r}")

    said: dict[str, Any] = {"type": names[0]}
    if not found.is_required:
        default = found.default
        if isinstance(default, PurePath):
            default = str(default)
        elif isinstance(default, datetime.date):
            default = default.isoformat()
        said["default"] = default
    if found.description is not None:
        said["description"] = found.description
    return said if len(said) > 1 else said["type"]
