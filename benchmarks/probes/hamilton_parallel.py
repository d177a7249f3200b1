"""A module of Hamilton's that calls a function for each item of a list.

Its annotations are read when a driver is built, so they are no strings.
"""

from collections.abc import Callable, Iterator
from typing import Any

from hamilton.htypes import Collect, Parallelizable


def items(values: list) -> Parallelizable[int]:  # type: ignore[type-arg]
    found: Iterator[int] = iter(values)
    yield from found


def each(items: int, function: Callable) -> Any:  # type: ignore[type-arg]
    return function(items)


def all_of(each: Collect[Any]) -> list:  # type: ignore[type-arg]
    return list(each)
