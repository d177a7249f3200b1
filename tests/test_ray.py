"""Tasks on Ray: what it does as every cluster does, its faults, and what it shares.

The contract suite runs there too; see `test_ray_contract.py`.
"""

from __future__ import annotations

import gc
import shutil
import socket
import struct
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

ray = pytest.importorskip("ray", reason="Ray is not installed")

import tests_dask as functions
from tests_clusters import no_leaks, output_of_script, ray_cluster  # noqa: F401
from tests_helpers import states_of
from tests_of_clusters import *  # noqa: F403
from tests_of_clusters import until
from tests_of_parcels import *  # noqa: F403

from syncra import Graph, Ray
from syncra.errors import TaskTimeout, VersionMismatch
from syncra.executors import _packing, _ray_link

LIMIT = 0.3


@pytest.fixture
def engine(ray_cluster) -> Ray:
    return ray_cluster


@pytest.fixture
def sent(engine, monkeypatch) -> list[int]:
    found: list[int] = []
    cluster = engine._cluster
    submit, put = cluster.submit, cluster.put

    def count_submitted(parcel: bytes, *rest: Any) -> Any:
        found.append(len(parcel))
        return submit(parcel, *rest)

    def count_put(value: Any) -> Any:
        found.append(len(value))
        return put(value)

    monkeypatch.setattr(cluster, "submit", count_submitted)
    monkeypatch.setattr(cluster, "put", count_put)
    return found


@pytest.fixture
def everywhere(engine, tmp_path) -> Callable[[Callable[[], Any]], None]:
    places = count()

    def call_everywhere(call: Callable[[], Any]) -> None:
        path = str(tmp_path / f"met{next(places)}")
        graph = Graph(executor=Ray(engine, batch=False))
        for place in range(2):
            graph.add(
                lambda: (functions.meet(path, 2), call() and None), name=str(place)
            )
        graph()

    return call_everywhere


@pytest.fixture
def script(tmp_path) -> str:
    return output_of_script(
        tmp_path,
        'Ray(init={"num_cpus": 1})',
        "executor._connection.link._directory",
    )


# Resources, and the one connection of a process.


def test_resources_by_task(engine) -> None:
    """Two executors share a connection, and data stays where it is between them."""
    graph = Graph()
    graph.add(functions.much, executor=Ray(num_cpus=2))
    graph.add(functions.length, dependencies="much", executor=engine)
    assert graph()["length"] == functions.MUCH
    assert repr(Ray()) == repr(engine) == f"Ray({engine.address!r})"


def test_what_nobody_has_waits_and_is_taken_back(engine) -> None:
    graph = Graph(executor=Ray(num_gpus=1, resources={"unobtainium": 1}))
    graph.add(functions.number)
    run = graph.start()
    assert not run.wait(LIMIT)
    run.cancel()
    assert run.wait(10)
    assert states_of(run) == {"number": "cancelled"}
    assert not run.records["number"].abandoned


def test_a_process_has_one_connection(engine) -> None:
    graph = Graph(executor=Ray("127.0.0.1:1"))
    graph.add(functions.number)
    with pytest.raises(ValueError, match="a process has one connection with Ray"):
        graph()


def test_options_are_refused(engine) -> None:
    with pytest.raises(TypeError, match="max_retries is for Syncra to set: give tasks"):
        Ray(max_retries=3)
    with pytest.raises(TypeError, match="for a cluster that is there already"):
        Ray(engine, init={"num_cpus": 1})
    with pytest.raises(ValueError, match="Ray Client"):
        Ray("ray://127.0.0.1:10001")


def test_nothing_is_kept_there_when_the_run_is_forgotten(engine) -> None:
    worker = ray._private.worker.global_worker.core_worker

    def kept() -> set[Any]:
        return set(worker.get_all_reference_counts())

    before = kept()
    graph = Graph(executor=engine)
    graph.add(functions.much)
    graph.add(functions.length, dependencies="much")
    run = graph()
    assert kept() - before
    del run
    gc.collect()
    until(lambda: not kept() - before)


