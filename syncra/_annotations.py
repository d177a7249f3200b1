"""What annotations ask for, and how that is said."""

from __future__ import annotations

import dataclasses
import enum
import re
import types
import typing
from collections import abc
from pathlib import PurePath

from typing_extensions import is_typeddict

from ._names import unwrapped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

LISTS = (list, abc.Sequence, abc.MutableSequence, abc.Iterable, abc.Collection)
SETS = (set, abc.Set, abc.MutableSet)
MAPPINGS = (dict, abc.Mapping, abc.MutableMapping)
_QUALIFIERS = ("Annotated", "Required", "NotRequired", "ReadOnly", "Final")

#: What is expected of classes that are written as one word. By name, since a value of
#: a class that nobody has imported is not wanted either.
_EXPECTED = {
    "builtins.str": "text",
    "builtins.bool": "true or false",
    "builtins.int": "a whole number such as 3",
    "builtins.float": "a number such as 0.5",
    "datetime.datetime": "a date and time such as 2026-01-31T09:30:00",
    "datetime.date": "a date such as 2026-01-31",
    "datetime.time": "a time such as 09:30",
    "datetime.timedelta": "seconds such as 90, or a duration such as 1:30:00",
    "decimal.Decimal": "a decimal number such as 12.50",
    "uuid.UUID": "a UUID such as 12345678-1234-5678-1234-567812345678",
}


def expected(annotation: object) -> str:
    """Return what an annotation asks for, in words that follow "expected".

    Example:
        >>> expected(list[int])
        'a list of a whole number such as 3'
    """
    annotation = plain(annotation)
    if is_any(annotation):
        return "a value"

    origin: Any = typing.get_origin(annotation) or annotation
    arguments = typing.get_args(annotation)
    if is_union(origin):
        return " or ".join(dict.fromkeys(map(expected, arguments)))

    if origin is typing.Literal:
        return one_of(arguments)

    if annotation is type(None):
        return "nothing"

    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        return f"a list of {len(arguments)}: " + ", ".join(map(expected, arguments))

    if origin in LISTS or origin in SETS or origin in (tuple, frozenset):
        return "a list" + (f" of {expected(arguments[0])}" if arguments else "")

    if is_structure(origin):
        name = "" if origin in MAPPINGS else f" with the fields of {origin.__name__}"
        return f'a JSON object such as {{"key": 1}}{name}'

    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return one_of([member.name for member in annotation])

    return known(annotation) or f"a {type_name(annotation)}"


def type_name(annotation: object) -> str:
    """Return an annotation as it is written, without the names of modules.

    Example:
        >>> from pathlib import Path
        >>> type_name(list[Path] | None)
        'list[Path] | None'
    """
    if annotation is None:
        return ""

    if annotation is type(None):
        return "None"

    if isinstance(annotation, str):
        return annotation

    if isinstance(annotation, type) and not typing.get_args(annotation):
        return annotation.__name__

    # A name after a dot, but not a text such as that of a Literal.
    return re.sub(r"\b(?<!['\"])(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_])", "", str(annotation))


def plain(annotation: object) -> Any:
    """Return an annotation without what says nothing of its values."""
    while True:
        if getattr(annotation, "__supertype__", None) is not None:  # a NewType
            annotation = annotation.__supertype__  # type: ignore[attr-defined]
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__  # type: ignore[attr-defined]
        elif type(annotation) is typing.TypeVar:
            annotation = annotation.__bound__
        elif _qualifier(annotation) in _QUALIFIERS:
            annotation = typing.get_args(annotation)[0]
        else:
            return annotation


def is_needed(annotation: object, otherwise: bool) -> bool:
    """Return whether a field is needed, as its annotation says, or as is said here."""
    while (qualifier := _qualifier(annotation)) in _QUALIFIERS:
        if qualifier in ("NotRequired", "Required"):
            return qualifier == "Required"

        annotation = typing.get_args(annotation)[0]
    return otherwise


def _qualifier(annotation: object) -> str:
    origin = typing.get_origin(annotation)
    name: str = getattr(origin, "__name__", "") or getattr(origin, "_name", "") or ""
    return name


def is_any(annotation: object) -> bool:
    return annotation is None or annotation is object or annotation is typing.Any


def is_union(origin: object) -> bool:
    return origin is typing.Union or origin is types.UnionType


def is_structure(origin: object) -> bool:
    """Return whether values are written as a JSON object."""
    if origin in MAPPINGS or dataclasses.is_dataclass(origin) or is_typeddict(origin):
        return True

    return isinstance(origin, type) and hasattr(origin, "_fields")


def known(annotation: object) -> str | None:
    """Return what is expected of a class that is written as one word."""
    if annotation == abc.Hashable or not isinstance(annotation, type):
        return None

    if issubclass(annotation, PurePath) or annotation.__name__ == "PathLike":
        return "a path"

    for base in annotation.__mro__:
        found = _EXPECTED.get(f"{base.__module__}.{base.__qualname__}")
        if found is not None:
            return found

    return None


def one_of(values: Iterable[object]) -> str:
    """Return that one of some values is expected."""
    return "one of " + ", ".join(str(value) for value in values)


def resolved(annotation: object, function: object) -> object:
    """Return an annotation that may still be text as what it says.

    Parameters:
        annotation: as it stands at a parameter; anything.
        function: the function, whose module knows the names in it.

    Returns:
        None if it cannot be found out, as if there were no annotation.
    """
    text = getattr(annotation, "__forward_arg__", annotation)
    if not isinstance(text, str):
        return annotation

    # What only type checkers import is mostly one of these.
    import datetime
    import decimal
    import enum
    import pathlib
    import uuid

    names: dict[str, Any] = {}
    for module in (typing, abc, enum, decimal, uuid, pathlib, datetime):
        names |= vars(module)
    names |= {"datetime": datetime.datetime, "abc": abc, "typing": typing}
    for layer in reversed(unwrapped(function)):
        names |= getattr(layer, "__globals__", {})
    try:
        return eval(text, names)
    except Exception:
        return None
