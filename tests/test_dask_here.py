"""Tasks on a Dask cluster that is in this process, as those have it who try things out.

What its tests share with other clusters is what travels together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

distributed = pytest.importorskip("distributed", reason="Dask is not installed")

import tests_dask as functions
from tests_clusters import no_leaks  # noqa: F401
from tests_helpers import states_of
from tests_of_clusters import (
    test_a_result_that_cannot_leave_its_worker,  # noqa: F401
    test_what_waits_behind_a_failure_never_runs,  # noqa: F401
    until,
)
from tests_of_parcels import *  # noqa: F403

from syncra import Dask, Graph
from syncra.errors import ExecutorLost

#: As if it was elsewhere: what it is sent travels.
HERE = {"n_workers": 1, "processes": False, "protocol": "tcp"}


@pytest.fixture(scope="module")
def engine() -> Iterator[Dask]:
    with Dask(threads_per_worker=2, **HERE) as executor:
        yield executor


def test_a_share_of_a_cluster_does_not_end_it(engine) -> None:
    with Dask(engine) as share:
        assert share.client is engine.client
    share.close()
    graph = Graph(executor=share)
    graph.add(functions.number)
    assert graph()["number"] == 20


def test_a_client_of_another_event_loop_is_refused(engine) -> None:
    """Before any task begins; the message says what to give instead."""
    address = engine.client.scheduler.address

    async def run() -> None:
        async with distributed.Client(address, asynchronous=True) as client:
            graph = Graph()
            graph.add(functions.number)
            with pytest.raises(ValueError, match="the address of its scheduler"):
                graph.run(executor=Dask(client))

    asyncio.run(run())


def test_a_task_that_somebody_else_has_cancelled(engine, tmp_path) -> None:
    """By a client of Dask's, or on its dashboard: the others go on."""
    began, release = str(tmp_path / "began"), str(tmp_path / "release")
    graph = Graph(executor=engine, on_error="continue")
    given = {"began": began, "path": release}
    graph.add(functions.begin_and_wait, kwargs=given)
    graph.add(functions.number, after="begin_and_wait", trigger="all_done")
    run = graph.start()
    until((tmp_path / "began").exists)
    client = engine.client
    client.cancel([distributed.Future(key, client) for key in list(client.futures)])
    until(lambda: run.records["begin_and_wait"].state == "failed")
    (tmp_path / "release").touch()
    assert run.wait(30)
    assert "somebody else has cancelled it on Dask" in str(run.errors["begin_and_wait"])
    assert run["number"] == 20


def test_a_run_that_is_cancelled_while_its_cluster_starts() -> None:
    """It ends at once, and the cluster is there for the next one."""
    with Dask(threads_per_worker=1, **HERE) as executor:
        graph = Graph(executor=executor)
        graph.add(functions.number)
        run = graph.start()
        run.cancel()
        assert run.wait(30)
        assert states_of(run) == {"number": "cancelled"}
        assert graph()["number"] == 20


@pytest.mark.parametrize("large", [False, True])
def test_fault_136_a_cluster_that_is_closed_while_a_run_goes_on(large) -> None:
    """What was to run there fails, and what runs here goes on."""
    with Dask(threads_per_worker=1, **HERE) as executor:

        def close(number: int) -> bytes:
            executor.close()
            return bytes(100_000 if large else number)

        graph = Graph(on_error="continue")
        graph.add(functions.number, executor=executor)
        graph.add(close, executor="threads", dependencies="number")
        there = {"dependencies": {"data": "close"}, "executor": executor}
        graph.add(functions.length, **there)
        graph.add(lambda: "here", name="here", after="length", trigger="all_done")
        run = graph()
    assert run["here"] == "here"
    assert list(run.errors) == ["length"]
    error = run.errors["length"]
    assert isinstance(error, ExecutorLost)
    assert "its client is clos" in str(error)
