"""What helps to understand a failure: arguments, variables, and what it has led to."""

from __future__ import annotations

import reprlib
import traceback
from inspect import signature

from .._calls import WithKeywords, WithOutputs, WithOutputsAsync, fetched
from .._core.states import SKIPPED
from .._names import printable
from .._tracebacks import PACKAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import FrameType
    from typing import Any

    from .._run import Run

#: The most characters of a value, variables of a frame, and names of tasks.
MOST_CHARACTERS, MOST_VARIABLES, MOST_NAMES = 200, 30, 20
#: How many tasks and dependencies are looked at for what failures have led to: of each
#: so many in all failures, and some more; but some in each.
LOOKS_AT_EACH, LOOKS_AT_LEAST, LOOKS_OF_A_SEARCH = 4, 10_000, 100
#: What stands around the function of a task.
WRAPPERS = (WithKeywords, WithOutputs, WithOutputsAsync)
#: Parts of the names of variables whose values are not shown.
SECRET = ("passw", "secret", "token", "apikey", "api_key", "credential", "private_key")


def failure_lines(
    run: Run, task: str, skipped: str, redacted: Callable[[str], str]
) -> Iterable[str]:
    """Tell about the failure of a task, line by line.

    Parameters:
        run: the run.
        task: name of the task.
        skipped: what was skipped because of it, as `SkippedTasks` tells.
        redacted: what takes secrets out of a text.
    """
    record = run.records[task]
    shorten = _Shorten(redacted)
    yield from (record.traceback or "").rstrip().splitlines()
    arguments = _arguments_of(run, task)
    if arguments:
        yield f"arguments: {shorten.all(arguments)}"
    for frame in _frames_of(record.error):
        code = frame.f_code
        yield (
            f"variables of {code.co_name} ({code.co_filename}:{frame.f_lineno}): "
            f"{shorten.all(frame.f_locals)}"
        )
    if skipped:
        yield skipped


class _Shorten(reprlib.Repr):
    """Show values in few words, without secrets."""

    def __init__(self, redacted: Callable[[str], str]) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = 4 * MOST_CHARACTERS
        self._redacted = redacted

    def all(self, values: Mapping[str, Any]) -> str:
        """Return variables and their values."""
        shown = [
            f"{name}={self._shown(name, value)}"
            for name, value in list(values.items())[:MOST_VARIABLES]
        ]
        if len(values) > MOST_VARIABLES:
            shown.append("...")
        return ", ".join(shown)

    def _shown(self, name: str, value: object) -> str:
        if any(part in name.lower() for part in SECRET):
            return "***"

        try:
            text = self.repr(value)
        except BaseException as error:
            return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"

        # What is cut off only now cannot be the half of a secret.
        text = self._redacted(text)
        if len(text) > MOST_CHARACTERS:
            text = f"{text[: MOST_CHARACTERS - 3]}..."
        return printable(text)


def _arguments_of(run: Run, task: str) -> dict[str, Any]:
    """Return the arguments of a task by parameter name."""
    engine = run._engine
    number = engine.compiled.ids[task]
    function, slots = engine.compiled.functions[number], engine.arguments[number]
    if slots is None or run._journal.kept is not None:
        return {}  # there are none, or they may have been let go of

    given: Any
    try:
        given = fetched(slots, engine.values)
        keywords: dict[str, Any] = {}
        while isinstance(function, WRAPPERS):
            if isinstance(function, WithKeywords):
                given, keywords = function.split(given)
            function = function.__wrapped__
        bound = signature(function).bind(*given, **keywords)
    except Exception:
        return {}

    return dict(bound.arguments)


def _frames_of(error: BaseException | None) -> list[FrameType]:
    """Return the frame of the task, and the one that has raised."""
    if error is None:
        return []

    frames = [
        frame
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if not frame.f_code.co_filename.startswith(PACKAGE)
    ]
    return frames if len(frames) < 2 else [frames[0], frames[-1]]


class SkippedTasks:
    """Find what was skipped because of the failures of one run.

    Where many failures lead to the same tasks, to count these for each of them would
    take a time that grows with the square of the graph. So all searches share a number
    of looks that grows with it; when it is spent, the others tell of some tasks only.

    Parameters:
        run: the run.
    """

    def __init__(self, run: Run) -> None:
        self._names = run._engine.compiled.names
        self._ids = run._engine.compiled.ids
        self._successors = run._engine.compiled.plan.successors
        self._states = run._journal.states
        size = len(self._names) + sum(map(len, self._successors))
        self._looks = LOOKS_AT_EACH * size + LOOKS_AT_LEAST

    def line_of(self, task: str) -> str:
        """Return what is told of the failure of a task; "" if none was skipped."""
        found: dict[int, None] = {}
        looks = max(self._looks, LOOKS_OF_A_SEARCH)
        stack = [self._ids[task]]
        while stack and looks > 0:
            looks -= 1
            for follower in self._successors[stack.pop()]:
                looks -= 1
                if looks <= 0:
                    break

                if self._states[follower] == SKIPPED and follower not in found:
                    found[follower] = None
                    stack.append(follower)
        is_all = looks > 0
        self._looks = min(self._looks, looks)
        if not found:
            return ""

        names = [self._names[number] for number in list(found)[:MOST_NAMES]]
        more = len(found) - len(names)
        rest = f" and {more:,} more" if more else ""
        if not is_all:
            rest = f" and at least {more:,} more" if more else " and others"
        return f"skipped because of it: {', '.join(names)}{rest}"
