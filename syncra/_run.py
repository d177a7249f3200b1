"""A run: one noun for result, handle and report."""

from __future__ import annotations

from collections.abc import Mapping
from threading import TIMEOUT_MAX, Lock

from ._background import keep_until_finished
from ._calls import part_of
from ._completed import Completed, wait_on_loop
from ._core import states as core
from ._core.policy import seconds
from ._drawable import Drawable
from ._lookup import id_of
from ._raising import (
    error_of,
    group_of,
    no_result,
    not_kept,
    not_over,
    not_started,
    raise_again,
)
from ._remote import Remote
from ._session import Session
from ._task import Part
from .errors import RunTimeout, TaskNotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, MutableMapping
    from types import TracebackType
    from typing import Any, NoReturn, TypeVar, overload

    from ._compiled import Compiled
    from ._engine import Engine
    from ._observing import ObserverError
    from ._records import Progress, Records, TaskRecord
    from ._report import Report
    from ._task import Task

    R = TypeVar("R")
    D = TypeVar("D")


WITHOUT_RESULT = (core.FAILED, core.SKIPPED, core.CANCELLED)


class Run(Drawable, Mapping[str, object]):
    """Hold one execution of a graph: its results, its records, and a handle on it.

    As a mapping it gives the results: `run[task]` or `run["name"]`. Iteration, `len`
    and `dict(run)` cover the tasks that succeeded and whose results were to be kept, in
    topological order. `await run` waits for the end of the run, and starts it first if
    a call of a graph inside an event loop has made it.
    """

    def __init__(self, engine: Engine) -> None:
        self._is_refused = False
        self._engine = engine
        self._journal = engine.journal
        self._session = Session(engine)

    # Making it go.

    def _start(self) -> Run:
        """Run in the background."""
        self._begin()
        self._session.start()
        keep_until_finished(self._session)
        return self

    def _begin(self) -> None:
        """Get ready what is there before the first task."""
        for observer in self._engine.settings.observers:
            if hasattr(observer, "before_run"):
                self._is_refused = True  # nobody need await what cannot begin
                observer.before_run(self)
                self._is_refused = False
        if self._engine.observing is not None:
            self._engine.observing.begin(self)

    def __await__(self) -> Generator[Any, Any, Run]:
        return self._finish().__await__()

    async def _finish(self) -> Run:
        if self._session.is_started:
            await wait_on_loop(self._session)
        else:
            self._begin()
            await self._session.arun()
        error, traceback = self._to_raise()
        if error is None:
            return self

        del self  # see `block`
        raise_again(error, traceback)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end of the run and return whether it has come.

        Parameters:
            timeout: the most seconds to wait; for ever if None.

        Raises:
            RunNotFinished: if the run waits to be awaited.
            TypeError: if the timeout is no number.
            ValueError: if it is not finite.
        """
        if timeout is not None:
            whose = f"run of graph {self.graph!r}: wait"
            timeout = seconds(timeout, whose, least=float("-inf"))
            timeout = min(max(timeout, 0), TIMEOUT_MAX)
        if not self._session.is_started:
            self._refuse()
        over = Lock()
        over.acquire()
        let_go = over.release
        if not self._session.call_when_finished(let_go):
            return True

        try:
            return over.acquire(timeout=-1 if timeout is None else timeout)
        finally:
            self._session.do_not_call(let_go)

    def cancel(self, grace: float | None = None) -> None:
        """End the run: nothing new starts, what is running is told to end.

        Works from any thread, task or event loop, and returns at once; `wait` for the
        end. What has not ended after the grace is left behind: its record says
        `abandoned`. A run that is over stays as it is.

        Parameters:
            grace: seconds that running tasks have to end; that of the run, which is 5
                unless it says otherwise, if None.

        Raises:
            ValueError: if the grace is negative or no number.
        """
        if grace is not None:
            grace = seconds(grace, f"run of graph {self.graph!r}: grace", least=0.0)
        self._session.cancel(grace)

    def as_completed(self) -> Completed:
        """Return the records of the tasks as they come to their end, one by one.

        An iterator for `for` and for `async for`. Those that are over already come
        first. It ends when all tasks of the run are over.

        Raises:
            RunNotFinished: if the run waits to be awaited.

        Example:
            >>> from syncra import Graph
            >>> graph = Graph("letters")
            >>> a = graph.add(lambda: "A", name="a")
            >>> b = graph.add(str.lower, name="b", dependencies=a)
            >>> [record.name for record in graph.start().as_completed()]
            ['a', 'b']
        """
        if not self._session.is_started:
            self._refuse()
        return Completed(self._engine, self.records)

    @property
    def done(self) -> bool:
        """Return whether the run is over."""
        return self._session.is_done

    @property
    def ok(self) -> bool:
        """Return whether the run is over and nothing has failed or been cancelled.

        A task that was skipped by its own wish or by its trigger is no failure.
        """
        states = self._journal.states
        return (
            self._session.is_done
            and core.FAILED not in states
            and core.CANCELLED not in states
        )

    @property
    def progress(self) -> Progress:
        """Return how many tasks are in each state at this moment."""
        from ._records import progress_of

        return progress_of(self._journal.states)

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
        from ._records import Records

        return Records(self._journal, self.rollbacks, keeps=self)

    @property
    def rollbacks(self) -> Mapping[str, TaskRecord]:
        """Return the record of the undoing of each task that was undone, by name."""
        undoing = self._session.rollback
        if undoing is None:
            return {}

        from ._records import Records

        return Records(undoing.journal, keeps=self)

    def report(self) -> Report:
        """Return what became of the run as plain data."""
        from ._report import Report

        return Report(self._journal, self.id, self.records)

    @property
    def errors(self) -> dict[str, BaseException]:
        """Return the errors of the tasks that failed, by name, first failure first."""
        names = self._journal.compiled.names
        return {
            names[task]: error for task, error in self._journal.errors.copy().items()
        }

    @property
    def shared(self) -> MutableMapping[str, Any]:
        """Return what the tasks of the run share: their `Context.shared` itself."""
        return self._engine.shared

    @property
    def observer_errors(self) -> list[ObserverError]:
        """Return what went wrong with observers, which has not changed the run."""
        observing = self._engine.observing
        return observing.errors if observing is not None else []

    def raise_for_errors(self) -> None:
        """Raise an `ExceptionGroup` of all errors of the run, if there are any.

        Raises:
            ExceptionGroup: of what the tasks raised, first failure first, and of
                `RunTimeout` or `TaskCancelled` if the run was ended from outside.
            BaseExceptionGroup: if one of them is not an `Exception`.
        """
        group = group_of(self._journal, self._session.interruption)
        try:
            if group is not None:
                raise group
        finally:
            del group  # or it and this frame hold one another

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
                ResultNotKept: if the run was told by `keep=` not to keep it.
                TaskSkipped: if it was skipped.
                TaskCancelled: if it was cancelled.
                ExecutorLost: if it is on a cluster that does not have it any more.
                BaseException: what the task itself raised, if it failed.
            """
            task = id_of(self._journal.compiled, key)
            if self._journal.states[task] != core.SUCCEEDED:
                self._no_result(task)

            kept = self._journal.kept
            if kept is not None and task not in kept:
                raise not_kept(self._journal, task)

            value = self._journal.values[task]
            if value.__class__ is Remote:
                value = self._journal.values[task] = value.fetch()
            if isinstance(key, Part):
                outputs = self._journal.compiled.tasks[task].outputs
                return part_of(value, key.output, outputs.index(key.output))

            return value

    if TYPE_CHECKING:

        @overload
        def get(self, key: Task[..., R]) -> R | None: ...
        @overload
        def get(self, key: Task[..., R], default: D) -> R | D: ...
        @overload
        def get(self, key: str | Part) -> Any: ...
        @overload
        def get(self, key: str | Part, default: object) -> Any: ...
        def get(self, key: Any, default: Any = None) -> Any: ...
    else:

        def get(self, key, default=None):
            """Return the result of a task, or `default` if it ended with none.

            Parameters:
                key: the task, its name, its function, or a part of it.
                default: for a task that failed, was skipped or cancelled, or that
                    there is not.

            Raises:
                RunNotFinished: if the task has not come to an end yet.
                ResultNotKept: if it has succeeded, and `keep=` was not to keep that.
            """
            try:
                task = id_of(self._journal.compiled, key)
            except TaskNotFoundError:
                return default

            lacks = self._journal.states[task] in WITHOUT_RESULT
            return default if lacks else self[key]

    def __iter__(self) -> Iterator[str]:
        names, order = self._journal.compiled.names, self._journal.compiled.plan.order
        return (names[task] for task in order if self._has(task))

    def __len__(self) -> int:
        kept = self._journal.kept
        if kept is None:
            return self._journal.states.count(core.SUCCEEDED)

        return sum(map(self._has, kept))

    def __contains__(self, key: object) -> bool:
        try:
            task = id_of(self._journal.compiled, key)
        except TaskNotFoundError:
            return False

        return self._has(task)

    def _has(self, task: int) -> bool:
        """Return whether there is a result of a task."""
        journal = self._journal
        is_kept = journal.kept is None or task in journal.kept
        return is_kept and journal.states[task] == core.SUCCEEDED

    # Two runs are never the same, whatever came out of them.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    #: What looks for who is to blame need not look into it.
    refuses_pickling = True

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            f"a run of graph {self.graph!r} cannot be copied or pickled: dict(run) has "
            f"its results, run.report().to_dict() what became of it."
        )

    def __repr__(self) -> str:
        if not self._session.is_started:
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

    def __str__(self) -> str:
        if not self._session.is_started:
            return repr(self)

        return str(self.report())

    def _to_draw(self) -> tuple[Compiled, bytes]:
        return self._journal.compiled, bytes(self._journal.states)

    def __del__(self) -> None:
        # An unfinished constructor leaves no attributes.
        session = getattr(self, "_session", None)
        if session is None:
            return

        if session.is_finished:
            # Errors know frames, and these the run: this is where the circle ends.
            session.engine.journal.forget_errors()
            if session.rollback is not None:
                session.rollback.journal.forget_errors()
        elif not (session.is_started or self._is_refused):
            import warnings

            warnings.warn(
                f"the run of graph {self.graph!r} was never awaited. Inside an event "
                f"loop write `await graph(...)`, or `graph.run(...)` to block.",
                RuntimeWarning,
                stacklevel=2,
                source=self,
            )

    def _no_result(self, task: int) -> NoReturn:
        """Raise what stands in for the result of a task that has none."""
        if self._journal.states[task] == core.FAILED:
            raise_again(*error_of(self._journal, task))
        if self._journal.states[task] in core.TERMINAL:
            record = self.records[self._journal.compiled.names[task]]
            raise no_result(self.graph, record)

        if not self._session.is_started:
            self._refuse()
        raise not_over(self._journal, task)

    def _refuse(self) -> NoReturn:
        raise not_started(self.graph)

    def _to_raise(self) -> tuple[BaseException | None, TracebackType | None]:
        """Return what ended the run, if something has, and its traceback."""
        journal = self._journal
        interruption = self._session.interruption
        if interruption is not None and not isinstance(interruption, RunTimeout):
            return interruption, interruption.__traceback__

        if self._engine.settings.on_error == "continue":
            return None, None

        task = journal.first_error
        if task is not None:
            return error_of(journal, task)

        return interruption, None
