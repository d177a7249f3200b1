"""YAML without what makes it dangerous or surprising.

No tags, anchors, aliases and merge keys, no key twice. Plain words are read as YAML 1.2
says: `on`, `yes` and `2024-01-01` are texts. What PyYAML parses is put together here
and not by its constructors, so a file can make nothing but texts, numbers, true, false,
null, lists and mappings.
"""

from __future__ import annotations

import re
from math import isfinite

from ..errors import MissingExtraError
from .bounds import (
    HALF_A_CHARACTER,
    MOST_DIGITS,
    NOT_FINITE,
    SURROGATE,
    TOO_LONG_A_NUMBER,
    Lines,
    Mistake,
    mark_at,
)
from .problems import quoted
from .tracing import Trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from .problems import Mark, Marks, Path, Problems

_WORDS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_ODD_BREAK = re.compile("[\r\x85\u2028\u2029]")
_NUMBER = re.compile(
    r"(?P<whole>[-+]?[0-9]+) | 0o(?P<octal>[0-7]+) | 0x(?P<hex>[0-9a-fA-F]+)"
    r"| (?P<float>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
    r"| (?P<none>[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))",
    re.VERBOSE,
)


def parse(text: str, problems: Problems) -> object:
    """Return what a text says; add what is wrong with it to the problems.

    Raises:
        Mistake: if it cannot be read.
        MissingExtraError: if PyYAML is not there.
    """
    reader = _Reader(Trace(()), problems)
    reader.read(text)
    for path, mark in reader.trace.doubled:
        problems.add(path, f"key {quoted(str(path[-1]))} is there twice", mark=mark)
    return reader.result


def locate(text: str, wanted: Iterable[Path]) -> Marks:
    """Return where keys and values are, of a text that could be read."""
    trace = Trace(wanted)
    try:
        _Reader(trace, None).read(text)
    except Mistake:
        pass  # up to there the places are right
    return trace.marks


class _Reader:
    """Put together what the events of PyYAML say, without recursion.

    Parameters:
        trace: what is told where everything is.
        problems: where problems are added; None if they have been told already.

    Attributes:
        result: the document.
    """

    def __init__(self, trace: Trace, problems: Problems | None) -> None:
        self.trace = trace
        self.result: Any = None
        self._problems = problems
        self._stack: list[Any] = []
        self._key: str | None = None

    def read(self, text: str) -> None:
        """Read a text.

        Raises:
            Mistake: if it is no YAML that is understood here.
        """
        documents = 0
        lines = Lines(text)
        # Line breaks for PyYAML only, not for editors; and without one at the end it
        # speaks of a line that is not there.
        is_odd = _ODD_BREAK.search(text) is not None or not text.endswith("\n")
        for event in _events(text):
            at = event.start_mark
            mark = (at.line + 1, at.column + 1)
            if is_odd:
                mark = lines.mark(min(at.index, len(text)))
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    raise Mistake("a second document begins here; one is read", mark)

            elif kind == "AliasEvent":
                raise Mistake("aliases (*name) are not read; write it out", mark)

            elif kind in ("ScalarEvent", "SequenceStartEvent", "MappingStartEvent"):
                if event.anchor is not None:
                    raise Mistake("anchors (&name) are not read; leave it out", mark)

                if event.tag is not None:
                    raise Mistake(
                        f"tags are not read, found {event.tag[:60]!r}; leave it out",
                        mark,
                    )

                self._begin(kind, event, mark)
            elif kind in ("SequenceEndEvent", "MappingEndEvent"):
                self.trace.leave()
                self._stack.pop()
                self._key = None
        if not documents:
            raise Mistake("there is nothing in it", None)

    def _begin(self, kind: str, event: Any, mark: Mark) -> None:
        container = self._stack[-1] if self._stack else None
        if type(container) is dict and self._key is None:
            self._key = self._key_of(kind, event, mark)
            return

        if kind == "ScalarEvent":
            self.trace.value(mark)
            value = self._scalar(event, mark)
        else:
            self.trace.enter(kind == "MappingStartEvent", mark)
            value = {} if kind == "MappingStartEvent" else []
        if type(container) is dict:
            container[self._key] = value
        elif container is not None:
            container.append(value)
        else:
            self.result = value
        if kind == "ScalarEvent":
            self._key = None
        else:
            self._stack.append(value)
            self._key = None

    def _key_of(self, kind: str, event: Any, mark: Mark) -> str:
        if kind != "ScalarEvent":
            raise Mistake("expected a text for a key, found a list or mapping", mark)

        key: str = event.value
        is_plain = event.implicit[0]
        if is_plain and key == "<<":
            raise Mistake("merge keys (<<) are not read; write it out", mark)

        self.trace.key(key, mark)
        if self._problems is not None:
            if is_plain and type(_plain(key)) is not str:
                shown = repr(key[:60])
                self._problems.add(
                    self.trace.path,
                    f"expected a text for a key, found {key[:60] or 'nothing'}; "
                    f"quote it: {shown}",
                    mark=mark,
                )
            self._check_text(key, mark)
        return key

    def _scalar(self, event: Any, mark: Mark) -> object:
        text: str = event.value
        if not event.implicit[0]:
            self._check_text(text, mark)
            return text

        try:
            value = _plain(text)
        except Mistake as mistake:
            if self._problems is not None:
                self._problems.add(self.trace.path, mistake.message, mark=mark)
            return 0

        if type(value) is str:
            self._check_text(value, mark)
        return value

    def _check_text(self, text: str, mark: Mark) -> None:
        if self._problems is not None and SURROGATE.search(text):
            self._problems.add(self.trace.path, HALF_A_CHARACTER, mark=mark)


def _plain(text: str) -> object:
    """Return what a word without quotes stands for, by the core schema of YAML 1.2."""
    if text in _WORDS:
        return _WORDS[text]

    found = _NUMBER.fullmatch(text)
    if found is None:
        return text

    if len(text) > MOST_DIGITS:
        raise Mistake(TOO_LONG_A_NUMBER, None)

    if found["whole"]:
        return int(text)

    if found["octal"] or found["hex"]:
        return int(text, 8 if found["octal"] else 16)

    number = float("inf") if found["none"] else float(text)
    if not isfinite(number):
        raise Mistake(f"{NOT_FINITE} {text[:60]}", None)

    return number


def _events(text: str) -> Iterator[Any]:
    """Yield the events of a text.

    Raises:
        Mistake: if it is no YAML.
        MissingExtraError: if PyYAML is not there.
    """
    try:
        import yaml
    except ImportError as error:
        raise MissingExtraError(
            "to read YAML takes the package PyYAML: `pip install 'syncra[yaml]'`. "
            "JSON and TOML are read without it.",
            "yaml",
        ) from error

    odd = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if odd is not None:
        raise Mistake(
            f"this is no YAML: the character {odd[0]!r} is not allowed",
            mark_at(text, odd.start()),
        )

    # The one in C is many times faster; PyYAML may have been built without it.
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    except yaml.MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        # At the end of a file it may speak of a line that is not there.
        mark = None if at is None else mark_at(text, min(at.index, len(text)))
        raise Mistake(
            f"this is no YAML: {error.problem or error.context}", mark
        ) from None
    except yaml.YAMLError as error:
        raise Mistake(f"this is no YAML: {error}", None) from None
    except (
        ArithmeticError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        # An escape of no character, a version of 5,000 digits: PyYAML lets out what
        # Python says about them.
        raise Mistake(
            f"this is no YAML: {type(error).__name__}: {error}", None
        ) from None
    finally:
        loader.dispose()
