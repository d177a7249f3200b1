"""Telling observers what happens in a run, in a thread that belongs to none of it.

Whoever runs tasks only writes down what has happened; a kept thread, borrowed while
there is something to tell, calls the observers. So one that is slow, hangs or raises
cannot change a run. It can delay the end of one, but not for long.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import partial
from threading import Lock

from ._alarm import call_at
from ._clock import clock
from ._records import STATES
from .executors._pool import start_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from ._journal import Journal
    from ._run import Run

    #: Who is told something, and by which of his methods.
    Listener = tuple[object, Callable[..., object]]

RUN_STARTED, TASK_STARTED, TASK_RETRYING, TASK_FINISHED, RUN_FINISHED = EVENTS = (
    "run_started",
    "task_started",
    "task_retrying",
    "task_finished",
    "run_finished",
)
#: Seconds that an observer has for one call, and all have for what is left to be told
#: when the run is over.
PATIENCE = 5.0
#: How many errors are kept of a run.
MOST_ERRORS = 100


@dataclass(frozen=True, slots=True)
class ObserverError:
    """Tell what went wrong with an observer.

    Attributes:
        observer: the observer.
        event: the name of its method.
        error: what that has raised; a `TimeoutError` if it did not return.
    """

    observer: object
    event: str
    error: BaseException


class Observing:
    """Tell the observers of one run what happens.

    What workers call only writes it down, and is called under the lock of the run.

    Parameters:
        observers: who is told, the first one first.
        journal: what is known of the run.

    Attributes:
        errors: what went wrong with them.
        run: the run, until all is told.
        wants_starts: whether anybody is to be told of each attempt.
    """

    def __init__(self, observers: Sequence[object], journal: Journal) -> None:
        self.errors: list[ObserverError] = []
        self.run: Run | None = None
        self._journal = journal
        self._names = journal.compiled.names
        # In reverse, since they are popped.
        self._listeners = {event: _listeners(observers, event) for event in EVENTS}
        for event in (RUN_STARTED, TASK_STARTED, TASK_RETRYING):
            self._listeners[event].reverse()
        self.wants_starts = bool(self._listeners[TASK_STARTED])
        self._events: deque[tuple[str, tuple[Any, ...]]] = deque()
        self._guard = Lock()
        self._is_active = self._is_watched = self._is_last = self._is_over = False
        #: Changes when a thread is given up that does not come back from an observer.
        self._turn = 0
        self._event = ""
        self._arguments: tuple[Any, ...] = ()
        self._pending: list[Listener] = []
        self._called: object = None
        self._since = 0.0
        self._when_over: list[Callable[[], object]] = []

    # What happens.

    def begin(self, run: Run) -> None:
        """Take note that the run starts."""
        self.run = run
        self._put(RUN_STARTED)

    def started(self, task: int, attempt: int) -> None:
        """Take note that an attempt starts."""
        self._put(TASK_STARTED, self._names[task], attempt)

    def retrying(
        self, task: int, attempt: int, error: BaseException | None, wait: float
    ) -> None:
        """Take note that an attempt has failed and another one follows."""
        self._put(TASK_RETRYING, self._names[task], attempt, error, wait)

    def settled(self, tasks: Iterable[int]) -> None:
        """Take note that tasks are over."""
        states = self._journal.states
        for task in tasks:
            self._put(TASK_FINISHED, self._names[task], STATES[states[task]])

    def finish(self, when_over: Callable[[], object]) -> None:
        """Take note that the run is over.

        Parameters:
            when_over: called when all have been told, or will not be.
        """
        self._when_over.append(when_over)
        self._put(RUN_FINISHED)
        self._is_last = True
        call_at(clock() + PATIENCE, self._hurry)
        self._activate()  # nobody may want to be told of the end

    def _put(self, event: str, *arguments: Any) -> None:
        if self._listeners[event]:
            self._events.append((event, arguments))
            if not self._is_active:
                self._activate()

    def _activate(self) -> None:
        with self._guard:
            if self._is_active or self._is_over:
                return

            self._is_active = True
            turn = self._turn
            must_watch, self._is_watched = not self._is_watched, True
        if must_watch:
            call_at(clock() + PATIENCE, self._watch)
        self._start(turn)

    def _start(self, turn: int) -> None:
        try:
            start_thread(partial(self._tell, turn))
        except RuntimeError as error:
            # No thread is to be had now; maybe for what comes next.
            self._note(None, RUN_FINISHED, error)
            with self._guard:
                self._is_active = False
            if self._is_last:
                self._end()

    # Telling it.

    def _tell(self, turn: int) -> None:
        """Tell what there is to tell, until there is no more."""
        events = self._events
        while True:
            while self._pending:
                self._called, method = self._pending.pop()
                self._since = clock()
                error: BaseException | None = None
                try:
                    method(*self._arguments)
                except BaseException as raised:
                    error = raised
                with self._guard:
                    if turn != self._turn:
                        return  # it has taken too long: others go on

                    self._since = 0.0
                if error is not None:
                    self._note(self._called, self._event, error)
                    del error
            self._arguments = ()
            try:
                self._event, arguments = events.popleft()
            except IndexError:
                if self._rests():
                    return

                continue
            self._arguments = (self.run, *arguments)
            self._pending = self._listeners[self._event].copy()
            del arguments

    def _rests(self) -> bool:
        """Return whether there is nothing to tell at present."""
        with self._guard:
            self._is_active = False
            if self._events:
                # Who has put it there may have seen that somebody is active.
                self._is_active = True
                return False

        if self._is_last:
            self._end()
        return True

    def _end(self) -> None:
        with self._guard:
            if self._is_over:
                return

            self._is_over = True
        # The run knows this, and must not keep itself alive.
        run, self.run = self.run, None
        self._listeners = {event: [] for event in EVENTS}
        self._called = None
        for callback in self._when_over:
            callback()
        self._when_over.clear()
        del run  # only now: its end looks whether it is over

    # What goes wrong.

    def _watch(self) -> None:
        """Give up an observer that does not return. Called by the clock."""
        with self._guard:
            self._is_watched = self._is_active
            if not self._is_active:
                return

            late = self._since and clock() - self._since >= PATIENCE
            if late:
                self._turn += 1
                self._since = 0.0
                turn, hanging, event = self._turn, self._called, self._event
                for listeners in (*self._listeners.values(), self._pending):
                    listeners[:] = [one for one in listeners if one[0] is not hanging]
        call_at(clock() + PATIENCE / 5, self._watch)
        if late:
            message = f"it did not return from {event} in {PATIENCE:g} s: given up"
            self._note(hanging, event, TimeoutError(message))
            self._start(turn)

    def _hurry(self) -> None:
        """Drop what is left to be told but the end. Called by the clock."""
        if self._is_over:
            return

        events, dropped = self._events, 0
        while len(events) > 1:
            events.popleft()
            dropped += 1
        if dropped:
            message = (
                f"{dropped:,} events were not told, since that would have taken longer "
                f"than {PATIENCE:g} s after the end of the run"
            )
            self._note(self._called, TASK_FINISHED, TimeoutError(message))

    def _note(self, observer: object, event: str, error: BaseException) -> None:
        if len(self.errors) >= MOST_ERRORS:
            return

        self.errors.append(ObserverError(observer, event, error))
        known = observer, event
        if any((one.observer, one.event) == known for one in self.errors[:-1]):
            error.__traceback__ = None
            return

        from logging import getLogger

        getLogger("syncra.observers").warning(
            "observer %s failed in %s: %s: %s",
            type(observer).__name__,
            event,
            type(error).__name__,
            error,
            exc_info=error,
        )
        error.__traceback__ = None  # its frames know the run, which knows this


def _listeners(observers: Iterable[object], event: str) -> list[Listener]:
    """Return who wants to be told of an event: not what `Observer` leaves empty."""
    from .observers._base import Observer

    found: list[Listener] = []
    for observer in observers:
        method = getattr(observer, event, None)
        if getattr(method, "__func__", None) is not getattr(Observer, event):
            if method is not None:
                found.append((observer, method))
    return found


def checked_observers(observers: object, whose: str) -> tuple[object, ...]:
    """Return observers as a tuple, or raise for what cannot be such.

    Raises:
        TypeError: if it is no iterable of objects with a method of an observer.
    """
    if not hasattr(observers, "__iter__"):
        raise TypeError(f"{whose}: observers is a list of observers, got {observers!r}")

    found = tuple(observers)
    for observer in found:
        if not any(callable(getattr(observer, event, None)) for event in EVENTS):
            raise TypeError(
                f"{whose}: an observer has one of the methods {', '.join(EVENTS)}, "
                f"got {observer!r}"
            )

        if isinstance(observer, type):
            raise TypeError(
                f"{whose}: {observer.__name__} is a class; give an observer, as "
                f"{observer.__name__}()"
            )

    return found
