"""Tasks on a Dask cluster."""

from __future__ import annotations

from weakref import finalize

from ._base import Executor
from ._cluster import ClusterLane
from ._crossing import ToItsEnd
from ._dask_cluster import DaskCluster, DaskConnection, import_distributed
from .threads import checked_workers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextvars import ContextVar
    from types import TracebackType
    from typing import Any


class Dask(Executor):
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

    __slots__ = (
        "__weakref__",
        "_batch",
        "_cluster",
        "_connection",
        "_ending",
        "_variables",
        "max_in_flight",
    )

    name = "dask"
    is_here = False
    is_kept = False
    is_bounded = True

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

        if max_in_flight is not None:
            max_in_flight = checked_workers(max_in_flight, "max_in_flight")
        self.max_in_flight = max_in_flight
        self._batch = batch
        from .processes import place_of

        self._variables = [(variable, place_of(variable)) for variable in context]
        self._ending: Any = None
        if isinstance(client_or_address, Dask):
            self._connection: DaskConnection = client_or_address._connection
        else:
            self._connection = DaskConnection(client_or_address, options)
            # Also at the end of the interpreter, and when nobody has it any more.
            self._ending = finalize(self, self._connection.close)
        how: dict[str, Any] = {}
        if resources:
            how["resources"] = dict(resources)
        if priority:
            how["priority"] = priority
        if workers is not None:
            how["workers"] = workers
        self._cluster = DaskCluster(self._connection, how)

    def __repr__(self) -> str:
        client = self._connection.client
        return f"Dask({client!r})" if client is not None else "Dask()"

    def __enter__(self) -> Dask:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def client(self) -> Any:
        """Return the `distributed.Client`, connected if it has not been yet."""
        return self._connection.open()

    def close(self) -> None:
        """End the cluster and the client if they were started here.

        Results that are still there are gone. A client that was given stays as it is.
        """
        if self._ending is not None:
            self._ending()

    def adapt(
        self, function: Callable[..., Any], is_async: bool, in_loop: bool
    ) -> Callable[..., Any]:
        return ToItsEnd(function) if is_async else function

    def open(self, index: int, in_loop: bool) -> ClusterLane:
        return ClusterLane(
            index, self._cluster, self.max_in_flight, self._batch, self._variables
        )
