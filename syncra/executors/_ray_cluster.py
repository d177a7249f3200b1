"""Ray as an engine: what `_cluster` wants of one."""

from __future__ import annotations

from concurrent.futures import CancelledError
from functools import partial
from threading import Lock

from ..errors import ExecutorLost
from ._cluster_reports import ClusterLost, WorkerDied
from ._ray_link import Link, import_ray
from ._ray_work import packed, run, unpacked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future
    from typing import Any

#: What is alike for all that knows the same references: a process has one Ray.
RAY = "ray"


class Process:
    """Know the connection of this process.

    Attributes:
        link: the connection, if there is one.
        owner: whose it is: it ends with that.
        claimed: whose the next one is to be.
    """

    def __init__(self) -> None:
        self.guard = Lock()
        self.link: Link | None = None
        self.owner: RayConnection | None = None
        self.claimed: RayConnection | None = None


_process = Process()


class RayConnection:
    """Have a share in the connection of this process, and make it if there is none.

    Parameters:
        address: where the cluster is, None for what is there or one of our own.
        options: for `ray.init`.
    """

    def __init__(self, address: str | None, options: Mapping[str, Any]) -> None:
        self._address = address
        self._options = options
        self._is_closed = False

    @property
    def link(self) -> Link | None:
        """Return the connection, if there is one."""
        return _process.link

    def open(self) -> Link:
        """Return the connection."""
        with _process.guard:
            if self._is_closed:
                raise ExecutorLost("this Ray executor has been closed", "Ray")

            link = _process.link
            if link is None or link.lost:
                if link is not None:
                    link.close()  # or that may not be over yet
                    _process.link = None
                maker = _process.claimed or self
                link = _process.link = Link(maker._address, maker._options)
                _process.owner, _process.claimed = maker, None
            if not link.is_at(self._address):
                raise ValueError(
                    f"a process has one connection with Ray, and this one has it with "
                    f"{link.address}, so not with {self._address}: close that before"
                )

            return link

    def claim(self) -> None:
        """Have the next connection end with this."""
        with _process.guard:
            link = _process.link
            if _process.claimed is None and (link is None or link.lost):
                _process.claimed = self

    def close(self) -> None:
        """End the connection, if it was made for this, and wait for its end."""
        link = self._leave()
        if link is not None:
            link.close()

    def release(self) -> None:
        """End the connection, if it was made for this, without waiting for its end."""
        link = self._leave()
        if link is not None:
            link.release()

    def _leave(self) -> Link | None:
        with _process.guard:
            self._is_closed = True
            if _process.claimed is self:
                _process.claimed = None
            if _process.owner is not self:
                return None

            link, _process.link, _process.owner = _process.link, None, None
            return link


class Held:
    """Hold a reference of Ray, and know which connection it is of."""

    __slots__ = ("link", "reference", "token")

    def __init__(self, link: Link, reference: Any, token: str = "") -> None:
        self.link = link
        self.reference = reference
        self.token = token


class RayCluster:
    """Be the cluster behind the driver of Ray; see `_cluster_reports.Cluster`.

    Parameters:
        connection: the share in the driver.
        options: how tasks are submitted: what `ray.remote` takes.
    """

    name = "Ray"
    key: object = RAY
    can_kill = True

    def __init__(self, connection: RayConnection, options: Mapping[str, Any]) -> None:
        self._connection = connection
        self._options = options
        self.sends_levels = False
        self._link: Link  # from `connect` on, which is called first
        self._remote: Any = None

    def connect(self) -> None:
        self._link = self._connection.open()
        self.sends_levels = self._link.is_own
        remote = import_ray().remote(run)
        self._remote = remote.options(
            **{"name": "syncra", **self._options},
            num_returns=2,
            max_retries=0,
        )

    def workers(self) -> int:
        link, options = self._link, self._options
        wanted = {
            "CPU": options.get("num_cpus", 1),
            "GPU": options.get("num_gpus", 0),
            **options.get("resources", {}),
        }
        found = [
            link.resources.get(name, 0) / amount
            for name, amount in wanted.items()
            if amount
        ]
        return int(min(found)) if found else int(link.resources.get("CPU", 1))

    def submit(
        self,
        parcel: bytes,
        token: str,
        needs: Sequence[Any],
        news: Callable[[bytes], object],
        ended: Callable[[BaseException | None], object],
    ) -> Any:
        link = self._link
        if link.lost:
            raise ConnectionError("Ray is not there")

        if any(need.link is not link for need in needs):
            raise ExecutorLost("a value was left on a Ray that is closed", self.name)

        link.channel.listeners[token] = news
        over, value = self._remote.remote(
            parcel, token, link.channel.address, *[need.reference for need in needs]
        )
        held = Held(link, value, token)
        over.future().add_done_callback(partial(_done, link, value, token, ended))
        return held

    def withdraw(self, handle: Any) -> None:
        # `ray.cancel` at the moment at which a task begins or ends makes Ray abort the
        # process of the program: so it is for what waits long in vain.
        link = handle.link
        link.channel.withdraw(handle.token)
        link.cancel_later(handle.token, handle.reference, force=False)

    def kill(self, address: str, handle: Any) -> None:
        link = handle.link
        link.channel.kill(address, handle.token)
        # For one that holds the lock of its interpreter, so that nobody there hears it.
        link.cancel_later(handle.token, handle.reference, force=True)

    def tell(self, address: str, token: str, positions: Sequence[int]) -> None:
        self._link.channel.tell(address, token, positions)

    def put(self, value: Any) -> Any:
        import ray

        link = self._link
        if link.lost:
            raise ConnectionError("Ray is not there")

        return Held(link, ray.put(packed(value)))

    def get(self, handle: Any) -> Any:
        import ray

        link = handle.link
        if link.lost:
            raise ExecutorLost(
                f"the value was left on Ray, and {link.lost}: name its task in keep=, "
                f"or read it before",
                self.name,
            )

        try:
            return unpacked(ray.get(handle.reference))
        except ray.exceptions.RayError as error:
            if isinstance(error, ray.exceptions.RayTaskError):
                raise

            raise ExecutorLost(
                f"the value is no longer on Ray: {error}", self.name
            ) from error

    def lost(self) -> str:
        return self._link.lost


def _done(
    link: Link,
    value: Any,
    token: str,
    ended: Callable[[BaseException | None], object],
    future: Future[None],
) -> None:
    """Pass on how a parcel has ended. In the thread that Ray has for that."""
    error = future.exception()
    if error is not None:
        # It has the same error, and Ray complains if nobody looks at that.
        value.future().add_done_callback(lambda other: other.exception())

    def pass_on() -> None:
        link.forget(token)
        ended(None if error is None else _meant_by(error))

    # What was said before comes first.
    link.channel.afterwards(pass_on)


def _meant_by(error: BaseException) -> BaseException:
    from ray import exceptions as known

    if isinstance(error, known.TaskCancelledError):
        return CancelledError(str(error))

    if isinstance(error, known.RayTaskError):
        cause: BaseException | None = error.cause
        return cause or error

    died = (known.WorkerCrashedError, known.OutOfMemoryError, known.NodeDiedError)
    meant: BaseException = error
    if isinstance(error, died):
        meant = WorkerDied(str(error).partition("\n")[0])
    elif isinstance(error, known.LocalRayletDiedError):
        meant = ClusterLost("its raylet on this machine is gone")
    elif isinstance(error, known.ObjectLostError):
        meant = ExecutorLost(f"a value that it reads is gone: {error}", "Ray")
    if meant is not error:
        meant.__cause__ = error
    return meant
