"""What the files of the tests name, and what they must not get at."""

from __future__ import annotations

import functools
import math
import os
import subprocess
from pathlib import Path
from typing import Any

import syncra


class Unlucky(Exception):
    """An exception that a retry policy of a file names."""


def extract(path: Path) -> tuple[list[int], str]:
    return [1, 2, 3], f"of {path}"


def double(rows: list[int], factor: int = 2) -> list[int]:
    return [factor * row for row in rows]


def single() -> tuple[list[int]]:
    return ([1, 2],)


async def total(rows: list[int]) -> int:
    return sum(rows)


def report(title: str, total: int, when: Any) -> str:
    return f"{title}: {total} {when}"


def grow(items: list[int]) -> list[int]:
    items.append(len(items))
    return items


def undo(result: object) -> None:
    UNDONE.append(result)


def fail() -> None:
    raise Unlucky("no luck")


def generator() -> Any:
    yield 1


def inner(function):
    def plain() -> None:
        pass

    return plain


UNDONE: list[object] = []

# What a module has besides its own functions.
system = os.system
run = subprocess.run
bound = functools.partial(os.system, "echo unwanted")
cached = functools.lru_cache(os.system)
wrapped = functools.wraps(extract)(functools.partial(os.system, "echo unwanted"))
method = Path().touch
root = math.sqrt
doubled = functools.partial(double, factor=3)
local = inner(extract)
number = 7


class Counter:
    """A class with every kind of method."""

    def __init__(self, start: int = 0) -> None:
        self.start = start

    def __call__(self, rows: list[int]) -> int:
        return self.start + len(rows)

    @staticmethod
    def count(rows: list[int]) -> int:
        return len(rows)

    @classmethod
    def named(cls) -> str:
        return cls.__name__

    secrets = os


counter = Counter(5)


class Opener(subprocess.Popen):
    """A class whose methods are those of another module."""


graph = syncra.Graph("of the tests")


@graph.task
def declared() -> int:
    return 4


class Everything:
    """Has every attribute there is, as what stands for something far away does."""

    def __getattr__(self, name: str) -> Everything:
        return Everything()

    def __call__(self) -> None:
        pass


everything = Everything()


def __getattr__(name: str) -> Any:
    if name == "way_out":
        raise SystemExit(3)

    raise AttributeError(name)
