"""Run plain functions, sync and async, as a graph.

    from syncra import task, get_graph

    @task(graph="etl")
    def extract(path: str) -> list[int]: ...

    @task(graph="etl", dependencies=extract)
    async def load(rows: list[int]) -> int: ...

    run = get_graph("etl")(path="data.csv")          # in a script
    run = await get_graph("etl")(path="data.csv")    # inside an event loop
    run[load]

The names are loaded when they are first used: `import syncra` costs next to nothing.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import errors as errors
    from . import executors as executors
    from ._command_result import CommandResult as CommandResult
    from ._context import Context as Context
    from ._core.policy import Retry as Retry
    from ._decorator import Task as Task
    from ._decorator import task as task
    from ._graph import Graph as Graph
    from ._inputs import Input as Input
    from ._records import Attempt as Attempt
    from ._records import Progress as Progress
    from ._records import State as State
    from ._records import TaskRecord as TaskRecord
    from ._registry import delete_graph as delete_graph
    from ._registry import get_graph as get_graph
    from ._registry import list_graphs as list_graphs
    from ._report import Report as Report
    from ._run import Run as Run
    from .errors import DontRetry as DontRetry
    from .errors import Skip as Skip
    from .errors import SyncraError as SyncraError
    from .executors import Coroutines as Coroutines
    from .executors import Dask as Dask
    from .executors import Processes as Processes
    from .executors import Ray as Ray
    from .executors import Sequential as Sequential
    from .executors import Threads as Threads

__version__ = "0.1.0"

_HOMES = {
    "Attempt": "_records",
    "CommandResult": "_command_result",
    "Context": "_context",
    "Coroutines": "executors",
    "Dask": "executors",
    "DontRetry": "errors",
    "Graph": "_graph",
    "Input": "_inputs",
    "Processes": "executors",
    "Progress": "_records",
    "Ray": "executors",
    "Report": "_report",
    "Retry": "_core.policy",
    "Run": "_run",
    "Sequential": "executors",
    "Skip": "errors",
    "State": "_records",
    "SyncraError": "errors",
    "Task": "_decorator",
    "TaskRecord": "_records",
    "Threads": "executors",
    "delete_graph": "_registry",
    "errors": "errors",
    "executors": "executors",
    "get_graph": "_registry",
    "list_graphs": "_registry",
    "task": "_decorator",
}

__all__ = [
    "Attempt",
    "CommandResult",
    "Context",
    "Coroutines",
    "Dask",
    "DontRetry",
    "Graph",
    "Input",
    "Processes",
    "Progress",
    "Ray",
    "Report",
    "Retry",
    "Run",
    "Sequential",
    "Skip",
    "State",
    "SyncraError",
    "Task",
    "TaskRecord",
    "Threads",
    "delete_graph",
    "errors",
    "executors",
    "get_graph",
    "list_graphs",
    "task",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    from importlib import import_module

    module = import_module(f"{__name__}.{home}")
    value = module if name == home else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
