"""Traces of runs for OpenTelemetry: a span for each run, and for each attempt."""

from __future__ import annotations

from datetime import timedelta
from logging import getLogger

from .._records import State
from ..errors import MissingExtraError
from ._base import Observer

try:
    from opentelemetry import context as contexts
    from opentelemetry import propagate, trace
except ImportError as error:
    raise MissingExtraError(
        "traces need OpenTelemetry: pip install 'syncra[otel]'", "otel"
    ) from error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, TracerProvider

    from .._origins import Baggage, Origin
    from .._records import Attempt
    from .._run import Run


class OpenTelemetry(Observer):
    """Make a span for each run, and one for each attempt at a task.

    The span of a run is a child of the span in which it was started. That of an attempt
    is a child of it, and the current one while the attempt runs: in threads,
    coroutines, worker processes and pools of processes. What tasks trace themselves is
    below it, by the tracer provider of the process they are in. Tasks that have never
    started are events of the span of the run.

    Parameters:
        tracer_provider: what gives the tracer; the one of the program if None.

    Raises:
        MissingExtraError: if the package `opentelemetry-api` is not installed.

    Example:
        >>> from syncra import Graph
        >>> from syncra.observers import OpenTelemetry
        >>> graph = Graph("etl", observers=[OpenTelemetry()])
    """

    def __init__(self, tracer_provider: TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer("syncra", tracer_provider=tracer_provider)
        self._runs: dict[str, _Trace] = {}

    def before_run(self, run: Run) -> None:
        """Begin the span of a run, where it is started."""
        attributes = {"syncra.graph": run.graph, "syncra.run_id": run.id}
        try:
            span = self._tracer.start_span(f"graph {run.graph}", attributes=attributes)
        except Exception:
            getLogger("syncra.observers").warning("a run is not traced", exc_info=True)
            span = trace.INVALID_SPAN
        self._runs[run.id] = _Trace(span)

    def begin_attempt(self, origin: Origin) -> None:
        """Begin the span of an attempt, and make it the current one of its context."""
        known = self._runs[origin.run_id]
        attributes: dict[str, str | int] = {
            "syncra.graph": origin.graph,
            "syncra.run_id": origin.run_id,
            "syncra.task": origin.task,
            "syncra.attempt": origin.attempt,
        }
        span = self._tracer.start_span(
            f"task {origin.task}", known.context, attributes=attributes
        )
        known.attempts[origin.task, origin.attempt] = span
        contexts.attach(trace.set_span_in_context(span))

    def baggage(self) -> Baggage:
        """Return what makes the current span the current one in another process."""
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        return attach, carrier

    def task_retrying(
        self, run: Run, task: str, attempt: int, error: BaseException, wait: float
    ) -> None:
        """End the span of an attempt that has failed."""
        span = self._runs[run.id].attempts.pop((task, attempt), None)
        if span is not None:
            past = run.records[task].attempts[attempt - 1]
            span.set_attribute("syncra.state", "retrying")
            _end(span, past, error)

    def task_finished(self, run: Run, task: str, state: State) -> None:
        """End the span of the last attempt, or note that there was none."""
        known = self._runs[run.id]
        record = run.records[task]
        attempt = len(record.attempts)
        span = known.attempts.pop((task, attempt), None)
        if span is None:
            attributes = {"syncra.task": task, "syncra.why": record.why}
            known.span.add_event(f"task {state}", attributes)
            return

        span.set_attribute("syncra.state", str(state))
        if record.worker is not None:
            span.set_attribute("syncra.worker", record.worker)
        _end(span, record.attempts[-1], record.error)

    def run_finished(self, run: Run) -> None:
        """End the span of a run, and what is left of its attempts."""
        known = self._runs.pop(run.id)
        for span in known.attempts.values():
            span.end()  # it was given up, and nobody knows when it ends
        for name, count in vars_of(run).items():
            known.span.set_attribute(f"syncra.tasks.{name}", count)
        if not run.ok:
            known.span.set_status(trace.Status(trace.StatusCode.ERROR))
        known.span.end()


class _Trace:
    """Hold the spans of one run."""

    __slots__ = ("attempts", "context", "span")

    def __init__(self, span: Span) -> None:
        self.span = span
        self.context: Context = trace.set_span_in_context(span)
        self.attempts: dict[tuple[str, int], Span] = {}


def attach(carrier: dict[str, str]) -> None:
    """Make the span that a carrier tells of the current one of this context."""
    contexts.attach(propagate.extract(carrier))


def vars_of(run: Run) -> dict[str, int]:
    """Return how many tasks have come to which end."""
    progress = run.progress
    states = (State.SUCCEEDED, State.FAILED, State.SKIPPED, State.CANCELLED)
    return {str(state): getattr(progress, state) for state in states}


def _end(span: Span, attempt: Attempt, error: BaseException | None) -> None:
    """End the span of an attempt when that has ended."""
    if error is not None:
        if isinstance(error, Exception):
            span.record_exception(error)
        told = f"{type(error).__name__}: {error}"
        span.set_status(trace.Status(trace.StatusCode.ERROR, told))
    if attempt.duration is None:
        span.end()
        return

    ended = attempt.started_at + timedelta(seconds=attempt.duration)
    span.end(int(ended.timestamp() * 1e9))
