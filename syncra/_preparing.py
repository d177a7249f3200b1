"""From a graph and what a call of it says to what will run it, all of it checked."""

from __future__ import annotations

from collections.abc import Mapping

from ._core.policy import seconds
from ._engine import Engine
from ._inputs import check_inputs, with_defaults
from ._options import Settings, check_on_error, no_such_option
from ._task import NOTHING
from .errors import GraphError
from .executors import check_executor
from .executors.threads import checked_count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping
    from typing import Any

    from ._compiled import Compiled
    from ._definition import Target
    from ._graph import Graph
    from ._options import Keep
    from .executors import AnyExecutor
    from .observers import ProgressDisplay
    from .observers._log_writer import LogWriter


def prepare(
    graph: Graph,
    inputs: Mapping[str, Any],
    in_loop: bool,
    /,
    *,
    targets: Iterable[Target] | None = None,
    executor: AnyExecutor | None = None,
    max_concurrency: int | None = None,
    on_error: str | None = None,
    timeout: float | None = None,
    grace: float | None = None,
    keep: Keep = "all",
    observers: Iterable[object] = NOTHING,
    progress: bool | ProgressDisplay = False,
    shared: MutableMapping[str, Any] | None = None,
    n_jobs: int | None = None,
    **unknown: object,
) -> Engine:
    """Return what will run a graph; see `Graph.run` for the parameters."""
    whose = f"run of graph {graph.name!r}"
    if unknown or type(inputs) is not dict:
        _check_call(graph, inputs, unknown, whose)
    settings = Settings(graph.executor, graph.on_error)
    if executor is not None:
        settings.executor = check_executor(executor, whose)
    if on_error is not None:
        check_on_error(on_error, whose)
        settings.on_error = on_error
    if timeout is not None:
        settings.timeout = seconds(timeout, f"{whose}: timeout")
    if grace is not None:
        settings.grace = seconds(grace, f"{whose}: grace", least=0.0)
    settings.max_concurrency = graph.max_concurrency
    if max_concurrency is not None or n_jobs is not None:
        settings.max_concurrency = _most_running(max_concurrency, n_jobs, whose)
    settings.observers = _observers(graph, observers, progress, whose)
    settings.shared = _checked_shared(shared, whose)
    if targets is not None:
        targets = graph.names_of(targets)  # it may be an iterator
    compiled = graph.compiled(targets)
    if inputs or compiled.inputs:
        if inputs.keys() != compiled.inputs.keys():
            inputs = with_defaults(compiled, inputs)
            known = graph.accepted_inputs(partly=targets is not None)
            check_inputs(compiled, inputs, known, prepare.__kwdefaults__ or ())
    if not (isinstance(keep, str) and keep == "all"):
        settings.kept = _kept(graph, compiled, keep, targets)
    if graph.log is not None or compiled.logs:
        settings.observers = (_log_writer(graph, compiled), *settings.observers)
    return Engine(compiled, inputs, settings, in_loop)


def _check_call(
    graph: Graph, inputs: object, unknown: Mapping[str, object], whose: str
) -> None:
    """Raise a TypeError for what a run does not understand."""
    if unknown:
        name = next(iter(unknown))
        error = no_such_option(name, whose, prepare.__kwdefaults__ or ())
        try:
            inputs_there = graph.inputs
        except GraphError:  # one mistake at a time, and this one is of the call
            raise error from None

        if name in inputs_there:
            raise TypeError(
                f"{whose}: there is no option {name!r}. It is an input: inputs are "
                f"given as graph(...) or as graph.run({{{name!r}: ...}}, ...)"
            )

        raise error

    if not isinstance(inputs, Mapping):
        raise TypeError(
            f"{whose}: inputs is a mapping of names to values, "
            f"got {type(inputs).__name__}"
        )


def _observers(
    graph: Graph,
    observers: Iterable[object],
    progress: bool | ProgressDisplay,
    whose: str,
) -> tuple[object, ...]:
    """Return who is told of a run, once each, those of the graph first."""
    found = graph.observers
    if observers is not NOTHING:
        from .observers._protocol import checked_observers, without_repeats

        found = without_repeats(found + checked_observers(observers, whose))
    if progress is not False:
        from .observers._progress import display_of

        found += display_of(progress, whose)
    return found


def _checked_shared(
    shared: MutableMapping[str, Any] | None, whose: str
) -> MutableMapping[str, Any] | None:
    """Return what the tasks of a run share, if they can."""
    if shared is None:
        return None

    from collections.abc import MutableMapping

    if isinstance(shared, MutableMapping):
        return shared

    raise TypeError(
        f"{whose}: shared is a mapping that can be changed, such as a dict, "
        f"got {type(shared).__name__}"
    )


def _most_running(
    max_concurrency: int | None, n_jobs: int | None, whose: str
) -> int | None:
    """Return how many tasks may run at once, in whichever spelling that was given."""
    if n_jobs is None:
        return checked_count(max_concurrency, f"{whose}: max_concurrency")

    if max_concurrency is not None:
        raise TypeError(f"{whose}: max_concurrency= and n_jobs= mean the same")

    return checked_count(n_jobs, f"{whose}: n_jobs")


def _log_writer(graph: Graph, compiled: Compiled) -> LogWriter:
    """Return what writes the log files of a run."""
    from .observers._log_writer import LogWriter

    names = compiled.names
    for_some = {names[task]: log for task, log in compiled.logs.items()}
    return LogWriter(graph.log, for_some)


def _kept(
    graph: Graph, compiled: Compiled, keep: Keep, targets: Iterable[Target] | None
) -> frozenset[int]:
    """Return the ids of the tasks whose results a run keeps."""
    from ._keeping import check_keep, ends_of, kept_by

    if isinstance(keep, str) and keep == "targets":
        if targets is None:
            return frozenset(ends_of(compiled))

        keep = targets
    check_keep(keep, graph)
    return kept_by(compiled, graph.names_of(keep))
