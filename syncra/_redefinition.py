"""Whether a task whose name is taken already is the old one, defined again."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    from ._task import Task


def is_redefinition(
    there: Task[..., Any], task: Task[..., Any], redefines: bool
) -> bool:
    """Return whether a task is an old one defined again, and so replaces it.

    A notebook cell that is run again or a module that is reloaded makes a new function
    of the same module and qualified name. Functions made in a loop have these in
    common too, but also their code: added one by one, they are different tasks. So are
    two that one execution of a module or cell defines: one was copied from the other,
    and its name forgotten.
    """
    old, new = there.function, task.function
    name = getattr(new, "__qualname__", None)
    if name is None or name.endswith("<lambda>"):
        return False

    if getattr(old, "__qualname__", None) != name:
        return False

    if getattr(old, "__module__", None) != getattr(new, "__module__", None):
        return False

    if old is new or _defined_together(old, new):
        return False

    old_code = getattr(old, "__code__", None)
    return redefines or old_code is not getattr(new, "__code__", None)


def _defined_together(old: Any, new: Any) -> bool:
    """Return whether the module or cell that is being executed defines both functions.

    When it is executed again it is compiled again, and has other code objects.
    """
    names = getattr(new, "__globals__", None)
    if names is None or getattr(old, "__globals__", None) is not names:
        return False

    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals is names and frame.f_code.co_name == "<module>":
            return any(part is old.__code__ for part in frame.f_code.co_consts)

        frame = frame.f_back
    return False
