"""What failed, put together by where it was raised, and no longer than room is."""

from __future__ import annotations

from typing import NamedTuple

from .._names import text_of
from .plain_text import Texts, plain_line, plain_text, weight

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._records import TaskRecord

#: How many bytes all messages and all tracebacks may take.
ROOM_FOR_MESSAGES = 1_500_000
ROOM_FOR_TRACEBACKS = 1_200_000
LONGEST_MESSAGE = 2_000
SHORTEST_MESSAGE = 80
LONGEST_TRACEBACK = 12_000
#: How many tracebacks are shown of errors that were raised at one place.
TRACEBACKS_OF_A_PLACE = 10


class Failure(NamedTuple):
    """Hold the error of one task.

    Attributes:
        message: number of the text that says its class and what it says.
        place: number of the place it was raised at.
        traceback: number of its traceback, or of another one from the same place; None
            if there is none.
        is_own: whether it is the task's own.
    """

    message: int
    place: int
    traceback: int | None
    is_own: bool


class Failures:
    """Hold the errors of a run.

    Attributes:
        of: the error of each task that has one, by position.
        messages: texts.
        places: the tasks whose errors were raised at each place, and of what class; in
            topological order of the first of them.
        tracebacks: texts.
    """

    def __init__(self, remarkable: Mapping[int, TaskRecord]) -> None:
        failed = {
            task: record
            for task, record in remarkable.items()
            if record.error is not None
        }
        texts = sum(len(record.attempts) for record in remarkable.values())
        self._longest = max(
            min(LONGEST_MESSAGE, ROOM_FOR_MESSAGES // max(texts, 1)), SHORTEST_MESSAGE
        )
        self.messages = Texts(ROOM_FOR_MESSAGES)
        self.of: dict[int, Failure] = {}
        self.places: list[tuple[str, list[int]]] = []
        self.tracebacks: list[str] = []
        self._room = ROOM_FOR_TRACEBACKS
        self._numbers: dict[str, int] = {}
        self._known: dict[object, int] = {}
        self._shown: list[list[int]] = []
        for task, record in failed.items():
            self.of[task] = self._failure(task, record)

    def message(self, error: BaseException) -> int:
        """Return the number of the text that says class and text of an error."""
        kind = plain_line(type(error).__name__, 200)
        return self.messages.number_of(
            plain_text(text_of(error), self._longest), f"{kind}: …"
        )

    def _failure(self, task: int, record: TaskRecord) -> Failure:
        error = record.error
        assert error is not None
        key = type(error), _raised_at(record, error)
        place = self._known.setdefault(key, len(self.places))
        if place == len(self.places):
            self.places.append((plain_line(type(error).__name__, 200), []))
            self._shown.append([])
        self.places[place][1].append(task)
        shown = self._shown[place]
        is_own = len(shown) < TRACEBACKS_OF_A_PLACE and self._room > 0
        if is_own:
            shown.append(self._number(record.traceback or ""))
        return Failure(self.message(error), place, shown[-1] if shown else None, is_own)

    def _number(self, traceback: str) -> int:
        text = plain_text(traceback, LONGEST_TRACEBACK).strip("\n")
        number = self._numbers.setdefault(text, len(self.tracebacks))
        if number == len(self.tracebacks):
            self.tracebacks.append(text)
            self._room -= weight(text)
        return number


def _raised_at(record: TaskRecord, error: BaseException) -> object:
    """Return what is the same for errors that were raised at the same place."""
    traceback = record._traceback or error.__traceback__
    if traceback is None:
        return None

    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback.tb_frame.f_code, traceback.tb_lineno
