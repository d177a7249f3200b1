"""How many tasks run at once, and which one is next, in every way to run a graph."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from syncra import Graph, Processes, Retry, Run, Threads
from syncra.errors import GraphError


class Gauge:
    """Count how many tasks are between `begin` and `end`, and how many there were."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.now = self.most = self.all = 0

    def begin(self, amount: int = 1) -> None:
        with self._lock:
            self.now += amount
            self.all += 1
            self.most = max(self.most, self.now)

    def end(self, amount: int = 1) -> None:
        with self._lock:
            self.now -= amount

    def task(self, is_async: bool = False, amount: int = 1) -> Callable[[], Any]:
        """Return a function or coroutine function that others may run beside."""

        def work() -> None:
            self.begin(amount)
            time.sleep(0.001)
            self.end(amount)

        async def work_async() -> None:
            self.begin(amount)
            await anyio.sleep(0.001)
            self.end(amount)

        return work_async if is_async else work


def states(found: Run) -> set[str]:
    return {str(record.state) for record in found.records.values()}


# max_concurrency


@pytest.mark.shares_memory
@pytest.mark.parametrize("most", [1, 2, 5])
def test_max_concurrency(run, most) -> None:
    """Of functions and coroutines together."""
    gauge, graph = Gauge(), Graph(max_concurrency=most)
    for number in range(40):
        graph.add(gauge.task(is_async=number % 2 == 0), name=str(number))
    found = run(graph)
    assert gauge.all == 40
    assert gauge.most <= most
    assert states(found) == {"succeeded"}


@pytest.mark.shares_memory
def test_max_concurrency_of_a_run_overrides_that_of_the_graph(run) -> None:
    gauge, graph = Gauge(), Graph(max_concurrency=10)
    for number in range(20):
        graph.add(gauge.task(), name=str(number))
    run(graph, max_concurrency=1)
    assert gauge.most == 1


def test_as_many_as_there_may_be_are_at_once() -> None:
    """A limit takes nothing away below it."""
    graph = Graph()
    barrier = threading.Barrier(3)
    for number in range(6):
        graph.add(lambda: barrier.wait(30), name=str(number))
    found = graph.run(executor="threads", max_concurrency=3)
    assert found.ok


def test_max_concurrency_over_several_executors() -> None:
    gauge, graph = Gauge(), Graph(max_concurrency=3)
    for number in range(60):
        executor = ["threads", Threads(4), None][number % 3]
        graph.add(gauge.task(number % 3 == 2), name=str(number), executor=executor)
    assert graph.run().ok
    assert gauge.most <= 3


def test_max_concurrency_with_processes() -> None:
    """What is sent ahead to one process is not missed by the other."""
    graph = Graph(executor=Processes(2), max_concurrency=2)
    for number in range(30):
        graph.add(_sleep, name=str(number), kwargs={"seconds": 0.02})
    found = graph.run()
    assert found.ok
    workers = {record.worker for record in found.records.values()}
    assert len(workers) == 2
    spans = [
        (record.started_at.timestamp(), record.started_at.timestamp() + record.duration)
        for record in found.records.values()
    ]
    assert most_at_once(spans) <= 2


def _sleep(seconds: float) -> None:
    time.sleep(seconds)


def most_at_once(spans: list[tuple[float, float]]) -> int:
    """Return how many of some spans of time overlap at the most."""
    moments = sorted(
        [(start + 1e-4, 1) for start, _ in spans]
        + [(end - 1e-4, -1) for _, end in spans]
    )
    now = most = 0
    for _, change in moments:
        now += change
        most = max(most, now)
    return most


@pytest.mark.parametrize("wrong", [0, -1, True, 1.5, "2"])
def test_what_is_no_number_of_tasks(wrong: Any) -> None:
    for make in (
        lambda: Graph(max_concurrency=wrong),
        lambda: Graph().run(max_concurrency=wrong),
        lambda: Graph(limits={"db": wrong}),
        lambda: Graph().add(print, limit={"db": wrong}),
    ):
        with pytest.raises((TypeError, ValueError), match=r"max_concurrency|db"):
            make()


# limits


@pytest.mark.shares_memory
def test_limits(run) -> None:
    """Only those that take from it are limited, whatever runs them."""
    database, others = Gauge(), Gauge()
    graph = Graph(limits={"db": 2})
    for number in range(30):
        graph.add(database.task(number % 2 == 0), name=f"db{number}", limit="db")
        graph.add(others.task(number % 2 == 0), name=f"other{number}")
    assert run(graph).ok
    assert database.all == others.all == 30
    assert database.most <= 2


