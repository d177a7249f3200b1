"""Workers as tasks of trio."""

from __future__ import annotations

import trio
from outcome import Error

from ._loop_worker import GivenUp, LoopWorker

TYPE_CHECKING = False
if TYPE_CHECKING:
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
            self._serve_in_scopes, context=self.work.context.copy()
        )

    async def _serve_in_scopes(self) -> None:
        with self._outer, self._inner:
            await self.serve()
        del self._task, self._outer, self._inner

    def interrupt(self) -> None:
        self.interrupted = True
        self._outer.cancel()

    def tell(self, answer: Any) -> None:
        if isinstance(answer, (Error, BaseException)):
            self.delivered = self._inner.shield = True

    def give_up(self) -> None:
        self.given_up = self.interrupted = True
        # A shield, ours or one of the task's own, keeps a cancellation out, so its wait
        # is ended as trio itself would end it. What the wait has to say to that is not
        # public; None means that it is over already.
        abort = getattr(self._task, "_abort_func", None)
        if abort is not None and abort(_give_up) is trio.lowlevel.Abort.SUCCEEDED:
            trio.lowlevel.reschedule(self._task, Error(GivenUp()))


def _give_up() -> None:
    raise GivenUp
