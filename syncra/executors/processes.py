"""Functions in processes of their own: for work that keeps a core busy.

A thread owns one child process and pulls for it: it takes tasks of its lane, sends
them, and reports what comes back. Several small tasks may be on their way to a child
at once; what it has not begun with can be taken back at any time.
"""

from __future__ import annotations

import os
import pickle
import sys
from functools import partial
from math import inf

from .._clock import clock
from .._names import text_of
from .._processes import child as children
from .._processes import pickles, wire
from .._processes.births import METHODS
from .._processes.child import Child, Died, Quiet, ended_by
from .._processes.entry import main_place
from ..errors import (
    RemoteTaskError,
    SerializationError,
    TaskCancelled,
    WorkerCrashed,
)
from ._base import Executor, Lane
from .threads import ThreadLane, checked_workers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextvars import ContextVar
    from typing import Any

    from ._base import Work, Worker

#: Seconds of work that may wait in a child, and for how many tasks at the most.
AHEAD_SECONDS, AHEAD_TASKS = 0.002, 32
#: Seconds without an answer after which waiting tasks are taken back from a child.
STALLED = 0.005
NOTHING = -1
#: How often in a row a child may die that has begun nothing.
SILENT_DEATHS = 3
#: How many functions a child remembers.
MOST_FUNCTIONS = 1000


class Processes(Executor):
    """Run functions in processes of their own, several at once.

    For work that keeps a core busy, and for code that must not take the program with
    it when it crashes. What a task takes and returns is copied to and from its process,
    so it has to be picklable, and its function has to be found by its name: defined at
    the top of a module or script, not a lambda (unless cloudpickle is installed). Child
    processes are kept for the next run for a while.

    Parameters:
        max_workers: how many tasks of a run may be running at once; by default one for
            each core that this process may use.
        start_method: "forkserver" (default; from a small process that imports nothing
            of the program), "spawn" (each as a new interpreter), or "fork" (a copy of
            this process, with all that it has imported; not safe where other threads
            hold locks).
        context: context variables whose values tasks shall see. They are found by
            their name in their module, and their values have to be picklable.

    Raises:
        ValueError: if max_workers is not positive, there is no such start method, or a
            variable is not found in any module.
        NotImplementedError: on a system without Unix sockets.

    Example:
        >>> from math import factorial
        >>> from syncra import Graph, Processes
        >>> graph = Graph("numbers", executor=Processes(2))
        >>> task = graph.add(factorial, kwargs={"n": 20}, name="big")
    """

    __slots__ = ("context", "max_workers", "start_method")

    name = "processes"

    def __init__(
        self,
        max_workers: int | None = None,
        start_method: str | None = None,
        *,
        context: Iterable[ContextVar[Any]] = (),
    ) -> None:
        if not hasattr(os, "fork"):
            raise NotImplementedError(
                "Processes needs a Unix system; here a concurrent.futures."
                "ProcessPoolExecutor does as an executor"
            )

        self.max_workers = checked_workers(max_workers or _cores())
        self.start_method = start_method or METHODS[0]
        if self.start_method not in METHODS:
            raise ValueError(
                f"start_method is one of {', '.join(METHODS)}, got {start_method!r}"
            )

        if self.start_method == "fork":
            _warn_of_fork()
        self.context = tuple(context)
        for variable in self.context:
            _place_of(variable)

    def __repr__(self) -> str:
        return f"Processes({self.max_workers}, {self.start_method!r})"

    def adapt(
        self, function: Callable[..., Any], is_async: bool, in_loop: bool
    ) -> Callable[..., Any]:
        return Shipment(function)

    def open(self, index: int, in_loop: bool) -> ProcessLane:
        return ProcessLane(index, self)

    def close(self) -> None:
        """End the child processes that are kept for later runs.

        Those of other `Processes` with the same start method are among them. Not
        needed: they end after half a minute, and with the program.
        """
        children.end_idle(self.start_method)


class Shipment:
    """Hold a function as it travels. Called, it is the function.

    Attributes:
        packed: its pickle.
    """

    __slots__ = ("__wrapped__", "packed")

    def __init__(self, function: Callable[..., Any]) -> None:
        self.__wrapped__ = function
        self.packed = pickles.dump_function(function)

    def __call__(self, *arguments: Any) -> Any:
        return self.__wrapped__(*arguments)


