"""The contract suite over a Ray on this machine with worker processes."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("ray", reason="Ray is not installed")

from conftest import Runner, awaited, blocking, with_asyncio
from tests_clusters import no_leaks, ray_cluster  # noqa: F401
from tests_contract_on_clusters import contract

#: A name with "processes" tells that tasks share no memory with tests.
WAYS = ("ray-processes", "asyncio-ray-processes")


@pytest.fixture(params=WAYS)
def run(request: pytest.FixtureRequest, ray_cluster: Any) -> Runner:
    if request.param.startswith("asyncio"):
        return awaited(with_asyncio, ray_cluster)

    return blocking(ray_cluster)


globals().update(contract(globals()))
