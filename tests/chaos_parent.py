"""A program with a random run in many processes, which is killed at a random moment.

Run as a script it is that program: `chaos_parent.py SEED DIRECTORY`.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from random import Random
from typing import Any

import anyio
import psutil

#: Seconds after which nothing may be alive any more.
LIMIT = 2.0
#: By which all processes of a program are known, unless they are given another one.
MARK = "SYNCRA_CHAOS_PARENT"


class Act:
    """Be the function of a task in another process.

    Parameters:
        act: what it does.
        directory: where it leaves files named by the numbers of its processes.
        seconds: how long it takes, if it does not take for ever.
    """

    def __init__(self, act: str, directory: str, seconds: float) -> None:
        self.act = act
        self.directory = directory
        self.seconds = seconds

    def __call__(self) -> None:
        self.note(os.getpid())
        if self.act == "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        elif self.act == "gil":
            re.match(r"(a+)+$", "a" * 60 + "b")
        elif self.act == "child":
            self.note(subprocess.Popen(["sleep", "300"]).pid)
        elif self.act == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.act == "threads":
            for _ in range(3):
                threading.Thread(target=time.sleep, args=(300,)).start()
        until = time.monotonic() + self.seconds
        while self.act == "spin" and time.monotonic() < until:
            pass
        time.sleep(300 if self.act in {"deaf", "child", "hang"} else self.seconds)

    def note(self, pid: int) -> None:
        """Leave a file named by a number of a process."""
        Path(self.directory, str(pid)).touch()


ACTS = ("nap", "nap", "nap", "spin", "gil", "deaf", "child", "hang", "threads", "die")


def here(seconds: float) -> None:
    time.sleep(seconds)


async def in_loop(seconds: float) -> None:
    await anyio.sleep(seconds)


def main(seed: int, directory: str) -> None:
    """Say that it begins, and run a graph."""
    from syncra import Graph, Processes, Retry

    random = Random(seed)
    method = "spawn" if random.random() < 0.15 else "forkserver"
    executor = Processes(random.randint(1, 4), method)
    graph: Any = Graph("parent")
    for number in range(random.randint(5, 25)):
        name, seconds = f"t{number}", random.uniform(0.0, 0.2)
        after = [f"t{random.randrange(number)}"] if number and number % 3 == 0 else []
        options: dict[str, Any] = {"name": name, "after": after, "trigger": "all_done"}
        kind = random.choice(("away", "away", "away", "here", "loop"))
        if kind == "away":
            options["retry"] = Retry(3, backoff=0.0)
            if random.random() < 0.3:
                options["timeout"] = random.uniform(0.02, 0.3)
            act = Act(random.choice(ACTS), directory, seconds)
            graph.add(act, executor=executor, **options)
        else:
            function: Any = here if kind == "here" else in_loop
            graph.add(function, kwargs={"seconds": seconds}, **options)
    way = random.choice(("run", "asyncio", "trio", "start"))
    if random.random() < 0.7:  # else what begins processes has to begin first
        warm: Any = Graph("warm", executor=executor)
        for number in range(executor.max_workers):
            warm.add(here, name=f"w{number}", kwargs={"seconds": 0.01})
        warm.run()
    print("begins", flush=True)
    if way == "run":
        graph.run(on_error="continue")
    elif way == "start":
        graph.start(on_error="continue").wait()
    else:
        anyio.run(lambda: graph.arun(on_error="continue"), backend=way)
    print("is over", flush=True)
    time.sleep(300)  # with idle processes


def survivors(seed: int, directory: Path) -> dict[int, str]:
    """Kill the program of a seed in the middle.

    Returns:
        What is alive afterwards by number, or what it has said on stderr.
    """
    directory.mkdir()
    mark = str(directory)
    command = [sys.executable, __file__, str(seed), str(directory)]
    noise = directory.with_suffix(".stderr")
    with noise.open("wb") as stderr:
        program = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, MARK: mark},
        )
    assert program.stdout is not None
    with program.stdout:
        said = program.stdout.readline()
        assert said == b"begins\n", said
        time.sleep(Random(~seed).uniform(0.0, 0.3))
        pids = {one.pid for one in psutil.Process(program.pid).children(recursive=True)}
        program.kill()
        program.wait()
    deadline = time.monotonic() + LIMIT
    while True:
        pids |= {int(path.name) for path in directory.iterdir()}
        alive = still_alive(pids, mark)
        if not alive or time.monotonic() > deadline:
            # Nor has any of them a reason to show a traceback as it ends.
            said_last = noise.read_text(errors="replace")
            return alive or ({program.pid: said_last} if said_last else {})

        time.sleep(0.02)


def still_alive(pids: set[int], mark: str) -> dict[int, str]:
    """Return what is alive of some processes, and of those that have a mark."""
    found = {}
    for process in psutil.process_iter():
        try:
            known = process.pid in pids or process.environ().get(MARK) == mark
            if known and process.status() != psutil.STATUS_ZOMBIE:
                found[process.pid] = " ".join(process.cmdline())[:200]
        except (psutil.Error, OSError):
            continue  # it has ended, or is somebody else's
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
