"""The tasks of a document made into tasks of a graph."""

from __future__ import annotations

import re

from .._core.policy import Retry
from .._declare_command import make_command
from .._names import hint, nearest
from .._options import new_task
from .._task import Part
from ..errors import SyncraError
from .functions import Functions, NotThere, Refused, is_plain_exception
from .problems import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._definition import Definition
    from .._task import Task
    from .document import Document
    from .entries import Entry
    from .problems import Mark, Path

#: What is given to any task as the file says it.
OF_ANY_TASK = ("kwargs", "executor", "timeout", "trigger", "limit", "priority", "tags")
OF_FUNCTIONS = ("outputs", "log", "fallback")
OF_COMMANDS = (
    "cwd",
    "env",
    "check",
    "capture_output",
    "text",
    "max_output",
    "redact",
    "input",
    "stdout_file",
    "stderr_file",
)
#: Files that a document may name without being allowed to run programs.
_HARMLESS_LOG = re.compile(r"[^\\/:]+(/[^\\/:]+)*\.log")


class Builder:
    """Make the tasks of one document.

    Parameters:
        document: what the file says.
        functions: finds the functions that it may name.
        allow_commands: whether it may run programs.

    Attributes:
        is_complete: whether each task of the document could be made.
    """

    def __init__(
        self, document: Document, functions: Functions, allow_commands: bool
    ) -> None:
        self._problems = document.problems
        self._document = document
        self._functions = functions
        self._allow_commands = allow_commands
        self._data: dict[str, Any] = {}
        self._defaults: dict[str, Any] = {}
        self._tasks: dict[str, Task[..., Any]] = {}
        self._places: dict[Path, Mark] = {}
        #: Names that may be used, and what names lead to.
        self._named: set[str] = set()
        self._found: dict[str, Any] = {}
        self._unsound: set[Path] | None = None
        self._is_advised = False
        self.is_complete = False

    def is_sound(self, path: Path) -> bool:
        """Return whether nothing was found to be wrong with a value, or in it."""
        if self._unsound is None:
            self._unsound = {
                one.path[:end]
                for one in self._problems.found
                for end in range(len(one.path) + 1)
            }
        return path not in self._unsound

    def build(self, data: dict[str, Any], entries: dict[str, Entry]) -> None:
        """Make all tasks that can be made, and add why the others cannot.

        Nothing is imported for a document that names what it may not name.
        """
        self._data = data
        self._unsound = None
        is_refused = False
        if self.is_sound(("defaults",)):
            self._defaults = data.get("defaults", {})
            is_refused = self._is_refused(("defaults",), self._defaults)
            self._check_limit(("defaults", "limit"), self._defaults)
        is_refused |= self._is_refused((), {"log": data.get("log")})
        for entry in entries.values():
            is_refused |= self._is_refused(entry.path, entry.said)
            self._check_limit((*entry.path, "limit"), entry.said)
            if self._problems.are_too_many:
                return

        if is_refused:
            return

        self._find_places(entries)
        for entry in entries.values():
            task = self._task(entry)
            if self._problems.are_too_many:
                return

            if task is not None:
                self._tasks[entry.name] = task
        self.is_complete = len(self._tasks) == len(entries)

    def _find_places(self, entries: dict[str, Entry]) -> None:
        """Find the lines of commands, which messages about them name."""
        paths = [one.path for one in entries.values() if "function" not in one.said]
        if paths:
            marks = self._document.locate(paths)
            self._places = {path: mark[1] for path, mark in marks.items()}

    # Looking, before anything is imported.

    def _is_refused(self, path: Path, said: dict[str, Any]) -> bool:
        """Return whether a part of the document says what it may not, and add what.

        What the schema has objected to may be anything here.
        """
        is_refused = False
        for key in ("function", "rollback"):
            if isinstance(said.get(key), str):
                check = self._functions.check
                is_refused |= self._is_refused_name(check, (*path, key), said[key])
        for where, name in _exceptions(said, path):
            if not is_plain_exception(name):
                check = self._functions.check_allowed
                is_refused |= self._is_refused_name(check, where, name)
            else:
                self._check_exception(where, name)
        for key in ("command", "shell"):
            if key in said and not self._allow_commands:
                is_refused = True
                text = "this runs a program, which the file may not"
                if not self._is_advised:
                    text += (
                        ". Who trusts the file can allow it with allow_commands=True"
                    )
                self._is_advised = True
                self._problems.add((*path, key), text, of_key=True)
        log = said.get("log")
        if isinstance(log, str) and not self._allow_commands:
            parts = log.split("/")
            if not _HARMLESS_LOG.fullmatch(log) or ".." in parts or "." in parts:
                is_refused = True
                self._problems.add(
                    (*path, "log"),
                    f"expected a relative path that ends with .log and has no '..', "
                    f"found {quoted(log)}. With allow_commands=True it may be any",
                )
        return is_refused

    def _is_refused_name(
        self, check: Callable[[str], None], path: Path, name: str
    ) -> bool:
        key = f"{check.__name__} {name}"
        if key in self._named:
            return False

        try:
            check(name)
        except Refused as refused:
            self._problems.add(path, str(refused))
            return True

        self._named.add(key)
        return False

    def _check_exception(self, path: Path, name: str) -> None:
        """Look for an exception for whose sake nothing needs to be imported."""
        try:
            self._cached(self._functions.exception, name, path)
        except _Told:
            pass

    def _check_limit(self, path: Path, said: dict[str, Any]) -> None:
        """Check what a task takes of the limits of the graph."""
        limit = said.get("limit")
        limits = self._data.get("limits", {})
        if not limit or not self.is_sound(path) or not self.is_sound(("limits",)):
            return

        wanted = {limit: 1} if isinstance(limit, str) else limit
        for name, amount in wanted.items():
            where = path if isinstance(limit, str) else (*path, name)
            if name not in limits:
                text = f"the graph has no limit {quoted(name)}"
                if self._problems.are_few:
                    known = ", ".join(map(quoted, limits)) or "none"
                    text += f"; its limits: {known}." + hint(nearest(name, limits))
                self._problems.add(where, text)
            elif amount > limits[name]:
                text = f"it takes {amount} of {limits[name]}, so it would never run"
                self._problems.add(where, text)

    # Making.

    def _task(self, entry: Entry) -> Task[..., Any] | None:
        said = entry.said
        try:
            found = {
                key: self._cached(self._functions.find, said[key], (*entry.path, key))
                for key in ("function", "rollback")
                if key in said and self.is_sound((*entry.path, key))
            }
            if not self.is_sound(entry.path) or not self.is_sound(("defaults",)):
                return None

            options = self._options(entry)
            if "function" in found:
                task = new_task(found["function"], entry.name, **options)
            else:
                task = self._command(entry, options)
            if "rollback" in found:
                task.rollback(found["rollback"])
        except _Told:
            return None
        except (SyncraError, TypeError, ValueError) as error:
            # Placeholders, generator functions: what no schema can say.
            self._problems.add(entry.path, str(error))
            return None

        return task

    def _options(self, entry: Entry) -> dict[str, Any]:
        said = entry.said
        names = (*OF_ANY_TASK, *(OF_FUNCTIONS if "function" in said else OF_COMMANDS))
        options: dict[str, Any] = {}
        for name in names:
            whole = said if name in said else self._defaults
            value = whole.get(name)
            if value is not None or (name == "max_output" and name in whole):
                options[name] = value
        for name in ("priority", "max_output"):
            if options.get(name) is not None:
                options[name] = int(options[name])  # JSON has 3.0 for a whole number
        limit = options.get("limit")
        if isinstance(limit, dict):
            options["limit"] = {key: int(amount) for key, amount in limit.items()}
        retry = said["retry"] if "retry" in said else self._defaults.get("retry")
        path = entry.path if "retry" in said else ("defaults",)
        if isinstance(retry, dict):
            options["retry"] = self._retry(retry, path)
        elif retry is not None:
            options["retry"] = int(retry)
        return options

    def _retry(self, said: dict[str, Any], path: Path) -> Retry:
        options = {**said, "attempts": int(said["attempts"])}
        if "on" in said:
            options["on"] = tuple(
                self._cached(self._functions.exception, name, where)
                for where, name in _exceptions({"retry": said}, path)
            )
        return Retry(**options)

    def _cached(self, find: Callable[[str], Any], name: str, path: Path) -> Any:
        """Return what a name leads to; what cannot be found is told where it stands."""
        key = f"{find.__name__} {name}"
        if key not in self._found:
            try:
                self._found[key] = find(name)
            except (NotThere, Refused) as error:
                self._found[key] = error
        found = self._found[key]
        if isinstance(found, (NotThere, Refused)):
            if self.is_sound(path):
                self._problems.add(path, str(found))
                assert self._unsound is not None
                self._unsound.add(path)
            raise _Told

        return found

    def _command(self, entry: Entry, options: dict[str, Any]) -> Task[..., Any]:
        in_shell = "shell" in entry.said
        given = entry.said["shell" if in_shell else "command"]
        place = self._document.file or "a mapping"
        mark = self._places.get(entry.path)
        if mark is not None:
            place = f"{place}:{mark[0]}"
        return make_command(
            given, in_shell=in_shell, place=place, name=entry.name, **options
        )

    def put_together(self, graph: Definition, entries: dict[str, Entry]) -> None:
        """Add the tasks to a graph, in their order, and say what they depend on."""
        tasks = self._tasks
        for entry in entries.values():
            graph._add(tasks[entry.name], redefines=False)
        for entry in entries.values():
            task = tasks[entry.name]
            found: list[tuple[str | None, Any]] = []
            for one in entry.dependencies:
                upstream = tasks[one.task]
                found.append(
                    (
                        one.parameter,
                        upstream if one.output is None else Part(upstream, one.output),
                    )
                )
            if isinstance(entry.said.get("depends_on"), dict):
                task.dependencies = {str(name): upstream for name, upstream in found}
            else:
                task.dependencies = tuple(upstream for _, upstream in found)
            task.after = tuple(tasks[name] for name in entry.after)


class _Told(Exception):
    """Be raised where a task cannot be made for a reason that has been told."""


def _exceptions(said: dict[str, Any], path: Path) -> list[tuple[Path, str]]:
    """Return the exceptions that the policy of a task names, each with its place."""
    retry = said.get("retry")
    on = retry.get("on", ()) if isinstance(retry, dict) else ()
    path = (*path, "retry", "on")
    if isinstance(on, str):
        return [(path, on)]

    items = on if isinstance(on, (list, tuple)) else ()
    return [
        ((*path, index), name)
        for index, name in enumerate(items)
        if isinstance(name, str)
    ]
