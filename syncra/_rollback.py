"""Undoing what succeeded in a run that failed: a second, small run in reverse order."""

from __future__ import annotations

from functools import partial

from ._compile import Compiler
from ._core.machine import ALL_DONE, TRIGGERS
from ._core.states import SUCCEEDED
from ._declare import make_task
from ._engine import Engine
from ._options import Settings
from ._supervisor import GRACE
from ._task import Options, Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def rollback_of(engine: Engine) -> Engine | None:
    """Return the engine that undoes a finished run, or None if nothing is to be undone.

    The functions registered with `@task.rollback` run one after another, in reverse
    order of completion of their tasks, each with the result it has to undo, with the
    executor, retry and limit of its task. One that fails does not stop the others.
    """
    journal = engine.journal
    if journal.first_error is None and not (journal.cancelled or engine.interruption):
        return None

    finished = journal.finished
    # Where the clock is too coarse to tell, what came later in the graph ended later.
    place = {task: number for number, task in enumerate(engine.compiled.plan.order)}
    done = [
        task
        for task, definition in enumerate(engine.compiled.tasks)
        if definition.undo is not None and journal.states[task] == SUCCEEDED
    ]
    if not done:
        return None

    done.sort(key=lambda task: (finished[task], place[task]), reverse=True)
    tasks: dict[str, Task[..., Any]] = {}
    for task in done:
        made = _undoing(engine, task, after=list(tasks.values())[-1:])
        tasks[made.name] = made
    compiled = Compiler(engine.compiled.graph, tasks, {}, {}).compile()
    undoing = Engine(
        compiled, {}, _settings(engine), engine.in_loop, context=engine.context
    )
    # To its functions it is the run that they undo.
    undoing.run_id = engine.identify()
    undoing.shared = engine.shared
    undoing.undoes = engine.journal
    if engine.origins is not None:
        past = undoing.journal.attempts
        undoing.origins = engine.origins.of_others(compiled.names, past)
    return undoing


def _undoing(engine: Engine, task: int, after: list[Task[..., Any]]) -> Task[..., Any]:
    """Return the task that undoes another one."""
    definition = engine.compiled.tasks[task]
    of_task = definition.options
    assert definition.undo is not None
    options = Options(
        executor=of_task.executor,
        fallback="threads",  # for what cannot be sent away, since it has to be undone
        retry=of_task.retry,
        timeout=of_task.timeout,
        trigger=TRIGGERS[ALL_DONE],
    )
    undo, takes = definition.undo, definition.undo_takes
    if takes == "*":
        undo = partial(undo, engine.values[task])
    elif takes is not None:
        options.kwargs = {takes: engine.values[task]}
    return make_task(undo, definition.name, (), after, options)


def _settings(engine: Engine) -> Settings:
    """Return how the undoing is run."""
    settings = engine.settings
    ended_from_outside = engine.journal.cancelled or engine.interruption is not None
    grace = GRACE if settings.grace is None else settings.grace
    return Settings(
        executor=settings.executor,
        on_error="continue",
        # Who ends a run wants to see the end of it.
        timeout=max(grace, 0.001) if ended_from_outside else None,
        grace=settings.grace,
    )
