"""Tasks on a Dask cluster: data that stays there, faults, and what travels together.

The contract suite runs there too; see `test_dask_contract.py`.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

distributed = pytest.importorskip("distributed", reason="Dask is not installed")

import tests_dask as functions
from dask import config as dask_config
from tests_clusters import (  # noqa: F401
    cluster,
    free_workers,
    no_leaks,
    output_of_script,
)
from tests_helpers import states_of
from tests_of_clusters import *  # noqa: F403
from tests_of_clusters import until

import syncra
from syncra import Dask, Graph
from syncra.errors import (
    ExecutorLost,
    TaskTimeout,
    VersionMismatch,
    WorkerCrashed,
)
from syncra.executors import _dask_cluster, _same_code

LIMIT = 0.2


@pytest.fixture
def dask(cluster) -> Iterator[Dask]:
    """Give the cluster, and make it free again, with both of its workers."""
    yield cluster
    free_workers(cluster)
    cluster.client.wait_for_workers(2, timeout=60)


@pytest.fixture
def engine(dask) -> Dask:
    return dask


@pytest.fixture
def sent(dask) -> Iterator[list[int]]:
    found: list[int] = []
    client = dask.client
    scatter, submit = client.scatter, client.submit

    def count_scattered(value: Any, **options: Any) -> Any:
        found.append(len(value))
        return scatter(value, **options)

    def count_submitted(
        function: Any, parcel: bytes, *rest: Any, **options: Any
    ) -> Any:
        found.append(len(parcel))
        return submit(function, parcel, *rest, **options)

    client.scatter, client.submit = count_scattered, count_submitted
    yield found
    del client.scatter, client.submit


@pytest.fixture
def everywhere(dask) -> Callable[[Any], object]:
    return dask.client.run


@pytest.fixture
def script(tmp_path) -> str:
    return output_of_script(
        tmp_path,
        "Dask(n_workers=1)",
        "executor.client.cluster.workers[0].local_directory",
    )


def test_the_name_of_a_worker(dask) -> None:
    graph = Graph(executor=dask)
    graph.add(functions.number)
    worker = graph().records["number"].worker
    workers = dask.client.scheduler_info(n_workers=-1)["workers"]
    assert worker.partition(" at ")[2] in workers


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


# Faults.


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


def test_tasks_are_where_the_executor_says(dask) -> None:
    """On the workers that are named, and with a priority of Dask's."""
    (chosen, *others) = dask.client.nthreads()
    assert others
    graph = Graph(executor=Dask(dask, workers=[chosen], priority=5, batch=False))
    for place in range(6):
        graph.add(functions.number, name=str(place))
    (worker,) = {record.worker for record in graph().records.values()}
    assert worker.endswith(f" at {chosen}")


def test_resources_are_taken() -> None:
    """A worker has one of them, so its two threads never run two of these tasks."""
    with (
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=2,
            dashboard_address=None,
            resources={"key": 1},
        ) as workers,
        Dask(workers) as cluster,
    ):
        met = {}
        for key in (0, 1):
            alone = Dask(cluster, resources={"key": key}, batch=False)
            graph = Graph(executor=alone)
            given = {"limit": 0.3 if key else 30}
            for name in ("one", "other"):
                graph.add(functions.meets_another, name=name, kwargs=given)
            met[key] = set(graph().values())
    assert met == {0: {True}, 1: {False}}


def test_fault_135_a_cluster_that_tries_again_by_itself(tmp_path) -> None:
    """What has killed its worker: the first time is the end of the attempt."""
    path = tmp_path / "died"
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=None
        ) as workers,
        Dask(workers) as cluster,
    ):
        graph = Graph(executor=cluster, on_error="continue")
        graph.add(functions.die_once, kwargs={"path": str(path)})
        graph.add(functions.number, after="die_once", trigger="all_done")
        run = graph()
    assert isinstance(run.errors["die_once"], WorkerCrashed)
    assert len(run.records["die_once"].attempts) == 1
    assert run["number"] == 20


def test_fault_136_workers_that_are_not_replaced(monkeypatch) -> None:
    """Nobody waits for ever for a cluster that Dask has given up."""
    monkeypatch.setattr(_dask_cluster, "ASK", 0.1)
    monkeypatch.setattr(_dask_cluster, "REPLACE", 0.5)
    with Dask(n_workers=1) as executor:
        graph = Graph(executor=executor, on_error="continue")
        graph.add(functions.number)
        assert graph()["number"] == 20
        executor.client.cluster.scale(0)
        until(lambda: not executor.client.scheduler_info()["n_workers"])
        run = graph.start()
        assert run.wait(60)
    assert states_of(run) == {"number": "failed"}
    error = run.errors["number"]
    assert isinstance(error, ExecutorLost)
    assert "its workers have ended" in str(error)


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
    # That they have begun is known here a moment later, and which worker has.
    hanging = ("hangs0", "hangs1")
    until(lambda: all(" at " in (run.records[one].worker or "") for one in hanging))
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


def test_options_of_a_cluster_that_is_there(dask) -> None:
    with pytest.raises(TypeError, match="n_workers: options of a cluster"):
        Dask(dask, n_workers=3)
