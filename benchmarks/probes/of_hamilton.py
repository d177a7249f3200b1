"""Hamilton, where a function is found by its name, and so is what it takes."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from . import work
from .absence import lacks
from .model import Lacks

#: Each module needs a name of its own.
_NUMBERS = count()


def _public() -> list[Any]:
    from hamilton import async_driver, driver, lifecycle
    from hamilton.execution import executors

    return [driver.Builder, driver.Driver, async_driver, lifecycle, executors]


def _module(*functions: Any) -> ModuleType:
    from hamilton.ad_hoc_utils import create_temporary_module

    name = f"graph_{next(_NUMBERS)}"
    module: ModuleType = create_temporary_module(*functions, module_name=name)
    return module


def _builder(*functions: Any) -> Any:
    from hamilton.driver import Builder

    return Builder().with_modules(_module(*functions))


def _in_threads(*functions: Any) -> Any:
    from hamilton.plugins.h_threadpool import FutureAdapter

    adapter = FutureAdapter(max_workers=2)
    return _builder(*functions).with_adapters(adapter).build()


def seven() -> int:
    return work.seven()


def plus_one(seven: int) -> int:
    return work.plus_one(seven)


def left() -> str:
    return work.meet_left()


def right() -> str:
    return work.meet_right()


def coroutines() -> Any:
    from hamilton.async_driver import Builder

    async def seven() -> int:
        return await work.seven_later()

    async def plus_one(seven: int) -> int:
        return await work.plus_one_later(seven)

    async def main() -> Any:
        driver = await Builder().with_modules(_module(seven, plus_one)).build()
        return (await driver.execute(["plus_one"]))["plus_one"]

    return asyncio.run(main())


def threads() -> Any:
    run = _in_threads(left, right).execute(["left", "right"])
    return [run["left"], run["right"]]


def _parallel(function: Any, values: list[int], executor: Any) -> Any:
    """Return the results of one function for each of some items, in an executor."""
    from hamilton.driver import Builder

    from . import hamilton_parallel

    builder = Builder().with_modules(hamilton_parallel)
    builder = builder.enable_dynamic_execution(allow_experimental_mode=True)
    driver = builder.with_remote_executor(executor).build()
    inputs = {"values": values, "function": function}
    return driver.execute(["all_of"], inputs=inputs)["all_of"]


def _processes() -> Any:
    from hamilton.execution.executors import MultiProcessingExecutor

    return MultiProcessingExecutor(max_tasks=2)


def processes() -> Any:
    return _parallel(work.process_number_of, [1], _processes())[0]


def mixed() -> Any:
    from hamilton.async_driver import Builder

    async def one() -> list:  # type: ignore[type-arg]
        return await work.on_loop()

    def two(one: list) -> list:  # type: ignore[type-arg]
        return work.in_thread(one)

    def three(two: list) -> list:  # type: ignore[type-arg]
        return work.in_process(two)

    async def main() -> Any:
        driver = await Builder().with_modules(_module(one, two, three)).build()
        return (await driver.execute(["three"]))["three"]

    return asyncio.run(main())


def pool() -> Any:
    from hamilton.execution.executors import PoolExecutor

    class Yours(PoolExecutor):  # type: ignore[misc]
        def create_pool(self) -> Any:
            return own

    own = ThreadPoolExecutor(1, thread_name_prefix="yours")
    return _parallel(work.pool_name, [1], Yours(max_tasks=1))[0]


def commands() -> Any:
    raise lacks(_public(), "command", "commands", "shell", "subprocess")


def results() -> Any:
    driver = _builder(seven, plus_one).build()
    return driver.execute(["plus_one"])["plus_one"]


def again() -> Any:
    driver = _builder(plus_one).build()
    return tuple(
        driver.execute(["plus_one"], inputs={"seven": value})["plus_one"]
        for value in (1, 2)
    )


def mapped() -> Any:
    from hamilton.execution.executors import MultiThreadingExecutor

    return _parallel(work.squared, [1, 2, 3], MultiThreadingExecutor(max_tasks=2))


def counted() -> int:
    return work.counted()


def kept() -> Any:
    folder = Path(work.folder()) / "kept"

    def run() -> Any:
        driver = _builder(counted).with_cache(path=str(folder)).build()
        return driver.execute(["counted"])["counted"]

    return run(), run()


def typed() -> Any:
    return (
        "from hamilton.ad_hoc_utils import create_temporary_module\n"
        "from hamilton.driver import Builder\n"
        "def seven() -> int: return 7\n"
        "module = create_temporary_module(seven)\n"
        "driver = Builder().with_modules(module).build()\n"
        "reveal_type(driver.execute(['seven'])['seven'])\n"
    )


def bad() -> int:
    return work.fail()


def original() -> Any:
    try:
        return _in_threads(bad).execute(["bad"])
    except Exception as error:
        return error


def goes_on() -> Any:
    from hamilton.lifecycle.default import GracefulErrorAdapter

    def never(bad: int) -> str:
        return work.never(bad)

    adapter = GracefulErrorAdapter(error_to_catch=work.Bad)
    driver = _builder(bad, never, seven).with_adapters(adapter).build()
    return driver.execute(["bad", "never", "seven"])["seven"]


def retries() -> Any:
    raise lacks(_public(), "retry", "retries", "attempts", "tries")


def limit() -> Any:
    raise lacks(_public(), "timeout", "timeouts", "limit", "seconds", "deadline")


def rollback() -> Any:
    raise lacks(_public(), "rollback", "undo", "revert", "compensate")


def crash() -> Any:
    values = [-1, *range(work.INNOCENT)]
    try:
        return _parallel(work.innocent_or_not, values, _processes())
    except Exception as error:
        raise Lacks(f"no result was to be had: {type(error).__name__}") from error


def interrupt_threads() -> Any:
    def one() -> int:
        return work.long_left()

    def two() -> int:
        return work.long_right()

    return _in_threads(one, two).execute(["one", "two"])


def interrupt_processes() -> Any:
    return _parallel(work.long, [0, 1], _processes())


def killed() -> Any:
    return interrupt_processes()


def chain() -> Any:
    functions = [_renamed("t0", "def t0() -> int: return 1")]
    for number in range(1, work.CHAIN):
        source = f"def t{number}(t{number - 1}: int) -> int: return t{number - 1} + 1"
        functions.append(_renamed(f"t{number}", source))
    last = f"t{work.CHAIN - 1}"
    return _builder(*functions).build().execute([last])[last]


def _renamed(name: str, source: str) -> Any:
    names: dict[str, Any] = {}
    exec(source, names)
    return names[name]


def timed() -> str:
    return work.timed()


def seconds() -> Any:
    # An adapter that is there for this prints it.
    from hamilton.lifecycle import PrintLn

    printed: list[str] = []
    adapter = PrintLn(verbosity=2, print_fn=printed.append)
    _builder(timed).with_adapters(adapter).build().execute(["timed"])
    found = re.findall(r"in ([0-9.]+) ?(ms|s)", " ".join(printed))
    if not found:
        raise Lacks(f"it printed {printed}")

    value, unit = found[-1]
    return float(value) / (1000 if unit == "ms" else 1)


def picture() -> Any:
    driver = _builder(seven, plus_one).build()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "graph.svg"
        driver.display_all_functions(str(path))
        return path.read_text(encoding="utf-8")


def page() -> Any:
    raise lacks(_public(), "report", "html", "page")
