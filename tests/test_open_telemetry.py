"""Traces for OpenTelemetry: spans of runs and attempts, and what is below them."""

from __future__ import annotations

import multiprocessing
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import anyio
import pytest
from tests_helpers import in_a_script

pytest.importorskip("opentelemetry.sdk")

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from syncra import Context, Graph, Retry
from syncra.observers import Observer, OpenTelemetry


class Traces:
    """Keep the spans of a tracer provider of its own."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("tests")
        self.observer = OpenTelemetry(self.provider)

    @property
    def spans(self) -> dict[str, Any]:
        """The spans that have ended, by name; of several of one name the last."""
        return {span.name: span for span in self.exporter.get_finished_spans()}


@pytest.fixture
def traces():
    found = Traces()
    yield found
    found.provider.shutdown()


def parent_of(span: Any) -> int | None:
    return span.parent.span_id if span.parent is not None else None


def current_span() -> tuple[int, int]:
    """Return the ids of the present trace and span, also in another process."""
    context = trace.get_current_span().get_span_context()
    return context.trace_id, context.span_id


async def current_span_async() -> tuple[int, int]:
    await anyio.sleep(0)
    return current_span()


def test_each_attempt_is_the_current_span_while_it_runs(run, traces) -> None:
    """In threads, coroutines and worker processes; all of one trace."""
    graph = Graph("etl")
    graph.add(current_span, name="function")
    graph.add(current_span_async, name="coroutine")
    with traces.tracer.start_as_current_span("caller") as caller:
        found = run(graph, observers=[traces.observer])
    assert found.observer_errors == []
    spans = traces.spans
    whole = spans["graph etl"]
    assert parent_of(whole) == caller.get_span_context().span_id
    assert whole.attributes["syncra.run_id"] == found.id
    assert whole.attributes["syncra.tasks.succeeded"] == 2
    for name in ("function", "coroutine"):
        span = spans[f"task {name}"]
        assert parent_of(span) == whole.context.span_id
        assert found[name] == (span.context.trace_id, span.context.span_id)
        assert span.attributes["syncra.task"] == name
        assert span.attributes["syncra.state"] == "succeeded"
        assert span.attributes["syncra.attempt"] == 1
        assert whole.start_time <= span.start_time <= span.end_time


@pytest.mark.shares_memory
def test_what_tasks_trace_is_below_them(run, traces) -> None:
    def function() -> None:
        with traces.tracer.start_as_current_span("in function"):
            pass

    async def coroutine() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(child)

    async def child() -> None:
        with traces.tracer.start_as_current_span("in child"):
            await anyio.sleep(0)

    graph = Graph("etl")
    graph.add(function)
    graph.add(coroutine)
    run(graph, observers=[traces.observer])
    spans = traces.spans
    for inner, outer in (("in function", "function"), ("in child", "coroutine")):
        assert parent_of(spans[inner]) == spans[f"task {outer}"].context.span_id


def test_attempts_and_failures(run, traces) -> None:
    """A span each, with the error; who never started is an event."""
    graph = Graph("etl", on_error="continue")

    def bad() -> None:
        raise ValueError("bang")

    graph.add(bad, retry=Retry(2, backoff=lambda attempt: 0.0))
    graph.add(lambda bad: bad, name="behind", dependencies=bad)
    run(graph, observers=[traces.observer])
    found = traces.exporter.get_finished_spans()
    attempts = [span for span in found if span.name == "task bad"]
    assert [span.attributes["syncra.attempt"] for span in attempts] == [1, 2]
    states = [span.attributes["syncra.state"] for span in attempts]
    assert states == ["retrying", "failed"]
    for span in attempts:
        assert span.status.status_code is trace.StatusCode.ERROR
        assert span.status.description == "ValueError: bang"
        assert span.events[0].attributes["exception.message"] == "bang"
    whole = traces.spans["graph etl"]
    assert whole.status.status_code is trace.StatusCode.ERROR
    (event,) = whole.events
    assert (event.name, event.attributes["syncra.task"]) == ("task skipped", "behind")


def test_a_task_that_exits(traces) -> None:
    """That is no exception to record, but a failure all the same."""
    graph = Graph("etl", on_error="continue", observers=[traces.observer])
    graph.add(sys.exit, name="leaves", kwargs={"status": 3})
    run = graph.run()
    assert run.observer_errors == []
    span = traces.spans["task leaves"]
    assert span.status.description == "SystemExit: 3"
    assert span.attributes["syncra.state"] == "failed"
    assert span.events == ()


def test_a_graph_as_a_task_is_below_that_task(traces) -> None:
    inner = Graph("inner", observers=[traces.observer])
    inner.add(current_span, name="leaf")
    outer = Graph("outer", observers=[traces.observer])
    outer.add(inner)
    outer.run()
    spans = traces.spans
    assert parent_of(spans["graph inner"]) == spans["task inner"].context.span_id
    assert parent_of(spans["task leaf"]) == spans["graph inner"].context.span_id
    assert parent_of(spans["graph outer"]) is None


def test_runs_at_once_are_told_apart(traces) -> None:
    graph = Graph("etl", observers=[traces.observer])
    for number in range(20):
        graph.add(current_span, name=str(number))
    runs = [graph.start() for _ in range(10)]
    assert all(run.wait(60) for run in runs)
    found = traces.exporter.get_finished_spans()
    by_run = {
        span.attributes["syncra.run_id"]: span.context.trace_id
        for span in found
        if span.name.startswith("graph")
    }
    assert len(set(by_run.values())) == 10
    for run in runs:
        assert {trace_id for trace_id, _ in dict(run).values()} == {by_run[run.id]}


def test_what_was_given_up_ends_with_its_run(traces) -> None:
    """Else its span would never be seen."""
    graph = Graph("etl", on_error="continue", observers=[traces.observer])
    go_on = threading.Event()

    def stubborn() -> None:
        go_on.wait(60)

    graph.add(stubborn, timeout=0.01)
    graph.run()
    go_on.set()
    span = traces.spans["task stubborn"]
    assert span.attributes["syncra.state"] == "failed"
    assert "TaskTimeout" in span.status.description


# In pools of the user's.


def double_in_span(number: int) -> tuple[int, tuple[int, int]]:
    return 2 * number, current_span()


@pytest.fixture(scope="module", params=["processes", "loky"])
def elsewhere(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Give a pool of other processes, all of which are there already."""
    if request.param == "loky":
        loky = pytest.importorskip("loky", reason="loky is not installed")
        pool = loky.ProcessPoolExecutor(1)
    else:
        pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    with pool:
        assert list(pool.map(abs, range(2))) == [0, 1]
        yield pool


