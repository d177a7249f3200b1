"""pipefunc, by `Pipeline.map`."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import current_thread
from typing import Any

from . import work
from .absence import lacks
from .model import Lacks


def _public() -> list[Any]:
    from pipefunc import PipeFunc, Pipeline, pipefunc

    return [PipeFunc, Pipeline, pipefunc]


def _function(function: Any, output: str, **options: Any) -> Any:
    from pipefunc import PipeFunc

    return PipeFunc(function, output, **options)


def _pipeline(*functions: Any, **options: Any) -> Any:
    from pipefunc import Pipeline

    return Pipeline(list(functions), validate_type_annotations=False, **options)


def _map(pipeline: Any, pool: Executor, **options: Any) -> Any:
    options.setdefault("storage", "dict")
    inputs = options.pop("inputs", {})
    return pipeline.map(inputs, executor=pool, show_progress=False, **options)


def _two(**options: Any) -> Any:
    return _pipeline(
        _function(work.seven, "seven"),
        _function(work.plus_one, "plus_one", renames={"value": "seven"}),
        **options,
    )


def coroutines() -> Any:
    # `map_async` is awaited, and calls functions in its pool.
    pipeline = _pipeline(_function(work.seven_later, "seven"))
    with ThreadPoolExecutor(2) as pool:

        async def main() -> Any:
            run = pipeline.map_async(
                {}, executor=pool, show_progress=False, storage="dict"
            )
            return (await run.task)["seven"].output

        value = asyncio.run(main())
    if not asyncio.iscoroutine(value):
        return value

    value.close()
    return "a coroutine that nobody has awaited"


def threads() -> Any:
    pipeline = _pipeline(
        _function(work.meet_left, "left"), _function(work.meet_right, "right")
    )
    with ThreadPoolExecutor(2) as pool:
        run = _map(pipeline, pool)
    return [run["left"].output, run["right"].output]


def processes() -> Any:
    with ProcessPoolExecutor(2) as pool:
        run = _map(_pipeline(_function(work.process_number, "number")), pool)
    return run["number"].output


def mixed() -> Any:
    pipeline = _pipeline(
        _function(work.on_loop, "one"),
        _function(work.in_thread, "two", renames={"places": "one"}),
        _function(work.in_process, "three", renames={"places": "two"}),
    )
    with ThreadPoolExecutor(2) as pool, ProcessPoolExecutor(2) as children:
        executors: Any = {"": pool, "three": children}
        return _map(pipeline, executors)["three"].output


def pool() -> Any:
    def where() -> str:
        return current_thread().name.partition("_")[0]

    with ThreadPoolExecutor(1, thread_name_prefix="yours") as own:
        return _map(_pipeline(_function(where, "where")), own)["where"].output


def commands() -> Any:
    raise lacks(_public(), "command", "commands", "shell", "subprocess")


def results() -> Any:
    with ThreadPoolExecutor(2) as pool:
        return _map(_two(), pool)["plus_one"].output


def again() -> Any:
    pipeline = _pipeline(_function(work.plus_one, "sum"))
    with ThreadPoolExecutor(2) as pool:
        return tuple(
            _map(pipeline, pool, inputs={"value": value})["sum"].output
            for value in (1, 2)
        )


def mapped() -> Any:
    def items() -> list[int]:
        return [1, 2, 3]

    options = {"mapspec": "... -> value[i]", "internal_shape": ("?",)}
    pipeline = _pipeline(
        _function(items, "value", **options),
        _function(work.squared, "squared", mapspec="value[i] -> squared[i]"),
    )
    with ThreadPoolExecutor(2) as pool:
        return [int(one) for one in _map(pipeline, pool)["squared"].output]


def kept() -> Any:
    folder = Path(work.folder()) / "kept"

    def run(**options: Any) -> Any:
        pipeline = _pipeline(_function(work.counted, "seven"))
        with ThreadPoolExecutor(2) as pool:
            given = {"run_folder": folder, "storage": "file_array", **options}
            return _map(pipeline, pool, **given)["seven"].output

    return run(), run(resume=True)


def typed() -> Any:
    return (
        "from pipefunc import Pipeline, pipefunc\n"
        "@pipefunc(output_name='seven')\n"
        "def seven() -> int: return 7\n"
        "reveal_type(Pipeline([seven]).map({})['seven'].output)\n"
    )


def original() -> Any:
    try:
        with ThreadPoolExecutor(2) as pool:
            return _map(_pipeline(_function(work.fail, "bad")), pool)
    except Exception as error:
        return error


def goes_on() -> Any:
    pipeline = _pipeline(
        _function(work.fail, "bad"),
        _function(work.never, "never", renames={"value": "bad"}),
        _function(work.seven, "good"),
    )
    with ThreadPoolExecutor(2) as pool:
        return _map(pipeline, pool, error_handling="continue")["good"].output


def retries() -> Any:
    raise lacks(_public(), "retry", "retries", "attempts", "tries")


def limit() -> Any:
    raise lacks(_public(), "timeout", "timeouts", "seconds", "deadline")


def rollback() -> Any:
    raise lacks(_public(), "rollback", "undo", "revert", "compensate")


def crash() -> Any:
    functions = [_function(work.kill_itself, "bad")]
    for number in range(work.INNOCENT):
        name = f"innocent{number}"
        bound = {"number": number}
        functions.append(_function(work.innocent, name, bound=bound))
    try:
        with ProcessPoolExecutor(2) as pool:
            run = _map(_pipeline(*functions), pool, error_handling="continue")
    except Exception as error:
        raise Lacks(f"no result was to be had: {type(error).__name__}") from error

    outputs = [one.output for one in run.values()]
    return [one for one in outputs if isinstance(one, int)]


def _long(pool: Executor) -> Any:
    pipeline = _pipeline(
        _function(work.long_left, "left"), _function(work.long_right, "right")
    )
    with pool:
        return _map(pipeline, pool)


def interrupt_threads() -> Any:
    return _long(ThreadPoolExecutor(2))


def interrupt_processes() -> Any:
    return _long(ProcessPoolExecutor(2))


def killed() -> Any:
    return _long(ProcessPoolExecutor(2))


def chain() -> Any:
    functions = [_function(lambda: 1, "t0")]
    for number in range(1, work.CHAIN):
        renames = {"value": f"t{number - 1}"}
        functions.append(_function(work.plus_one, f"t{number}", renames=renames))
    pipeline = _pipeline(*functions)
    run = pipeline.map({}, parallel=False, storage="dict", show_progress=False)
    return run[f"t{work.CHAIN - 1}"].output


def seconds() -> Any:
    pipeline = _pipeline(_function(work.timed, "timed"), profile=True)
    pipeline.map({}, parallel=False, storage="dict", show_progress=False)
    return float(pipeline.profiling_stats["timed"].time.average)


def picture() -> Any:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "graph.svg"
        _two().visualize_graphviz(filename=path)
        return path.read_text(encoding="utf-8")


def page() -> Any:
    raise lacks(_public(), "report", "html", "page")
