"""What a lane on a cluster makes of the news from there."""

from __future__ import annotations

import pickle
from collections import deque
from concurrent.futures import CancelledError
from functools import partial
from threading import Lock

from .._clock import clock
from .._loops import is_cancelled_error
from .._processes import pickles
from .._remote import Remote
from ..errors import ExecutorLost, SyncraError, WorkerCrashed
from ._base import Lane
from ._crossing import interruption, refusal
from ._parcels import PARCEL_TASKS, Flight, Paces, Parcel
from ._pool import start_thread
from ._remote_work import BEGUN, END, ERROR, LARGE, LOG, VALUE, begun_by
from ._same_code import code_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Protocol

    from ._base import Work
    from ._parcels import Reads

    class Cluster(Protocol):
        """Be what an engine brings. Its methods may be called in any thread.

        Attributes:
            name: what records and messages call it.
            key: equal for those that know one another's handles.
            sends_levels: whether its workers may take over the levels of loggers.
            can_kill: whether it ends a task by force.
        """

        name: str
        key: object
        sends_levels: bool
        can_kill: bool

        def connect(self) -> None:
            """Be ready, or raise why not. May take its time."""

        def workers(self) -> int:
            """Return how many tasks can run at once, without waiting for anybody."""

        def submit(
            self,
            parcel: bytes,
            token: str,
            needs: Sequence[Any],
            news: Callable[[bytes], object],
            ended: Callable[[BaseException | None], object],
        ) -> Any:
            """Have a worker run a parcel once, with the values of handles; no retries.

            Returns:
                The handle of its result, which lives as long as somebody has that.

            Parameters:
                parcel: the first argument of `_remote_work.run`.
                token: the second one.
                needs: the handles of the third one.
                news: to be called with each message, in their order.
                ended: to be called after the last one with None, `WorkerDied`,
                    `ClusterLost`, `CancelledError`, or what else went wrong.
            """

        def withdraw(self, handle: Any) -> None:
            """Take a parcel back that has not begun. Does not wait."""

        def kill(self, address: str, handle: Any) -> None:
            """End a worker that is at a parcel, if it can. Does not wait."""

        def tell(self, address: str, token: str, positions: Sequence[int]) -> None:
            """Have a worker call `_remote_work.tell`. Does not wait."""

        def put(self, value: Any) -> Any:
            """Send a value there; return its handle."""

        def get(self, handle: Any) -> Any:
            """Return the value of a handle."""

        def lost(self) -> str:
            """Return why the cluster has to be taken for lost, "" if it has not."""


#: How often a task is sent again that had not begun where a worker has died.
MOST_SENT = 10


class WorkerDied(Exception):
    """Say that the worker that had a parcel is gone."""


class ClusterLost(Exception):
    """Say that nobody answers any more."""


class Reporting(Lane):
    """Report to a run what its cluster tells. All of it in one thread at a time."""

    __slots__ = (
        "__weakref__",
        "_again",
        "_alone",
        "_cluster",
        "_early",
        "_guard",
        "_inbox",
        "_is_forgotten",
        "_is_served",
        "_lost",
        "_paces",
        "_parcels",
        "_planned",
        "_reads",
        "_sent",
        "_waiting",
        "_work",
    )

    def __init__(self, index: int, cluster: Cluster) -> None:
        super().__init__(index)
        self._cluster = cluster
        self._guard = Lock()
        #: Notes for the desk: what to call, and with what.
        self._inbox: deque[tuple[Any, ...]] = deque()
        self._is_served = False
        #: Whether the run is over, so that no note is of any use.
        self._is_forgotten = False
        #: Flights that have a task and are to be sent.
        self._waiting: deque[Flight] = deque()
        self._parcels: set[Parcel] = set()
        #: Who has tasks that are not ready yet, and what came of those that were over
        #: before they were.
        self._planned: dict[int, Parcel] = {}
        self._early: dict[int, tuple[Any, ...]] = {}
        #: What stands for large values, by slot.
        self._sent: dict[int, Remote] = {}
        #: Tasks that travel alone, since a worker has died that had them.
        self._alone: set[int] = set()
        #: How often tasks were sent again that had not begun.
        self._again: dict[int, int] = {}
        self._paces = Paces()
        self._reads: Reads | None = None
        self._lost = ""

    def attach(self, work: Work) -> None:
        self._work = work

    # The desk.

    def _post(self, *note: Any) -> None:
        """Leave a note: what the desk is to call, and with what. From any thread."""
        self._inbox.append(note)
        with self._guard:
            if self._is_served:
                return

            self._is_served = True
        start_thread(self._serve)

    def _serve(self) -> None:
        try:
            while True:
                while self._inbox:
                    call, *given = self._inbox.popleft()
                    if not self._is_forgotten:
                        call(*given)
                    elif call == self._has_news:
                        self._end_late(*given)
                    del call, given
                if not self._is_forgotten:
                    self._pump()
                with self._guard:
                    if not self._inbox:
                        self._is_served = False
                        return

        except BaseException as error:
            self._is_served = False
            if not self._is_forgotten:
                self._work.crash(error)

    def _pump(self) -> None:
        """Send what there is room for."""
        raise NotImplementedError

    def _watch(self) -> None:
        """Look after what is on the way, now and then."""
        raise NotImplementedError

    # News of a parcel.

    def _has_news(self, parcel: Parcel, message: bytes) -> None:
        if parcel.is_withdrawn and parcel.is_ended:
            self._end_late(parcel, message)
            return

        for kind, position, *facts in pickle.loads(message):
            if kind == BEGUN:
                self._has_begun(parcel, *facts)
            elif kind == END:
                parcel.is_reported = True
            elif kind == LOG:
                self._log(parcel, position, facts[0])
            elif kind == LARGE:
                # It counts when the cluster says that it has it.
                parcel.large = parcel.tasks[position], facts[0]
            else:
                self._has_outcome(parcel, parcel.tasks[position], kind, facts)
        if parcel.is_reported and parcel.is_ended:
            self._close(parcel)

    def _end_late(self, parcel: Parcel, message: bytes) -> None:
        """Have a parcel end that was begun with just when it was taken back.

        Its engine does the same with what it hears from then on.
        """
        for address in begun_by(message):
            self._cluster.tell(address, parcel.token, range(PARCEL_TASKS))

    def _has_begun(self, parcel: Parcel, worker: str, address: str) -> None:
        if parcel.worker:
            # The engine tries by itself what has killed a worker.
            self._cluster.withdraw(parcel.handle)
            died = WorkerDied(f"worker {parcel.worker} has died")
            self._has_ended(parcel, died)
            return

        parcel.worker, parcel.address = worker, address
        now = clock()
        for task, flight in parcel.flights.items():
            flight.where = worker
            if len(parcel.tasks) == 1:
                self._work.begun(task, flight, now)
            if flight.is_revoked:
                self._tell(flight)

    def _tell(self, flight: Flight) -> None:
        """Have the worker of a task tell it to end."""
        parcel = flight.parcel
        if parcel is not None and parcel.address:
            positions = (parcel.positions[flight.task],)
            self._cluster.tell(parcel.address, parcel.token, positions)

    def _log(self, parcel: Parcel, position: int, record: bytes) -> None:
        from .._processes.logs import handle

        origins = self._work.origins
        if origins is None:
            handle(record)
        else:
            origins.context_of(parcel.tasks[position]).run(handle, record)

    def _has_outcome(self, parcel: Parcel, task: int, kind: int, facts: Any) -> None:
        flight = parcel.flights.pop(task, None)
        if flight is not None:
            self._land(flight, parcel.worker, kind, facts)
        elif task in parcel.planned:
            self._early[task] = parcel.worker, kind, facts
            self._planned.pop(task, None)

    def _has_ended(self, parcel: Parcel, error: BaseException | None) -> None:
        """Take note that the cluster has done with a parcel."""
        if parcel.is_ended:
            return

        parcel.is_ended = True
        parcel.ended_at = clock()
        if error is not None:
            self._break(parcel, error)
            self._close(parcel)
        elif parcel.is_reported:
            self._close(parcel)

    def _close(self, parcel: Parcel) -> None:
        """Do what is left to do for a parcel that is over."""
        self._parcels.discard(parcel)
        handle, parcel.handle = parcel.handle, None
        if parcel.large is not None:
            task, seconds = parcel.large
            parcel.large = None
            name = self._work.name_of(task)
            remote = Remote(self._cluster, handle, f"the result of task {name!r}")
            self._has_outcome(parcel, task, LARGE, (seconds, remote))
        # It has not come to these: a parcel has its limits.
        for task in parcel.planned:
            if self._planned.get(task) is parcel:
                del self._planned[task]
        for flight in list(parcel.flights.values()):
            if not flight.is_given_up:
                flight.parcel = None
                self._waiting.append(flight)
        parcel.flights.clear()
        parcel.needs = ()

    def _break(self, parcel: Parcel, error: BaseException) -> None:
        """Report what the end of a parcel by other hands means for its tasks."""
        large, parcel.large = parcel.large, None
        flights = list(parcel.flights.values())
        if is_cancelled_error(error) and not parcel.is_withdrawn:
            why = self._cluster.lost()
            error = ClusterLost(why) if why else error
        if isinstance(error, ClusterLost):
            self._lost = self._lost or str(error)
        elif not self._is_final(parcel, flights, error):
            return  # they are sent again
        elif large is not None and not isinstance(error, (WorkerDied, CancelledError)):
            name, cluster = self._work.name_of(large[0]), self._cluster.name
            error = refusal(name, cluster, "result", error, "")

        parcel.flights.clear()
        for flight in flights:
            self._fail(flight, self._error_of(flight, parcel, error))

    def _is_final(
        self, parcel: Parcel, flights: Sequence[Flight], error: BaseException
    ) -> bool:
        """Return whether what has ended a parcel is what becomes of its tasks."""
        if isinstance(error, WorkerDied):
            return self._is_to_blame(parcel, flights)

        return not self._is_of_values(parcel, error) or self._is_alone(parcel)

    def _is_to_blame(self, parcel: Parcel, flights: Sequence[Flight]) -> bool:
        """Return whether a task of a parcel is why its worker has died."""
        if not parcel.worker:  # it was waiting there
            again = [self._again.get(flight.task, 0) for flight in flights]
            for flight, times in zip(flights, again, strict=True):
                self._again[flight.task] = times + 1
            return max(again, default=0) >= MOST_SENT

        return self._is_alone(parcel)

    def _is_alone(self, parcel: Parcel) -> bool:
        """Return whether the end of a parcel is due to the one task that it has left.

        If it is due to one of several, each shows by itself which one.
        """
        ahead = [task for task in parcel.planned if self._planned.get(task) is parcel]
        unknown = [*parcel.flights, *ahead]
        if len(unknown) < 2:
            return True

        self._alone.update(unknown)
        return False

    def _error_of(
        self, flight: Flight, parcel: Parcel, error: BaseException
    ) -> BaseException:
        name, cluster = self._work.name_of(flight.task), self._cluster.name
        if isinstance(error, WorkerDied):
            crashed = WorkerCrashed(
                f"the worker of task {name!r} on {cluster} has died: {error}", name
            )
            crashed.__cause__ = error.__cause__
            return crashed

        if isinstance(error, ClusterLost):
            return self._lost_error(name)

        if isinstance(error, CancelledError) or is_cancelled_error(error):
            if parcel.is_withdrawn:
                return CancelledError(f"{cluster} did not begin with it any more")

            return CancelledError(f"somebody else has cancelled it on {cluster}")

        if self._is_of_values(parcel, error):
            return refusal(name, cluster, "argument", error, "")

        return error

    @staticmethod
    def _is_of_values(parcel: Parcel, error: BaseException) -> bool:
        """Return whether a worker did not get at the large values of a parcel."""
        if parcel.worker or not parcel.needs or is_cancelled_error(error):
            return False

        return not isinstance(error, (SyncraError, WorkerDied, ClusterLost))

    def _lost_error(self, name: str) -> ExecutorLost:
        cluster = self._cluster.name
        text = f"task {name!r} was to run on {cluster}, which is lost: {self._lost}"
        return ExecutorLost(text, cluster)

    # What came of a task.

    def _land(self, flight: Flight, where: str, kind: int, facts: Any) -> None:
        """Report the outcome of a task."""
        work, task = self._work, flight.task
        flight.where = where
        seconds = facts[0]
        now = clock()
        if work.workers[task] is flight and not flight.is_given_up:
            work.started[task] = max(work.started[task], now - seconds)
        code = code_of(work.functions[task])
        name, cluster = work.name_of(task), self._cluster.name
        if kind == ERROR:
            stage, packed, path = facts[1:]
            error = pickles.load_error(packed, name)
            if stage:
                error = refusal(name, cluster, stage, error, path)
            elif isinstance(error, KeyboardInterrupt):
                error = interruption(name, cluster, error)
            return self._fail(flight, error)

        self._paces.learn(code, seconds, kind == LARGE)
        if kind == VALUE:
            try:
                value = pickle.loads(facts[1])
            except BaseException as error:
                return self._fail(flight, refusal(name, cluster, "result", error, ""))

            return self._advance(flight, value)

        assert self._reads is not None
        remote = facts[1]
        if self._reads.wanted[task]:
            start_thread(partial(self._fetch, flight, remote))
        else:
            self._advance(flight, remote)

    def _fetch(self, flight: Flight, remote: Remote) -> None:
        """Get a large value, in a thread of its own."""
        try:
            value = remote.fetch()
        except BaseException as error:
            self._post(self._not_fetched, flight, error)
        else:
            self._post(self._fetched, flight, remote, value)

    def _fetched(self, flight: Flight, remote: Remote, value: Any) -> None:
        assert self._reads is not None
        if self._reads.is_read(flight.task):
            self._sent[flight.task] = remote
        self._advance(flight, value)

    def _not_fetched(self, flight: Flight, error: BaseException) -> None:
        if not isinstance(error, ExecutorLost):
            name = self._work.name_of(flight.task)
            error = refusal(name, self._cluster.name, "result", error, "")
        self._fail(flight, error)

    def _advance(self, flight: Flight, value: Any) -> None:
        task = flight.task
        flight.parcel = None
        self._go_on(flight, self._work.advance(self, flight, task, value))

    def _fail(self, flight: Flight, error: BaseException) -> None:
        work, task = self._work, flight.task
        flight.delivered = work.has_been_asked(task) or (
            flight.is_revoked and is_cancelled_error(error)
        )
        flight.parcel = None
        self._go_on(flight, work.fail(self, flight, task, error))

    def _go_on(self, flight: Flight, following: int) -> None:
        """Have the next task of a flight sent; the last one keeps its place's name."""
        work, task, where = self._work, flight.task, str(flight)
        past = work.journal.attempts.get(task)
        if past and past[-1].worker is flight:
            past[-1].worker = where
        if following != task and work.workers[task] is flight:
            work.workers[task] = where
        if following >= 0:
            flight.bind(following)
            self._waiting.append(flight)