def test_ray_is_not_told_of_strangers(engine) -> None:
    """Who does not know the secret is not listened to."""
    host, port, _ = engine._connection.open().channel.address
    assert host == "127.0.0.1"
    with socket.create_connection((host, port)) as stranger:
        stranger.settimeout(20)
        assert len(stranger.recv(100)) == 32
        stranger.sendall(bytes(32) + b"\x01\x00\x00\x00x")
        assert stranger.recv(1) == b""


def test_strangers_who_go_away(engine) -> None:
    """At whatever moment, with half of a word: workers are heard all the same."""
    assert engine.address  # it is connected
    host, port, _ = engine._connection.link.channel.address
    at_once = struct.pack("ii", 1, 0)  # does not say goodbye
    for said in (b"", b"", b"", bytes(10), bytes(40)):
        stranger = socket.create_connection((host, port))
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        stranger.sendall(said)
        stranger.close()
    with socket.create_connection((host, port)) as silent:
        silent.sendall(bytes(10))
        graph = Graph(executor=Ray(engine, batch=False))
        for place in range(4):
            graph.add(functions.number, name=str(place))
        run = graph.start()
        assert run.wait(30)
        assert set(run.values()) == {20}


def test_a_share_of_a_ray_does_not_end_it(engine) -> None:
    with Ray(engine) as share:
        assert share.address == engine.address
    share.close()
    with Ray():  # nor does one that has begun nothing
        pass
    graph = Graph(executor=engine)
    graph.add(functions.number)
    assert graph()["number"] == 20


def test_another_program_on_a_ray_that_is_there(engine, tmp_path) -> None:
    """By its address: its versions are looked at, and it goes on after the program."""
    text = """
    import os
    os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="DIRECTORY")
    from syncra import Graph, Ray

    def make() -> bytes:
        return bytes(100_000)

    def count(make: bytes) -> int:
        return len(make)

    def main():
        graph = Graph()
        graph.add(make)
        graph.add(count, dependencies="make")
        with EXECUTOR as executor:
            run = graph.run(executor=executor)
            print(run["count"], len(run["make"]), executor)

    if __name__ == "__main__":
        main()
    """
    shown = f"Ray({engine.address!r})"
    (token,) = _ray_link._tokens
    found = output_of_script(tmp_path, shown, token, text)
    assert found == f"100000 100000 {shown}\n"
    graph = Graph(executor=engine)
    graph.add(functions.number)
    assert graph()["number"] == 20


def test_the_page_about_clusters(engine) -> None:
    """Its Python blocks run one after another, on the Ray that is there already."""
    pytest.importorskip("distributed", reason="the page has blocks with Dask")
    page = Path(__file__).parent.parent / "docs" / "clusters.md"
    document = Sybil([PythonCodeBlockParser()], encoding="utf-8").parse(page)
    examples = list(document.examples())
    assert len(examples) >= 4
    for example in examples:
        example.evaluate()


# What is to end.


def test_fault_138_a_function_is_interrupted(engine, tmp_path) -> None:
    """As in a process: its `finally` runs, and its worker goes on."""
    began, ended = tmp_path / "began", tmp_path / "ended"
    graph = Graph(executor=engine, on_error="continue")
    given = {"began": str(began), "ended": str(ended)}
    graph.add(functions.wait_in_vain, kwargs=given, timeout=LIMIT)
    graph.add(functions.process_id, after="wait_in_vain", trigger="all_done")
    run = graph()
    record = run.records["wait_in_vain"]
    assert isinstance(record.error, TaskTimeout)
    assert not record.abandoned
    assert ended.exists()
    assert psutil.pid_exists(int(began.read_text("utf-8")))


def test_fault_138_who_does_not_end_is_killed(engine, tmp_path) -> None:
    """With what it has begun, and the others go on."""
    began = tmp_path / "began"
    graph = Graph(executor=engine, on_error="continue")
    graph.add(functions.refuse_to_end, kwargs={"began": str(began)}, timeout=LIMIT)
    graph.add(functions.number)
    run = graph.run(grace=LIMIT)
    record = run.records["refuse_to_end"]
    assert isinstance(record.error, TaskTimeout)
    assert not record.abandoned
    assert "its worker was killed" in "".join(record.error.__notes__)
    assert run["number"] == 20
    for process in map(int, began.read_text("utf-8").split()):
        until(lambda process=process: not is_running(process))


