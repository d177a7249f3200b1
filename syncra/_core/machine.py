"""Where one run stands: which tasks are ready, running and over.

Drivers pull. A worker takes a ready task of its lane, runs it, reports the outcome and
takes the next one; the machine only keeps the counts and never calls anybody. It has
no lock: whoever shares it between threads brings one.

    take(lane)    -> id of a task to run now, or NOTHING
    succeed(id)      its followers lose one thing to wait for
    fail(id)         its followers are skipped; unless the run goes on, all the rest
                     is cancelled
    cancel(id)       a running task was stopped
    stop()           nothing new starts: what waits is cancelled

The run is over when `unsettled` is 0.
"""

from __future__ import annotations

from collections import deque

from .states import (
    CANCELLED,
    ILLEGAL,
    PENDING,
    READY,
    RUNNING,
    SKIPPED,
    IllegalTransition,
    row,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .plan import Plan

#: What `take` answers when the lane has no ready task.
NOTHING = -1

_TAKE = row("take")
_SUCCEED = row("succeed")
_FAIL = row("fail")
_CANCEL = row("cancel")


class Machine:
    """Decide which task may run, for one run of a plan.

    Parameters:
        plan: the shape of the graph.
        lanes: for each task, the number of the lane it runs in.
        lane_count: how many lanes there are.
        stop_on_failure: whether the first failure ends the run ("raise") or only
            its dependants ("continue").
    """

    __slots__ = (
        "_lanes",
        "_successors",
        "_waiting",
        "plan",
        "queues",
        "states",
        "stop_on_failure",
        "stopped",
        "unsettled",
    )

    def __init__(
        self,
        plan: Plan,
        lanes: Sequence[int],
        lane_count: int,
        *,
        stop_on_failure: bool = True,
    ) -> None:
        self.plan = plan
        #: State of each task, by id.
        self.states = bytearray(plan.size)
        #: Ready tasks of each lane, oldest first. For reading only.
        self.queues: tuple[deque[int], ...] = tuple(deque() for _ in range(lane_count))
        #: How many tasks are not in a terminal state.
        self.unsettled = plan.size
        #: Whether nothing new starts any more.
        self.stopped = False
        self.stop_on_failure = stop_on_failure
        self._successors = plan.successors
        self._waiting = plan.counts.copy()
        self._lanes = lanes
        for task in plan.roots:
            self.states[task] = READY
            self.queues[lanes[task]].append(task)

    def take(self, lane: int) -> int:
        """Start the next ready task of `lane` and return its id, or NOTHING."""
        queue = self.queues[lane]
        if not queue:
            return NOTHING

        task = queue.popleft()
        self.states[task] = RUNNING
        return task

    def succeed(self, task: int) -> None:
        """Settle a running task as succeeded and free what waited only for it."""
        states = self.states
        state = _SUCCEED[states[task]]
        if state == ILLEGAL:
            raise IllegalTransition(task, states[task], "succeed")

        states[task] = state
        self.unsettled -= 1
        waiting = self._waiting
        for follower in self._successors[task]:
            left = waiting[follower] - 1
            waiting[follower] = left
            if not left and states[follower] == PENDING:
                states[follower] = READY
                self.queues[self._lanes[follower]].append(follower)

    def fail(self, task: int) -> None:
        """Settle a running task as failed, and what that means for the others."""
        self._settle(task, _FAIL, "fail")
        self._skip_followers(task)
        if self.stop_on_failure:
            self.stop()

    def cancel(self, task: int) -> None:
        """Settle a running task as cancelled; what waits for it is skipped."""
        self._settle(task, _CANCEL, "cancel")
        self._skip_followers(task)

    def stop(self) -> None:
        """Cancel everything that has not started."""
        if self.stopped:
            return

        self.stopped = True
        for queue in self.queues:
            queue.clear()
        states = self.states
        for task, state in enumerate(states):
            if state == PENDING or state == READY:
                states[task] = CANCELLED
                self.unsettled -= 1

    def _settle(self, task: int, table: bytes, event: str) -> None:
        state = table[self.states[task]]
        if state == ILLEGAL or self.states[task] != RUNNING:
            raise IllegalTransition(task, self.states[task], event)

        self.states[task] = state
        self.unsettled -= 1

    def _skip_followers(self, task: int) -> None:
        """Skip all that waits for `task`, directly or not. Linear, not recursive."""
        states = self.states
        stack = [task]
        while stack:
            for follower in self._successors[stack.pop()]:
                if states[follower] == PENDING:
                    states[follower] = SKIPPED
                    self.unsettled -= 1
                    stack.append(follower)
