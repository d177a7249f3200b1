"""Sending parcels to a cluster, after the large values that their tasks read."""

from __future__ import annotations

from concurrent.futures import CancelledError
from functools import partial

from .._remote import Remote
from ._cluster_reports import ClusterLost, Reporting
from ._packing import Ahead, Packer, is_large, slots_read
from ._parcels import PARCEL_SECONDS
from ._pool import start_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ._cluster_reports import Cluster
    from ._parcels import Parcel


class Sending(Reporting):
    """Send parcels, and each large value once. All of it in one thread at a time."""

    __slots__ = ("_awaited", "_settings", "_small")

    def __init__(self, index: int, cluster: Cluster) -> None:
        super().__init__(index, cluster)
        #: What surrounds tasks of the run, pickled.
        self._settings = b""
        #: Slots whose values go with each parcel: they fit into a message.
        self._small: set[int] = set()
        #: Parcels that wait for a value to be put on the cluster, by slot.
        self._awaited: dict[int, list[Parcel]] = {}

    def _dispatch(self, parcel: Parcel) -> None:
        """Send a parcel, after the large values that its tasks read."""
        self._parcels.add(parcel)
        parcel.lacks = set(self._large_slots(parcel))
        for slot in parcel.lacks:
            waiting = self._awaited.setdefault(slot, [])
            waiting.append(parcel)
            if len(waiting) == 1:
                start_thread(partial(self._put, slot))
        if not parcel.lacks:
            self._send(parcel)

    def _large_slots(self, parcel: Parcel) -> Iterator[int]:
        """Yield the slots whose values have to be put on the cluster first."""
        values, run_slot = self._work.values, self._work.compiled.run_slot
        for task in parcel.tasks:
            for slot in slots_read(self._work, task):
                if slot in self._small or slot in self._sent or slot == run_slot:
                    continue

                if slot in parcel.positions or values[slot].__class__ is Remote:
                    continue

                if is_large(values[slot]):
                    yield slot
                else:
                    self._small.add(slot)

    def _put(self, slot: int) -> None:
        """Put a value on the cluster, in a thread of its own."""
        try:
            handle = self._cluster.put(self._work.values[slot])
        except BaseException:
            self._post(self._has_not_put, slot)
        else:
            self._post(self._has_put, slot, handle)

    def _has_put(self, slot: int, handle: Any) -> None:
        self._sent[slot] = Remote(self._cluster, handle, "a value from here")
        self._send_those_with(slot)

    def _has_not_put(self, slot: int) -> None:
        # It goes with each of its readers, which tells what is wrong with it.
        self._small.add(slot)
        self._send_those_with(slot)

    def _send_those_with(self, slot: int) -> None:
        for parcel in self._awaited.pop(slot, ()):
            parcel.lacks.discard(slot)
            if not parcel.lacks:
                self._send(parcel)

    def _send(self, parcel: Parcel) -> None:
        work, cluster = self._work, self._cluster
        if parcel.is_ended or parcel not in self._parcels:
            return

        packer = self._packed(parcel)
        if not parcel.flights:
            parcel.is_ended = True
            self._close(parcel)
            return

        if parcel.is_withdrawn or all(
            one.is_revoked for one in parcel.flights.values()
        ):
            parcel.is_withdrawn = True
            self._has_ended(parcel, CancelledError())
            return

        stops = work.settings.on_error != "continue"
        parcel.needs = packer.needs
        try:
            parcel.handle = cluster.submit(
                packer.sealed(stops, PARCEL_SECONDS * 2, self._settings),
                parcel.token,
                [need.handle for need in packer.needs],
                partial(self._post, self._has_news, parcel),
                partial(self._post, self._has_ended, parcel),
            )
        except BaseException as error:
            why = cluster.lost()
            self._has_ended(parcel, ClusterLost(why) if why else error)

    def _packed(self, parcel: Parcel) -> Packer:
        """Pack the tasks of a parcel, but for those that cannot go."""
        work, sent = self._work, self._sent
        assert self._reads is not None
        packer = Packer(work, self._cluster.name)
        positions: dict[int, int] = {}
        for task in parcel.tasks:
            is_planned = task in parcel.planned
            slots = slots_read(work, task)
            instead: dict[int, Any] = {
                slot: sent[slot] for slot in slots if slot in sent
            }
            before: list[int] = []
            try:
                if is_planned:
                    for upstream in work.compiled.plan.predecessors[task]:
                        if upstream in parcel.positions:
                            before.append(positions[upstream])
                            instead[upstream] = Ahead(positions[upstream])
                packer.add(task, instead, before, bool(self._reads.wanted[task]))
            except BaseException as error:
                if is_planned:  # it is told when it is its turn
                    parcel.planned.discard(task)
                    self._planned.pop(task, None)
                else:
                    self._fail(parcel.flights.pop(task), error)
            else:
                positions[task] = len(positions)
        parcel.tasks, parcel.positions = list(positions), positions
        return packer
