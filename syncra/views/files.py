"""Writing a file so that there is a whole one or none."""

from __future__ import annotations

import os
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO


def write_whole(path: str | os.PathLike[str], text: str) -> Path:
    """Write a text file, all of it or nothing, and return its path.

    It is written beside the path and then takes its place, so that whoever reads there
    sees the old file or the new one. A link at the path is replaced, not followed.

    Parameters:
        path: where; its directory has to be there. What is there already and no
            ordinary file, such as a terminal or a pipe, is written to as it is.
        text: what, encoded as UTF-8.

    Raises:
        OSError: if it cannot be written; what was at the path is there still.
    """
    target = Path(path)
    data = text.encode("utf-8", "replace")
    if target.exists() and not target.is_file():
        with target.open("wb") as file:
            _write(file, data)
        return target

    beside = target.with_name(f".{os.urandom(8).hex()}.part")
    try:
        # As any new file it is readable for whom the umask allows; never another's.
        with beside.open("xb") as file:
            _write(file, data)
        beside.replace(target)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is not None:
            error.filename = str(path)  # the one that somebody knows
            del error.filename2
        raise

    return target


def _write(file: BinaryIO, data: bytes) -> None:
    file.write(data)
    file.flush()
