"""Whether this process is importing the program that it is a worker of."""

from __future__ import annotations


class Program:
    """Hold that.

    Attributes:
        importing: whether the main module is being imported for what it defines.
        is_cut_short: whether that has ended where it runs a graph.
    """

    __slots__ = ("importing", "is_cut_short")

    def __init__(self) -> None:
        self.importing = self.is_cut_short = False


#: Of this process.
program = Program()


class ReachedRun(BaseException):
    """End that import, since it has come to where the program runs a graph."""
