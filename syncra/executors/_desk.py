"""A thread that serves a lane of processes, with one child that it owns."""

from __future__ import annotations

from .._calls import fetched
from .._clock import clock
from .._processes import idle, pickles, wire
from .._processes.births import ended_by
from .._processes.child import Died, Quiet
from ..errors import SerializationError, TaskCancelled, WorkerCrashed
from ._base import Lane
from ._crossing import refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ._base import Work
    from .processes import ProcessLane

#: Seconds without an answer after which waiting tasks are taken back from a child.
STALLED = 0.005
#: How often in a row a child may die that has begun nothing.
SILENT_DEATHS = 3
#: What a desk that has no task to do gives instead of the id of one, as the engine.
NOTHING = -1


class Desk(Lane):
    """Serve a lane with one child, in a thread of its own.

    To the run it is the lane, but for one thing: who has more in hand has not left when
    nothing else is ready.
    """

    __slots__ = (
        "_answered_at",
        "_child",
        "_given_up",
        "_has_left",
        "_is_set_up",
        "_is_stalled",
        "_lane",
        "_run",
        "_silent",
        "_was_told",
    )

    def __init__(self, run: Work, lane: ProcessLane) -> None:
        self.index = lane.index
        self._run = run
        self._lane = lane
        self._child = lane.hire_child()
        self._is_set_up = False
        self._is_stalled = False  # as long as no answer comes
        self._answered_at = 0.0
        self._was_told = False  # that nothing is ready
        self._has_left = False
        self._given_up = False
        self._silent = 0  # deaths of children that had begun nothing

    # What the engine uses of a lane.

    @property
    def vacant(self) -> bool:  # type: ignore[override]
        """Return whether the lane is."""
        return self._lane.vacant

    def hire(self) -> None:
        self._lane.hire()

    def left(self) -> None:
        self._was_told = True
        if not self._child.in_hand:
            self._has_left = True
            self._lane.left()

    # The thread.

    def serve(self) -> None:
        """Serve until the lane has nothing ready."""
        try:
            while not (self._has_left or self._given_up):
                if self._child.in_hand:
                    self._accept(self._turn())
                else:
                    if self._child.spent:
                        self._replace_child()
                    self._accept(self._run.enter(self, self._child))
            if self._given_up:
                self._child.kill()
                # What it has begun with behind the one it was given up for too.
                self._put_back([*self._child.lose(), *self._child.take_back()])
        finally:
            idle.dismiss(self._child)

    def _turn(self) -> int:
        """Send what is to be sent, and take what comes; return what to do next."""
        try:
            self._take_more()
            # Sending takes as long as all else here: many at once, if there is time.
            if not self._child.has_plenty:
                self._child.send()
            return self._receive()
        except Died as death:
            return self._died(death)

    def _take_more(self) -> None:
        """Take more tasks, as long as plenty are ready and they are small."""
        run, child = self._run, self._child
        if self._is_stalled or run.has_limits:
            return

        ready = run.queues[self.index]
        while ready and child.in_hand < self._lane.ahead(len(ready)):
            before = child.in_hand
            self._accept(run.enter(self, child))
            if child.in_hand <= before:
                return

    def _accept(self, task: int) -> None:
        """Get a task that was taken ready to be sent."""
        run = self._run
        while task >= 0:
            child = self._child
            # Who waits behind another one must not lose its time.
            is_full = child.answered + child.in_hand >= self._lane.most_tasks
            if child.spent or is_full or (child.in_hand and run.is_limited(task)):
                self._put_back((task,))
                return

            try:
                self._set_up()
                data, buffers = self._packed(task)
            except Died as death:
                if self._silent < SILENT_DEATHS or child.in_hand:
                    self._put_back((task,))
                    task = self._died(death)
                else:  # none of them gets as far as to this task
                    task = self._failed(task, self._crash_of(task, death))
            except OSError as error:
                task = self._cannot_begin(task, error)
            except BaseException as error:
                task = self._failed(task, error)
            else:
                child.hold(task, data, buffers)
                # It may also have been given up while its process was beginning.
                if child.spent or run.has_been_asked(task):
                    self._put_back(child.take_back())
                return

    def _put_back(self, tasks: Sequence[int]) -> None:
        """Let others have what the child has not begun with."""
        if self._run.put_back(self._child, tasks) and not self._child.in_flight:
            self._given_up = True  # there is another worker for this one already

    def _set_up(self) -> None:
        if not self._is_set_up:
            self._lane.set_up(self._child)
            self._is_set_up = True

    def _packed(self, task: int) -> tuple[bytes, list[memoryview]]:
        """Return what a task takes, as it travels."""
        run = self._run
        arguments = fetched(run.arguments[task], run.values)
        function: Any = run.functions[task]
        place: Any = self._child.number_of(function.packed)
        if run.origins is not None and (baggage := run.origins.begin_elsewhere(task)):
            place = place, baggage
        try:
            return pickles.dump((place, *arguments))
        except BaseException as error:
            path = pickles.culprit_among(function.__wrapped__, arguments)
            raise self._refused(task, "argument", error, path) from error

    def _receive(self) -> int:
        """Take one frame from the child; return the task to do next, if any."""
        child, run = self._child, self._run
        if not child.in_flight:
            return NOTHING

        begun = max(self._answered_at, child.sent_at)
        try:
            frame = child.read(STALLED if child.in_hand > 1 else None)
        except Quiet:
            self._is_stalled = True
            self._put_back(child.take_back())
            return NOTHING

        kind, _, data, buffers = frame
        if kind == wire.LOG:
            from .._processes.logs import handle

            task = child.present
            if run.origins is None or task < 0:
                handle(data)
            else:
                run.origins.context_of(task).run(handle, data)
            return NOTHING

        self._silent = 0
        self._is_stalled = False
        self._answered_at = now = clock()
        self._lane.keep_pace(now - begun)
        task, following = child.landed()
        if child.answered >= self._lane.most_tasks:
            child.spent = True
        if following >= 0:
            run.begun(following, child, now)
        error: BaseException
        if kind == wire.RESULT:
            try:
                value = pickles.load(data, buffers)
            except BaseException as broken:
                error = self._refused(task, "result", broken, "")
            else:
                return self._succeeded(task, value)

        elif kind == wire.ERROR:
            error = pickles.load_error(data, run.name_of(task))
        else:
            stage, path, packed = pickles.load(data)
            cause = pickles.load_error(packed, run.name_of(task))
            error = self._refused(task, stage, cause, path)
        return self._failed(task, error)

    # What came of a task.

    def _succeeded(self, task: int, value: Any) -> int:
        self._was_told = False
        following = self._run.advance(self, self._child, task, value)
        self._given_up |= following < 0 and not self._was_told
        return following

    def _failed(self, task: int, error: BaseException) -> int:
        self._was_told = False
        following = self._run.fail(self, self._child, task, error)
        self._given_up |= following < 0 and not self._was_told
        return following

    def _died(self, death: Died) -> int:
        """Blame the death of the child on the task that it was at, and on no other."""
        child = self._child
        innocent = child.take_back()
        begun = child.lose()
        if not begun:
            self._silent += 1
            if self._silent > SILENT_DEATHS:
                begun, innocent = innocent[:1], innocent[1:]
        self._put_back(innocent)
        following = NOTHING
        for task in begun:
            if following >= 0:
                self._put_back((following,))
            following = self._failed(task, self._crash_of(task, death))
        return following

    def _crash_of(self, task: int, death: Died) -> BaseException:
        """Return what the death of its child means for a task."""
        name = self._run.name_of(task)
        if self._run.has_been_asked(task):
            return TaskCancelled(f"the process of task {name!r} has ended", name)

        exitcode, number, text = ended_by(death.exitcode)
        error = WorkerCrashed(
            f"the process of task {name!r} was ended {text}", name, exitcode, number
        )
        if death.words:
            error.add_note(death.words.rstrip())
        return error

    def _cannot_begin(self, task: int, error: OSError) -> int:
        """Leave the tasks to the others if there is no process to be had."""
        name = self._run.name_of(task)
        self._child.spent = True
        crashed = WorkerCrashed(f"no process could be started for task {name!r}", name)
        crashed.__cause__ = error
        return self._failed(task, crashed)

    def _replace_child(self) -> None:
        self._child.close()
        self._child = self._lane.hire_child()
        self._is_set_up = False

    def _refused(
        self, task: int, stage: str, cause: BaseException, path: str
    ) -> SerializationError:
        name = self._run.name_of(task)
        return refusal(name, "another process", stage, cause, path)
