"""Syncra."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import current_thread
from time import perf_counter
from typing import Any

from . import work
from .absence import lacks


def _graph(**options: Any) -> Any:
    from syncra import Graph

    return Graph("probe", **options)


def _two() -> Any:
    graph = _graph()
    first = graph.add(work.seven, name="seven")
    graph.add(work.plus_one, name="plus_one", dependencies=first)
    return graph


def coroutines() -> Any:
    graph = _graph()
    first = graph.add(work.seven_later)
    last = graph.add(work.plus_one_later, dependencies=first)

    async def main() -> Any:
        return (await graph())[last]

    return asyncio.run(main())


def threads() -> Any:
    graph = _graph()
    tasks = [graph.add(work.meet_left), graph.add(work.meet_right)]
    run = graph.run(executor="threads")
    return [run[task] for task in tasks]


def processes() -> Any:
    graph = _graph()
    task = graph.add(work.process_number, executor="processes")
    return graph()[task]


def mixed() -> Any:
    graph = _graph()
    one = graph.add(work.on_loop)
    two = graph.add(work.in_thread, dependencies=one)
    three = graph.add(work.in_process, dependencies=two, executor="processes")

    async def main() -> Any:
        return (await graph())[three]

    return asyncio.run(main())


def pool() -> Any:
    with ThreadPoolExecutor(1, thread_name_prefix="yours") as own:
        graph = _graph(executor=own)
        task = graph.add(lambda: current_thread().name.partition("_")[0], name="where")
        return graph()[task]


def commands() -> Any:
    graph = _graph()
    task = graph.command(["echo", "seven"], name="echo")
    return graph()[task].stdout.strip()


def results() -> Any:
    return _two()()["plus_one"]


def again() -> Any:
    graph = _graph()
    graph.add(work.plus_one)
    return graph(value=1)["plus_one"], graph(value=2)["plus_one"]


def _public() -> list[Any]:
    import syncra

    return [syncra.Graph, syncra.Run, syncra.Task, syncra.task, syncra.Context]


def mapped() -> Any:
    raise lacks(_public(), "map", "mapped", "expand", "each", "spread")


def kept() -> Any:
    raise lacks(_public(), "cache", "cached", "checkpoint", "memory", "resume", "disk")


def typed() -> Any:
    return (
        "from syncra import Graph\n"
        "graph = Graph('typed')\n"
        "@graph.task\n"
        "def seven() -> int: return 7\n"
        "reveal_type(graph()[seven])\n"
    )


def original() -> Any:
    graph = _graph()
    graph.add(work.fail)
    try:
        return graph.run(executor="threads")
    except Exception as error:
        return error


def goes_on() -> Any:
    graph = _graph(on_error="continue")
    bad = graph.add(work.fail)
    graph.add(work.never, dependencies=bad)
    good = graph.add(work.seven)
    return graph()[good]


def retries() -> Any:
    graph = _graph()
    task = graph.add(work.fail_once, retry=2)
    return graph()[task]


def limit() -> Any:
    graph = _graph(on_error="continue")
    graph.add(work.slow, timeout=work.LIMIT)
    start = perf_counter()
    graph.run(executor="threads")
    return perf_counter() - start


def rollback() -> Any:
    graph, undone = _graph(on_error="rollback"), []
    good = graph.add(work.seven)
    good.rollback(lambda value: undone.append(f"undone {value}"))
    graph.add(work.fail, after=good)
    try:
        graph()
    except work.Bad:
        return undone


def crash() -> Any:
    from syncra import Processes

    graph = _graph(on_error="continue", executor=Processes(2))
    graph.add(work.kill_itself)
    for number in range(work.INNOCENT):
        graph.add(work.innocent, name=f"innocent{number}", kwargs={"number": number})
    return list(graph().values())


def _long(executor: Any) -> Any:
    graph = _graph()
    graph.add(work.long_left)
    graph.add(work.long_right)
    return graph.run(executor=executor)


def interrupt_threads() -> Any:
    return _long("threads")


def interrupt_processes() -> Any:
    return _long("processes")


def killed() -> Any:
    return _long("processes")


def chain() -> Any:
    graph = _graph()
    task = graph.add(lambda: 1, name="t0")
    for number in range(1, work.CHAIN):
        task = graph.add(work.plus_one, name=f"t{number}", dependencies=task)
    return graph()[task]


def seconds() -> Any:
    graph = _graph()
    graph.add(work.timed)
    return graph().records["timed"].duration


def picture() -> Any:
    return _two().to_mermaid()


def page() -> Any:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.html"
        _two()().report().to_html(path)
        return path.read_text(encoding="utf-8")
