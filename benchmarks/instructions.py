"""A guard against getting slower: instructions, which no busy machine can change.

    python -m benchmarks.instructions              # compare, and fail above +10 %
    python -m benchmarks.instructions --update     # write the figures of this Python

Runs of P1 to P3 are made under `valgrind --tool=callgrind`, which counts instructions.
What a task takes is what more runs take more, so neither starting nor planning counts.
It is told as a multiple of what calling the function in a plain loop takes, counted in
the same way, since the number itself depends on how this Python was compiled.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from .peers import Peer
from .peers.plain_loop import PlainLoop
from .peers.with_syncra import SyncraAsyncio, SyncraSequential, SyncraThreads
from .shapes import WIRING, Kind, Shape

FIGURES = Path(__file__).with_name("instructions.json")
#: Above how many times the figure that was written down the guard fails.
MOST = 1.1
TASKS = 500
#: How often the graph is run in the two processes whose difference counts.
RUNS = (2, 12)

MEASURED: dict[str, tuple[type[Peer], Kind]] = {
    "P1": (SyncraSequential, "functions"),
    "P2": (SyncraThreads, "functions"),
    "P3": (SyncraAsyncio, "coroutines"),
}
CHILD = "from benchmarks.instructions import work; work({!r}, {!r}, {!r}, {})"


def main() -> int:
    """Count, print a table, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions")
    parser.add_argument("--update", action="store_true", help="write the figures")
    update: bool = parser.parse_args().update
    if shutil.which("valgrind") is None:
        print("instructions: valgrind is not here; nothing is counted")
        return 0

    version = "{}.{}".format(*sys.version_info)
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    known = figures.get(version, {})
    found, too_many = {}, []
    print(f"instructions of a task, as multiples of a plain call, Python {version}\n")
    for shape in WIRING:
        call = instructions("plain loop", shape, "functions")
        for line, (_, kind) in MEASURED.items():
            name = f"{line} {shape}"
            ratio = found[name] = round(instructions(line, shape, kind) / call, 1)
            before = known.get(name)
            change = f"{ratio / before - 1:+.1%}" if before else "not known before"
            print(f"{name:12} {ratio:8.1f}   {change}", flush=True)
            if before and ratio > MOST * before:
                too_many.append(name)
    if update:
        figures[version] = found
        text = json.dumps(figures, indent=2, sort_keys=True)
        FIGURES.write_text(text + "\n", encoding="utf-8")
    elif too_many:
        print(f"\nslower than written down, by more than 10 %: {', '.join(too_many)}")
        return 1

    return 0


def instructions(line: str, shape: str, kind: str) -> float:
    """Return how many instructions a task takes."""
    few, many = [_count(CHILD.format(line, shape, kind, runs)) for runs in RUNS]
    return (many - few) / (RUNS[1] - RUNS[0]) / TASKS


def _count(code: str) -> int:
    """Return how many instructions a process takes that executes some code."""
    done = subprocess.run(
        [
            "valgrind",
            "--tool=callgrind",
            f"--callgrind-out-file={os.devnull}",
            sys.executable,
            "-c",
            code,
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        check=True,
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found is not None, done.stderr
    return int(found[1])


def work(line: str, shape: str, kind: Kind, runs: int) -> None:
    """Run a graph so many times. In a process that is counted."""
    peer = PlainLoop() if line == "plain loop" else MEASURED[line][0]()
    run = peer.prepare(Shape(shape, kind), TASKS)
    for _ in range(runs):
        run()
    peer.close()


if __name__ == "__main__":
    sys.exit(main())
