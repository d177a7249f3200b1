"""Coroutines on the event loop, asyncio's or trio's.

A worker is a coroutine that serves many tasks. One that takes a task while more is
ready makes sure that one spare worker is started; the spare only gets to run when
somebody really suspends, takes a task, and hires the next. So coroutines that never
suspend cost no new asyncio or trio task, and 10,000 that wait get 10,000 workers.

The run can end without a coroutine that does not: each worker is a task of its own.
"""

from __future__ import annotations

from functools import partial

import anyio

from .._loops import call_soon_here, running_library
from ._base import Executor, Lane
from ._in_thread import InThread
from ._loop_worker import LoopWorker
from ._stalls import watch_for_stalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._base import Work, Worker


class Coroutines(Executor):
    """Run coroutine functions on the event loop of the run, all at once.

    A function given to it runs in a thread. Of coroutines there may be any number,
    unless `max_concurrency=` or `limits=` of the graph set a bound.

    Example:
        >>> import asyncio
        >>> from syncra import Coroutines, Graph
        >>> graph = Graph("pages", executor=Coroutines())
        >>> @graph.task
        ... async def page() -> str:
        ...     await asyncio.sleep(0)
        ...     return "<html>"
        >>> graph()[page]
        '<html>'
    """

    __slots__ = ()

    name = "coroutines"

    def __repr__(self) -> str:
        return "Coroutines()"

    def open(self, index: int, in_loop: bool) -> LoopLane:
        return LoopLane(index)


class LoopHost:
    """Give one run its place on the event loop: workers, and a way to be woken.

    One coroutine is always resident, in the task that awaits the run. Whoever has
    something for the loop to do from elsewhere, or ends the run, wakes it once. The
    workers are tasks of their own, so that the run can end without one that does not.
    """

    def __init__(self, work: Work, lanes: Iterable[LoopLane]) -> None:
        self._work = work
        self._lanes = list(lanes)
        self._event = anyio.Event()
        #: Whether the loop is about to look what there is to do for it.
        self._rung = False
        if running_library() == "trio":
            from ._on_trio import TrioWorker

            self._worker_class: type[LoopWorker] = TrioWorker
        else:
            from ._on_asyncio import AsyncioWorker

            self._worker_class = AsyncioWorker
        self.call_soon = call_soon_here()
        #: Workers that have not come to their end.
        self.workers: set[LoopWorker] = set()
        #: What is to be called in the loop's own thread, at the next opportunity.
        self._requests: list[Callable[[], object]] = []
        #: The task whose step is or was being made.
        self.stepping = -1

    def must_ring(self) -> bool:
        """Return whether the caller has to `ring` now. Under the run's lock."""
        if self._rung:
            return False

        self._rung = True
        return True

    def ring(self) -> None:
        """Let the loop look what there is to do for it; from any thread.

        Without the lock if possible: this may let another thread go on at once.
        """
        try:
            self.call_soon(self._attend)
        except RuntimeError:
            pass  # the loop is closed: others have seen to the end of the run

    def request(self, callback: Callable[[], object]) -> None:
        """Have something called in the loop's thread, under the run's lock."""
        self._requests.append(callback)
        self.signal()

    def signal(self) -> None:
        """Ring unless somebody has. Under the run's lock."""
        if self.must_ring():
            self.ring()

    def start_worker(self, lane: LoopLane) -> None:
        """Start one more worker. Only on the loop's own thread."""
        worker = self._worker_class(self, lane, self._work)
        self.workers.add(worker)
        worker.start()

    def gone(self, worker: LoopWorker) -> None:
        """Take note that a worker has come to its end. On the loop's own thread."""
        self.workers.discard(worker)
        if not self.workers and self._work.is_over:
            try:
                self._event.set()
            except RuntimeError:
                pass  # the loop is closed, and nobody waits there any more

    async def run(self, begin: Callable[[], None]) -> None:
        """Host the run until it is over.

        Parameters:
            begin: called once the loop can take tasks.
        """
        for lane in self._lanes:
            lane.host = self
        forget = watch_for_stalls(self, self._work) if self._lanes else None
        try:
            begin()
            self._attend()
            try:
                await self._event.wait()
            except GeneratorExit:
                self._work.cancel()  # the loop is no more
                raise
            except BaseException:
                # Whoever awaits the run was cancelled. The run ends with it, but only
                # when all its tasks have ended; that has a limit, the grace.
                self._work.cancel()
                await self._wait_to_the_end()
                raise
        finally:
            if forget is not None:
                forget()
            for lane in self._lanes:
                lane.host = None  # lanes and host would keep each other alive

    def _attend(self) -> None:
        """Do what there is to do, on the loop's own thread."""
        work = self._work
        try:
            with work.lock:
                self._rung = False
                requests, self._requests = self._requests, []
                for callback in requests:
                    callback()
                if work.is_over and not self.workers:
                    self._event.set()
                    return

                for lane in self._lanes:
                    lane.hire_if_ready()
        except BaseException as error:
            work.crash(error)  # a loop only logs what its callbacks raise

    async def _wait_to_the_end(self) -> None:
        with anyio.CancelScope(shield=True):
            while True:
                try:
                    return await self._event.wait()
                except anyio.get_cancelled_exc_class():
                    pass  # asked again; the end is near


class LoopLane(Lane):
    """Give one run its worker coroutines.

    Parameters:
        index: the number of the lane.
        one_at_a_time: whether there is only ever one worker.
    """

    __slots__ = ("_active", "_one_at_a_time", "_work", "host", "slice_end")

    on_loop = True

    def __init__(self, index: int, one_at_a_time: bool = False) -> None:
        super().__init__(index)
        self.host: LoopHost | None = None  # until the loop of the run is running
        self._one_at_a_time = one_at_a_time
        self._active = 0
        self.slice_end = 0.0

    def attach(self, work: Work) -> None:
        self._work = work

    def hire(self) -> None:
        # One spare at the most: it makes the lane vacant again when it gets to run.
        self.vacant = False
        assert self.host is not None
        self.host.start_worker(self)

    def wake(self) -> Callable[[], object] | None:
        # A host that is still to come looks at its lanes first of all.
        if self.host is not None and self.host.must_ring():
            return self.host.ring

        return None

    def hire_if_ready(self) -> None:
        """Hire a worker if there is something to do and none is on its way."""
        if self.vacant and self._work.has_ready(self):
            self.hire()

    def arrived(self) -> None:
        """Take note that a hired worker has begun. Under the run's lock."""
        self._active += 1
        self.vacant = not self._one_at_a_time

    def left(self) -> None:
        self._active -= 1
        self.vacant = True

    def interrupt(self, task: int, worker: Worker) -> bool:
        if isinstance(self._work.functions[task], InThread):
            return False

        assert self.host is not None
        assert isinstance(worker, LoopWorker)
        self.host.request(partial(self._interrupt, task, worker))
        return True

    def _interrupt(self, task: int, worker: LoopWorker) -> None:
        # It may have ended meanwhile, and another attempt may have been asked since.
        if self._work.was_asked_to_end(task) and self._work.workers[task] is worker:
            worker.interrupt()

    def abandon(self, task: int, worker: Worker) -> bool:
        assert isinstance(worker, LoopWorker)
        self.left()
        host = self.host
        if host is not None:
            host.workers.discard(worker)
            host.request(partial(_give_up, worker))
        return True


def _give_up(worker: LoopWorker) -> None:
    if not worker.is_gone:
        worker.give_up()
