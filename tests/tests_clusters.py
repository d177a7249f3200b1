"""A real cluster for tests, and a check that it leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import syncra
from syncra import Dask, Ray
from syncra._processes.births import guardian_pid
from syncra._processes.idle import idle_pids
from syncra.executors import _pool


@pytest.fixture(scope="module")
def cluster() -> Iterator[Dask]:
    """Give a cluster of two processes, and look for what it leaves behind."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    with Dask(n_workers=2) as executor:
        directory = Path(executor.client.cluster.workers[0].local_directory)
        yield executor
    deadline = time.monotonic() + 10
    while found := left_behind(before):
        assert time.monotonic() < deadline, found
        time.sleep(0.01)
    assert not directory.exists()
    assert not directory.parent.exists()


_shared: list[Ray] = []


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[Ray]:
    """Give one Ray for two files of tests, and look for what it leaves behind."""
    if _shared:  # the other file's, which ends it too
        yield _shared[0]
        return

    before = {child.pid for child in psutil.Process().children(recursive=True)}
    homes = set(Path(tempfile.gettempdir()).glob("syncra-ray-*"))
    size = 1_200_000_000
    with Ray(init={"num_cpus": 2, "object_store_memory": size}) as executor:
        _shared.append(executor)
        yield executor
        _shared.clear()
    deadline = time.monotonic() + 20
    while found := left_behind(before):
        assert time.monotonic() < deadline, found
        time.sleep(0.01)
    assert set(Path(tempfile.gettempdir()).glob("syncra-ray-*")) <= homes
    assert not Path("~/.ray").expanduser().exists()


def left_behind(before: set[int]) -> list[str]:
    """Return the processes that have been begun since, and the ports that are open."""
    children = psutil.Process().children(recursive=True)
    kept = {*before, guardian_pid(), *idle_pids()}
    found = [
        f"{child} {child.cmdline()}" for child in children if child.pid not in kept
    ]
    ports = psutil.Process().net_connections(kind="tcp")
    found += [str(port) for port in ports if port.status == "LISTEN"]
    return [one for one in found if "resource_tracker" not in one]


def threads_in_use(dask_worker: Any) -> int:
    return len(dask_worker.active_threads)


def free_workers(executor: Dask) -> None:
    """Have workers replaced that are still at what a run has abandoned."""
    client = executor.client
    deadline = time.monotonic() + 1
    while any(client.run(threads_in_use).values()):
        if time.monotonic() > deadline:
            client.restart()
            return

        time.sleep(0.01)


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Fail a test that leaves a thread of Syncra busy; other threads are Dask's."""
    yield
    deadline = time.monotonic() + 5
    while busy := busy_threads():
        assert time.monotonic() < deadline, busy
        time.sleep(0.005)


def busy_threads() -> int:
    names = [thread.name for thread in threading.enumerate()]
    ours = [
        name for name in names if name.startswith("syncra-") and name != "syncra-clock"
    ]
    return len(ours) - _pool.idle_count()


SCRIPT = """
    import os
    from syncra import Dask, Graph, Ray, task

    class Boom(Exception):
        pass

    class Point:
        def __init__(self, x):
            self.x = x

    @task(graph="script")
    def make():
        return Point(4)

    @task(graph="script", dependencies=make)
    def use(make):
        return helper(make.x)

    @task(graph="script", dependencies=make)
    def bad(make):
        raise Boom(make.x)

    @task
    def helper(x):
        return x * 10

    if __name__ == "__main__":
        from syncra import get_graph

        executor = EXECUTOR  # ended with the program
        run = get_graph("script").run(executor=executor, on_error="continue")
        print(run["use"], type(run["make"]) is Point, type(run.errors["bad"]) is Boom)
        print(DIRECTORY)

        # What a notebook has done with the same.
        os.environ["IPYTHONDIR"] = os.path.dirname(__file__)
        from IPython.core.interactiveshell import InteractiveShell

        shell = InteractiveShell.instance()
        shell.history_manager.enabled = False
        shell.push({"executor": executor})
        for cell in CELLS:
            shell.run_cell(cell).raise_error()
"""

CELLS = [
    """
from syncra import Graph

class Pair:
    def __init__(self, first, second):
        self.first, self.second = first, second

graph = Graph("notebook", executor=executor)

@graph.task
def make():
    return Pair(6, bytes(100_000))
""",
    """
def helper(number):
    return number * 7

@graph.task(dependencies=make)
async def answer(make):
    return helper(make.first)
""",
    """
run = graph.run()
print(run["answer"], type(run["make"]) is Pair)
""",
]


def output_of_script(
    directory: Path, executor: str, shown: str, text: str = SCRIPT
) -> str:
    """Return what a script prints that uses an executor, and where that has files."""
    script = directory / "script.py"
    text = text.replace("EXECUTOR", executor).replace("DIRECTORY", shown)
    text = text.replace("CELLS", repr(CELLS))
    script.write_text(textwrap.dedent(text), encoding="utf-8")
    path = os.pathsep.join([str(Path(syncra.__file__).parents[1]), *sys.path])
    found = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    return found.stdout
