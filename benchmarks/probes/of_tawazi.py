"""Tawazi, whose tasks run in the calling thread, in threads, or in threads awaited."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from . import work
from .absence import lacks
from .model import DoesNotApply, Lacks, NotClear

NO_PROCESSES = "its tasks run in threads"


def _public() -> list[Any]:
    from tawazi import DAG, AsyncDAG, DAGExecution, dag, xn

    return [dag, xn, DAG, AsyncDAG, DAGExecution]


def _dag(function: Any, **options: Any) -> Any:
    from tawazi import dag

    return dag(function, **options)


def _xn(function: Any, **options: Any) -> Any:
    from tawazi import xn

    return xn(function, **options)


def _two() -> Any:
    seven, plus_one = _xn(work.seven), _xn(work.plus_one)

    def describe() -> Any:
        return plus_one(seven())

    return _dag(describe)


def coroutines() -> Any:
    from tawazi import Resource

    one = _xn(work.seven_later, resource=Resource.async_thread)

    def describe() -> Any:
        return one()

    graph = _dag(describe, is_async=True)

    async def main() -> Any:
        return await graph()

    value = asyncio.run(main())
    if not asyncio.iscoroutine(value):
        return value

    value.close()
    return "a coroutine that nobody has awaited"


def threads() -> Any:
    left, right = _xn(work.meet_left), _xn(work.meet_right)

    def describe() -> Any:
        return left(), right()

    return list(_dag(describe, max_concurrency=2)())


def processes() -> Any:
    from tawazi import Resource

    seen = sorted(one.value for one in Resource)
    if seen != ["async-thread", "main-thread", "thread"]:
        raise NotClear(f"there are new resources in {seen}")

    raise Lacks(f"a function runs in one of {', '.join(seen)}")


def mixed() -> Any:
    return processes()


def pool() -> Any:
    from tawazi import dag, xn

    raise lacks([dag, xn], "pool", "executor", "processes")


def commands() -> Any:
    raise lacks(_public(), "command", "commands", "shell", "subprocess")


def results() -> Any:
    return _two()()


def again() -> Any:
    plus_one = _xn(work.plus_one)

    def describe(value: int) -> Any:
        return plus_one(value)

    graph = _dag(describe)
    return graph(1), graph(2)


def mapped() -> Any:
    raise lacks(_public(), "map", "mapped", "expand", "each", "spread")


def kept() -> Any:
    # It keeps what the named tasks depend on.
    path = str(Path(work.folder()) / "kept.pkl")

    def made() -> Any:
        counted, passed = _xn(work.counted), _xn(work.passed)

        def describe() -> Any:
            return passed(counted())

        return _dag(describe)

    options = {"cache_deps_of": ["passed"]}
    first = made().executor(cache_in=path, **options)()
    return first, made().executor(from_cache=path, **options)()


def typed() -> Any:
    return (
        "from tawazi import dag, xn\n"
        "@xn\n"
        "def seven() -> int: return 7\n"
        "@dag\n"
        "def graph() -> int: return seven()\n"
        "reveal_type(graph())\n"
    )


def original() -> Any:
    bad = _xn(work.fail)

    def describe() -> Any:
        return bad()

    try:
        return _dag(describe, max_concurrency=2)()
    except Exception as error:
        return error


def goes_on() -> Any:
    bad, never, good = _xn(work.fail), _xn(work.never), _xn(work.seven)

    def describe() -> Any:
        return never(bad()), good()

    return _dag(describe, max_concurrency=2)()[1]


def retries() -> Any:
    raise lacks(_public(), "retry", "retries", "attempts", "tries")


def limit() -> Any:
    raise lacks(_public(), "timeout", "timeouts", "limit", "seconds", "deadline")


def rollback() -> Any:
    raise lacks(_public(), "rollback", "undo", "revert", "compensate")


def crash() -> Any:
    raise DoesNotApply(NO_PROCESSES)


def interrupt_threads() -> Any:
    left, right = _xn(work.long_left), _xn(work.long_right)

    def describe() -> Any:
        return left(), right()

    return _dag(describe, max_concurrency=2)()


def interrupt_processes() -> Any:
    raise DoesNotApply(NO_PROCESSES)


def killed() -> Any:
    raise DoesNotApply(NO_PROCESSES)


def chain() -> Any:
    one, plus_one = _xn(lambda: 1), _xn(work.plus_one)

    def describe() -> Any:
        value = one()
        for _ in range(1, work.CHAIN):
            value = plus_one(value)
        return value

    return _dag(describe)()


def seconds() -> Any:
    from tawazi.config import cfg

    cfg.TAWAZI_PROFILE_ALL_NODES = True
    timed = _xn(work.timed)

    def describe() -> Any:
        return timed()

    executor = _dag(describe).executor()
    executor()
    return max(profile.abs_exec_time for profile in executor.profiles.values())


def picture() -> Any:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "graph"
        _two().draw(filename=str(path), view=False)
        return path.read_text(encoding="utf-8")


def page() -> Any:
    raise lacks(_public(), "report", "html", "page")
