"""Values for the parameters of tasks, from text and from JSON, by annotation."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections import abc
from pathlib import Path

from typing_extensions import get_type_hints, is_typeddict

from ._annotations import (
    LISTS,
    MAPPINGS,
    SETS,
    is_any,
    is_needed,
    is_structure,
    is_union,
    plain,
)
from ._names import hint, listed, nearest
from ._plain_values import ConversionError, from_plain_value, from_word, unexpected

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

__all__ = ["ConversionError", "from_json", "from_text"]

#: How text says None.
_NOTHING = frozenset(("", "none", "null"))


def from_text(text: str, annotation: object) -> object:
    """Return the value that a text stands for where `annotation` is expected.

    Parameters:
        text: as it stands in a command line.
        annotation: the annotation of a parameter, no string; None for none.

    Raises:
        ConversionError: if it stands for no such value.

    Example:
        >>> from_text("3, 4", list[int])
        [3, 4]
    """
    annotation = plain(annotation)
    if is_any(annotation):
        try:
            return _parsed(text)
        except ValueError:
            return text

    origin = typing.get_origin(annotation) or annotation
    if is_union(origin):
        return _text_of_union(text, annotation)

    if origin is typing.Literal:
        return _literal(text, annotation, from_text)

    if annotation is type(None):
        _check_nothing(text, text.strip().lower() in _NOTHING)
        return None

    if origin in LISTS or origin in SETS or origin in (tuple, frozenset):
        return from_json(_items(text, annotation), annotation, _from_part)

    if is_structure(origin):
        return from_json(_structure(text, annotation), annotation)

    return from_word(text, annotation)


def from_json(
    value: object,
    annotation: object,
    convert: Callable[[Any, object], object] | None = None,
) -> object:
    """Return the value that JSON, or what TOML and YAML have more, stands for.

    Parameters:
        value: of None, bool, int, float, str, list and dict; dates may be there.
        annotation: the annotation of a parameter, no string; None for none.
        convert: what converts the items of a list; this function if None.

    Raises:
        ConversionError: if it stands for no such value.

    Example:
        >>> from datetime import timedelta
        >>> from_json({"wait": "0:01:30"}, dict[str, timedelta])
        {'wait': datetime.timedelta(seconds=90)}
    """
    annotation = plain(annotation)
    if is_any(annotation):
        return value

    origin = typing.get_origin(annotation) or annotation
    try:
        if is_union(origin):
            return _json_of_union(value, annotation)

        if origin is typing.Literal:
            return _literal(value, annotation, from_json)

        if annotation is type(None):
            _check_nothing(value, value is None)
            return None

        if origin in LISTS or origin in SETS or origin in (tuple, frozenset):
            return _collection(value, annotation, origin, convert or from_json)

        if origin in MAPPINGS:
            return _mapping(value, annotation)

        if is_structure(origin):
            return _fields(value, annotation, origin)
    except RecursionError:
        raise ConversionError("it is nested too deeply") from None

    return from_plain_value(value, annotation)


# From text.


def _text_of_union(text: str, annotation: object) -> object:
    """Return a text as the first of several annotations that it fits."""
    kinds = [plain(kind) for kind in typing.get_args(annotation)]
    # What fits fewer texts is tried first: "1" is an int, though also a float and text.
    rank = {type(None): -3, int: -2, float: -1, bool: 0, Path: 2, str: 3}
    kinds.sort(key=lambda kind: 4 if is_any(kind) else rank.get(kind, 1))
    return _first_of(text, annotation, kinds, from_text)


def _items(text: str, annotation: object) -> list[object]:
    """Return the items of a list that is JSON or separated by commas."""
    if not text.strip():
        return []

    if text.lstrip().startswith("["):
        found = _structure(text, annotation)
        assert isinstance(found, list)
        return found

    return [_Part(part.strip()) for part in text.split(",")]


class _Part(str):
    """Be an item of a list that was written as text, not as JSON."""

    __slots__ = ()


def _from_part(value: object, annotation: object) -> object:
    if isinstance(value, _Part):
        return from_text(str(value), annotation)

    return from_json(value, annotation)


def _structure(text: str, annotation: object) -> object:
    try:
        return _parsed(text)
    except ValueError as error:
        raise ConversionError(
            f"{unexpected(text, annotation)}, which is no JSON: {error}"
        ) from None


def _parsed(text: str) -> object:
    """Return what JSON says. Raises a ValueError that says where it is none."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


# From JSON.


