"""Where one run stands: which tasks are ready, running and over.

Drivers pull. A worker takes a ready task of its lane, runs it, reports the outcome and
takes the next one; the machine only keeps the counts and never calls anybody. It has
no lock: whoever shares it between threads brings one.

    take(lane)           -> id of a task to run now, or NOTHING
    succeed(id, lane)       its followers lose one thing to wait for; take(lane)
    fail(id)                its followers are skipped; unless the run goes on, nothing
                            new starts
    skip(id)                the task wants to be skipped, and its followers with it
    cancel(id)              a running task was stopped
    put_back(id)            it was taken, but has not begun after all
    retry_at(id, when)      it failed but shall run again, not before `when`; it is
                            cancelled where nothing starts any more
    next_wake(), wake(now)  when the next of these is due; make the due ones ready
    stop()                  nothing new starts but clean-up and alarm
    halt()                  nothing new starts at all

The run is over when `unsettled` is 0.

Whether a task runs is settled by its trigger: by default when all it waits for has
succeeded. In a graph without triggers it is skipped as soon as one has not; in one with
triggers all are decided when all they wait for is settled, so that who is skipped for
whom does not depend on who comes first. Tasks that run whatever happens (ALL_DONE) or
because of a failure (ANY_FAILED) outlive `stop`, as `finally` and `except` do.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush

from .ranking import Ranked
from .states import (
    CANCELLED,
    FAILED,
    ILLEGAL,
    PENDING,
    READY,
    RUNNING,
    SKIPPED,
    SUCCEEDED,
    WAITING,
    IllegalTransition,
    row,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .plan import Plan
    from .ranking import Ranks

#: What `take` answers when the lane has no ready task.
NOTHING = -1

#: When a task runs, by what became of the tasks it waits for.
ALL_SUCCEEDED, ALL_DONE, ANY_FAILED, ANY_SUCCEEDED = range(4)

TRIGGERS = ("all_succeeded", "all_done", "any_failed", "any_succeeded")

_SUCCEED = row("succeed")
_FAIL = row("fail")
_SKIP = row("skip")
_CANCEL = row("cancel")
_RETRY = row("retry")
_PUT_BACK = row("put_back")


class Machine:
    """Decide which task may run, for one run of a plan.

    Parameters:
        plan: the shape of the graph.
        lanes: for each task, the number of the lane it runs in.
        lane_count: how many lanes there are.
        stop_on_failure: whether the first failure ends the run ("raise") or only
            its dependants ("continue").
        triggers: for each task, when it runs; None if all are ALL_SUCCEEDED.
        ranks: for each lane, which of its ready tasks comes first; None for the one
            that has been ready for longest. None if it is so in all lanes.
    """

    #: Whether a ready task may have to wait for what other tasks have taken.
    has_limits = False

    __slots__ = (
        "_hurt",
        "_lanes",
        "_sleeping",
        "_successors",
        "_triggers",
        "_waiting",
        "dropped",
        "halted",
        "plan",
        "queues",
        "ranks",
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
        triggers: Sequence[int] | None = None,
        ranks: Sequence[Ranks | None] | None = None,
    ) -> None:
        self.plan = plan
        #: State of each task, by id.
        self.states = [PENDING] * plan.size
        #: Ready tasks of each lane, the next one first. For reading only.
        self.queues: tuple[deque[int] | Ranked, ...]
        if ranks is None:
            self.queues = tuple([deque() for _ in range(lane_count)])
        else:
            self.queues = tuple([queue_for(lane_ranks) for lane_ranks in ranks])
        #: How many tasks are not in a terminal state.
        self.unsettled = plan.size
        #: Whether nothing new starts any more but clean-up and alarm.
        self.stopped = False
        #: Whether nothing new starts at all.
        self.halted = False
        #: Tasks that were settled while they did not run, and so without a report of
        #: anybody, in the order that happened. Some have run, and were to run again.
        self.dropped: list[int] = []
        self.stop_on_failure = stop_on_failure
        self.ranks = ranks
        self._successors = plan.successors
        self._waiting = plan.counts.copy()
        self._lanes = lanes
        self._triggers = triggers
        #: Which tasks failed or were skipped because one did, as triggers want it.
        self._hurt = bytearray(plan.size if triggers is not None else 0)
        self._sleeping: list[tuple[float, int]] = []
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

    def succeed(self, task: int, lane: int = NOTHING) -> int:
        """Settle a running task as succeeded and free what waited only for it.

        Workers report and take in one go: with a `lane`, its next ready task starts,
        and its id is returned as `take` would.
        """
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
                if self._triggers is not None and not self._admit(follower):
                    self._spread(follower)
                else:
                    states[follower] = READY
                    self.queues[self._lanes[follower]].append(follower)
        if lane < 0 or not (queue := self.queues[lane]):
            return NOTHING

        following = queue.popleft()
        states[following] = RUNNING
        return following

    def fail(self, task: int) -> None:
        """Settle a running task as failed, and what that means for the others."""
        self._settle(task, _FAIL, "fail")
        if self._hurt:
            self._hurt[task] = 1
        self._spread(task)
        if self.stop_on_failure:
            self.stop()

    def skip(self, task: int) -> None:
        """Settle a running task as skipped by its own wish; so is what waits for it."""
        self._settle(task, _SKIP, "skip")
        self._spread(task)

    def cancel(self, task: int) -> None:
        """Settle a running task as cancelled; what waits for it is skipped."""
        self._settle(task, _CANCEL, "cancel")
        self._spread(task)

    def retry_at(self, task: int, when: float) -> None:
        """Put a running task back, to be ready again at `when` on the driver's clock.

        Until then it holds no worker. If it may not start any more, it is cancelled.
        """
        state = _RETRY[self.states[task]]
        if state == ILLEGAL:
            raise IllegalTransition(task, self.states[task], "retry")

        if self.stopped and (self.halted or not self.outlives_stop(task)):
            self.cancel(task)
            return

        self.states[task] = state
        heappush(self._sleeping, (when, task))

    def put_back(self, task: int) -> None:
        """Make a task ready again that was taken but has not begun; it is the next one.

        If it may not start any more, it is cancelled.
        """
        state = _PUT_BACK[self.states[task]]
        if state == ILLEGAL:
            raise IllegalTransition(task, self.states[task], "put_back")

        if self.stopped and (self.halted or not self.outlives_stop(task)):
            self.cancel(task)
            return

        self.states[task] = state
        self.queues[self._lanes[task]].appendleft(task)

    def next_wake(self) -> float | None:
        """Return when `wake` is due next, or None if nothing waits to run again."""
        sleeping = self._sleeping
        while sleeping and self.states[sleeping[0][1]] != WAITING:
            heappop(sleeping)  # cancelled meanwhile
        return sleeping[0][0] if sleeping else None

    def wake(self, now: float) -> None:
        """Make ready what was to run again at `now` or before."""
        while (when := self.next_wake()) is not None and when <= now:
            _, task = heappop(self._sleeping)
            self.states[task] = READY
            self._offer(task)

    def stop(self) -> None:
        """Cancel everything that has not started but clean-up and alarm."""
        if self.stopped:
            return

        self.stopped = True
        known = len(self.dropped)
        self._cancel_waiting()
        if self._triggers is not None:
            for task in self.dropped[known:]:  # a copy: spreading adds to it
                self._spread(task)

    def halt(self) -> None:
        """Cancel everything that has not started."""
        if not self.halted:
            self.stopped = self.halted = True
            self._cancel_waiting()

    def outlives_stop(self, task: int) -> bool:
        """Return whether a task runs even after a failure has stopped the run."""
        triggers = self._triggers
        return triggers is not None and triggers[task] in (ALL_DONE, ANY_FAILED)

    def _offer(self, task: int) -> None:
        """Give a ready task to its lane."""
        self.queues[self._lanes[task]].append(task)

    def _settle(self, task: int, table: Sequence[int], event: str) -> None:
        state = table[self.states[task]]
        if state == ILLEGAL or self.states[task] != RUNNING:
            raise IllegalTransition(task, self.states[task], event)

        self.states[task] = state
        self.unsettled -= 1

    def _drop(self, task: int, state: int) -> None:
        """Settle a task that has not started."""
        self.states[task] = state
        self.unsettled -= 1
        self.dropped.append(task)

    def _cancel_waiting(self) -> None:
        spares = not self.halted and self._triggers is not None
        for queue in self.queues:
            kept = [task for task in queue if spares and self.outlives_stop(task)]
            queue.clear()
            queue.extend(kept)
        states = self.states
        if not spares:
            for task, state in enumerate(states):
                if state == PENDING or state == READY or state == WAITING:
                    self._drop(task, CANCELLED)
            return

        for task in self.plan.order:
            state = states[task]
            if state == PENDING or state == READY or state == WAITING:
                if not self.outlives_stop(task):
                    self._drop(task, self._state_without_stop(task))

    def _state_without_stop(self, task: int) -> int:
        """Return SKIPPED for a task that would have been so anyway, else CANCELLED."""
        assert self._triggers is not None
        if self._triggers[task] != ALL_SUCCEEDED:
            return CANCELLED

        states, hurt = self.states, self._hurt
        before = self.plan.predecessors[task]
        hurt[task] = any(hurt[other] for other in before)
        lacks = any(states[other] in (FAILED, SKIPPED) for other in before)
        return SKIPPED if lacks else CANCELLED

    def _spread(self, task: int) -> None:
        """Settle all that cannot run since `task` has not succeeded.

        Linear, not recursive.
        """
        states, triggers = self.states, self._triggers
        waiting = self._waiting
        stack = [task]
        while stack:
            settled = stack.pop()
            for follower in self._successors[settled]:
                if states[follower] != PENDING:
                    continue

                if triggers is None:
                    self._drop(follower, SKIPPED)
                    stack.append(follower)
                    continue

                waiting[follower] -= 1
                if waiting[follower]:
                    continue

                if self._admit(follower):
                    states[follower] = READY
                    self._offer(follower)
                else:
                    stack.append(follower)

    def _admit(self, task: int) -> bool:
        """Return whether a task runs now that all it waits for is settled.

        If not, it has been skipped, but what waits for it not yet.
        """
        assert self._triggers is not None
        trigger = self._triggers[task]
        before = self.plan.predecessors[task]
        if trigger == ANY_FAILED:
            runs = any(self._hurt[other] for other in before)
        elif trigger == ANY_SUCCEEDED:
            runs = any(self.states[other] == SUCCEEDED for other in before)
        elif trigger == ALL_SUCCEEDED:
            runs = all(self.states[other] == SUCCEEDED for other in before)
        else:
            runs = True
        if not runs:
            self._hurt[task] = any(self._hurt[other] for other in before)
            self._drop(task, SKIPPED)
        return runs


def queue_for(ranks: Ranks | None) -> deque[int] | Ranked:
    """Return an empty queue of tasks that goes by ranks, if there are any."""
    return deque() if ranks is None else Ranked(ranks)
