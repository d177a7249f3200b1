"""Tasks on a Ray cluster."""

from __future__ import annotations

import os

from ._on_cluster import ClusterExecutor
from ._ray_cluster import RayCluster, RayConnection
from ._ray_link import import_ray

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextvars import ContextVar
    from typing import Any, Self

#: What of `ray.remote` is not for users here, and why.
_FIXED = {
    "max_retries": "give tasks retry=",
    "retry_exceptions": "give tasks retry=",
    "num_returns": "give tasks outputs=",
    "max_calls": "there is none here",
}


class Ray(ClusterExecutor):
    """Run tasks on a Ray cluster.

    Without an address (RAY_ADDRESS is one too) it takes the Ray that this process is
    connected with, or starts one on this machine when a task first needs it, and ends
    that with `close()`, at the end of a `with`, or with the program. A process has one
    connection with Ray: all its executors share that, each with its own resources.

    Results stay on the cluster. A result of more than 8 KiB travels here only if a task
    elsewhere reads it, if the run is to keep it by name, or if it is one that no task
    reads; of a run that keeps all, `run[task]` fetches what is asked for. So the others
    are there as long as the cluster and the run are. Large values from here are sent
    once, however many tasks read them.

    Functions and arguments travel as pickles: what can be imported by its name, all
    else (of `__main__`, of notebooks) by value. Workers need the Ray, the Syncra and
    the Python that the run has. Coroutine functions run there too, on asyncio.

    A task that is to end gets `TaskCancelled` raised in it, as in a process; if it goes
    on its worker is killed. The time of a task counts from when it is sent.

    Parameters:
        address: of a cluster, such as "auto" or "10.0.0.1:6379"; another `Ray` to share
            its connection; or None.
        num_cpus: the cores that each task takes; by default 1.
        num_gpus: the GPUs that each task takes.
        resources: what else each task takes, by name.
        max_in_flight: how many submissions of a run are on the way at once; by default
            a few more than there is room for on all workers.
        batch: whether several small tasks may travel in one submission. If their worker
            dies, those of which no end is known are sent again, one by one.
        context: context variables whose values tasks shall see.
        init: for `ray.init`, such as `{"num_cpus": 4}` for a cluster on this machine.
        options: more for each task, such as memory, scheduling_strategy, runtime_env;
            see `ray.remote`.

    Raises:
        MissingExtraError: if Ray is not installed.
        TypeError: if one of the options is for Syncra to set.
        ValueError: if max_in_flight is not positive, a variable is not found, or the
            address is one of Ray Client.

    Example:
        >>> from syncra import Graph, Ray
        >>> with Ray(init={"num_cpus": 2}) as cluster:  # doctest: +SKIP
        ...     run = Graph("numbers", executor=cluster).run()
    """

    __slots__ = ("_connection",)

    name = "ray"

    def __init__(
        self,
        address: str | Ray | None = None,
        *,
        num_cpus: float | None = None,
        num_gpus: float | None = None,
        resources: Mapping[str, float] | None = None,
        max_in_flight: int | None = None,
        batch: bool = True,
        context: Iterable[ContextVar[Any]] = (),
        init: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        import_ray()
        for option in options.keys() & _FIXED.keys():
            raise TypeError(f"{option} is for Syncra to set: {_FIXED[option]}")

        self._connection = _connection(address, init)
        given = {"num_cpus": num_cpus, "num_gpus": num_gpus}
        how = {name: value for name, value in given.items() if value is not None}
        if resources:
            options["resources"] = dict(resources)
        super().__init__(
            RayCluster(self._connection, {**how, **options}),
            None if isinstance(address, Ray) else self._connection.release,
            max_in_flight=max_in_flight,
            batch=batch,
            context=context,
        )

    def __repr__(self) -> str:
        link = self._connection.link
        return f"Ray({link.address!r})" if link is not None else "Ray()"

    def __enter__(self) -> Self:
        if self._ending is not None:
            self._connection.claim()
        return super().__enter__()

    @property
    def address(self) -> str:
        """Return the address of the cluster, connected if it has not been yet."""
        return str(self._connection.open().address)

    def close(self) -> None:
        """Leave the cluster, and end it if it was started here.

        Results that are still there are gone. A Ray that the program had connected with
        by itself stays as it is, and so does one that was begun for another executor.
        """
        if self._ending is not None:
            self._connection.close()


def _connection(address: Any, init: Mapping[str, Any] | None) -> RayConnection:
    if isinstance(address, Ray):
        if init:
            raise TypeError(f"init={init!r} is for a cluster that is there already")

        return address._connection

    address = address or os.environ.get("RAY_ADDRESS") or None
    if address is not None and "://" in address:
        raise ValueError(
            f"{address}: workers have to reach this program, which they do not by Ray "
            f"Client. Run it on a node of the cluster, as with `ray job submit`, and "
            f'give Ray("auto").'
        )

    return RayConnection(address, dict(init or {}))
