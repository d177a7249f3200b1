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
from weakref import WeakMethod

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
#: Seconds that an observer has for one call. Half as many again have all of them for
#: what is left to be told when the run is over.
PATIENCE = 5.0
#: Seconds until the thread that tells looks again, if there is nothing to tell.
NAP = 0.005
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
        dropped: those tasks that are settled without having been running; it grows.

    Attributes:
        errors: what went wrong with them.
        run: the run, until all is told.
        wants_starts: whether anybody is to be told of each attempt.
        wants_ends: whether anybody is to be told of each task that is over.
    """

    def __init__(
        self, observers: Sequence[object], journal: Journal, dropped: Sequence[int]
    ) -> None:
        self.errors: list[ObserverError] = []
        self.run: Run | None = None
        self._states = journal.states
        self._past = journal.attempts
        self._dropped = dropped
        self._known = 0  # how many of them have been put down
        self._names = journal.compiled.names
        self._listeners = {event: _listeners(observers, event) for event in EVENTS}
        for event in (TASK_FINISHED, RUN_FINISHED):
            self._listeners[event].reverse()
        self.wants_starts = bool(self._listeners[TASK_STARTED])
        self.wants_ends = bool(self._listeners[TASK_FINISHED])
        #: What is to be told: an event and its arguments, or 2 * task where its first
        #: attempt has started and 2 * task + 1 where it is over. These are so many that
        #: the garbage collector would spend more time on tuples than all else takes.
        self._events: deque[tuple[str, tuple[Any, ...]] | int] = deque()
        self._guard = Lock()
        self._is_active = self._is_watched = self._is_last = self._is_over = False
        #: Changes when a thread is given up that does not come back from an observer.
        self._turn = 0
        #: Wakes the thread that tells from its nap, for the end.
        self._bell = Lock()
        self._bell.acquire()
        #: What is told at present, whom, and since when.
        self._entry: Any = ()
        self._arguments: tuple[Any, ...] = ()
        self._called: Listener | None = None
        self._since = 0.0
        #: When what is left after the end of the run is dropped.
        self._deadline = 0.0
        #: What a thread that was given up has left to be told, and whom.
        self._left: tuple[Sequence[Listener], tuple[Any, ...]] = (), ()
        self._when_over: list[Callable[[], object]] = []

    # What happens.

    def begin(self, run: Run) -> None:
        """Take note that the run starts."""
        self.run = run
        self._put(RUN_STARTED)

    def started(self, task: int) -> None:
        """Take note that an attempt starts."""
        if task in self._past:
            attempt = 1 + len(self._past[task])
            self._put(TASK_STARTED, self._names[task], attempt)
        else:
            self._events.append(2 * task)
        if not self._is_active:
            self._activate()

    def retrying(
        self, task: int, attempt: int, error: BaseException | None, wait: float
    ) -> None:
        """Take note that an attempt has failed and another one follows."""
        self._put(TASK_RETRYING, self._names[task], attempt, error, wait)

    def advanced(self, task: int, following: int) -> None:
        """Take note of a success, and of what its worker goes on with, if not < 0."""
        if self.wants_ends:
            self._events.append(2 * task + 1)
            if len(self._dropped) > self._known:
                self._note_dropped()
        if following >= 0 and self.wants_starts:
            self.started(following)
        elif not self._is_active:
            self._activate()

    def settled(self, task: int) -> None:
        """Take note that tasks are over: this one, if not < 0, and dropped ones."""
        if not self.wants_ends:
            return

        if task >= 0:
            self._events.append(2 * task + 1)
        self._note_dropped()
        if not self._is_active:
            self._activate()

    def _note_dropped(self) -> None:
        known, self._known = self._known, len(self._dropped)
        self._events.extend([2 * task + 1 for task in self._dropped[known:]])

    def finish(self, when_over: Callable[[], object]) -> None:
        """Take note that the run is over.

        Parameters:
            when_over: called when all have been told, or will not be.
        """
        self._when_over.append(when_over)
        self._put(RUN_FINISHED)
        self._is_last = True
        self._allow_time()
        _call_at(self._deadline, self._hurry)
        self._activate()
        self._bell.release()

    def _allow_time(self) -> None:
        # Longer than it can take until one that hangs is given up.
        self._deadline = clock() + 1.5 * PATIENCE

    def _put(self, event: str, *arguments: Any) -> None:
        if not self._listeners[event]:
            return

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
            _call_at(clock() + PATIENCE, self._watch)
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
        """Tell what there is to tell, until for a while there is no more."""
        events, names, states = self._events, self._names, self._states
        starts, ends = self._listeners[TASK_STARTED], self._listeners[TASK_FINISHED]
        run = self.run
        arguments: tuple[Any, ...]
        pending, arguments = self._left
        self._left = (), ()
        while True:
            for listener in pending:
                error: BaseException | None = None
                self._called = listener
                self._since = clock()
                try:
                    listener[1](*arguments)
                except BaseException as raised:
                    error = raised
                self._since = 0.0
                if self._turn != turn and self._is_given_up(turn):
                    return

                if error is not None:
                    self._note(listener[0], self._event_of(self._entry), error)
            # Nothing of a run may be held while there is nothing to tell.
            self._called, error = None, None
            try:
                entry: Any = events.popleft()
            except IndexError:
                pending = arguments = self._arguments = ()
                # It costs less to look again soon than to be woken for each event.
                if not self._is_last and self._bell.acquire(timeout=NAP):
                    self._bell.release()
                run = None
                if not events and self._rests():
                    return

                run = self.run
            else:
                self._entry = entry
                if type(entry) is tuple:
                    pending, arguments = self._listeners[entry[0]], (run, *entry[1])
                elif entry & 1:
                    task = entry >> 1
                    pending, arguments = ends, (run, names[task], STATES[states[task]])
                else:
                    pending, arguments = starts, (run, names[entry >> 1], 1)
                self._arguments = arguments

    @staticmethod
    def _event_of(entry: Any) -> str:
        """Return the event that an entry of the queue stands for."""
        if type(entry) is tuple:
            return str(entry[0])

        return TASK_FINISHED if entry & 1 else TASK_STARTED

    def _is_given_up(self, turn: int) -> bool:
        with self._guard:  # until the clock has made up its mind
            return self._turn != turn

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
        self._arguments = ()
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

            is_late = self._is_late()
            if is_late:
                # Whoever comes back sees a change, and asks under the guard.
                self._turn += 1
                is_late = self._is_late()
                self._turn -= not is_late
            if is_late:
                assert self._called is not None
                turn, entry, hanging = self._turn, self._entry, self._called
                event = self._event_of(entry)
                listeners = self._listeners[event]
                left = listeners[listeners.index(hanging) + 1 :]
                self._left = left, self._arguments
                for known in self._listeners.values():
                    known[:] = [one for one in known if one[0] is not hanging[0]]
        _call_at(clock() + PATIENCE / 5, self._watch)
        if is_late:
            message = f"it did not return from {event} in {PATIENCE:g} s: given up"
            self._note(hanging[0], event, TimeoutError(message))
            self._allow_time()  # for the others
            self._start(turn)

    def _is_late(self) -> bool:
        return bool(self._since) and clock() - self._since >= PATIENCE

    def _hurry(self) -> None:
        """Drop what is left to be told but the end. Called by the clock."""
        if self._is_over:
            return

        if clock() < self._deadline:
            _call_at(self._deadline, self._hurry)
            return

        events, dropped = self._events, 0
        while len(events) > 1:
            events.popleft()
            dropped += 1
        if dropped:
            message = (
                f"{dropped:,} events were not told, since that would have taken longer "
                f"than {1.5 * PATIENCE:g} s after the end of the run"
            )
            self._note(None, TASK_FINISHED, TimeoutError(message))

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


def _call_at(when: float, method: Callable[[], object]) -> None:
    """Have the clock call a method, unless its object is no more by then."""
    this = WeakMethod(method)

    def ring() -> None:
        known = this()
        if known is not None:
            known()

    call_at(when, ring)


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
