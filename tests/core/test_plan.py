"""The shape of a graph: order, neighbours, what lies upstream, cycles (design 3.1)."""

from __future__ import annotations

import graphlib
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncra._core.plan import Plan, PlanCycle

#: For each task, the ids it waits for.
Predecessors = list[list[int]]

repeatable = settings(derandomize=True, deadline=None, max_examples=300)


def chain(size: int) -> Predecessors:
    return [[task - 1] if task else [] for task in range(size)]


def layouts(size: int) -> Iterator[Predecessors]:
    """Yield graphs of `size` tasks as people draw them."""
    ids = range(size)
    isolated: Predecessors = [[] for _ in ids]
    yield isolated
    yield chain(size)
    yield [*([task + 1] for task in ids[:-1]), []]  # a chain against the ids
    yield [[], *([0] for _ in ids[1:])]  # fan out
    yield [*isolated[:-1], list(ids[:-1])]  # fan in
    yield [list(range(task)) for task in ids]  # everybody waits for all before
    yield [[task - 2] if task > 1 else [] for task in ids]  # two chains
    width = 4
    above = [
        range(max(0, task // width - 1) * width, task // width * width) for task in ids
    ]
    yield [list(waits_for) for waits_for in above]  # layers


LAYOUTS = [shape for size in (5, 8, 20, 60) for shape in layouts(size)]


@st.composite
def random_dags(draw: st.DrawFn, max_size: int) -> Predecessors:
    """Draw tasks, pairs of them, and the hidden order that turns pairs into edges."""
    size = draw(st.integers(0, max_size))
    if not size:
        return []

    rank = draw(st.permutations(range(size)))
    ids = st.integers(0, size - 1)
    found: Predecessors = [[] for _ in range(size)]
    for pair in draw(st.lists(st.tuples(ids, ids), max_size=3 * size)):
        before, after = sorted(pair, key=rank.__getitem__)
        if before != after and before not in found[after]:
            found[after].append(before)
    return found


def dags(max_size: int = 60) -> st.SearchStrategy[Predecessors]:
    """Draw any graph without a cycle: random ones, and layouts that people draw."""
    fitting = [shape for shape in LAYOUTS if len(shape) <= max_size]
    return random_dags(max_size) | st.sampled_from(fitting)


@st.composite
def digraphs(draw: st.DrawFn, max_size: int = 12) -> Predecessors:
    """Draw any graph at all, with cycles and tasks that wait for themselves."""
    size = draw(st.integers(1, max_size))
    ids = st.integers(0, size - 1)
    waits_for = st.lists(ids, unique=True, max_size=3)
    return draw(st.lists(waits_for, min_size=size, max_size=size))


def everything_upstream(predecessors: Predecessors) -> list[set[int]]:
    """Return for each task all that it waits for, directly or not, the slow way."""
    found = [set(waits_for) for waits_for in predecessors]
    changed = True
    while changed:
        changed = False
        for task, above in enumerate(found):
            more = above.union(*(found[before] for before in above))
            changed |= more != above
            found[task] = more
    return found


def levels(predecessors: Predecessors) -> list[int]:
    """Return for each task how many tasks the longest way to it has."""
    size = len(predecessors)
    found = [0] * size
    for _ in range(size):
        for task, waits_for in enumerate(predecessors):
            found[task] = max((found[before] + 1 for before in waits_for), default=0)
    return found


def edges(predecessors: Predecessors) -> Iterator[tuple[int, int]]:
    for task, waits_for in enumerate(predecessors):
        for before in waits_for:
            yield before, task


@repeatable
@given(dags())
def test_order_is_topological(predecessors: Predecessors) -> None:
    """Every task is there once, behind all that it waits for, level by level."""
    order = Plan(predecessors).order
    assert sorted(order) == list(range(len(predecessors)))
    place = {task: number for number, task in enumerate(order)}
    assert all(place[before] < place[task] for before, task in edges(predecessors))
    level = levels(predecessors)
    assert [level[task] for task in order] == sorted(level)
    assert Plan(predecessors).order == order


@repeatable
@given(dags())
def test_neighbours(predecessors: Predecessors) -> None:
    """Successors are predecessors seen from the other side; counts and roots fit."""
    plan = Plan(predecessors)
    assert plan.size == len(plan.successors) == len(predecessors)
    assert [list(waits_for) for waits_for in plan.predecessors] == predecessors
    backwards = [
        (task, follower)
        for task, followers in enumerate(plan.successors)
        for follower in followers
    ]
    assert sorted(backwards) == sorted(edges(predecessors))
    assert all(list(ids) == sorted(ids) for ids in plan.successors)
    assert plan.counts == [len(waits_for) for waits_for in predecessors]
    assert plan.roots == [
        task for task, waits_for in enumerate(predecessors) if not waits_for
    ]


@repeatable
@given(dags(), st.lists(st.integers(0, 59), max_size=4))
def test_upstream(predecessors: Predecessors, numbers: list[int]) -> None:
    """It holds the targets and exactly what can be reached backwards from them."""
    plan = Plan(predecessors)
    targets = [number % plan.size for number in numbers if plan.size]
    above = everything_upstream(predecessors)
    expected = set(targets).union(*(above[target] for target in targets))
    assert plan.upstream(iter(targets)) == sorted(expected)


@given(dags())
def test_leaves(predecessors: Predecessors) -> None:
    """Nobody waits for them, and for all others somebody does."""
    before = set().union(*predecessors) if predecessors else set()
    assert set(Plan(predecessors).leaves) == set(range(len(predecessors))) - before


def test_empty() -> None:
    """A graph without tasks is a graph."""
    plan = Plan([])
    assert plan.size == 0
    assert plan.order == plan.roots == plan.counts == plan.upstream([]) == []


def check_cycle(path: list[int], predecessors: Predecessors) -> None:
    """Assert that one could walk `path` round and round, in the order it would run."""
    assert len(path) >= 2
    assert path[0] == path[-1] == min(path)
    assert len(set(path)) == len(path) - 1
    for before, task in pairwise(path):
        assert before in predecessors[task]


@repeatable
@given(digraphs())
def test_a_cycle_is_found_where_there_is_one(predecessors: Predecessors) -> None:
    """The standard library says whether there is one; the path is one of the graph."""
    try:
        graphlib.TopologicalSorter(dict(enumerate(predecessors))).prepare()
    except graphlib.CycleError:
        with pytest.raises(PlanCycle) as caught:
            Plan(predecessors)

        check_cycle(caught.value.path, predecessors)
        assert str(caught.value).endswith(" -> ".join(map(str, caught.value.path)))
        with pytest.raises(PlanCycle) as again:
            Plan(predecessors)

        assert again.value.path == caught.value.path
    else:
        assert len(Plan(predecessors).order) == len(predecessors)


@repeatable
@given(st.permutations(range(9)), st.integers(1, 6))
def test_the_path_of_a_cycle_is_always_the_same(ids: list[int], length: int) -> None:
    """It starts at the smallest id, wherever the walk has met the cycle."""
    loop, rest = ids[:length], ids[length:]
    predecessors: Predecessors = [[] for _ in ids]
    for before, task in zip(loop, [*loop[1:], loop[0]], strict=True):
        predecessors[task].append(before)
    # What follows the cycle is stuck too; what leads to it is not.
    predecessors[rest[0]].append(loop[0])
    predecessors[rest[1]] += [rest[0], loop[-1]]
    predecessors[loop[0]].append(rest[2])
    start = loop.index(min(loop))
    expected = [*loop[start:], *loop[:start], loop[start]]
    for shape in (predecessors, [waits_for[::-1] for waits_for in predecessors]):
        with pytest.raises(PlanCycle) as caught:
            Plan(shape)

        assert caught.value.path == expected


def test_a_task_that_waits_for_itself() -> None:
    """The shortest cycle there is."""
    with pytest.raises(PlanCycle, match=r"^cycle: 1 -> 1$") as caught:
        Plan([[], [1], [1]])

    assert caught.value.path == [1, 1]


MANY = 100_000


def test_a_chain_of_100_000() -> None:
    """Nothing recurses over a graph."""
    plan = Plan(chain(MANY))
    assert plan.order == list(range(MANY))
    assert plan.roots == [0]
    assert plan.upstream([MANY - 1]) == plan.order
    assert Plan([*([task] for task in range(1, MANY)), []]).order == plan.order[::-1]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: [[], *([0] for _ in range(MANY))], id="fan-out"),
        pytest.param(lambda: [*([] for _ in range(MANY)), [*range(MANY)]], id="fan-in"),
        pytest.param(lambda: [[] for _ in range(MANY)], id="isolated"),
    ],
)
def test_100_000_neighbours(make: Callable[[], Predecessors]) -> None:
    """One task may have as many as there are."""
    shape = make()
    plan = Plan(shape)
    last = len(shape) - 1
    assert plan.order == list(range(len(shape)))
    assert plan.upstream([last]) == [*shape[last], last]
    assert sum(map(len, plan.successors)) == sum(plan.counts)


def test_a_cycle_of_100_000() -> None:
    """The path is the whole cycle, but not the task that waits behind it."""
    shape = chain(MANY)
    shape[0] = [MANY - 1]
    shape.append([MANY // 2])
    with pytest.raises(PlanCycle) as caught:
        Plan(shape)

    assert caught.value.path == [*range(MANY), 0]
