"""The tasks of a schedule of which some run in other processes, and who kills those."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import psutil
from chaos_away import (
    KINDS,
    AwayCoroutine,
    AwayFunction,
    AwayUndoing,
    Trace,
    count_traces,
    read_traces,
)
from chaos_schedules import DEADLY, Schedule, TaskPlan
from chaos_tasks import Tasks

from syncra._processes.births import guardian_pid


class MixedTasks(Tasks):
    """Make the graph of a schedule with tasks in other processes.

    Attributes:
        spans: begin and end of each attempt in another process that came to its end,
            with its task.
        cut_off: the tasks of which an attempt has not come to its end.
    """

    def __init__(self, schedule: Schedule, started: Callable[[int], object]) -> None:
        super().__init__(schedule, started)
        self.spans: list[tuple[int, tuple[float, float]]] = []
        self.cut_off: set[int] = set()
        self._place = tempfile.TemporaryDirectory(prefix="chaos-")

    def count_started(self) -> int:
        return super().count_started() + count_traces(self._place.name)

    def pids(self) -> set[int]:
        return {trace.pid for trace in read_traces(self._place.name)}

    def _made(self, plan: TaskPlan) -> Callable[..., Any]:
        if not plan.is_away:
            return super()._made(plan)

        kind = AwayCoroutine if plan.is_async else AwayFunction
        return kind(self._place.name, plan.index, plan.acts, plan.pause)

    def _undoing(self, plan: TaskPlan) -> Callable[..., Any]:
        if not plan.is_away or plan.undo is None:
            return super()._undoing(plan)

        return AwayUndoing(self._place.name, plan.index, plan.undo)

    def gather(self, records: dict[str, Any]) -> None:
        """Read the traces, and have them look as if they were of this process."""
        undone = [event[3] for event in self.events if event[0] == "undo"]
        timed = list(zip(undone, self.undone, strict=True))
        for trace in read_traces(self._place.name):
            if trace.what == "undo":
                begun = trace.lines[0]
                timed.append((begun["at"], (trace.task, begun["value"])))
            else:
                self._add(trace, records[self.schedule.tasks[trace.task].name])
        self.events.sort(key=lambda event: event[3])
        self.undone = [entry for _, entry in sorted(timed)]
        self._place.cleanup()

    def _add(self, trace: Trace, record: Any) -> None:
        index, number = trace.task, trace.number
        begun, ended = trace.lines[0]["at"], trace.line("end")
        self.events.append(("start", index, number, begun))
        # Its process is known to be gone, or the trial tells of it.
        end = ended["at"] if ended is not None else begun
        self.events.append(("end", index, number, end))
        if ended is not None:
            self.spans.append((index, (begun, end)))
        elif self.schedule.tasks[index].act(number) not in DEADLY:
            self.cut_off.add(index)
        returned, raised = trace.line("returned"), trace.line("raised")
        if returned is not None:
            self.returned[index].append(returned["value"])
        if raised is not None:
            # What arrives is a copy.
            kind, text = KINDS[raised["act"]], raised["text"]
            arrived = [attempt.error for attempt in record.attempts] + [record.error]
            same = [e for e in arrived if type(e) is kind and str(e) == text]
            self.raised[index].append(same[0] if same else kind(text))


class Killer:
    """Kill worker processes of this one, or what begins them, at certain times.

    Used as a context: it begins to count when that is entered, and stops at its end.

    Parameters:
        kills: seconds from the start, and "worker" or "guardian".
        seed: decides which worker it is.

    Attributes:
        kills: what was asked for.
        killed: how many of each it has found and killed.
    """

    def __init__(self, kills: list[tuple[float, str]], seed: int) -> None:
        self.kills = kills
        self.killed: Counter[str] = Counter()
        self._random = Random(seed)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="killer")

    def __enter__(self) -> Killer:
        if self.kills:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self.kills:
            self._thread.join()

    def _work(self) -> None:
        begin = time.monotonic()
        for after, whom in self.kills:
            if self._over.wait(max(0.0, begin + after - time.monotonic())):
                return

            guardian = guardian_pid()
            if guardian is None:
                continue

            with contextlib.suppress(psutil.NoSuchProcess, IndexError):
                process = psutil.Process(guardian)
                if whom == "worker":
                    process = self._random.choice(process.children())
                process.kill()
                self.killed[whom] += 1


def is_alive(pid: int) -> bool:
    """Return whether a process has not ended."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
