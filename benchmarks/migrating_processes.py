"""What those gain who come from Processes or from the first Syncra (taskade).

    python -m benchmarks.migrating_processes
    python -m benchmarks.migrating_processes --log    # all tasks with one log file

Each competitor makes a chain of tasks that take a result and pass it on, and runs it:
that is what a script does. They take turns, and the best round of each counts, which
busy machines disturb least. Then a task ends its process by a signal, and what is left
of the program and of two other tasks is told. A library that is not installed cannot
take part.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from typing import Any

from .machine import describe, version_of
from .timing import in_turns, timer, times_for

ROUNDS = 15
LENGTHS = (10, 400)
PATIENCE = 60
#: The log file of the tasks of Processes, as "path", if there is to be one.
LOG: dict[str, str] = {}
INSTALLED = {
    "processes": find_spec("processes") is not None,
    "taskade": find_spec("taskade") is not None,
}


def increased(number: int = 0) -> int:
    return number + 1


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def tasks_of_processes(module: Any, count: int) -> list[Any]:
    """Return a chain of tasks, as Processes has it; without a log file."""
    return [
        module.Task(
            f"task-{number}",
            func=increased,
            log_path=LOG.get("path"),
            dependencies=[
                module.TaskDependency(
                    f"task-{number - 1}", use_result_as_additional_args=True
                )
            ][: number and 1],
        )
        for number in range(count)
    ]


def with_processes(count: int, parallel: bool) -> int:
    import processes

    with processes.Process(tasks_of_processes(processes, count)) as process:
        report = process.run(parallel)
    passed = getattr(report, "successes", None)
    if passed is None:
        passed = report.passed_tasks_results  # as 1.0 has it
    result: int = passed[f"task-{count - 1}"].result
    return result


def with_names_of_processes(count: int, parallel: bool) -> int:
    from syncra.compat import processes

    found = processes.Process(tasks_of_processes(processes, count)).run(parallel)
    result: int = found.passed_tasks_results[f"task-{count - 1}"].result
    return result


def chain(count: int) -> Any:
    """Return the last task of a chain."""
    from syncra import Graph

    graph = Graph()
    task = graph.add(increased, name="task 0", kwargs={"number": 0})
    for number in range(1, count):
        task = graph.add(increased, name=f"task {number}", dependencies=task)
    return task


made_once = cache(chain)


def with_syncra(last: Any, executor: str) -> int:
    result: int = last.graph.run(executor=executor)[last]
    return result


def with_taskade(count: int) -> int:
    from taskade import Task

    tasks: list[Any] = [Task(increased, name="task-0")]
    for number in range(1, count):
        tasks.append(Task(increased, tasks[-1], name=f"task-{number}"))
    result: int = tasks[-1].graph()[f"task-{count - 1}"]
    return result


@dataclass(frozen=True, slots=True)
class Way:
    """Hold a way to run a chain, and code that runs it with a task that crashes.

    Attributes:
        name: what it is called in the table.
        library: what has to be installed, or None.
        run: makes and runs a chain of so many tasks.
        crashing: a script that prints what has become of three tasks.
    """

    name: str
    library: str | None
    run: Callable[[int], int]
    crashing: str | None = None

    @property
    def is_here(self) -> bool:
        """Return whether it can take part."""
        return self.library is None or INSTALLED[self.library]


START = "from benchmarks.migrating_processes import crash, increased\n"
OF_PROCESSES = (
    "tasks = [Task('before', func=increased, log_path=None),"
    " Task('crash', func=crash, log_path=None),"
    " Task('after', func=increased, log_path=None)]\n"
)
WAYS: Sequence[Way] = (
    Way(
        "processes, one after another",
        "processes",
        lambda count: with_processes(count, False),
    ),
    Way(
        "processes, parallel",
        "processes",
        lambda count: with_processes(count, True),
        "from processes import Process, Task\n"
        + OF_PROCESSES
        + "print(sorted(Process(tasks).run(True).successes))",
    ),
    Way(
        "taskade",
        "taskade",
        with_taskade,
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from taskade import Graph, Task\n"
        "graph = Graph(tuple(Task(f, name=name) for name, f in"
        " [('before', increased), ('crash', crash), ('after', increased)]))\n"
        "print(sorted(graph(concurrency_pool=ProcessPoolExecutor, n_jobs=2)))",
    ),
    Way(
        "syncra.compat.processes, one after another",
        None,
        lambda count: with_names_of_processes(count, False),
    ),
    Way(
        "syncra.compat.processes, parallel",
        None,
        lambda count: with_names_of_processes(count, True),
        "from syncra.compat.processes import Process, Task\n"
        + OF_PROCESSES
        + "graph = Process(tasks).graph\n"
        "print(sorted(graph.run(executor='processes')))",
    ),
    Way(
        "Syncra, one after another",
        None,
        lambda count: with_syncra(chain(count), "sequential"),
    ),
    Way(
        "Syncra, one after another, run again",
        None,
        lambda count: with_syncra(made_once(count), "sequential"),
    ),
    Way(
        "Syncra",
        None,
        lambda count: with_syncra(chain(count), "auto"),
        "from syncra import Graph\n"
        "graph = Graph(on_error='continue', executor='processes')\n"
        "graph.add(increased, name='before')\n"
        "graph.add(crash)\n"
        "graph.add(increased, name='after')\n"
        "run = graph.run()\n"
        "print(sorted(run), *map(repr, run.errors.values()))",
    ),
)


def main() -> None:
    """Measure, and print two tables in Markdown."""
    with TemporaryDirectory() as folder:
        if "--log" in sys.argv:
            LOG["path"] = os.path.join(folder, "tasks.log")
        measure()


def measure() -> None:
    """Print how long chains take, and what a crash leaves."""
    print(describe_machine(), "\n")
    here = [way for way in WAYS if way.is_here]
    best = {length: measured(here, length) for length in LENGTHS}
    print("| chain, made and run |", *(f"{n} tasks | ÷ Syncra |" for n in LENGTHS))
    print("|---" * (1 + 2 * len(LENGTHS)) + "|")
    for way in WAYS:
        cells = []
        for length in LENGTHS:
            if way.is_here:
                ratio = best[length][way.name] / best[length]["Syncra"]
                cells += [f"{best[length][way.name] * 1e3:.2f} ms", f"{ratio:.1f}"]
            else:
                cells += ["cannot: not installed", ""]
        print(f"| {way.name} | {' | '.join(cells)} |")
    print("\n| a task that crashes its process | what is left |\n|---|---|")
    for way in WAYS:
        if way.crashing is not None:
            told = after_crash(way.crashing) if way.is_here else "cannot: not installed"
            print(f"| {way.name} | {told} |")


def describe_machine() -> str:
    """Return what was measured, and where."""
    versions = [f"{name} {version_of(name)}" for name in INSTALLED]
    return ", ".join(
        [f"{key}: {value}" for key, value in describe().items()] + versions
    )


def measured(ways: Sequence[Way], count: int) -> dict[str, float]:
    """Return the least seconds of each way, all of which have to be right."""
    timers = {}
    for way in ways:
        result = way.run(count)
        if result != count:
            raise AssertionError(f"{way.name}: {result} in place of {count}")

        def once(run: Callable[[int], int] = way.run) -> object:
            return run(count)

        timers[way.name] = timer(once, times_for(timer(once)()))
    return {name: min(found) for name, found in in_turns(timers, ROUNDS).items()}


def after_crash(code: str) -> str:
    """Return what a program says of its tasks, or how it has ended."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", START + code],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"nothing: it hangs (waited {PATIENCE} s)"

    if done.returncode < 0:
        return f"nothing: the program ended by {signal.Signals(-done.returncode).name}"

    if done.returncode:
        return f"nothing: {(done.stderr.strip().splitlines() or ['?'])[-1]}"

    return f"`{done.stdout.strip()}`"


if __name__ == "__main__":
    main()
