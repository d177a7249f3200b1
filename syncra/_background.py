"""Runs in the background, and the end of the interpreter.

Their threads are daemons, so a script that comes to its end would drop them where they
are. Instead they are cancelled: coroutines can clean up, threads have the grace to end,
and a line says which runs it was.
"""

from __future__ import annotations

import atexit
import os

# What it ends at exit is to be ended after runs: last registered, first called.
from . import _children  # noqa: F401

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._session import Session

_going_on: set[Session] = set()


def keep_until_finished(session: Session) -> None:
    """Keep a background run alive, and end it in good order with the interpreter."""
    _going_on.add(session)
    if not session.call_when_finished(lambda: _going_on.discard(session)):
        _going_on.discard(session)


@atexit.register
def _end_all() -> None:
    if not _going_on:
        return  # most programs end without having imported `logging`

    from logging import getLogger
    from threading import Lock

    from ._names import counted

    for session in list(_going_on):
        if session.is_done:
            continue  # its observers are told the rest

        engine = session.engine
        running = engine.machine.unsettled
        getLogger("syncra").warning(
            "the run of graph %r was going on in the background when the program came "
            "to its end, and is cancelled (not over: %s); wait for it with "
            "run.wait() or `await run`",
            engine.compiled.graph,
            counted(running),
        )
        over = Lock()
        over.acquire()
        if session.call_when_finished(over.release):
            session.cancel()
            over.acquire()


if hasattr(os, "register_at_fork"):
    # They go on in the parent, and no thread of a child could end them.
    os.register_at_fork(after_in_child=_going_on.clear)
