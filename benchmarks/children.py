"""Other Python processes: how long they take, or what they answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

#: Where children run, so that they import the same `benchmarks` and `syncra`.
ROOT = Path(__file__).resolve().parent.parent


def seconds_of(code: str, bytecode: str) -> float:
    """Return how long a whole Python process takes that runs `code`.

    Parameters:
        code: the program.
        bytecode: a folder for compiled modules. An installed package is compiled; a
            checkout may not be, where Python is told to write no bytecode.
    """
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    start = perf_counter()
    subprocess.run(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=True
    )
    return perf_counter() - start


def answer_of(module: str, *arguments: object) -> Any:
    """Return what a module, run as a program, prints as JSON."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True
    )
    return json.loads(done.stdout)
