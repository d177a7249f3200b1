"""The ways to call a graph: wait for the run, leave it going on, or await it."""

from __future__ import annotations

from ._raising import raise_again
from ._run import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._engine import Engine


def block(engine: Engine) -> Run:
    """Run to the end and return the run, wherever the caller is."""
    # The frames of a task that failed know the frames they were called from, this one
    # too. A variable that holds the run would close a circle: error, frame, run, error.
    runs = [Run(engine)]
    runs[0]._begin()
    runs[0]._session.run()
    error, traceback = runs[0]._to_raise()
    if error is None:
        return runs.pop()

    runs.clear()
    try:
        raise_again(error, traceback)
    finally:
        del error, traceback


def in_background(engine: Engine) -> Run:
    """Start a run and return it at once."""
    return Run(engine)._start()


def to_await(engine: Engine) -> Run:
    """Return a run that starts when it is awaited."""
    return Run(engine)
