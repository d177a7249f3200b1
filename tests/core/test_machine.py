"""Where a run stands: random graphs x random events, law by law (design 3.1).

`Model` says from the definitions alone what a run must look like; the machine has to
agree with it after every event, and to keep the laws that need no model.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from test_plan import Predecessors, chain, dags, everything_upstream

from syncra._core.machine import NOTHING, Machine
from syncra._core.plan import Plan
from syncra._core.states import (
    CANCELLED,
    FAILED,
    ILLEGAL,
    PENDING,
    READY,
    RUNNING,
    SKIPPED,
    STATE_NAMES,
    SUCCEEDED,
    TERMINAL,
    TRANSITIONS,
    IllegalTransition,
    row,
)

#: What a worker may report of the task it runs, and the state that follows.
OUTCOMES = {"succeed": SUCCEEDED, "fail": FAILED, "cancel": CANCELLED}

STATES = range(len(STATE_NAMES))
EVENTS = sorted({event for _, event in TRANSITIONS})


class Model:
    """Know what has happened, and work out from it how things stand.

    Nothing is kept up to date: every answer is made anew from the facts below.
    """

    def __init__(
        self, predecessors: Predecessors, lanes: list[int], stop_on_failure: bool
    ) -> None:
        self.predecessors = predecessors
        self.upstream = everything_upstream(predecessors)
        self.lanes = lanes
        self.stop_on_failure = stop_on_failure
        # The facts.
        self.taken: set[int] = set()
        self.outcomes: dict[int, int] = {}  # in the order they were reported
        self.spoilt: set[int] = set()  # had no result while others still waited
        self.stopped = False

    def report(self, task: int, outcome: int) -> None:
        self.outcomes[task] = outcome
        if outcome != SUCCEEDED and not self.stopped:
            self.spoilt.add(task)
        if outcome == FAILED and self.stop_on_failure:
            self.stopped = True

    def state(self, task: int) -> int:
        if task in self.outcomes:
            return self.outcomes[task]

        if task in self.taken:
            return RUNNING

        if self.spoilt & self.upstream[task]:
            return SKIPPED

        if self.stopped:
            return CANCELLED

        return READY if self.may_run(task) else PENDING

    def may_run(self, task: int) -> bool:
        return all(
            self.outcomes.get(before) == SUCCEEDED for before in self.predecessors[task]
        )

    def ready_since(self, task: int) -> tuple[int, int]:
        """Return what orders ready tasks: the last success they needed, then the id."""
        reported = list(self.outcomes)
        needed = (reported.index(before) for before in self.predecessors[task])
        return max(needed, default=-1), task

    def states(self) -> list[int]:
        return [self.state(task) for task in range(len(self.predecessors))]

    def running(self) -> list[int]:
        return [task for task, state in enumerate(self.states()) if state == RUNNING]

    def queue(self, lane: int) -> list[int]:
        ready = (task for task, state in enumerate(self.states()) if state == READY)
        return sorted(
            (task for task in ready if self.lanes[task] == lane), key=self.ready_since
        )


#: How a task ends once it runs; most do well, or nothing would be left to be run.
FATES = st.sampled_from(["succeed"] * 4 + ["fail", "cancel"])

#: Enough for every shape that matters, and soon told when something is wrong.
SIZE = 8


class AnyRun(RuleBasedStateMachine):
    """Do anything a driver may do, in any order, and then run to the end."""

    @initialize(
        predecessors=dags(max_size=SIZE),
        lanes=st.lists(st.integers(0, 2), min_size=SIZE, max_size=SIZE),
        fates=st.lists(FATES, min_size=SIZE, max_size=SIZE),
        stop_on_failure=st.booleans(),
        stop_after=st.integers(0, 2 * SIZE),
    )
    def begin(
        self,
        predecessors: Predecessors,
        lanes: list[int],
        fates: list[str],
        stop_on_failure: bool,
        stop_after: int,
    ) -> None:
        lanes = lanes[: len(predecessors)]
        self.model = Model(predecessors, lanes, stop_on_failure)
        self.machine = Machine(
            Plan(predecessors), lanes, 3, stop_on_failure=stop_on_failure
        )
        self.fates = fates
        self.stop_after = stop_after
        self.seen = list(self.machine.states)

    # One rule for all events: Hypothesis switches rules off for whole examples, and
    # nothing comes of a run in which nobody takes tasks or nobody ends them.
    @rule(
        event=st.sampled_from(["take", "take", "end", "end", "stop", "mistake"]),
        lane=st.integers(0, 2),
        data=st.data(),
    )
    def happens(self, event: str, lane: int, data: st.DataObject) -> None:
        running = self.model.running()
        others = sorted(set(range(len(self.model.lanes))).difference(running))
        if event == "take":
            self.take(lane)
        elif event == "end" and running:
            self.end(data.draw(st.sampled_from(running)))
        elif event == "stop" and len(self.model.outcomes) >= self.stop_after:
            self.stop()
        elif event == "mistake" and others:
            outcome = data.draw(st.sampled_from(sorted(OUTCOMES)))
            self.mistake(data.draw(st.sampled_from(others)), outcome)

    def take(self, lane: int) -> None:
        due = self.model.queue(lane)
        task = self.machine.take(lane)
        assert task == (due[0] if due else NOTHING)
        if task != NOTHING:
            assert task not in self.model.taken
            assert self.model.may_run(task)
            self.model.taken.add(task)

    def end(self, task: int) -> None:
        event = self.fates[task]
        getattr(self.machine, event)(task)
        self.model.report(task, OUTCOMES[event])

    def stop(self) -> None:
        self.machine.stop()
        self.model.stopped = True

    def mistake(self, task: int, event: str) -> None:
        """What a driver may not report is refused, and nothing has changed."""
        with pytest.raises(IllegalTransition):
            getattr(self.machine, event)(task)

    @invariant()
    def all_laws(self) -> None:
        self.agrees_with_the_model()
        self.every_move_is_in_the_table()
        self.unsettled_are_those_that_are_not_over()
        self.who_runs_or_ran_had_all_it_waits_for()
        self.who_is_skipped_lacks_something()

    def agrees_with_the_model(self) -> None:
        assert list(self.machine.states) == self.model.states()
        assert [list(queue) for queue in self.machine.queues] == [
            self.model.queue(lane) for lane in range(3)
        ]
        assert self.machine.stopped == self.model.stopped

    def every_move_is_in_the_table(self) -> None:
        """So a terminal state never changes."""
        for old, new in zip(self.seen, self.machine.states, strict=True):
            assert old == new or any(
                TRANSITIONS.get((old, event)) == new for event in EVENTS
            )
        self.seen = list(self.machine.states)

    def unsettled_are_those_that_are_not_over(self) -> None:
        states = self.machine.states
        assert self.machine.unsettled == sum(state not in TERMINAL for state in states)

    def who_runs_or_ran_had_all_it_waits_for(self) -> None:
        states = self.machine.states
        for task in self.model.taken:
            for before in self.model.predecessors[task]:
                assert states[before] == SUCCEEDED

    def who_is_skipped_lacks_something(self) -> None:
        states = self.machine.states
        for task, waits_for in enumerate(self.model.predecessors):
            if states[task] == SKIPPED:
                lacking = {states[before] for before in waits_for}
                assert lacking & {FAILED, CANCELLED, SKIPPED}

    def teardown(self) -> None:
        """Whatever has happened, the run comes to an end, and nobody is forgotten."""
        if sys.exc_info()[0] is not None:  # it has failed already
            return

        while True:
            for lane in range(3):
                while self.model.queue(lane):
                    self.take(lane)
                    self.all_laws()
            running = self.model.running()
            if not running:
                break

            for task in running:
                self.end(task)
                self.all_laws()
        assert self.machine.unsettled == 0
        assert TERMINAL.issuperset(self.machine.states)
        assert [self.machine.take(lane) for lane in range(3)] == [NOTHING] * 3


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
    )


def drain(machine: Machine) -> list[int]:
    """Let everything succeed that still can, one task of a lane at a time, in order."""
    order: list[int] = []
    batch = [task for task, state in enumerate(machine.states) if state == RUNNING]
    while True:
        for task in batch:
            machine.succeed(task)
        order += batch
        lanes = range(len(machine.queues))
        batch = [task for task in map(machine.take, lanes) if task != NOTHING]
        if not batch:
            return order


def one_in_each_state() -> tuple[Machine, dict[int, int]]:
    """Return a machine and, for each state, a task that is in it."""
    shape: Predecessors = [[], [], [], [], [3], [], [0]]
    # Whoever heard twice of an outcome would free or skip one of these too early.
    shape += [[0, task] for task in range(1, 7)]
    lanes = [0] * 5 + [1] + [0] * 7
    machine = Machine(Plan(shape), lanes, 2, stop_on_failure=False)
    assert [machine.take(0) for _ in range(4)] == [0, 1, 2, 3]
    machine.succeed(1)
    machine.cancel(2)
    machine.fail(3)
    found = {
        RUNNING: 0,
        SUCCEEDED: 1,
        CANCELLED: 2,
        FAILED: 3,
        SKIPPED: 4,
        READY: 5,
        PENDING: 6,
    }
    assert {machine.states[task]: task for task in range(7)} == found
    return machine, found


@pytest.mark.parametrize("event", sorted(OUTCOMES))
@pytest.mark.parametrize("state", STATES, ids=STATE_NAMES)
def test_every_event_in_every_state(state: int, event: str) -> None:
    """What the table allows happens; anything else is refused and changes nothing.

    The three events are those of a task that runs: one that has not started is
    cancelled too, but by `stop` only.
    """
    machine, tasks = one_in_each_state()
    task = tasks[state]
    if state == RUNNING:
        getattr(machine, event)(task)
        assert machine.states[task] == TRANSITIONS[state, event] == OUTCOMES[event]
        return

    before = everything(machine)
    with pytest.raises(IllegalTransition) as caught:
        getattr(machine, event)(task)

    assert (caught.value.task, caught.value.state) == (task, state)
    assert caught.value.event == event
    assert (
        str(caught.value) == f"task {task} is {STATE_NAMES[state]} and cannot {event}"
    )
    assert everything(machine) == before
    untouched, _ = one_in_each_state()
    assert drain(machine) == drain(untouched)
    assert everything(machine) == everything(untouched)


@pytest.mark.parametrize("state", STATES, ids=STATE_NAMES)
def test_stop_in_every_state(state: int) -> None:
    """What has not started is cancelled; what runs goes on; what is over stays."""
    machine, tasks = one_in_each_state()
    machine.stop()
    expected = CANCELLED if state in (PENDING, READY) else state
    assert machine.states[tasks[state]] == expected
    assert machine.stopped
    assert machine.unsettled == 1
    before = everything(machine)
    machine.stop()
    assert everything(machine) == before
    assert drain(machine) == [tasks[RUNNING]]
    assert machine.unsettled == 0


def test_the_table_of_moves() -> None:
    """Every state can be reached, none is left once it is terminal."""
    assert {state for state, _ in TRANSITIONS} == set(STATES) - TERMINAL
    assert set(STATES) > TERMINAL
    assert len(set(STATE_NAMES)) == len(STATE_NAMES)
    reached = {PENDING}
    for _ in STATES:
        reached |= {new for (old, _), new in TRANSITIONS.items() if old in reached}
    assert reached == set(STATES)
    # From everywhere there is a way to the end.
    ending = set(TERMINAL)
    for _ in STATES:
        ending |= {old for (old, _), new in TRANSITIONS.items() if new in ending}
    assert ending == set(STATES)


@pytest.mark.parametrize("event", [*EVENTS, "no such event"])
def test_a_row_says_what_the_table_says(event: str) -> None:
    """The rows are what the machine looks at."""
    found = row(event)
    assert len(found) == len(STATES)
    for state in STATES:
        assert found[state] == TRANSITIONS.get((state, event), ILLEGAL)
    assert ILLEGAL not in STATES


@pytest.mark.parametrize("shape", [[], [[]], [[], [0], [0], [2], [1, 3], [], [5, 0]]])
def test_one_lane_goes_in_the_order_of_the_plan(shape: Predecessors) -> None:
    """So a sequential run is as predictable as `graph.order()`; plans are shared."""
    plan = Plan(shape)
    for _ in range(2):
        machine = Machine(plan, [0] * plan.size, 1)
        assert drain(machine) == plan.order
        assert machine.unsettled == 0


MANY = 100_000


@pytest.mark.parametrize("stop_on_failure", [True, False])
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: chain(MANY + 1), id="chain"),
        pytest.param(lambda: [[], *([0] for _ in range(MANY))], id="fan"),
        pytest.param(
            lambda: [[], [0], *([task - 2, task - 1] for task in range(2, MANY + 1))],
            id="braid",
        ),
    ],
)
@pytest.mark.parametrize("event", ["fail", "cancel"])
def test_100_000_dependants_are_skipped(
    make: Callable[[], Predecessors], stop_on_failure: bool, event: str
) -> None:
    """The end of one task reaches all the others, and nothing recurses."""
    shape = make()
    machine = Machine(Plan(shape), [0] * len(shape), 1, stop_on_failure=stop_on_failure)
    task = machine.take(0)
    getattr(machine, event)(task)
    assert machine.states == bytes([OUTCOMES[event], *[SKIPPED] * MANY])
    assert machine.unsettled == 0
    assert machine.take(0) == NOTHING


@pytest.mark.parametrize("stop_on_failure", [True, False])
def test_one_failure_among_100_000_independent_tasks(stop_on_failure: bool) -> None:
    """The others are cancelled, or go on as if nothing had been."""
    machine = Machine(
        Plan([[] for _ in range(MANY)]), [0] * MANY, 1, stop_on_failure=stop_on_failure
    )
    machine.fail(machine.take(0))
    assert machine.stopped == stop_on_failure
    assert len(drain(machine)) == (0 if stop_on_failure else MANY - 1)
    others = CANCELLED if stop_on_failure else SUCCEEDED
    assert machine.states == bytes([FAILED, *[others] * (MANY - 1)])
    assert machine.unsettled == 0
