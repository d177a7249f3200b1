"""Whether this process is importing the program that it is a worker of."""

from __future__ import annotations


class Program:
    """Hold that.

    Attributes:
        importing: whether the main module is being imported for what it defines.
    """

    __slots__ = ("importing",)

    def __init__(self) -> None:
        self.importing = False


#: Of this process.
program = Program()


class ReachedRun(BaseException):
    """End that import, since it has come to where the program runs a graph."""