class ProcessLane(ThreadLane):
    """Give one run its processes, each with a thread."""

    __slots__ = ("_executor", "_setup", "pace")

    serves_caller = False
    patience = 1.5

    def __init__(self, index: int, executor: Processes) -> None:
        super().__init__(index, executor.max_workers)
        self._executor = executor
        self._setup: bytes | None = None
        #: Seconds that a task takes, as the last ones did.
        self.pace = inf

    def _job(self) -> Callable[[], object]:
        return partial(_serve, self._work, self)

    def interrupt(self, task: int, worker: Worker) -> bool:
        assert isinstance(worker, Child)
        taken = worker.take_back()
        for other in reversed(taken):
            self._work.withdraw(other)
        if task not in taken:
            worker.interrupt(task)
        return True

    def abandon(self, task: int, worker: Worker) -> bool:
        assert isinstance(worker, Child)
        self.left()
        worker.kill()
        return False

    def hire_child(self) -> Child:
        """Return a child that may not have begun."""
        return children.hire(self._executor.start_method)

    def set_up(self, child: Child) -> None:
        """Make a child ready for tasks of the run.

        Raises:
            OSError: if it cannot be begun.
            Died: if it has died.
        """
        child.begin()
        if self._setup is None:
            self._setup = _setup(self._executor, self._work)
        if child.setup != self._setup or len(child.known) > MOST_FUNCTIONS:
            child.tell(self._setup)

    def keep_pace(self, seconds: float) -> None:
        """Take note of how long a task has taken."""
        pace = self.pace
        self.pace = seconds if pace == inf else 0.8 * pace + 0.2 * seconds

    def ahead(self, ready: int) -> int:
        """Return how many tasks a child may have in hand.

        Parameters:
            ready: how many are waiting for a worker.
        """
        if ready < 2:
            return 1

        small = min(AHEAD_TASKS, int(AHEAD_SECONDS / self.pace) if self.pace else 1)
        return max(1, min(small, ready // self._max_workers))


def _serve(run: Work, lane: ProcessLane) -> None:
    try:
        Desk(run, lane).serve()
    except BaseException as error:
        run.crash(error)


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
                self._run.put_back(self._child.take_back())
        finally:
            children.dismiss(self._child)

    def _turn(self) -> int:
        """Send what is to be sent, and take what comes; return what to do next."""
        try:
            self._take_more()
            self._child.send()
            return self._receive()
        except Died as death:
            return self._died(death)

    def _take_more(self) -> None:
        """Take more tasks, as long as plenty are ready and they are small."""
        run, child = self._run, self._child
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
            if child.in_hand and (child.spent or run.is_limited(task)):
                # Who waits behind another one must not lose its time.
                run.put_back((task,))
                return

            try:
                self._set_up()
                data, buffers = self._packed(task)
            except Died as death:
                run.put_back((task,))
                task = self._died(death)
            except OSError as error:
                task = self._cannot_begin(task, error)
            except BaseException as error:
                task = self._failed(task, error)
            else:
                child.hold(task, data, buffers)
                if run.was_asked_to_end(task):
                    run.put_back(child.take_back())
                return

    def _set_up(self) -> None:
        if not self._is_set_up:
            self._lane.set_up(self._child)
            self._is_set_up = True

    def _packed(self, task: int) -> tuple[bytes, list[memoryview]]:
        """Return what a task takes, as it travels."""
        run = self._run
        slots = run.arguments[task]
        arguments: tuple[Any, ...]
        if slots is None:
            arguments = ()
        elif slots.__class__ is int:
            arguments = (run.values[slots],)
        else:
            arguments = tuple(slots(run.values))
        function: Any = run.functions[task]
        number = self._child.number_of(function.packed)
        try:
            return pickles.dump((number, *arguments))
        except BaseException as error:
            path = _culprit(function.__wrapped__, arguments)
            raise self._unpicklable(task, "argument", path, error) from error

    def _receive(self) -> int:
        """Take one frame from the child; return the task to do next, if any."""
        child = self._child
        if not child.in_flight:
            return NOTHING

        begun = max(self._answered_at, child.sent_at)
        try:
            frame = child.read(STALLED if child.in_hand > 1 else None)
        except Quiet:
            self._run.put_back(child.take_back())
            return NOTHING

        kind, _, data, buffers = frame
        if kind == wire.LOG:
            from .._processes.logs import handle

            handle(data)
            return NOTHING

        self._silent = 0
        self._answered_at = now = clock()
        self._lane.keep_pace(now - begun)
        task, following = child.landed()
        if following >= 0:
            self._run.started[following] = now
        error: BaseException
        if kind == wire.RESULT:
            try:
                value = pickles.load(data, buffers)
            except BaseException as broken:
                error = self._unpicklable(task, "result", "", broken)
            else:
                return self._succeeded(task, value)

        elif kind == wire.ERROR:
            error = pickles.load_error(data, partial(self._stand_in, task))
        else:
            stage, path, packed = pickles.load(data)
            cause = pickles.load_error(packed, partial(self._stand_in, task))
            error = self._unpicklable(task, stage, path, cause)
        return self._failed(task, error)

    # What came of a task.

    def _succeeded(self, task: int, value: Any) -> int:
        self._was_told = False
        following = self._run.advance(self, self._child, task, value)
        self._given_up = following < 0 and not self._was_told
        return following

    def _failed(self, task: int, error: BaseException) -> int:
        self._was_told = False
        following = self._run.fail(self, self._child, task, error)
        self._given_up = following < 0 and not self._was_told
        return following

    def _died(self, death: Died) -> int:
        """Blame the death of the child on the task that it was at, and on no other."""
        run, child = self._run, self._child
        innocent = child.take_back()
        begun = child.begun()
        self._silent += 1
        if not begun and innocent and self._silent > SILENT_DEATHS:
            begun, innocent = innocent[:1], innocent[1:]
        run.put_back(innocent)
        following = NOTHING
        for task in begun:
            child.landed()
            exitcode, number, text = ended_by(death.exitcode)
            name = run.name_of(task)
            error: BaseException
            if run.was_asked_to_end(task):
                error = TaskCancelled(f"the process of task {name!r} has ended", name)
            else:
                error = WorkerCrashed(
                    f"the process of task {name!r} was ended {text}",
                    name,
                    exitcode,
                    number,
                )
                if death.words:
                    error.add_note(death.words.rstrip())
            following = self._failed(task, error)
        return following

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

    def _unpicklable(
        self, task: int, stage: str, path: str, cause: BaseException
    ) -> SerializationError:
        name = self._run.name_of(task)
        where = f": {path}" if path else ""
        error = SerializationError(
            f"the {stage} of task {name!r} cannot pass between processes{where} "
            f"({text_of(cause)})",
            name,
            stage,
            path,
        )
        error.__cause__ = cause
        return error

    def _stand_in(
        self, task: int, type_name: str, text: str, traceback: str
    ) -> RemoteTaskError:
        name = self._run.name_of(task)
        return RemoteTaskError(
            f"task {name!r} raised {type_name}: {text}\n"
            f"(the exception itself could not leave the process of the task)",
            name,
            type_name,
            text,
            traceback,
        )


def _setup(executor: Processes, run: Work) -> bytes:
    """Return what a child is to be like, as it travels."""
    main = sys.modules["__main__"]
    sys.modules.setdefault("__mp_main__", main)  # as children call it
    levels = None
    if "logging" in sys.modules:
        from .._processes.logs import levels as levels_of_loggers

        levels = levels_of_loggers()
    variables = [
        (_place_of(variable), pickle.dumps(run.context[variable]))
        for variable in executor.context
        if variable in run.context
    ]
    try:
        directory = os.getcwd()
    except OSError:
        directory = None
    return pickle.dumps(
        {
            "directory": directory,
            "environment": dict(os.environ),
            "path": list(sys.path),
            "main": main_place() if executor.start_method != "fork" else "here",
            "levels": levels,
            "variables": variables,
        }
    )


def _place_of(variable: ContextVar[Any]) -> tuple[str, str]:
    """Return the module and name under which a context variable is found."""
    for module_name, module in list(sys.modules.items()):
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if value is variable:
                return module_name, name

    raise ValueError(
        f"the context variable {variable.name!r} is not found in any module; define it "
        f"at the top of one, so that a worker process can find it"
    )


def _culprit(function: Callable[..., Any], arguments: tuple[Any, ...]) -> str:
    """Return which argument, and what in it, cannot be pickled."""
    from inspect import signature

    try:
        names = list(signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    for index, argument in enumerate(arguments):
        name = names[index] if index < len(names) else f"argument {index + 1}"
        try:
            pickles.dump(argument)
        except BaseException:
            return pickles.culprit(argument, name)

    return ""


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))

    return os.cpu_count() or 1


def _warn_of_fork() -> None:
    from warnings import warn

    warn(
        "start_method='fork' copies this process while it has other threads: a lock "
        "that one of them holds is never released in the copy. Use 'forkserver'.",
        RuntimeWarning,
        stacklevel=3,
    )
