"""The graphs that have names to be found by; `_registry` is what users see of it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

graphs: dict[str, Any] = {}