@pytest.mark.shares_memory
def test_tasks_that_take_more_than_one(run) -> None:
    gauge, graph = Gauge(), Graph(limits={"memory": 5})
    for number in range(30):
        amount = 1 + number % 5
        graph.add(
            gauge.task(number % 2 == 0, amount),
            name=str(number),
            limit={"memory": amount},
        )
    assert run(graph).ok
    assert gauge.all == 30
    assert gauge.most <= 5


@pytest.mark.shares_memory
def test_several_limits_never_block_one_another(run) -> None:
    """Each takes two of three things, in every order: where deadlocks come from."""
    names = ("a", "b", "c")
    graph = Graph(limits=dict.fromkeys(names, 1))
    gauges = {name: Gauge() for name in names}

    def holding(first: str, second: str) -> Callable[[], None]:
        def work() -> None:
            for name in (first, second):
                gauges[name].begin()
            time.sleep(0.0005)
            for name in (first, second):
                gauges[name].end()

        return work

    for number in range(36):
        first, second = names[number % 3], names[(number + 1 + number % 2) % 3]
        limit = {first: 1, second: 1}
        graph.add(holding(first, second), name=str(number), limit=limit)
    assert run(graph, timeout=60).ok
    assert all(gauge.most == 1 for gauge in gauges.values())


@pytest.mark.shares_memory
def test_a_limit_is_held_only_while_a_task_runs(run) -> None:
    """Not while it waits for others, nor between two attempts, nor after a failure."""
    graph = Graph(limits={"db": 1}, on_error="continue")
    log: list[str] = []

    def flaky() -> str:
        log.append("flaky")
        if log.count("flaky") < 3:
            raise OSError("busy")
        return "done"

    def bad() -> None:
        raise ValueError("bang")

    retry = Retry(3, backoff=0.02, jitter=0)
    graph.add(flaky, limit="db", retry=retry)
    graph.add(bad, limit="db")
    graph.add(lambda: log.append("between"), name="between", limit="db")
    graph.add(lambda flaky: flaky, name="behind", dependencies="flaky", limit="db")
    found = run(graph)
    assert found["behind"] == "done"
    assert log.index("between") < len(log) - 1
    assert str(found.records["bad"].state) == "failed"


def test_a_cancelled_run_leaves_nobody_waiting_for_a_limit() -> None:
    graph = Graph(limits={"db": 1})
    started, go = threading.Event(), threading.Event()

    def slow() -> None:
        started.set()
        go.wait(30)

    graph.add(slow, limit="db")
    for number in range(5):
        graph.add(lambda: None, name=str(number), limit="db")
    found = graph.start()
    try:
        assert started.wait(30)
        found.cancel()
    finally:
        go.set()
    assert found.wait(30)
    assert {str(found.records[str(number)].state) for number in range(5)} == {
        "cancelled"
    }


def test_clean_up_waits_for_its_limit_after_a_failure() -> None:
    """It still runs, and still not beside another one of its kind."""
    gauge, graph = Gauge(), Graph(limits={"db": 1})

    def bad() -> None:
        raise ValueError("bang")

    graph.add(bad, limit="db")
    for number in range(5):
        graph.add(
            gauge.task(),
            name=str(number),
            after="bad",
            trigger="all_done",
            limit="db",
        )
    with pytest.raises(ValueError, match="bang"):
        graph.run(executor="threads")
    assert gauge.all == 5
    assert gauge.most == 1


def test_an_abandoned_thread_gives_its_limit_back() -> None:
    """Or nothing that needs it would ever run again."""
    graph = Graph(limits={"db": 1}, on_error="continue")
    release = threading.Event()
    graph.add(lambda: release.wait(30), name="hangs", limit="db", timeout=0.05)
    graph.add(
        lambda: "done", name="next", limit="db", after="hangs", trigger="all_done"
    )
    try:
        assert graph.run()["next"] == "done"
    finally:
        release.set()


def test_a_limit_that_is_not_there() -> None:
    graph = Graph("etl", limits={"database": 2})
    graph.add(print, name="load", limit="databse")
    with pytest.raises(GraphError, match=r"'load'.*'databse'.*Did you mean 'database'"):
        graph.check()


def test_a_task_that_takes_more_than_there_is() -> None:
    graph = Graph("etl", limits={"db": 2})
    graph.add(print, name="load", limit={"db": 3})
    with pytest.raises(GraphError, match=r"'load'.*takes 3 of the limit 'db'.*has 2"):
        graph.run()


# priority=


ONE_AT_A_TIME = ["sequential", Threads(1), Processes(1)]


@pytest.mark.parametrize("executor", ONE_AT_A_TIME, ids=str)
def test_priorities(executor) -> None:
    """The highest first; equal ones in the order of the graph."""
    graph = Graph()
    for name, priority in (("a", 0), ("b", -1), ("c", 5), ("d", 0), ("e", 5)):
        graph.add(_nothing, name=name, priority=priority)
    assert order_of(graph.run(executor=executor)) == list("ceadb")


