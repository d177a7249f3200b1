"""The standard streams: readers that go away, and what is for nobody but the caller."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager

from ._problems import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO


@contextmanager
def bearing_with(stream: TextIO) -> Iterator[None]:
    """Go on quietly where nobody reads any more.

    Raises:
        Problem: if a stream cannot be written for another reason, as on a full disk.
    """
    try:
        yield
    except BrokenPipeError:
        # Who reads has seen enough, as `head` has. What is still to be written has to
        # go somewhere: at its end Python tries once more, and complains.
        lead_nowhere(stream)
    except OSError as error:
        lead_nowhere(stream)
        raise Problem(
            f"the output cannot be written: {error.strerror}", code=1
        ) from None


def finish() -> None:
    """Have everything written, while it can still be said that this fails.

    Raises:
        Problem: if standard output cannot be written.
    """
    if sys.stderr is not None:
        try:
            sys.stderr.flush()
        except OSError:
            lead_nowhere(sys.stderr)
    if sys.stdout is not None:
        with bearing_with(sys.stdout):
            sys.stdout.flush()


@contextmanager
def only_for_caller() -> Iterator[TextIO]:
    """Have all other output of this process and its children go to standard error.

    Yields:
        what writes to standard output as it was.
    """
    try:
        sys.stdout.flush()
        number = sys.stdout.fileno()
        other = None if sys.stderr is None else sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):  # one of them is no file
        yield sys.stdout
        return

    kept = os.dup(number)
    with open(kept, "w", encoding="utf-8", errors="backslashreplace") as stream:
        if other is None:  # it is closed
            lead_nowhere(sys.stdout)
        else:
            os.dup2(other, number)
        try:
            yield stream
            with bearing_with(stream):
                stream.flush()
        finally:
            sys.stdout.flush()
            os.dup2(kept, number)


def lead_nowhere(stream: TextIO) -> None:
    """Have nobody read what is written to a stream, and what it still holds."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        pass  # it is no file
