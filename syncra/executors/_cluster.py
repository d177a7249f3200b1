"""A lane on a cluster, whatever its engine: parcels of tasks, and values that stay.

What an engine has to bring is a `Cluster`: it takes a parcel, which is bytes, has one
of its workers open it with `_remote_work.run`, passes on the messages that this sends,
and keeps the one large value that it may return. The rest is here:

    ready tasks --> parcel --> cluster.submit --> a worker --> news: begun, results
         ^                                                        |
         '------------- report, and take what is ready now <------'

- Values that fit into a message travel with the news and with calls. A larger result
  stays where it is: a `Remote` stands for it, tasks on the same cluster get it by the
  engine's own means, and it travels here only if somebody here reads it (`Reads`).
- A larger value from here is put on the cluster once, however many tasks read it.
- Small tasks of a function that is known to be quick travel together, and what only
  waits for them travels right behind them. Its outcome is kept until it is its turn.
- All this is done by one thread of the lane at a time, called the desk; others leave
  it a note. What the engine of the run calls holds the lock, so it only leaves notes.
"""

from __future__ import annotations

import pickle
from _weakref import ref
from concurrent.futures import CancelledError
from math import ceil
from os import urandom

from .._alarm import call_at
from .._clock import clock
from ..errors import ExecutorLost
from ._cluster_reports import ClusterLost
from ._cluster_sending import Sending
from ._parcels import (
    PARCEL_SECONDS,
    PARCEL_TASKS,
    Flight,
    Parcel,
    Reads,
    can_be_planned,
)
from ._remote_work import this_process
from ._same_code import code_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextvars import ContextVar
    from typing import Any

    from ._base import Worker
    from ._cluster_reports import Cluster

#: How many more parcels are on the way than tasks can run at once, so that no worker
#: has to wait for the next one.
SPARE = 6
#: Seconds between two looks at what is on the way.
WATCH = 1.0
#: Seconds that the last message of a parcel may be behind the parcel.
LATE = 10.0


