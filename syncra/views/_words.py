"""Names that anybody may have chosen, fit to be shown on one line."""

from __future__ import annotations

from .._names import hint, listed, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Invisible letters that scripts and emoji are joined with, and flags are made of.
_JOINERS = {0x200C, 0x200D, *range(0xE0020, 0xE0080)}


def one_line(text: str, length: int, ellipsis: str = "…") -> str:
    """Return a text on one line, with nothing in it that acts instead of being seen.

    Of a long text the middle is left out: names that begin alike often end differently.

    Parameters:
        text: what is shown.
        length: the most letters of the outcome.
        ellipsis: what stands for letters left out.
    """
    is_cut = len(text) > 8 * length
    if is_cut:  # no need to look at a megabyte
        text = f"{text[: 4 * length]} {text[-4 * length :]}"
    shown = " ".join("".join(map(_visible, text)).split())
    if not shown:
        return repr(text)

    if len(shown) <= length and not is_cut:
        return shown

    room = max(length - len(ellipsis), 2)
    tail = room // 2
    return f"{shown[: room - tail].rstrip()}{ellipsis}{shown[-tail:].lstrip()}"


def _visible(letter: str) -> str:
    if letter.isprintable() or ord(letter) in _JOINERS:
        return letter

    return " " if letter.isspace() else "\ufffd"


def some_of(names: Sequence[str], most: int, length: int, ellipsis: str = "…") -> str:
    """Return the first of some names joined by commas, and how many there are more.

    Parameters:
        names: all of them.
        most: how many are named.
        length: the most letters of each.
        ellipsis: what stands for letters left out.
    """
    shown = ", ".join(one_line(name, length, ellipsis) for name in names[:most])
    return shown + (f" and {len(names) - most:,} more" if len(names) > most else "")


def check_choice(value: object, known: Iterable[str | None], what: str) -> None:
    """Raise a ValueError unless a value is one of those known."""
    choices = list(known)
    if value in choices:
        return

    names = [name for name in choices if name is not None]
    also = " or None" if None in choices else ""
    raise ValueError(
        f"{what} is one of {listed(names)}{also}, got {value!r}."
        + hint(nearest(str(value), names))
    )
