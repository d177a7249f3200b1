"""Dask as an engine: what `_cluster` wants of one."""

from __future__ import annotations

import logging
import shutil
import tempfile
from concurrent.futures import CancelledError
from functools import partial
from os import urandom
from threading import Lock

from .._clock import clock
from ..errors import ExecutorLost, MissingExtraError
from . import _remote_work
from ._cluster_reports import ClusterLost, WorkerDied
from ._parcels import PARCEL_TASKS
from ._same_code import ASK_VERSIONS, check_versions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

#: What the keys of our tasks begin with.
KEY = "syncra-"
#: Seconds in which a parcel may still tell that it was begun with.
LATE = 5.0
#: Seconds between two questions to a scheduler, and until it has to answer one.
ASK, ANSWER = 5.0, 20.0
#: Seconds in which a cluster of our own has to replace its last worker.
REPLACE = 30.0
#: Makes a scheduler forget what was told under a topic.
_FORGET = (
    "lambda dask_scheduler: dask_scheduler._broker._topics.pop({!r}, None) and None"
)


class DaskConnection:
    """Hold a client of Dask, and a cluster if it was started here.

    Parameters:
        given: a client, an address, a cluster of Dask's, or None.
        options: of the local cluster that is started if it is None.
    """

    def __init__(self, given: Any, options: Mapping[str, Any]) -> None:
        self._given = given
        self._options = options
        self._lock = Lock()
        self._is_closed = False
        self.client: Any = None
        self.topic = f"syncra-{urandom(8).hex()}"
        self.is_own = given is None
        self._cluster: Any = None
        self._directory = ""
        #: Who listens to the messages of a parcel, by token.
        self.listeners: dict[str, Callable[[bytes], object]] = {}
        #: When the scheduler has last answered, and since when it does not.
        self.heard_at = 0.0
        self.asked_at: float | None = None
        #: Since when a cluster of our own has no worker.
        self.empty_since: float | None = None

    def open(self) -> Any:
        """Return the client, connected to workers that can work for us."""
        with self._lock:
            if self._is_closed:
                raise ExecutorLost("this Dask executor has been closed", "Dask")

            if self.client is None:
                try:
                    self.client = self._connect()
                    self._check()
                except BaseException:
                    self._close()
                    raise

                self.client.subscribe_topic(self.topic, self._hear)
            return self.client

    def close(self) -> None:
        """End what was started here; forget the rest."""
        with self._lock:
            self._is_closed = True
            self._close()

    def _connect(self) -> Any:
        distributed = import_distributed()
        given = self._given
        if isinstance(given, distributed.Client):
            # `asynchronous` itself says whether we are in its loop at this moment.
            if getattr(given, "_asynchronous", False):
                raise ValueError(
                    "an asynchronous Client only works in its own event loop: give "
                    "Dask() the address of its scheduler"
                )

            return given

        if given is None:
            given = self._cluster = self._start(distributed)
        try:
            return distributed.Client(given, set_as_default=False)
        except OSError as error:
            text = f"no Dask scheduler answers at {given}: {error}"
            raise ExecutorLost(text, "Dask") from error

    def _start(self, distributed: Any) -> Any:
        """Start a cluster on this machine."""
        self._directory = tempfile.mkdtemp(prefix="syncra-dask-")
        options = {
            "threads_per_worker": 1,
            # What listens there cannot be turned off, but kept from other machines.
            "dashboard_address": "127.0.0.1:0",
            "worker_dashboard_address": "127.0.0.1:0",
            "local_directory": self._directory,
            "silence_logs": logging.CRITICAL,
            **self._options,
        }
        told = {
            "allowed_failures": 0,
            "dashboard": "dashboard_address" in self._options,
            **options.pop("scheduler_kwargs", {}),
        }
        return distributed.LocalCluster(scheduler_kwargs=told, **options)

    def _check(self) -> None:
        """Raise unless the workers have our versions."""
        for address, found in self.client.run(eval, ASK_VERSIONS).items():
            check_versions(found, address)

    def _close(self) -> None:
        client, self.client = self.client, None
        self.listeners.clear()
        try:
            if client is not None and client.status == "running":
                client.unsubscribe_topic(self.topic)
                if not self.is_own:
                    client.run_on_scheduler(eval(_FORGET.format(self.topic)))
        except Exception:
            pass  # nobody is there any more, or lets us do that
        try:
            if client is not None and client is not self._given:
                client.close()
            if self._cluster is not None:
                self._cluster.close()
        finally:
            self._cluster = None
            if self._directory:
                shutil.rmtree(self._directory, ignore_errors=True)
                self._directory = ""

    def _hear(self, event: tuple[float, tuple[str, bytes]]) -> None:
        """Pass on a message. In the loop of the client."""
        token, message = event[1]
        listener = self.listeners.get(token)
        if listener is not None:
            listener(message)


