"""What is told of a run while it goes on, to whoever has asked for it."""

from __future__ import annotations

from ._facts import Facts
from ._origins import Origins, are_wanted, is_scope, wants_origins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextvars import Context
    from typing import Any

    from ._keeping import Keeping
    from ._observing import Observing
    from ._options import Settings


class Events(Facts):
    """Tell listeners which tasks are over. Everything is done under the lock.

    Attributes:
        listeners: called with the ids of tasks that have been settled.
        is_told: whether anybody is to know of that.
        plain: whether nobody has to be told of each attempt.
    """

    if TYPE_CHECKING:
        context: Context
        listeners: list[Callable[[Sequence[int]], object]]
        plain: bool

    keeping: Keeping | None = None
    observing: Observing | None = None
    #: What tells contexts which task they are of, if anybody wants to know.
    origins: Origins | None = None

    is_told = False
    _announced = 0  # how many of the machine's dropped tasks are known to them

    def listen_for(self, settings: Settings) -> None:
        """Get ready for those who want to know, as the settings of the run have it."""
        if settings.kept is not None:
            self.keep_only(settings.kept)
        if settings.observers:
            self.observe(settings.observers)
        scopes: Any = [one for one in settings.observers if is_scope(one)]
        if scopes or are_wanted() or any(map(wants_origins, settings.observers)):
            known = self.compiled.graph, self.identify(), self.compiled.names
            past = self.journal.attempts
            self.origins = Origins(self.context, *known, past, scopes)

    def listen(self, listener: Callable[[Sequence[int]], object]) -> None:
        """Have `listener` called with the ids of tasks that have been settled."""
        if not self.listeners:
            self._announced = len(self.machine.dropped)
        self.listeners.append(listener)
        self.is_told = True
        self.plain = False

    def keep_only(self, kept: frozenset[int]) -> None:
        """Drop all other results as soon as they have been read."""
        from ._keeping import Keeping

        self.journal.kept = kept
        self.keeping = Keeping(self, kept)  # type: ignore[arg-type]
        self.listen(self.keeping.settled)

    def observe(self, observers: Sequence[object]) -> None:
        """Have observers told of everything."""
        from ._observing import Observing

        self.observing = Observing(observers, self.journal, self.machine.dropped)
        self.is_told = self.is_told or self.observing.wants_ends
        if self.is_told or self.observing.wants_starts:
            self.plain = False

    def _announce(self, task: int) -> None:
        """Tell which tasks have been settled just now."""
        if self.observing is not None:
            self.observing.settled(task)
        if self.listeners:
            self._tell_listeners(task)

    def _tell_listeners(self, task: int) -> None:
        settled: Sequence[int] = (task,) if task >= 0 else ()
        dropped = self.machine.dropped
        if len(dropped) > self._announced:
            settled = [*settled, *dropped[self._announced :]]
            self._announced = len(dropped)
        for listener in self.listeners:
            listener(settled)
