"""Tasks on a Dask cluster."""

from __future__ import annotations

from ._dask_cluster import DaskCluster, DaskConnection, import_distributed
from ._on_cluster import ClusterExecutor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextvars import ContextVar
    from typing import Any


class Dask(ClusterExecutor):
    """Run tasks on a Dask cluster.

    Without a client or an address it starts a cluster on this machine when a task
    first needs it, one process for each core, and ends it with `close()`, at the end
    of a `with`, or with the program.

    Results stay on the cluster. A result of more than 8 KiB travels here only if a task
    elsewhere reads it, if the run is to keep it by name, or if it is one that no task
    reads; of a run that keeps all, `run[task]` fetches what is asked for. So the others
    are there as long as the cluster and the run are. Large values from here are sent
    once, however many tasks read them.

    Functions and arguments travel as pickles: what can be imported by its name, all
    else (of `__main__`, of notebooks) by value. Workers need the Syncra and the Python
    that the run has. Coroutine functions run there too, on asyncio.

    What runs on a worker cannot be ended from here, unless it is a coroutine or looks
    at `Context.cancelled()`: after its `timeout=` it is recorded as abandoned, and
    keeps its place until it ends. The time of a task counts from when it is sent.

    Parameters:
        client_or_address: a `distributed.Client`, the address of a scheduler, a cluster
            of Dask's, another `Dask` to share its client, or None for a new cluster on
            this machine.
        resources: what each task takes of its worker's resources, as Dask has it.
        priority: the priority that Dask gives to the tasks.
        workers: the workers that may run the tasks, by name or address.
        max_in_flight: how many submissions of a run are on the way at once; by default
            a few more than there are threads on all workers.
        batch: whether several small tasks may travel in one submission. If their worker
            dies, those of which no end is known are sent again, one by one.
        context: context variables whose values tasks shall see.
        options: for the cluster on this machine, such as n_workers, threads_per_worker
            and memory_limit; see `distributed.LocalCluster`.

    Raises:
        MissingExtraError: if Dask is not installed.
        TypeError: if there are options for a cluster that is there already.
        ValueError: if max_in_flight is not positive, or a variable is not found.

    Example:
        >>> from syncra import Dask, Graph
        >>> with Dask(n_workers=2) as cluster:  # doctest: +SKIP
        ...     run = Graph("numbers", executor=cluster).run()
    """

    __slots__ = ("_connection",)

    name = "dask"

    def __init__(
        self,
        client_or_address: Any = None,
        *,
        resources: Mapping[str, float] | None = None,
        priority: int = 0,
        workers: str | Iterable[str] | None = None,
        max_in_flight: int | None = None,
        batch: bool = True,
        context: Iterable[ContextVar[Any]] = (),
        **options: Any,
    ) -> None:
        import_distributed()
        if client_or_address is not None and options:
            raise TypeError(
                f"{', '.join(options)}: options of a cluster that Dask() starts, and "
                f"{client_or_address!r} is there already"
            )

        forget = None
        if isinstance(client_or_address, Dask):
            self._connection: DaskConnection = client_or_address._connection
        else:
            self._connection = DaskConnection(client_or_address, options)
            forget = self._connection.close
        how: dict[str, Any] = {}
        if resources:
            how["resources"] = dict(resources)
        if priority:
            how["priority"] = priority
        if workers is not None:
            how["workers"] = workers
        super().__init__(
            DaskCluster(self._connection, how),
            forget,
            max_in_flight=max_in_flight,
            batch=batch,
            context=context,
        )

    def __repr__(self) -> str:
        client = self._connection.client
        return f"Dask({client!r})" if client is not None else "Dask()"

    @property
    def client(self) -> Any:
        """Return the `distributed.Client`, connected if it has not been yet."""
        return self._connection.open()

    def close(self) -> None:
        """End the cluster and the client if they were started here.

        Results that are still there are gone. A client that was given stays as it is.
        """
        if self._ending is not None:
            self._connection.close()
