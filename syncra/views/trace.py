"""A run as a trace, for Perfetto and chrome://tracing."""

from __future__ import annotations

import json
from collections import defaultdict

from .._names import text_of
from .plain_text import plain_line
from .timeline import Timeline, laid_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from .._report import Report
    from .timeline import Span

    Event: TypeAlias = dict[str, Any]
    Track: TypeAlias = tuple[str, str]

#: Of how many dependencies all arrows are drawn; of more only those of the last ones.
MANY_ARROWS = 20_000
LONGEST_TEXT = 1_000


def to_trace(report: Report) -> str:
    """Return a run in the trace event format of Chrome, as JSON.

    A process for each executor, in it a thread for each worker, or several where what a
    worker runs overlaps, as coroutines do; a slice for each attempt; an arrow for each
    dependency.
    """
    timeline = Timeline(report)
    tracks: dict[Track, list[tuple[int, int]]] = defaultdict(list)
    for task, spans in enumerate(timeline.spans):
        for number, span in enumerate(spans):
            tracks[timeline.executors[task], span.worker].append((task, number))
    processes: dict[str, int] = {}
    events: list[Event] = []
    places: dict[tuple[int, int], Event] = {}
    threads = 0
    for (executor, worker), attempts in sorted(tracks.items()):
        if executor not in processes:
            processes[executor] = len(processes) + 1
            name = f"{report.graph}: {executor}"
            events.append(_named("process", processes[executor], 0, name))
        process = processes[executor]
        slices = _slices(timeline, attempts)
        for (lane, event), attempt in zip(slices, attempts, strict=True):
            event |= {"pid": process, "tid": threads + 1 + lane}
            places[attempt] = event
        lanes = 1 + max(lane for lane, _ in slices)
        for lane in range(lanes):
            name = worker if lane == 0 else f"{worker} ({lane + 1})"
            events += _thread(process, threads + 1 + lane, name)
        threads += lanes
    events += places.values()
    events += _arrows(timeline, places)
    return json.dumps(
        {
            "displayTimeUnit": "ms",
            "otherData": {
                "graph": plain_line(report.graph, LONGEST_TEXT),
                "run_id": report.run_id,
                "started_at": report.started_at.isoformat(),
            },
            "traceEvents": events,
        },
        separators=(",", ":"),
    )


def _slices(
    timeline: Timeline, attempts: list[tuple[int, int]]
) -> list[tuple[int, Event]]:
    """Return for each attempt of a worker its lane and its event; sorts them."""

    def span_of(attempt: tuple[int, int]) -> Span:
        return timeline.spans[attempt[0]][attempt[1]]

    attempts.sort(key=lambda attempt: (span_of(attempt).start, attempt))
    spans = [span_of(attempt) for attempt in attempts]
    forever = max([timeline.now, *(span.start for span in spans)]) + 1
    ends = [
        forever if span.duration is None else span.start + span.duration
        for span in spans
    ]
    starts = [span.start for span in spans]
    lanes = laid_out(zip(starts, ends, strict=True))
    last: dict[int, Event] = {}
    slices = []
    for attempt, span, lane in zip(attempts, spans, lanes, strict=True):
        before = last.get(lane)
        if before is not None:  # by rounding the two may overlap
            before["dur"] = min(before["dur"], span.start - before["ts"])
        last[lane] = event = _slice(timeline, attempt[0], attempt[1], span)
        slices.append((lane, event))
    return slices


def _slice(timeline: Timeline, task: int, number: int, span: Span) -> Event:
    is_last = number == len(timeline.spans[task]) - 1
    arguments: dict[str, Any] = {
        "state": str(timeline.states[task]) if is_last else "retried",
        "attempt": number + 1,
        "worker": span.worker,
    }
    if span.error is not None:
        arguments["error"] = plain_line(text_of(span.error), LONGEST_TEXT)
    event: Event = {
        "ph": "X",
        "name": plain_line(timeline.names[task], LONGEST_TEXT),
        "cat": "task",
        "ts": span.start,
        "dur": span.duration,
        "args": arguments,
    }
    if span.duration is None:
        del event["dur"]
        event["ph"] = "B"  # begun, and the end is not known
    elif span.error is not None:
        event["cname"] = "terrible"
    return event


def _arrows(timeline: Timeline, places: dict[tuple[int, int], Event]) -> list[Event]:
    """Return two events for each dependency: from its end, to the start of a task."""
    finished = timeline.finished
    wanted = [
        (other, task)
        for task, before in enumerate(timeline.before)
        for other in before
        if timeline.spans[task] and timeline.spans[other]
    ]
    if len(wanted) > MANY_ARROWS:
        last: dict[int, int] = {}
        for other, task in wanted:
            if task not in last or finished[other] > finished[last[task]]:
                last[task] = other
        wanted = [(other, task) for task, other in last.items()]
    events = []
    for number, (other, task) in enumerate(wanted, 1):
        start = places[other, len(timeline.spans[other]) - 1]
        end = places[task, 0]
        same: Event = {"name": "dependency", "cat": "dependency", "id": number}
        leaving = start["ts"] + max(start.get("dur", 0) - 1, 0)  # within the slice
        leaving = max(min(leaving, end["ts"]), start["ts"])
        place = {"pid": start["pid"], "tid": start["tid"]}
        events.append({"ph": "s", **same, **place, "ts": leaving})
        place = {"pid": end["pid"], "tid": end["tid"]}
        events.append({"ph": "f", "bp": "e", **same, **place, "ts": end["ts"]})
    return events


def _thread(process: int, thread: int, name: str) -> list[Event]:
    order: Event = {"ph": "M", "name": "thread_sort_index", "pid": process}
    order |= {"tid": thread, "args": {"sort_index": thread}}
    return [_named("thread", process, thread, name), order]


def _named(what: str, process: int, thread: int, name: str) -> Event:
    name = plain_line(name, LONGEST_TEXT)
    event: Event = {"ph": "M", "name": f"{what}_name", "pid": process, "tid": thread}
    return event | {"args": {"name": name}}