class ClusterLane(Sending):
    """Give one run its share of a cluster.

    Parameters:
        index: the number of the lane.
        cluster: the cluster.
        most: how many parcels are on the way at once; by default as many as keep it
            busy.
        batches: whether small tasks may travel together.
        variables: context variables whose values tasks get, with where they are found.
    """

    __slots__ = (
        "_batches",
        "_is_over",
        "_is_watched",
        "_most",
        "_variables",
    )

    def __init__(
        self,
        index: int,
        cluster: Cluster,
        most: int | None,
        batches: bool,
        variables: Sequence[tuple[ContextVar[Any], tuple[str, str]]] = (),
    ) -> None:
        super().__init__(index, cluster)
        self._most = most
        self._batches = batches
        self._variables = variables
        self._is_over = self._is_watched = False

    # Called by the engine, under its lock.

    def hire(self) -> None:
        self.vacant = False
        self._post(_nothing)

    def left(self) -> None:
        self.vacant = True

    def interrupt(self, task: int, worker: Worker) -> bool:
        assert isinstance(worker, Flight)
        worker.is_revoked = True
        self._post(self._revoke, worker, task)
        parcel = worker.parcel
        if parcel is None or not parcel.worker or len(parcel.tasks) > 1:
            return True

        return self._cluster.can_kill or bool(self._work.compiled.is_async[task])

    def abandon(self, task: int, worker: Worker) -> bool:
        assert isinstance(worker, Flight)
        worker.is_given_up = True
        parcel = worker.parcel
        self.vacant = True
        self._post(self._give_up, worker)
        goes_on = parcel is not None and bool(parcel.worker)
        return goes_on and not self._cluster.can_kill

    def over(self) -> None:
        self._is_over = True
        self._post(self._forget)

    def _settled(self, tasks: Sequence[int]) -> None:
        assert self._reads is not None
        for slot in self._reads.settled(tasks):
            self._sent.pop(slot, None)

    # The desk: ending what is to end.

    def _revoke(self, flight: Flight, task: int) -> None:
        """Have a task end, if its flight still has it."""
        if flight.task != task or not flight.is_revoked:
            return

        parcel = flight.parcel
        if parcel is None:
            if flight in self._waiting:
                self._waiting.remove(flight)
                self._unsent(flight)
        elif parcel.worker:
            self._tell(flight)
        elif all(one.is_revoked for one in parcel.flights.values()):
            parcel.is_withdrawn = True
            if parcel.handle is not None:
                self._cluster.withdraw(parcel.handle)
                self._has_ended(parcel, CancelledError())

    def _unsent(self, flight: Flight) -> None:
        flight.is_revoked = True
        text = f"it had not been given to {self._cluster.name}"
        self._fail(flight, CancelledError(text))

    def _give_up(self, flight: Flight) -> None:
        """Go on without the room that a task keeps."""
        if flight in self._waiting:
            self._waiting.remove(flight)
        parcel = flight.parcel
        if parcel is not None and parcel.worker and self._cluster.can_kill:
            # Others of it have no end that is known, and so are sent again.
            self._cluster.kill(parcel.address, parcel.handle)
        if parcel is None or not all(
            one.is_given_up for one in parcel.flights.values()
        ):
            return

        parcel.is_counted = False  # what has not begun was taken back before

    def _forget(self) -> None:
        """Let go of everything at the end of the run."""
        for parcel in self._parcels:
            if parcel.handle is not None and not parcel.is_reported:
                self._cluster.withdraw(parcel.handle)
        for known in (self._parcels, self._planned, self._early, self._sent):
            known.clear()
        self._waiting.clear()
        self._is_forgotten = True
        del self._work  # whoever still has this does not keep the results

    # The desk: sending.

    def _pump(self) -> None:
        if self._is_over or (self._reads is None and not self._begin()):
            return

        while not self._is_over and self._has_room():
            flight = self._take()
            if flight is None:
                break

            self._dispatch(self._gather(flight))
        if self._parcels and not self._is_watched:
            self._is_watched = True
            this = ref(self)

            def ring() -> None:
                lane = this()
                if lane is not None and not lane._is_over:
                    lane._post(lane._watch)

            call_at(clock() + WATCH, ring)

    def _begin(self) -> bool:
        """Get ready for the run; return whether it still goes on."""
        work, cluster = self._work, self._cluster
        cluster.connect()
        with work.lock:
            if work.is_over:
                self._is_over = True
                return False

            here = {
                number
                for number, lane in enumerate(work.lanes)
                if isinstance(lane, ClusterLane) and lane._cluster.key == cluster.key
            }
            self._reads = Reads(work, here, self.index)
            work.listen(self._settled)
        self._settings = self._packed_settings()
        return True

    def _packed_settings(self) -> bytes:
        """Return what surrounds each task, as it travels."""
        from .._processes.logs import levels
        from .processes import packed_variables

        variables = packed_variables(
            self._work.context, self._variables, self._cluster.name
        )

        found = {
            "variables": variables,
            "levels": levels() if self._cluster.sends_levels else {},
            "process": this_process(),
        }
        return pickle.dumps(found)

    def _has_room(self) -> bool:
        if self._waiting and self._lost:
            return True

        most = self._most
        if most is None:
            most = max(self._cluster.workers(), 1)
            if not (self._work.compiled.limits or self._work.has_limits):
                most += SPARE  # where the time counts, nobody waits there
        return sum(parcel.is_counted for parcel in self._parcels) < most

    def _take(self) -> Flight | None:
        """Return a flight with a task that is to be sent, or None."""
        work = self._work
        while True:
            if self._waiting:
                flight = self._waiting.popleft()
            else:
                flight = Flight(self._cluster.name, self._cluster.can_kill)
                task = work.enter(self, flight)
                if task < 0:
                    return None

                flight.task = task
            task = flight.task
            if flight.is_given_up:
                continue

            if flight.is_revoked or work.is_to_stop(task):
                self._unsent(flight)
            elif task in self._early:
                self._land(flight, *self._early.pop(task))
            elif task in self._planned:
                parcel = self._planned.pop(task)
                parcel.flights[task] = flight
                flight.parcel, flight.where = parcel, parcel.worker
            elif self._lost:
                self._fail(flight, self._lost_error(work.name_of(task)))
            else:
                return flight

    def _pace(self, task: int) -> float | None:
        """Return the seconds that a task takes if it may travel with others."""
        work = self._work
        if not self._batches or work.has_limits or work.is_limited(task):
            return None

        if task in self._alone:
            return None

        pace = self._paces.of(code_of(work.functions[task]))
        return pace if pace is not None and pace < PARCEL_SECONDS / 2 else None

    def _gather(self, flight: Flight) -> Parcel:
        """Return a parcel with a task and others that may travel with it."""
        parcel = Parcel(urandom(8).hex())
        parcel.add(flight.task, flight)
        seconds = self._pace(flight.task)
        if seconds is None:
            return parcel

        ready = len(self._work.queues[self.index]) + len(self._waiting)
        share = min(PARCEL_TASKS, ceil((ready + 1) / max(self._cluster.workers(), 1)))
        while len(parcel.tasks) < share and seconds < PARCEL_SECONDS:
            if not (self._waiting or self._work.queues[self.index]):
                break

            another = self._take()
            if another is None:
                break

            pace = self._pace(another.task)
            if pace is None:
                self._waiting.appendleft(another)
                break

            parcel.add(another.task, another)
            seconds += pace
        if self._work.compiled.triggers is None:
            self._plan(parcel, seconds)
        return parcel

    def _plan(self, parcel: Parcel, seconds: float) -> None:
        """Add what only waits for tasks of a parcel, and is as quick."""
        successors = self._work.compiled.plan.successors
        for task in parcel.tasks:  # which grows meanwhile
            for follower in successors[task]:
                if len(parcel.tasks) >= PARCEL_TASKS or seconds >= PARCEL_SECONDS:
                    return

                if follower in self._planned or follower in self._early:
                    continue

                pace = self._pace(follower)
                if pace is not None and can_be_planned(
                    self._work, follower, self.index, parcel
                ):
                    parcel.add(follower, None)
                    self._planned[follower] = parcel
                    seconds += pace

    def _watch(self) -> None:
        """Look after what is on the way."""
        self._is_watched = False
        why = self._cluster.lost()
        now = clock()
        for parcel in list(self._parcels):
            if why:
                self._has_ended(parcel, ClusterLost(why))
            elif parcel.is_ended and now - parcel.ended_at > LATE:
                name = self._cluster.name
                self._break(parcel, ExecutorLost(f"{name} has lost its report", name))
                self._close(parcel)


def _nothing() -> None:
    """Have the desk look for what is ready."""