def is_running(process: int) -> bool:
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("how", ["cancel", "timeout"])
def test_fault_138_coroutines_are_cancelled(engine, tmp_path, how) -> None:
    began, told = tmp_path / "began", tmp_path / "told"
    limit = LIMIT if how == "timeout" else None
    graph = Graph(executor=engine, on_error="continue")
    given = {"began": str(began), "told": str(told)}
    graph.add(functions.wait_for_ever, kwargs=given, timeout=limit)
    run = graph.start()
    until(began.exists)
    if how == "cancel":
        run.cancel(grace=30)
    assert run.wait(60)
    assert told.exists()
    record = run.records["wait_for_ever"]
    assert record.state == ("cancelled" if how == "cancel" else "failed")
    assert isinstance(record.error, TaskTimeout) == (how == "timeout")


def test_what_has_not_begun_never_does(engine, tmp_path) -> None:
    """It is taken back when the run is cancelled, and those that run are ended."""
    began, ended, ran = (tmp_path / name for name in ("began", "ended", "ran"))
    graph = Graph(executor=engine)
    for place in range(2):
        given = {"began": str(began), "ended": str(ended)}
        graph.add(functions.wait_in_vain, name=f"hangs{place}", kwargs=given)
    for place in range(3):
        graph.add(functions.note, name=f"waits{place}", kwargs={"path": str(ran)})
    run = graph.start()
    until(lambda: began.exists() and len(run.records["hangs1"].worker or "") > 5)
    run.cancel()
    assert run.wait(60)
    assert set(states_of(run).values()) == {"cancelled"}
    assert not any(record.abandoned for record in run.records.values())
    graph = Graph(executor=engine)
    graph.add(functions.number)
    graph()
    assert not ran.exists()


# Versions.


def test_fault_137_another_version_is_told_by_each_task(engine, monkeypatch) -> None:
    """Its worker looks at what the run says."""
    monkeypatch.setattr(_packing, "VERSIONS", ("0.0.1", (3, 11)))
    graph = Graph(executor=engine)
    graph.add(functions.number)
    with pytest.raises(VersionMismatch, match=r"worker process .* Syncra 0\.0\.1 on"):
        graph()


# Other programs: what they do with Ray is theirs alone.

LOST = """
    import os, signal, sys, time
    sys.path.append(FUNCTIONS)
    import psutil
    import tests_dask as functions
    from syncra import Graph, Ray
    from syncra.errors import ExecutorLost
    from syncra.executors import _ray_link

    def main():
        os.environ["TMPDIR"] = os.path.dirname(__file__)  # too long for Ray's sockets
        executor = EXECUTOR
        began = os.path.join(os.path.dirname(__file__), "began")
        graph = Graph(on_error="continue")
        given = {"began": began, "path": began + "never"}
        graph.add(functions.begin_and_wait, kwargs=given, executor=executor)
        graph.add(functions.number, executor=executor, after="begin_and_wait")
        graph.add(functions.number, name="late", executor=executor,
            after="begin_and_wait", trigger="all_done")
        graph.add(lambda: "here", name="here", after="late", trigger="all_done")
        run = graph.start()
        while not os.path.exists(began):
            time.sleep(0.01)
        for process in psutil.Process().children(recursive=True):
            if "DIRECTORY" in process.name():
                process.send_signal(signal.SIGNAL)
        assert run.wait(30), "too late"
        print({name: str(record.state) for name, record in run.records.items()})
        print({type(error) is ExecutorLost for error in run.errors.values()})
        for error in run.errors.values():
            print(error, file=sys.stdout)
        if "DIRECTORY" != "raylet":
            return
        again = Graph()
        again.add(functions.number)
        executor = Ray(init={"num_cpus": 1})
        print(again.run(executor=executor)["number"])
        # One that hangs, and does not end when it is told to.
        _ray_link.ASK, _ray_link.ANSWER, _ray_link.LATE = 0.2, 1.0, 1.0
        os.unlink(began)
        hanging = Graph(executor=executor)
        hanging.add(functions.begin_and_wait, kwargs=given)
        run = hanging.start()
        while not os.path.exists(began):
            time.sleep(0.01)
        for process in psutil.Process().children(recursive=True):
            if "gcs_server" in process.name():
                process.send_signal(signal.SIGSTOP)
        assert run.wait(30), "too late"
        print(run.errors["begin_and_wait"])

    if __name__ == "__main__":
        main()
"""