class DaskCluster:
    """Be the cluster behind a client of Dask; see `_cluster_reports.Cluster`.

    Parameters:
        connection: the client.
        options: how tasks are submitted: resources, priority, workers.
    """

    name = "Dask"
    can_kill = False

    def __init__(self, connection: DaskConnection, options: Mapping[str, Any]) -> None:
        self._connection = connection
        self._options = options
        self.key: object = connection
        self.sends_levels = connection.is_own
        self._client: Any = None

    def connect(self) -> None:
        self._client = self._connection.open()

    def workers(self) -> int:
        info = getattr(self._client, "_scheduler_identity", None) or {}
        return int(info.get("total_threads", 0)) or 4

    def submit(
        self,
        parcel: bytes,
        token: str,
        needs: Sequence[Any],
        news: Callable[[bytes], object],
        ended: Callable[[BaseException | None], object],
    ) -> Any:
        from ._dask_work import run

        connection = self._connection
        connection.listeners[token] = news
        future = self._client.submit(
            run,
            parcel,
            token,
            connection.topic,
            *needs,
            key=f"{KEY}{token}",
            pure=False,
            retries=0,
            **self._options,
        )
        future.add_done_callback(partial(_done, connection, token, ended))
        return future

    def withdraw(self, handle: Any) -> None:
        client = self._client
        token = handle.key.removeprefix(KEY)
        self._connection.listeners[token] = partial(self._end_late, token)
        if client.status == "running":
            client.loop.add_callback(client._cancel, [handle])

    def kill(self, address: str, handle: Any) -> None:
        raise NotImplementedError  # see can_kill

    def _end_late(self, token: str, message: bytes) -> None:
        """Have a parcel end that was begun with just when it was taken back."""
        for address in _remote_work.begun_by(message):
            self.tell(address, token, range(PARCEL_TASKS))

    def tell(self, address: str, token: str, positions: Sequence[int]) -> None:
        client = self._client

        async def send() -> None:
            try:
                await client._run(
                    _remote_work.tell, token, tuple(positions), workers=[address]
                )
            except Exception:
                pass  # it has ended, and its worker with it

        client.loop.add_callback(send)

    def put(self, value: Any) -> Any:
        return self._client.scatter(value, hash=False)

    def get(self, handle: Any) -> Any:
        client = self._client
        if client.status != "running":
            raise ExecutorLost(
                "the value was left on Dask, which has been closed since: name its "
                "task in keep=, or read it before",
                self.name,
            )

        try:
            return client.gather(handle)
        except CancelledError as error:
            why = self.lost() or "it has let go of the value"
            raise ExecutorLost(
                f"the value is no longer on Dask: {why}", self.name
            ) from error

    def lost(self) -> str:
        client, connection = self._client, self._connection
        if client.status != "running":
            return f"its client is {client.status}"

        now = clock()
        asked_at = connection.asked_at
        if asked_at is None:
            if now - connection.heard_at > ASK:
                connection.asked_at = now
                client.loop.add_callback(self._ask)
        elif now - asked_at > ANSWER:
            return f"its scheduler has not answered for {ANSWER:g} s"
        empty_since = connection.empty_since
        if empty_since is not None and now - empty_since > REPLACE:
            return f"its workers have ended, and for {REPLACE:g} s none has begun"

        return ""

    async def _ask(self) -> None:
        """See whether the scheduler answers, and has workers if they are ours."""
        connection = self._connection
        try:
            found = await self._client.scheduler.identity(n_workers=0)
        except Exception:
            return  # it goes on not to answer

        connection.heard_at = clock()
        if found["n_workers"] or not connection.is_own:
            connection.empty_since = None
        elif connection.empty_since is None:
            connection.empty_since = connection.heard_at
        connection.asked_at = None


def _done(
    connection: DaskConnection,
    token: str,
    ended: Callable[[BaseException | None], object],
    future: Any,
) -> None:
    """Pass on how a future has ended. In the thread that Dask has for that."""
    if future.status == "cancelled":
        # Somebody may have begun with it this very moment.
        listeners, loop = connection.listeners, future.client.loop
        loop.add_callback(loop.call_later, LATE, listeners.pop, token, None)
    else:
        connection.listeners.pop(token, None)
    if future.status == "finished":
        ended(None)
    elif future.status == "error":
        ended(_meant_by(future.exception()))
    elif future.client.status != "running":
        ended(ClusterLost(f"its client is {future.client.status}"))
    else:
        ended(CancelledError())


def _meant_by(error: BaseException) -> BaseException:
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        died = WorkerDied(str(error))
        died.__cause__ = error
        return died

    return error


def import_distributed() -> Any:
    """Return the library, or raise what installs it."""
    try:
        import distributed
    except ImportError as error:
        raise MissingExtraError(
            "Dask() needs the extra: pip install 'syncra[dask]'", "dask"
        ) from error

    return distributed
