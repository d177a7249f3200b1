"""Which ready task is next, and which has to wait: random graphs x random events."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_plan import Predecessors, dags

from syncra._core.limited import LimitedMachine
from syncra._core.machine import NOTHING, Machine
from syncra._core.plan import Plan
from syncra._core.ranking import (
    Ranked,
    Ranks,
    by_priority,
    longest_first,
    remaining_paths,
)
from syncra._core.states import READY, RUNNING, SUCCEEDED, TERMINAL, WAITING

SIZE = 10
LANES = range(2)
FRESH = 10**9
OUTCOMES = ("succeed",) * 6 + ("fail", "skip", "cancel", "retry", "put_back")


def longest_by_walking(predecessors: Predecessors, weights: list[float]) -> list[float]:
    """Work out from every path by itself what `remaining_paths` has to find."""

    def longest(task: int) -> float:
        followers = [
            other for other, before in enumerate(predecessors) if task in before
        ]
        return weights[task] + max(map(longest, followers), default=0.0)

    return [longest(task) for task in range(len(predecessors))]


@given(dags(max_size=SIZE), st.data())
def test_remaining_paths(predecessors: Predecessors, data: st.DataObject) -> None:
    size = len(predecessors)
    numbers = st.integers(0, 9).map(float)
    weights = data.draw(st.lists(numbers, min_size=size, max_size=size))
    found = remaining_paths(Plan(predecessors), weights)
    assert found == longest_by_walking(predecessors, weights)
    counted = remaining_paths(Plan(predecessors))
    assert counted == longest_by_walking(predecessors, [1.0] * size)


@given(dags(max_size=SIZE), st.data())
def test_longest_first(predecessors: Predecessors, data: st.DataObject) -> None:
    """By priority, then by what is left to do, then in topological order."""
    size, plan = len(predecessors), Plan(predecessors)
    priorities = data.draw(
        st.none() | st.lists(st.integers(-1, 1), min_size=size, max_size=size)
    )
    ranks = longest_first(plan, None, priorities)
    longest = remaining_paths(plan)
    place = {task: number for number, task in enumerate(plan.order)}

    def key(task: int) -> tuple[float, ...]:
        first = -priorities[task] if priorities is not None else 0
        return first, -longest[task], place[task]

    wanted = sorted(range(size), key=key)
    if ranks is None:
        assert wanted == plan.order
        assert priorities is None
    else:
        assert list(ranks.tasks) == wanted
        assert [ranks.tasks[place] for place in ranks.places] == list(range(size))


def test_no_ranks_where_tasks_are_ready_in_that_order() -> None:
    """So the common shapes cost nothing."""
    chain = [[task - 1] if task else [] for task in range(50)]
    fan = [[], *[[0]] * 48, list(range(1, 49))]
    assert longest_first(Plan(chain)) is None
    assert longest_first(Plan(fan)) is None
    late = [[], [], [1], [2]]  # the second root has more behind it
    found = longest_first(Plan(late))
    assert found is not None
    assert found.tasks[0] == 1


@given(st.permutations(range(SIZE)), st.lists(st.integers(-1, SIZE - 1)))
def test_a_ranked_queue_is_a_sorted_one(tasks: list[int], moves: list[int]) -> None:
    """A task for each number that is not negative comes, else the first one goes."""
    queue, model = Ranked(Ranks(tasks)), []
    for move in moves:
        if move >= 0 and move not in model:
            queue.append(move)
            model = sorted([*model, move], key=tasks.index)
        elif model:
            assert queue.popleft() == model.pop(0)
        assert bool(queue) == bool(model)
        assert sorted(queue) == sorted(model)
    queue.clear()
    queue.extend(model)
    assert [queue.popleft() for _ in model] == model


class Driver:
    """Do to a machine what workers do, and look whether the laws are kept."""

    def __init__(
        self,
        predecessors: Predecessors,
        capacities: list[int],
        needs: dict[int, tuple[tuple[int, int], ...]],
        lanes: list[int],
        ranks: Ranks | None,
    ) -> None:
        self.capacities, self.needs, self.lanes = capacities, needs, lanes
        self.ranks = ranks
        self.clock = 0
        self.since = [FRESH] * len(predecessors)
        self.parkings = 0
        self.predecessors = predecessors
        self.machine = LimitedMachine(
            Plan(predecessors),
            lanes,
            len(LANES),
            stop_on_failure=False,
            ranks=[ranks, ranks] if ranks else None,
            capacities=capacities,
            needs=needs,
        )

    def all_in(self, *states: int) -> list[int]:
        found = enumerate(self.machine.states)
        return [task for task, state in found if state in states]

    def fits(self, task: int) -> bool:
        free = self.machine.free
        return all(free[thing] >= much for thing, much in self.needs.get(task, ()))

    def take(self, lane: int) -> int:
        ready = [task for task in self.all_in(READY) if self.lanes[task] == lane]
        fitted = {task for task in ready if self.fits(task)}
        free, waiting = self.machine.free.copy(), self.machine.parked()
        task = self.machine.take(lane)
        self.note_parked()
        if task == NOTHING:
            assert not self.machine.queues[lane]
            return task

        self.check_nobody_is_passed(task, waiting, free)

        assert task in fitted
        assert all(
            self.machine.states[other] == SUCCEEDED for other in self.predecessors[task]
        )
        if self.ranks is not None:
            # Only what has to wait for something is passed by what comes after it.
            better = self.ranks.tasks[: self.ranks.places[task]]
            assert all(self.needs.get(other) for other in better if other in ready)
        return task

    def check_nobody_is_passed(
        self, task: int, waiting: list[int], free: list[int]
    ) -> None:
        """Look whether a task has taken what somebody before it waits for."""
        order = self.since if self.ranks is None else self.ranks.places
        for other in waiting:
            (thing, amount), *more = self.needs[other]
            if order[other] < order[task] and not more and free[thing] < amount:
                assert thing not in dict(self.needs.get(task, ()))
        self.since[task] = FRESH

    def note_parked(self) -> None:
        """Number those that wait now and did not before."""
        for task in self.machine.parked():
            if self.since[task] == FRESH:
                self.since[task] = self.parkings = self.parkings + 1

    def end(self, task: int, outcome: str) -> None:
        if outcome == "retry":
            self.machine.retry_at(task, self.clock + 1)
        else:
            getattr(self.machine, outcome)(task)

    def check(self) -> None:
        machine = self.machine
        taken = [0] * len(self.capacities)
        for task in self.all_in(RUNNING):
            for thing, amount in self.needs.get(task, ()):
                taken[thing] += amount
        for thing, capacity in enumerate(self.capacities):
            assert machine.free[thing] == capacity - taken[thing]
            assert machine.free[thing] >= 0
        waiting = [task for queue in machine.queues for task in queue]
        assert sorted([*waiting, *machine.parked()]) == self.all_in(READY)

    def drain(self) -> None:
        """Let all that can start do so: then nothing waits for nobody."""
        while any(self.take(lane) != NOTHING for lane in LANES):
            self.check()
        if self.all_in(READY):
            assert self.all_in(RUNNING), "ready tasks wait, and nobody has anything"


@given(dags(max_size=SIZE), st.data())
def test_limits(predecessors: Predecessors, data: st.DataObject) -> None:
    """Nobody takes more than there is, nobody is forgotten, nobody waits for ever."""
    size = len(predecessors)
    capacities = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    needs = {}
    for task in range(size):
        things = data.draw(
            st.lists(st.sampled_from(range(len(capacities))), unique=True)
        )
        amounts = [
            (thing, data.draw(st.integers(1, capacities[thing]))) for thing in things
        ]
        if amounts:
            needs[task] = tuple(amounts)
    lanes = data.draw(st.lists(st.sampled_from(LANES), min_size=size, max_size=size))
    tasks = data.draw(st.permutations(range(size)))
    ranks = Ranks(tasks) if size and data.draw(st.booleans()) else None
    driver = Driver(predecessors, capacities, needs, lanes, ranks)
    for _ in range(data.draw(st.integers(0, 4 * SIZE))):
        running = driver.all_in(RUNNING)
        if running and data.draw(st.booleans()):
            outcome = data.draw(st.sampled_from(OUTCOMES))
            driver.end(data.draw(st.sampled_from(running)), outcome)
        else:
            driver.take(data.draw(st.sampled_from(LANES)))
        driver.check()
    if data.draw(st.booleans()):
        driver.machine.halt()
        assert not driver.all_in(READY, WAITING)
    while driver.machine.unsettled:
        driver.clock += 1
        driver.machine.wake(driver.clock)
        driver.drain()
        for task in driver.all_in(RUNNING):
            driver.end(task, "succeed")
            driver.check()
    assert TERMINAL.issuperset(driver.machine.states)
    assert driver.machine.free == capacities


def limited(**options: Any) -> LimitedMachine:
    """Return a machine of four tasks that wait for nobody, in one lane."""
    return LimitedMachine(Plan([[]] * 4), [0] * 4, 1, **options)


def test_succeed_gives_back_before_it_takes() -> None:
    """So the same worker goes on, and nobody has to be hired."""
    machine = limited(capacities=[1], needs={}, default=((0, 1),))
    assert machine.take(0) == 0
    assert machine.take(0) == NOTHING
    assert [machine.succeed(task, 0) for task in range(4)] == [1, 2, 3, NOTHING]


def test_one_that_needs_much_gets_its_turn() -> None:
    """What needs little does not pass it for ever."""
    machine = limited(capacities=[2], needs={1: ((0, 2),)}, default=((0, 1),))
    assert machine.take(0) == 0
    assert machine.take(0) == NOTHING  # the second needs two; the others are behind it
    assert machine.parked() == [1, 2, 3]
    assert machine.succeed(0, 0) == 1
    assert machine.take(0) == NOTHING
    assert machine.succeed(1, 0) == 2
    assert machine.take(0) == 3


def test_one_that_needs_much_is_not_passed_by_what_comes_later() -> None:
    """Small ones become ready all the time, each when one of them ends."""
    small = 50
    predecessors = [[], [], [], *([task] for task in range(1, small))]
    big, needs = 2, {2: ((0, 2),)}
    machine = LimitedMachine(
        Plan(predecessors),
        bytes(len(predecessors)),
        1,
        capacities=[2],
        needs=needs,
        default=((0, 1),),
    )
    running = [machine.take(0), machine.take(0)]
    assert running == [0, 1]
    assert machine.succeed(0, 0) == NOTHING  # one is free, the big one needs two
    assert machine.succeed(1, 0) == big
    assert machine.succeed(big, 0) == 3


def test_whose_rank_is_higher_passes_one_that_waits() -> None:
    ranks = Ranks([0, 1, 3, 2])
    needs = {1: ((0, 1),), 2: ((0, 2),)}
    machine = LimitedMachine(
        Plan([[], [], [], [1]]),
        bytes(4),
        1,
        capacities=[2],
        needs=needs,
        default=((0, 1),),
        ranks=[ranks],
    )
    assert [machine.take(0), machine.take(0), machine.take(0)] == [0, 1, NOTHING]
    assert machine.parked() == [2]
    assert machine.succeed(1, 0) == 3  # first by rank, and there is room for it
    assert machine.succeed(0, 0) == NOTHING
    assert machine.succeed(3, 0) == 2


@pytest.mark.parametrize("is_ranked", [False, True])
def test_many_that_need_two_things_are_not_moved_about(is_ranked: bool) -> None:
    """Each is looked at a few times, however many wait and whatever for."""
    size, looks = 3_000, 0

    class Counting(LimitedMachine):
        def _lacking(self, task: int, needs: tuple[tuple[int, int], ...]) -> int:
            nonlocal looks
            looks += 1
            return super()._lacking(task, needs)

    both = ((0, 1), (1, 1))
    needs = {task: (both, both[:1], both[1:])[task % 3] for task in range(size)}
    machine = Counting(
        Plan([[]] * size),
        bytes(size),
        1,
        capacities=[1, 2],
        needs=needs,
        ranks=[Ranks(range(size)[::-1])] if is_ranked else None,
    )
    running: list[int] = []
    while machine.unsettled:
        while (task := machine.take(0)) != NOTHING:
            running.append(task)
        machine.succeed(running.pop(0))
    assert looks < 10 * size


def test_who_lacks_another_thing_holds_up_nobody() -> None:
    """The first thing is free again as soon as the task turns to the other one."""
    needs = {0: ((0, 1),), 1: ((1, 1),), 2: ((0, 1), (1, 1)), 3: ((0, 1),)}
    machine = limited(capacities=[1, 1], needs=needs)
    assert [machine.take(0) for _ in range(3)] == [0, 1, NOTHING]
    assert machine.succeed(0, 0) == 3
    assert machine.succeed(3, 0) == NOTHING
    assert machine.succeed(1, 0) == 2


def test_one_that_comes_late_and_is_first_leaves_the_others_in_their_place() -> None:
    """All of them start at once when there is enough for all."""
    machine = LimitedMachine(
        Plan([[], [3], [], []]),
        bytes(4),
        1,
        capacities=[3],
        needs={0: ((0, 3),), 3: ()},
        default=((0, 1),),
        ranks=[Ranks([0, 3, 1, 2])],
    )
    assert [machine.take(0) for _ in range(3)] == [0, 3, NOTHING]
    assert machine.parked() == [2]
    assert machine.succeed(3, 0) == NOTHING  # the next one has to wait as well
    assert machine.parked() == [1, 2]
    assert machine.succeed(0, 0) == 1
    assert machine.take(0) == 2
    assert machine.free == [1]


def test_two_that_lack_one_thing_turn_to_another_one_together() -> None:
    """Nothing is left of them in the line that they came from."""
    both = ((1, 1), (0, 1))
    machine = LimitedMachine(
        Plan([[], [3], [], [], [5], []]),
        bytes(6),
        1,
        capacities=[1, 1],
        needs={0: ((0, 1),), 1: both, 2: both, 4: ((1, 1),)},
        ranks=[Ranks([0, 3, 5, 1, 2, 4])],
    )
    assert [machine.take(0) for _ in range(4)] == [0, 3, 5, NOTHING]
    assert machine.succeed(3, 0) == NOTHING  # the first of the two is second to come
    assert machine.succeed(5, 0) == 4  # it takes what those two do not lack yet
    assert machine.succeed(0, 0) == NOTHING
    assert machine.parked() == [1, 2]
    assert machine.succeed(4, 0) == 1
    assert machine.succeed(1, 0) == 2


@pytest.mark.parametrize("event", ["retry_at", "put_back"])
def test_what_is_to_come_again_after_a_halt_gives_back_once(event: str) -> None:
    machine = limited(capacities=[1], needs={}, default=((0, 1),))
    assert machine.take(0) == 0
    machine.halt()
    getattr(machine, event)(0, *([1.0] if event == "retry_at" else []))
    assert machine.free == [1]
    assert not machine.unsettled


def test_100_000_tasks_that_wait_for_one_thing_stay_linear() -> None:
    size = 100_000
    machine = LimitedMachine(
        Plan([[]] * size), bytes(size), 1, capacities=[1], needs={}, default=((0, 1),)
    )
    task = machine.take(0)
    for _ in range(size - 1):
        task = machine.succeed(task, 0)
    assert machine.succeed(task, 0) == NOTHING
    assert not machine.unsettled


def test_by_priority_keeps_the_order_of_equals() -> None:
    assert by_priority([3, 1, 2, 0], [5, 0, 5, 0]).tasks == [2, 0, 3, 1]
    assert by_priority([3, 1, 2, 0], None).tasks == [3, 1, 2, 0]


@pytest.mark.parametrize("lane", LANES)
def test_each_lane_has_ranks_of_its_own(lane: int) -> None:
    """One may go by ranks while another one goes by time."""
    ranks: list[Ranks | None] = [None, None]
    ranks[lane] = Ranks([3, 2, 1, 0])
    machine = Machine(Plan([[]] * 4), [lane] * 4, 2, ranks=ranks)
    assert [machine.take(lane) for _ in range(4)] == [3, 2, 1, 0]
    machine = Machine(Plan([[]] * 4), [1 - lane] * 4, 2, ranks=ranks)
    assert [machine.take(1 - lane) for _ in range(4)] == [0, 1, 2, 3]
