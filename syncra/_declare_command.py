"""From what `graph.command` and `graph.shell` take to a task, everything checked."""

from __future__ import annotations

import os
import re
from functools import partial

from ._command import Command
from ._declare import check_name
from ._names import hint, nearest
from ._options import new_task
from ._placeholders import Template, check_for_shell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, Protocol, TypeAlias, TypedDict

    from ._command import Text
    from ._core.policy import Retry
    from ._task import Dependencies, Task
    from .executors import Executor

    #: A path given as such has no placeholders.
    Path: TypeAlias = str | os.PathLike[str]

    class Arguments(Protocol):
        """Be a list or tuple; not a str, which is no container of any object."""

        def __contains__(self, item: object, /) -> bool: ...
        def __getitem__(self, index: int, /) -> Path: ...
        def __iter__(self) -> Iterator[Path]: ...
        def __len__(self) -> int: ...

    class CommandOptions(TypedDict, total=False):
        """Hold what `graph.command()` takes beside the command, but for `text`."""

        name: str | None
        dependencies: Dependencies
        after: Dependencies
        kwargs: Mapping[str, Any] | None
        executor: str | Executor | None
        retry: int | Retry | None
        timeout: float | None
        trigger: str
        limit: str | Mapping[str, int] | None
        priority: int
        tags: Iterable[str]
        cwd: Path | None
        env: Mapping[str, Path | None] | None
        check: bool
        capture_output: bool
        input: str | bytes | None
        stdout_file: Path | None
        stderr_file: Path | None
        max_output: int | None
        redact: Iterable[str]


#: Bytes of each stream that are kept by default.
MAX_OUTPUT = 2 * 1024 * 1024
#: What a task that is a command may be told, as any task.
OF_ANY_TASK = (
    "dependencies",
    "after",
    "kwargs",
    "executor",
    "retry",
    "timeout",
    "trigger",
    "limit",
    "priority",
    "tags",
)


def make_command(
    given: Arguments | str,
    *,
    in_shell: bool,
    place: str,
    name: str | None = None,
    cwd: Path | None = None,
    env: Mapping[str, Path | None] | None = None,
    check: bool = True,
    capture_output: bool = True,
    text: bool = True,
    input: str | bytes | None = None,  # noqa: A002 - as in `subprocess`
    stdout_file: Path | None = None,
    stderr_file: Path | None = None,
    max_output: int | None = MAX_OUTPUT,
    redact: Iterable[str] = (),
    **options: Any,
) -> Task[..., Any]:
    """Return a free task that runs a command; see `Graph.command`.

    Parameters:
        given: the command.
        in_shell: whether a shell runs it.
        place: where it is declared, as "file:line".
    """
    whose = f"command {name!r}" if name else "command"
    secrets = _secrets(redact, whose)
    arguments = _shell_text(given, whose) if in_shell else _arguments(given, whose)
    for option in options:
        if option not in OF_ANY_TASK:
            raise _no_such_option(option, whose)

    if max_output is not None:
        _check_size(max_output, whose)
    if input is not None and not isinstance(input, (str, bytes)):
        raise TypeError(f"{whose}: input is str or bytes, got {_kind(input)}")

    if env is not None and not hasattr(env, "items"):
        raise TypeError(f"{whose}: env is a mapping of names to values, got {env!r}")

    parse = partial(_text, whose=whose)
    if name is None:
        name = _default_name(given, in_shell, secrets)
    check_name(name)
    command = Command(
        name,
        place,
        arguments,
        given=Template(input, f"{whose}: input") if isinstance(input, str) else input,
        cwd=parse(cwd, "cwd"),
        env={key: parse(value, f"env[{key!r}]") for key, value in (env or {}).items()},
        files=(parse(stdout_file, "stdout_file"), parse(stderr_file, "stderr_file")),
        check=check,
        captures=capture_output,
        is_text=text,
        max_output=max_output,
        secrets=secrets,
    )
    return new_task(command, name, **options)


def _arguments(given: Arguments | str, whose: str) -> tuple[Text, ...]:
    if isinstance(given, (str, bytes)) or not hasattr(given, "__getitem__"):
        raise TypeError(
            f"{whose}: a command is a list, each item one argument, got a "
            f'{_kind(given)}: write ["git", "clone", "{{url}}"]. For one text '
            f"that a shell runs there is graph.shell(...)."
        )

    if None in given:
        where = list(given).index(None)  # type: ignore[arg-type]
        raise TypeError(f"{whose}: argument {where} is a str or a path, got None")

    arguments = tuple(
        _text(item, f"argument {number}", whose) or ""
        for number, item in enumerate(given)
    )
    if not arguments:
        raise ValueError(f"{whose}: an empty list is no command")

    return arguments


def _shell_text(given: Arguments | str, whose: str) -> Template:
    if not isinstance(given, str):
        raise TypeError(
            f"{whose}: what a shell runs is one str, got {_kind(given)}. For a list of "
            f"arguments there is graph.command([...])."
        )

    template = Template(given, whose)
    check_for_shell(template, whose)
    return template


def _text(given: object, what: str, whose: str) -> Text | None:
    """Return a text with its placeholders read; a path is taken as it is."""
    if given is None:
        return None

    if isinstance(given, str):
        return Template(given, f"{whose}: {what}")

    if isinstance(given, os.PathLike):
        return os.fsdecode(given)

    raise TypeError(f"{whose}: {what} is a str or a path, got {_kind(given)}")


def _secrets(redact: Iterable[str], whose: str) -> tuple[str, ...]:
    if not hasattr(redact, "__iter__"):
        raise TypeError(f"{whose}: redact= holds strings, got {_kind(redact)}")

    secrets = (redact,) if isinstance(redact, str) else tuple(redact)
    for secret in secrets:
        # Not shown, whatever they are.
        if not isinstance(secret, str):
            raise TypeError(f"{whose}: redact= holds strings, got {_kind(secret)}")

        if not secret:
            raise ValueError(f"{whose}: redact= holds an empty string")

    return secrets


def _check_size(max_output: object, whose: str) -> None:
    if isinstance(max_output, bool) or not isinstance(max_output, int):
        raise TypeError(f"{whose}: max_output is a number of bytes, got {max_output!r}")

    if max_output < 0:
        raise ValueError(f"{whose}: max_output is at least 0, got {max_output}")


def _default_name(
    given: Arguments | str, in_shell: bool, secrets: Iterable[str]
) -> str:
    """Return the name of the program, if it is known."""
    if isinstance(given, str):
        word = re.match(r"\s*([\w./+-]+)(\s|$)", given)
        path = word[1] if word else ""
    else:
        path = os.fsdecode(given[0])
    name = "" if "{" in path else os.path.basename(path)
    if not name or any(secret in name for secret in secrets):
        return "shell" if in_shell else "command"

    return name


def _no_such_option(name: str, whose: str) -> TypeError:
    from inspect import signature

    known = {*signature(make_command).parameters, *OF_ANY_TASK}
    known -= {"given", "in_shell", "place", "options"}
    return TypeError(
        f"{whose}: there is no option {name!r}." + hint(nearest(name, sorted(known)))
    )


def _kind(value: object) -> str:
    return type(value).__name__
