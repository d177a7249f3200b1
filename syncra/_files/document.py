"""A document: what a file or a mapping says, and where."""

from __future__ import annotations

import os
from types import ModuleType

from .._names import hint, nearest
from .bounds import MOST_BYTES, TOO_DEEP, Mistake, is_too_deep, mark_at
from .problems import Problems

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .problems import Marks, Path

_SUFFIXES = (".json", ".toml", ".yaml", ".yml")


class Document:
    """Hold what a file or a mapping says.

    Attributes:
        data: what it says: texts, numbers, lists, mappings.
        file: the file, as the caller has named it; None for a mapping.
        problems: what was found to be wrong so far.
    """

    def __init__(self, file: str | None) -> None:
        self.data: object = None
        self.file = file
        self.problems = Problems(file, self.locate)
        self._text = ""
        self._format: ModuleType | None = None

    @property
    def stem(self) -> str | None:
        """Return what the file is called without its suffix, or None."""
        if self.file is None:
            return None

        return os.path.splitext(os.path.basename(self.file))[0] or None

    def locate(self, wanted: Iterable[Path]) -> Marks:
        """Return where keys and values are in the file, of those that are known."""
        if self._format is None:
            return {}

        marks: Marks = self._format.locate(self._text, wanted)
        return marks

    def read(self, data: bytes) -> None:
        """Read what the file holds; raise what is wrong with it as a text.

        Raises:
            FlowFileError: if there is anything to be told.
            MissingExtraError: if what reads the format is not installed.
        """
        try:
            text = _decoded(data)
            module = _format_of(os.path.splitext(self.file or "")[1])
            self.data = module.parse(text, self.problems)
        except Mistake as mistake:
            self.problems.add((), mistake.message, mark=mistake.mark)
        self.problems.raise_all()
        self._text, self._format = text, module


def read_file(path: str | os.PathLike[str]) -> Document:
    """Return what a file says.

    Raises:
        FlowFileError: if it cannot be read as what its suffix says.
        OSError: if it cannot be opened.
    """
    document = Document(os.fsdecode(path))
    with open(path, "rb") as file:
        data = file.read(MOST_BYTES + 1)
    document.read(data)
    return document


def read_mapping(mapping: object) -> Document:
    """Return what a mapping says.

    Raises:
        FlowFileError: if it is nested too deeply.
    """
    document = Document(None)
    document.data = dict(mapping) if hasattr(mapping, "keys") else mapping  # type: ignore[call-overload]
    if is_too_deep(document.data):
        document.problems.add((), TOO_DEEP)
    document.problems.raise_all()
    return document


def _decoded(data: bytes) -> str:
    if len(data) > MOST_BYTES:
        raise Mistake(f"the file has more than {MOST_BYTES // 2**20} MiB", None)

    if data.startswith(b"\xef\xbb\xbf"):
        raise Mistake("the file begins with a byte order mark; save it without", (1, 1))

    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        raise Mistake("the file is not UTF-8", mark_at(before, len(before))) from None

    return text.replace("\r\n", "\n")


def _format_of(suffix: str) -> ModuleType:
    if suffix.lower() == ".json":
        from . import json_text as found
    elif suffix.lower() == ".toml":
        from . import toml_text as found  # type: ignore[no-redef]
    elif suffix.lower() in (".yaml", ".yml"):
        from . import yaml_text as found  # type: ignore[no-redef]
    else:
        raise Mistake(
            f"the name of the file says what it is, by its end: "
            f"{', '.join(_SUFFIXES)}, found {suffix!r}."
            + hint(nearest(suffix.lower(), _SUFFIXES)),
            None,
        )

    return found
