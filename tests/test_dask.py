"""Tasks on a Dask cluster: data that stays there, faults, and what travels together.

The contract suite runs there too; see `test_dask_contract.py`.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

distributed = pytest.importorskip("distributed", reason="Dask is not installed")

import tests_dask as functions
from dask import config as dask_config
from tests_clusters import cluster, free_workers, no_leaks  # noqa: F401
from tests_helpers import states_of

import syncra
from syncra import Dask, Graph, Retry
from syncra.errors import (
    ExecutorLost,
    SerializationError,
    TaskTimeout,
    VersionMismatch,
    WorkerCrashed,
)
from syncra.executors import _dask_cluster, _same_code

LIMIT = 0.2


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def dask(cluster) -> Iterator[Dask]:
    """Give the cluster, and make it free again."""
    yield cluster
    free_workers(cluster)


@contextmanager
def growth() -> Iterator[list[int]]:
    """Give a list that in the end has by how many bytes this process has grown."""

    def status(field: str) -> int:
        text = Path("/proc/self/status").read_text("utf-8")
        return int(text.partition(f"{field}:")[2].split()[0]) * 1024

    gc.collect()
    try:
        Path("/proc/self/clear_refs").write_text("5", "utf-8")  # forget the peak
    except OSError:
        pytest.skip("the peak of memory cannot be measured here")
    before = status("VmRSS")
    found: list[int] = []
    yield found
    found.append(status("VmHWM") - before)


# One meaning of everything.


def test_one_graph_mixes_a_cluster_with_what_is_here(dask) -> None:
    graph = Graph("mixed")
    graph.add(functions.number, executor=dask)
    graph.add(functions.double, executor="threads", dependencies="number")
    graph.add(functions.later, executor=dask, dependencies="double")
    graph.add(functions.process_id, executor=dask)
    run = graph()
    assert run["later"] == 41
    assert run["process_id"] != os.getpid()
    record = run.records["number"]
    assert record.executor == "dask"
    workers = dask.client.scheduler_info(n_workers=-1)["workers"]
    assert record.worker.partition(" at ")[2] in workers
    assert graph.run(executor=dask)["double"] == 40


def test_functions_of_every_kind(dask) -> None:
    """By value what nobody can import there."""
    amount = 5
    graph = Graph(executor=dask)
    graph.add(lambda: amount, name="closure")
    graph.add(lambda closure: closure + amount, name="ten", dependencies="closure")
    assert graph()["ten"] == 10


def test_retries_are_ours(dask, tmp_path) -> None:
    path = str(tmp_path / "tried")
    graph = Graph(executor=dask, on_error="continue")
    graph.add(functions.fail_once, kwargs={"path": path}, retry=Retry(2, backoff=0))
    graph.add(functions.divide, kwargs={"by": 0})
    run = graph()
    assert run["fail_once"] == "second time"
    first, second = run.records["fail_once"].attempts
    assert isinstance(first.error, OSError)
    assert second.error is None
    assert " at tcp://" in first.worker
    assert len(run.records["divide"].attempts) == 1
    assert isinstance(run.errors["divide"], ZeroDivisionError)
    assert "tests_dask.py" in (run.records["divide"].traceback or "")


def test_log_records_and_context_variables_travel(dask, caplog) -> None:
    graph = Graph("far", executor=Dask(dask, context=[functions.colour]))
    graph.add(functions.log)
    graph.add(functions.see_colour)
    token = functions.colour.set("green")
    try:
        run = graph()
    finally:
        functions.colour.reset(token)
    assert run["see_colour"] == "green"
    (record,) = [one for one in caplog.records if one.name.startswith("syncra.far")]
    assert (record.name, record.getMessage()) == ("syncra.far.log", "from afar")
    assert "elsewhere" not in [one.name for one in caplog.records]
    assert logging.getLogger("elsewhere").level == logging.NOTSET


def test_what_cannot_travel_costs_its_own_task(dask) -> None:
    lock = threading.Lock()
    graph = Graph(executor=dask, on_error="continue")
    graph.add(lambda: lock, name="function")
    graph.add(functions.length, name="argument", kwargs={"data": {"a": lock}})
    graph.add(threading.Lock, name="result")
    graph.add(functions.number)
    run = graph()
    assert dict(run) == {"number": 20}
    for name, error in run.errors.items():
        assert isinstance(error, SerializationError)
        assert (error.task, error.stage) == (name, name)
    assert run.errors["argument"].path == "data['a']"


# Data stays there.


def test_a_large_result_between_two_tasks_there_never_comes_here(dask) -> None:
    graph = Graph(executor=dask)
    graph.add(functions.much)
    graph.add(functions.length, dependencies="much")
    graph.run(targets=["length"], keep="targets")
    with growth() as found:
        run = graph.run(keep="targets")
    assert run["length"] == functions.MUCH
    assert found[0] < functions.MUCH / 4


def test_a_run_that_keeps_all_fetches_what_is_asked_for(dask) -> None:
    graph = Graph(executor=dask)
    graph.add(functions.much)
    graph.add(functions.length, dependencies="much")
    with growth() as found:
        run = graph()
    assert run["length"] == functions.MUCH
    assert found[0] < functions.MUCH / 4
    with growth() as found:
        assert len(run["much"]) == functions.MUCH
    assert found[0] > functions.MUCH / 2
    assert run["much"] is run["much"]


def test_what_is_read_here_comes_here_and_stays_there_too(dask) -> None:
    """A part of it as well, and by a task on the cluster by way of its context."""
    graph = Graph()
    graph.add(functions.pair, executor=dask, outputs=("data", "count"))
    graph.add(functions.length, name="here", dependencies=graph["pair"]["data"])
    graph.add(
        functions.length,
        name="there",
        dependencies=graph["pair"]["data"],
        executor=dask,
    )
    graph.add(functions.see_results, executor=dask, after="pair")
    run = graph()
    assert (run["here"], run["there"]) == (100_000, 100_000)
    assert run["see_results"] == {"pair": 2}
    assert run["pair"][1] == 7


def test_a_value_from_here_is_sent_once(dask) -> None:
    """However many tasks read it."""
    data = os.urandom(20_000_000)
    graph = Graph(executor=dask)
    graph.add(lambda: data, name="make", executor="threads")
    for place in range(20):
        graph.add(functions.length, name=f"length{place}", dependencies="make")
    sent: list[int] = []
    client = dask.client
    scatter, submit = client.scatter, client.submit

    def count_scattered(value: Any, **options: Any) -> Any:
        sent.append(len(value))
        return scatter(value, **options)

    def count_submitted(
        function: Any, parcel: bytes, *rest: Any, **options: Any
    ) -> Any:
        sent.append(len(parcel))
        return submit(function, parcel, *rest, **options)

    client.scatter, client.submit = count_scattered, count_submitted
    try:
        run = graph()
    finally:
        del client.scatter, client.submit
    assert run["length19"] == len(data)
    assert len(data) <= sum(sent) < 1.1 * len(data)


def test_nothing_is_kept_there_when_the_run_is_forgotten(dask) -> None:
    """Nor while it goes on, of what nobody reads any more."""
    client = dask.client
    graph = Graph(executor=dask)
    graph.add(functions.much)
    graph.add(functions.length, dependencies="much")
    run = graph()
    assert client.futures
    del run
    gc.collect()
    until(lambda: not client.futures)
    run = graph.run(keep="targets")
    until(lambda: not client.futures)
    assert run["length"] == functions.MUCH
    until(lambda: not any(client.has_what().values()))


# Small tasks travel together.


def test_small_tasks_travel_together(dask) -> None:
    """In less than one submission for each."""
    submitted = []
    submit = dask.client.submit

    def count(*args: Any, **options: Any) -> Any:
        submitted.append(1)
        return submit(*args, **options)

    graph = Graph(executor=dask)
    first = graph.add(functions.number, name="0")
    for place in range(1, 300):
        first = graph.add(functions.double, name=str(place), dependencies=first)
    for place in range(300):
        graph.add(functions.number, name=f"wide{place}")
    dask.client.submit = count
    try:
        run = graph.run(keep=["299", "wide299"])
    finally:
        del dask.client.submit
    assert run["299"] == 20 * 2**299
    assert len(submitted) < 200
    assert set(states_of(run).values()) == {"succeeded"}
    assert all(record.duration is not None for record in run.records.values())


def test_what_waits_behind_a_failure_never_runs(dask, tmp_path) -> None:
    """Though it would have travelled with it."""
    path = tmp_path / "ran"
    graph = Graph(executor=dask, on_error="continue")
    for place in range(6):
        graph.add(functions.divide, name=f"good{place}", kwargs={"by": 1})
    bad = graph.add(
        functions.divide, kwargs={"by": 0}, after=[f"good{n}" for n in range(6)]
    )
    graph.add(functions.note, kwargs={"path": str(path)}, after=bad)
    run = graph()
    assert run.records["note"].skipped_because == ("divide",)
    assert not path.exists()


def test_a_cluster_is_not_flooded(dask) -> None:
    """Each task alone, and no more than was said at once."""
    executor = Dask(dask, max_in_flight=1, batch=False)
    graph = Graph(executor=executor)
    for place in range(10):
        graph.add(functions.number, name=str(place))
    run = graph()
    ends = sorted((one.started_at, one.duration) for one in run.records.values())
    for (began, took), (following, _) in pairwise(ends):
        assert (following - began).total_seconds() >= took - 0.001


# Faults.


def test_fault_135_a_worker_that_dies_costs_its_own_task(dask, tmp_path) -> None:
    """It is told at once, Dask does not try again, and ours does if asked."""
    path = str(tmp_path / "died")
    graph = Graph(executor=dask, on_error="continue")
    graph.add(functions.die)
    graph.add(functions.die_once, kwargs={"path": path}, retry=Retry(2, backoff=0))
    graph.add(functions.number, trigger="all_done", after="die")
    run = graph()
    error = run.errors["die"]
    assert isinstance(error, WorkerCrashed)
    assert error.task == "die"
    assert len(run.records["die"].attempts) == 1
    assert run["die_once"] == "second time"
    assert isinstance(run.records["die_once"].attempts[0].error, WorkerCrashed)
    assert run["number"] == 20


def test_fault_135_a_worker_that_is_killed(dask, tmp_path) -> None:
    """By somebody else, while a task runs; what waits behind it goes elsewhere."""
    began = tmp_path / "began"
    release = tmp_path / "release"
    given = {"began": str(began), "path": str(release)}
    graph = Graph(executor=dask, on_error="continue")
    graph.add(functions.begin_and_wait, kwargs=given)
    for place in range(6):
        graph.add(functions.process_id, name=f"other{place}")
    run = graph.start()
    until(lambda: " at " in str(run.records["begin_and_wait"].worker))
    until(began.exists)
    address = run.records["begin_and_wait"].worker.partition(" at ")[2]
    (pid,) = dask.client.run(os.getpid, workers=[address]).values()
    os.kill(pid, signal.SIGKILL)
    assert run.wait(60)
    assert list(run.errors) == ["begin_and_wait"]
    assert isinstance(run.errors["begin_and_wait"], WorkerCrashed)
    assert len(run) == 6
    assert began.read_text("utf-8") == "x"


@pytest.fixture
def remote() -> Iterator[tuple[str, psutil.Popen]]:
    """Give the address of a scheduler that has one worker, and its process."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    path = os.pathsep.join([str(Path(syncra.__file__).parents[1]), *sys.path])
    options: dict[str, Any] = {
        "env": {**os.environ, "PYTHONPATH": path},
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    scheduler = psutil.Popen(command, **options)
    command = [sys.executable, "-m", "distributed.cli.dask_worker", address]
    command += ["--no-nanny", "--no-dashboard", "--nthreads", "2"]
    command += ["--death-timeout", "20"]
    worker = psutil.Popen(command, **options)
    try:
        yield address, scheduler
    finally:
        for process in (scheduler, worker):
            process.kill()
            process.wait()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_fault_136_a_scheduler_that_is_lost(remote, tmp_path, monkeypatch, how) -> None:
    """What ran there and what was to run there fails; the records are complete."""
    address, scheduler = remote
    monkeypatch.setattr(_dask_cluster, "ASK", 0.2)
    monkeypatch.setattr(_dask_cluster, "ANSWER", 2.0)
    began, release = tmp_path / "began", tmp_path / "release"
    given = {"began": str(began), "path": str(release)}
    with Dask(address) as executor:
        graph = Graph(on_error="continue")
        graph.add(functions.begin_and_wait, kwargs=given, executor=executor)
        graph.add(functions.number, executor=executor, after="begin_and_wait")
        graph.add(
            functions.number,
            name="late",
            executor=executor,
            after="begin_and_wait",
            trigger="all_done",
        )
        graph.add(lambda: "here", name="here", after="late", trigger="all_done")
        run = graph.start()
        until(began.exists)
        scheduler.send_signal(how)
        assert run.wait(30)
        scheduler.kill()
    release.touch()
    assert states_of(run) == {
        "begin_and_wait": "failed",
        "number": "skipped",
        "late": "failed",
        "here": "succeeded",
    }
    for error in run.errors.values():
        assert isinstance(error, ExecutorLost)
        assert error.executor == "Dask"


def test_fault_137_another_version_is_told_at_the_start(cluster, monkeypatch) -> None:
    """Before any task begins, and of a worker that joins later by each task."""
    address = cluster.client.scheduler.address
    ours = ("0.0.1", sys.version_info[:2])
    monkeypatch.setattr(_same_code, "VERSIONS", ours)
    graph = Graph()
    graph.add(functions.number)
    with (
        Dask(address) as executor,
        pytest.raises(
            VersionMismatch, match=r"has Syncra .*, and the run Syncra 0.0.1"
        ),
    ):
        graph.run(executor=executor)
    from syncra.executors import _packing

    monkeypatch.setattr(_packing, "VERSIONS", ours)
    with pytest.raises(VersionMismatch, match=" at tcp://"):
        graph.run(executor=cluster)


def test_fault_137_other_code_on_a_worker(dask, tmp_path, monkeypatch) -> None:
    """A module that has changed since the worker has imported it."""
    module = tmp_path / "changing_module.py"
    module.write_text("def f():\n    return 1\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    place = str(tmp_path)
    dask.client.run(lambda: __import__("sys").path.append(place))
    import changing_module

    graph = Graph(executor=dask)
    graph.add(changing_module.f)
    assert graph()["f"] == 1
    dask.client.run(lambda: __import__("changing_module").f())
    module.write_text("def f():\n    return 'another'\n", encoding="utf-8")
    os.utime(module, (1, 1))
    import importlib

    importlib.reload(changing_module)
    graph = Graph(executor=dask)
    graph.add(changing_module.f)
    with pytest.raises(SerializationError, match="the code of 'f' on this worker"):
        graph()
    del sys.modules["changing_module"]


def test_fault_138_a_function_that_hangs_is_abandoned(dask, tmp_path) -> None:
    """Its time is up for us, and the others go on."""
    release = tmp_path / "release"
    graph = Graph(executor=dask, on_error="continue")
    graph.add(functions.wait_for, kwargs={"path": str(release)}, timeout=LIMIT)
    graph.add(functions.number)
    run = graph()
    release.touch()
    record = run.records["wait_for"]
    assert isinstance(record.error, TaskTimeout)
    assert record.abandoned
    assert "cannot be ended from here" in "".join(record.error.__notes__)
    assert run["number"] == 20


@pytest.mark.parametrize("how", ["cancel", "timeout"])
def test_fault_138_what_can_end_is_told_to(dask, tmp_path, how) -> None:
    """Coroutines by their cancellation, functions by `Context.cancelled()`."""
    paths = [tmp_path / name for name in ("began", "told", "began too", "told too")]
    began, told, began_too, told_too = map(str, paths)
    limit = 1.0 if how == "timeout" else None
    graph = Graph(executor=dask, on_error="continue")
    given = {"began": began, "told": told}
    graph.add(functions.wait_for_ever, kwargs=given, timeout=limit)
    given = {"began": began_too, "told": told_too}
    graph.add(functions.wait_until_told, kwargs=given, timeout=limit)
    run = graph.start()
    until(lambda: paths[0].exists() and paths[2].exists())
    if how == "cancel":
        run.cancel(grace=30)
    assert run.wait(60)
    until(lambda: paths[1].exists() and paths[3].exists())
    record = run.records["wait_for_ever"]
    assert record.state == ("cancelled" if how == "cancel" else "failed")
    assert not record.abandoned
    assert isinstance(record.error, TaskTimeout) == (how == "timeout")


def test_what_has_not_begun_never_does(dask, tmp_path) -> None:
    """It is taken back from the cluster when the run is cancelled."""
    began, release, ran = (str(tmp_path / name) for name in ("b", "release", "ran"))
    graph = Graph(executor=dask)
    for place in range(2):
        given = {"began": began, "path": release}
        graph.add(functions.begin_and_wait, name=f"hangs{place}", kwargs=given)
    for place in range(3):
        graph.add(functions.note, name=f"waits{place}", kwargs={"path": ran})
    run = graph.start()
    until(lambda: Path(began).exists() and len(Path(began).read_text("utf-8")) == 2)
    run.cancel(grace=LIMIT)
    assert run.wait(60)
    Path(release).touch()
    assert set(states_of(run).values()) == {"cancelled"}
    assert run.records["hangs0"].abandoned
    assert not run.records["waits0"].abandoned
    free_workers(dask)
    assert not Path(ran).exists()


# Clusters come and go.


def test_a_result_that_was_left_there_says_so() -> None:
    with Dask(n_workers=1, processes=False) as executor:
        graph = Graph(executor=executor)
        graph.add(functions.much)
        graph.add(functions.length, dependencies="much")
        run = graph()
    assert run["length"] == functions.MUCH
    with pytest.raises(ExecutorLost, match="name its task in keep="):
        run["much"]
    with pytest.raises(ExecutorLost, match="has been closed"):
        graph()


def test_a_client_of_the_user_stays_as_it_is(dask) -> None:
    client = distributed.Client(dask.client.scheduler.address, set_as_default=False)
    with Dask(client) as executor:
        graph = Graph(executor=executor)
        graph.add(functions.number)
        assert graph()["number"] == 20
    assert client.status == "running"
    assert client.submit(functions.number).result(30) == 20
    client.close()


def test_fault_136_a_scheduler_that_is_not_there() -> None:
    """Is told by the run, before any task begins."""
    graph = Graph()
    graph.add(functions.number)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{found.getsockname()[1]}"
    with (
        dask_config.set({"distributed.comm.timeouts.connect": "300ms"}),
        Dask(address) as executor,
        pytest.raises(ExecutorLost, match=f"no Dask scheduler answers at {address}"),
    ):
        graph.run(executor=executor)


def test_options_are_checked(dask) -> None:
    with pytest.raises(TypeError, match="n_workers: options of a cluster"):
        Dask(dask, n_workers=3)
    with pytest.raises(ValueError, match="max_in_flight is at least 1"):
        Dask(dask, max_in_flight=0)


def test_the_page_about_clusters(monkeypatch) -> None:
    """Its Python blocks run one after another, as a reader would."""
    page = Path(__file__).parent.parent / "docs" / "clusters.md"
    document = Sybil([PythonCodeBlockParser()], encoding="utf-8").parse(page)
    examples = list(document.examples())
    assert len(examples) >= 3
    for example in examples:
        example.evaluate()


SCRIPT = """
    import sys, threading
    from syncra import Dask, Graph, task

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

        executor = Dask(n_workers=1)  # ended with the program
        run = get_graph("script").run(executor=executor, on_error="continue")
        print(run["use"], type(run["make"]) is Point, type(run.errors["bad"]) is Boom)
        print(executor.client.cluster.workers[0].local_directory)
"""


def test_a_script_and_nothing_is_left_of_it(tmp_path) -> None:
    """Functions and classes of `__main__`; the cluster ends with the program."""
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT), encoding="utf-8")
    path = os.pathsep.join([str(Path(syncra.__file__).parents[1]), *sys.path])
    found = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    first, directory = found.stdout.splitlines()
    assert first == "40 True True"
    assert found.stderr == ""
    assert not Path(directory).parent.exists()