def _nothing(*results: object) -> None:
    pass


def order_of(found: Run) -> list[str]:
    """Return the names of the tasks in the order in which they started."""
    records = found.records
    return sorted(records, key=lambda name: records[name].started_at)


@pytest.mark.parametrize("wrong", ["high", 1.5, True, None])
def test_what_is_no_priority(wrong: Any) -> None:
    with pytest.raises(TypeError, match="priority is an int"):
        Graph().add(print, priority=wrong)


def test_priorities_among_coroutines_that_are_limited() -> None:
    graph = Graph(max_concurrency=1)
    log: list[str] = []

    def noting(name: str) -> Callable[[], Any]:
        async def work() -> None:
            log.append(name)

        return work

    for name, priority in (("a", 1), ("b", 3), ("c", 2)):
        graph.add(noting(name), name=name, priority=priority)
    assert graph.run().ok
    assert log == ["b", "c", "a"]


# The default order


def forked() -> Graph:
    """Return a graph of which the branch that was added last is the longest."""
    graph = Graph()
    for name in ("short", "middle0", "long0"):
        graph.add(_nothing, name=name)
    for name, before in (
        ("middle1", "middle0"),
        ("long1", "long0"),
        ("long2", "long1"),
    ):
        graph.add(_nothing, name=name, dependencies=before)
    return graph


@pytest.mark.parametrize("executor", [Threads(1), Processes(1)], ids=str)
def test_first_comes_what_the_most_waits_for(executor) -> None:
    order = order_of(forked().run(executor=executor))
    assert order == ["long0", "middle0", "long1", "short", "middle1", "long2"]


def test_one_after_another_the_order_is_topological_in_every_run() -> None:
    graph = forked()
    for _ in range(3):
        found = graph.run(executor="sequential")
        assert order_of(found) == [task.name for task in graph.order()]


def test_past_durations_count_when_the_graph_runs_again() -> None:
    """The shorter chain takes longer, which nobody can know before."""
    graph = Graph(executor=Threads(1))

    def slow(*results: object) -> None:
        time.sleep(0.02)

    graph.add(_nothing, name="many0")
    graph.add(_nothing, name="many1", dependencies="many0")
    graph.add(_nothing, name="many2", dependencies="many1")
    graph.add(slow, name="slow0")
    graph.add(slow, name="slow1", dependencies="slow0")
    assert order_of(graph.run())[0] == "many0"
    assert order_of(graph.run())[:2] == ["slow0", "slow1"]


def test_a_run_that_failed_teaches_nothing() -> None:
    """What has not run has no duration."""
    graph = Graph(executor=Threads(1), on_error="continue")
    fails = [True, False, False]

    def maybe() -> None:
        time.sleep(0.01)
        if fails.pop(0):
            raise ValueError("bang")

    def slow(maybe: None) -> None:
        time.sleep(0.05)

    graph.add(_nothing, name="other")
    graph.add(_nothing, name="other2", dependencies="other")
    graph.add(_nothing, name="other3", dependencies="other2")
    graph.add(maybe)
    graph.add(slow, dependencies="maybe")
    assert order_of_started(graph.run())[0] == "other"
    assert order_of_started(graph.run())[0] == "other"
    assert order_of_started(graph.run())[0] == "maybe"


def order_of_started(found: Run) -> list[str]:
    records = found.records
    started = [name for name in records if records[name].started_at is not None]
    return sorted(started, key=lambda name: records[name].started_at)


# What a review has found


def test_commands_have_limits_and_priorities_too() -> None:
    graph = Graph(limits={"cpu": 1})
    graph.command(["true"], name="one", limit="cpu", priority=1)
    graph.shell("true", name="two", limit={"cpu": 1})
    assert graph.run().ok


def test_who_lets_another_lane_pass_has_it_served_at_once() -> None:
    """The thread finds one thing lacking; a coroutine needs only the other one."""
    graph = Graph(limits={"a": 1, "b": 1})
    both, free = threading.Event(), threading.Event()

    async def hold_a() -> None:
        while not both.is_set():
            await anyio.sleep(0.001)

    def hold_b() -> None:
        both.set()
        assert free.wait(30), "nobody was hired for what could start"

    async def only_a() -> None:
        free.set()

    graph.add(hold_a, limit="a", priority=3)
    graph.add(hold_b, limit="b", priority=3)
    graph.add(lambda: None, name="needs both", limit={"a": 1, "b": 1}, priority=2)
    graph.add(only_a, limit="a", priority=1)
    assert graph.run(executor="auto").ok


@pytest.mark.parametrize("wrong", [["db"], "db", 5])
def test_what_are_no_limits(wrong: Any) -> None:
    with pytest.raises(TypeError, match="a mapping of names to amounts"):
        Graph(limits=wrong)
