"""What watches runs: the protocol of observers, a display of progress, and alerts.

Give observers to a graph or to one run of it:

    class Alarm(Observer):
        def task_finished(self, run, task, state):
            if state == "failed":
                print("failed:", task)

    graph.run(observers=[Alarm()])
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._observing import ObserverError as ObserverError
    from .._task_logs import LogEntry as LogEntry
    from ._base import Observer as Observer
    from ._email import Email as Email
    from ._keep_logs import KeepLogs as KeepLogs
    from ._log_file import LogFile as LogFile
    from ._log_filter import TaskLogFilter as TaskLogFilter
    from ._open_telemetry import OpenTelemetry as OpenTelemetry
    from ._progress import ProgressDisplay as ProgressDisplay
    from ._webhook import Webhook as Webhook

_HOMES = {
    "Email": "syncra.observers._email",
    "KeepLogs": "syncra.observers._keep_logs",
    "LogEntry": "syncra._task_logs",
    "LogFile": "syncra.observers._log_file",
    "Observer": "syncra.observers._base",
    "ObserverError": "syncra._observing",
    "OpenTelemetry": "syncra.observers._open_telemetry",
    "ProgressDisplay": "syncra.observers._progress",
    "TaskLogFilter": "syncra.observers._log_filter",
    "Webhook": "syncra.observers._webhook",
}

__all__ = [
    "Email",
    "KeepLogs",
    "LogEntry",
    "LogFile",
    "Observer",
    "ObserverError",
    "OpenTelemetry",
    "ProgressDisplay",
    "TaskLogFilter",
    "Webhook",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
