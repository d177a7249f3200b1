"""taskade, which was the first Syncra."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from threading import current_thread
from typing import Any

from . import work
from .absence import lacks
from .model import Lacks


def _public() -> list[Any]:
    import taskade

    return [taskade.Graph, taskade.Task, taskade.task, taskade.get_graph]


def _graph(*tasks: Any) -> Any:
    from taskade import Graph

    return Graph(tasks, name="probe")


def _task(function: Any, *dependencies: Any, **options: Any) -> Any:
    from taskade import Task

    options.setdefault("name", function.__name__)
    return Task(function, dependencies or None, **options)


def coroutines() -> Any:
    first = _task(work.seven_later)
    last = _task(work.plus_one_later, first)
    graph = _graph(first, last)

    async def main() -> Any:
        return (await graph())[last]

    return asyncio.run(main())


def threads() -> Any:
    tasks = [_task(work.meet_left), _task(work.meet_right)]
    run = _graph(*tasks)(concurrency_pool=ThreadPoolExecutor, n_jobs=2)
    return [run[task] for task in tasks]


def processes() -> Any:
    task = _task(work.process_number)
    return _graph(task)(concurrency_pool=ProcessPoolExecutor, n_jobs=2)[task]


def mixed() -> Any:
    # A graph with a coroutine function takes no pool: its functions run on the loop.
    one = _task(work.on_loop)
    two = _task(work.in_thread, one)
    three = _task(work.in_process, two)
    graph = _graph(one, two, three)

    async def main() -> Any:
        return (await graph(concurrency_pool=ThreadPoolExecutor, n_jobs=2))[three]

    return asyncio.run(main())


def pool() -> Any:
    with ThreadPoolExecutor(1, thread_name_prefix="yours") as own:
        task = _task(lambda: current_thread().name.partition("_")[0], name="where")
        return _graph(task)(concurrency_pool=own)[task]


def commands() -> Any:
    raise lacks(_public(), "command", "commands", "shell", "subprocess")


def results() -> Any:
    first = _task(work.seven)
    last = _task(work.plus_one, first)
    return _graph(first, last)()[last]


def again() -> Any:
    # Its inputs are `init_kwargs`; a second call returns the results of the first.
    inputs = {"value": 1}
    task = _task(work.plus_one, init_kwargs=inputs)
    graph = _graph(task)
    first = graph()[task]
    inputs["value"] = 2
    return first, graph()[task]


def mapped() -> Any:
    from taskade import Graph, Task, task

    # `func_map`, where graphs are made of lists, is of names and functions.
    places = [task, Task.__init__, Graph.execute]
    raise lacks(places, "map", "mapped", "expand", "each", "spread")


def kept() -> Any:
    raise lacks(_public(), "cache", "cached", "checkpoint", "memory", "resume", "disk")


def typed() -> Any:
    return (
        "from taskade import get_graph, task\n"
        "@task('typed')\n"
        "def seven() -> int: return 7\n"
        "reveal_type(get_graph('typed')()[seven])\n"
    )


def original() -> Any:
    try:
        return _graph(_task(work.fail))(concurrency_pool=ThreadPoolExecutor, n_jobs=2)
    except Exception as error:
        return error


def goes_on() -> Any:
    # Once nothing else can run it raises what holds the results so far.
    bad, good = _task(work.fail), _task(work.seven)
    try:
        return _graph(bad, good, _task(work.never, bad))(raise_immediately=False)[good]
    except Exception as error:
        return _partial(error)["seven"]


def _partial(error: Any) -> dict[str, Any]:
    return {task.name: value for task, value in error.partial_results.items()}


def retries() -> Any:
    raise lacks(_public(), "retry", "retries", "attempts", "tries")


def limit() -> Any:
    raise lacks(_public(), "timeout", "timeouts", "limit", "seconds", "deadline")


def rollback() -> Any:
    raise lacks(_public(), "rollback", "undo", "revert", "compensate")


def crash() -> Any:
    tasks = [_task(work.kill_itself)]
    for number in range(work.INNOCENT):
        given = {"init_kwargs": {"number": number}, "name": f"innocent{number}"}
        tasks.append(_task(work.innocent, **given))
    options = {"concurrency_pool": ProcessPoolExecutor, "raise_immediately": False}
    try:
        run = _graph(*tasks)(n_jobs=2, **options)
    except Exception as error:
        run = _partial(error)
    return [value for value in run.values() if isinstance(value, int)]


def _long(pool: type[Executor]) -> Any:
    tasks = [_task(work.long_left), _task(work.long_right)]
    return _graph(*tasks)(concurrency_pool=pool, n_jobs=2)


def interrupt_threads() -> Any:
    return _long(ThreadPoolExecutor)


def interrupt_processes() -> Any:
    return _long(ProcessPoolExecutor)


def killed() -> Any:
    return _long(ProcessPoolExecutor)


def chain() -> Any:
    task = _task(lambda: 1, name="t0")
    tasks = [task]
    for number in range(1, work.CHAIN):
        task = _task(work.plus_one, task, name=f"t{number}")
        tasks.append(task)
    return _graph(*tasks)()[task]


def seconds() -> Any:
    run = _graph(_task(work.timed))()
    raise Lacks(f"a run is {type(run).__name__} with nothing but {dict(run)}")


def picture() -> Any:
    raise lacks(_public(), "draw", "picture", "visualize", "dot", "mermaid", "plot")


def page() -> Any:
    raise lacks(_public(), "report", "html", "page")
