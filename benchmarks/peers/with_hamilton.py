"""Hamilton, where a function is a node and its parameters say what it waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count as numbers
from types import ModuleType

from ..shapes import Shape
from ._base import Peer
from ._naming import named
from ._pools import WORKERS

#: Each module needs a name of its own.
NUMBERS = numbers()


class Hamilton(Peer):
    """Run the graph in the calling thread."""

    name = "hamilton"
    package = "apache-hamilton"
    measurements = ("P1",)

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        from hamilton.base import DictResult
        from hamilton.driver import Builder

        module, ends = module_of(shape, count)
        driver = Builder().with_modules(module).with_adapters(DictResult()).build()
        return lambda: driver.execute(ends)[ends[-1]]


class HamiltonThreads(Peer):
    """Run the graph in two threads, which live on between runs."""

    name = "hamilton"
    package = "apache-hamilton"
    measurements = ("P2",)

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        from hamilton.driver import Builder
        from hamilton.plugins.h_threadpool import FutureAdapter

        module, ends = module_of(shape, count)
        adapter = FutureAdapter(max_workers=WORKERS)
        driver = Builder().with_modules(module).with_adapters(adapter).build()
        return lambda: driver.execute(ends)[ends[-1]]


class HamiltonAsyncio(Peer):
    """Await the graph in asyncio."""

    name = "hamilton"
    package = "apache-hamilton"
    measurements = ("P3",)

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def prepare(self, shape: Shape, count: int) -> Callable[[], object]:
        from hamilton.async_driver import Builder

        module, ends = module_of(shape, count)
        start = self._runner.run
        driver = start(Builder().with_modules(module).build())

        async def run() -> object:
            return (await driver.execute(ends))[ends[-1]]

        return lambda: start(run())

    def close(self) -> None:
        self._runner.close()


class HamiltonMixed(HamiltonAsyncio):
    """Await the graph in asyncio; functions are called on the loop, not in threads."""

    name = "hamilton, on loop"
    measurements = ("P11",)


def module_of(shape: Shape, count: int) -> tuple[ModuleType, list[str]]:
    """Return a module with the functions, and those whose results none waits for."""
    from hamilton.ad_hoc_utils import create_temporary_module

    work = shape.work(count)
    functions = [
        named(function, f"t{task}", [f"t{one}" for one in before])
        for task, (function, before) in enumerate(
            zip(work.functions, work.waits_for, strict=True)
        )
    ]
    module: ModuleType = create_temporary_module(
        *functions, module_name=f"graph_{next(NUMBERS)}"
    )
    return module, [f"t{task}" for task in work.ends()]
