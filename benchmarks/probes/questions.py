"""What is asked of each library, and how its answer is judged.

A probe returns what it has got; whether that is what was asked for is decided here, the
same way for all.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from . import work
from .model import Answer

#: What is done to a program while its tasks run.
Trouble = Literal["interrupt", "kill"]


@dataclass(frozen=True)
class Question:
    """One row of the table.

    Attributes:
        id: names the function of a probe.
        title: what the table calls it.
        check: what is done, and what has to be seen for a yes.
        judge: from what a probe returns to an answer; not for troubles.
        trouble: what is done to the program while its tasks run, if anything.
    """

    id: str
    title: str
    check: str
    judge: Callable[[Any], Answer] | None = None
    trouble: Trouble | None = None


def exactly(wanted: object) -> Callable[[Any], Answer]:
    """Return a judge that wants one value."""

    def judge(given: Any) -> Answer:
        fits = type(given) is type(wanted) and given == wanted
        return Answer("yes" if fits else "no", _shown(given))

    return judge


def elsewhere(given: Any) -> Answer:
    """Want the number of another process."""
    fits = isinstance(given, int) and given != os.getpid()
    return Answer("yes" if fits else "no", "in another process" if fits else "in ours")


def three_places(given: Any) -> Answer:
    """Want a coroutine on a loop, a function in another thread, one in a process."""
    try:
        (one, here, loop), (two, same, thread), (three, there, _) = given
    except (TypeError, ValueError):
        return Answer("no", _shown(given))

    kinds = [one, two, three] == ["coroutine", "thread", "process"]
    places = here == same == os.getpid() != there and loop != thread
    if kinds and places:
        return Answer("yes", "on the loop, in another thread, in another process")

    where = "the function shared the thread of the loop" if loop == thread else ""
    where = where or ("all were in one process" if here == there else _shown(given))
    return Answer("no", where)


def as_it_was(given: Any) -> Answer:
    """Want the exception that the task has raised, or one that is caught as that."""
    fits = isinstance(given, work.Bad)
    kind = type(given).__name__
    return Answer("yes" if fits else "no", f"{kind}: {_shown(given, plain=True)}")


def only_others(given: Any) -> Answer:
    """Want the result of the other branch, and the dependant not called."""
    if work.has_run_never():
        return Answer("no", "the task that depends on the failed one was called")

    fits = given == 7
    return Answer("yes" if fits else "no", _shown(given))


def soon(given: Any) -> Answer:
    """Want a number of seconds that is nearer to the limit than to the end."""
    fits = given < work.SLOW / 2
    return Answer("yes" if fits else "no", f"the caller was free after {given:.1f} s")


def innocents(given: Any) -> Answer:
    """Want the results of all tasks but the one that has killed its process."""
    got = len(set(given) & set(range(work.INNOCENT)))
    evidence = f"{got} of {work.INNOCENT} results of other tasks were to be had"
    return Answer("yes" if got == work.INNOCENT else "no", evidence)


def seconds(given: Any) -> Answer:
    """Want the duration of a task."""
    fits = isinstance(given, float) and work.TIMED * 0.7 < given < work.TIMED * 10
    return Answer("yes" if fits else "no", _shown(given))


def called_once(given: Any) -> Answer:
    """Want the results of two runs, the second without a call."""
    fits = given == (7, 7) and work.calls() == 1
    evidence = f"{given}, {work.calls()} calls in two runs"
    return Answer("yes" if fits else "no", evidence)


def has_both_names(given: Any) -> Answer:
    """Want a text or a file in which both tasks are."""
    fits = "seven" in str(given) and "plus_one" in str(given)
    return Answer("yes" if fits else "no", f"{len(str(given)):,} characters")


def is_page(given: Any) -> Answer:
    """Want a page in which both tasks are."""
    fits = has_both_names(given).outcome == "yes" and "<html" in str(given).lower()
    return Answer("yes" if fits else "no", f"{len(str(given)):,} characters of HTML")


def known_as_int(program: str) -> Answer:
    """Want mypy to say of the last line, which reveals a result, that it is an int."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "program.py"
        file.write_text(program, encoding="utf-8")
        options = ("--config-file=", "--ignore-missing-imports", "--follow-imports")
        done = subprocess.run(
            [sys.executable, "-m", "mypy", *options, "silent", file.name],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    found = re.findall(r'Revealed type is "([^"]*)"', done.stdout)
    if not found:
        raise RuntimeError(f"mypy said {(done.stdout + done.stderr)[-300:]!r}")

    is_int = found[-1] in ("int", "builtins.int")
    return Answer("yes" if is_int else "no", f'mypy: "{found[-1]}"')


def _shown(given: Any, *, plain: bool = False) -> str:
    text = str(given) if plain else repr(given)
    text = " ".join(re.sub(r" at 0x[0-9a-f]+", "", text).split())
    return text if len(text) <= 80 else text[:77] + "..."


QUESTIONS = (
    Question(
        "coroutines",
        "coroutine functions",
        "two coroutine functions, the second takes the result of the first: 8",
        exactly(8),
    ),
    Question(
        "threads",
        "functions in threads",
        "two functions wait for one another in one process",
        exactly(["met", "met"]),
    ),
    Question(
        "processes",
        "functions in processes",
        "a function returns the number of its process: another than the caller's",
        elsewhere,
    ),
    Question(
        "mixed",
        "all three in one graph",
        "a coroutine function, a function and a function for another process, each"
        " with the result of the one before: on the loop, in another thread, in"
        " another process",
        three_places,
    ),
    Question(
        "pool",
        "a pool of yours",
        "a `ThreadPoolExecutor` made by the caller, whose thread names are seen",
        exactly("yours"),
    ),
    Question(
        "commands",
        "a program as a task",
        "`echo seven` as a task, told as a list of words; its output comes back",
        exactly("seven"),
    ),
    Question(
        "results",
        "hands results on",
        "two functions, the second takes the result of the first: 8",
        exactly(8),
    ),
    Question(
        "again",
        "runs again with other input",
        "one graph, run with 1 and then with 2: 2 and 3",
        exactly((2, 3)),
    ),
    Question(
        "mapped",
        "a call for each item of a result",
        "a task returns a list, another function is called with each item; a graph"
        " within a task does not count",
        exactly([1, 4, 9]),
    ),
    Question(
        "kept",
        "keeps results on disk",
        "the same run twice, each with objects made anew: one call in all",
        called_once,
    ),
    Question(
        "typed",
        "types of results",
        "mypy is asked for the type of the result of a task that returns `int`",
        known_as_int,
    ),
    Question(
        "original",
        "hands on the exception itself",
        "a task in a thread raises an exception of a class of the caller's, who"
        " catches it or takes it from the report",
        as_it_was,
    ),
    Question(
        "goes_on",
        "goes on beside a failed task",
        "one task fails, one depends on it, one does not: the last has its result,"
        " the second is not called",
        only_others,
    ),
    Question(
        "retries",
        "retries",
        "a task raises ConnectionError the first time",
        exactly("tries: 2"),
    ),
    Question(
        "limit",
        "time limits for tasks",
        f"a task in a thread takes {work.SLOW:.0f} s and may take {work.LIMIT} s",
        soon,
    ),
    Question(
        "rollback",
        "rollback",
        "a task succeeds, the next fails: the function that undoes the first is called",
        exactly(["undone 7"]),
    ),
    Question(
        "crash",
        "a killed process costs one task",
        f"a task in a process kills that with SIGKILL, {work.INNOCENT} others do not"
        " depend on it: their results are to be had from the same run",
        innocents,
    ),
    Question(
        "interrupt_threads",
        "Ctrl-C ends tasks in threads",
        f"two functions in threads take {work.LONG:.0f} s; after Ctrl-C the program"
        " has ended within 10 s",
        trouble="interrupt",
    ),
    Question(
        "interrupt_processes",
        "Ctrl-C ends tasks in processes",
        "the same in processes; none of them is alive 2 s after the program",
        trouble="interrupt",
    ),
    Question(
        "killed",
        "`kill -9` leaves no process",
        "the same, with SIGKILL for the program; no process is alive 5 s later",
        trouble="kill",
    ),
    Question(
        "chain",
        f"a chain of {work.CHAIN:,} tasks",
        "each adds one to the result of the one before; two minutes on the clock and"
        " one of CPU time to make and run it, with the settings of Python as they are",
        exactly(work.CHAIN),
    ),
    Question(
        "seconds",
        "durations of tasks",
        f"a task that sleeps for {work.TIMED} s; the seconds are a number",
        seconds,
    ),
    Question(
        "picture",
        "draws the graph",
        "the names of both tasks are in the text or file that it makes",
        has_both_names,
    ),
    Question(
        "page",
        "a page about a run",
        "an HTML file about a run that has ended, with the names of both tasks",
        is_page,
    ),
)

QUESTION = {question.id: question for question in QUESTIONS}
