"""The program `dot` of Graphviz: given a text and a limit, ended if need be."""

from __future__ import annotations

import os
import signal
import subprocess

from .._names import text_of
from ..errors import DrawingFailed, MissingExtraError
from .plain_text import plain_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: How a file of each format begins.
BEGINNINGS = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}
#: The most letters that are told of what the program has said.
MOST_TOLD = 300

NOT_HERE = (
    "to draw a picture takes the package graphviz and its program `dot`: "
    "`pip install 'syncra[viz]'`, and `apt-get install graphviz` or what your "
    "system has instead. Without them there are to_mermaid() and to_dot()."
)
NOT_ON_PATH = (
    "to draw a picture takes the program `dot` of Graphviz, which is not on "
    "PATH. The package graphviz does not bring it: `apt-get install graphviz`, "
    "`brew install graphviz`, or https://graphviz.org/download. Without it "
    "there are to_mermaid() and to_dot()."
)
TOO_SLOW = (
    "the program `dot` has not drawn {} within {:g} s, and was ended. A picture that "
    'is folded is quick: fold="auto", "tags" or "prefix". Or give it longer: '
    "timeout=600. Or take another program of Graphviz, which draws large graphs "
    "faster: write to_dot() into a file, and `sfdp -Goverlap=prism -Tsvg -o graph.svg "
    "graph.dot`."
)


def picture_by_dot(text: str, form: str, timeout: float | None, what: str) -> bytes:
    """Return a picture as bytes, drawn by the program.

    Parameters:
        text: the picture in the language of Graphviz.
        form: the format, as "svg".
        timeout: the most seconds it may take; None if it may take for ever.
        what: what to call the picture in errors.

    Raises:
        MissingExtraError: if the package graphviz or the program is not there.
        DrawingFailed: if the program cannot be started, fails, or takes too long.
    """
    try:
        import graphviz
    except ImportError as error:
        raise MissingExtraError(NOT_HERE, "viz") from error

    # In a session of its own: it can be ended with whatever it has started, and Ctrl-C
    # comes here alone.
    options: dict[str, Any] = dict.fromkeys(
        ("stdin", "stdout", "stderr"), subprocess.PIPE
    )
    command = [os.fspath(graphviz.DOT_BINARY), f"-T{form}"]
    try:
        process = subprocess.Popen(command, start_new_session=True, **options)
    except FileNotFoundError as error:
        raise MissingExtraError(NOT_ON_PATH, "viz") from error
    except OSError as error:
        message = f"the program `dot` cannot be started: {text_of(error)}"
        raise DrawingFailed(message) from error

    with process:
        try:
            data, said = process.communicate(text.encode(), timeout)
        except subprocess.TimeoutExpired:
            _end(process)
            raise DrawingFailed(TOO_SLOW.format(what, timeout)) from None
        except BaseException:
            _end(process)
            raise
    return _checked(data, said.decode(errors="replace"), form, process.returncode)


def _checked(data: bytes, said: str, form: str, exit_code: int) -> bytes:
    """Return what the program has written, if it is a picture."""
    if exit_code == 0 and data.startswith(BEGINNINGS[form]):
        return data

    if exit_code < 0:
        how = f"was ended by {_signal_name(-exit_code)}"
    elif exit_code:
        how = f"has failed with exit code {exit_code}"
    else:
        how = f"has not written a picture in the format {form}"
    told = plain_line(said, MOST_TOLD).strip()
    raise DrawingFailed(
        f"the program `dot` {how}{f': {told}' if told else ''}. "
        "Without it there are to_mermaid() and to_dot().",
        exit_code,
        said,
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the program and what it has started."""
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except ProcessLookupError:
        pass  # it has ended meanwhile
