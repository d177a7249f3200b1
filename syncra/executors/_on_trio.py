"""Workers as tasks of trio."""

from __future__ import annotations

from contextvars import copy_context

import trio
from outcome import Error

from .coroutines import LoopWorker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class TrioWorker(LoopWorker):
    """Be a worker in a trio task of its own.

    It is one of the system: no nursery has to wait for it. Two cancel scopes lie
    around it: cancelling the outer one is seen by the task once, and then the inner
    one shields what the task does to clean up.
    """

    __slots__ = ("_inner", "_outer", "_task")

    def start(self) -> None:
        self._outer = trio.CancelScope()
        self._inner = trio.CancelScope()
        self._task = trio.lowlevel.spawn_system_task(
            self._serve_in_scopes, context=copy_context()
        )

    async def _serve_in_scopes(self) -> None:
        with self._outer, self._inner:
            await self.serve()
        del self._task, self._outer, self._inner

    def interrupt(self) -> None:
        self.interrupted = True
        self._outer.cancel()

    def let_it_clean_up(self) -> None:
        self._inner.shield = True

    def give_up(self) -> None:
        self.given_up = True
        self.interrupted = True
        self._inner.shield = False
        self._outer.cancel()
        # A shield of the task's own keeps the cancellation out; so its wait is ended
        # here, in the way that trio itself would.
        abort = getattr(self.waits_for, "abort_func", None)
        if self.waits_for is None or abort is None:
            return

        if abort(_given_up) is trio.lowlevel.Abort.SUCCEEDED:
            trio.lowlevel.reschedule(self._task, Error(GivenUp()))


class GivenUp(BaseException):
    """End the wait of a task that is not waited for any more."""


def _given_up() -> None:
    raise GivenUp


def call_soon_here() -> Callable[[Callable[[], object]], Any]:
    """Return what schedules a callback on the running loop from any thread."""
    return trio.lowlevel.current_trio_token().run_sync_soon
