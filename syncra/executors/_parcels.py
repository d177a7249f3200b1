"""What travels to a cluster, and what a run knows of it meanwhile."""

from __future__ import annotations

from .._calls import Gather, slots_of
from .._core.states import PENDING, SUCCEEDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from .._remote import Remote
    from ._base import Work

#: Seconds of work that a parcel of several tasks may hold, and how many of them.
PARCEL_SECONDS, PARCEL_TASKS = 0.02, 64


class Flight:
    """Be the worker of one task at a time: somebody on the cluster.

    Attributes:
        cluster: what the cluster is called.
        is_killed: whether its worker is killed when it is given up.
        task: id of the task.
        where: the worker that has it, "" if that is not known.
        parcel: what it was sent with, or None.
        is_revoked: whether it was to end.
        is_given_up: whether nobody waits for it any more.
        delivered: whether it has ended because of that.
    """

    __slots__ = (
        "cluster",
        "delivered",
        "is_given_up",
        "is_killed",
        "is_revoked",
        "parcel",
        "task",
        "where",
    )

    def __init__(self, cluster: str, is_killed: bool) -> None:
        self.cluster = cluster
        self.is_killed = is_killed
        self.bind(-1)

    def bind(self, task: int) -> None:
        """Take over a task."""
        self.task = task
        self.where = ""
        self.parcel: Parcel | None = None
        self.is_revoked = self.is_given_up = self.delivered = False

    def __str__(self) -> str:
        return self.where or self.cluster

    @property
    def note_when_lost(self) -> str:
        """Return what becomes of its task where that is given up."""
        if self.parcel is None or not self.parcel.worker:
            return f"it had not begun on {self.cluster}"

        if self.is_killed:
            return f"its worker was killed: {self.where}"

        return (
            f"what runs on {self.where} cannot be ended from here: it was abandoned, "
            f"and keeps its place there until it ends"
        )


class Parcel:
    """Hold tasks that were sent together.

    Attributes:
        token: what messages call it.
        tasks: their ids, in the order in which they run.
        positions: the place of each among them, by id.
        flights: who stands for those that were taken and are not over.
        planned: those that were not ready when it was sent.
        worker: name of the worker that has begun with it, "" as long as none has.
        address: where that is.
        handle: what the cluster knows it by, None as long as it was not sent.
        lacks: the slots whose values are to be put on the cluster before it is sent.
        needs: the large values that it refers to.
        large: the task whose result stays there, and the seconds that it took.
        is_reported: whether its last message has come.
        is_ended: whether the cluster says that it is over.
        ended_at: when it said so.
        is_withdrawn: whether it was taken back.
        is_counted: whether it takes up room.
    """

    __slots__ = (
        "address",
        "ended_at",
        "flights",
        "handle",
        "is_counted",
        "is_ended",
        "is_reported",
        "is_withdrawn",
        "lacks",
        "large",
        "needs",
        "planned",
        "positions",
        "tasks",
        "token",
        "worker",
    )

    def __init__(self, token: str) -> None:
        self.token = token
        self.tasks: list[int] = []
        self.positions: dict[int, int] = {}
        self.flights: dict[int, Flight] = {}
        self.planned: set[int] = set()
        self.worker = self.address = ""
        self.handle: Any = None
        self.needs: Sequence[Remote] = ()
        self.large: tuple[int, float] | None = None
        self.is_reported = self.is_ended = self.is_withdrawn = False
        self.is_counted = True
        self.lacks: set[int] = set()
        self.ended_at = 0.0

    def add(self, task: int, flight: Flight | None) -> None:
        """Add a task: one that was taken, or one that is planned."""
        self.positions[task] = len(self.tasks)
        self.tasks.append(task)
        if flight is None:
            self.planned.add(task)
        else:
            self.flights[task] = flight
            flight.parcel = self


class Reads:
    """Know who reads which values of a run, as far as a cluster is concerned.

    Parameters:
        work: the run.
        here: the lanes of the same cluster.
        own: the lane in question.

    Attributes:
        wanted: 1 for each task whose result somebody needs who is not on the cluster.
    """

    def __init__(self, work: Work, here: set[int], own: int) -> None:
        compiled, lanes = work.compiled, work.journal.lanes
        size = compiled.plan.size
        self.wanted = bytearray(size)
        self._lanes, self._own = lanes, own
        self._arguments = compiled.arguments
        #: How many tasks of the lane are still to read each slot.
        self._unread: dict[int, int] = {}
        for task, arguments in enumerate(compiled.arguments):
            slots = slots_of(arguments)
            if lanes[task] == own:
                for slot in set(slots):
                    self._unread[slot] = self._unread.get(slot, 0) + 1
            if lanes[task] not in here:
                if isinstance(arguments, Gather) and arguments.takes_context:
                    slots = (*slots, *compiled.plan.predecessors[task])
                for slot in slots:
                    if slot < size:
                        self.wanted[slot] = 1
        kept = work.journal.kept
        for task in compiled.plan.leaves if kept is None else kept:
            self.wanted[task] = 1
        if work.settings.on_error == "rollback":
            for task, definition in enumerate(compiled.tasks):
                if definition.undo is not None:
                    self.wanted[task] = 1

    def is_read(self, task: int) -> bool:
        """Return whether tasks of the lane are still to read the result of a task."""
        return task in self._unread

    def settled(self, tasks: Iterable[int]) -> list[int]:
        """Take note of tasks that are over; return the slots that nobody reads now."""
        over = []
        for task in tasks:
            if self._lanes[task] == self._own:
                for slot in set(slots_of(self._arguments[task])):
                    self._unread[slot] -= 1
                    if not self._unread[slot]:
                        del self._unread[slot]
                        over.append(slot)
        return over


def can_be_planned(work: Work, task: int, lane: int, parcel: Parcel) -> bool:
    """Return whether a task may run right after those of a parcel, if they succeed.

    So only if that is all it waits for, and nothing else has a say.
    """
    if work.machine.states[task] != PENDING or work.journal.lanes[task] != lane:
        return False

    if task in parcel.positions or isinstance(work.arguments[task], Gather):
        return False

    if work.is_limited(task):
        return False

    states, positions = work.machine.states, parcel.positions
    return all(
        before in positions or states[before] == SUCCEEDED
        for before in work.compiled.plan.predecessors[task]
    )


class Paces:
    """Learn how long functions take, and which of them give what is large."""

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}
        self._names: dict[int, object] = {}  # keeps what the ids are of

    def learn(self, code: object, seconds: float, is_large: bool = False) -> None:
        """Take note of how long a function has taken, by its code."""
        key = id(code)
        self._names[key] = code
        known = self._seconds.get(key)
        if is_large:
            self._seconds[key] = float("inf")  # travels alone from now on
        elif known is None:
            self._seconds[key] = seconds
        else:
            self._seconds[key] = 0.7 * known + 0.3 * seconds

    def of(self, code: object) -> float | None:
        """Return the seconds that a function takes, None if that is not known."""
        return self._seconds.get(id(code))
