"""The contract suite over a Dask cluster with worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("distributed", reason="Dask is not installed")

from conftest import Runner, awaited, blocking, with_asyncio
from tests_clusters import cluster, free_workers, no_leaks  # noqa: F401
from tests_contract_on_clusters import contract

#: A name with "processes" tells that tasks share no memory with tests.
WAYS = ("dask-processes", "asyncio-dask-processes")


@pytest.fixture(params=WAYS)
def run(request: pytest.FixtureRequest, cluster: Any) -> Iterator[Runner]:
    if request.param.startswith("asyncio"):
        yield awaited(with_asyncio, cluster)
    else:
        yield blocking(cluster)
    free_workers(cluster)


globals().update(contract(globals()))
