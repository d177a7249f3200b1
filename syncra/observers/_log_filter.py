"""Marking log records with the task they come from."""

from __future__ import annotations

import logging

from .._origins import NOWHERE, current, want


class TaskLogFilter(logging.Filter):
    """Mark log records with graph, run, task and attempt.

    Add one to a handler: then every record that it gets has the attributes `graph`,
    `run_id`, `task` and `attempt`, of whatever logger it is, from threads, coroutines
    and worker processes. Records from elsewhere have "" and 0 there. It keeps no record
    back. Runs that have started before it was made do not tell.

    Example:
        >>> import logging, sys
        >>> from syncra import Graph
        >>> from syncra.observers import TaskLogFilter
        >>> handler = logging.StreamHandler(sys.stdout)
        >>> handler.addFilter(TaskLogFilter())
        >>> handler.setFormatter(logging.Formatter("%(task)s/%(attempt)s %(message)s"))
        >>> logger = logging.getLogger("docs.example")
        >>> logger.addHandler(handler)
        >>> graph = Graph("etl")
        >>> load = graph.add(lambda: logger.warning("no rows"), name="load")
        >>> run = graph.run()
        load/1 no rows
        >>> logger.removeHandler(handler)
    """

    def __init__(self) -> None:
        super().__init__()
        want()

    def filter(self, record: logging.LogRecord) -> bool:
        """Mark a record; return True."""
        origin = current.get() or NOWHERE
        record.graph = origin.graph
        record.run_id = origin.run_id
        record.task = origin.task
        record.attempt = origin.attempt
        return True
