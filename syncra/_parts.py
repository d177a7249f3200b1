"""Runs that are started by tasks of other runs: who ends one ends its parts."""

from __future__ import annotations

import sys
from _weakref import ref
from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._engine import Engine

#: The run that the running code is part of, if it is part of one.
_current: ContextVar[ref[Engine]] = ContextVar("syncra_run")


class Parts:
    """Keep the runs that are part of one, as long as they live.

    Made for a run it makes the run known to its tasks, through their context, and to
    the run that it is part of itself.

    Parameters:
        engine: the run.
        is_part: whether the run around the calling code, if any, is its whole.
    """

    __slots__ = ("_engines",)

    def __init__(self, engine: Engine, is_part: bool) -> None:
        self._engines: list[ref[Engine]] = []
        around = _current.get(None) if is_part else None
        outer: Engine | None = around() if around is not None else None
        if outer is not None:
            outer.parts.add(engine)
            if outer.machine.halted:
                engine.machine.halt()
                engine.journal.cancelled = True
        engine.context.run(_current.set, ref(engine))
        if sniffio := sys.modules.get("sniffio"):
            # Which library awaits the run says nothing of where its tasks will be.
            engine.context.run(sniffio.current_async_library_cvar.set, None)

    def add(self, engine: Engine) -> None:
        """Take in a run."""
        engines = self._engines
        engines.append(ref(engine))
        if len(engines) > 100 and not all(map(_is_alive, engines[:50])):
            # Several tasks may add at once: take away, one by one, what is over.
            for part in engines[:50]:
                if not _is_alive(part):
                    engines.remove(part)

    def cancel(self, grace: float | None) -> None:
        """Cancel all that are still going on."""
        for part in self._engines.copy():
            engine = part()
            if engine is not None:
                engine.cancel(grace)


def _is_alive(engine: ref[Engine]) -> bool:
    return engine() is not None
