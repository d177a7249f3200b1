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
from types import FunctionType

from .._interpreter import has_gil
from .._names import text_of
from .._processes import idle, pickles
from .._processes.births import METHODS
from .._processes.child import Child
from .._processes.entry import main_place
from ..errors import SerializationError
from ._base import Executor
from ._desk import Desk
from .threads import ThreadLane, checked_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextvars import Context, ContextVar
    from typing import Any

    from ._base import Work, Worker

#: Seconds of work that may wait in a child, and for how many tasks at the most.
AHEAD_SECONDS, AHEAD_TASKS = 0.002, 32
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
            hold locks, and not there without the GIL).
        max_tasks_per_child: after how many tasks a process is replaced by a new one,
            for code that leaks memory; never by default.
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

    __slots__ = ("context", "max_tasks_per_child", "max_workers", "start_method")

    name = "processes"
    is_here = False
    is_bounded = True

    def __init__(
        self,
        max_workers: int | None = None,
        start_method: str | None = None,
        *,
        max_tasks_per_child: int | None = None,
        context: Iterable[ContextVar[Any]] = (),
    ) -> None:
        if not hasattr(os, "fork"):
            raise NotImplementedError(
                "Processes needs a Unix system; here a concurrent.futures."
                "ProcessPoolExecutor does as an executor"
            )

        self.max_workers = checked_count(
            _cores() if max_workers is None else max_workers
        )
        if max_tasks_per_child is not None:
            max_tasks_per_child = checked_count(
                max_tasks_per_child, "max_tasks_per_child"
            )
        self.max_tasks_per_child = max_tasks_per_child
        self.start_method = start_method or METHODS[0]
        if self.start_method not in METHODS:
            raise ValueError(
                f"start_method is one of {', '.join(METHODS)}, got {start_method!r}"
            )

        if self.start_method == "fork" and not has_gil():
            raise ValueError(
                "start_method='fork' hangs on Python without the GIL; use 'forkserver'"
            )

        if self.start_method == "fork":
            _warn_of_fork()
        self.context = tuple(context)
        for variable in self.context:
            place_of(variable)

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
        idle.end_idle(self.start_method)


class Shipment:
    """Hold a function as it travels. Called, it is the function.

    Attributes:
        packed: its pickle.
        is_lasting: whether that says the same in a later run: it only names the
            function. Otherwise values are in it that may change.
    """

    __slots__ = ("__wrapped__", "is_lasting", "packed")

    def __init__(self, function: Callable[..., Any]) -> None:
        self.__wrapped__ = function
        self.packed, self.is_lasting = pickles.dump_function(function)
        if self.is_lasting and type(function) is FunctionType:
            idle.note_function(function)

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
        if taken:
            worker.wake_owner()
        return True

    def abandon(self, task: int, worker: Worker) -> bool:
        assert isinstance(worker, Child)
        self.left()
        worker.kill()
        return False

    def hire_child(self) -> Child:
        """Return a child that may not have begun."""
        child = idle.hire(self._executor.start_method)
        while child.answered >= self.most_tasks:  # of another `Processes`
            child.close()
            child = idle.hire(self._executor.start_method)
        return child

    def set_up(self, child: Child) -> None:
        """Make a child ready for tasks of the run.

        Raises:
            OSError: if it cannot be begun.
            Died: if it has died.
            SerializationError: if the value of a context variable cannot travel.
        """
        child.begin()
        if self._setup is None:
            self._setup = _setup(self._executor, self._work)
        if child.setup != self._setup or len(child.known) > MOST_FUNCTIONS:
            child.tell(self._setup)

    @property
    def most_tasks(self) -> float:
        """Return after how many tasks a child is replaced."""
        return self._executor.max_tasks_per_child or inf

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


def _setup(executor: Processes, run: Work) -> bytes:
    """Return what a child is to be like, as it travels."""
    main = sys.modules["__main__"]
    sys.modules.setdefault("__mp_main__", main)  # as children call it
    levels = None
    if "logging" in sys.modules:
        from .._processes.logs import levels as levels_of_loggers

        levels = levels_of_loggers()
    places = [(variable, place_of(variable)) for variable in executor.context]
    variables = packed_variables(run.context, places, "another process")
    try:
        directory = os.getcwd()
    except OSError:
        directory = None
    return pickle.dumps(
        {
            "directory": directory,
            "environment": dict(os.environ),
            "path": list(sys.path),
            "arguments": list(map(str, getattr(sys, "argv", ()))),  # its script's
            "main": main_place() if executor.start_method != "fork" else "here",
            "levels": levels,
            "variables": variables,
        }
    )


def place_of(variable: ContextVar[Any]) -> tuple[str, str]:
    """Return the module and name under which a context variable is found."""
    for module_name, module in list(sys.modules.items()):
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if value is variable:
                return module_name, name

    raise ValueError(
        f"the context variable {variable.name!r} is not found in any module; define it "
        f"at the top of one, so that a worker process can find it"
    )


def packed_variables(
    context: Context,
    variables: Iterable[tuple[ContextVar[Any], tuple[str, str]]],
    where: str,
) -> list[tuple[tuple[str, str], bytes]]:
    """Return where context variables are found, and their values, pickled.

    Parameters:
        context: what has the values; what it does not have is left out.
        variables: the variables, each with what `place_of` says.
        where: what they are to be sent to.

    Raises:
        SerializationError: if a value cannot be sent.
    """
    found = []
    for variable, place in variables:
        if variable not in context:
            continue

        try:
            found.append((place, pickle.dumps(context[variable])))
        except Exception as error:
            raise SerializationError(
                f"the value of the context variable {variable.name!r} cannot be sent "
                f"to {where}: {text_of(error)}. Give it one that can be pickled, or "
                f"leave the variable out of context=",
                "",
                "argument",
                f"context variable {variable.name!r}",
            ) from error

    return found


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
