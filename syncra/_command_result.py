"""What became of a command, and how that is shown."""

from __future__ import annotations

import os
import re
import shlex
import signal
from dataclasses import dataclass
from types import GenericAlias

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Generic

    from typing_extensions import TypeVar

    T_co = TypeVar("T_co", str, bytes, default=str, covariant=True)

    class _Typed(Generic[T_co]):
        __slots__ = ()

else:
    T_co = None

    class _Typed:
        __slots__ = ()
        __class_getitem__ = classmethod(GenericAlias)


@dataclass(frozen=True, slots=True, repr=False)
class CommandResult(_Typed[T_co]):
    """Hold what became of a command.

    Attributes:
        command: what was run: a tuple of arguments, or the text that a shell ran.
        returncode: its exit code; minus the number of the signal that ended it; 127 if
            there is no such program and 126 if it could not be started, as in a shell;
            255 if that is not known, since this program ignores SIGCHLD.
        stdout: its output, as bytes with `text=False`; empty if it was not captured.
        stderr: its error output, in the same way.
        cwd: where it ran.
        duration: seconds it took.
        stdout_file: the file that its output went to, or None.
        captured: whether output was captured.
        dropped: bytes of its output that were not kept, since it was more than
            `max_output`; a line at the beginning of what was kept says so too.
    """

    command: tuple[str, ...] | str
    returncode: int
    stdout: T_co
    stderr: T_co
    cwd: str
    duration: float
    stdout_file: str | None = None
    captured: bool = True
    dropped: int = 0

    def __repr__(self) -> str:
        shown = shown_command(self.command)
        parts = [
            f"command={_short(shown, 80)}",
            f"returncode={self.returncode}",
            f"stdout={_short(self.stdout, 60)}",
            f"stderr={_short(self.stderr, 60)}",
            f"duration={self.duration:.3g}",
        ]
        return f"<CommandResult {' '.join(parts)}>"


def text_of(value: object) -> str:
    """Return what stands in a command for a value.

    Raises:
        ValueError: if it is a `CommandResult` without its whole output.
    """
    if isinstance(value, CommandResult):
        if value.stdout_file is not None:
            return value.stdout_file

        if value.dropped or not value.captured:
            raise ValueError(
                f"the output of command `{shown_command(value.command)}` cannot be "
                f"used by another one: it was "
                + (
                    "cut. Raise max_output=, or use stdout_file= and be given its path."
                    if value.captured
                    else "not captured."
                )
            )

        return os.fsdecode(value.stdout).rstrip("\r\n")

    if isinstance(value, (bytes, os.PathLike)):
        return os.fsdecode(value)

    return str(value)


def shown_command(command: Sequence[str] | str) -> str:
    """Return a command as one would type it."""
    return command if isinstance(command, str) else shlex.join(command)


def last_lines(result: CommandResult[Any]) -> str:
    """Return the last lines of the output for a message, on lines of their own."""
    for stream in ("stderr", "stdout"):
        data = getattr(result, stream)[-4000:]
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        text = _ESCAPES.sub("", text)
        lines = [shortened(line, 200) for line in text.splitlines() if line.strip()]
        if lines:
            return "\n".join([f"; the end of its {stream}:", *lines[-10:]])

    return ""


#: Sequences that tell a terminal something, and what else is not to be seen.
_ESCAPES = re.compile(
    "\x1b\\[[0-?]*[ -/]*[@-~]|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?|\x1b.?"
    "|[\x00-\x08\x0e-\x1a\x7f-\x84\x86-\x9f]"
)


def ending(code: int) -> str:
    """Return in words how a command has ended."""
    if code > 0:
        return f"exited with {code}"

    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def shortened(text: str, length: int) -> str:
    """Return a text of at most `length` letters, cut in the middle."""
    if len(text) <= length:
        return text

    half = (length - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"


def _short(text: str | bytes, length: int) -> str:
    """Return the repr of a text, the middle of a long one left out."""
    if len(text) <= length:
        return repr(text)

    return f"{text[: length // 2]!r}...{text[-length // 2 :]!r}"
