"""Where the values of a document are, of those that somebody asks for.

To keep the place of every value would take more memory than the values, and nobody
asks before something is wrong. So the places are looked for then, by reading again.
"""

from __future__ import annotations

from .bounds import MOST_LEVELS, TOO_DEEP, Mistake

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    from .problems import Mark, Path

    #: What comes below a path that is asked for.
    Branch: TypeAlias = dict[str | int, "Branch"]


class Trace:
    """Follow a document as it is read, from begin to end, and note places.

    The reader says `enter`, `leave`, `key` and `value`, each with line and column.

    Parameters:
        wanted: the paths that are asked for.

    Attributes:
        marks: line and column of key and value, by path.
        doubled: keys that are in a mapping twice, with path, line and column.
    """

    def __init__(self, wanted: Iterable[Path]) -> None:
        self.marks: dict[Path, tuple[Mark, Mark]] = {}
        self.doubled: list[tuple[Path, Mark]] = []
        root: Branch = {}
        for path in wanted:
            branch = root
            for key in path:
                branch = branch.setdefault(key, {})
        #: The value that comes next is what this says; None if nobody asks.
        self._next: Branch | None = root
        self._key: str | int = ""
        self._key_mark: Mark | None = None
        #: Of each container that is open: what is asked for below it, its last key or
        #: index, and the keys that it has had.
        self._open: list[tuple[Branch | None, str | int, set[str] | None]] = []
        self._branch: Branch | None = None
        self._keys: set[str] | None = None

    @property
    def path(self) -> Path:
        """Return the path of the value that is read now."""
        keys = [key for _, key, _ in self._open[1:]]
        return (*keys, self._key) if self._open else ()

    @property
    def is_in_mapping(self) -> bool:
        """Return whether the innermost container that is open is a mapping."""
        return self._keys is not None

    @property
    def depth(self) -> int:
        """Return how many containers are open."""
        return len(self._open)

    def key(self, key: str, mark: Mark) -> None:
        """Take note of the key of the value that comes next."""
        assert self._keys is not None
        self._key, self._key_mark = key, mark
        self._next = None if self._branch is None else self._branch.get(key)
        if key in self._keys:
            self.doubled.append((self.path, mark))
        self._keys.add(key)

    def value(self, mark: Mark) -> None:
        """Take note of a value."""
        if self._open and self._keys is None:
            assert isinstance(self._key, int)
            self._key += 1
            self._key_mark = mark
            self._next = None if self._branch is None else self._branch.get(self._key)
        if self._next is not None:
            self.marks.setdefault(self.path, (self._key_mark or mark, mark))

    def enter(self, is_mapping: bool, mark: Mark) -> None:
        """Take note of a value that is a list or a mapping.

        Raises:
            Mistake: if there are too many of them within one another.
        """
        self.value(mark)
        if len(self._open) >= MOST_LEVELS:
            raise Mistake(TOO_DEEP, mark)

        self._open.append((self._branch, self._key, self._keys))
        self._branch = self._next
        self._keys, self._key = (set(), "") if is_mapping else (None, -1)

    def leave(self) -> None:
        """Take note of the end of the innermost list or mapping."""
        self._branch, self._key, self._keys = self._open.pop()
