"""Dask: `delayed`, and the schedulers for one machine."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import current_thread
from typing import Any

from . import work
from .absence import lacks
from .model import Lacks


def _public() -> list[Any]:
    import dask
    from dask import delayed
    from dask.delayed import Delayed

    return [delayed, Delayed, dask.compute, dask.threaded.get, dask.multiprocessing.get]


def _delayed(function: Any) -> Any:
    from dask import delayed

    return delayed(function, pure=False)


def coroutines() -> Any:
    value = _delayed(work.seven_later)().compute(scheduler="threads")
    if not asyncio.iscoroutine(value):
        return value

    value.close()
    return "a coroutine that nobody has awaited"


def threads() -> Any:
    import dask

    both = [_delayed(work.meet_left)(), _delayed(work.meet_right)()]
    return list(dask.compute(*both, scheduler="threads", num_workers=2))


def processes() -> Any:
    task = _delayed(work.process_number)()
    return task.compute(scheduler="processes", num_workers=2)


def mixed() -> Any:
    # One scheduler runs all of a graph.
    one = _delayed(work.on_loop)()
    three = _delayed(work.in_process)(_delayed(work.in_thread)(one))
    return three.compute(scheduler="processes", num_workers=2)


def pool() -> Any:
    with ThreadPoolExecutor(1, thread_name_prefix="yours") as own:
        task = _delayed(lambda: current_thread().name.partition("_")[0])()
        return task.compute(scheduler="threads", pool=own)


def commands() -> Any:
    raise lacks(_public(), "command", "commands", "shell", "subprocess")


def results() -> Any:
    task = _delayed(work.plus_one)(_delayed(work.seven)())
    return task.compute(scheduler="threads")


def again() -> Any:
    # What a graph is of is a function of ours, called with each input.
    def graph_of(value: int) -> Any:
        return _delayed(work.plus_one)(value).compute(scheduler="threads")

    return graph_of(1), graph_of(2)


def mapped() -> Any:
    import dask.bag

    items = dask.bag.from_delayed([_delayed(list)([1, 2, 3])])
    return items.map(work.squared).compute(scheduler="threads")


def kept() -> Any:
    # `dask.cache` keeps results in memory, by another package.
    raise lacks(_public(), "cached", "checkpoint", "memory", "resume", "disk")


def typed() -> Any:
    return (
        "from dask import delayed\n"
        "@delayed\n"
        "def seven() -> int: return 7\n"
        "reveal_type(seven().compute())\n"
    )


def original() -> Any:
    try:
        return _delayed(work.fail)().compute(scheduler="threads")
    except Exception as error:
        return error


def goes_on() -> Any:
    import dask

    bad = _delayed(work.fail)()
    tasks = [bad, _delayed(work.never)(bad), _delayed(work.seven)()]
    return dask.compute(*tasks, scheduler="threads", num_workers=2)[2]


def retries() -> Any:
    raise lacks(_public(), "retry", "retries", "attempts", "tries")


def limit() -> Any:
    raise lacks(_public(), "timeout", "timeouts", "limit", "seconds", "deadline")


def rollback() -> Any:
    raise lacks(_public(), "rollback", "undo", "revert", "compensate")


def crash() -> Any:
    import dask

    tasks = [_delayed(work.kill_itself)()]
    tasks += [_delayed(work.innocent)(number) for number in range(work.INNOCENT)]
    try:
        return dask.compute(*tasks, scheduler="processes", num_workers=2)
    except Exception as error:
        raise Lacks(f"no result was to be had: {type(error).__name__}") from error


def _long(scheduler: str) -> Any:
    import dask

    both = [_delayed(work.long_left)(), _delayed(work.long_right)()]
    return dask.compute(*both, scheduler=scheduler, num_workers=2)


def interrupt_threads() -> Any:
    return _long("threads")


def interrupt_processes() -> Any:
    return _long("processes")


def killed() -> Any:
    return _long("processes")


def chain() -> Any:
    task = _delayed(lambda: 1)()
    for _ in range(1, work.CHAIN):
        task = _delayed(work.plus_one)(task)
    return task.compute(scheduler="threads")


def seconds() -> Any:
    from dask.diagnostics import Profiler

    with Profiler() as profiler:
        _delayed(work.timed)().compute(scheduler="threads")
    return max(float(one.end_time - one.start_time) for one in profiler.results)


def picture() -> Any:
    task = _delayed(work.plus_one)(_delayed(work.seven)())
    with TemporaryDirectory() as folder:
        task.visualize(filename=f"{folder}/graph.svg")
        return (Path(folder) / "graph.svg").read_text(encoding="utf-8")


def page() -> Any:
    # Its page shows what ran when; it is drawn with bokeh, another package.
    from dask.diagnostics import Profiler

    with TemporaryDirectory() as folder:
        with Profiler() as profiler:
            task = _delayed(work.plus_one)(_delayed(work.seven)())
            task.compute(scheduler="threads")
        path = Path(folder) / "run.html"
        profiler.visualize(filename=str(path), show=False, save=True)
        return path.read_text(encoding="utf-8")
