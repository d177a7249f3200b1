"""What makes a shell complete the command line."""

from __future__ import annotations

from ._problems import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the script for a shell, which needs nothing of Syncra when it runs.

    Raises:
        Problem: if shtab is not installed.
    """
    try:
        import shtab
    except ImportError:
        raise Problem(
            "to make completions takes shtab: pip install 'syncra[completion]'"
        ) from None

    found: str = shtab.complete(parser, shell)
    return found
