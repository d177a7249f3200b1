"""The functions of a fault schedule, which write down what they see."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import anyio
from chaos_away import KINDS, ChaosError, value_of
from chaos_schedules import Schedule, TaskPlan
from tests_foreign import Synchronous, ThreadForEach

from syncra import Graph, Processes, Retry
from syncra.executors import Executor, Foreign, Threads

EXECUTORS: dict[str, str | Executor] = {
    "one-thread": Threads(1),
    "three-threads": Threads(3),
    # One of the standard library would be full of what hangs.
    "pool": Foreign(ThreadForEach(), 3),
    "synchronous-pool": Foreign(Synchronous()),
    "one-process": Processes(1),
    "processes": Processes(2),
    "three-processes": Processes(3),
    "spawn": Processes(1, "spawn"),
}

#: Seconds that a function waits at the most for being released.
LONGEST = 60.0


class Tasks:
    """Make the graph of a schedule, and keep what its functions see.

    Attributes:
        events: ("start" | "end", task, attempt, time) in the order they happened, and
            ("undo", task, 0, time).
        raised: what the attempts at each task raised by themselves.
        returned: what the attempts at each task returned.
        undone: what the rollback functions were given, with the task.
        release: set when what hangs is to go on.
    """

    def __init__(self, schedule: Schedule, started: Callable[[int], object]) -> None:
        self.schedule = schedule
        self.events: list[tuple[str, int, int, float]] = []
        self.raised: list[list[BaseException]] = [[] for _ in schedule.tasks]
        self.returned: list[list[int]] = [[] for _ in schedule.tasks]
        self.undone: list[tuple[int, Any]] = []
        self.release = threading.Event()
        self._started = started
        self._starts: Counter[int] = Counter()
        self._count = 0

    def graph(self) -> Graph:
        """Return the graph."""
        plans = self.schedule.tasks
        graph = Graph("chaos")
        for index in self.schedule.added:
            plan = plans[index]
            options: dict[str, Any] = {}
            if plan.executor is not None:
                options["executor"] = EXECUTORS.get(plan.executor, plan.executor)
            if plan.attempts > 1:
                options["retry"] = Retry(plan.attempts, backoff=plan.backoff, jitter=0)
            made = graph.add(
                self._made(plan),
                name=plan.name,
                dependencies=[plans[other].name for other in plan.before],
                after=[plans[other].name for other in plan.after],
                trigger=plan.trigger,
                timeout=plan.timeout,
                **options,
            )
            if plan.undo is not None:
                made.rollback(self._undoing(plan))
        return graph

    def all_have_ended(self) -> bool:
        """Return whether no attempt is going on, not even an abandoned one."""
        kinds = Counter(event[0] for event in self.events)
        return kinds["start"] == kinds["end"]

    def count_started(self) -> int:
        """Return how many attempts have started."""
        return self._count

    def pids(self) -> set[int]:
        """Return the numbers of the processes in which attempts have started."""
        return set()

    def gather(self, records: dict[str, Any]) -> None:
        """Collect what is not known yet, now that all is over."""

    def _note(self, kind: str, index: int, attempt: int) -> None:
        self.events.append((kind, index, attempt, time.monotonic()))

    def _begin(self, index: int) -> int:
        """Write down that an attempt starts, and return its number."""
        # Two attempts at one task never start at once, so this needs no lock.
        self._starts[index] += 1
        attempt = self._starts[index]
        self._note("start", index, attempt)
        self._count += 1
        self._started(self._count)
        return attempt

    def _throw(self, plan: TaskPlan, act: str, attempt: int) -> None:
        """Raise what an attempt is to raise."""
        if act in KINDS:
            error = KINDS[act](f"{plan.name} attempt {attempt}")
            self.raised[plan.index].append(error)
            raise error

    def _give(self, plan: TaskPlan, inputs: tuple[Any, ...]) -> int:
        value = value_of(plan.index, inputs)
        self.returned[plan.index].append(value)
        return value

    def _made(self, plan: TaskPlan) -> Callable[..., Any]:
        """Return what a task calls."""
        return self._coroutine(plan) if plan.is_async else self._function(plan)

    def _function(self, plan: TaskPlan) -> Callable[..., int]:
        def chaos_task(*inputs: Any) -> int:
            attempt = self._begin(plan.index)
            try:
                act = plan.act(attempt)
                if act in {"slow", "race", "block"}:
                    time.sleep(plan.pause)
                elif act == "hang":
                    self.release.wait(LONGEST)
                    if plan.yields:
                        raise ChaosError("late")
                self._throw(plan, act, attempt)
                return self._give(plan, inputs)
            finally:
                self._note("end", plan.index, attempt)

        return chaos_task

    def _coroutine(self, plan: TaskPlan) -> Callable[..., Any]:
        async def chaos_coroutine(*inputs: Any) -> int:
            attempt = self._begin(plan.index)
            try:
                act = plan.act(attempt)
                if plan.yields:
                    await anyio.sleep(0)
                if act == "block":
                    time.sleep(plan.pause)
                elif act in {"slow", "race"}:
                    await anyio.sleep(plan.pause)
                elif act == "hang":
                    await anyio.sleep_forever()
                elif act in {"tidy", "swallow", "complain", "evade", "stay"}:
                    await self._resist(act)
                self._throw(plan, act, attempt)
                return self._give(plan, inputs)
            finally:
                self._note("end", plan.index, attempt)

        return chaos_coroutine

    async def _resist(self, act: str) -> None:
        """Wait for ever, and react to a cancellation."""
        cancelled = anyio.get_cancelled_exc_class()
        try:
            await anyio.sleep_forever()
        except cancelled:
            if act == "tidy":
                await anyio.sleep(0.002)
                raise

            while act == "stay" and not self.release.is_set():
                # Trio would cancel each further wait at once.
                with anyio.CancelScope(shield=True):
                    with contextlib.suppress(cancelled):
                        await anyio.sleep(0.002)
            if act == "stay":
                raise

    def _undoing(self, plan: TaskPlan) -> Callable[..., Any]:
        """Return the rollback function of a task."""

        def undo(result: Any) -> None:
            self._note("undo", plan.index, 0)
            self.undone.append((plan.index, result))
            if plan.undo == "raise":
                raise ChaosError(f"{plan.name} rollback")

        async def undo_async(result: Any) -> None:
            undo(result)
            await anyio.sleep(0)

        return undo_async if plan.undo_is_async else undo


def plain_values(schedule: Schedule, succeeded: list[bool]) -> dict[int, int]:
    """Return what plain calls in order give, given which tasks succeed."""
    values: dict[int, int] = {}
    for plan in schedule.tasks:
        if succeeded[plan.index]:
            inputs = tuple(values.get(other) for other in plan.before)
            values[plan.index] = value_of(plan.index, inputs)
    return values
