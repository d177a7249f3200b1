"""One asyncio task per task of the graph, by hand.

They are created in topological order, so that most of them find what they wait for
done when they get to run. The event loop, and with it the threads of `to_thread`,
lives on between runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from ..shapes import Function, Shape, Work
from ._base import Peer


class _OnAsyncio(Peer):
    """Run graphs on an event loop of asyncio."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        work = shape.work(count)
        run = self._runner.run
        return lambda: run(self._run(work))

    async def _run(self, work: Work) -> object:
        raise NotImplementedError

    def close(self) -> None:
        self._runner.close()


class AsyncioTasks(_OnAsyncio):
    """Create the tasks bare and await them in order: the fastest there is."""

    name = "asyncio tasks"

    async def _run(self, work: Work) -> object:
        create = asyncio.get_running_loop().create_task
        tasks: list[asyncio.Task[Any]] = []

        async def execute(function: Function, before: tuple[int, ...]) -> Any:
            return await function(*[await tasks[one] for one in before])

        for function, before in zip(work.functions, work.waits_for, strict=True):
            tasks.append(create(execute(function, before)))
        for task in tasks:
            await task
        return tasks[-1].result()


class AsyncioTaskGroup(_OnAsyncio):
    """Create the tasks in a `TaskGroup`, which ends them all if one fails."""

    name = "asyncio TaskGroup"

    async def _run(self, work: Work) -> object:
        tasks: list[asyncio.Task[Any]] = []

        async def execute(function: Function, before: tuple[int, ...]) -> Any:
            return await function(*[await tasks[one] for one in before])

        async with asyncio.TaskGroup() as group:
            for function, before in zip(work.functions, work.waits_for, strict=True):
                tasks.append(group.create_task(execute(function, before)))
        return tasks[-1].result()


class AsyncioToThread(_OnAsyncio):
    """Create the tasks bare; those that are functions go through `to_thread`."""

    name = "tasks + to_thread"

    async def _run(self, work: Work) -> object:
        create, to_thread = asyncio.get_running_loop().create_task, asyncio.to_thread
        tasks: list[asyncio.Task[Any]] = []

        async def execute(function: Function, before: tuple[int, ...]) -> Any:
            return await function(*[await tasks[one] for one in before])

        async def in_thread(function: Function, before: tuple[int, ...]) -> Any:
            return await to_thread(function, *[await tasks[one] for one in before])

        started: Callable[..., Coroutine[Any, Any, Any]]
        for function, before, is_async in zip(
            work.functions, work.waits_for, work.is_async, strict=True
        ):
            started = execute if is_async else in_thread
            tasks.append(create(started(function, before)))
        for task in tasks:
            await task
        return tasks[-1].result()
