"""What kind of Python this is."""

from __future__ import annotations

import sys


def has_gil() -> bool:
    """Return whether only one thread at a time runs Python code, now."""
    return getattr(sys, "_is_gil_enabled", lambda: True)()
