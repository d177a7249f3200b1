"""States of a task inside a run, and the moves between them.

    PENDING --ready--> READY --take--> RUNNING --succeed--> SUCCEEDED
       |                 | ^ <-put_back-- |------fail-----> FAILED
       |                 | |              |------skip-----> SKIPPED
       |                 | |              |-----cancel----> CANCELLED
       |                 | '-wake- WAITING <--retry--'
       |--skip---> SKIPPED            |
       '--cancel-> CANCELLED <-cancel-'---- (READY too)

Only the machine cancels a task that is PENDING, READY or WAITING, in `stop` and `halt`,
and only the machine skips a PENDING one; its `cancel(id)` and `skip(id)` are for tasks
that are RUNNING, and anything else is refused.

`TRANSITIONS` is the whole truth: a pair of state and event that it does not hold is an
`IllegalTransition`, and then nothing has changed.
"""

from __future__ import annotations

PENDING, READY, RUNNING, SUCCEEDED, FAILED, SKIPPED, CANCELLED, WAITING = range(8)

STATE_NAMES = (
    "pending",
    "ready",
    "running",
    "succeeded",
    "failed",
    "skipped",
    "cancelled",
    "waiting",
)

#: States that a task never leaves.
TERMINAL = frozenset({SUCCEEDED, FAILED, SKIPPED, CANCELLED})

TRANSITIONS: dict[tuple[int, str], int] = {
    (PENDING, "ready"): READY,
    (PENDING, "skip"): SKIPPED,
    (PENDING, "cancel"): CANCELLED,
    (READY, "take"): RUNNING,
    (READY, "cancel"): CANCELLED,
    (RUNNING, "succeed"): SUCCEEDED,
    (RUNNING, "fail"): FAILED,
    (RUNNING, "skip"): SKIPPED,
    (RUNNING, "cancel"): CANCELLED,
    (RUNNING, "retry"): WAITING,
    (RUNNING, "put_back"): READY,
    (WAITING, "wake"): READY,
    (WAITING, "cancel"): CANCELLED,
}

#: What `row` answers for a move that is not legal.
ILLEGAL = 255


class IllegalTransition(AssertionError):
    """Report an event that a task cannot have in its state: a fault of a driver."""

    def __init__(self, task: int, state: int, event: str) -> None:
        super().__init__(f"task {task} is {STATE_NAMES[state]} and cannot {event}")
        self.task = task
        self.state = state
        self.event = event


def row(event: str) -> tuple[int, ...]:
    """Return the column of `event` in the table: the new state, by old state.

    A tuple, since CPython has instructions of their own for indexing tuples and lists
    (not for `bytes` and `bytearray`), and it is done for every task.
    """
    return tuple(
        [TRANSITIONS.get((state, event), ILLEGAL) for state in range(len(STATE_NAMES))]
    )
