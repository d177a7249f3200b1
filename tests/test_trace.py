"""A run as a trace: `run.report().to_trace()`, by the rules of the format."""

from __future__ import annotations

import itertools
import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests_helpers import diamond

from syncra import Context, Graph, Retry, Run

Event = dict[str, Any]


def events_of(run: Run) -> list[Event]:
    """Return the events of a trace, after having looked at what all must have."""
    trace = json.loads(run.report().to_trace())
    assert trace["displayTimeUnit"] in ("ms", "ns")
    events: list[Event] = trace["traceEvents"]
    check(events)
    return events


def check(events: list[Event]) -> None:
    """Check what the format asks for: fields, names of tracks, nesting, flows."""
    named: dict[str, set[Any]] = defaultdict(set)
    tracks: dict[Any, list[Event]] = defaultdict(list)
    flows: dict[Any, list[Event]] = defaultdict(list)
    for event in events:
        assert event["ph"] in {"M", "X", "B", "s", "f"}
        assert isinstance(event["name"], str)
        assert type(event["pid"]) is int
        assert type(event["tid"]) is int
        if event["ph"] == "M":
            track = event["pid"], event["tid"] * (event["name"] != "process_name")
            assert track not in named[event["name"]]
            named[event["name"]].add(track)
            continue

        assert type(event["ts"]) is int
        assert event["ts"] >= 0
        if event["ph"] in "sf":
            flows[event["id"]].append(event)
            continue

        tracks[event["pid"], event["tid"]].append(event)
        assert event["ph"] == "B" or event["dur"] >= 0
    assert set(tracks) == named["thread_name"] == named["thread_sort_index"]
    assert {(process, 0) for process, _ in tracks} == named["process_name"]
    for slices in tracks.values():
        slices.sort(key=lambda event: (event["ts"], event["ts"] + event.get("dur", 0)))
        for one, other in itertools.pairwise(slices):
            assert one["ph"] == "X"
            assert one["ts"] + one["dur"] <= other["ts"]
    for start, end in flows.values():
        assert (start["ph"], end["ph"], end["bp"]) == ("s", "f", "e")
        assert start["ts"] <= end["ts"]
        for event in (start, end):
            assert any(
                it["ts"] <= event["ts"] <= it["ts"] + it.get("dur", 0)
                for it in tracks[event["pid"], event["tid"]]
            )


def slices(events: list[Event]) -> dict[str, list[Event]]:
    found = defaultdict(list)
    for event in events:
        if event["ph"] in "XB":
            found[event["name"]].append(event)
    return found


def named_tracks(events: list[Event], what: str) -> list[str]:
    return [event["args"]["name"] for event in events if event["name"] == what]


def test_one_slice_an_attempt(run) -> None:
    """On the track of its worker, with what became of it; whatever runs the graph."""
    graph = Graph("letters", on_error="continue")

    def flaky(context: Context) -> str:
        if context.attempt == 1:
            raise OSError("first")

        return "b"

    def bad(flaky: str) -> None:
        raise ValueError("no")

    graph.add(flaky, retry=Retry(2, backoff=0))
    graph.add(bad, dependencies=flaky)
    graph.add(lambda bad: None, name="never", dependencies=bad)
    found = run(graph)
    events = events_of(found)
    made = slices(events)
    assert set(made) == {"flaky", "bad"}
    first, second = sorted(made["flaky"], key=lambda event: event["args"]["attempt"])
    assert first["args"]["state"] == "retried"
    assert first["args"]["error"] == "OSError: first"
    assert second["args"]["state"] == "succeeded"
    assert "error" not in second["args"]
    (failed,) = made["bad"]
    assert failed["args"]["state"] == "failed"
    assert failed["args"]["error"] == "ValueError: no"
    assert failed["args"]["attempt"] == 1
    record = found.records["bad"]
    assert failed["args"]["worker"] == record.worker
    assert failed["dur"] == pytest.approx(record.duration * 1e6, abs=2)
    since = record.started_at - found.report().started_at
    assert failed["ts"] == pytest.approx(since.total_seconds() * 1e6, abs=2)
    assert f"letters: {record.executor}" in named_tracks(events, "process_name")


def test_what_overlaps_has_lanes() -> None:
    """Coroutines all have one worker, the loop, and a track for each that is open."""
    graph = Graph("pages")

    async def fetch() -> None:
        await anyio.sleep(0.02)

    for number in range(5):
        graph.add(fetch, name=f"fetch:{number}")
    events = events_of(graph.run())
    names = named_tracks(events, "thread_name")
    assert names == ["loop", "loop (2)", "loop (3)", "loop (4)", "loop (5)"]


