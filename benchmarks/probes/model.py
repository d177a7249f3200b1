"""How a probe says what it has seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["yes", "no", "does not apply", "not checked"]


@dataclass(frozen=True)
class Answer:
    """What is known of one library and one question.

    Attributes:
        outcome: what the table says.
        evidence: what was seen: a value, an exception, what was looked for in vain.
    """

    outcome: Outcome
    evidence: str


class Lacks(Exception):
    """Say that a library cannot do it, and what shows that."""


class NotClear(Exception):
    """Say that somebody has to look at it."""


class DoesNotApply(Exception):
    """Say that the question makes no sense for a library, and why."""
