"""What all tests share: a check for leaks, and every way to run a graph."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import trio

from syncra import Graph, Run, _alarm
from syncra._processes.births import guardian_pid
from syncra._processes.child import Child
from syncra._processes.idle import idle_pids
from syncra.executors import Threads, _pool

Runner = Callable[..., Run]
Ended = Callable[..., tuple[Run, BaseException | None]]


def blocking(executor: Any) -> Runner:
    def run(graph: Graph, /, inputs: Any = None, **options: Any) -> Run:
        return graph.run(inputs, **{"executor": executor, **options})

    return run


def awaited(run_loop: Callable[..., Run], executor: Any = "auto") -> Runner:
    def run(graph: Graph, /, inputs: Any = None, **options: Any) -> Run:
        found = []

        async def main() -> None:
            found.append(await graph.arun(inputs, **{"executor": executor, **options}))

        # Not as the result of the loop, which trio keeps.
        run_loop(main)
        return found.pop()

    return run


def with_asyncio(main: Callable[[], Any]) -> Any:
    return asyncio.run(main())


def background(graph: Graph, /, inputs: Any = None, **options: Any) -> Run:
    run = graph.start(inputs, **options)
    run.wait()
    if options.get("on_error", graph.on_error) != "continue":
        raised = None
        try:
            run.raise_for_errors()
        except BaseExceptionGroup as group:
            raised = group.exceptions[0]
        if raised is not None:
            try:
                raise raised
            finally:
                del raised, run  # this frame is in its traceback

    return run


#: A pool of a user's, which lives longer than any run.
POOL = ThreadPoolExecutor(4, "pool-of-the-tests")

#: Every way to run a graph, by name. The contract suite runs over all of them.
RUNNERS: dict[str, Runner] = {
    "sequential": blocking("sequential"),
    "threads": blocking("threads"),
    "one-thread": blocking(Threads(1)),
    "auto": blocking("auto"),
    "asyncio": awaited(with_asyncio),
    "trio": awaited(trio.run),
    "asyncio-sequential": awaited(with_asyncio, "sequential"),
    "trio-threads": awaited(trio.run, "threads"),
    "background": background,
    "processes": blocking("processes"),
    "asyncio-processes": awaited(with_asyncio, "processes"),
    "pool-threads": blocking(POOL),
    "asyncio-pool-threads": awaited(with_asyncio, POOL),
}


@pytest.fixture(params=list(RUNNERS))
def run(request: pytest.FixtureRequest) -> Runner:
    """Run a graph in each way there is: `run(graph, inputs, **options)`."""
    return RUNNERS[request.param]


def pytest_configure(config: pytest.Config) -> None:
    """Have measured what a measurement of coverage cannot see by itself.

    It asks `threading` to trace each thread, and the clock of all runs is started
    without that. It writes down what a process has run at the end of that, and worker
    processes are killed.
    """
    trace = threading.gettrace()
    if trace is None:
        return

    start, close = _alarm.start_new_thread, Child.close

    def start_traced(function: Callable[..., Any], arguments: Any) -> int:
        def traced() -> None:
            sys.settrace(trace)
            function(*arguments)

        return start(traced, ())

    def close_when_written(child: Child) -> None:
        birth = child._birth
        if birth is not None and not child.in_hand:
            child._connection.shutdown(socket.SHUT_WR)  # then it ends by itself
            birth.wait()
        close(child)

    _alarm.start_new_thread = start_traced
    Child.close = close_when_written  # type: ignore[method-assign]


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave out processes where a test and its tasks share memory."""
    left_out = [
        item
        for item in items
        if item.get_closest_marker("shares_memory")
        and "processes" in item.callspec.params.get("run", "")
    ]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Fail a test that leaves a thread, process or open file behind."""
    before = leftovers()
    yield
    # A thread that has just ended a run needs a moment to be idle again.
    deadline = time.monotonic() + 5
    while leaked := leftovers() - before:
        if time.monotonic() > deadline:
            pytest.fail(f"left behind: {sorted(leaked)}")
        gc.collect()
        time.sleep(0.005)


def leftovers() -> set[str]:
    """Return what is alive in this process beyond its idle kept threads."""
    process = psutil.Process()
    threads = [
        thread
        for thread in threading.enumerate()
        if thread.is_alive()
        and thread.name != "syncra-clock"
        and not thread.name.startswith("pool-of-the-tests")
    ]
    kept = [thread for thread in threads if thread.name.startswith("syncra-")]
    found = {
        f"thread {thread.name} {thread.ident}"
        for thread in threads
        # trio keeps idle threads of its own for a while.
        if thread not in kept and not thread.name.startswith("Trio thread")
    }
    busy = len(kept) - _pool.idle_count()
    found |= {f"busy thread {number}" for number in range(busy)}
    # Idle worker processes and what begins them are kept for a while.
    kept_processes = {guardian_pid(), *idle_pids()}
    found |= {f"process {pid}" for pid in descendants(process) - kept_processes}
    # Sockets and pipes: of each idle child, and of the guardian.
    kept_files = 7 * len(idle_pids()) + (guardian_pid() is not None)
    found |= {f"file {number}" for number in range(process.num_fds() - kept_files)}
    return found


def descendants(process: psutil.Process) -> set[int | None]:
    """Return the numbers of the processes that a process has begun, and theirs."""
    # Nearly always there is none, and to look at all processes takes milliseconds.
    try:
        threads = Path("/proc/self/task").iterdir()
        if not any((thread / "children").read_text() for thread in threads):
            return set()
    except OSError:
        pass  # no such files on this system, or a thread has just ended
    children = process.children(recursive=True)
    return {child.pid for child in children if not is_of_a_browser(child)}


def is_of_a_browser(process: psutil.Process) -> bool:
    """Return whether a browser has begun it, which several tests share.

    It begins and ends processes when it likes; `running_browser` ends them all.
    """
    try:
        return process.name().startswith(("chrome", "chromium"))
    except psutil.Error:
        return False  # it has just ended


@pytest.fixture
def ended(run, monkeypatch: pytest.MonkeyPatch) -> Ended:
    """Run a graph in each way; return its `Run`, and what it raised or None."""
    made: list[Run] = []
    create = Run.__init__

    def keep(self: Run, *args: Any) -> None:
        create(self, *args)
        made.append(self)

    def end(
        graph: Graph, /, inputs: Any = None, **options: Any
    ) -> tuple[Run, BaseException | None]:
        made.clear()
        try:
            run(graph, inputs, **options)
        except BaseException as error:
            return made[0], error

        return made[0], None

    monkeypatch.setattr(Run, "__init__", keep)
    return end
