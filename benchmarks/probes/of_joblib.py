"""joblib, which calls one function for each item of a loop."""

from __future__ import annotations

import asyncio
import multiprocessing
from pathlib import Path
from time import perf_counter
from typing import Any

from . import work
from .absence import lacks
from .model import DoesNotApply, Lacks

NO_GRAPHS = "it runs loops, not graphs"


def _public() -> list[Any]:
    from joblib import Parallel, delayed, parallel_config

    return [Parallel, delayed, parallel_config]


def _parallel(*calls: Any, backend: str = "threading", **options: Any) -> Any:
    from joblib import Parallel, delayed

    options.setdefault("n_jobs", 2)
    run = Parallel(backend=backend, **options)
    return run(delayed(function)(*given) for function, *given in calls)


def coroutines() -> Any:
    (value,) = _parallel((work.seven_later,))
    if not asyncio.iscoroutine(value):
        return value

    value.close()
    return "a coroutine that nobody has awaited"


def threads() -> Any:
    return _parallel((work.meet_left,), (work.meet_right,))


def processes() -> Any:
    return _parallel((work.process_number,), backend="loky")[0]


def mixed() -> Any:
    raise DoesNotApply(NO_GRAPHS)


def pool() -> Any:
    # It takes backends that are written for it, no pools.
    raise lacks(_public(), "pool", "executor")


def commands() -> Any:
    raise lacks(_public(), "command", "commands", "shell", "subprocess")


def results() -> Any:
    raise DoesNotApply(NO_GRAPHS)


def again() -> Any:
    raise DoesNotApply(NO_GRAPHS)


def mapped() -> Any:
    return _parallel(*((work.squared, item) for item in [1, 2, 3]))


def kept() -> Any:
    from joblib import Memory

    folder = Path(work.folder()) / "kept"

    def run() -> Any:
        counted = Memory(folder, verbose=0).cache(work.counted)
        return _parallel((counted,))[0]

    return run(), run()


def typed() -> Any:
    return (
        "from joblib import Parallel, delayed\n"
        "def seven() -> int: return 7\n"
        "reveal_type(Parallel()(delayed(seven)() for _ in range(1))[0])\n"
    )


def original() -> Any:
    try:
        return _parallel((work.fail,), (work.seven,))
    except Exception as error:
        return error


def goes_on() -> Any:
    return _parallel((work.fail,), (work.seven,))[1]


def retries() -> Any:
    raise lacks(_public(), "retry", "retries", "attempts", "tries")


def limit() -> Any:
    start = perf_counter()
    try:
        _parallel((work.slow,), (work.slow,), timeout=work.LIMIT)
    except (TimeoutError, multiprocessing.TimeoutError):
        return perf_counter() - start
    return perf_counter() - start


def rollback() -> Any:
    raise lacks(_public(), "rollback", "undo", "revert", "compensate")


def crash() -> Any:
    calls = [(work.kill_itself,)]
    calls += [(work.innocent, number) for number in range(work.INNOCENT)]  # type: ignore[misc]
    try:
        return _parallel(*calls, backend="loky")
    except Exception as error:
        raise Lacks(f"no result was to be had: {type(error).__name__}") from error


def interrupt_threads() -> Any:
    return _parallel((work.long_left,), (work.long_right,))


def interrupt_processes() -> Any:
    return _parallel((work.long_left,), (work.long_right,), backend="loky")


def killed() -> Any:
    return interrupt_processes()


def chain() -> Any:
    raise DoesNotApply(NO_GRAPHS)


def seconds() -> Any:
    raise lacks(_public(), "seconds", "duration", "durations", "elapsed", "profile")


def picture() -> Any:
    raise DoesNotApply(NO_GRAPHS)


def page() -> Any:
    raise lacks(_public(), "report", "html", "page")
