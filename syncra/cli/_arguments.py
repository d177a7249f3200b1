"""How arguments are read: what is wrong with them is told with what may be meant."""

from __future__ import annotations

import argparse
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


def positive(text: str) -> int:
    """Return a positive number."""
    try:
        found = int(text)
    except ValueError:
        found = 0
    if found < 1:
        raise argparse.ArgumentTypeError(f"expected a positive number, got {text!r}")

    return found


def seconds(text: str) -> float:
    """Return a time in seconds."""
    from datetime import timedelta

    from .._conversion import ConversionError, from_text

    try:
        found = from_text(text, timedelta)
    except ConversionError as error:
        raise argparse.ArgumentTypeError(str(error)) from None

    assert isinstance(found, timedelta)
    if found.total_seconds() < 0:
        raise argparse.ArgumentTypeError(f"expected no negative time, got {text!r}")

    return found.total_seconds()


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Lay help out for the terminal, without the modules that argparse asks for it."""

    def __init__(self, prog: str, **options: Any) -> None:
        options.setdefault("max_help_position", 26)
        super().__init__(
            prog, **{**options, "width": options.get("width") or _columns()}
        )

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Fold paragraphs, and leave alone what is indented: examples."""
        from textwrap import fill

        parts = []
        for part in text.split("\n\n"):
            told = [line for line in part.split("\n") if not line.startswith(" ")]
            examples = [line for line in part.split("\n") if line.startswith(" ")]
            parts.append("\n".join([fill(" ".join(told), width), *examples]))
        return "\n\n".join(parts)


class Parser(argparse.ArgumentParser):
    """Say what is wrong in one paragraph, with what may have been meant."""

    def __init__(self, **options: Any) -> None:
        if sys.version_info >= (3, 14) and not (sys.stdout and sys.stdout.isatty()):
            options["color"] = False  # to find out whether takes several modules
        super().__init__(formatter_class=_Formatter, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\nSee `{self.prog} --help`.\n")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            from .._names import hint, nearest

            chosen = _chosen(self, found)
            known = [
                text for action in chosen._actions for text in action.option_strings
            ]
            chosen.error(
                f"unexpected {' '.join(unknown)!r}."
                + hint(nearest(unknown[0].partition("=")[0], known))
            )
        return found

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return

        from .._names import hint, nearest

        known = list(action.choices)
        text = f"expected one of {', '.join(known)}, got {value!r}."
        raise argparse.ArgumentError(action, text + hint(nearest(str(value), known)))


def _chosen(parser: Parser, found: argparse.Namespace) -> argparse.ArgumentParser:
    """Return what reads the command that was given."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                if sub.get_default("command") is found.command:
                    chosen: argparse.ArgumentParser = sub
                    return chosen
    return parser


def _columns() -> int:
    try:
        found = int(os.environ["COLUMNS"])
    except (KeyError, ValueError):
        try:
            found = os.get_terminal_size(sys.__stdout__.fileno()).columns  # type: ignore[union-attr]
        except (AttributeError, OSError, ValueError):
            found = 80
    return min(max(found, 30), 100) - 2
