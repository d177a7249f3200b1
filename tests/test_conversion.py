"""Values of parameters from text and from JSON, by annotation."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    Required,
)
from uuid import UUID

import pytest
from typing_extensions import TypedDict

from syncra._conversion import ConversionError, from_json, from_text


class Colour(enum.Enum):
    RED = "r"
    BLUE = 2


class Celsius(float):
    pass


Metres = NewType("Metres", float)


@dataclass
class Order:
    item: str
    due: date
    prices: list[Decimal] = field(default_factory=list)


class Size(enum.Enum):
    SMALL = 1.5
    LARGE = 2


class Steps(int):
    pass


class Place(TypedDict):
    city: str
    zip: NotRequired[int]


class Address(Place, total=False):
    street: Required[str]
    number: Annotated[NotRequired[int], "of the house"]


class Point(NamedTuple):
    x: int
    y: int = 0


ID = UUID("12345678-1234-5678-1234-567812345678")

FROM_TEXT: list[tuple[str, Any, object]] = [
    ("5", str, "5"),
    (" a ", str, " a "),
    ("-5", int, -5),
    ("5", float, 5.0),
    ("1e3", float, 1000.0),
    ("Yes", bool, True),
    ("0", bool, False),
    ("a b/c.csv", Path, Path("a b/c.csv")),
    ("2026-01-31", date, date(2026, 1, 31)),
    ("2026-01-31T09:30:00+00:00", datetime, datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
    ("09:30", time, time(9, 30)),
    ("90", timedelta, timedelta(seconds=90)),
    ("0.5", timedelta, timedelta(seconds=0.5)),
    ("1:30:00", timedelta, timedelta(hours=1, minutes=30)),
    ("-2 days, 0:30", timedelta, -timedelta(days=2, minutes=30)),
    ("12.50", Decimal, Decimal("12.50")),
    (str(ID), UUID, ID),
    ("RED", Colour, Colour.RED),
    ("r", Colour, Colour.RED),
    ("2", Colour, Colour.BLUE),
    ("blue", Colour, Colour.BLUE),
    ("fast", Literal["fast", "slow"], "fast"),
    ("2", Literal[1, 2], 2),
    ("3, 4", list[int], [3, 4]),
    ("[3, 4]", list[int], [3, 4]),
    ("", list[int], []),
    ("a,b", Sequence[str], ["a", "b"]),
    ('["a,b"]', list[str], ["a,b"]),
    ("2026-01-31,2026-02-01", list[date], [date(2026, 1, 31), date(2026, 2, 1)]),
    ("3,x", tuple[int, str], (3, "x")),
    ("1,2,3", tuple[int, ...], (1, 2, 3)),
    ("1,1", set[int], {1}),
    ("a", frozenset[str], frozenset("a")),
    ('{"a": "1.5"}', dict[str, Decimal], {"a": Decimal("1.5")}),
    ('{"1": [2]}', Mapping[int, list[float]], {1: [2.0]}),
    ("none", int | None, None),
    ("7", Optional[int], 7),  # noqa: UP045 - as users of it write
    ("7", int | str, 7),
    ("seven", str | int, "seven"),
    ("7", float | int, 7),
    ("3", Annotated[int, "more than 2"], 3),
    ("3", Metres, 3.0),
    ("3", Celsius, Celsius(3)),
    ("1.5", Size, Size.SMALL),
    ('{"city": "Ulm", "street": "A"}', Address, {"city": "Ulm", "street": "A"}),
    ('{"item": "tea", "due": "2026-01-31"}', Order, Order("tea", date(2026, 1, 31))),
    ('{"city": "Ulm"}', Place, {"city": "Ulm"}),
    ('{"x": 1}', Point, Point(1)),
    ("[1, 2]", None, [1, 2]),
    ("plain text", None, "plain text"),
    ('"5"', object, "5"),
    ("5", Any, 5),
    ("1,2", list, [1, 2]),
]


@pytest.mark.parametrize(("text", "annotation", "value"), FROM_TEXT)
def test_text_becomes_what_the_annotation_asks_for(
    text: str, annotation: object, value: object
) -> None:
    found = from_text(text, annotation)

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "annotation", "message"),
    [
        ("x", int, "expected a whole number such as 3, got 'x'"),
        ("1.5", int, "expected a whole number such as 3, got '1.5'"),
        ("maybe", bool, "expected true or false, got 'maybe'"),
        ("31.1.26", date, "expected a date such as 2026-01-31, got '31.1.26'"),
        ("", Path, "expected a path, got ''"),
        ("x", Decimal, "expected a decimal number such as 12.50, got 'x'"),
        ("1e999999", timedelta, "expected seconds such as 90, or"),
        ("GREEN", Colour, "expected one of RED, BLUE, got 'GREEN'"),
        ("3", Literal[1, 2], "expected one of 1, 2, got '3'"),
        ("1,x", list[int], r"at [1]: expected a whole number such as 3, got 'x'"),
        ("1", tuple[int, int], "expected a list of 2: a whole number such as 3, a"),
        ("[1", list[int], "which is no JSON"),
        ("x", int | None, "expected a whole number such as 3, got 'x'"),
        ("x", int | bool, "a whole number such as 3 or true or false"),
        ("x", bytearray, "expected a bytearray, which cannot be written as text"),
        ('{"item": "tea", "due": 5}', Order, "at .due: expected a date such as"),
        ('{"itme": "tea"}', Order, "Did you mean 'item'?"),
        ('{"item": "tea"}', Order, "Order also needs 'due'"),
        ('{"city": 5}', Place, "at .city: expected text, got 5"),
        ('{"city": "Ulm"}', Address, "Address also needs 'street'"),
        ("x", dict[str, Any], "expected a JSON object such as"),
        ("5", dict[str, int], "expected a JSON object such as"),
        ("[" * 100_000, list[int], "nested too deeply"),
        ("9" * 5000, int, "expected a whole number such as 3, got '999"),
    ],
)
def test_a_text_that_does_not_fit_is_told_what_was_expected(
    text: str, annotation: object, message: str
) -> None:
    with pytest.raises(ConversionError) as caught:
        from_text(text, annotation)

    assert message in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("value", "annotation", "result"),
    [
        (5, int, 5),
        (5, float, 5.0),
        (True, bool, True),
        ("2026-01-31", date, date(2026, 1, 31)),
        (date(2026, 1, 31), date, date(2026, 1, 31)),
        (90, timedelta, timedelta(seconds=90)),
        (0.1, Decimal, Decimal("0.1")),
        (["a", "b"], tuple[Path, ...], (Path("a"), Path("b"))),
        ("2026-01-31", date | str, "2026-01-31"),
        (2, Colour, Colour.BLUE),
        (2.0, Size, Size.LARGE),
        (3, Steps, Steps(3)),
        (None, int | None, None),
        ([{"x": 1}, {"x": 2, "y": 3}], list[Point], [Point(1), Point(2, 3)]),
        ({"deep": [1]}, None, {"deep": [1]}),
    ],
)
def test_json_becomes_what_the_annotation_asks_for(
    value: object, annotation: object, result: object
) -> None:
    found = from_json(value, annotation)

    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        ("5", int),
        (5.5, int),
        (True, int),
        (True, float),
        (1, bool),
        (5, str),
        (datetime(2026, 1, 31, tzinfo=UTC), date),
        ("a", list[str]),
        ({}, list[str]),
        (None, str),
        (5, date),
        (0.5, Path),
        ([[1]], set[list[int]]),
        ("true", Literal[True]),
        (1, Literal[True]),
    ],
)
def test_json_of_another_kind_is_refused(value: object, annotation: object) -> None:
    with pytest.raises(ConversionError):
        from_json(value, annotation)


def test_what_is_wrong_deep_inside_is_located() -> None:
    orders = [{"item": "tea", "due": "2026-01-31", "prices": ["1", "x"]}]

    with pytest.raises(ConversionError, match=r"^at \[0\]\.prices\[1\]: expected a"):
        from_json(orders, list[Order])
