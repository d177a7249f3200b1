"""From a graph to a mapping that defines it, or the reasons why there is none."""

from __future__ import annotations

import builtins
import os
import sys
from math import isfinite

from .. import errors
from .._command import Command
from .._core.policy import Retry
from .._declare_command import MAX_OUTPUT
from .._placeholders import Template
from .._task import Part, Task
from ..errors import GraphError
from .functions import full_name
from .schema import Checker, the_schema
from .types import as_declared

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


_DEFAULT_RETRY = Retry(1)


class _NotSayable(ValueError):
    """Be raised for what no file can say."""


def mapping_of(graph: Any) -> dict[str, Any]:
    """Return the definition of a graph as a mapping.

    Parameters:
        graph: a `Graph`.

    Raises:
        GraphError: if a part of it cannot be said, with all such parts.
    """
    reasons: list[str] = []
    found = _of_graph(graph, reasons)
    by_function: dict[int, list[str]] = {}
    for task in graph.values():
        by_function.setdefault(id(task.function), []).append(task.name)
    tasks: list[dict[str, Any]] = []
    for task in graph.values():
        try:
            tasks.append(_of_task(task, by_function, graph))
        except _NotSayable as reason:
            reasons.append(f"task {task.name!r} ({task.place}): {reason}")
    found["tasks"] = tasks
    if not reasons:
        schema = the_schema()
        findings = Checker(schema).findings(found, schema)
        reasons += [message for _, message, _ in findings]
    if reasons:
        raise GraphError(
            f"graph {graph.name!r} cannot be written down: " + "; ".join(reasons[:20])
        )

    return found


def _of_graph(graph: Any, reasons: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"name": graph.name}
    if graph.description is not None:
        found["description"] = graph.description
    try:
        if graph.executor != "auto":
            found["executor"] = _executor(graph.executor)
        if graph.log is not None:
            found["log"] = _log(graph.log)
    except _NotSayable as reason:
        reasons.append(str(reason))
    if graph.observers:
        reasons.append("its observers are objects")
    if graph.max_concurrency is not None:
        found["max_concurrency"] = graph.max_concurrency
    if graph.on_error != "raise":
        found["on_error"] = graph.on_error
    if graph._limits:
        found["limits"] = dict(graph._limits)
    if graph._declared:
        inputs = found["inputs"] = {}
        used = _used_inputs(graph)
        for name, declared in graph._declared.items():
            if used is not None and name not in used:
                continue  # its task was removed, and a file may declare no others

            try:
                inputs[name] = as_declared(declared)
                _check_plain(inputs[name], f"the default of input {name!r}")
            except ValueError as reason:
                reasons.append(f"input {name!r}: {reason}")
    return found


def _used_inputs(graph: Any) -> Mapping[str, Any] | None:
    """Return the inputs of a graph; None for one that has a mistake."""
    try:
        found: Mapping[str, Any] = graph.inputs
    except (GraphError, ExceptionGroup):
        return None

    return found


def _of_task(
    task: Task[..., Any], by_function: dict[int, list[str]], graph: Any
) -> dict[str, Any]:
    found: dict[str, Any] = {"name": task.name}
    function = task.function
    if isinstance(function, Command):
        found.update(_of_command(function))
    else:
        found["function"] = _name_of(function, "its function")
    given = task.dependencies
    if isinstance(given, dict):
        found["depends_on"] = {
            parameter: _reference(task, item, by_function, graph)
            for parameter, item in given.items()
        }
    elif given:
        found["depends_on"] = [
            _reference(task, item, by_function, graph) for item in given
        ]
    if task.after:
        found["after"] = [
            _reference(task, item, by_function, graph) for item in task.after
        ]
    found.update(_of_options(task))
    if task.undo is not None:
        found["rollback"] = _name_of(task.undo, "its rollback function")
    return found


def _of_options(task: Task[..., Any]) -> dict[str, Any]:
    options = task.options
    found: dict[str, Any] = {}
    if options.kwargs:
        kwargs = found["kwargs"] = dict(options.kwargs)
        _check_plain(kwargs, "kwargs")
    if options.outputs:
        found["outputs"] = list(options.outputs)
    if options.executor is not None:
        found["executor"] = _executor(options.executor)
    if options.retry is not None:
        found["retry"] = _retry(options.retry)
    if options.timeout is not None:
        found["timeout"] = options.timeout
    if options.trigger != "all_succeeded":
        found["trigger"] = options.trigger
    if options.limit is not None:
        found["limit"] = dict(options.limit)
    if options.priority:
        found["priority"] = options.priority
    if options.tags:
        found["tags"] = sorted(options.tags)
    if options.log is not None:
        found["log"] = _log(options.log)
    if options.fallback is not None:
        found["fallback"] = options.fallback
    return found


