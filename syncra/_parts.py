"""Runs that are started by tasks of other runs: who ends one ends its parts."""

from __future__ import annotations

import sys
from _weakref import ref
from contextvars import ContextVar
from threading import current_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._engine import Engine
    from .executors._base import Worker

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

    __slots__ = ("_awaited", "_engines", "whole")

    def __init__(self, engine: Engine, is_part: bool) -> None:
        self._engines: list[ref[Engine]] = []
        #: The run that a thread waits for, by name of the thread.
        self._awaited: dict[Worker, ref[Engine]] = {}
        #: The parts of the run that this one is a part of.
        self.whole: Parts | None = None
        outer = _engine_here() if is_part else None
        if outer is not None:
            self.whole = outer.parts
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

    def wait_here(self, engine: Engine) -> None:
        """Take note that this thread waits for a run."""
        self._awaited[current_thread().name] = ref(engine)

    def go_on_here(self) -> None:
        """Take note that this thread waits no more."""
        self._awaited.pop(current_thread().name, None)

    def awaited_by(self, worker: Worker) -> Engine | None:
        """Return the run that a worker waits for, if it is a thread and waits for one.

        What the thread does cannot be ended from here, but that can.
        """
        part = self._awaited.get(worker) if self._awaited else None
        return None if part is None else part()


def cancel_awaited_by(thread: str) -> None:
    """Cancel the run that a thread waits for, if it is part of the present one."""
    outer = _engine_here()
    part = outer.parts.awaited_by(thread) if outer is not None else None
    if part is not None:
        part.cancel()


def _engine_here() -> Engine | None:
    """Return the run that the running code is part of, as long as that lives."""
    around = _current.get(None)
    return around() if around is not None else None


def _is_alive(engine: ref[Engine]) -> bool:
    return engine() is not None
