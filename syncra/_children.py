"""Children that must not outlive the program: the processes of commands.

A run that is given up, or whose thread is dropped at the end of the interpreter, cannot
end its processes any more. This is told last of all.
"""

from __future__ import annotations

import atexit
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Child(Protocol):
        """Be something that lives outside of this process."""

        def kill(self) -> None: ...


#: What is alive now.
living: set[Child] = set()


@atexit.register
def _end_all() -> None:
    for child in list(living):
        child.kill()


if hasattr(os, "register_at_fork"):
    # They are not the children of a child.
    os.register_at_fork(after_in_child=living.clear)
