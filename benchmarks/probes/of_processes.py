"""Processes, the library, whose tasks run in the calling thread or in threads."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from . import work
from .absence import lacks
from .model import DoesNotApply

NO_PROCESSES = "its tasks run in threads"


def _task(name: str, function: Any, *before: str, **options: Any) -> Any:
    from processes import Task, TaskDependency

    needs = [TaskDependency(one, use_result_as_additional_args=True) for one in before]
    return Task(name, function, dependencies=needs, **options)


def _run(*tasks: Any) -> Any:
    from processes import Process

    with Process(list(tasks)) as process:
        return process.run(parallel=True, max_workers=2)


def _public() -> list[Any]:
    from processes import Process, Task, TaskDependency

    # "process" is in many of its names, and never means one of the system.
    return [Process, Task, TaskDependency]


def coroutines() -> Any:
    result = _run(_task("one", work.seven_later)).entries["one"].result
    if hasattr(result, "close"):
        result.close()
    return result


def threads() -> Any:
    tasks = _task("left", work.meet_left), _task("right", work.meet_right)
    entries = _run(*tasks).entries
    return [entries[name].result for name in ("left", "right")]


def processes() -> Any:
    return _run(_task("one", work.process_number)).entries["one"].result


def mixed() -> Any:
    raise lacks(_public(), "executor", "pool", "multiprocessing", "async", "await")


def pool() -> Any:
    raise lacks(_public(), "executor", "pool")


def commands() -> Any:
    raise lacks(_public(), "command", "commands", "shell", "subprocess")


def results() -> Any:
    tasks = _task("seven", work.seven), _task("plus_one", work.plus_one, "seven")
    return _run(*tasks).entries["plus_one"].result


def again() -> Any:
    from processes import Process

    # In threads, a second run gives the results of the first.
    task = _task("plus_one", work.plus_one, args=(1,))
    with Process([task]) as process:
        first = process.run(parallel=False).entries["plus_one"].result
        task.args = (2,)
        return first, process.run(parallel=False).entries["plus_one"].result


def mapped() -> Any:
    raise lacks(_public(), "map", "mapped", "expand", "each", "spread")


def kept() -> Any:
    raise lacks(_public(), "cache", "cached", "checkpoint", "memory", "resume", "disk")


def typed() -> Any:
    return (
        "from processes import Process, Task\n"
        "def seven() -> int: return 7\n"
        "process = Process([Task('seven', seven)])\n"
        "reveal_type(process.run().entries['seven'].result)\n"
    )


def original() -> Any:
    return _run(_task("bad", work.fail)).entries["bad"].error.exception


def goes_on() -> Any:
    tasks = [_task("bad", work.fail), _task("never", work.never, "bad")]
    return _run(*tasks, _task("good", work.seven)).entries["good"].result


def retries() -> Any:
    return _run(_task("one", work.fail_once, retries=1)).entries["one"].result


def limit() -> Any:
    start = perf_counter()
    _run(_task("slow", work.slow, timeout=work.LIMIT))
    return perf_counter() - start


def rollback() -> Any:
    raise lacks(_public(), "rollback", "undo", "revert", "compensate")


def crash() -> Any:
    raise DoesNotApply(NO_PROCESSES)


def interrupt_threads() -> Any:
    return _run(_task("left", work.long_left), _task("right", work.long_right))


def interrupt_processes() -> Any:
    raise DoesNotApply(NO_PROCESSES)


def killed() -> Any:
    raise DoesNotApply(NO_PROCESSES)


def chain() -> Any:
    tasks = [_task("t0", lambda: 1)]
    for number in range(1, work.CHAIN):
        tasks.append(_task(f"t{number}", work.plus_one, f"t{number - 1}"))
    return _run(*tasks).entries[f"t{work.CHAIN - 1}"].result


def seconds() -> Any:
    return _run(_task("timed", work.timed)).entries["timed"].elapsed_seconds


def picture() -> Any:
    raise lacks(_public(), "draw", "picture", "visualize", "dot", "mermaid", "plot")


def page() -> Any:
    # Its HTML is a mail, which is sent, and has no public way into a file.
    from processes import EmailChannel, ProcessExecutionReport

    places = [ProcessExecutionReport, EmailChannel]
    raise lacks(places, "page", "html", "save", "write", "file")
