"""Where a run stands: random graphs x random events, law by law (design 3.1).

`Model` says from the definitions alone what a run must look like; the machine has to
agree with it after every event, and to keep the laws that need no model.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from math import inf
from typing import NamedTuple, TypeVar

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from test_plan import Predecessors, dags, everything_upstream

from syncra._core.machine import (
    ALL_DONE,
    ALL_SUCCEEDED,
    ANY_FAILED,
    ANY_SUCCEEDED,
    NOTHING,
    Machine,
)
from syncra._core.plan import Plan
from syncra._core.states import (
    CANCELLED,
    FAILED,
    PENDING,
    READY,
    RUNNING,
    SKIPPED,
    SUCCEEDED,
    TERMINAL,
    TRANSITIONS,
    WAITING,
    IllegalTransition,
)

#: How a running task may end, by event, and the state that follows.
OUTCOMES = {"succeed": SUCCEEDED, "fail": FAILED, "skip": SKIPPED, "cancel": CANCELLED}

#: Triggers of tasks that run even when a failure has stopped the run.
OUTLIVING = {ALL_DONE, ANY_FAILED}

BAD = TERMINAL - {SUCCEEDED}

LANES = range(2)

T = TypeVar("T")


class Fate(NamedTuple):
    """Say how a task stands, since which event, and whether `any_failed` counts it."""

    state: int
    since: float = 0
    when: float = 0
    hurt: bool = False


def any_hurt(before: list[Fate]) -> bool:
    return any(fate.hurt for fate in before)


class Model:
    """Know what has happened, and work out from it how things stand.

    Nothing is kept up to date: every answer is made anew from the facts below.
    """

    def __init__(
        self,
        predecessors: Predecessors,
        triggers: list[int] | None,
        stop_on_failure: bool,
    ) -> None:
        self.predecessors = predecessors
        self.has_triggers = triggers is not None
        self.triggers = triggers or [ALL_SUCCEEDED] * len(predecessors)
        self.stop_on_failure = stop_on_failure
        upstream = everything_upstream(predecessors)
        self.order = sorted(range(len(upstream)), key=lambda task: len(upstream[task]))
        # The facts, and the numbers of the events that have made them.
        self.number = 0
        self.taken: dict[int, int] = {}
        self.retried: dict[int, tuple[int, float]] = {}
        self.wakes: list[tuple[int, float]] = []
        self.reported: dict[int, tuple[int, int]] = {}
        self.stopped_at = self.halted_at = inf

    def take(self, task: int) -> None:
        self.number += 1
        self.taken[task] = self.number

    def report(self, task: int, outcome: int) -> None:
        self.number += 1
        self.reported[task] = self.number, outcome
        if outcome == FAILED and self.stop_on_failure:
            # First it spoils what waits for it.
            self.stopped_at = min(self.stopped_at, self.number + 0.5)

    def retry(self, task: int, when: float) -> None:
        if self.end_for(task) < inf:
            self.report(task, CANCELLED)
        else:
            self.number += 1
            self.retried[task] = self.number, when

    def wake(self, now: float) -> None:
        self.number += 1
        self.wakes.append((self.number, now))

    def stop(self) -> None:
        self.number += 1
        self.stopped_at = min(self.stopped_at, self.number)

    def halt(self) -> None:
        self.stop()
        self.halted_at = min(self.halted_at, self.number)

    def end_for(self, task: int) -> float:
        """Return from which event on a task does not start any more."""
        outlives = self.triggers[task] in OUTLIVING
        return self.halted_at if outlives else self.stopped_at

    def fates(self) -> list[Fate]:
        found: dict[int, Fate] = {}
        for task in self.order:
            before = [found[other] for other in self.predecessors[task]]
            found[task] = self.fate(task, before)
        return [found[task] for task in range(len(found))]

    def fate(self, task: int, before: list[Fate]) -> Fate:
        if task in self.reported:
            number, outcome = self.reported[task]
            return Fate(outcome, number, hurt=outcome == FAILED)

        taken = self.taken.get(task, 0)
        if taken > self.retried.get(task, (0, 0))[0]:
            return Fate(RUNNING, taken)

        fate = self.second_start(task) if taken else self.first_start(task, before)
        end = self.end_for(task)
        in_time = fate.state == SKIPPED and fate.since < end
        return fate if in_time or end == inf else self.cut_off(task, before, end)

    def first_start(self, task: int, before: list[Fate]) -> Fate:
        bad = [fate for fate in before if fate.state in BAD]
        if bad and not self.has_triggers:
            return Fate(SKIPPED, min(fate.since for fate in bad))

        if any(fate.state not in TERMINAL for fate in before):
            return Fate(PENDING)

        runs = {
            ALL_SUCCEEDED: not bad,
            ALL_DONE: True,
            ANY_FAILED: any_hurt(before) or not before,
            ANY_SUCCEEDED: len(bad) < len(before) or not before,
        }[self.triggers[task]]
        since = max((fate.since for fate in before), default=0)
        return Fate(READY, since) if runs else Fate(SKIPPED, since, 0, any_hurt(before))

    def cut_off(self, task: int, before: list[Fate], end: float) -> Fate:
        """Return what becomes of a task that does not start any more.

        Where there are triggers, it may lack something already when the run is stopped,
        and be skipped for that. A clean-up or an alarm is decided only after that.
        """
        lacking = [
            fate
            for other, fate in zip(self.predecessors[task], before, strict=True)
            if fate.state in (FAILED, SKIPPED)
            and fate.since <= end - (self.triggers[other] in OUTLIVING) / 4
        ]
        if lacking and self.triggers[task] == ALL_SUCCEEDED and end < self.halted_at:
            return Fate(SKIPPED, end, hurt=any_hurt(lacking))

        return Fate(CANCELLED, end)

    def second_start(self, task: int) -> Fate:
        since, when = self.retried[task]
        for number, now in self.wakes:
            if number > since and now >= when:
                return Fate(READY, number, when)
        return Fate(WAITING, since, when)


#: How a task ends once it runs, and before that how long it waits each time it has run
#: in vain. Most do well, or nothing would be left to be run.
FATES: list[tuple[str, tuple[int, ...]]] = [
    *[("succeed", ())] * 5,
    ("succeed", (1, 3)),
    *[("fail", ())] * 2,
    ("fail", (2,)),
    ("skip", ()),
    ("cancel", ()),
    ("cancel", (0,)),
]

#: Enough for every shape that matters, and soon told when something is wrong.
SIZE = 8

RUNNABLE = [ALL_SUCCEEDED] * 2 + [ALL_DONE] * 2 + [ANY_FAILED, ANY_SUCCEEDED]

EVENTS = ["take"] * 5 + ["end"] * 4 + ["end and take"] * 3
EVENTS += ["tick"] * 2 + ["stop", "halt", "mistake"]


def one_each(values: Sequence[T]) -> st.SearchStrategy[list[T]]:
    """Draw one of the values for each task."""
    return st.lists(st.sampled_from(values), min_size=SIZE, max_size=SIZE)


@st.composite
def tangles(draw: st.DrawFn) -> Predecessors:
    """Draw a graph in which a third of all pairs are edges."""
    size = draw(st.integers(3, SIZE))
    is_edge = st.sampled_from([False, True, False])
    return [[before for before in range(task) if draw(is_edge)] for task in range(size)]


class AnyRun(RuleBasedStateMachine):
    """Do anything a driver may do, in any order, and then run to the end."""

    @initialize(
        predecessors=dags(max_size=SIZE) | tangles(),
        lanes=one_each(LANES),
        has_triggers=st.sampled_from([False, True, True]),
        triggers=one_each(RUNNABLE),
        fates=one_each(FATES),
        stop_on_failure=st.booleans(),
        stop_after=st.integers(0, SIZE),
        halt_after=st.integers(0, 2 * SIZE),
    )
    def begin(
        self,
        predecessors: Predecessors,
        lanes: list[int],
        has_triggers: bool,
        triggers: list[int],
        fates: list[tuple[str, tuple[int, ...]]],
        stop_on_failure: bool,
        stop_after: int,
        halt_after: int,
    ) -> None:
        self.lanes = lanes[: len(predecessors)]
        chosen = triggers[: len(predecessors)] if has_triggers else None
        # A twin is told of the end of a task and asked for the next one separately.
        self.machine, self.twin = (
            Machine(
                Plan(predecessors),
                self.lanes,
                len(LANES),
                stop_on_failure=stop_on_failure,
                triggers=chosen,
            )
            for _ in range(2)
        )
        self.model = Model(predecessors, chosen, stop_on_failure)
        self.triggers = self.model.triggers
        self.endings = [ending for ending, _ in fates]
        self.waits = [list(waits) for _, waits in fates]
        self.stop_after, self.halt_after = stop_after, halt_after
        self.clock = 0
        self.seen = list(self.machine.states)
        self.dropped: list[int] = []

    # One rule for all events: Hypothesis switches rules off for whole examples, and
    # nothing comes of a run in which nobody takes tasks or nobody ends them.
    @rule(
        event=st.sampled_from(EVENTS),
        lane=st.sampled_from(LANES),
        pick=st.integers(0, SIZE - 1),
    )
    def happens(self, event: str, lane: int, pick: int) -> None:
        running = self.all_in(RUNNING)
        over = len(self.model.reported)
        if event == "tick":
            self.tick(pick % 3)
        elif event == "mistake":
            self.mistake(pick % max(1, len(self.lanes)))
        elif event == "stop" and over >= self.stop_after:
            self.tell("stop")
            self.model.stop()
        elif event == "halt" and over >= self.halt_after:
            self.tell("halt")
            self.model.halt()
        elif event == "take" or not running:
            self.take(lane)
        else:
            following = lane if event == "end and take" else NOTHING
            self.end(running[pick % len(running)], following)

    def mistake(self, task: int) -> None:
        """What a driver may not report is refused, and nothing has changed."""
        if task not in self.all_in(RUNNING) and self.lanes:
            for event in OUTCOMES:
                with pytest.raises(IllegalTransition):
                    self.tell(event, task)
            with pytest.raises(IllegalTransition):
                self.tell("retry_at", task, self.clock)

    def tell(self, event: str, *details: int) -> None:
        for machine in (self.twin, self.machine):
            getattr(machine, event)(*details)

    def take(self, lane: int) -> None:
        task = self.machine.take(lane)
        assert self.twin.take(lane) == task
        self.starts(task, lane)

    def end(self, task: int, lane: int = NOTHING) -> None:
        if self.waits[task]:
            when = self.clock + self.waits[task].pop(0)
            self.tell("retry_at", task, when)
            self.model.retry(task, when)
            return

        event = self.endings[task]
        self.model.report(task, OUTCOMES[event])
        if event != "succeed" or lane == NOTHING:
            self.tell(event, task)
            return

        following = self.machine.succeed(task, lane)
        assert self.twin.succeed(task) == NOTHING
        assert self.twin.take(lane) == following
        self.starts(following, lane)

    def tick(self, later: int) -> None:
        self.clock += later
        self.tell("wake", self.clock)
        self.model.wake(self.clock)

    def starts(self, task: int, lane: int) -> None:
        """It is one of those that are ready longest, and that may still start."""
        fates = self.model.fates()
        ready = {
            other: self.place(other, fate)
            for other, fate in enumerate(fates)
            if fate.state == READY and self.lanes[other] == lane
        }
        if not ready:
            assert task == NOTHING
            return

        assert ready[task] == min(ready.values())
        assert not self.machine.halted
        assert not self.machine.stopped or self.triggers[task] in OUTLIVING
        assert self.clock >= self.model.retried.get(task, (0, 0))[1]
        self.model.take(task)
        self.seen[task] = READY  # it may have been so between two looks

    def place(self, task: int, fate: Fate) -> tuple[float, float, int]:
        """Return what orders ready tasks: the event, then the time, then the id.

        What becomes of triggers spreads through the graph in one event, in any order.
        """
        by_id = not self.model.has_triggers or task in self.model.taken
        return fate.since, fate.when, task if by_id else 0

    def all_in(self, state: int) -> list[int]:
        return [task for task, its in enumerate(self.machine.states) if its == state]

    @invariant()
    def all_laws(self) -> None:
        self.agrees_with_the_model()
        assert everything(self.machine) == everything(self.twin)
        self.every_move_is_in_the_table()
        self.unsettled_are_those_that_are_not_over()
        self.dropped_are_those_of_which_nobody_reported()
        self.the_next_to_wake_is_the_first_of_those_that_wait()
        self.who_runs_or_ran_was_let_by_its_trigger()
        self.who_is_skipped_lacks_something()

    def agrees_with_the_model(self) -> None:
        fates = self.model.fates()
        assert list(self.machine.states) == [fate.state for fate in fates]
        for lane, queue in enumerate(self.machine.queues):
            ready = [task for task in self.all_in(READY) if self.lanes[task] == lane]
            assert sorted(queue) == ready
            places = [self.place(task, fates[task]) for task in queue]
            assert places == sorted(places)
        assert self.machine.stopped == (self.model.stopped_at < inf)
        assert self.machine.halted == (self.model.halted_at < inf)

    def every_move_is_in_the_table(self) -> None:
        """So a terminal state never changes."""
        moves = {(old, new) for (old, _), new in TRANSITIONS.items()}
        for old, new in zip(self.seen, self.machine.states, strict=True):
            assert old == new or (old, new) in moves
        self.seen = list(self.machine.states)

    def unsettled_are_those_that_are_not_over(self) -> None:
        states = self.machine.states
        assert self.machine.unsettled == sum(state not in TERMINAL for state in states)

    def dropped_are_those_of_which_nobody_reported(self) -> None:
        """Each once, and in the order in which it happened."""
        over = [task for state in TERMINAL for task in self.all_in(state)]
        dropped = self.machine.dropped
        assert sorted(dropped) == sorted(set(over).difference(self.model.reported))
        assert dropped[: len(self.dropped)] == self.dropped
        self.dropped = dropped.copy()
        for task in dropped:
            assert self.machine.states[task] in (SKIPPED, CANCELLED)
            assert task not in self.model.taken or task in self.model.retried

    def the_next_to_wake_is_the_first_of_those_that_wait(self) -> None:
        times = [self.model.retried[task][1] for task in self.all_in(WAITING)]
        assert self.machine.next_wake() == min(times, default=None)

    def who_runs_or_ran_was_let_by_its_trigger(self) -> None:
        states = self.machine.states
        for task in self.model.taken:
            before = {states[other] for other in self.model.predecessors[task]}
            assert TERMINAL.issuperset(before)
            if before and self.triggers[task] == ALL_SUCCEEDED:
                assert before == {SUCCEEDED}
            elif before and self.triggers[task] == ANY_SUCCEEDED:
                assert SUCCEEDED in before
            elif before and self.triggers[task] == ANY_FAILED:
                assert before & {FAILED, SKIPPED}
                assert FAILED in states

    def who_is_skipped_lacks_something(self) -> None:
        states = self.machine.states
        for task in set(self.all_in(SKIPPED)).difference(self.model.reported):
            before = {states[other] for other in self.model.predecessors[task]}
            assert self.triggers[task] != ALL_DONE
            if self.triggers[task] == ALL_SUCCEEDED:
                assert before & BAD
            elif self.triggers[task] == ANY_SUCCEEDED:
                assert before <= BAD
            else:
                assert before <= TERMINAL - {FAILED}

    def teardown(self) -> None:
        """Whatever has happened, the run comes to an end, and nobody is forgotten."""
        if sys.exc_info()[0] is not None:  # it has failed already
            return

        while self.machine.unsettled:
            events = self.model.number
            for lane in LANES:
                while self.machine.queues[lane]:
                    self.take(lane)
                    self.all_laws()
            for task in self.all_in(RUNNING):
                self.end(task)
                self.all_laws()
            if self.model.number == events:
                wake = self.machine.next_wake()
                assert wake is not None, "nothing will ever happen again"
                self.tick(max(0, int(wake) - self.clock))
                self.all_laws()
        assert TERMINAL.issuperset(self.machine.states)
        assert [self.machine.take(lane) for lane in LANES] == [NOTHING] * len(LANES)


AnyRun.TestCase.settings = settings(
    derandomize=True,
    deadline=None,
    max_examples=400,
    stateful_step_count=30,
    # What is wrong should be told soon.
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    report_multiple_bugs=False,
)
TestAnyRun = AnyRun.TestCase


def everything(machine: Machine) -> tuple[object, ...]:
    """Return all that can be seen of a machine."""
    return (
        bytes(machine.states),
        [list(queue) for queue in machine.queues],
        machine.unsettled,
        machine.stopped,
        machine.halted,
        machine.dropped.copy(),
        machine.next_wake(),
    )