def test_lanes_are_used_again() -> None:
    """A chain on one worker is one track, however short its tasks are."""
    graph = Graph("chain", executor="sequential")
    before = graph.add(lambda: None, name="0")
    for number in range(1, 3_000):
        before = graph.add(lambda one: None, name=f"{number}", dependencies=before)
    events = events_of(graph.run())
    assert len(named_tracks(events, "thread_name")) == 1
    assert sum(event["ph"] == "X" for event in events) == 3_000


def test_arrows_go_along_dependencies() -> None:
    """From the end of the one to the start of the other."""
    run = diamond().run({"number": 1})
    events = events_of(run)
    assert len(slices(events)) == len(run.records)
    assert sum(event["ph"] == "s" for event in events) == 4


def test_of_very_many_arrows_the_last_ones_stay() -> None:
    """One for each task: what it waited for at last."""
    graph = Graph("dense", executor="sequential")
    first = [graph.add(lambda: None, name=f"a{number}") for number in range(160)]
    for number in range(160):
        graph.add(lambda *many: None, name=f"b{number}", dependencies=first)
    events = events_of(graph.run())
    assert sum(event["ph"] == "s" for event in events) == 160


def test_of_very_many_arrows_each_comes_from_the_last_one() -> None:
    """Whatever the order in which a task names those it waits for."""
    graph = Graph("dense", executor="sequential")
    first = [graph.add(lambda: None, name=f"a{number}") for number in range(160)]
    for number in range(160):
        before = first if number % 2 else first[::-1]
        graph.add(lambda *many: None, name=f"b{number}", dependencies=before)
    events = events_of(graph.run())
    (last,) = (event for event in events if event.get("name") == "a159")
    starts = {event["ts"] for event in events if event["ph"] == "s"}
    assert all(last["ts"] <= start <= last["ts"] + last["dur"] for start in starts)
    assert sum(event["ph"] == "s" for event in events) == 160


def test_workers_of_one_executor_are_together() -> None:
    graph = Graph("pair", executor="threads", max_concurrency=2)
    both = threading.Barrier(2)
    for name in ("a", "b"):
        graph.add(lambda: both.wait(30), name=name)
    events = events_of(graph.run())
    assert len(named_tracks(events, "process_name")) == 1
    assert len(named_tracks(events, "thread_name")) == 2
    assert {event["pid"] for event in events if event["ph"] == "X"} == {1}


def test_a_trace_of_a_run_that_goes_on() -> None:
    """What is running has a beginning and no end."""
    graph = Graph("waiting")
    started, go = threading.Event(), threading.Event()

    @graph.task
    def wait() -> None:
        started.set()
        go.wait(60)

    run = graph.start()
    try:
        assert started.wait(60)
        (event,) = slices(events_of(run))["wait"]
        assert event["ph"] == "B"
        assert event["args"]["state"] == "running"
    finally:
        go.set()
        run.wait()
    (event,) = slices(events_of(run))["wait"]
    assert event["ph"] == "X"


def test_a_trace_is_written(tmp_path: Path) -> None:
    """Where it is wanted; an empty one too."""
    path = Graph("empty").run().report().to_trace(tmp_path / "run.json")
    assert path == tmp_path / "run.json"
    assert json.loads(path.read_text("utf-8"))["traceEvents"] == []


def test_faults_116_119_texts_in_a_trace_are_plain() -> None:
    """Names too; results are not in it."""
    graph = Graph("nasty \x1b[31m", on_error="continue")

    def fail() -> None:
        raise ValueError("\x1b[31mred\x00\ud800" + "x" * 10_000)

    graph.add(fail, name="fail\x1b]0;title\x07")
    graph.add(lambda: "s3cret", name="ok")
    text = graph.run().report().to_trace()
    assert "s3cret" not in text
    assert len(text) < 5_000
    (event,) = slices(json.loads(text)["traceEvents"])["fail"]
    assert event["args"]["error"].startswith("ValueError: red�xxx")


def spans() -> Iterator[list[tuple[int, int]]]:
    import random

    for seed in range(50):
        chance = random.Random(seed)
        starts = sorted(chance.randrange(400) for _ in range(60))
        yield [(start, start + chance.randrange(40)) for start in starts]


def test_lanes_are_as_few_as_overlaps() -> None:
    """And nothing overlaps within one, but for what rounding does."""
    from syncra.views.timeline import ROUNDING, laid_out

    for found in spans():
        lanes = laid_out(found)
        for lane in set(lanes):
            inside = [s for s, place in zip(found, lanes, strict=True) if place == lane]
            for one, other in itertools.pairwise(inside):
                assert one[1] <= other[0] + ROUNDING
        most = max(
            sum(start <= moment < end for start, end in found) for moment in range(450)
        )
        assert max(lanes) + 1 <= max(most, 1)
