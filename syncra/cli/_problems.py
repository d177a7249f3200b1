"""What keeps a command from being done, told in one paragraph."""

from __future__ import annotations

from .._tracebacks import PACKAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from traceback import FrameSummary
    from types import TracebackType


class Problem(Exception):
    """Say why a command cannot be done as it was asked for.

    Attributes:
        code: the exit code that follows.
        details: lines that are shown above it, with a line break at the end, or "".
    """

    def __init__(self, text: str, *, code: int = 2, details: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.details = details


def traceback_of(error: BaseException, traceback: TracebackType | None) -> str:
    """Return the traceback of an error in code of the user's, without other frames.

    Neither ours nor those of the machinery of imports say anything about it.

    Parameters:
        error: the error.
        traceback: its traceback; of what it was raised from they are known.
    """
    from traceback import TracebackException

    from .._names import text_of
    from ..views.plain_text import plain_text

    there = error.__cause__
    if type(there).__name__ == "RemoteTraceback":  # of an error in a worker process
        notes = getattr(error, "__notes__", ())
        text = str(there).strip('"\n')
        return plain_text("\n".join([text, *map(str, notes)]), 50_000)

    try:
        shown = TracebackException(type(error), error, traceback)
        pending = [shown]
        while pending:
            one = pending.pop()
            one.stack[:] = [frame for frame in one.stack if _is_of_user(frame)]
            for link in ("__cause__", "__context__"):
                before = getattr(one, link)
                if before is None:
                    continue

                if any(map(_is_of_user, before.stack)):
                    pending.append(before)
                else:  # why we have raised our error, which says it itself
                    setattr(one, link, None)
        if not shown.stack and not (shown.__cause__ or shown.__context__):
            text = "".join(shown.format_exception_only())
        else:
            text = "".join(shown.format())
    except Exception:  # of an error that cannot even be looked at
        text = f"{text_of(error)}\n"
    # As Python shows what is defined in the file that is run.
    return plain_text(text.replace("__mp_main__.", ""), 50_000)


def _is_of_user(frame: FrameSummary) -> bool:
    return not frame.filename.startswith((PACKAGE, "<frozen "))
