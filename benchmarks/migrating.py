"""What changing an import changes: the same work by Concurra, by the adapter, natively.

`python -m benchmarks.migrating [--tasks N]` prints a table. A system that is not
installed is shown as "cannot".
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
from collections.abc import Callable
from time import perf_counter
from typing import Any

from syncra import Graph, Processes, Threads

from .model import Cannot

#: Tasks of a run that stands for a large one, where that would take hours.
SAMPLE = 300
WORKERS = 2


def no_operation() -> None:
    """Do nothing."""


def crash() -> None:
    """Die as a process does that the system has killed."""
    os.kill(os.getpid(), signal.SIGKILL)


class Native:
    """Syncra as it is used natively."""

    name = "Syncra"
    sample = 0

    def __init__(self, in_processes: bool = False) -> None:
        kind = Processes if in_processes else Threads
        self.graph = Graph("g", executor=kind(WORKERS), on_error="continue")

    def add(
        self, function: Callable[[], object], label: str, before: str | None
    ) -> None:
        if before is None:
            self.graph.add(function, name=label)
        else:
            self.graph.add(function, name=label, after=before)

    def run(self) -> dict[str, str]:
        run = self.graph.run()
        return {} if run.ok else {one.name: one.state for one in run.records.values()}


class Runner:
    """A `TaskRunner`, of whichever module."""

    name: str
    sample = 0

    def __init__(self, in_processes: bool = False) -> None:
        self.runner = self.module().TaskRunner(
            max_concurrency=WORKERS, use_multiprocessing=in_processes
        )

    def module(self) -> Any:
        raise NotImplementedError

    def add(
        self, function: Callable[[], object], label: str, before: str | None
    ) -> None:
        depends_on = None if before is None else [before]
        self.runner.add_task(function, label=label, depends_on=depends_on)

    def run(self) -> dict[str, str]:
        results = self.runner.run(verify=False)
        if len(results) > SAMPLE:
            return {}

        return {label: result["status"] for label, result in results.items()}


class Adapter(Runner):
    """`syncra.compat.concurra`."""

    name = "syncra.compat.concurra"

    def module(self) -> Any:
        from syncra.compat import concurra

        return concurra


class Concurra(Runner):
    """Concurra itself."""

    name = "Concurra"
    sample = SAMPLE

    def module(self) -> Any:
        try:
            import concurra
        except ImportError:
            raise Cannot("not installed") from None

        return concurra


SYSTEMS: tuple[Any, ...] = (Concurra, Adapter, Native)


def chain(system: Any, count: int) -> str:
    """Return how long a chain of tasks that do nothing takes, made and run."""
    found = []
    for _ in range(1 if system.sample else 3):
        start = perf_counter()
        made = system()
        for task in range(count):
            made.add(no_operation, str(task), str(task - 1) if task else None)
        made.run()
        found.append(perf_counter() - start)
    return f"{min(found) * 1000:.3g} ms"


def adding(system: Any, count: int) -> str:
    """Return how long it takes to add tasks."""
    made = system()
    start = perf_counter()
    for task in range(count):
        made.add(no_operation, str(task), None)
    return f"{perf_counter() - start:.3g} s"


def running(system: Any, count: int) -> str:
    """Return how long it takes to run tasks, reckoned from fewer where it must."""
    made = system()
    size = min(count, system.sample or count)
    for task in range(size):
        made.add(no_operation, str(task), None)
    start = perf_counter()
    made.run()
    seconds = perf_counter() - start
    if size == count:
        return f"{seconds:.3g} s"

    return f"{seconds / size * 1000:.3g} ms a task of {size}"


def crashing(system: Any) -> str:
    """Return what becomes of four tasks in processes, of which the first one dies."""
    start = perf_counter()
    made = system(in_processes=True)
    made.add(crash, "dies", None)
    made.add(no_operation, "other", None)
    made.add(no_operation, "after it", "dies")
    made.add(no_operation, "after other", "other")
    states = made.run()
    shown = ", ".join(f"{label}: {state}" for label, state in states.items())
    return f"{shown}; {(perf_counter() - start) * 1000:.3g} ms"


def main() -> None:
    """Print the table."""
    logging.disable(logging.CRITICAL)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.migrating")
    parser.add_argument("--tasks", type=int, default=1_000_000, help="(%(default)s)")
    count = parser.parse_args().tasks
    rows: dict[str, Callable[[Any], str]] = {
        "ten chained tasks that do nothing": lambda system: chain(system, 10),
        "a chain of 400": lambda system: chain(system, 400),
        f"adding {count:,} tasks": lambda system: adding(system, count),
        f"running them, {WORKERS} at once": lambda system: running(system, count),
        "one of four in processes is killed": crashing,
    }
    print("| | " + " | ".join(system.name for system in SYSTEMS) + " |")
    print("|---" * (len(SYSTEMS) + 1) + "|")
    for row, measure in rows.items():
        cells = []
        for system in SYSTEMS:
            try:
                cells.append(measure(system))
            except Cannot as cannot:
                cells.append(f"cannot: {cannot}")
        print(f"| {row} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
