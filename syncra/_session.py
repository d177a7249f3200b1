"""A run from its beginning to its end: who waits, where loops live, what comes after.

An engine runs a graph; a session gets it going and sees it through. In a script the
caller waits, so that signals always find somebody free, and an event loop that the run
needs lives in a thread of its own; where the run is awaited, the loop is the caller's.
After a failure with `on_error="rollback"`, a second engine undoes what was done.
"""

from __future__ import annotations

from threading import Lock, current_thread, main_thread

from ._engine import Engine
from ._loops import running_library
from ._names import note_on
from ._rollback import rollback_of
from ._signals import SignalGuard, wait_for
from ._supervisor import GRACE
from .executors._pool import start_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Session:
    """See one run through.

    Parameters:
        engine: what runs the graph.
    """

    __slots__ = (
        "__weakref__",
        "_lock",
        "_when_finished",
        "_when_released",
        "engine",
        "is_done",
        "is_finished",
        "is_started",
        "rollback",
    )

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        # Taken inside those of engines, never around them.
        self._lock = Lock()
        #: What undoes the run after its failure, if it does.
        self.rollback: Engine | None = None
        self.is_started = False
        #: Whether the run is over, undoing included.
        self.is_done = False
        #: Whether its observers have been told so, too.
        self.is_finished = False
        self._when_finished: list[Callable[[], object]] = []
        self._when_released: tuple[Callable[[], object], ...] = ()

    def run(self) -> None:
        """Run to the end, blocking the caller."""
        whole = self.engine.parts.whole
        if whole is None:
            self._run()
            return

        whole.wait_here(self.engine)
        try:
            self._run()
        finally:
            whole.go_on_here()

    def _run(self) -> None:
        self.is_started = True
        with SignalGuard(self):
            _run(self.engine)
            if self._undo():
                assert self.rollback is not None
                _run(self.rollback)
            self._finish()
            told = Lock()
            told.acquire()
            if self.call_when_finished(told.release):
                wait_for(told)

    async def arun(self) -> None:
        """Run to the end on the running event loop, without blocking it."""
        self.is_started = True
        try:
            await self._arun()
        except GeneratorExit:
            self._finish()  # the loop is no more, so nobody can wait
            raise
        except BaseException:
            self._finish()
            await self._finished()
            raise

        self._finish()
        await self._finished()

    async def _arun(self) -> None:
        """Run, and undo what is to be undone."""
        try:
            await _arun(self.engine)
        finally:
            if self.engine.is_over and self._undo():
                import anyio

                assert self.rollback is not None
                with anyio.CancelScope(shield=True):
                    await _arun(self.rollback)

    async def _finished(self) -> None:
        """Wait until observers know of the end, which does not take long."""
        if self.is_finished:
            return

        from .executors._in_thread import event_here, wait_to_the_end

        event, set_soon = event_here()
        if not self.call_when_finished(set_soon):
            return

        cancelled = await wait_to_the_end(event)
        if cancelled is not None:
            raise cancelled

    def start(self) -> None:
        """Run in the background."""
        self.is_started = True
        self.engine.when_over.append(self._go_on)
        _begin(self.engine)

    def cancel(self, grace: float | None = None) -> None:
        """End the run, or the undoing if that is what is going on."""
        undoing = self.rollback  # not what begins only now, since the run is cancelled
        self.engine.cancel(grace)
        if undoing is not None:
            undoing.cancel(grace)

    @property
    def interruption(self) -> BaseException | None:
        """Return what ended the run from outside, if that is an error."""
        undoing = self.rollback.interruption if self.rollback is not None else None
        if isinstance(undoing, TimeoutError):
            undoing = None  # shown by the states of the undoing
        return self.engine.interruption or undoing

    def when_released(self, callback: Callable[[], object]) -> None:
        """Have `callback` called when the run is over, whatever observers do."""
        self._when_released = (*self._when_released, callback)

    def call_when_finished(self, callback: Callable[[], object]) -> bool:
        """Have `callback` called at the end; return whether it is still to come."""
        with self._lock:
            if not self.is_finished:
                self._when_finished.append(callback)
            return not self.is_finished

    def do_not_call(self, callback: Callable[[], object]) -> None:
        """Forget a callback whose owner does not wait for the end any more."""
        with self._lock:
            if callback in self._when_finished:
                self._when_finished.remove(callback)

    def _go_on(self) -> None:
        """Undo in the background too, if need be. Under the lock of the run."""
        if self._undo():
            assert self.rollback is not None
            self.rollback.when_over.append(self._finish)
            _begin(self.rollback)
        else:
            self._finish()

    def _undo(self) -> bool:
        """Return whether there is something to undo; then it is ready to run."""
        if self.engine.settings.on_error == "rollback":
            self.rollback = rollback_of(self.engine)
        return self.rollback is not None

    def _finish(self) -> None:
        if self.rollback is not None:
            self._note_failed_rollbacks(self.rollback)
        if self.engine.keeping is not None:
            self.engine.keeping.finish()
        self.is_done = True
        if self.engine.observing is None:
            self._release()
        else:
            self.engine.observing.finish(self._release)

    def _release(self) -> None:
        """Let go on who waits for the end."""
        with self._lock:
            self.is_finished = True
            for callback in self._when_finished:
                try:
                    callback()
                except RuntimeError:
                    pass  # its event loop is closed
            self._when_finished.clear()
        for callback in self._when_released:
            callback()

    def _note_failed_rollbacks(self, rollback: Engine) -> None:
        """Tell of them beside the error of the run, which they must not hide."""
        journal = self.engine.journal
        if journal.first_error is None:
            return

        error = journal.errors[journal.first_error]
        for task, raised in rollback.journal.errors.items():
            name = rollback.compiled.names[task]
            kind = type(raised).__name__
            note_on(error, f"the rollback of task {name!r} failed with {kind}")


