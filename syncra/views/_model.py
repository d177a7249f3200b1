"""What a picture shows: boxes, and edges between them. Knows no format."""

from __future__ import annotations

from dataclasses import dataclass, field

from .._core import states as core
from .._names import counted
from ._wiring import inputs_by_task, remarks_on, wires_of
from ._words import check_choice, one_line, some_of
from .folding import keys_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Literal, TypeAlias

    from .._compiled import Compiled
    from ._wiring import Wire
    from .folding import Fold, Key

    #: How users say in which direction a picture goes.
    Direction: TypeAlias = Literal["LR", "TB"] | None

#: What tasks that are ready, or wait to be tried again, are for users.
STATE_NAMES = tuple(
    "pending" if state in (core.READY, core.WAITING) else name
    for state, name in enumerate(core.STATE_NAMES)
)
#: What is told of many tasks: the first of these that there is among them.
BY_INTEREST = ("failed", "cancelled", "running", "skipped", "pending", "succeeded")

#: The most letters of a name in a picture.
LENGTH_OF_A_NAME = 40
#: The most letters of a name where it is told beside the picture.
LENGTH_OF_A_HINT = 500
#: How many inputs are drawn, and to how many boxes each leads; others are only named.
MOST_INPUTS = 20
MOST_TAKERS = 8
#: With more levels than this a picture goes down rather than to the right.
MOST_TO_THE_RIGHT = 12


@dataclass
class Box:
    """Hold what is drawn as one box.

    Attributes:
        id: what edges call it: letters and digits, different in each picture.
        kind: "task", "group" or "input".
        title: its name, on one line.
        remarks: what is told below, a line each.
        hint: the whole name, or those of the tasks in it.
        state: the state of its task, or the most interesting one of a group.
    """

    id: str
    kind: str
    title: str
    remarks: list[str]
    hint: str
    state: str | None = None


