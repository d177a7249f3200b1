"""Workers as tasks of asyncio."""

from __future__ import annotations

import asyncio

from ._loop_worker import LoopWorker


class AsyncioWorker(LoopWorker):
    """Be a worker in an asyncio task of its own."""

    __slots__ = ("_task",)

    _task: asyncio.Task[None]

    def start(self) -> None:
        # Not `create_task`: an eager task factory would run it at once, and we are
        # under the lock of the run.
        # The context is that of the run, whoever happens to have called the loop.
        self._task = asyncio.Task(
            self.serve(),
            loop=asyncio.get_running_loop(),
            context=self.work.context.copy(),
        )

    def interrupt(self) -> None:
        self.interrupted = True
        self._task.cancel()

    def give_up(self) -> None:
        self.given_up = self.interrupted = True
        self._task.cancel()

    def recover(self, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError):
            # A task that cancels itself cancels the asyncio task of its worker.
            while self._task.cancelling():
                self._task.uncancel()

    def release(self) -> None:
        super().release()
        del self._task
