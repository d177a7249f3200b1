"""Following a run that goes on elsewhere: its end, and the ends of its tasks."""

from __future__ import annotations

from queue import SimpleQueue

from ._core.states import TERMINAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._engine import Engine
    from ._records import Records, TaskRecord
    from ._session import Session


class Completed:
    """Give the records of the tasks of a run as they come to their end.

    An iterator and an asynchronous iterator; each task comes once.
    """

    def __init__(self, engine: Engine, records: Records) -> None:
        self._records = records
        self._names = engine.compiled.names
        self._left = len(self._names)
        self._arrived: SimpleQueue[int] = SimpleQueue()
        self._wake: Callable[[], object] | None = None
        with engine.lock:
            states, finished = engine.machine.states, engine.journal.finished
            over = [task for task, state in enumerate(states) if state in TERMINAL]
            # What never ran comes after what it was skipped for.
            over.sort(key=lambda task: finished[task] or float("inf"))
            self._settled(over)
            if not engine.is_over:
                engine.listen(self._settled)

    def _settled(self, tasks: Sequence[int]) -> None:
        for task in tasks:
            self._arrived.put(task)
        if self._wake is not None:
            try:
                self._wake()
            except RuntimeError:
                self._wake = None  # its event loop is closed

    def __iter__(self) -> Completed:
        return self

    def __next__(self) -> TaskRecord:
        if not self._left:
            raise StopIteration

        return self._record(self._arrived.get())

    def __aiter__(self) -> Completed:
        return self

    async def __anext__(self) -> TaskRecord:
        if not self._left:
            raise StopAsyncIteration

        if self._arrived.empty():
            await self._arrival()
        return self._record(self._arrived.get())

    async def _arrival(self) -> None:
        """Wait until a task has arrived."""
        from .executors._in_thread import event_here

        while self._arrived.empty():
            event, self._wake = event_here()
            # What arrived before that did not wake anybody.
            if self._arrived.empty():
                await event.wait()

    def _record(self, task: int) -> TaskRecord:
        self._left -= 1
        return self._records[self._names[task]]


async def wait_on_loop(session: Session) -> None:
    """Wait on this thread's event loop for a run that is going on elsewhere.

    Whoever is cancelled while he waits cancels the run.
    """
    from .executors._in_thread import event_here, wait_to_the_end

    event, set_soon = event_here()
    if not session.call_when_finished(set_soon):
        return

    try:
        await event.wait()
    except BaseException:
        session.cancel()
        await wait_to_the_end(event)
        raise
