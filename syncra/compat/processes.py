"""The names of Processes 1.0, on this engine.

    from syncra.compat.processes import HTMLSMTPHandler, Process, Task, TaskDependency

Everything runs as a `syncra.Graph`. `docs/migrating-processes.md` says what is better
now, and how all of it is written without these names.
"""

from __future__ import annotations

from inspect import signature

from syncra import Graph
from syncra.errors import CycleError as CircularDependencyError
from syncra.errors import TaskNotFoundError
from syncra.errors import UnknownDependencyError as DependencyNotFoundError
from syncra.observers import Email, Observer

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Sequence
    from os import PathLike
    from typing import Any, Self

    from syncra import Run, State

    Secure = (
        tuple[()]
        | tuple[str]
        | tuple[str, str]
        | tuple[str | None, str | None, ssl.SSLContext]
    )

__all__ = [
    "CircularDependencyError",
    "DependencyNotFoundError",
    "HTMLSMTPHandler",
    "Process",
    "ProcessResult",
    "Task",
    "TaskDependency",
    "TaskNotFoundError",
    "TaskResult",
]

#: From how many tasks on `run()` runs them in parallel if it is not told.
MANY = 10


class TaskDependency:
    """Name a task that another one waits for, and say what becomes of its result.

    Parameters:
        task_name: name of the task that is waited for.
        use_result_as_additional_args: whether its result is passed after `args`.
        use_result_as_additional_kwargs: whether its result is passed by keyword.
        additional_kwarg_name: that keyword.

    Raises:
        TypeError: if the name is no str, or a keyword is missing.
    """

    def __init__(
        self,
        task_name: str,
        use_result_as_additional_args: bool = False,
        use_result_as_additional_kwargs: bool = False,
        additional_kwarg_name: str = "",
    ) -> None:
        _check(task_name, str, "task_name")
        _check(additional_kwarg_name, str, "additional_kwarg_name")
        if use_result_as_additional_kwargs and not additional_kwarg_name:
            raise TypeError(
                f"dependency on {task_name!r}: use_result_as_additional_kwargs= needs "
                f"additional_kwarg_name="
            )

        self.task_name = task_name
        self.use_result_as_additional_args = use_result_as_additional_args
        self.use_result_as_additional_kwargs = use_result_as_additional_kwargs
        self.additional_kwarg_name = additional_kwarg_name

    def __repr__(self) -> str:
        return f"TaskDependency({self.task_name!r})"


class HTMLSMTPHandler:
    """Mail about each task that fails and was given this.

    Mails are sent beside the run by `email`, a `syncra.observers.Email`: to the port
    that is given, and with TLS only to a server whose certificate is good. `Process`
    waits for them at the end of its `with` block.

    Parameters:
        mailhost: name and port of the mail server.
        fromaddr: address that mails are from.
        toaddrs: addresses they go to.
        credentials: user and password, if one has to log in.
        secure: anything but None for TLS, as `logging.handlers.SMTPHandler` takes it:
            files of key and certificate of this side, and an `ssl.SSLContext`.
        timeout: the most seconds of each step.
        use_tls: another spelling of `secure=()`, or of None.

    Raises:
        ValueError: if there cannot be such a server or address.
        TypeError: if something has the wrong type.
    """

    def __init__(
        self,
        mailhost: tuple[str, int] | str,
        fromaddr: str,
        toaddrs: str | Iterable[str],
        credentials: tuple[str, str] | None = None,
        secure: Secure | None = None,
        timeout: float = 5,
        *,
        use_tls: bool | None = None,
    ) -> None:
        host, port = _pair((mailhost, 25) if isinstance(mailhost, str) else mailhost)
        username, password = _pair(credentials or (None, None), "credentials")
        self.email = Email(
            host,
            port=port,
            sender=fromaddr,
            recipients=toaddrs,
            username=username,
            password=password,
            tls=secure is not None if use_tls is None else use_tls,
            each="task",
            details=True,
            timeout=timeout,
            context=_context_of(secure or ()),
        )

    def __repr__(self) -> str:
        return f"<HTMLSMTPHandler of {self.email!r}>"


