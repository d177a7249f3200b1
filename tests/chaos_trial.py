"""Carry out a fault schedule, and keep what its run has to say."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import psutil
import trio
from chaos_mixed import Killer, MixedTasks, is_alive
from chaos_schedules import Schedule
from chaos_tasks import EXECUTORS, Tasks

from syncra import Run, _calling
from syncra._processes.births import guardian_pid
from syncra._processes.idle import idle_pids
from syncra.executors import _pool

#: Seconds after which a run counts as hanging: stacks are shown, the process ends.
HARD_LIMIT = 20.0
#: Seconds after which what a schedule wants to happen to its run happens anyway.
PATIENCE = 0.3


class Trial:
    """Run a schedule once.

    Attributes:
        tasks: what its tasks have seen.
        run: the run, also where the call has raised.
        error: what the call has raised.
        records: the records at the moment when the call had returned.
        seen_until: that moment.
        ended_at: when the run was ended from outside, or None.
        came: names in the order that `as_completed` gave them.
        noise: errors that reached nobody.
        leaks: what was left behind.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        kind = MixedTasks if schedule.is_mixed else Tasks
        self.tasks = kind(schedule, self._started)
        self.graph = self.tasks.graph()
        self.run: Run | None = None
        self.error: BaseException | None = None
        self.records: dict[str, Any] = {}
        self.seen_until = 0.0
        self.started_at = self.returned_at = 0.0
        self.ended_at: float | None = None
        self.came: list[str] = []
        self.noise: list[str] = []
        self.leaks: set[str] = set()
        self.killer = Killer(schedule.kills, schedule.seed)
        self._go = threading.Event()
        self._over = False
        self._end_outer: Callable[[], object] = lambda: None

    def carry_out(self) -> None:
        """Run the graph, and wait until nothing of it is left."""
        trial = self

        class Caught(Run):
            def __init__(self, engine: Any) -> None:
                super().__init__(engine)
                trial.run = self

        with self._listening(), mock.patch.object(_calling, "Run", Caught):
            before = self._leftovers()
            ender = None
            if self.schedule.ending in {"cancel", "signal", "outer"}:
                ender = threading.Thread(target=self._ender, name="ender")
                ender.start()
            try:
                try:
                    self.started_at = time.perf_counter()
                    with self.killer:
                        self._call()
                finally:
                    self._over = True
                    self._go.set()
                    self.tasks.release.set()
                    if ender is not None:
                        ender.join()
            except KeyboardInterrupt as late:  # a signal that came after the run
                if self.error is None:
                    self.error = late
                if not self.records:
                    self._look()
            self._drain(before)
        self.tasks.gather(self.records)

    # The ways to run a graph.

    def _call(self) -> None:
        way = self.schedule.way
        if way == "main":
            self._catch(self._block)
        elif way == "thread":
            thread = threading.Thread(target=self._catch, args=(self._block,))
            thread.start()
            thread.join()
        elif way == "asyncio":
            asyncio.run(self._in_asyncio(lambda: self.graph.arun(**self._options())))
        elif way == "trio":
            trio.run(self._in_trio)
        elif way == "background":
            self._catch(lambda: self.graph.start(**self._options()).wait())
        elif way == "background-completed":
            self._catch(self._follow)
        else:
            asyncio.run(self._in_asyncio(self._start_and_await))

    def _block(self) -> None:
        self.graph.run(**self._options())

    async def _start_and_await(self) -> None:
        await self.graph.start(**self._options())

    def _follow(self) -> None:
        run = self.graph.start(**self._options())
        for record in run.as_completed():
            self.came.append(record.name)
        run.wait()

    def _options(self) -> Any:
        schedule = self.schedule
        return {
            "executor": EXECUTORS.get(schedule.executor, schedule.executor),
            "on_error": schedule.on_error,
            "grace": schedule.grace,
            "timeout": schedule.timeout,
        }

    def _catch(self, call: Callable[[], object]) -> None:
        try:
            call()
        except BaseException as error:
            self.error = error
        self._look()

    async def _in_asyncio(self, run: Callable[[], Any]) -> None:
        task = asyncio.current_task()
        assert task is not None
        cancel = task.cancel
        loop = asyncio.get_running_loop()
        self._end_outer = lambda: loop.call_soon_threadsafe(cancel)
        try:
            await run()
        except BaseException as error:
            self.error = error
        self._look()
        # The loop waits for the threads it knows of before it closes.
        self.tasks.release.set()

    async def _in_trio(self) -> None:
        token = trio.lowlevel.current_trio_token()
        with trio.CancelScope() as scope:
            self._end_outer = lambda: token.run_sync_soon(scope.cancel)
            try:
                await self.graph.arun(**self._options())
            except trio.Cancelled as error:
                self.error = error
                raise
            except BaseException as error:
                self.error = error
        self._look()
        self.tasks.release.set()

    def _look(self) -> None:
        """Keep what the run has to say now that it has returned."""
        self.returned_at = time.perf_counter()
        assert self.run is not None
        self.seen_until = time.monotonic()
        self.records = dict(self.run.records)

    # What happens to the run from outside.

    def _started(self, count: int) -> None:
        """Take note of how many attempts have started."""
        if count >= self.schedule.end_at and not self._go.is_set():
            if self.schedule.end_from == "task":
                self._end()
            self._go.set()

    def _end(self) -> None:
        """End the run from outside, as the schedule says."""
        if self._over or self.schedule.ending in {None, "timeout"}:
            return

        self.ended_at = time.perf_counter()
        if self.schedule.ending == "cancel":
            assert self.run is not None
            self.run.cancel(self.schedule.end_grace)
        elif self.schedule.ending == "signal":
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        else:
            with contextlib.suppress(RuntimeError, trio.RunFinishedError):
                self._end_outer()

    def _ender(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self._go.wait(0.002 if self.schedule.is_mixed else PATIENCE):
            # What starts in other processes tells nobody.
            if self.tasks.count_started() >= self.schedule.end_at:
                break
            if time.monotonic() > deadline:
                break
        if self.ended_at is None:
            self._end()

    # What must not happen.

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """Collect errors that Python would only print, and stop a run that hangs."""

        def hook(*told: Any) -> None:
            noise = repr(told[0] if len(told) == 1 else told[:2])
            if self.schedule.ending != "signal" or "KeyboardInterrupt" not in noise:
                self.noise.append(noise)

        class Listener(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                hook(record.getMessage())

        listener = Listener(logging.WARNING)
        logger = logging.getLogger("asyncio")
        logger.addHandler(listener)
        watchdog = threading.Timer(HARD_LIMIT, self._show_that_it_hangs)
        watchdog.start()
        try:
            with (
                mock.patch.object(sys, "excepthook", hook),
                mock.patch.object(sys, "unraisablehook", hook),
                mock.patch.object(threading, "excepthook", hook),
            ):
                yield
        finally:
            watchdog.cancel()
            watchdog.join()
            logger.removeHandler(listener)

    def _show_that_it_hangs(self) -> None:
        faulthandler.dump_traceback(2, all_threads=True)
        shown = f"hangs: {self.schedule.shown()}\n{self.schedule.replay()}\n"
        os.write(2, shown.encode())
        os._exit(1)

    def _drain(self, before: set[str]) -> None:
        """Wait until what the run has left behind has come to its end."""
        begin = time.monotonic()
        while not self.tasks.all_have_ended() or self._leftovers() - before:
            waited = time.monotonic() - begin
            if waited > 5:
                self.leaks = self._leftovers() - before
                return

            if waited > 0.1:
                gc.collect()
            time.sleep(0.0005)

    def _leftovers(self) -> set[str]:
        if not self.schedule.is_mixed:
            return leftovers()

        kept = {guardian_pid(), *idle_pids()}
        children = psutil.Process().children(recursive=True)
        found = {f"process {one.pid}" for one in children if one.pid not in kept}
        # Also those of a guardian that is no more.
        orphans = {one for one in self.tasks.pids() - kept if is_alive(one)}
        return found | {f"process {one}" for one in orphans} | leftovers()


def leftovers() -> set[str]:
    """Return what lives in this process beyond what is idle, processes aside."""
    threads = [thread for thread in threading.enumerate() if thread.is_alive()]
    threads = [thread for thread in threads if thread.name != "syncra-clock"]
    kept = [thread for thread in threads if thread.name.startswith("syncra-")]
    found = {
        f"thread {thread.name}"
        for thread in threads
        if thread not in kept and not thread.name.startswith("Trio thread")
    }
    found |= {f"busy thread {n}" for n in range(len(kept) - _pool.idle_count())}
    # Sockets and pipes: of each idle child, and of the guardian.
    kept_files = 7 * len(idle_pids()) + (guardian_pid() is not None)
    found |= {f"file {n}" for n in range(psutil.Process().num_fds() - kept_files)}
    for number in (signal.SIGINT, signal.SIGTERM):
        found.add(f"handler {signal.getsignal(number)}")
    return found
