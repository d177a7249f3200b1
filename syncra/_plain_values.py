"""Values that are written as one word: numbers, dates, paths, members of enums."""

from __future__ import annotations

import datetime
import enum
import re
from pathlib import Path, PurePath

from ._annotations import expected, known

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The most characters of a wrong value that a message shows.
_MOST_SHOWN = 60

_WORDS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}

_DURATION = re.compile(
    r"(?P<sign>-?)(?:(?P<days>\d+) days?,? +)?"
    r"(?P<hours>\d+):(?P<minutes>[0-5]?\d)(?::(?P<seconds>[0-5]?\d(?:\.\d+)?))?",
    re.ASCII,
)


class ConversionError(ValueError):
    """Report a value that is not what an annotation asks for.

    Its text says what was expected, what there is instead, and where in the value.

    Attributes:
        message: the text without the place.
        where: the place in the value, such as "[3].price"; "" if it is the whole.
    """

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(f"at {where}: {message}" if where else message)
        self.message = message
        self.where = where


def unexpected(value: object, annotation: object) -> ConversionError:
    """Return the error that says what was expected in the place of a value."""
    shown = repr(value)
    if len(shown) > _MOST_SHOWN:
        shown = shown[:_MOST_SHOWN] + "..."
    return ConversionError(f"expected {expected(annotation)}, got {shown}")


def from_word(text: str, annotation: Any) -> object:
    """Return what one word stands for."""
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return _member(text, annotation)

    kind = known(annotation)
    if kind is None:
        raise ConversionError(
            f"expected {expected(annotation)}, which cannot be written as text"
        )

    if annotation is str:
        return text

    if kind == "a path":
        if not text:
            raise unexpected(text, annotation)

        return annotation(text) if issubclass(annotation, PurePath) else Path(text)

    word = text.strip()
    try:
        if annotation is bool:
            return _bool(word.lower())

        if issubclass(annotation, (datetime.date, datetime.time)):
            return annotation.fromisoformat(word)

        if issubclass(annotation, datetime.timedelta):
            return annotation(seconds=_duration(word))

        return annotation(word)
    except (ValueError, TypeError, ArithmeticError):
        raise unexpected(text, annotation) from None


def _duration(word: str) -> float:
    """Return seconds, from seconds or from hours, minutes and seconds."""
    found = _DURATION.fullmatch(word)
    if found is None:
        return float(word)

    whole = datetime.timedelta(
        days=float(found["days"] or 0),
        hours=float(found["hours"]),
        minutes=float(found["minutes"]),
        seconds=float(found["seconds"] or 0),
    ).total_seconds()
    return -whole if found["sign"] else whole


def _member(given: object, annotation: type[enum.Enum]) -> enum.Enum:
    """Return the member of an enumeration that has a name or a value."""
    members = annotation.__members__
    if isinstance(given, str) and given in members:
        return members[given]

    for member in annotation:
        value = member.value
        if value == given and isinstance(value, bool) == isinstance(given, bool):
            return member

        if isinstance(given, str) and str(value) == given:
            return member

    if isinstance(given, str):
        for name, member in members.items():
            if name.lower() == given.lower():
                return member

    raise unexpected(given, annotation)


def from_plain_value(value: object, annotation: Any) -> object:
    """Return what a value of JSON that is no list and no object stands for.

    Raises:
        ConversionError: if it stands for no such value.
    """
    if not isinstance(annotation, type):
        raise unexpected(value, annotation)

    if issubclass(annotation, enum.Enum):
        return value if isinstance(value, annotation) else _member(value, annotation)

    # For Python a bool is an int, and a datetime a date.
    is_bool = isinstance(value, bool)
    if isinstance(value, annotation) and is_bool == (annotation is bool):
        if annotation is not datetime.date or type(value) is datetime.date:
            return value

    if known(annotation) is None or is_bool:
        raise unexpected(value, annotation)

    if isinstance(value, str):
        if not issubclass(annotation, (int, float)):
            return from_word(value, annotation)
    elif isinstance(value, int):
        if annotation is not bool and _takes_numbers(annotation, int):
            return from_word(str(value), annotation)
    elif isinstance(value, float) and _takes_numbers(annotation, float):
        return from_word(str(value), annotation)
    raise unexpected(value, annotation)


def _takes_numbers(annotation: type, kind: type) -> bool:
    """Return whether values of a class can be made of an int, or of a float."""
    if kind is int and issubclass(annotation, int):
        return True

    return issubclass(annotation, (float, datetime.timedelta)) or any(
        base.__name__ == "Decimal" for base in annotation.__mro__
    )


def _bool(word: str) -> bool:
    if word not in _WORDS:
        raise ValueError

    return _WORDS[word]
