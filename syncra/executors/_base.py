"""What executors share: the lane of a run, and the loop that every worker is.

A lane is where an executor meets one run. Its workers pull: they take a ready task of
the lane, run it, report the outcome and at once take the next one. The engine behind
them is known here only as `Work`; an executor knows nothing of graphs.
"""

from __future__ import annotations

from threading import current_thread
from types import CoroutineType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence, Sized
    from contextvars import Context
    from threading import Lock
    from typing import Any, Protocol, TypeAlias

    from .._origins import Origins
    from .._processes.child import Child
    from ._flights import Flight
    from ._loop_worker import LoopWorker
    from ._parcels import Flight as RemoteFlight

    #: Who runs a task: the name of a thread, a worker on an event loop, a process, or
    #: somebody in a pool of the user's.
    Worker: TypeAlias = str | LoopWorker | Child | Flight | RemoteFlight

    class Work(Protocol):
        """Be what workers pull from: the engine of one run.

        `enter`, `advance` and `fail` answer with the id of the task to run next, or a
        negative number: then the worker has left the lane.
        """

        compiled: Any  # whose `names` are those of tasks and `limits` their seconds
        journal: Any  # whose `lanes` are those of tasks, and `kept` what is wanted
        lanes: list[Lane]
        machine: Any  # whose `states` are those of tasks
        settings: Any
        functions: list[Callable[..., Any]]
        arguments: Any  # see `_calls`
        values: list[Any]
        context: Context
        origins: Origins | None  # makes the contexts of tasks, if there is one
        started: list[float]
        workers: list[Worker | None]
        lock: Lock
        is_over: bool

        @property
        def queues(self) -> Sequence[Sized]: ...  # ready tasks by lane
        @property
        def has_limits(self) -> bool: ...  # what is taken ahead is missed elsewhere
        def enter(self, lane: Lane, worker: Worker) -> int: ...
        def advance(self, lane: Lane, worker: Worker, task: int, value: Any) -> int: ...
        def fail(
            self, lane: Lane, worker: Worker, task: int, error: BaseException
        ) -> int: ...
        def leave(self, lane: Lane, task: int) -> None: ...
        def put_back(self, worker: Worker, tasks: Sequence[int]) -> bool: ...
        def withdraw(self, task: int) -> None: ...
        def begun(self, task: int, worker: Worker, now: float) -> None: ...
        def cancel(self) -> None: ...
        def crash(self, error: BaseException) -> None: ...
        def is_to_stop(self, task: int) -> bool: ...
        def was_asked_to_end(self, task: int) -> bool: ...
        def has_been_asked(self, task: int) -> bool: ...
        def goes_on(self, task: int, worker: Worker, started: float) -> bool: ...
        def is_limited(self, task: int) -> bool: ...
        def name_of(self, task: int) -> str: ...
        def stalled(self, task: int, seconds: float) -> None: ...
        def has_ready(self, lane: Lane) -> bool: ...
        def listen(self, listener: Callable[[Sequence[int]], object]) -> None: ...


class Executor:
    """Say how the callables of tasks are executed. Holds nothing of any run.

    Attributes:
        name: what records call it.
        is_here: whether tasks are known to run in the process of the run.
        is_kept: whether a graph may keep it beyond the run that it was given to.
        is_bounded: whether its workers may be fewer than the tasks that are ready, so
            that it matters which of them is next.
        in_order: whether tasks run in the same order in every run.
    """

    __slots__ = ()

    name: str
    is_here = True
    is_kept = True
    is_bounded = False
    in_order = False

    def adapt(
        self, function: Callable[..., Any], is_async: bool, in_loop: bool
    ) -> Callable[..., Any]:
        """Return the form of `function` that the workers of this executor call.

        Parameters:
            function: the callable of a task.
            is_async: whether calling it gives a coroutine.
            in_loop: whether the run is awaited in an event loop.
        """
        return function

    def open(self, index: int, in_loop: bool) -> Lane:
        """Return a new lane of this executor for one run.

        Parameters:
            index: the number of the lane in the run.
            in_loop: whether the run is awaited in an event loop.
        """
        raise NotImplementedError


class Lane:
    """Connect an executor with one run. Its methods are called under the run's lock.

    Attributes:
        index: its number in the run.
        vacant: whether `hire` would do anything. The engine looks at it after every
            task, so it is an attribute that the lane keeps up to date.
        on_loop: whether its workers are coroutines on the event loop of the run.
        serves_caller: whether the thread that waits for the run may work in it, by
            calling `serve`.
        patience: seconds that a task has that was asked to end, unless the user says
            otherwise.
    """

    __slots__ = ("index", "vacant")

    on_loop = False
    serves_caller = False
    patience = 5.0

    def __init__(self, index: int) -> None:
        self.index = index
        self.vacant = True

    @property
    def in_one_thread(self) -> bool:
        """Return whether all its workers are in the same thread."""
        return self.on_loop

    def attach(self, work: Work) -> None:
        """Name the run to work for.

        Parameters:
            work: the run.
        """
        raise NotImplementedError

    def hire(self) -> None:
        """Get one more worker to pull from this lane."""
        raise NotImplementedError

    def wake(self) -> Callable[[], object] | None:
        """Do the same, called from a worker of another lane.

        Returns:
            What is to be called for that when the lock has been released, if anything.
        """
        self.hire()
        return None

    def left(self) -> None:
        """Take note that a worker found nothing to do and has left."""

    def interrupt(self, task: int, worker: Worker) -> bool:
        """Ask a running task to end; return whether that can be asked of it.

        One that has not really begun may be withdrawn instead.

        Parameters:
            task: the id of the task.
            worker: who runs it.
        """
        return False

    def abandon(self, task: int, worker: Worker) -> bool:
        """Go on without a worker that does not come to an end with its task.

        Parameters:
            task: the id of the task.
            worker: who runs it.

        Returns:
            Whether the task goes on by itself.
        """
        self.left()
        return True

    def over(self) -> None:
        """Take note that the last task is settled."""


def work(work: Work, lane: Lane) -> None:
    """Be a worker in the calling thread until the lane has nothing ready."""
    functions = work.functions
    arguments = work.arguments
    values = work.values
    copy_context, origins = work.context.copy, work.origins
    advance = work.advance
    context: Any
    name = current_thread().name
    task = work.enter(lane, name)
    while task >= 0:
        slots = arguments[task]
        try:
            context = copy_context() if origins is None else origins.begin(task)
            if slots is None:
                value = context.run(functions[task])
            elif slots.__class__ is int:
                value = context.run(functions[task], values[slots])
            elif slots.__class__ is not tuple:
                value = context.run(functions[task], *slots(values))
            elif len(slots) == 2:  # `f, *given` builds a list first: twice the time
                first, second = slots
                value = context.run(functions[task], values[first], values[second])
            else:
                first, second, third = slots
                value = context.run(
                    functions[task], values[first], values[second], values[third]
                )
            if value.__class__ is CoroutineType:
                value = _run_coroutine(value, context)
        except BaseException as error:
            task = work.fail(lane, name, task, error)
        else:
            task = advance(lane, name, task, value)
            value = context = None  # the next task may run for long


def _run_coroutine(coroutine: Any, context: Context) -> Any:
    """Run the coroutine that a plain function gave instead of a result.

    Whether a function does that cannot be seen before: it may wrap a coroutine
    function without being one.
    """
    from ._private_loop import run_here

    return context.run(run_here, coroutine)
