"""The command line: `syncra`, which is also `python -m syncra`."""

from __future__ import annotations

import sys

from ._problems import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

__all__ = ["main"]

#: The exit code after Ctrl-C, as shells have it.
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Parameters:
        arguments: what follows the name of the program; that of this process if None.

    Returns:
        0 if all is well; 1 if tasks have failed or a graph has mistakes; 2 if it cannot
        be done as it was asked for; 130 after Ctrl-C and 143 after SIGTERM.

    Example:
        >>> main(["--version"])  # doctest: +ELLIPSIS
        syncra ...
        0
    """
    for stream in (sys.stdout, sys.stderr):
        _bear_with_every_letter(stream)
    try:
        code = _code_of(arguments)
    except KeyboardInterrupt:
        _say("syncra: interrupted")
        code = INTERRUPTED
    return code


def _code_of(arguments: Sequence[str] | None) -> int:
    from ._parser import parse
    from ._streams import finish

    try:
        try:
            options = parse(arguments)
            code: int = options.command(options)
        except SystemExit as end:  # of argparse, which has said what there is to say
            code = int(end.code or 0)
        finish()
    except Problem as problem:
        _say(f"{problem.details}syncra: {problem}")
        return problem.code

    return code


def _bear_with_every_letter(stream: TextIO | None) -> None:
    """Have a stream show what it has no letters for, instead of raising."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def _say(text: str) -> None:
    from ..views.plain_text import plain_text

    if sys.stderr is None:  # closed; what is printed to None is on standard output
        return

    text = plain_text(text, 200_000)
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        from ._streams import lead_nowhere

        lead_nowhere(sys.stderr)  # at its end Python would try once more
