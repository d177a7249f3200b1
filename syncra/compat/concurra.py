"""Concurra's `TaskRunner` on Syncra: scripts run with another import.

    from syncra.compat import concurra

    runner = concurra.TaskRunner(max_concurrency=4)
    runner.add_task(fetch, "https://...", label="page")
    results = runner.run()

It translates to the public names of Syncra and runs nothing itself. What each feature
is called natively says `docs/migrating-concurra.md`.
"""

from __future__ import annotations

import operator
import os
from functools import partial
from inspect import iscoroutinefunction

from syncra import Graph, Processes, Retry, Run, Threads
from syncra.errors import CommandFailed

from ._concurra_results import (
    AsyncCall,
    Call,
    Entry,
    Follower,
    Results,
    check_work,
    checked_retries,
    is_worth_retrying,
    literal,
    report,
    shows_info,
    table,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
    from logging import Logger
    from typing import Any

__all__ = ["CommandExecutionError", "TaskRunner"]

#: What a command raises that has not exited with 0.
CommandExecutionError = CommandFailed

#: Seconds that commands and processes have to end when they are told to. Functions in
#: threads cannot be told, so nobody waits for them.
GRACE = 1.5
#: Seconds after which it is looked whether Ctrl-C was pressed meanwhile.
LONGEST_WAIT = 0.5
#: The most tasks whose results are all made at once, in a plain dictionary: what reads
#: it without asking it, as orjson, or takes nothing else, as YAML, has all of it too.
MOST_PLAIN = 1_000
#: The least limit of a task: Concurra takes 0 for one that only quick tasks keep.
LEAST_TIMEOUT = 0.001


class TaskRunner:
    """Run functions and commands in the order that their dependencies leave, once.

    Parameters:
        max_concurrency: the most tasks that are going on at once; one for each core if
            None, and 1 if less than that.
        name: what progress lines begin with.
        timeout: the most seconds that each attempt at a task may take.
        progress_stats: whether to log how the run goes on.
        fast_fail: whether the first task that fails ends the run.
        use_multiprocessing: whether functions run in processes.
        logger: where lines go; the logger "concurra.core" if None. Of one that is not
            of `logging`, `info`, `warning` and `error` are called with whole lines.
        log_errors: whether the error of a task is logged when it fails.
        fallback_to_thread_on_pickle_error: whether a function that cannot leave this
            process runs in a thread; otherwise it fails.
        task_retries: how often a task is tried again after an exception.

    Raises:
        TypeError: if `max_concurrency` or `task_retries` is no whole number.
        ValueError: if the latter is negative.

    Example:
        >>> from syncra.compat.concurra import TaskRunner
        >>> runner = TaskRunner(max_concurrency=2)
        >>> runner.add_task(pow, 2, 10, label="power")
        >>> runner.add_task(sorted, "cab", label=("letters", 1), depends_on=["power"])
        >>> results = runner.run()
        >>> results["power"]["result"], results["letters", 1]["status"]
        (1024, 'Successful')
    """

    def __init__(
        self,
        max_concurrency: int | None = None,
        name: str | None = None,
        timeout: float | None = None,
        progress_stats: bool = True,
        fast_fail: bool = False,
        use_multiprocessing: bool = False,
        logger: Logger | None = None,
        log_errors: bool = False,
        fallback_to_thread_on_pickle_error: bool = False,
        task_retries: int = 0,
    ) -> None:
        if logger is None:
            from logging import getLogger

            logger = getLogger("concurra.core")
        self.log = logger
        if max_concurrency is None:
            max_concurrency = os.cpu_count() or 1
        max_concurrency = operator.index(max_concurrency)
        if max_concurrency < 1:
            self.log.warning(
                "max_concurrency must be >= 1; resetting to 1, tasks will not run in "
                "parallel"
            )
            max_concurrency = 1
        self.max_concurrency = max_concurrency
        self.name = name or type(self).__name__
        self.timeout = timeout
        self.progress_stats = progress_stats
        self.fast_fail = fast_fail
        self.use_multiprocessing = use_multiprocessing
        self.log_errors = log_errors
        self.fallback_to_thread_on_pickle_error = fallback_to_thread_on_pickle_error
        self.task_retries = checked_retries(task_retries)
        self._graph = Graph(
            self.name,
            executor=(Processes if use_multiprocessing else Threads)(max_concurrency),
            max_concurrency=max_concurrency if use_multiprocessing else None,
            on_error="raise" if fast_fail else "continue",
        )
        #: Whether a function may run in this process.
        self._may_stay = not use_multiprocessing or fallback_to_thread_on_pickle_error
        self._options: dict[int, dict[str, Any]] = {}
        self._entries: dict[Hashable, Entry] = {}
        #: Names of tasks by label, also of labels that were only waited for so far.
        self._names: dict[Hashable, str] = {}
        self._labels: dict[str, Hashable] = {}
        self._has_commands = False
        self._has_started = self._is_aborted = self._is_in_background = False
        self._run: Run | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def add_task(
        self,
        task: Callable[..., Any],
        *args: Any,
        label: Hashable = None,
        depends_on: Iterable[Hashable] | None = None,
        task_retries: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Add a function and what it is called with; a coroutine function is awaited.

        Parameters:
            task: the function. All else goes to it, but for these three:
            label: what the task is called in the results; its number if None.
            depends_on: labels of tasks that have to succeed first, added yet or not.
            task_retries: overrides that of the runner.

        Raises:
            TypeError: if the task cannot be called or a label cannot be hashed.
            ValueError: if the label is taken, or tasks would wait for one another.
            RuntimeError: if the runner has started.
        """
        self._add(task, args, kwargs, label, depends_on, task_retries)

    def add_func(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Add a function and its arguments, of which `key` is the label of the task."""
        label = kwargs.pop("key", None)
        self._add(func, args, kwargs, label, None, None)

    def add_function(
        self,
        func: Callable[..., Any],
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        key: Hashable = None,
        log_exception: bool = True,
        depends_on: Iterable[Hashable] | None = None,
        task_retries: int | None = None,
    ) -> None:
        """Add a function whose arguments come in containers, and its label as `key`.

        `log_exception` is unused: `log_errors` of the runner decides.
        """
        self._add(
            func,
            () if args is None else tuple(args),
            {} if kwargs is None else dict(kwargs),
            key,
            depends_on,
            task_retries,
        )

    def add_work(self, workload: Sequence[tuple[Any, ...]]) -> None:
        """Add tasks given as tuples of function, arguments, keywords and label.

        Raises:
            TypeError: if something has the wrong type.
            ValueError: if a tuple is too short or too long.
        """
        for index, item in enumerate(workload):
            check_work(index, item)
        for item in workload:
            function, args, kwargs, label, *_ = (*item, None, None, None)
            self.add_function(function, args, kwargs, label)

    def add_command(
        self,
        command: Sequence[str],
        label: Hashable = None,
        depends_on: Iterable[Hashable] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        capture_output: bool = True,
        text: bool = True,
        task_retries: int | None = None,
    ) -> None:
        """Add a program and its arguments, as for `Graph.command` and `add_task`.

        Raises:
            TypeError: if the command is no list or tuple of strings.
            ValueError: if it is empty.
        """
        if not isinstance(command, (list, tuple)):
            raise TypeError(
                "add_command requires command to be a list or tuple of strings."
            )

        if not command:
            raise ValueError("add_command requires at least one command element.")

        if not all(isinstance(item, str) for item in command):
            raise TypeError(
                "add_command requires every command element to be a string."
            )

        given = label, depends_on, task_retries
        output = {"check": check, "capture_output": capture_output, "text": text}
        self._add_command(command, *given, cwd=cwd, env=env, **output)

    def add_shell_command(
        self,
        command: str,
        label: Hashable = None,
        depends_on: Iterable[Hashable] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        capture_output: bool = True,
        text: bool = True,
        task_retries: int | None = None,
    ) -> None:
        """Add a text that a shell runs; see `add_command`.

        Raises:
            TypeError: if the command is no str.
            ValueError: if it is empty.
        """
        if not isinstance(command, str):
            raise TypeError("add_shell_command requires command to be a string.")

        if not command.strip():
            raise ValueError("add_shell_command requires a non-empty command string.")

        given = label, depends_on, task_retries
        output = {"check": check, "capture_output": capture_output, "text": text}
        self._add_command(command, *given, cwd=cwd, env=env, **output)

    def _add(
        self,
        task: Any,
        args: Any,
        kwargs: Any,
        label: Any,
        depends_on: Any,
        retries: Any,
    ) -> None:
        if not callable(task):
            raise TypeError(f"The provided task '{task}' is not callable.")

        entry = self._entry(task, None, label, depends_on, retries)
        kind = AsyncCall if iscoroutinefunction(task) else Call
        call = kind(task, args, kwargs, self._may_stay)
        self._graph.add(
            call, name=entry.name, after=self._after(entry), **self._how(entry.retries)
        )
        self._entries[entry.label] = entry

    def _add_command(
        self,
        command: Any,
        label: Any,
        depends_on: Any,
        retries: Any,
        *,
        cwd: Any,
        env: Any,
        **options: Any,
    ) -> None:
        entry = self._entry(command, cwd, label, depends_on, retries)
        options |= self._how(entry.retries)
        options.pop("fallback", None)
        options |= {
            "name": entry.name,
            "after": self._after(entry),
            "cwd": literal(cwd),
            "env": {key: literal(value) for key, value in dict(env or {}).items()},
            "max_output": None,
        }
        if isinstance(command, str):
            self._graph.shell(literal(command), **options)
        else:
            self._graph.command([literal(item) for item in command], **options)
        self._has_commands = True
        self._entries[entry.label] = entry

    def _entry(
        self, task: Any, cwd: Any, label: Any, depends_on: Any, retries: Any
    ) -> Entry:
        """Return what is known of a task that is about to be added, all checked."""
        if self._has_started:
            raise RuntimeError("Cannot add tasks after execution has started.")

        if label is None:
            label = len(self._entries)
        if label in self._entries:
            raise ValueError(f"Duplicate task key label: '{label}' already exists.")

        if retries is None:
            retries = self.task_retries
        else:
            checked_retries(retries)
        before: tuple[Hashable, ...] = ()
        if depends_on is not None:
            # One text is one label, not its letters.
            alone = isinstance(depends_on, str)
            before = (depends_on,) if alone else tuple(dict.fromkeys(depends_on))
        if label in before:
            raise ValueError(f"Task '{label}' cannot depend on itself.")

        if before and label in self._names:  # somebody waits for it already
            self._check_no_cycle(label, before)
        return Entry(label, self._name_of(label), task, cwd, before, retries)

    def _name_of(self, label: Hashable) -> str:
        """Return the name of the task with a label; the label itself if it can be."""
        name = self._names.get(label)
        if name is None:
            name = label if type(label) is str and label else repr(label)
            while name in self._labels:
                name += "'"
            self._names[label] = name
            self._labels[name] = label
        return name

    def _after(self, entry: Entry) -> Sequence[str]:
        return [self._name_of(one) for one in entry.before] if entry.before else ()

    def _how(self, retries: int) -> dict[str, Any]:
        """Return how a task is run that is tried again so often."""
        options = self._options.get(retries)
        if options is None:
            options = self._options[retries] = {}
            if retries:
                options["retry"] = Retry(retries + 1, is_worth_retrying, backoff=0.0)
            if self.timeout is not None:
                options["timeout"] = max(self.timeout, LEAST_TIMEOUT)
            if self.use_multiprocessing:
                # Whether it may run there is up to the call itself.
                options["fallback"] = "threads"
        return options

    def _check_no_cycle(self, label: Hashable, before: tuple[Hashable, ...]) -> None:
        """Raise if tasks that are there would wait for one that waits for them."""
        waits_for: dict[Hashable, Hashable] = dict.fromkeys(before, label)
        stack = list(before)
        while stack:
            here = stack.pop()
            if here == label:
                path = [here]
                while waits_for[path[-1]] != label:
                    path.append(waits_for[path[-1]])
                shown = " -> ".join(map(str, [label, *reversed(path)]))
                raise ValueError(f"Circular dependency detected: {shown}.")

            for one in self._entries[here].before if here in self._entries else ():
                if one not in waits_for:
                    waits_for[one] = here
                    stack.append(one)

    def run(
        self,
        verify: bool = True,
        raise_exception: bool = False,
        error_message: str | None = None,
    ) -> dict[Any, dict[str, Any]]:
        """Run all tasks and return what became of each, by label.

        Parameters:
            verify: whether to log a table of all tasks, and what has failed.
            raise_exception: whether to raise that instead, if something has failed.
            error_message: what that begins with.

        Raises:
            RuntimeError: if the runner has started before.
            ValueError: if a task waits for one that was not added.
            Exception: if a task has failed and `raise_exception` is true.
        """
        self._check_start()
        try:
            self._start()
            return self._finish(verify, raise_exception, error_message)
        except KeyboardInterrupt:
            if self._run is not None:
                self._run.cancel()
                self._run.wait()
            raise

    execute = run

    def execute_in_background(self) -> None:
        """Start all tasks and return at once; raise what `run` does for that."""
        self._check_start()
        self._start()
        self._is_in_background = True

    def get_background_results(
        self,
        verify: bool = True,
        raise_exception: bool = False,
        error_message: str | None = None,
    ) -> dict[Any, dict[str, Any]]:
        """Wait for what `execute_in_background` has started; return as `run` does."""
        if not self._has_started:
            raise RuntimeError("Execution has not been started in the background.")

        return self._finish(verify, raise_exception, error_message)

    def is_running(self) -> bool:
        """Return whether a background run waits for its results to be taken."""
        return self._is_in_background

    def get_active_runner_count(self) -> int:
        """Return how many tasks are going on at this moment."""
        return 0 if self._run is None else self._run.progress.running

    def abort(self) -> dict[Any, dict[str, Any]]:
        """End the run, from whatever thread, and return what became of each task.

        What had not finished is "Terminated". A function in a thread cannot be ended:
        nobody waits for it, and what it returns is lost.
        """
        self._is_aborted = True
        if self._run is not None:
            self._run.cancel()
        return self._finish(True, False, None)

    def verify(
        self, raise_exception: bool = False, error_message: str | None = None
    ) -> None:
        """Log a table of all tasks, and what has failed; or raise that.

        Raises:
            Exception: if the run is not over; if a task has failed and that is wanted.
        """
        if self._run is None and not self._is_aborted:
            raise Exception("Execution has not started")

        if self._run is not None and not self._run.done:
            raise Exception("Execution is still in progress")

        results = self._results()
        if results.are_successful():
            if shows_info(self.log):
                self.log.info(f"\n{table(results)}")
            return

        text = f"{error_message or 'Execution Failed'}\n{report(results)}"
        if raise_exception:
            raise Exception(text)

        self.log.error(text)

    def _check_start(self) -> None:
        if self._has_started:
            raise RuntimeError(
                "TaskRunner has already started execution. Create a new TaskRunner "
                "instance to add tasks and run again."
            )

        if len(self._names) > len(self._entries):
            self._check_dependencies()

    def _start(self) -> None:
        self._has_started = True
        if self._is_aborted:
            return

        observers = []
        shows_progress = self.progress_stats and shows_info(self.log)
        if shows_progress or self.log_errors or self.fast_fail:
            results_of = self._results_of()
            observers.append(Follower(self, results_of, self._labels, shows_progress))
        is_soft = self._has_commands or self.use_multiprocessing
        grace = GRACE if is_soft else 0.0
        self._run = run = self._graph.start(observers=observers, grace=grace)
        if self._is_aborted:  # meanwhile, when there was no run to cancel
            run.cancel()
        if self.use_multiprocessing and self.fallback_to_thread_on_pickle_error:
            for label in self._results().fallen_back():
                self.log.warning(
                    f"Task '{label}' was not picklable; running in thread fallback"
                )

    def _check_dependencies(self) -> None:
        unknown = []
        for label, entry in self._entries.items():
            missing = [one for one in entry.before if one not in self._entries]
            if missing:
                unknown.append(f"{label} depends on {sorted(missing, key=str)}")
        if unknown:
            listed = ", ".join(unknown)
            raise ValueError(f"Unknown task dependency label(s): {listed}.")

    def _finish(
        self, verify: bool, raise_exception: bool, error_message: str | None
    ) -> dict[Any, dict[str, Any]]:
        # A signal that comes in the instant before a wait is only seen at its end.
        while self._run is not None and not self._run.wait(LONGEST_WAIT):
            pass
        self._is_in_background = False
        if verify:
            self.verify(raise_exception, error_message)
        results = self._results()
        return results.copy() if len(results) <= MOST_PLAIN else results

    def _results(self) -> Results:
        return self._results_of()(self._run)

    def _results_of(self) -> Callable[[Run | None], Results]:
        """Return what gives the results of a run, and does not know this runner."""
        known = self._entries, self._names, self.timeout, self.fast_fail
        return partial(Results, *known)
