"""Every move a task can make and every one it cannot; triggers; runs of 100,000."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
from test_machine import OUTCOMES, OUTLIVING, everything
from test_plan import Predecessors, chain

from syncra._core.machine import (
    ALL_DONE,
    ALL_SUCCEEDED,
    ANY_FAILED,
    ANY_SUCCEEDED,
    NOTHING,
    TRIGGERS,
    Machine,
)
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
    WAITING,
    IllegalTransition,
    row,
)

STATES = range(len(STATE_NAMES))
EVENTS = sorted({event for _, event in TRANSITIONS})

#: What may be done with a task that runs, the event that is, and what becomes of it.
REPORTS: dict[str, tuple[Callable[[Machine, int], object], str, int]] = {
    "succeed": (Machine.succeed, "succeed", SUCCEEDED),
    "succeed and take": (
        lambda machine, task: machine.succeed(task, 1),
        "succeed",
        SUCCEEDED,
    ),
    "fail": (Machine.fail, "fail", FAILED),
    "skip": (Machine.skip, "skip", SKIPPED),
    "cancel": (Machine.cancel, "cancel", CANCELLED),
    "retry": (lambda machine, task: machine.retry_at(task, 7), "retry", WAITING),
    "put back": (Machine.put_back, "put_back", READY),
}

ALL_TRIGGERS = range(len(TRIGGERS))


def drain(machine: Machine) -> list[int]:
    """Let everything succeed that still can, one task of a lane at a time, in order."""
    order: list[int] = []
    batch = [task for task, state in enumerate(machine.states) if state == RUNNING]
    while True:
        for task in batch:
            machine.succeed(task)
        order += batch
        lanes = range(len(machine.queues))
        if not any(machine.queues) and (when := machine.next_wake()) is not None:
            machine.wake(when)
        batch = [task for task in map(machine.take, lanes) if task != NOTHING]
        if not batch:
            return order


def one_in_each_state(trigger: int | None) -> tuple[Machine, dict[int, int]]:
    """Return a machine and, for each state, a task that is in it.

    All tasks but the skipped one have the trigger.
    """
    shape: Predecessors = [[], [], [], [], [3], [], [0], []]
    # Whoever heard twice of an outcome would free or skip one of these too early.
    shape += [[0, task] for task in range(1, len(shape))]
    lanes = [0] * 5 + [1] + [0] * 9
    triggers = None
    if trigger is not None:
        triggers = [trigger] * len(shape)
        triggers[4] = ALL_SUCCEEDED
    machine = Machine(Plan(shape), lanes, 2, stop_on_failure=False, triggers=triggers)
    assert [machine.take(0) for _ in range(5)] == [0, 1, 2, 3, 7]
    machine.succeed(1)
    machine.cancel(2)
    machine.fail(3)
    machine.retry_at(7, 5)
    found = {
        RUNNING: 0,
        SUCCEEDED: 1,
        CANCELLED: 2,
        FAILED: 3,
        SKIPPED: 4,
        READY: 5,
        PENDING: 6,
        WAITING: 7,
    }
    assert {machine.states[task]: task for task in range(8)} == found
    return machine, found


@pytest.mark.parametrize("report", REPORTS)
@pytest.mark.parametrize("state", STATES, ids=STATE_NAMES)
def test_every_event_in_every_state(state: int, report: str) -> None:
    """What the table allows happens; anything else is refused and changes nothing.

    All these are events of a task that runs: one that does not is cancelled too, but by
    `stop` and `halt` only.
    """
    happens, event, outcome = REPORTS[report]
    for trigger in (None, *ALL_TRIGGERS):
        machine, tasks = one_in_each_state(trigger)
        task = tasks[state]
        if state == RUNNING:
            happens(machine, task)
            assert machine.states[task] == TRANSITIONS[state, event] == outcome
            continue

        before = everything(machine)
        with pytest.raises(IllegalTransition) as caught:
            happens(machine, task)

        found = caught.value
        assert (found.task, found.state, found.event) == (task, state, event)
        assert str(found) == f"task {task} is {STATE_NAMES[state]} and cannot {event}"
        assert everything(machine) == before
        untouched, _ = one_in_each_state(trigger)
        assert drain(machine) == drain(untouched)
        assert everything(machine) == everything(untouched)


@pytest.mark.parametrize("event", ["stop", "halt"])
@pytest.mark.parametrize("state", STATES, ids=STATE_NAMES)
def test_stop_and_halt_in_every_state(state: int, event: str) -> None:
    """What does not run is cancelled or spared; what runs goes on; what is over stays.

    After `stop` there may be `halt`, which spares nobody, but not the other way round.
    """
    for trigger in (None, *ALL_TRIGGERS):
        machine, tasks = one_in_each_state(trigger)
        goes_on = event == "stop" and trigger in OUTLIVING
        never = [] if goes_on else [PENDING, READY, WAITING]
        unsettled = machine.unsettled
        getattr(machine, event)()
        assert machine.states[tasks[state]] == (CANCELLED if state in never else state)
        assert machine.stopped
        assert machine.halted == (event == "halt")
        assert machine.unsettled == (unsettled if goes_on else 1)
        assert machine.next_wake() == (5 if goes_on else None)
        for again in ("stop", event):
            before = everything(machine)
            getattr(machine, again)()
            assert everything(machine) == before
        machine.halt()
        assert drain(machine) == [tasks[RUNNING]]
        assert machine.unsettled == 0
        assert not set(machine.dropped) & {0, 1, 2, 3}
        assert len(machine.dropped) == len(set(machine.dropped))


@pytest.mark.parametrize("event", ["stop", "halt"])
def test_a_retry_that_comes_too_late_is_a_cancellation(event: str) -> None:
    """Nothing new starts is a promise; a clean-up may be tried again after `stop`."""
    for trigger in ALL_TRIGGERS:
        machine, tasks = one_in_each_state(trigger)
        getattr(machine, event)()
        machine.retry_at(tasks[RUNNING], 3)
        goes_on = event == "stop" and trigger in OUTLIVING
        expected = WAITING if goes_on else CANCELLED
        assert machine.states[tasks[RUNNING]] == expected
        assert machine.next_wake() == (3 if goes_on else None)
        assert (tasks[RUNNING] in drain(machine)) == goes_on
        assert machine.unsettled == 0


@pytest.mark.parametrize("event", ["", "stop", "halt"])
def test_what_is_put_back_is_the_next_one(event: str) -> None:
    """As if it had never been taken; where nothing starts any more it is cancelled."""
    for trigger in ALL_TRIGGERS:
        machine, tasks = one_in_each_state(trigger)
        if event:
            getattr(machine, event)()
        before = machine.unsettled
        machine.put_back(tasks[RUNNING])
        starts = not event or (event == "stop" and trigger in OUTLIVING)
        assert machine.states[tasks[RUNNING]] == (READY if starts else CANCELLED)
        assert machine.unsettled == before - (not starts)
        if starts:
            assert machine.take(0) == tasks[RUNNING]
        drain(machine)
        assert machine.unsettled == 0


def test_who_outlives_a_failure() -> None:
    """Clean-up and alarm, and nobody where there are no triggers."""
    shape = chain(4)
    machine = Machine(Plan(shape), [0] * 4, 1, triggers=[*ALL_TRIGGERS])
    outliving = [task for task in range(4) if machine.outlives_stop(task)]
    assert outliving == [ALL_DONE, ANY_FAILED]
    plain = Machine(Plan(shape), [0] * 4, 1)
    assert not any(map(plain.outlives_stop, range(4)))


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
    # Only what runs does well or badly.
    own = ("succeed", "fail", "retry", "put_back")
    assert {old for old, event in TRANSITIONS if event in own} == {RUNNING}


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
    for triggers in (None, [ALL_SUCCEEDED] * plan.size, [ALL_DONE] * plan.size):
        machine = Machine(plan, [0] * plan.size, 1, triggers=triggers)
        assert drain(machine) == plan.order
        assert machine.unsettled == 0


@pytest.mark.parametrize("trigger", ALL_TRIGGERS, ids=TRIGGERS)
def test_a_trigger_with_every_pair_of_outcomes(trigger: int) -> None:
    """Decided by what both have come to, not by which was first; and not too early."""
    for outcomes in product(OUTCOMES, repeat=2):
        for first in range(2):
            machine = Machine(
                Plan([[], [], [0, 1], [2]]),
                [0] * 4,
                1,
                stop_on_failure=False,
                triggers=[0, 0, trigger, ALL_DONE],
            )
            assert [machine.take(0), machine.take(0)] == [0, 1]
            getattr(machine, outcomes[first])(first)
            assert machine.states[2] == PENDING
            getattr(machine, outcomes[1 - first])(1 - first)
            runs = {
                ALL_SUCCEEDED: set(outcomes) == {"succeed"},
                ALL_DONE: True,
                ANY_FAILED: "fail" in outcomes,
                ANY_SUCCEEDED: "succeed" in outcomes,
            }[trigger]
            assert machine.states[2] == (READY if runs else SKIPPED)
            assert machine.dropped == ([] if runs else [2])
            assert drain(machine) == ([2, 3] if runs else [3])


@pytest.mark.parametrize(
    ("event", "between", "runs"),
    [
        ("fail", [ALL_SUCCEEDED, ALL_SUCCEEDED], True),
        ("fail", [ALL_SUCCEEDED, ANY_SUCCEEDED], True),
        ("fail", [ANY_SUCCEEDED, ALL_SUCCEEDED], True),
        ("fail", [ALL_DONE, ALL_SUCCEEDED], False),  # the clean-up has gone well
        ("fail", [ANY_FAILED, ALL_SUCCEEDED], False),  # so has the other alarm
        ("skip", [ALL_SUCCEEDED, ALL_SUCCEEDED], False),
        ("skip", [ANY_SUCCEEDED, ANY_SUCCEEDED], False),
        ("cancel", [ALL_SUCCEEDED, ANY_SUCCEEDED], False),
        ("succeed", [ANY_FAILED, ALL_SUCCEEDED], False),
    ],
)
def test_an_alarm_far_behind(event: str, between: list[int], runs: bool) -> None:
    """It counts what was skipped because of a failure, and no other skipping."""
    triggers = [ALL_SUCCEEDED, *between, ANY_FAILED]
    plan = Plan(chain(4))
    machine = Machine(plan, [0] * 4, 1, stop_on_failure=False, triggers=triggers)
    getattr(machine, event)(machine.take(0))
    assert (3 in drain(machine)) == runs
    assert machine.states[3] == (SUCCEEDED if runs else SKIPPED)


def test_waking_in_the_order_of_time() -> None:
    """Nobody before the time, all that are due at once; then by id."""
    machine = Machine(Plan([[] for _ in range(6)]), [0, 0, 0, 0, 1, 0], 2)
    assert machine.next_wake() is None
    for when in (3, 1.5, 2, 1.5, 0):
        machine.retry_at(machine.take(0), when)
        machine.wake(-1)
    assert list(map(len, machine.queues)) == [0, 1]
    assert [machine.next_wake(), machine.wake(0), machine.next_wake()] == [0, None, 1.5]
    machine.wake(1.4)
    assert list(machine.queues[0]) == [5]
    machine.wake(2)
    assert list(machine.queues[0]) == [5, 1, 3, 2]
    assert machine.next_wake() == 3
    machine.stop()
    assert machine.next_wake() is None
    machine.wake(3)
    assert machine.states == [CANCELLED] * 6
    assert machine.dropped == list(range(6))


MANY = 100_000


@pytest.mark.parametrize(
    ("event", "stop_on_failure"),
    [("fail", True), ("fail", False), ("skip", True), ("cancel", True)],
)
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
def test_100_000_dependants_are_skipped(
    make: Callable[[], Predecessors], stop_on_failure: bool, event: str
) -> None:
    """The end of one task reaches all the others, and nothing recurses."""
    shape = make()
    machine = Machine(Plan(shape), [0] * len(shape), 1, stop_on_failure=stop_on_failure)
    task = machine.take(0)
    getattr(machine, event)(task)
    assert machine.states == [OUTCOMES[event], *[SKIPPED] * MANY]
    assert machine.unsettled == 0
    assert sorted(machine.dropped) == list(range(1, MANY + 1))
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
    assert machine.states == [FAILED, *[others] * (MANY - 1)]
    assert machine.unsettled == 0


@pytest.mark.parametrize(
    ("trigger", "event", "runs"),
    [
        (ALL_DONE, "fail", True),
        (ANY_FAILED, "fail", True),
        (ANY_FAILED, "skip", False),
        (ANY_SUCCEEDED, "cancel", False),
    ],
)
def test_one_task_waits_for_100_000(trigger: int, event: str, runs: bool) -> None:
    """It looks at them once: when the last one is settled."""
    shape: Predecessors = [*([] for _ in range(MANY)), list(range(MANY))]
    triggers = [ALL_SUCCEEDED] * MANY + [trigger]
    machine = Machine(
        Plan(shape), [0] * (MANY + 1), 1, stop_on_failure=False, triggers=triggers
    )
    for task in range(MANY):
        assert machine.take(0) == task
        assert machine.states[MANY] == PENDING
        getattr(machine, event)(task)
    assert machine.take(0) == (MANY if runs else NOTHING)
    assert machine.unsettled == runs
    assert machine.dropped == ([] if runs else [MANY])


@pytest.mark.parametrize("stop_on_failure", [True, False])
@pytest.mark.parametrize("trigger", [ALL_DONE, ANY_FAILED, ANY_SUCCEEDED])
def test_a_chain_of_100_000_triggers(trigger: int, stop_on_failure: bool) -> None:
    """Each fails in turn; where one cannot run, all behind it are skipped at once."""
    plan = Plan(chain(MANY + 1))
    machine = Machine(
        plan,
        [0] * (MANY + 1),
        1,
        stop_on_failure=stop_on_failure,
        triggers=[trigger] * (MANY + 1),
    )
    ran = 0
    while (task := machine.take(0)) != NOTHING:
        assert task == ran
        machine.fail(task)
        ran += 1
    outlive = trigger in OUTLIVING
    assert ran == (MANY + 1 if outlive else 1)
    assert machine.states == [*[FAILED] * ran, *[SKIPPED] * (MANY + 1 - ran)]
    assert machine.unsettled == 0


@pytest.mark.parametrize("trigger", sorted(OUTLIVING))
def test_half_of_100_000_outlive_a_failure(trigger: int) -> None:
    """The others are cancelled at once, in order, and decide about the first half."""
    half = MANY // 2
    # 0 fails; behind it, in turn, a task of its own and a clean-up of that task.
    shape: Predecessors = [
        [],
        *([] if task % 2 else [task - 1] for task in range(1, MANY + 1)),
    ]
    triggers = [ALL_SUCCEEDED, *([ALL_SUCCEEDED, trigger] * half)]
    machine = Machine(Plan(shape), [0] * (MANY + 1), 1, triggers=triggers)
    machine.fail(machine.take(0))
    assert machine.states[1::2] == [CANCELLED] * half
    assert machine.dropped[:half] == list(range(1, MANY, 2))
    if trigger == ALL_DONE:
        assert machine.unsettled == half
        assert len(machine.dropped) == half
        assert drain(machine) == list(range(2, MANY + 1, 2))
    assert machine.unsettled == 0
    # Nothing that an alarm listens to has failed.
    last = SUCCEEDED if trigger == ALL_DONE else SKIPPED
    assert machine.states[2::2] == [last] * half
