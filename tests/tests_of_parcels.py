"""What every cluster does with what travels together, and with what cannot travel.

The tests of each engine take these over; they bring the fixture `engine`, an executor
that has room for two tasks.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import pytest
import tests_dask as functions
from tests_helpers import states_of
from tests_of_clusters import until

from syncra import Context, Graph
from syncra.errors import SerializationError, TaskCancelled, TaskTimeout
from syncra.observers import KeepLogs, Observer

#: Bytes of what is too large for a message.
LARGE = 100_000


# Functions and values.


def test_a_function_that_is_a_task_goes_by_its_name(engine) -> None:
    graph = Graph(executor=engine)
    graph.add(functions.decorated, kwargs={"number": 40})
    assert graph()["decorated"] == 42


def test_code_with_a_set_in_it_is_the_same_there(engine) -> None:
    """Though each process has an order of its own for what is in a set."""
    graph = Graph(executor=engine)
    graph.add(functions.is_a_vowel, kwargs={"letter": "e"})
    assert graph()["is_a_vowel"] is True


def test_a_task_waits_for_all_large_values_that_it_reads(engine) -> None:
    graph = Graph(executor=engine)
    for name in ("first", "second"):
        graph.add(lambda: bytes(LARGE), name=name, executor="threads")
    graph.add(functions.both, dependencies=["first", "second"])
    graph.add(functions.length, dependencies={"data": "first"})
    run = graph()
    assert (run["both"], run["length"]) == (2 * LARGE, LARGE)


def twice(block: functions.Block) -> functions.Block:
    return functions.Block(block + block)


@pytest.mark.parametrize("size", [100, LARGE])
def test_data_beside_a_pickle(engine, size) -> None:
    """As arrays have it: there and back."""
    graph = Graph(executor=engine)
    graph.add(functions.block, kwargs={"size": size})
    graph.add(functions.length, name="there", dependencies={"data": "block"})
    graph.add(twice, executor="threads", dependencies="block")
    graph.add(functions.length, name="back", dependencies={"data": "twice"})
    run = graph()
    assert (run["there"], run["back"]) == (size, 2 * size)


def test_a_task_here_sees_large_results_in_its_context(engine) -> None:
    def see(context: Context, more: int) -> int:
        return len(context.results["pair"][0]) + more

    graph = Graph()
    graph.add(functions.pair, executor=engine)
    graph.add(see, executor="threads", after="pair")
    assert graph.run({"more": 1})["see"] == LARGE + 1


# What cannot travel.


def quick_ones(graph: Graph, function: Any, first: dict[str, Any]) -> str:
    """Add tasks by which a run learns that a function is quick; return the last one."""
    last: list[str] = []
    for place in range(3):
        name = f"quick{place}"
        graph.add(function, name=name, kwargs=first, after=last)
        last = [name]
    return last[0]


def check_that_only_one_fails(graph: Graph, name: str, path: str) -> None:
    run = graph.run(on_error="continue")
    assert list(run.errors) == [name], dict(run.errors)
    error = run.errors[name]
    assert isinstance(error, SerializationError)
    assert (error.task, error.stage, error.path) == (name, "argument", path)


def test_a_large_argument_that_cannot_travel_costs_its_own_task(engine) -> None:
    """Not those that would have travelled with it, and the culprit is named."""
    lock = threading.Lock()
    graph = Graph(executor=engine)
    graph.add(
        lambda: {"data": bytes(LARGE), "lock": lock}, name="make", executor="threads"
    )
    last = quick_ones(graph, functions.length, {"data": b""})
    graph.add(functions.length, name="bad", dependencies={"data": "make"}, after=last)
    for place in range(6):
        graph.add(functions.length, name=f"{place}", kwargs={"data": b""}, after=last)
    check_that_only_one_fails(graph, "bad", "data['lock']")


def test_the_culprit_is_named_beside_a_value_that_is_there(engine) -> None:
    graph = Graph(executor=engine)
    graph.add(functions.pair)
    given = {"second": [threading.Lock()]}
    graph.add(functions.both, dependencies={"first": "pair"}, kwargs=given)
    check_that_only_one_fails(graph, "both", "second[0]")


def test_an_argument_that_cannot_travel_behind_others(engine) -> None:
    """A task that would have run right after those that it waits for."""
    graph = Graph(executor=engine)
    last = quick_ones(graph, functions.length, {"data": b""})
    graph.add(functions.length, name="before", kwargs={"data": b""}, after=last)
    given = {"data": {"a": threading.Lock()}}
    graph.add(functions.length, name="bad", kwargs=given, after="before")
    graph.add(functions.length, name="other", kwargs={"data": b""}, after="before")
    check_that_only_one_fails(graph, "bad", "data['a']")


@pytest.mark.parametrize("size", [0, LARGE])
def test_an_argument_that_cannot_be_rebuilt_there(engine, size) -> None:
    graph = Graph(executor=engine)
    graph.add(lambda: [functions.Unloadable(size)], name="make", executor="threads")
    last = quick_ones(graph, functions.length, {"data": b""})
    graph.add(functions.length, name="bad", dependencies={"data": "make"}, after=last)
    for place in range(6):
        graph.add(functions.length, name=f"{place}", kwargs={"data": b""}, after=last)
    check_that_only_one_fails(graph, "bad", "")


@pytest.mark.parametrize("size", [0, LARGE])
def test_a_result_that_cannot_be_rebuilt_here(engine, size) -> None:
    graph = Graph(executor=engine, on_error="continue")
    graph.add(functions.Unloadable, name="bad", kwargs={"size": size})
    graph.add(functions.number)
    run = graph()
    assert run["number"] == 20
    error = run.errors["bad"]
    assert isinstance(error, SerializationError)
    assert (error.task, error.stage) == ("bad", "result")
    assert "it cannot be rebuilt" in str(error)


def test_a_keyboard_interrupt_there_ends_its_task(engine) -> None:
    graph = Graph(executor=engine, on_error="continue")
    graph.add(functions.interrupt)
    graph.add(functions.number)
    run = graph()
    assert run["number"] == 20
    assert isinstance(run.errors["interrupt"], TaskCancelled)
    assert "was interrupted in " in str(run.errors["interrupt"])


# What travels together.


def sum_of(first: int, second: int) -> int:
    return first + second


def results_of(context: Context) -> dict[str, Any]:
    return dict(context.results)


@pytest.mark.parametrize("trigger", ["all_succeeded", "all_done"])
def test_what_waits_behind_quick_tasks(engine, trigger) -> None:
    """Wherever it runs, whatever it reads, however long it may take."""
    graph = Graph(executor=engine)
    last = quick_ones(graph, functions.double, {"number": 1})
    for name in ("left", "right"):
        graph.add(functions.double, name=name, dependencies={"number": last})
    both = {"first": "left", "second": "right"}
    graph.add(sum_of, name="join", dependencies=both, trigger=trigger)
    graph.add(functions.double, name="joined", dependencies={"number": "join"})
    here = {"dependencies": {"number": "left"}, "executor": "threads"}
    graph.add(functions.double, name="here", **here)
    graph.add(
        functions.double, name="limited", dependencies={"number": "left"}, timeout=30
    )
    graph.add(results_of, after="right")
    run = graph()
    assert (run["join"], run["joined"]) == (8, 16)
    assert (run["here"], run["limited"]) == (8, 8)
    assert run["results_of"] == {"right": 4}


def test_quick_tasks_that_take_longer_for_once(engine) -> None:
    """What was to run behind them is sent again."""
    graph = Graph(executor=engine)
    last = quick_ones(graph, functions.nap, {"seconds": 0})
    for place, seconds in enumerate((0, 0.1, 0, 0)):
        graph.add(
            functions.nap,
            name=f"nap{place}",
            kwargs={"seconds": seconds},
            dependencies={"after": last},
        )
        last = f"nap{place}"
    run = graph()
    assert [run[f"nap{place}"] for place in range(4)] == [0, 0.1, 0, 0]


def test_many_results_in_one_message(engine) -> None:
    """Each of which fits into one alone."""
    graph = Graph(executor=engine)
    last = quick_ones(graph, functions.text, {"letter": "a", "count": 1})
    names = [f"text{place}" for place in range(256)]
    for place, name in enumerate(names):
        given = {"letter": chr(200 + place), "count": 4000}
        graph.add(functions.text, name=name, kwargs=given, after=last)
    run = graph()
    for place, name in enumerate(names):
        assert run[name] == chr(200 + place) * 4000


def test_what_was_not_sent_yet_is_cancelled(engine, tmp_path) -> None:
    """It was taken for a parcel, and did not fit into that."""
    began, release, ran = (str(tmp_path / name) for name in ("b", "release", "ran"))
    exists = {"began": began, "path": str(tmp_path)}
    graph = Graph(executor=type(engine)(engine, max_in_flight=1))
    last = quick_ones(graph, functions.begin_and_wait, exists)
    hangs = {"began": began, "path": release}
    graph.add(functions.begin_and_wait, name="hangs", kwargs=hangs, after=last)
    for place in range(6):
        graph.add(functions.note, name=f"{place}", kwargs={"path": ran}, after=last)
    run = graph.start()
    until(lambda: Path(began).exists() and len(Path(began).read_text("utf-8")) == 4)
    run.cancel(grace=0)
    assert run.wait(30)
    Path(release).touch()
    states = states_of(run)
    assert {states[f"{place}"] for place in range(6)} == {"cancelled"}
    assert not any(run.records[f"{place}"].abandoned for place in range(6))
    assert not Path(ran).exists()


class Slow:
    """Be large, and take until a moment to be pickled for the second time."""

    def __init__(self) -> None:
        self.times = 0
        self.began, self.release = threading.Event(), threading.Event()

    def __reduce__(self) -> Any:
        self.times += 1
        if self.times > 1:
            self.began.set()
            assert self.release.wait(30)
        return bytes, (bytes(LARGE),)


@pytest.mark.parametrize("grace", [0, 30])
def test_what_waits_for_a_value_to_be_sent_is_cancelled(engine, grace, tmp_path):
    """And never begins."""
    slow, ran = Slow(), tmp_path / "ran"
    graph = Graph(executor=engine)
    graph.add(lambda: slow, name="slow", executor="threads")
    graph.add(functions.note, kwargs={"path": str(ran)}, dependencies={"text": "slow"})
    run = graph.start()
    assert slow.began.wait(30)
    run.cancel(grace=grace)
    if grace:
        slow.release.set()
    assert run.wait(20)
    slow.release.set()
    assert states_of(run)["note"] == "cancelled"
    assert not run.records["note"].abandoned
    graph = Graph(executor=engine)
    graph.add(functions.number)
    assert graph()["number"] == 20
    assert not ran.exists()


@pytest.mark.parametrize("grace", [None, 0])
def test_fault_138_what_has_not_begun_in_time(engine, tmp_path, grace) -> None:
    """Since others keep the workers: it is taken back, and nothing is abandoned."""
    began, release = (str(tmp_path / name) for name in ("began", "release"))
    others = Graph(executor=engine)
    for place in range(2):
        given = {"began": began, "path": release}
        others.add(functions.begin_and_wait, name=f"{place}", kwargs=given)
    keeping = others.start()
    until(lambda: Path(began).exists() and len(Path(began).read_text("utf-8")) == 2)
    graph = Graph(executor=engine, on_error="continue")
    graph.add(functions.number, timeout=0.2)
    run = graph.run(grace=grace)
    Path(release).touch()
    assert keeping.wait(30)
    assert set(keeping.values()) == {"came"}
    record = run.records["number"]
    assert isinstance(record.error, TaskTimeout)
    assert not record.abandoned
    notes = "".join(getattr(record.error, "__notes__", ()))
    assert ("it had not begun on " in notes) == (grace == 0)


# What observers see, and send along.


def test_log_records_are_kept_once_and_for_their_task(engine, caplog) -> None:
    keeps = KeepLogs()
    graph = Graph("kept", executor=engine)
    graph.add(functions.log)
    run = graph.run(observers=[keeps])
    ((task, (entry,)),) = run.report().logs.items()
    assert (task, entry.text) == ("log", "from afar")
    (record,) = [one for one in caplog.records if one.name == "syncra.kept.log"]
    assert record.getMessage() == "from afar"
    ours = [one for one in logging.getLogger().handlers if "Forward" in repr(one)]
    assert ours == []


class Sender(Observer):
    """Have something done where tasks run."""

    def __init__(self, given: object) -> None:
        self._given = given

    def begin_attempt(self, origin: object) -> None: ...

    def baggage(self) -> tuple[Any, object]:
        return functions.set_colour, self._given


def test_what_observers_send_along(engine) -> None:
    """Arrives before the task, and changes nothing if it cannot travel."""
    graph = Graph(executor=engine)
    graph.add(functions.see_colour)
    assert graph.run(observers=[Sender("red")])["see_colour"] == "red"
    assert graph.run(observers=[Sender(threading.Lock())])["see_colour"] == "none"


def test_a_failure_is_told_with_what_stands_for_large_values(engine, tmp_path) -> None:
    """Which do not come here for that."""
    log = tmp_path / "failed.log"
    graph = Graph(executor=engine, on_error="continue", log=str(log))
    graph.add(functions.pair, outputs=("data", "count"))
    parts = {"data": graph["pair"], "part": graph["pair"]["data"]}
    graph.add(functions.fail_with, dependencies=parts)
    run = graph()
    assert isinstance(run.errors["fail_with"], ValueError)
    text = log.read_text("utf-8")
    name = type(engine).__name__
    whole = f"<the result of task 'pair', on {name}>"
    assert f"arguments: data={whole}, part=<'data' of {whole}>" in text
