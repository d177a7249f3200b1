"""What every cluster does alike. The tests of each engine take these over.

They bring the fixtures: `engine`, the executor; `sent`, a list that gets the bytes of
each submission, and of each value that is put on the cluster; `everywhere`, which calls
a function in each worker.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
import tests_dask as functions
from tests_helpers import states_of

import syncra
from syncra import Graph, Retry
from syncra.errors import SerializationError, WorkerCrashed


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


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


def test_one_graph_mixes_a_cluster_with_what_is_here(engine) -> None:
    graph = Graph("mixed")
    graph.add(functions.number, executor=engine)
    graph.add(functions.double, executor="threads", dependencies="number")
    graph.add(functions.later, executor=engine, dependencies="double")
    graph.add(functions.process_id, executor=engine)
    run = graph()
    assert run["later"] == 41
    assert run["process_id"] != os.getpid()
    record = run.records["number"]
    assert record.executor == engine.name
    assert record.worker
    assert graph.run(executor=engine)["double"] == 40


def test_functions_of_every_kind(engine) -> None:
    """By value what nobody can import there."""
    amount = 5
    graph = Graph(executor=engine)
    graph.add(lambda: amount, name="closure")
    graph.add(lambda closure: closure + amount, name="ten", dependencies="closure")
    assert graph()["ten"] == 10


def test_retries_are_ours(engine, tmp_path) -> None:
    path = str(tmp_path / "tried")
    graph = Graph(executor=engine, on_error="continue")
    graph.add(functions.fail_once, kwargs={"path": path}, retry=Retry(2, backoff=0))
    graph.add(functions.divide, kwargs={"by": 0})
    run = graph()
    assert run["fail_once"] == "second time"
    first, second = run.records["fail_once"].attempts
    assert isinstance(first.error, OSError)
    assert second.error is None
    assert first.worker
    assert len(run.records["divide"].attempts) == 1
    assert isinstance(run.errors["divide"], ZeroDivisionError)
    assert "tests_dask.py" in (run.records["divide"].traceback or "")


def test_log_records_and_context_variables_travel(engine, caplog) -> None:
    graph = Graph("far", executor=type(engine)(engine, context=[functions.colour]))
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


def test_what_cannot_travel_costs_its_own_task(engine) -> None:
    lock = threading.Lock()
    graph = Graph(executor=engine, on_error="continue")
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


@pytest.mark.parametrize("make", [functions.much_with_lock, functions.one_lock])
def test_a_result_that_cannot_leave_its_worker(engine, make) -> None:
    """Costs its own task too, where the engine has to send it; or is never sent."""
    graph = Graph(executor=engine, on_error="continue")
    graph.add(make, name="make")
    graph.add(functions.length, dependencies="make")
    run = graph()
    error = run.errors.get("make")
    assert error is None or isinstance(error, SerializationError)
    assert (run.records["length"].state == "succeeded") == (error is None)


def test_a_large_result_between_two_tasks_there_never_comes_here(engine) -> None:
    graph = Graph(executor=engine)
    graph.add(functions.much)
    graph.add(functions.length, dependencies="much")
    graph.run(targets=["length"], keep="targets")
    with growth() as found:
        run = graph.run(keep="targets")
    assert run["length"] == functions.MUCH
    assert found[0] < functions.MUCH / 4


def test_a_run_that_keeps_all_fetches_what_is_asked_for(engine) -> None:
    graph = Graph(executor=engine)
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


def test_what_is_read_here_comes_here_and_stays_there_too(engine) -> None:
    """A part of it as well, and by a task on the cluster by way of its context."""
    graph = Graph()
    graph.add(functions.pair, executor=engine, outputs=("data", "count"))
    graph.add(functions.length, name="here", dependencies=graph["pair"]["data"])
    graph.add(
        functions.length,
        name="there",
        dependencies=graph["pair"]["data"],
        executor=engine,
    )
    graph.add(functions.see_results, executor=engine, after="pair")
    run = graph()
    assert (run["here"], run["there"]) == (100_000, 100_000)
    assert run["see_results"] == {"pair": 2}
    assert run["pair"][1] == 7


def test_a_value_from_here_is_sent_once(engine, sent) -> None:
    """However many tasks read it."""
    data = os.urandom(20_000_000)
    graph = Graph(executor=engine)
    graph.add(lambda: data, name="make", executor="threads")
    for place in range(20):
        graph.add(functions.length, name=f"length{place}", dependencies="make")
    run = graph()
    assert run["length19"] == len(data)
    assert len(data) <= sum(sent) < 1.1 * len(data)


def test_small_tasks_travel_together(engine, sent) -> None:
    """In less than one submission for each."""
    graph = Graph(executor=engine)
    first = graph.add(functions.number, name="0")
    for place in range(1, 300):
        first = graph.add(functions.double, name=str(place), dependencies=first)
    for place in range(300):
        graph.add(functions.number, name=f"wide{place}")
    run = graph.run(keep=["299", "wide299"])
    assert run["299"] == 20 * 2**299
    assert len(sent) < 200
    assert set(states_of(run).values()) == {"succeeded"}
    assert all(record.duration is not None for record in run.records.values())


def test_what_waits_behind_a_failure_never_runs(engine, tmp_path) -> None:
    """Though it would have travelled with it."""
    path = tmp_path / "ran"
    graph = Graph(executor=engine, on_error="continue")
    for place in range(6):
        graph.add(functions.divide, name=f"good{place}", kwargs={"by": 1})
    bad = graph.add(
        functions.divide, kwargs={"by": 0}, after=[f"good{n}" for n in range(6)]
    )
    graph.add(functions.note, kwargs={"path": str(path)}, after=bad)
    run = graph()
    assert run.records["note"].skipped_because == ("divide",)
    assert not path.exists()


def test_a_cluster_is_not_flooded(engine) -> None:
    """Each task alone, and no more than was said at once."""
    executor = type(engine)(engine, max_in_flight=1, batch=False)
    graph = Graph(executor=executor)
    for place in range(10):
        graph.add(functions.number, name=str(place))
    run = graph()
    ends = sorted((one.started_at, one.duration) for one in run.records.values())
    for (began, took), (following, _) in pairwise(ends):
        assert (following - began).total_seconds() >= took - 0.001


def test_fault_135_a_worker_that_dies_costs_its_own_task(engine, tmp_path) -> None:
    """It is told at once, the engine does not try again, and ours does if asked."""
    path = str(tmp_path / "died")
    graph = Graph(executor=engine, on_error="continue")
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


def test_fault_135_a_worker_that_is_killed(engine, tmp_path) -> None:
    """By somebody else, while a task runs; what waits behind it goes elsewhere."""
    began = tmp_path / "began"
    release = tmp_path / "release"
    given = {"began": str(began), "path": str(release)}
    graph = Graph(executor=engine, on_error="continue")
    graph.add(functions.tell_process_and_wait, kwargs=given)
    for place in range(6):
        graph.add(functions.process_id, name=f"other{place}")
    run = graph.start()
    until(lambda: began.exists() and began.read_text("utf-8"))
    os.kill(int(began.read_text("utf-8")), signal.SIGKILL)
    assert run.wait(60)
    assert list(run.errors) == ["tell_process_and_wait"]
    assert isinstance(run.errors["tell_process_and_wait"], WorkerCrashed)
    assert len(run) == 6
    assert began.read_text("utf-8").isdigit()  # once


@pytest.mark.parametrize("behind", [False, True])
def test_fault_135_who_of_those_that_travel_together(engine, tmp_path, behind) -> None:
    """Has killed their worker is told; the others are sent again, one by one."""
    given = {"path": str(tmp_path / "ran")}
    graph = Graph(executor=engine, on_error="continue")
    last: list[str] = []
    for place in range(6):
        kwargs = {**given, "is_bad": place == 5 and behind}
        graph.add(functions.die_if, name=f"in row {place}", kwargs=kwargs, after=last)
        last = [f"in row {place}"]
    for place in range(0 if behind else 8):
        kwargs = {**given, "is_bad": place == 3}
        graph.add(functions.die_if, name=f"{place}", kwargs=kwargs, after=last)
    run = graph()
    assert list(run.errors) == (last if behind else ["3"])
    assert all(isinstance(error, WorkerCrashed) for error in run.errors.values())
    assert set(states_of(run).values()) == {"succeeded", "failed"}


def test_fault_137_other_code_on_a_worker(
    engine, everywhere, tmp_path, monkeypatch
) -> None:
    """A module that has changed since the worker has imported it."""
    module = tmp_path / "changing_module.py"
    module.write_text("def f():\n    return 1\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    place = str(tmp_path)
    everywhere(lambda: __import__("sys").path.append(place))
    import changing_module

    graph = Graph(executor=engine)
    graph.add(changing_module.f)
    assert graph()["f"] == 1
    everywhere(lambda: __import__("changing_module").f())
    module.write_text("def f():\n    return 'another'\n", encoding="utf-8")
    os.utime(module, (1, 1))
    import importlib

    importlib.reload(changing_module)
    graph = Graph(executor=engine)
    graph.add(changing_module.f)
    with pytest.raises(SerializationError, match="the code of 'f' on this worker"):
        graph()
    del sys.modules["changing_module"]


def test_options_are_checked(engine) -> None:
    with pytest.raises(ValueError, match="max_in_flight is at least 1"):
        type(engine)(engine, max_in_flight=0)


def test_a_script_of_which_nothing_is_left(script) -> None:
    """Functions and classes of `__main__` and of a notebook; large values of them."""
    first, directory, notebook = script.splitlines()
    assert first == "40 True True"
    assert notebook == "42 True"
    assert not Path(directory).exists()


def test_the_census_is_the_same(engine, tmp_path) -> None:
    """As in threads, of a part of the standard library; the files stay there."""
    example = Path(__file__).parent.parent / "examples" / "census.py"
    command = [
        sys.executable,
        str(example),
        str(Path(json.__file__).parents[1] / "email"),
    ]
    path = os.pathsep.join([str(Path(syncra.__file__).parents[1]), *sys.path])
    found = []
    for executor in ("threads", engine.name):
        written = tmp_path / f"{executor}.json"
        subprocess.run(
            [*command, "--executor", executor, "--json", str(written)],
            env={**os.environ, "PYTHONPATH": path},
            check=True,
            capture_output=True,
            timeout=120,
        )
        found.append(json.loads(written.read_bytes()))
    assert found[0] == found[1]
    assert found[0]["totals"]["files"] > 20