class Task:
    """Say what is called with what, after which tasks, and where its log goes.

    Parameters:
        name: name of the task.
        log_path: the file that its log records are appended to; several may share it.
        func: what is called, a function or a coroutine function.
        args: arguments, before the results of dependencies.
        kwargs: arguments by keyword.
        dependencies: what it waits for.
        html_mail_handler: who mails when it fails.

    Raises:
        TypeError: if something has the wrong type.
    """

    def __init__(
        self,
        name: str,
        log_path: str | PathLike[str] | None,
        func: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        dependencies: list[TaskDependency] | None = None,
        html_mail_handler: HTMLSMTPHandler | None = None,
    ) -> None:
        _check(name, str, "name")
        if callable(log_path) or not callable(func):
            raise TypeError(
                f"task {name!r}: the second argument is the path of a log file, the "
                f"third is the function, got {log_path!r} and {func!r}"
            )

        _check(args, tuple, f"task {name!r}: args")
        _check(kwargs or {}, dict, f"task {name!r}: kwargs")
        # Not one dependency alone, as one forgets the brackets.
        _check(dependencies or [], (list, tuple), f"task {name!r}: dependencies")
        for dependency in dependencies or ():
            _check(dependency, TaskDependency, f"task {name!r}: each dependency")
        if html_mail_handler is not None:
            what = f"task {name!r}: html_mail_handler"
            _check(html_mail_handler, HTMLSMTPHandler, what)
        self.name = name
        self.log_path = log_path
        self.func = func
        self.args = args
        self.kwargs = kwargs or {}
        self.dependencies = dependencies or []
        self.html_mail_handler = html_mail_handler

    def get_dependencies_names(self) -> set[str]:
        """Return the names of the tasks that it waits for."""
        return {dependency.task_name for dependency in self.dependencies}

    def __repr__(self) -> str:
        return f"<Task {self.name!r}>"


class TaskResult:
    """Hold what a task that passed has returned.

    Attributes:
        worked: that it did.
        result: what it returned.
        exception: None.
    """

    def __init__(
        self, worked: bool, result: Any, exception: BaseException | None
    ) -> None:
        self.worked = worked
        self.result = result
        self.exception = exception

    def __repr__(self) -> str:
        return f"TaskResult({self.worked}, {self.result!r}, {self.exception!r})"


class ProcessResult:
    """Hold which tasks passed, and which failed or were skipped.

    Attributes:
        passed_tasks_results: results by name of the task.
        failed_tasks: names of the other tasks.
        run: the `syncra.Run`, which knows more: errors, records, times, a report.
    """

    def __init__(self, run: Run) -> None:
        self.passed_tasks_results = {
            name: TaskResult(True, value, None) for name, value in run.items()
        }
        self.failed_tasks = set(run.records) - self.passed_tasks_results.keys()
        self.run = run

    def __repr__(self) -> str:
        passed, failed = len(self.passed_tasks_results), len(self.failed_tasks)
        return f"<ProcessResult: {passed:,} passed, {failed:,} failed>"


