"""What several tests use: a graph, and scripts with a hard limit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio

import syncra
from syncra import Graph, Run


def diamond() -> Graph:
    """Return a graph of two functions and two coroutines: number -> number * 5."""
    graph = Graph("diamond")

    def start(number: int) -> int:
        return number

    async def left(start: int) -> int:
        await anyio.sleep(0)
        return start * 2

    def right(start: int) -> int:
        return start * 3

    async def end(left: int, right: int) -> int:
        return left + right

    graph.add(start)
    graph.add(left, dependencies=start)
    graph.add(right, dependencies=start)
    graph.add(end, dependencies=(left, right))
    return graph


def states_of(run: Run) -> dict[str, str]:
    """Return the state of each task of a run."""
    return {name: str(record.state) for name, record in run.records.items()}


def lines_run_by(call: Callable[[], object]) -> int:
    """Return how many lines of Python a call executes, which no clock has to tell."""
    count = 0

    def trace(frame: Any, event: str, argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


#: A process that hangs shows what its threads are doing, and ends.
HARD_LIMIT = "import faulthandler; faulthandler.dump_traceback_later({}, exit=True)\n"


def in_a_script(text: str, limit: float = 60) -> str:
    """Run Python code in a process of its own, with a hard limit; return its output."""
    before = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join([str(Path(syncra.__file__).parents[1]), before])
    done = subprocess.run(
        [sys.executable, "-c", f"{HARD_LIMIT.format(limit)}{text}"],
        capture_output=True,
        text=True,
        timeout=limit + 10,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # An error in a thread of Syncra's own does not change the exit code.
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout
