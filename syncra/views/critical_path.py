"""What a run was waiting for: which chain of tasks has decided how long it took."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

#: For a task that has no such time.
NEVER = -1


def released_at(
    before: Sequence[Sequence[int]], finished: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Return when each task could have started, and which task it waited for.

    Parameters:
        before: for each task those it depends on, by their positions; a task stands
            behind all those it depends on.
        finished: when each task was over, in whatever unit since the run started;
            `NEVER` for a task that has not run.

    Returns:
        For each task the end of the last one it depends on, 0 without any; and the
        position of that one, `NEVER` without any that has run. Where a dependency has
        not run itself, what it depended on counts.
    """
    released = [0] * len(before)
    awaited = [NEVER] * len(before)
    for task, dependencies in enumerate(before):
        for other in dependencies:
            if finished[other] == NEVER:
                moment, cause = released[other], awaited[other]
            else:
                moment, cause = finished[other], other
            if cause != NEVER and (awaited[task] == NEVER or moment > released[task]):
                released[task], awaited[task] = moment, cause
    return released, awaited


def critical_path(awaited: Sequence[int], finished: Sequence[int]) -> list[int]:
    """Return the chain of tasks that ended last, from its first task on.

    Each task of it started when the one before was over, or had to wait for a worker:
    had any of them been faster, the run could have been over earlier.

    Parameters:
        awaited: see `released_at`.
        finished: when each task was over; `NEVER` for a task that has not run.
    """
    task = max(range(len(finished)), key=finished.__getitem__, default=NEVER)
    if task == NEVER or finished[task] == NEVER:
        return []

    path = []
    while task != NEVER:
        path.append(task)
        task = awaited[task]
    path.reverse()
    return path


def longest_chain(before: Sequence[Sequence[int]], durations: Sequence[int]) -> int:
    """Return how long the run would have taken had no task waited for a worker.

    Parameters:
        before: see `released_at`.
        durations: what each task took; `NEVER` for a task that has not run.
    """
    ends: list[int] = []
    for task, dependencies in enumerate(before):
        start = max([ends[other] for other in dependencies], default=0)
        ends.append(start + max(durations[task], 0))
    return max(ends, default=0)
