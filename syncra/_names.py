"""Help for error messages: where a callable is defined, and what was meant."""

from __future__ import annotations

from operator import eq

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

#: With how many names another one is compared thoroughly, which takes 10 µs each.
MANY_NAMES = 1_000
#: What wraps more than this may do so forever, as what has every attribute does.
_MOST_LAYERS = 100
#: Of more names than this the rest is counted.
_MOST_LISTED = 20
#: Longer names are no slips of the pen, and comparing them takes the square of this.
LONGEST_NAME = 200


def place_of(function: object) -> str:
    """Return where a callable is defined, as "file:line", as well as it is known."""
    for candidate in unwrapped(function):
        declared = getattr(candidate, "__declared_at__", None)  # that of a command
        if isinstance(declared, str):
            return declared

        code = getattr(candidate, "__code__", None)
        if code is not None:
            return f"{code.co_filename}:{code.co_firstlineno}"

    kind = function if isinstance(function, type) else type(function)
    return f"{kind.__module__}.{kind.__qualname__}"


def calling_place(depth: int) -> str:
    """Return where the caller was called, `depth` calls up, as "file:line"."""
    from sys import _getframe

    frame = _getframe(depth + 1)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def unwrapped(function: object) -> list[object]:
    """Return a callable and what it stands for, from the outside in.

    Looks through partials, bound methods, callable objects and `functools.wraps`.
    """
    layers: list[object] = []
    layer: object = function
    while layer is not None and not any(layer is seen for seen in layers):
        if len(layers) >= _MOST_LAYERS:
            break

        layers.append(layer)
        inner = getattr(layer, "__wrapped__", None)
        if inner is None:
            inner = getattr(layer, "func", None) or getattr(layer, "__func__", None)
        if inner is None and not hasattr(layer, "__code__"):
            if not isinstance(layer, type):
                inner = getattr(type(layer), "__call__", None)
        layer = inner
    return layers


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` is most likely a slip of, or None."""
    if len(name) > LONGEST_NAME:
        return None

    import difflib

    candidates = list(known)
    if len(candidates) > MANY_NAMES:
        from heapq import nlargest

        def alike(other: str) -> int:
            from_front: int = sum(map(eq, name, other))
            from_back: int = sum(map(eq, name[::-1], other[::-1]))
            return from_front + from_back - abs(len(name) - len(other))

        candidates = nlargest(MANY_NAMES, candidates, key=alike)
    found = difflib.get_close_matches(name, candidates, n=1)
    return found[0] if found else None


def hint(suggestion: str | None) -> str:
    """Return the sentence that offers a suggestion, with a space before it."""
    return f" Did you mean {suggestion!r}?" if suggestion else ""


def printable(text: str) -> str:
    """Return a text with a space for each character that is not to be shown."""
    if text.isprintable():
        return text

    return "".join(letter if letter.isprintable() else " " for letter in text)


def listed(names: Iterable[str]) -> str:
    """Return names quoted and joined by commas; of many only the first ones."""
    known = list(names)
    text = ", ".join(map(repr, known[:_MOST_LISTED]))
    more = len(known) - _MOST_LISTED
    return text if more <= 0 else f"{text} and {more:,} more"


def counted(count: int, what: str = "task") -> str:
    """Return a number and what it is the number of, as in "1 task" and "2 tasks"."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def message_of(error: BaseException) -> str:
    """Return the text of an exception, whatever its `__str__` does."""
    try:
        return str(error)
    except BaseException as broken:
        return f"<its text cannot be shown: {type(broken).__name__}>"


def text_of(error: BaseException) -> str:
    """Return class and text of an exception on one line."""
    message = message_of(error)
    name = type(error).__name__
    return f"{name}: {message}" if message else name


def note_on(error: BaseException, note: str) -> None:
    """Add a note to an exception of the user's, once, if it can be changed at all."""
    try:
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
    except Exception:
        pass  # a frozen one, such as a frozen dataclass