def _collection(
    value: object,
    annotation: object,
    origin: Any,
    convert: Callable[[Any, object], object],
) -> object:
    """Return a list, tuple or set."""
    if not isinstance(value, (list, tuple, *SETS)):
        raise unexpected(value, annotation)

    kinds: Sequence[object] = typing.get_args(annotation)
    if origin is tuple and kinds and kinds[-1] is not Ellipsis:
        if len(value) != len(kinds):
            raise unexpected(value, annotation)
    else:
        kinds = [kinds[0] if kinds else None] * len(value)
    items = [
        _within(f"[{index}]", convert, item, kind)
        for index, (item, kind) in enumerate(zip(value, kinds, strict=True))
    ]
    if origin is tuple:
        return tuple(items)

    if origin not in SETS and origin is not frozenset:
        return items

    try:
        return frozenset(items) if origin is frozenset else set(items)
    except TypeError as error:
        raise ConversionError(f"a set cannot hold this: {error}") from None


def _mapping(value: object, annotation: object) -> object:
    """Return a dict whose keys, which JSON has as text, are converted too."""
    if not isinstance(value, abc.Mapping):
        raise unexpected(value, annotation)

    key_kind, value_kind = typing.get_args(annotation) or (None, None)
    return {
        _within(f"[{key!r}]", _key, key, key_kind): _within(
            f"[{key!r}]", from_json, item, value_kind
        )
        for key, item in value.items()
    }


def _key(key: object, annotation: object) -> object:
    if isinstance(key, str) and not is_any(plain(annotation)):
        return from_text(key, annotation)

    return from_json(key, annotation)


def _fields(value: object, annotation: object, origin: Any) -> object:
    """Return a dataclass, TypedDict or named tuple from a JSON object."""
    if isinstance(origin, type) and not is_typeddict(origin):
        if isinstance(value, origin):
            return value

    if not isinstance(value, abc.Mapping):
        raise unexpected(value, annotation)

    kinds, required = _fields_of(origin)
    for name in value:
        if name not in kinds:
            raise ConversionError(
                f"{origin.__name__} has no field {name!r}, only {listed(kinds)}."
                + hint(nearest(str(name), kinds))
            )

    missing = [name for name in required if name not in value]
    if missing:
        raise ConversionError(f"{origin.__name__} also needs {listed(missing)}")

    found = {
        name: _within(f".{name}", from_json, item, kinds[name])
        for name, item in value.items()
    }
    try:
        return origin(**found)
    except (TypeError, ValueError) as error:
        raise ConversionError(f"{origin.__name__} refuses it: {error}") from error


def _fields_of(origin: Any) -> tuple[dict[str, object], list[str]]:
    """Return the annotations of fields by name, and the names of those needed."""
    try:
        kinds = get_type_hints(origin, include_extras=True)
    except Exception as error:  # an annotation is code of the user's
        raise ConversionError(
            f"the annotations of {origin.__name__} cannot be read: {error}"
        ) from error

    if is_typeddict(origin):
        # Python sees neither Required nor NotRequired in annotations that are strings.
        known = origin.__required_keys__
        return kinds, [
            name for name, kind in kinds.items() if is_needed(kind, name in known)
        ]

    if not dataclasses.is_dataclass(origin):  # a named tuple
        names = origin._fields
        return (
            {name: kinds.get(name) for name in names},
            [name for name in names if name not in origin._field_defaults],
        )

    fields = [field for field in dataclasses.fields(origin) if field.init]
    nothing = dataclasses.MISSING
    return (
        {field.name: kinds.get(field.name) for field in fields},
        [
            field.name
            for field in fields
            if field.default is nothing and field.default_factory is nothing
        ],
    )


def _json_of_union(value: object, annotation: object) -> object:
    """Return a value as the first of several annotations that it fits."""
    kinds = [plain(kind) for kind in typing.get_args(annotation)]
    # What a value is already needs no conversion: a text stays text beside a date.
    for kind in kinds:
        if kind is type(value):
            return value

    return _first_of(value, annotation, sorted(kinds, key=is_any), from_json)


def _check_nothing(value: object, is_nothing: bool) -> None:
    if not is_nothing:
        raise unexpected(value, type(None))


def _first_of(
    value: Any,
    annotation: object,
    kinds: list[Any],
    convert: Callable[[Any, object], object],
) -> object:
    for kind in kinds:
        try:
            return convert(value, kind)
        except ConversionError as error:
            last = error
    if sum(kind is not type(None) for kind in kinds) == 1:
        raise last

    raise unexpected(value, annotation)


def _literal(
    value: Any, annotation: object, convert: Callable[[Any, object], object]
) -> object:
    """Return the one of the values allowed that a value stands for."""
    allowed = typing.get_args(annotation)
    for one in allowed:
        try:
            found = convert(value, type(one))
        except ConversionError:
            continue

        if found == one and type(found) is type(one):
            return one

    raise unexpected(value, annotation)


def _within(
    where: str, convert: Callable[[Any, object], object], value: Any, kind: object
) -> Any:
    """Return an item of a value, converted; an error says where it was."""
    try:
        return convert(value, kind)
    except ConversionError as error:
        raise ConversionError(error.message, where + error.where) from None
