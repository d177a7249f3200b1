"""The executor that a how-to page adds, in the contract suite like any other."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import test_failure
import test_limits_and_order
import test_run
import test_wiring
from conftest import Runner, awaited, blocking, with_asyncio
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from syncra import Graph

PAGE = Path(__file__).parent.parent / "docs" / "how-to" / "add-an-executor.md"


def printed() -> Callable[..., Any]:
    """Return the executor that the first block of the page defines."""
    document = Sybil([PythonCodeBlockParser()], encoding="utf-8").parse(PAGE)
    next(iter(document.examples())).evaluate()
    found: Callable[..., Any] = document.namespace["FreshThreads"]
    return found


FreshThreads = printed()
WAYS = {
    "fresh-threads": blocking(FreshThreads()),
    "asyncio-fresh-threads": awaited(with_asyncio, FreshThreads()),
}

#: It knows the executors of Syncra by their names.
LEFT_OUT = {"test_records_tell_what_became_of_each_task"}


@pytest.fixture(params=WAYS)
def run(request: pytest.FixtureRequest) -> Runner:
    return WAYS[request.param]


def of_contract(found: Any) -> bool:
    """Return whether something is a test of the contract, or a fixture for one."""
    if not inspect.isfunction(found):
        return type(found).__name__ == "FixtureFunctionDefinition"

    if not found.__name__.startswith("test_") or found.__name__ in LEFT_OUT:
        return False

    marks = getattr(found, "pytestmark", ())
    if any(mark.name == "parametrize" and mark.args[0] == "run" for mark in marks):
        return False  # it says itself where it runs

    return bool({"run", "ended"} & inspect.signature(found).parameters.keys())


for module in (test_run, test_failure, test_wiring, test_limits_and_order):
    for name, found in vars(module).items():
        if name not in globals() and of_contract(found):
            globals()[name] = found


class CannotInterrupt(FreshThreads):  # type: ignore[misc,valid-type]
    """Be at fault whenever a task is to end."""

    def open(self, index: int, in_loop: bool) -> Any:
        lane = super().open(index, in_loop)

        def interrupt(task: int, worker: object) -> bool:
            raise LookupError("no such thread")

        lane.interrupt = interrupt
        return lane


@pytest.mark.parametrize("ends", ["limit", "cancel"])
def test_an_executor_that_cannot_interrupt_hangs_no_run(ends: str) -> None:
    """The task is given up, and what went wrong is raised at the end."""
    graph = Graph("g", executor=CannotInterrupt())
    began, go = threading.Event(), threading.Event()

    def wait() -> None:
        began.set()
        go.wait(30)

    graph.add(wait, timeout=0.1 if ends == "limit" else None)
    run = graph.start(grace=0.1)
    try:
        assert began.wait(30)
        if ends == "cancel":
            run.cancel()
        assert run.wait(30)
        with pytest.raises(BaseExceptionGroup) as caught:
            run.raise_for_errors()
        assert caught.group_contains(LookupError, match="no such thread")
    finally:
        go.set()
