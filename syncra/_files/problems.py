"""What is wrong with a file: where, what was expected, and what was found."""

from __future__ import annotations

from .._names import printable
from ..errors import FlowFileError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import NoReturn, TypeAlias

    #: Keys and indices from the top of a document to one of its values.
    Path: TypeAlias = tuple[str | int, ...]
    #: Line and column, from 1.
    Mark: TypeAlias = tuple[int, int]
    #: Where the keys and where the values of some paths are.
    Marks: TypeAlias = Mapping[Path, tuple[Mark, Mark]]

#: How many problems are kept, and how many of those the text of the error shows.
MOST_KEPT = 1_000
MOST_SHOWN = 20
#: How much of a text of the file is shown, and how much of a message.
_LONGEST = 60
_LONGEST_MESSAGE = 2_000


class Problem:
    """Hold one thing that is wrong with a file.

    Attributes:
        file: the file, as it was named by whoever reads it; None for a mapping.
        line: the line, from 1; None if it is not known.
        column: the column, from 1; None if it is not known.
        path: the place in the document, such as "tasks[2].retry.attempts"; "" if it is
            the whole of it.
        message: what was expected and what was found.
    """

    __slots__ = ("column", "file", "line", "message", "path")

    def __init__(
        self,
        file: str | None,
        line: int | None,
        column: int | None,
        path: str,
        message: str,
    ) -> None:
        self.file = file
        self.line = line
        self.column = column
        self.path = path
        self.message = message

    def __str__(self) -> str:
        place = [str(part) for part in (self.file, self.line, self.column) if part]
        parts = [":".join(place), self.path, self.message]
        return ": ".join(part for part in parts if part)

    def __repr__(self) -> str:
        return f"<Problem {str(self)!r}>"


class Found:
    """Hold a problem whose place in the text has not been looked for yet."""

    __slots__ = ("mark", "message", "of_key", "path")

    def __init__(self, path: Path, message: str, of_key: bool, mark: Mark | None):
        self.path = path
        self.message = message
        self.of_key = of_key
        self.mark = mark


class Problems:
    """Collect what is wrong with one document.

    Parameters:
        file: the file, for messages; None for a mapping.
        locate: returns where keys and values are, of those paths that it knows.
    """

    def __init__(
        self, file: str | None, locate: Callable[[Iterable[Path]], Marks]
    ) -> None:
        self.file = file
        self.locate = locate
        self.found: list[Found] = []
        self._left_out = 0

    @property
    def are_few(self) -> bool:
        """Return whether the next one is shown: to look for what was meant is slow."""
        return len(self.found) < MOST_SHOWN

    @property
    def are_too_many(self) -> bool:
        """Return whether no more are kept, so that nobody needs to look for them."""
        return len(self.found) >= MOST_KEPT

    def add(
        self,
        path: Path,
        message: str,
        *,
        of_key: bool = False,
        mark: Mark | None = None,
    ) -> None:
        """Take note of a problem.

        Parameters:
            path: the value it is about.
            message: what was expected and what was found.
            of_key: whether it is about the last key of the path, not about its value.
            mark: line and column, if known already.
        """
        if len(self.found) < MOST_KEPT:
            self.found.append(Found(path, message, of_key, mark))
        else:
            self._left_out += 1

    def raise_all(self) -> None:
        """Raise a `FlowFileError` of all problems; do nothing if there is none."""
        if self.found:
            self._raise()

    def _raise(self) -> NoReturn:
        marks = self.locate([one.path for one in self.found if one.mark is None])
        problems = [self._problem(one, marks) for one in self.found]
        problems.sort(key=lambda one: (one.line or 0, one.column or 0))
        count = len(problems) + self._left_out
        shown = [str(problem) for problem in problems[:MOST_SHOWN]]
        if count == 1:
            text = shown[0]
        else:
            if count > len(shown):
                shown.append(f"and {count - len(shown)} more")
            lines = "\n".join(f"  {line}" for line in shown)
            text = f"{self.file or 'the mapping'} has {count} problems:\n{lines}"
        raise FlowFileError(text, problems)

    def _problem(self, one: Found, marks: Marks) -> Problem:
        mark = one.mark
        if mark is None and one.path in marks:
            of_key, of_value = marks[one.path]
            mark = of_key if one.of_key else of_value
        line, column = mark or (None, None)
        message = printable(one.message)
        if len(message) > _LONGEST_MESSAGE:  # names are shown in it, of any length
            message = f"{message[:_LONGEST_MESSAGE]}..."
        return Problem(self.file, line, column, path_text(one.path), message)


def path_text(path: Path) -> str:
    """Return a path as messages show it: `tasks[2].retry.attempts`."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        elif key.isidentifier() and len(key) <= _LONGEST:
            text += f".{key}" if text else key
        else:
            text += f"[{quoted(key)}]"
    return text


def quoted(text: str) -> str:
    """Return a text of the file in quotes, shortened."""
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")


def found_text(value: object) -> str:
    """Return what messages call a value of a document; nothing is shown in full."""
    if value is None:
        return "null"

    if isinstance(value, bool):
        return "true" if value else "false"

    if isinstance(value, str):
        return f"the text {quoted(value)}"

    if isinstance(value, int):
        # To write a very long number takes long.
        return f"the number {value}" if value.bit_length() < 200 else "a huge number"

    if isinstance(value, float):
        return f"the number {value!r}"

    if isinstance(value, (list, tuple)):
        return "a list" if value else "an empty list"

    if hasattr(value, "keys"):
        return "a mapping"

    return f"a value of the type {type(value).__name__}"