@pytest.mark.parametrize("who", ["raylet", "gcs_server"])
def test_fault_136_a_cluster_that_is_lost(tmp_path, who) -> None:
    """The run ends with complete records, the program goes on, and has a new Ray."""
    here = repr(str(Path(__file__).parent))
    text = LOST.replace("FUNCTIONS", here).replace("SIGNAL", "SIGKILL")
    found = output_of_script(tmp_path, 'Ray(init={"num_cpus": 1})', who, text)
    lines = found.splitlines()
    assert eval(lines[0]) == {
        "begin_and_wait": "failed",
        "number": "skipped",
        "late": "failed",
        "here": "succeeded",
    }
    assert lines[1] == "{True}"
    assert "which is lost: its " in found
    if who == "raylet":
        assert lines[-2] == "20"
        assert lines[-1].endswith("which is lost: it has not answered for 1 s")


def test_fault_136_a_cluster_that_is_not_there(tmp_path) -> None:
    """Is told by the run, before any task begins; and so are another Ray's versions."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    text = """
    from syncra import Graph, Ray
    from syncra.errors import ExecutorLost

    graph = Graph()
    graph.add(int)
    try:
        graph.run(executor=EXECUTOR)
    except ExecutorLost as error:
        print(error)
    """
    found = output_of_script(tmp_path, f'Ray("127.0.0.1:{port}")', "", text)
    assert found.startswith(f"no Ray cluster answers at 127.0.0.1:{port}")


GIVEN = """
    import os, sys
    os.environ["RAY_AUTH_MODE"] = "disabled"  # or it would write into the home
    sys.path.append(FUNCTIONS)
    import ray
    import tests_dask as functions
    from syncra import Graph, Ray
    from syncra.errors import ExecutorLost, VersionMismatch
    from syncra.executors import _same_code

    def tell(graph, executor):
        try:
            return graph.run(executor=executor)
        except Exception as error:
            return type(error).__name__, str(error)

    def main():
        graph = Graph()
        graph.add(functions.much)
        graph.add(functions.length, dependencies="much")
        options = {"num_cpus": 1, "include_dashboard": False, "log_to_driver": False,
                   "configure_logging": False}
        ray.init("local", _temp_dir=os.path.dirname(__file__), **options)
        with Ray() as executor:
            run = graph.run(executor=executor)
            print(run["length"])
        print(ray.is_initialized(), tell(graph, executor)[0])
        try:
            run["much"]
        except ExecutorLost as error:
            print(error)
        versions, _same_code.VERSIONS = _same_code.VERSIONS, ("0.0.1", (3, 11))
        print(tell(graph, Ray()))
        _same_code.VERSIONS = versions
        ray.shutdown()

    if __name__ == "__main__":
        main()
"""


@pytest.fixture
def short_path() -> Iterator[Path]:
    """Give a directory in which Ray's sockets have their place."""
    made = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    yield Path(made)
    shutil.rmtree(made)


def test_a_ray_of_the_user_stays_as_it_is(short_path) -> None:
    """And what it has is checked, since it may be anywhere."""
    text = GIVEN.replace("FUNCTIONS", repr(str(Path(__file__).parent)))
    found = output_of_script(short_path, "Ray()", "", text)
    lines = found.splitlines()
    assert lines[:2] == [str(functions.MUCH), "True ExecutorLost"]
    assert "name its task in keep=" in lines[2]
    assert lines[3].startswith("('VersionMismatch', 'worker on ")
