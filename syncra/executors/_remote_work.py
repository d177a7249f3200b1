"""What a worker of a cluster does: it opens a parcel of tasks and runs one by one.

It knows no engine. What an engine brings is a function that sends messages to the run
while the parcel is being worked on; the parcel's result is the one value that is too
large for a message, and the engine keeps that.
"""

from __future__ import annotations

import pickle
from contextvars import Context, ContextVar
from os import getpid, urandom
from threading import Lock, local
from time import monotonic
from types import CoroutineType
from typing import NamedTuple

from .._calls import part_of
from .._loops import reachable
from .._processes import pickles
from .._remote import was_told
from ._same_code import check_versions, code_of, digest_of
from ._small_pickles import SMALL, small_pickle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import Task
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

#: Seconds after which what is known is sent before the next task of a parcel begins.
OFTEN = 0.005
#: How many functions, and settings of runs, a worker remembers.
_MOST_KNOWN = 1000

#: What messages are about: see `Report.add`.
BEGUN, VALUE, LARGE, ERROR, LOG, END = range(6)


class Opened:
    """Hold a parcel that is being worked on.

    Attributes:
        report: what tells the run of it.
        present: position of the task whose code runs.
        told: positions of the tasks that are to end.
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        self.present = -1
        self.told: set[int] = set()
        self._lock = Lock()
        self._running: Task[Any] | None = None

    def tell(self, positions: Iterable[int]) -> None:
        """Have tasks end: coroutines are cancelled, and what has not begun never does.

        A function sees it by `Context.cancelled()`.
        """
        with self._lock:
            self.told.update(positions)
            if self._running is not None and self.present in self.told:
                loop = self._running.get_loop()
                loop.call_soon_threadsafe(self._running.cancel)

    @property
    def is_function_told(self) -> bool:
        """Return whether a function runs, no coroutine, that was told to end."""
        return self._running is None and self.present in self.told

    def runs_as(self, task: Task[Any] | None) -> None:
        """Take note of the asyncio task that a coroutine runs as; None: it is over."""
        with self._lock:
            self._running = task
            if task is not None and self.present in self.told:
                task.cancel()


class Report:
    """Tell the run what becomes of a parcel.

    Parameters:
        send: what sends a message; told whether to wait until it is safe from the
            death of this process.
    """

    def __init__(self, send: Callable[[bytes, bool], object]) -> None:
        self._send = send
        self._lock = Lock()
        self._news: list[tuple[Any, ...]] = []
        self._sent_at = 0.0

    def add(self, kind: int, position: int, *facts: Any) -> None:
        """Note something of the task at a position; a log record goes out at once.

        BEGUN: name and address of the worker. VALUE: seconds, its pickle. LARGE:
        seconds. ERROR: seconds, what could not cross or "", the packed error, where in
        it the culprit is. LOG: the record. END: nothing.
        """
        with self._lock:
            self._news.append((kind, position, *facts))
        if kind == LOG:
            self.flush(OFTEN)

    def flush(self, older: float = 0.0, is_first: bool = False) -> None:
        """Send what is known, if the last message was sent so many seconds ago."""
        with self._lock:
            if self._news and monotonic() - self._sent_at >= older:
                news, self._news = self._news, []
                self._sent_at = monotonic()
                self._send(pickle.dumps(news), is_first)


_MARK = urandom(16)
#: The parcels that are being worked on in this process, by token.
_opened: dict[str, Opened] = {}
#: By their pickle, and the digest of their code where the run is.
_functions: dict[tuple[bytes, str], Callable[..., Any]] = {}
_settings: dict[bytes, Context] = {}
#: What arguments may refer to while they are unpickled.
_given = local()
#: The parcel whose task's code runs.
_present: ContextVar[Opened | None] = ContextVar("syncra_parcel", default=None)


def this_process() -> tuple[bytes, int]:
    """Return what tells this process from all others, on whatever machine."""
    return _MARK, getpid()  # which another one has that was forked from it


def tell(token: str, positions: Iterable[int]) -> None:
    """Have tasks of a parcel end, if it is being worked on in this process."""
    opened = _opened.get(token)
    if opened is not None:
        opened.tell(positions)


def begun_by(message: bytes) -> list[str]:
    """Return who has begun with tasks, by what was sent of them."""
    found = pickle.loads(message)
    return [facts[1] for kind, _, *facts in found if kind == BEGUN]


def is_function_told(token: str) -> bool:
    """Return whether a function of a parcel runs here that was told to end."""
    opened = _opened.get(token)
    return opened is not None and opened.is_function_told


def given(kind: str, position: int, part: tuple[str, int] | None = None) -> Any:
    """Return what an argument refers to. Called by its pickle.

    Parameters:
        kind: "needs" for what the engine has brought along, "results" for what an
            earlier task of the parcel has returned.
        position: which of them.
        part: which part of that, if not all of it.
    """
    value = getattr(_given, kind)[position]
    return value if part is None else part_of(value, *part)


def run(
    data: bytes,
    token: str,
    needs: Sequence[Any],
    send: Callable[[bytes, bool], object],
    worker: tuple[str, str],
) -> Any:
    """Run the tasks of a parcel.

    Parameters:
        data: the parcel.
        token: what the run knows it by.
        needs: the large values that its tasks refer to.
        send: what sends a message to the run, and is told whether to wait until it is
            safe from the death of this process.
        worker: name and address of this worker.

    Returns:
        The last result, if it is too large for a message, or else None.

    Raises:
        VersionMismatch: if this worker cannot work for the run.
    """
    versions, packed = pickle.loads(data)
    check_versions(versions, worker[0])
    stops, budget, settings, functions, items = pickle.loads(packed)
    report = Report(send)
    opened = _opened[token] = Opened(report)
    results: dict[int, Any] = {}
    began = monotonic()
    try:
        # Whoever dies after that has begun: nobody is to begin with it again.
        report.add(BEGUN, -1, *worker)
        report.flush(is_first=True)
        for position, item in enumerate(items):
            if position and monotonic() - began > budget:
                break

            if position in opened.told or not results.keys() >= set(item.before):
                continue

            report.flush(OFTEN)
            _given.needs, _given.results = needs, results
            kind, value, *facts = _attempt(opened, position, item, functions, settings)
            report.add(kind, position, *facts)
            if kind != ERROR:
                results[position] = value
            elif stops:
                break
            if kind == LARGE:
                return value
            value = None
        return None
    finally:
        _given.needs = _given.results = None
        del _opened[token]
        report.add(END, -1)
        report.flush()


class Item(NamedTuple):
    """Be one task of a parcel.

    Attributes:
        function: number of its function.
        arguments: their pickle.
        before: positions of the tasks of the parcel whose results it takes.
        is_to_travel: whether its result is wanted where the run is.
        baggage: what observers want to be called before, pickled; b"" if nothing.
    """

    function: int
    arguments: bytes
    before: tuple[int, ...]
    is_to_travel: bool
    baggage: bytes


def _attempt(
    opened: Opened,
    position: int,
    item: Item,
    functions: Sequence[tuple[bytes, str]],
    settings: bytes,
) -> tuple[Any, ...]:
    """Run a task; return what kind of news that is, its result, and what to tell."""
    began = monotonic()
    stage = "function"
    try:
        function = _function(*functions[item.function])
        stage = "argument"
        arguments = pickle.loads(item.arguments)
        stage = ""
        context = _context(settings).copy()
        if item.baggage:
            context = context.run(_prepared, item.baggage)
        opened.present = position
        try:
            value = context.run(_call, opened, function, arguments)
        finally:
            opened.present = -1
        seconds = monotonic() - began
        stage = "result"
        small = _small(value, item.is_to_travel)
    except BaseException as error:
        path = pickles.culprit(value, "result") if stage == "result" else ""
        seconds = monotonic() - began
        return ERROR, None, seconds, stage, pickles.dump_error(error), path

    if small is None:
        return LARGE, value, seconds

    return VALUE, value, seconds, small


def _call(opened: Opened, function: Callable[..., Any], arguments: Any) -> Any:
    _present.set(opened)
    present = opened.present
    was_told.set(lambda: present in opened.told)
    value = function(*arguments)
    if value.__class__ is not CoroutineType:
        return value

    import asyncio

    return asyncio.run(reachable(value, opened.runs_as))


# Values.


def _small(value: Any, is_to_travel: bool) -> bytes | None:
    if isinstance(value, (bytes, bytearray, str)) and len(value) > SMALL:
        return None

    from cloudpickle import Pickler

    try:
        return small_pickle(value, (pickle.Pickler, Pickler))
    except Exception:
        if is_to_travel:
            raise

        return None  # it stays here, for those who come here


# Functions.


def _function(packed: bytes, digest: str) -> Callable[..., Any]:
    """Return a function, which has to be what it is where the run is.

    Parameters:
        packed: its pickle.
        digest: of its code; "" if it is not looked up here.
    """
    known = _functions.get((packed, digest))
    if known is not None:
        return known

    function: Callable[..., Any] = pickle.loads(packed)
    if digest and digest_of(code_of(function)) != digest:
        code = code_of(function)
        where = f" ({code.co_filename})" if code is not None else ""
        name = getattr(function, "__qualname__", repr(function))
        raise ImportError(
            f"the code of {name!r} on this worker{where} is not that of the run: "
            f"deploy the same, and restart the worker"
        )

    if len(_functions) >= _MOST_KNOWN:
        _functions.clear()
    _functions[packed, digest] = function
    return function


# What surrounds a task.


def _context(settings: bytes) -> Context:
    """Return the context that tasks of a run get a copy of."""
    context = _settings.get(settings)
    if context is None:
        context = Context()
        found = pickle.loads(settings)
        for (module, name), packed in found["variables"]:
            variable = pickles.unwrapped(module, name, 0)
            context.run(variable.set, pickle.loads(packed))
        # Where the worker is the program itself, its loggers have each record already.
        if found["process"] != this_process():
            from .._processes.logs import forward

            forward(_send_record, found["levels"])
        if len(_settings) >= _MOST_KNOWN:
            _settings.clear()
        _settings[settings] = context
    return context


def _send_record(record: bytes) -> None:
    """Send a log record, if it is one of a task."""
    opened = _present.get()
    if opened is not None and opened.present >= 0:
        opened.report.add(LOG, opened.present, record)


def _prepared(baggage: bytes) -> Context:
    from ._crossing import prepared

    return prepared(baggage)
