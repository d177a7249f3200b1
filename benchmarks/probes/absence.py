"""Looking for what a library does not have, where it can be looked for."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

from .model import Lacks, NotClear

#: Words in names, also in names like `withRetries`.
_WORDS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")


def lacks(places: Iterable[Any], *words: str) -> Lacks:
    """Return that no public name or parameter has one of the words in it.

    Parameters:
        places: modules, classes and functions, whose names, methods and parameters
            are looked through.
        words: each in every form that it may have.

    Raises:
        NotClear: if one is found, since somebody then has to look at it.
    """
    wanted, count = set(words), 0
    for name in _names_of(places):
        count += 1
        parts = {part.lower() for part in _WORDS.findall(name)}
        if parts & wanted:
            raise NotClear(f"there is {name!r}, which has to be looked at")

    asked = ", ".join(words)
    return Lacks(f"none of {count} public names and parameters speaks of {asked}")


def _names_of(places: Iterable[Any]) -> Iterator[str]:
    seen: set[int] = set()
    left = list(places)
    while left:
        place = left.pop()
        if id(place) in seen:
            continue

        seen.add(id(place))
        if isinstance(place, ModuleType):
            root = place.__name__.partition(".")[0]
            left += [one for one in _public(place) if _is_of(one, root)]
        elif inspect.isclass(place):
            yield place.__name__
            left += [one for one in _public(place) if inspect.isroutine(one)]
            yield from _parameters(place)
        else:
            yield getattr(place, "__name__", "")
            yield from _parameters(place)


def _is_of(thing: Any, package: str) -> bool:
    """Return whether a module has not merely imported it from elsewhere."""
    home = getattr(thing, "__module__", None) or ""
    return callable(thing) and str(home).partition(".")[0] == package


def _public(place: Any) -> list[Any]:
    names = [name for name in dir(place) if not name.startswith("_")]
    names += ["__call__"] if inspect.isclass(place) else []
    return [getattr(place, name, None) for name in names]


def _parameters(place: Any) -> list[str]:
    try:
        return list(inspect.signature(place).parameters)
    except (TypeError, ValueError):
        return []
