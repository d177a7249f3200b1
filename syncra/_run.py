"""A run: one noun for result, handle and report."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from threading import Lock

from ._calls import part_of
from ._core import states as core
from ._engine import Engine
from ._loops import running_library
from ._names import hint, listed, nearest
from ._task import Part, Task
from .errors import (
    RunNotFinished,
    TaskCancelled,
    TaskNotFoundError,
    TaskSkipped,
)
from .executors._pool import start_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from types import TracebackType
    from typing import Any, NoReturn, TypeVar, overload

    from ._report import Records

    R = TypeVar("R")


class Run(Mapping[str, object]):
    """Hold one execution of a graph: its results, its records, and a handle on it.

    As a mapping it gives the results: `run[task]` or `run["name"]`. Iteration, `len`
    and `dict(run)` cover the tasks that succeeded, in topological order. `await run`
    waits for the end of the run, and starts it first if a call of a graph inside an
    event loop has made it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._journal = engine.journal
        self._started = False

    # Making it go.

    def _run_here(self) -> Run:
        """Run to the end, blocking the caller."""
        self._started = True
        self._engine.run()
        self._raise_first()
        return self

    def _run_in_thread(self) -> Run:
        """Run to the end in another thread, blocking the caller all the same."""
        self._started = True
        over = Lock()
        over.acquire()
        raised: list[BaseException] = []

        def job() -> None:
            try:
                self._engine.run()
            except BaseException as error:
                raised.append(error)
            finally:
                over.release()

        start_thread(job)
        try:
            over.acquire()
        except BaseException:
            self._engine.cancel()
            over.acquire()
            raise

        if raised:
            raise raised.pop()

        self._raise_first()
        return self

    def _start(self) -> Run:
        """Run in the background."""
        self._started = True
        start_thread(self._engine.run)
        return self

    def __await__(self) -> Generator[Any, Any, Run]:
        return self._finish().__await__()

    async def _finish(self) -> Run:
        if self._started:
            await self._over()
        else:
            self._started = True
            await self._engine.arun()
        self._raise_first()
        return self

    async def _over(self) -> None:
        """Wait on this thread's event loop for a run that is going on elsewhere."""
        import anyio

        from .executors.coroutines import call_soon_here

        event = anyio.Event()
        call_soon = call_soon_here()
        if self._engine.call_when_over(partial(call_soon, event.set)):
            await event.wait()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end of the run and return whether it has come.

        Parameters:
            timeout: the most seconds to wait; for ever if None.

        Raises:
            RunNotFinished: if the run waits to be awaited.
        """
        if not self._started:
            self._refuse()
        over = Lock()
        over.acquire()
        if not self._engine.call_when_over(over.release):
            return True

        return over.acquire(timeout=-1 if timeout is None else max(timeout, 0))

    @property
    def done(self) -> bool:
        """Return whether the run is over."""
        return self._engine.is_over

    @property
    def ok(self) -> bool:
        """Return whether the run is over and every task has succeeded."""
        return self._engine.is_over and all(
            state == core.SUCCEEDED for state in self._journal.states
        )

    # What it has to tell.

    @property
    def id(self) -> str:
        """Return the id of the run: 16 hexadecimal digits."""
        return self._engine.identify()

    @property
    def graph(self) -> str:
        """Return the name of the graph."""
        return self._journal.compiled.graph

    @property
    def records(self) -> Records:
        """Return the `TaskRecord` of each task by name."""
        from ._report import Records

        return Records(self._journal)

    @property
    def errors(self) -> dict[str, BaseException]:
        """Return the errors of the tasks that failed, by name, first failure first."""
        names = self._journal.compiled.names
        return {names[task]: error for task, error in self._journal.errors.items()}

    def raise_for_errors(self) -> None:
        """Raise an `ExceptionGroup` of all errors of the run, if there are any.

        Raises:
            ExceptionGroup: of what the tasks raised, first failure first.
            BaseExceptionGroup: if one of them is not an `Exception`.
        """
        errors = list(self._journal.errors.values())
        if errors:
            raise BaseExceptionGroup(
                f"{len(errors)} of {len(self._journal.states)} tasks of graph "
                f"{self.graph!r} failed",
                errors,
            )

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, key: Task[..., R]) -> R: ...
        @overload
        def __getitem__(self, key: str | Part) -> Any: ...
        def __getitem__(self, key: Any) -> Any: ...
    else:

        def __getitem__(self, key):
            """Return the result of a task.

            Parameters:
                key: the task, its name, its function, or a part of it.

            Raises:
                TaskNotFoundError: if it is not a task of the run.
                RunNotFinished: if it has not come to an end yet.
                TaskSkipped: if it was skipped.
                TaskCancelled: if it was cancelled.
                BaseException: what the task itself raised, if it failed.
            """
            task = self._id_of(key)
            if self._journal.states[task] != core.SUCCEEDED:
                self._no_result(task)

            value = self._journal.values[task]
            if isinstance(key, Part):
                outputs = self._journal.compiled.tasks[task].outputs
                return part_of(value, key.output, outputs.index(key.output))

            return value

    def __iter__(self) -> Iterator[str]:
        compiled, states = self._journal.compiled, self._journal.states
        return (
            compiled.names[task]
            for task in compiled.plan.order
            if states[task] == core.SUCCEEDED
        )

    def __len__(self) -> int:
        return self._journal.states.count(core.SUCCEEDED)

    def __contains__(self, key: object) -> bool:
        try:
            task = self._id_of(key)
        except TaskNotFoundError:
            return False

        return self._journal.states[task] == core.SUCCEEDED

    # Two runs are never the same, whatever came out of them.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        if not self._started:
            what = "not started: await it"
        else:
            count = self._journal.states.count
            counts = [
                f"{count(state)} {name}"
                for state, name in enumerate(core.STATE_NAMES)
                if count(state)
            ]
            what = ", ".join(counts) or "no tasks"
        return f"<Run of graph {self.graph!r}: {what}>"

    def __del__(self) -> None:
        # An unfinished constructor leaves no attributes.
        if not getattr(self, "_started", True):
            import warnings

            warnings.warn(
                f"the run of graph {self.graph!r} was never awaited. Inside an event "
                f"loop write `await graph(...)`, or `graph.run(...)` to block.",
                RuntimeWarning,
                stacklevel=2,
                source=self,
            )

    def _id_of(self, key: object) -> int:
        compiled = self._journal.compiled
        if isinstance(key, Part):
            key = key.task
        if isinstance(key, Task):
            task = compiled.ids.get(key.name)
            if task is not None and compiled.tasks[task].graph is key.graph:
                return task

            name: str = key.name
        elif isinstance(key, str):
            task = compiled.ids.get(key)
            if task is not None:
                return task

            name = key
        else:
            found = [
                task
                for task, definition in enumerate(compiled.tasks)
                if definition.function is key
            ]
            if len(found) == 1:
                return found[0]

            name = getattr(key, "__name__", None) or repr(key)
        suggestion = nearest(name, compiled.ids)
        raise TaskNotFoundError(
            f"the run of graph {self.graph!r} has no task {name!r}."
            + (hint(suggestion) if suggestion != name else ""),
            key,
            suggestion,
        )

    def _no_result(self, task: int) -> NoReturn:
        """Raise what stands in for the result of a task that has none."""
        journal = self._journal
        state = journal.states[task]
        name = journal.compiled.names[task]
        if state == core.FAILED:
            raise_again(journal.errors[task], journal.tracebacks[task])
        if state == core.SKIPPED:
            because = self.records[name].skipped_because
            raise TaskSkipped(
                f"task {name!r} of graph {self.graph!r} was skipped "
                f"because of {listed(because)}.",
                name,
                because,
            )

        if state == core.CANCELLED:
            raise TaskCancelled(
                f"task {name!r} of graph {self.graph!r} was cancelled.", name
            )

        if not self._started:
            self._refuse()
        raise RunNotFinished(
            f"task {name!r} of graph {self.graph!r} is not over yet; "
            f"wait for it with run.wait() or `await run`."
        )

    def _refuse(self) -> NoReturn:
        raise RunNotFinished(
            f"this run of graph {self.graph!r} has not started: inside an event loop "
            f"a graph is awaited. Write `run = await graph(...)`, or `graph.run(...)` "
            f"to block."
        )

    def _raise_first(self) -> None:
        """Raise the error that ended the run, if one has."""
        journal = self._journal
        task = journal.first_error
        if task is None or self._engine.on_error == "continue":
            return

        error = journal.errors[task]
        try:
            raise_again(error, journal.tracebacks[task])
        finally:
            del error, journal, self  # the traceback holds this frame


def raise_again(error: BaseException, traceback: TracebackType | None) -> NoReturn:
    """Raise a kept exception with the traceback that it was kept with.

    Each raise adds the frames it passes to the exception, so one that is raised many
    times would grow; the kept traceback is put back first.
    """
    try:
        raise error.with_traceback(traceback)
    finally:
        del error


def block(engine: Engine) -> Run:
    """Run to the end and return the run, wherever the caller is."""
    run = Run(engine)
    if running_library() is None or not engine.needs_loop:
        return run._run_here()

    return run._run_in_thread()


def in_background(engine: Engine) -> Run:
    """Start a run and return it at once."""
    return Run(engine)._start()


def to_await(engine: Engine) -> Run:
    """Return a run that starts when it is awaited."""
    return Run(engine)
