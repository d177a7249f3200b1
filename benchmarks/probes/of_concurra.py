"""Concurra."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from . import work
from .absence import lacks


def _runner(**options: Any) -> Any:
    from concurra import TaskRunner

    options.setdefault("max_concurrency", 2)
    return TaskRunner(progress_stats=False, **options)


def _public() -> list[Any]:
    from concurra import TaskRunner

    return [TaskRunner]


def _result(runner: Any, label: str) -> Any:
    entry = runner.run(verify=False)[label]
    return entry["result"] if entry["status"] == "Successful" else entry["error"]


def coroutines() -> Any:
    runner = _runner()
    runner.add_task(work.seven_later, label="one")
    result = _result(runner, "one")
    if hasattr(result, "close"):
        result.close()
    return result


def threads() -> Any:
    runner = _runner()
    runner.add_task(work.meet_left, label="left")
    runner.add_task(work.meet_right, label="right")
    run = runner.run(verify=False)
    return [run[label]["result"] for label in ("left", "right")]


def processes() -> Any:
    runner = _runner(use_multiprocessing=True)
    runner.add_task(work.process_number, label="one")
    return _result(runner, "one")


def mixed() -> Any:
    runner = _runner(use_multiprocessing=True)
    runner.add_task(work.on_loop, label="one")
    return _result(runner, "one")


def pool() -> Any:
    raise lacks(_public(), "pool", "executor")


def commands() -> Any:
    runner = _runner()
    runner.add_command(["echo", "seven"], label="echo")
    return _result(runner, "echo")["stdout"].strip()


def results() -> Any:
    runner = _runner()
    runner.add_task(work.seven, label="seven")
    runner.add_task(work.plus_one, label="plus_one", depends_on=["seven"])
    return _result(runner, "plus_one")


def again() -> Any:
    runner = _runner()
    runner.add_task(work.plus_one, 1, label="plus_one")
    first = _result(runner, "plus_one")
    return first, _result(runner, "plus_one")


def mapped() -> Any:
    raise lacks(_public(), "map", "mapped", "expand", "each", "spread")


def kept() -> Any:
    raise lacks(_public(), "cache", "cached", "checkpoint", "memory", "resume", "disk")


def typed() -> Any:
    return (
        "from concurra import TaskRunner\n"
        "def seven() -> int: return 7\n"
        "runner = TaskRunner()\n"
        "runner.add_task(seven, label='seven')\n"
        "reveal_type(runner.run()['seven']['result'])\n"
    )


def original() -> Any:
    runner = _runner()
    runner.add_task(work.fail, label="bad")
    try:
        runner.run(raise_exception=True)
    except Exception as error:
        return error


def goes_on() -> Any:
    runner = _runner()
    runner.add_task(work.fail, label="bad")
    runner.add_task(work.never, 0, label="never", depends_on=["bad"])
    runner.add_task(work.seven, label="good")
    return _result(runner, "good")


def retries() -> Any:
    runner = _runner(task_retries=1)
    runner.add_task(work.fail_once, label="one")
    return _result(runner, "one")


def limit() -> Any:
    runner = _runner(timeout=work.LIMIT)
    runner.add_task(work.slow, label="slow")
    start = perf_counter()
    runner.run(verify=False)
    return perf_counter() - start


def rollback() -> Any:
    raise lacks(_public(), "rollback", "undo", "revert", "compensate")


def crash() -> Any:
    runner = _runner(use_multiprocessing=True)
    runner.add_task(work.kill_itself, label="bad")
    for number in range(work.INNOCENT):
        runner.add_task(work.innocent, number, label=number)
    entries = runner.run(verify=False).values()
    return [one["result"] for one in entries if one["status"] == "Successful"]


def _long(**options: Any) -> Any:
    runner = _runner(**options)
    runner.add_task(work.long_left, label="left")
    runner.add_task(work.long_right, label="right")
    return runner.run(verify=False)


def interrupt_threads() -> Any:
    return _long()


def interrupt_processes() -> Any:
    return _long(use_multiprocessing=True)


def killed() -> Any:
    return _long(use_multiprocessing=True)


def chain() -> Any:
    values: list[int] = []
    runner = _runner()
    for number in range(work.CHAIN):
        before = [number - 1] if number else []
        runner.add_task(values.append, number, label=number, depends_on=before)
    runner.run(verify=False)
    return len(values)


def seconds() -> Any:
    runner = _runner()
    runner.add_task(work.timed, label="timed")
    return float(runner.run(verify=False)["timed"]["duration_seconds"])


def picture() -> Any:
    raise lacks(_public(), "draw", "picture", "visualize", "dot", "mermaid", "plot")


def page() -> Any:
    raise lacks(_public(), "report", "html", "page")