def _run(engine: Engine) -> None:
    """Run an engine to its end, blocking the caller."""
    server = _caller_lane(engine)
    if server is not None:
        closed = _begin(engine, server)
        server.serve()
    else:
        over = Lock()
        over.acquire()
        engine.when_over.append(over.release)
        closed = _begin(engine)
        try:
            wait_for(over)
        except BaseException as interruption:
            # A second Ctrl-C, or what a signal handler of the user has raised.
            engine.interruption = interruption
            engine.cancel(0.0 if isinstance(interruption, KeyboardInterrupt) else None)
            wait_for(over)
    if closed is not None:
        # The loop closes in good order, unless what was given up keeps it from that.
        grace = engine.settings.grace
        closed.acquire(timeout=GRACE if grace is None else grace)


async def _arun(engine: Engine) -> None:
    """Run an engine to its end on the running event loop."""
    from .executors.coroutines import LoopHost

    host = LoopHost(engine, engine.loop_lanes)
    engine.when_over.append(host.signal)
    await host.run(engine.begin)


def _begin(engine: Engine, served: Any = None) -> Lock | None:
    """Start an engine; return what is released when its event loop has been closed."""
    if not engine.loop_lanes:
        engine.begin(served)
        return None

    closed = Lock()
    closed.acquire()

    def host_loop() -> None:
        try:
            import anyio

            anyio.run(_host, engine)
        except BaseException as error:
            engine.crash(error)
        finally:
            closed.release()

    engine.begin(served)
    try:
        start_thread(host_loop)
    except RuntimeError as error:
        # There are no more threads to be had, and other tasks have begun already.
        engine.crash(error)
        closed.release()
    return closed


async def _host(engine: Engine) -> None:
    """Give a run that has begun its event loop."""
    from .executors.coroutines import LoopHost

    lanes = list(engine.loop_lanes)
    host = LoopHost(engine, lanes)
    with engine.lock:
        if engine.is_over:
            return

        engine.when_over.append(host.signal)
    await host.run(_nothing)


def _nothing() -> None:
    """Be what has been done already."""


def _caller_lane(engine: Engine) -> Any:
    """Return the lane that the calling thread is to work for, or None.

    The caller works in place where that was asked for, and instead of waiting where
    nothing could ever call it back: no limit, no signal, no grace.
    """
    settings = engine.settings
    if engine.compiled.limits or settings.timeout is not None:
        return None

    if settings.grace is not None or (
        running_library() is not None and any(engine.compiled.is_async)
    ):
        return None

    names = engine.journal.executors
    for lane, name in zip(engine.lanes, names, strict=True):
        if name == "sequential" and lane.serves_caller:
            return lane

    if current_thread() is main_thread():
        return None

    return next((lane for lane in engine.lanes if lane.serves_caller), None)
