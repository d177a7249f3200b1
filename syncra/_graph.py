"""A graph: tasks that can be run. It holds nothing of any run."""

from __future__ import annotations

from ._declare import make_task
from ._definition import Definition
from ._entry import ReachedRun, program
from ._loops import running_library
from ._names import calling_place
from ._options import (
    check_on_error,
    checked_limits,
    log_file,
    new_task,
    options_from,
)
from ._storable import Storable
from ._task import DEFAULT_OPTIONS, NOTHING, Task
from .executors import check_executor
from .executors.threads import checked_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping
    from typing import Any, Literal, Never, ParamSpec, TypeVar, overload

    from typing_extensions import Unpack

    from ._command_result import CommandResult
    from ._declare_command import Arguments, CommandOptions
    from ._decorator import Decorator
    from ._engine import Engine
    from ._options import Log, NamedOptions, RunOptions
    from ._run import Run
    from ._task import AsyncTask
    from .executors import AnyExecutor, Executor

    P = ParamSpec("P")
    R = TypeVar("R")


class Graph(Storable, Definition):
    """Collect tasks that depend on one another, and run them.

    A graph is a mapping of name to `Task`, in the order the tasks were added. Calling
    it runs it: `graph(path="data.csv")` in a script, `await graph(path="data.csv")`
    inside an event loop. It can run many times, at once too.

    Parameters:
        name: what messages and records call it; "graph" if None.
        executor: how tasks are executed that do not say so themselves: "auto"
            (coroutines on the event loop, functions in threads), "sequential",
            "threads", "processes", an executor, or a pool of `concurrent.futures`.
        on_error: what a failing task does to the run: "raise" ends it and raises;
            "continue" skips what depends on the task and raises nothing; "rollback"
            ends it, undoes what has succeeded, and raises.
        max_concurrency: the most tasks of a run that are going on at once, whatever
            executes them; as many as the executors take if None.
        limits: how much there is of each thing that tasks take while they run, by name;
            they say so with `limit=`. In each run: two runs at once have twice that.
        observers: who is told what happens in its runs; see `syncra.observers`.
        log: the file that the log records of all tasks are written to; see
            `syncra.observers.LogFile`.

    Raises:
        TypeError: if a number is none.
        ValueError: if there is no such executor or policy, or a number is not positive.

    Example:
        >>> from syncra import Graph
        >>> graph = Graph("sums")
        >>> @graph.task
        ... def numbers(count: int) -> list[int]:
        ...     return list(range(count))
        >>> @graph.task(dependencies=numbers)
        ... def total(numbers: list[int]) -> int:
        ...     return sum(numbers)
        >>> graph(count=4)[total]
        6
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        executor: AnyExecutor = "auto",
        max_concurrency: int | None = None,
        on_error: str = "raise",
        limits: Mapping[str, int] | None = None,
        observers: Iterable[object] = NOTHING,
        log: Log | None = None,
    ) -> None:
        whose = "graph" if name is None else f"graph {name!r}"
        super().__init__(name, checked_limits(limits, f"{whose}: limits"))
        if max_concurrency is not None:
            checked_count(max_concurrency, f"{whose}: max_concurrency")
        self.max_concurrency = max_concurrency
        self.executor: str | Executor = check_executor(executor, whose)
        check_on_error(on_error, whose)
        self.on_error = on_error
        self.observers: tuple[object, ...] = ()
        self.log = None if log is None else log_file(log, whose)
        if observers is not NOTHING:
            from .observers._protocol import checked_observers, without_repeats

            self.observers = without_repeats(checked_observers(observers, whose))

    if TYPE_CHECKING:

        @overload
        def task(
            self, function: Callable[P, Coroutine[Any, Any, R]], /
        ) -> AsyncTask[P, R]: ...
        @overload
        def task(self, function: Callable[P, R], /) -> Task[P, R]: ...
        @overload
        def task(self, **options: Unpack[NamedOptions]) -> Decorator: ...
        def task(self, *args: Any, **options: Any) -> Any: ...
        @overload
        def add(
            self, item: Graph, **options: Unpack[NamedOptions]
        ) -> Task[..., Run]: ...
        @overload
        def add(
            self,
            item: AsyncTask[P, R] | Callable[P, Coroutine[Any, Any, R]],
            **options: Unpack[NamedOptions],
        ) -> AsyncTask[P, R]: ...
        @overload
        def add(
            self, item: Callable[P, R], **options: Unpack[NamedOptions]
        ) -> Task[P, R]: ...
        def add(self, *args: Any, **options: Any) -> Any: ...
        @overload
        def command(
            self,
            arguments: Arguments,
            *,
            text: Literal[True] = True,
            **options: Unpack[CommandOptions],
        ) -> AsyncTask[..., CommandResult[str]]: ...
        @overload
        def command(
            self,
            arguments: Arguments,
            *,
            text: Literal[False],
            **options: Unpack[CommandOptions],
        ) -> AsyncTask[..., CommandResult[bytes]]: ...
        def command(self, arguments: Any, **options: Any) -> Any: ...
        @overload
        def shell(
            self,
            line: str,
            *,
            text: Literal[True] = True,
            **options: Unpack[CommandOptions],
        ) -> AsyncTask[..., CommandResult[str]]: ...
        @overload
        def shell(
            self,
            line: str,
            *,
            text: Literal[False],
            **options: Unpack[CommandOptions],
        ) -> AsyncTask[..., CommandResult[bytes]]: ...
        def shell(self, line: Any, **options: Any) -> Any: ...

    else:

        def task(self, function=None, /, **options):
            """Make a task of the decorated function and add it to this graph.

            Used as `@graph.task` or `@graph.task(...)`.

            Parameters:
                function: the function, where it is used without brackets.
                options: the parameters of `syncra.task` except `graph`.

            Raises:
                DuplicateTaskError: if the name is taken by another function.
                GraphError: if the function or a dependency cannot be used.
            """

            def decorate(function):
                return self._add(new_task(function, **options), redefines=True)

            return decorate if function is None else decorate(function)

        def add(
            self, item, *, name=None, dependencies=NOTHING, after=NOTHING, **options
        ):
            """Add a task and return it.

            Parameters:
                item: a callable; a free task; a task of another graph, of whose
                    function another task is made; or a graph, which becomes one task.
                name: name of the task; that of the callable if None.
                dependencies: upstream tasks, see `syncra.task`.
                after: upstream tasks that only have to finish first.
                options: how the task is run; the other parameters of `syncra.task`.

            Raises:
                DuplicateTaskError: if the name is taken by something else.
                GraphError: if the callable or a dependency cannot be used.
            """
            if type(item) is not _function:
                if isinstance(item, Task) and item.graph is None:
                    if name is None and dependencies is NOTHING and not options:
                        return self._add(item, redefines=False)

                if isinstance(item, Graph):
                    from ._nested import nested

                    name = name or item.name
                    item = nested(item, self)
            checked = DEFAULT_OPTIONS
            if options:
                checked = options_from(name or item, **options)
            return self._add(
                make_task(item, name, dependencies, after, checked), redefines=False
            )

        def command(self, arguments, **options):
            """Add a task that runs a program, and return it.

            Its result is a `CommandResult`. The program leads a session of its own: at
            its timeout, when the run is cancelled and at Ctrl-C its whole process group
            gets SIGTERM, and SIGKILL two seconds later. What it leaves running in the
            background does not hold up the task: the pipes that such a process keeps
            open are read for another second, and then it is killed.

            `{name}` is a placeholder in arguments, `cwd`, `env`, `input` and the files.
            It is filled like the parameter of a function: from a dependency, from
            `kwargs=`, or as an input of the graph. `{{` and `}}` are braces. A value
            is `str(value)`; of a `CommandResult` it is its output without the line
            break at its end, or the path of its `stdout_file`. An argument stays one
            argument, whatever its value holds. That a leading dash means no option
            only the program itself can be told, mostly with `"--"`.

            Commands run in threads, so not too many of them at once; `Threads(50)` or,
            without a bound, `Coroutines()` as their executor changes that.

            Parameters:
                arguments: the program and what it is given, each item one argument.
                cwd: where it runs.
                env: variables on top of the present environment; None removes one.
                check: whether an exit code that is not 0 fails the task.
                capture_output: whether output is kept; otherwise it goes where that of
                    this program goes.
                text: whether output is str, what is not UTF-8 in it replaced, or bytes.
                input: what it can read; otherwise there is nothing to read.
                stdout_file: a file for its output, which then is not in memory.
                stderr_file: a file for its error output; it may be the same.
                max_output: the most bytes kept of each stream, 2 MiB unless given; what
                    came last is kept, after a line that says how much is missing. All
                    if None.
                redact: secrets, and placeholders such as `"{token}"` that stand for
                    one. They are in no result, error or record, also where a program
                    has quoted them; but a file holds what the program writes.
                options: name, dependencies and how the task is run, as for `add`.

            Raises:
                TypeError: if the command is one str, or an option has the wrong type.
                ValueError: if a placeholder is more than a name.

            Example:
                >>> from syncra import Graph
                >>> graph = Graph("greetings")
                >>> greet = graph.command(["echo", "Hello, {whom}!"], name="greet")
                >>> shout = graph.command(
                ...     ["tr", "a-z", "A-Z"], input="{greet}", dependencies=greet
                ... )
                >>> graph(whom="you; ls")[shout].stdout
                'HELLO, YOU; LS!'
            """
            from ._declare_command import make_command

            task = make_command(
                arguments, in_shell=False, place=calling_place(1), **options
            )
            return self._add(task, redefines=False)

        def shell(self, line, **options):
            """Add a task that has a POSIX shell run a text, and return it.

            For pipes and redirections. Every value is quoted when it is filled in, so a
            placeholder stands alone or in a word, but never within quotes: where a
            value could break out it is refused.

            Parameters:
                line: the text, with placeholders as in `command`.
                options: those of `command`.

            Raises:
                TypeError: if the text is none, or an option has the wrong type.
                ValueError: if a placeholder is more than a name, or stands where its
                    value cannot be quoted.

            Example:
                >>> from syncra import Graph
                >>> graph = Graph("words")
                >>> count = graph.shell("echo {words} | wc -w")
                >>> graph(words="one; two $(three)")[count].stdout.strip()
                '3'
            """
            from ._declare_command import make_command

            task = make_command(line, in_shell=True, place=calling_place(1), **options)
            return self._add(task, redefines=False)

    def __call__(self, /, *positional: Never, **inputs: Any) -> Run:
        """Run the graph with the given inputs.

        In a script it blocks and returns the finished `Run`. Inside a running event
        loop, asyncio's or trio's, it returns a `Run` to `await`.

        Parameters:
            inputs: the inputs of the graph, by parameter name.

        Raises:
            GraphError: if the graph has a mistake.
            InputError: if inputs are missing or unknown.
            BaseException: the original exception of the first task that fails, unless
                the graph says `on_error="continue"`.
        """
        if positional:
            raise TypeError(
                f"graph {self.name!r} takes its inputs by name, as graph(path=...), or "
                f"as graph.run({{'path': ...}})"
            )

        from ._calling import block, to_await

        if running_library() is None:
            return block(self._engine(inputs))

        return to_await(self._engine(inputs, True))

    def run(
        self, inputs: Mapping[str, Any] | None = None, **options: Unpack[RunOptions]
    ) -> Run:
        """Run the graph, block until its end, and return the `Run`.

        Works inside a running event loop too, as in a notebook cell: coroutines then
        run on a loop of their own in another thread.

        Parameters:
            inputs: the inputs of the graph, by parameter name.
            targets: run only these tasks and what they need.
            executor: overrides that of the graph; a task that has one keeps its own.
            max_concurrency: overrides that of the graph.
            on_error: overrides that of the graph.
            timeout: the most seconds the run may take.
            grace: seconds that a task has to end when it is told to. By default 5, but
                a thread, which cannot be told, is waited for after a failure, and not
                at all when the timeout of the run is over.
            keep: whose results the run keeps: "all", "targets" (of the tasks that no
                other task waits for, or of `targets=` if given), or those of the tasks
                named. All others are let go as soon as every task that takes them is
                over, so that a long chain needs no more memory than a short one.
            observers: who is told what happens in the run, after those of the graph.
            progress: whether to show how the run goes on; or a `ProgressDisplay`, which
                says how.
            shared: the mapping that is `Context.shared` in its tasks and `run.shared`
                here: this very object, so what they have put into it is there even if
                the run raises. A new dict if None.
            n_jobs: another spelling of `max_concurrency`.

        Raises:
            GraphError: if the graph has a mistake.
            InputError: if inputs are missing or unknown.
            TaskNotFoundError: if a task named by targets= or keep= is not there.
            RunTimeout: if the run takes longer than `timeout`, unless `on_error` is
                "continue".
            BaseException: the original exception of the first task that fails, unless
                `on_error` is "continue".
        """
        from ._calling import block

        return block(self._engine(inputs, **options))

    async def arun(
        self, inputs: Mapping[str, Any] | None = None, **options: Unpack[RunOptions]
    ) -> Run:
        """Run the graph on the running event loop and return the `Run`.

        Never blocks the loop: coroutines run on it, functions in threads. Raises what
        `run` does.

        Parameters:
            inputs: the inputs of the graph, by parameter name.
            options: those of `run`.
        """
        from ._calling import to_await

        return await to_await(self._engine(inputs, True, **options))

    def start(
        self, inputs: Mapping[str, Any] | None = None, **options: Unpack[RunOptions]
    ) -> Run:
        """Start the graph in the background and return its `Run` at once.

        The error of a task is raised by whoever asks for its result, by `await run` and
        by `run.raise_for_errors()`.

        Parameters:
            inputs: the inputs of the graph, by parameter name.
            options: those of `run`.

        Raises:
            GraphError: if the graph has a mistake.
            InputError: if inputs are missing or unknown.
        """
        from ._calling import in_background

        return in_background(self._engine(inputs, **options))

    def _engine(
        self,
        inputs: Mapping[str, Any] | None,
        in_loop: bool = False,
        /,
        **options: Unpack[RunOptions],
    ) -> Engine:
        """Return what will run the graph, everything that can be wrong checked."""
        from ._preparing import prepare

        if program.importing:
            raise ReachedRun

        return prepare(self, {} if inputs is None else inputs, in_loop, **options)


_function = type(running_library)
