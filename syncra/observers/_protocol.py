"""Who is an observer, and what each is told."""

from __future__ import annotations

from .._signature import is_coroutine_function
from ._base import Observer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    #: Who is told something, and by which of his methods.
    Listener = tuple[object, Callable[..., object]]

RUN_STARTED, TASK_STARTED, TASK_RETRYING, TASK_FINISHED, RUN_FINISHED = EVENTS = (
    "run_started",
    "task_started",
    "task_retrying",
    "task_finished",
    "run_finished",
)


def listeners_of(observers: Iterable[object], event: str) -> list[Listener]:
    """Return who wants to be told of an event: not what `Observer` leaves empty."""
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

        for event in EVENTS:
            if is_coroutine_function(getattr(observer, event, len)):
                raise TypeError(
                    f"{whose}: {event} of {observer!r} is a coroutine function, and "
                    f"nobody would await it: observers are told in a thread of "
                    f"their own, where they may take their time. Write `def`."
                )

    return found


def without_repeats(observers: Iterable[object]) -> tuple[object, ...]:
    """Return observers, each once: who is given to graph and run is told once."""
    return tuple({id(observer): observer for observer in observers}.values())
