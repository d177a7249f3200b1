"""Which tasks of a large graph are drawn as one box."""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice

from ._wiring import levels_of
from ._words import check_choice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Literal, TypeAlias

    from .._compiled import Compiled
    from ._wiring import Wire

    #: How users say what is folded.
    Fold: TypeAlias = Literal["auto", "tags", "prefix"] | None
    #: Which box a task is in: that of its own, which is its id, or one with a title
    #: and a remark.
    Key: TypeAlias = int | tuple[str, str]

#: What a picture has that is folded unasked: more tasks or edges than these.
MOST_TASKS = 100
MOST_EDGES = 400
#: The most boxes of a picture that has been folded.
MOST_BOXES = 40
#: Fewer boxes than these say little of a graph.
FEW_BOXES = 3

#: What names are made of: words, also those of camelCase, and numbers.
_WORDS = re.compile(r"\d+|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+")
#: With how many words at their begin names are compared.
_MOST_WORDS = 8


def keys_of(compiled: Compiled, wires: Sequence[Wire], fold: Fold) -> list[Key] | None:
    """Return for each task the box it is drawn in; None if each has its own.

    Parameters:
        compiled: the graph.
        wires: its edges.
        fold: "tags" and "prefix" say by what; "auto" does what suits, if the graph is
            large; None folds nothing.

    Raises:
        ValueError: if `fold` is something else.
    """
    check_choice(fold, ("auto", "tags", "prefix", None), "fold")
    is_small = compiled.plan.size <= MOST_TASKS and len(wires) <= MOST_EDGES
    if fold is None or (fold == "auto" and is_small):
        return None

    keys = None
    if fold != "prefix":
        keys = _by_tags(compiled, wires)
    if keys is None or (fold == "auto" and len(set(keys)) == 1):
        keys = _by_prefix(compiled, wires, range(compiled.plan.size))
    return keys


def _by_tags(compiled: Compiled, wires: Sequence[Wire]) -> list[Key] | None:
    """Fold tasks that have the same tags, and those without by prefix.

    None if no task has tags, or if they do not make a picture smaller.
    """
    tags = [task.tags for task in compiled.tasks]
    untagged = [task for task, found in enumerate(tags) if not found]
    if len(untagged) == len(tags):
        return None

    keys: list[Key] = [
        (", ".join(sorted(found)), "tag" if len(found) == 1 else "tags")
        for found in tags
    ]
    if len(set(keys)) > MOST_BOXES:
        # Each task has a mixture of its own: what counts is the most common one.
        counts = Counter(tag for found in tags for tag in found)
        keys = [
            (min(found, key=lambda tag: (-counts[tag], tag)) if found else "", "tag")
            for found in tags
        ]
    if len(set(keys)) > MOST_BOXES:
        return None

    for task in untagged:
        keys[task] = task
    if not _fits(keys, wires, MOST_BOXES):
        others = _by_prefix(compiled, wires, untagged)
        for task in untagged:
            keys[task] = others[task]
    return keys


def _by_prefix(
    compiled: Compiled, wires: Sequence[Wire], tasks: Sequence[int]
) -> list[Key]:
    """Fold tasks whose names begin alike, with as many words as the picture can take.

    Where names tell nothing, by how far down the graph tasks are.
    """
    keys: list[Key] = list(range(compiled.plan.size))
    most = min(MOST_BOXES, max(len(tasks) // 2, 1))
    words = {
        task: [word.end() for word in islice(_WORDS.finditer(name), _MOST_WORDS)]
        for task, name in ((task, compiled.names[task]) for task in tasks)
    }
    for groups in _divisions(compiled, words, most):
        for prefix, members in groups.items():
            for task in members:
                keys[task] = (prefix + "*", "")
        if _fits(keys, wires):
            return _divided(compiled, wires, tasks, keys)

    alone: list[Key] = list(range(compiled.plan.size))
    if len(tasks) <= MOST_BOXES and _fits(alone, wires):
        return alone  # each a name of its own, but few

    return _by_levels(compiled, tasks, keys, named=False)


def _divisions(
    compiled: Compiled, words: Mapping[int, list[int]], most: int
) -> list[dict[str, list[int]]]:
    """Return ways to put tasks into at most so many groups by prefix, the finest first.

    Parameters:
        compiled: the graph.
        words: where the words at the begin of the name of each task end.
        most: how many groups there may be.
    """

    def divided(tasks: Iterable[int], count: int) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for task in tasks:
            name, ends = compiled.names[task], words[task]
            prefix = name[: ends[count - 1]] if count <= len(ends) else name
            found.setdefault(prefix, []).append(task)
        return found

    groups = divided(words, 1)
    if len(groups) > most:
        return []

    ways = [groups]
    for count in range(2, _MOST_WORDS + 1):
        finer: dict[str, list[int]] = {}
        size = len(groups)
        for prefix, tasks in groups.items():
            parts = divided(tasks, count)
            if len(parts) * 2 > len(tasks) or size - 1 + len(parts) > most:
                parts = {prefix: tasks}  # next to nothing in common any more
            size += len(parts) - 1
            finer.update(parts)
        if len(finer) > len(groups):
            ways.append(finer)
        groups = finer
    return ways[::-1]


def _divided(
    compiled: Compiled, wires: Sequence[Wire], tasks: Sequence[int], keys: list[Key]
) -> list[Key]:
    """Divide boxes by level where there are so few that they say nothing."""
    if len(set(keys)) >= FEW_BOXES or len(tasks) <= MOST_BOXES or not wires:
        return keys

    divided = _by_levels(compiled, tasks, keys, named=True)
    return divided if _fits(divided, wires) else keys


def _by_levels(
    compiled: Compiled, tasks: Iterable[int], keys: list[Key], *, named: bool
) -> list[Key]:
    """Fold tasks of the same levels, those of different names apart if asked."""
    levels = levels_of(compiled)
    count = max(levels) + 1
    named_boxes = max(len(set(keys)), 1) if named else 1
    most = max(MOST_BOXES // 2 // named_boxes, 1)
    height = -(-count // most)
    divided = keys.copy()
    for task in tasks:
        first = levels[task] // height * height + 1
        last = min(first + height - 1, count)
        where = f"level {first:,}" if first == last else f"levels {first:,} to {last:,}"
        key = keys[task]
        if named and isinstance(key, tuple):
            divided[task] = (key[0], where)
        else:
            divided[task] = (where, "")
    return divided


def _fits(
    keys: Sequence[Key], wires: Iterable[Wire], most_boxes: int = MOST_BOXES * 2
) -> bool:
    """Return whether a picture of these boxes can still be read."""
    if len(set(keys)) > most_boxes:
        return False

    edges = {(keys[wire.source], keys[wire.target]) for wire in wires}
    return len(edges) <= MOST_EDGES