@dataclass
class Edge:
    """Hold an edge between two boxes.

    Attributes:
        source: id of the box that comes first.
        target: id of the other.
        is_order: whether nothing passes along it.
        count: how many edges between tasks it stands for.
        parts: names of the parts of a result that pass, if not all of it does.
    """

    source: str
    target: str
    is_order: bool
    count: int = 1
    parts: dict[str, None] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Return what is written at it."""
        if self.count > 1:
            return f"{self.count:,}"

        return some_of(list(self.parts), 3, LENGTH_OF_A_NAME)


@dataclass
class Picture:
    """Hold all that is drawn of a graph.

    Attributes:
        title: name of the graph, on one line.
        counts: how many tasks there are, or how many are in each state.
        direction: "LR" if it goes to the right, "TB" if it goes down.
        boxes: what is drawn, what comes first first.
        edges: what connects them.
    """

    title: str
    counts: str
    direction: str
    boxes: list[Box]
    edges: list[Edge]


def picture_of(
    compiled: Compiled,
    states: bytes | None = None,
    *,
    direction: Direction = None,
    fold: Fold = "auto",
) -> Picture:
    """Return what is drawn of a graph.

    Parameters:
        compiled: the graph.
        states: where its tasks stand in a run, if it is one of those that is drawn.
        direction: "LR" or "TB"; if None, to the right unless the picture gets long.
        fold: which tasks share a box, see `keys_of`.

    Raises:
        ValueError: if direction or fold are none.
    """
    check_choice(direction, ("LR", "TB", None), "direction")
    wires = wires_of(compiled)
    keys = keys_of(compiled, wires, fold)
    boxes, box_of = _boxes(compiled, states, keys)
    edges = _edges(wires, box_of)
    if direction is None:
        direction = "TB" if _length(boxes, edges) > MOST_TO_THE_RIGHT else "LR"
    inputs = _inputs(compiled, boxes, box_of, edges)
    counts = counted(compiled.plan.size, "task")
    if states is not None:
        counts = _counts(states) or counts
    title = one_line(compiled.graph, LENGTH_OF_A_NAME)
    return Picture(title, counts, direction, [*inputs, *boxes], edges)


def _boxes(
    compiled: Compiled, states: bytes | None, keys: list[Key] | None
) -> tuple[list[Box], list[Box]]:
    """Return the boxes of all tasks, and that of each task."""
    members: dict[Key, list[int]] = {}
    for task in compiled.plan.order:
        members.setdefault(task if keys is None else keys[task], []).append(task)
    boxes: list[Box] = []
    box_of: list[Box] = [None] * compiled.plan.size  # type: ignore[list-item]
    for key, tasks in members.items():
        if len(tasks) == 1:
            box = _box_of_task(compiled, states, tasks[0])
        else:
            box = _box_of_group(compiled, states, tasks, f"g{len(boxes)}", key)
        boxes.append(box)
        for task in tasks:
            box_of[task] = box
    return boxes, box_of


def _box_of_task(compiled: Compiled, states: bytes | None, task: int) -> Box:
    name = compiled.names[task]
    remarks = [" · ".join(remarks_on(compiled, task))]
    state = None if states is None else STATE_NAMES[states[task]]
    if state is not None:
        remarks.append(state)
    return Box(
        f"t{task}",
        "task",
        one_line(name, LENGTH_OF_A_NAME),
        [remark for remark in remarks if remark],
        one_line(name, LENGTH_OF_A_HINT),
        state,
    )


def _box_of_group(
    compiled: Compiled, states: bytes | None, tasks: list[int], box: str, key: Key
) -> Box:
    assert isinstance(key, tuple)
    title, remark = key
    remarks = [" · ".join(filter(None, (counted(len(tasks), "task"), remark)))]
    names = compiled.names
    state = None
    if states is not None:
        found = {STATE_NAMES[states[task]] for task in tasks}
        state = next(name for name in BY_INTEREST if name in found)
        counts = _counts(states[task] for task in tasks)
        remarks.append(f"all {state}" if len(found) == 1 else counts)
        failed = [names[task] for task in tasks if states[task] == core.FAILED]
        if failed and len(found) > 1:
            remarks.append(f"failed: {some_of(failed, 2, LENGTH_OF_A_NAME)}")
    hint = some_of([names[task] for task in tasks], 10, LENGTH_OF_A_NAME)
    return Box(box, "group", one_line(title, LENGTH_OF_A_NAME), remarks, hint, state)


def _counts(states: Iterable[int]) -> str:
    """Return how many tasks are in each state."""
    counts = dict.fromkeys(STATE_NAMES, 0)
    for state in states:
        counts[STATE_NAMES[state]] += 1
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def _edges(wires: Sequence[Wire], box_of: Sequence[Box]) -> list[Edge]:
    """Return the edges between boxes; what stays within one is not drawn."""
    edges: dict[tuple[str, str], Edge] = {}
    for wire in wires:
        source, target = box_of[wire.source].id, box_of[wire.target].id
        if source == target:
            continue

        edge = edges.get((source, target))
        if edge is None:
            parts = dict.fromkeys(wire.parts)
            edges[source, target] = Edge(source, target, wire.is_order, parts=parts)
        else:
            edge.count += 1
            edge.is_order = edge.is_order and wire.is_order
    return list(edges.values())


def _length(boxes: list[Box], edges: list[Edge]) -> int:
    """Return how many boxes the longest path has. Edges that lead back do not count."""
    places = {box.id: place for place, box in enumerate(boxes)}
    after: list[list[int]] = [[] for _ in boxes]
    for edge in edges:
        after[places[edge.source]].append(places[edge.target])
    lengths = [1] * len(boxes)
    for place, followers in enumerate(after):
        for follower in followers:
            if follower > place:
                lengths[follower] = max(lengths[follower], lengths[place] + 1)
    return max(lengths, default=0)


def _inputs(
    compiled: Compiled, boxes: list[Box], box_of: Sequence[Box], edges: list[Edge]
) -> list[Box]:
    """Return the boxes of inputs and add their edges.

    Where they are many, or lead everywhere, boxes only name them.
    """
    if len(compiled.inputs) <= MOST_INPUTS:
        drawn = [
            name
            for name, found in compiled.inputs.items()
            if len({box_of[compiled.ids[task]].id for task in found.tasks})
            <= MOST_TAKERS
        ]
    else:
        drawn = []
    numbers = {name: number for number, name in enumerate(drawn)}
    takes: dict[str, dict[str, None]] = {}
    for task, names in inputs_by_task(compiled).items():
        takes.setdefault(box_of[task].id, {}).update(dict.fromkeys(names))
    named: dict[str, list[str]] = {}
    for box in boxes:
        for name in takes.get(box.id, ()):
            if name in numbers:
                edges.append(Edge(f"i{numbers[name]}", box.id, is_order=False))
            else:
                named.setdefault(box.id, []).append(name)
        if box.id in named:
            what = "input" if len(named[box.id]) == 1 else "inputs"
            what = f"{what} {some_of(named[box.id], 3, LENGTH_OF_A_NAME)}"
            box.remarks.insert(len(box.remarks) - (box.state is not None), what)
    return [
        Box(
            f"i{number}",
            "input",
            one_line(name, LENGTH_OF_A_NAME),
            [],
            f"input {one_line(name, LENGTH_OF_A_HINT)}",
        )
        for name, number in numbers.items()
    ]
