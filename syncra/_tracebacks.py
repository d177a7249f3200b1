"""Tracebacks as users want them: from their own code on."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

#: Attributes of an error: which entry its traceback began with, as an attempt has ended
#: with it; and when a run has raised it again, by the clock of runs.
KNOWN, RAISED_AGAIN = "_syncra_traceback", "_syncra_raised_again"

#: How the names of Syncra's own files begin.
PACKAGE = __file__[: -len("_tracebacks.py")]


def without_own_frames(traceback: TracebackType | None) -> TracebackType | None:
    """Return a traceback from the first frame that is not Syncra's."""
    while traceback is not None:
        if not traceback.tb_frame.f_code.co_filename.startswith(PACKAGE):
            return traceback

        traceback = traceback.tb_next
    return None


def set_cause(error: BaseException, cause: BaseException) -> None:
    """Set the cause of an exception, whatever its class thinks of being changed."""
    BaseException.__dict__["__cause__"].__set__(error, cause)