def test_in_pools_of_other_processes(elsewhere, traces) -> None:
    """The context crosses with the call; another attempt is another span."""
    graph = Graph("etl", executor=elsewhere, observers=[traces.observer])
    one = graph.add(lambda: 1, name="one", executor="threads")
    graph.add(double_in_span, name="function", dependencies=one)
    graph.add(current_span_async, name="coroutine")
    graph.add(fails_at_first, retry=Retry(2, backoff=0.0))
    found = graph.run()
    assert found.observer_errors == []
    spans = traces.spans
    whole = spans["graph etl"]
    values = {**found, "function": found["function"][1]}
    assert found["function"][0] == 2
    for name in ("function", "coroutine", "fails_at_first"):
        span = spans[f"task {name}"]
        assert parent_of(span) == whole.context.span_id
        assert values[name] == (span.context.trace_id, span.context.span_id)
    attempts = [
        span
        for span in traces.exporter.get_finished_spans()
        if span.name == "task fails_at_first"
    ]
    assert [span.attributes["syncra.attempt"] for span in attempts] == [1, 2]


def fails_at_first(context: Context) -> tuple[int, int]:
    if context.attempt == 1:
        raise ValueError("not yet")

    return current_span()


def breaks(given: object) -> None:
    raise RuntimeError("no such context here")


class Broken(Observer):
    """Send something to other processes that fails there, or that cannot be sent."""

    def __init__(self, given: object) -> None:
        self._given = given

    def begin_attempt(self, origin: object) -> None: ...

    def baggage(self) -> tuple[Any, object]:
        return breaks, self._given


def test_fault_11_what_fails_over_there_changes_nothing(elsewhere) -> None:
    graph = Graph("etl", executor=elsewhere)
    graph.add(double_in_span, name="two", kwargs={"number": 1})
    for given in (1, threading.Lock()):
        run = graph.run(observers=[Broken(given)])
        assert run["two"] == (2, (0, 0))


BROKEN = """
import logging
from syncra import Graph
from syncra.observers import OpenTelemetry

observer = OpenTelemetry()
def broken(*given, **more):
    raise RuntimeError("no tracer")
observer._tracer = type("Broken", (), {"start_span": broken})()
graph = Graph("etl")
graph.add(lambda: 1, name="one")
told = []
logger = logging.getLogger("syncra.observers")
logger.handlers, logger.propagate = [logging.Handler()], False
logger.handlers[0].emit = lambda record: told.append(record.getMessage())
run = graph.run(observers=[observer])
assert run["one"] == 1
assert run.observer_errors == []
assert told == ["a run is not traced", "observer OpenTelemetry failed"], told

from syncra import Retry
def bad():
    raise ValueError
graph = Graph("tries", on_error="continue")
graph.add(bad, retry=Retry(2, backoff=lambda attempt: 0.0))
run = graph.run(observers=[observer])
assert len(run.records["bad"].attempts) == 2
assert run.observer_errors == []
"""


def test_a_broken_tracer_changes_nothing() -> None:
    in_a_script(BROKEN)


WITHOUT = """
import sys
sys.modules["opentelemetry"] = None
from syncra.errors import MissingExtraError
try:
    from syncra.observers import OpenTelemetry
except MissingExtraError as error:
    assert "pip install 'syncra[otel]'" in str(error), error
else:
    raise AssertionError
"""


def test_without_the_package_it_says_what_to_install() -> None:
    in_a_script(WITHOUT)
