"""Ask one question of one library, in a process made for it.

`python -m benchmarks.probes LIBRARY QUESTION FOLDER` leaves its answer in the folder.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path

from .model import Answer, DoesNotApply, Lacks, NotClear
from .questions import QUESTION

#: Seconds of CPU time that a probe has.
CPU_SECONDS = 60


def answer(library: str, question: str) -> Answer:
    """Return what a probe has seen."""
    asked = QUESTION[question]
    module = import_module(f"{__package__}.of_{library}")
    probe = getattr(module, question, None)
    if probe is None:
        return Answer("not checked", "no program has been written for it")

    try:
        given = probe()
    except Lacks as lacks:
        return Answer("no", str(lacks))
    except DoesNotApply as reason:
        return Answer("does not apply", str(reason))
    except ModuleNotFoundError as error:
        return Answer("not checked", f"{error.name} is not installed")
    except NotClear as reason:
        return Answer("not checked", str(reason))
    except Exception as error:
        first = next(iter(str(error).strip().splitlines()), "")
        return Answer("no", f"{type(error).__name__}: {first}"[:160])

    if asked.judge is None:
        return Answer("no", "the program has ended by itself")

    return asked.judge(given)


def main(library: str, question: str, folder: str) -> None:
    """Write the answer, and end without waiting for anybody."""
    limit_processor_time()
    found = answer(library, question)
    path = Path(folder) / "answer.json"
    path.write_text(json.dumps([found.outcome, found.evidence]), encoding="utf-8")
    os._exit(0)


def limit_processor_time() -> None:
    """End this process after its seconds of CPU time, where systems know of that."""
    try:
        import resource
    except ImportError:
        return

    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 5))


if __name__ == "__main__":
    main(*sys.argv[1:])