def _of_command(command: Command) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if isinstance(command.arguments, Template):
        found["shell"] = _text(command.arguments)
    else:
        found["command"] = [_text(argument) for argument in command.arguments]
    given = command.given
    if isinstance(given, bytes):
        raise _NotSayable("its input is bytes")

    stdout_file, stderr_file = command.files
    texts = {
        "input": given,
        "cwd": command.cwd,
        "stdout_file": stdout_file,
        "stderr_file": stderr_file,
    }
    found.update({key: _text(text) for key, text in texts.items() if text is not None})
    if command.env:
        found["env"] = {
            key: None if text is None else _text(text)
            for key, text in command.env.items()
        }
    flags = {
        "check": command.check,
        "capture_output": command.captures,
        "text": command.is_text,
    }
    found.update({key: False for key, flag in flags.items() if not flag})

    if command.max_output != MAX_OUTPUT:
        found["max_output"] = command.max_output
    if command.secrets:
        raise _NotSayable("redact= holds secrets, which would be written down")

    if command.secret_names:
        found["redact"] = [f"{{{name}}}" for name in command.secret_names]
    return found


def _text(text: Template | str) -> str:
    """Return a text as it was given, with placeholders and doubled braces."""
    if isinstance(text, str):  # a path, which has no placeholders
        return text.replace("{", "{{").replace("}", "}}")

    literals = [part.replace("{", "{{").replace("}", "}}") for part in text.literals]
    whole = literals[0]
    for name, literal in zip(text.names, literals[1:], strict=True):
        whole += f"{{{name}}}{literal}"
    return whole


def _name_of(function: object, what: str) -> str:
    """Return the name that a file has for a function, if it leads back to it."""
    name = full_name(function)
    if name is None or "<" in name:
        raise _NotSayable(
            f"{what} has no name to find it by, being a lambda, a partial, an object "
            f"or defined inside a function"
        )

    module: str = function.__module__
    path = name[len(module) + 1 :]
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    if isinstance(found, Task):
        found = found.function
    if found is not function:
        raise _NotSayable(f"{what} is not what {module}:{path} leads to")

    if any(part.startswith("_") for part in path.split(".")):
        raise _NotSayable(f"{what} {path!r} is private, which a file cannot name")

    return f"{module}:{path}"


def _reference(
    task: Task[..., Any], item: Any, by_function: dict[int, list[str]], graph: Any
) -> str:
    if isinstance(item, Part):
        name = f"{item.task.name}[{item.output}]"
        if name in graph:
            raise _NotSayable(f"{name!r} is a part of a result, and a task too")

        return name

    if isinstance(item, Task):
        return item.name

    if isinstance(item, str):
        return item

    # As when a graph is compiled: of its own function a task means another one.
    names = [name for name in by_function.get(id(item), ()) if name != task.name]
    if len(names) != 1:
        raise _NotSayable(f"it depends on {item!r}, which is not one task of the graph")

    return names[0]


def _executor(executor: object) -> str:
    if isinstance(executor, str):
        return executor

    raise _NotSayable(f"its executor is an object, {executor!r}")


def _log(log: Any) -> str:
    from ..observers._log_file import LogFile

    if repr(log) != repr(LogFile(log.path)) or log._redaction.longest:
        raise _NotSayable("its log file is more than a path")

    here = os.path.join(os.getcwd(), "")
    path: str = log.path
    return path[len(here) :].replace(os.sep, "/") if path.startswith(here) else path


def _retry(retry: Retry) -> Any:
    if callable(retry.backoff):
        raise _NotSayable("backoff of its retry policy is a function")

    found: dict[str, Any] = {"attempts": retry.attempts}
    if retry.on is not Exception:
        kinds = retry.on if isinstance(retry.on, tuple) else (retry.on,)
        found["on"] = [_exception(kind) for kind in kinds]
    for name in ("backoff", "max_backoff", "jitter"):
        value = getattr(retry, name)
        if value != getattr(_DEFAULT_RETRY, name):
            found[name] = value
    return found if len(found) > 1 else retry.attempts


def _exception(kind: Any) -> str:
    if not isinstance(kind, type):
        raise _NotSayable("on= of its retry policy is a function")

    name = kind.__name__
    if getattr(builtins, name, None) is kind or getattr(errors, name, None) is kind:
        return name

    return _name_of(kind, "an exception of its retry policy")


def _check_plain(value: object, what: str) -> None:
    """Raise for a value that JSON does not give back as it was."""
    stack = [value]
    seen = 0
    while stack:
        one = stack.pop()
        seen += 1
        if seen > 1_000_000:
            raise _NotSayable(f"{what} holds a million values, or itself")

        if type(one) is dict:
            if not all(type(key) is str for key in one):
                raise _NotSayable(f"{what} holds a mapping with keys that are no texts")

            stack += one.values()
        elif type(one) is list:
            stack += one
        elif type(one) is float:
            if not isfinite(one):
                raise _NotSayable(f"{what} holds {one}, which JSON does not have")

        elif one is not None and type(one) not in (str, int, bool):
            raise _NotSayable(f"{what} holds a {type(one).__name__}")
