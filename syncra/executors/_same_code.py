"""Whether the code on a worker of a cluster is the code that the run has."""

from __future__ import annotations

import sys
from types import CodeType, FunctionType

from ..errors import VersionMismatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

#: What has to be the same on a worker as where the run is.
VERSIONS = (sys.modules["syncra"].__version__, sys.version_info[:2])
#: Gives them where it is evaluated: on a worker, which may not have Syncra.
ASK_VERSIONS = (
    "(getattr(__import__('importlib.util').util.find_spec('syncra') "
    "and __import__('syncra'), '__version__', None), "
    "tuple(__import__('sys').version_info[:2]))"
)


def check_versions(found: tuple[Any, ...], worker: str) -> None:
    """Raise unless a worker has the versions that the run has.

    Parameters:
        found: the version of Syncra there, or None, and that of Python.
        worker: what the worker is called.
    """
    if tuple(found) == VERSIONS:
        return

    def shown(versions: Sequence[Any]) -> str:
        syncra = f"Syncra {versions[0]}" if versions[0] else "no Syncra"
        return f"{syncra} on Python {'.'.join(map(str, versions[1]))}"

    raise VersionMismatch(
        f"worker {worker} has {shown(found)}, and the run {shown(VERSIONS)}: "
        f"functions and values cannot travel between them. Install the same there."
    )


def code_of(function: Any) -> CodeType | None:
    """Return the code of what is at the bottom of a callable, if it has any."""
    for _ in range(100):
        if type(function) is FunctionType:
            return function.__code__

        for attribute in ("__wrapped__", "__func__", "func"):
            inner = getattr(function, attribute, None)
            if callable(inner):
                function = inner
                break
        else:
            return None

    return None


def digest_of(code: CodeType | None) -> str:
    """Return what tells code from other code, wherever its file is; "" for none."""
    if code is None:
        return ""

    from hashlib import sha256

    digest = sha256()
    waiting: list[Any] = [code]
    while waiting:
        part = waiting.pop()
        if isinstance(part, CodeType):
            digest.update(part.co_code)
            digest.update(repr((part.co_names, part.co_varnames)).encode())
            waiting.extend(part.co_consts)
        elif isinstance(part, frozenset):
            digest.update(repr(sorted(map(repr, part))).encode())
        else:
            digest.update(repr(part).encode(errors="surrogatepass"))
    return digest.hexdigest()
