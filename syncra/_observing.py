"""Telling observers what happens in a run, in a thread that belongs to none of it.

Whoever runs tasks only writes down what has happened; a kept thread, borrowed while
there is something to tell, calls the observers. So one that is slow, hangs or raises
cannot change a run. It can delay the end of one, but not for long.
"""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import dataclass
from functools import partial
from threading import Lock
from weakref import WeakMethod

from ._alarm import call_at
from ._clock import clock
from ._records import STATES
from .executors._pool import start_thread
from .observers._protocol import (
    EVENTS,
    RUN_FINISHED,
    RUN_STARTED,
    TASK_FINISHED,
    TASK_RETRYING,
    TASK_STARTED,
    listeners_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ._journal import Journal
    from ._run import Run
    from .observers._protocol import Listener

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
        self._task_errors = journal.errors
        self._dropped = dropped
        self._known = 0  # how many of them have been put down
        self._names = journal.compiled.names
        self._listeners = {event: listeners_of(observers, event) for event in EVENTS}
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
        self._call: list[Any] | None = None
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
        elif self.wants_ends and not self._is_active:
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
        if must_watch and not _call_at(clock() + PATIENCE, self._watch):
            self._is_watched = False  # what comes next tries again
        self._start(partial(self._tell, turn))

    def _start(self, job: Callable[[], object]) -> None:
        try:
            start_thread(job)
        except RuntimeError as error:
            # No thread is to be had now; maybe for what comes next.
            self._note(None, RUN_FINISHED, error)
            with self._guard:
                self._is_active = False
            if self._is_last:
                self._end()

    # Telling it.

    def _go_on(self, turn: int, hanging: object, event: str) -> None:
        """Tell the rest in place of a thread that does not come back."""
        message = f"it did not return from {event} in {PATIENCE:g} s: given up"
        self._note(hanging, event, TimeoutError(message))
        self._tell(turn)

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
                self._call = call = [listener, clock()]
                try:
                    listener[1](*arguments)
                except BaseException as raised:
                    error = raised
                # Of this call only: another thread may be at the next one.
                call[1] = 0.0
                if self._turn != turn and self._is_given_up(turn):
                    return

                if error is not None:
                    self._note(listener[0], self._event_of(self._entry), error)
            # Nothing of a run may be held while there is nothing to tell.
            self._call = error = None
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
            is_last = self._is_last  # before the look at what is left: that comes first
            self._is_active = False
            if self._events:
                # Who has put it there may have seen that somebody is active.
                self._is_active = True
                return False

        if is_last:
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
        self._call = self._entry = None
        self._left = (), ()
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

            call, late = self._call, None
            since = call[1] if call is not None else 0.0
            if call is not None and since and clock() - since >= PATIENCE:
                # Whoever comes back sees a change, and asks under the guard.
                self._turn += 1
                if call[1]:
                    late = self._give_up(call[0])
                    self._call = None  # or it is found again until the next one begins
                else:
                    self._turn -= 1
            turn = self._turn
        _call_at(clock() + PATIENCE / 5, self._watch)
        if late is not None:
            self._allow_time()  # for the others
            self._start(partial(self._go_on, turn, *late))

    def _give_up(self, hanging: Listener) -> tuple[object, str]:
        """Go on without an observer, from those behind it on."""
        event = self._event_of(self._entry)
        listeners = self._listeners[event]
        left = listeners[listeners.index(hanging) + 1 :]
        self._left = left, self._arguments
        for known in self._listeners.values():
            known[:] = [one for one in known if one[0] is not hanging[0]]
        return hanging[0], event

    def _hurry(self) -> None:
        """Drop what is left to be told but the end. Called by the clock."""
        if self._is_over:
            return

        if clock() < self._deadline:
            _call_at(self._deadline, self._hurry)
            return

        events, dropped = self._events, 0
        while len(events) > 1:
            try:
                entry = events.popleft()
            except IndexError:
                break

            if type(entry) is tuple and entry[0] == RUN_FINISHED:
                events.append(entry)
                break

            dropped += 1
        if dropped:
            message = (
                f"{dropped:,} events were not told, since that would have taken longer "
                f"than {1.5 * PATIENCE:g} s after the end of the run"
            )
            error = TimeoutError(message)
            self.errors.append(ObserverError(None, TASK_FINISHED, error))
            # A log may take its time, and this is the clock of all runs.
            start_thread(partial(_log, None, TASK_FINISHED, error))

    def _note(self, observer: object, event: str, error: BaseException) -> None:
        """List an error, and log it if it is the first of its kind."""
        if len(self.errors) >= MOST_ERRORS:
            return

        is_known = any(
            one.observer is observer and one.event == event for one in self.errors
        )
        self.errors.append(ObserverError(observer, event, error))
        if not is_known:
            _log(observer, event, error)
        # Frames know the run, which knows this.
        chained: BaseException | None = error
        for _ in range(MOST_ERRORS):
            if chained is None or self._is_of_a_task(chained):
                return

            chained.__traceback__ = None
            chained = chained.__cause__ or chained.__context__

    def _is_of_a_task(self, error: BaseException) -> bool:
        return any(error is known for known in list(self._task_errors.values()))


def _log(observer: object, event: str, error: BaseException) -> None:
    """Log what an observer has raised; a handler of the user's may raise too."""
    from logging import getLogger

    try:
        getLogger("syncra.observers").warning(
            "observer %s failed in %s: %s: %s",
            type(observer).__name__,
            event,
            type(error).__name__,
            error,
            exc_info=error,
        )
    except Exception as broken:
        sys.excepthook(type(broken), broken, broken.__traceback__)


def _call_at(when: float, method: Callable[[], object]) -> bool:
    """Have the clock call a method, unless its object is no more by then.

    Returns:
        Whether it will: the clock may not have its thread, nor get one.
    """
    this = WeakMethod(method)

    def ring() -> None:
        known = this()
        if known is not None:
            known()

    try:
        call_at(when, ring)
    except RuntimeError:
        return False

    return True
