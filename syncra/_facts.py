"""What may be asked about a run, by its workers, its supervisor and its tasks."""

from __future__ import annotations

from _thread import RLock
from os import urandom

from ._core.states import RUNNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence, Sized
    from threading import Lock

    from ._compiled import Compiled
    from ._context import Context as RunContext
    from ._core.machine import Machine
    from ._journal import Journal
    from ._supervisor import Supervisor
    from .executors._base import Lane, Worker

#: Held while an id is made. Not the lock of a run, under which it may be asked for.
_IDENTIFYING = RLock()


class Facts:
    """Answer questions about a run. `Engine` has what the answers are made of."""

    if TYPE_CHECKING:
        compiled: Compiled
        journal: Journal
        is_over: bool
        lock: Lock
        machine: Machine
        queues: Sequence[Sized]
        run_id: str
        started: list[float]
        supervisor: Supervisor | None
        workers: list[Worker | None]

    def context_of(self, task: int) -> RunContext:
        """Return the `Context` that a task receives."""
        from ._context import Context as RunContext

        return RunContext(self, task, self.attempt_of(task))  # type: ignore[arg-type]

    def attempt_of(self, task: int) -> int:
        """Return the number of the present attempt at a task."""
        return 1 + len(self.journal.attempts.get(task, ()))

    def name_of(self, task: int) -> str:
        """Return the name of a task."""
        return self.compiled.names[task]

    @property
    def has_limits(self) -> bool:
        """Return whether a ready task may have to wait for what others have taken."""
        return self.machine.has_limits

    def is_limited(self, task: int) -> bool:
        """Return whether an attempt at a task may only take so long."""
        return task in self.compiled.limits

    def is_to_stop(self, task: int) -> bool:
        """Return whether a running task had better end now."""
        machine = self.machine
        return machine.halted or (machine.stopped and not machine.outlives_stop(task))

    def has_ready(self, lane: Lane) -> bool:
        """Return whether a lane has a ready task. Under the lock."""
        return bool(self.queues[lane.index])

    def goes_on(self, task: int, worker: Worker, started: float) -> bool:
        """Return whether an attempt is still what its worker is at, given up or not."""
        with self.lock:
            now = self.machine.states[task], self.workers[task], self.started[task]
            supervisor = self.supervisor
            is_lost = supervisor is not None and supervisor.is_lost(worker, task)
            return is_lost or now == (RUNNING, worker, started)

    def was_asked_to_end(self, task: int) -> bool:
        """Return whether a running task has been interrupted. Under the lock."""
        return self.supervisor is not None and self.supervisor.was_asked_to_end(task)

    def has_been_asked(self, task: int) -> bool:
        """Return the same for who does not hold the lock: being asked is as asked."""
        with self.lock:
            return self.was_asked_to_end(task)

    def has_expired(self, task: int) -> bool:
        """Return whether the time of a running task is up."""
        return self.supervisor is not None and self.supervisor.has_expired(task)

    def identify(self) -> str:
        """Return the id of the run, made when it is first asked for."""
        if not self.run_id:
            with _IDENTIFYING:
                # Another task may have asked at the same time.
                self.run_id = self.run_id or urandom(8).hex()
        return self.run_id

    def stalled(self, task: int, seconds: float) -> None:
        """Take note that a coroutine does not let its event loop go on."""
        if task >= 0:
            self.journal.warn_of_stall(task, seconds)