class Process:
    """Run tasks after those they wait for; where one fails, the others go on.

    Parameters:
        tasks: the tasks, in any order.

    Attributes:
        tasks: the tasks.
        graph: what they are as a `syncra.Graph`.

    Raises:
        DependencyNotFoundError: if a task waits for one that is not there.
        CircularDependencyError: if tasks wait for one another.
        ValueError: if a name is there twice.
        TypeError: if something else than a task is in the list.
    """

    def __init__(self, tasks: list[Task]) -> None:
        self.tasks = list(tasks)
        self.graph = Graph("process", on_error="continue")
        for task in self.tasks:
            _check(task, Task, "each task of a process")
            _add(self.graph, task)
        self._by_name = {task.name: task for task in self.tasks}
        self.graph.order()  # raises the first mistake, if there is one

    def run(self, parallel: bool | None = None, max_workers: int = 4) -> ProcessResult:
        """Run the tasks, and return what has passed and what has failed.

        Parameters:
            parallel: whether tasks run at once that do not wait for one another; if
                None, whether there are ten tasks or more.
            max_workers: the most tasks that run at once, if they do.
        """
        if parallel is None:
            parallel = len(self.tasks) >= MANY
        return ProcessResult(
            self.graph.run(
                executor="auto" if parallel else "sequential",
                max_concurrency=max_workers if parallel else None,
                observers=[
                    _Mails(handler.email, self._given(handler))
                    for handler in self._handlers()
                ],
            )
        )

    def get_task(self, task_name: str) -> Task:
        """Return the task of this name.

        Raises:
            TaskNotFoundError: if there is none.
        """
        return self._by_name[self.graph[task_name].name]

    def get_dependant_tasks(self, task_name: str) -> list[Task]:
        """Return the tasks that wait for this one, or for one that does.

        Raises:
            TaskNotFoundError: if there is none of this name.
        """
        found = {self.get_task(task_name).name}
        for name in (task.name for task in self.graph.order()):  # upstream first
            if not found.isdisjoint(self._by_name[name].get_dependencies_names()):
                found.add(name)
        found.remove(task_name)
        return [task for task in self.tasks if task.name in found]

    def close_loggers(self) -> None:
        """Wait until all mails are sent or given up. Log files are closed already."""
        for handler in self._handlers():
            handler.email.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close_loggers()

    def _handlers(self) -> list[HTMLSMTPHandler]:
        handlers = (task.html_mail_handler for task in self.tasks)
        return list(dict.fromkeys(one for one in handlers if one is not None))

    def _given(self, handler: HTMLSMTPHandler) -> set[str]:
        return {task.name for task in self.tasks if task.html_mail_handler is handler}


class _Call:
    """Call the function of a task with its arguments and the results it waits for."""

    # The same for all of them, so it is not found out for each.
    __signature__ = signature(lambda *results: None)

    def __init__(self, task: Task) -> None:
        # Whoever looks for the place of a task or whether it is a coroutine function
        # looks for `func`, as at a partial.
        self.func = task.func
        self._args = task.args
        self._kwargs = task.kwargs
        with_data = [
            one
            for one in task.dependencies
            if one.use_result_as_additional_args or one.use_result_as_additional_kwargs
        ]
        #: Names of the tasks whose results come, in order, each once.
        self.sources = list(dict.fromkeys(one.task_name for one in with_data))
        self._positions = [
            self.sources.index(one.task_name)
            for one in with_data
            if one.use_result_as_additional_args
        ]
        self._keywords = {
            one.additional_kwarg_name: self.sources.index(one.task_name)
            for one in with_data
            if one.use_result_as_additional_kwargs
        }

    def __call__(self, *results: Any) -> Any:
        more = {name: results[index] for name, index in self._keywords.items()}
        args = [results[index] for index in self._positions]
        return self.func(*self._args, *args, **{**self._kwargs, **more})


class _Mails(Observer):
    """Tell of some tasks of a run only."""

    def __init__(self, email: Email, tasks: set[str]) -> None:
        self._email = email
        self._tasks = tasks

    def task_finished(self, run: Run, task: str, state: State) -> None:
        if task in self._tasks:
            self._email.task_finished(run, task, state)

    def run_finished(self, run: Run) -> None:
        self._email.run_finished(run)


def _add(graph: Graph, task: Task) -> None:
    """Add a task to a graph as Syncra has it."""
    call = _Call(task)
    graph.add(
        call,
        name=task.name,
        dependencies=call.sources,
        after=sorted(task.get_dependencies_names().difference(call.sources)),
        log=task.log_path,
    )


def _context_of(secure: Sequence[Any]) -> ssl.SSLContext | None:
    """Return what `secure` says of certificates, or None for what is usual."""
    import ssl

    key, certificate, given = (*secure, None, None, None)[:3]
    context: ssl.SSLContext | None = given
    if context is None and key is not None:
        context = ssl.create_default_context()
        context.load_cert_chain(certificate or key, key)
    return context


def _check(value: object, kind: type | tuple[type, ...], what: str) -> None:
    if not isinstance(value, kind):
        name = (kind if isinstance(kind, type) else kind[0]).__name__
        raise TypeError(f"{what} is a {name}, got {value!r}")


def _pair(value: Any, what: str = "mailhost") -> Any:
    """Return what has two parts, or raise without showing it: it may be a password."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise TypeError(f"{what} is a tuple of two, got {type(value).__name__}")

    return value
