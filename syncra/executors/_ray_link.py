"""The one connection of this process with Ray, and who watches over it.

Ray has one driver in a process. If its raylet or its head is gone it ends the process
within a minute, without a word to anybody: so what is connected is looked after here,
and Ray is shut down in this process as soon as there is nobody at the other end.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import sys
import tempfile
import threading
from contextlib import contextmanager
from secrets import token_hex

from .._clock import clock
from ..errors import ExecutorLost, MissingExtraError, VersionMismatch
from ._ray_channel import Channel
from ._ray_witness import Witness
from ._same_code import ASK_VERSIONS, check_versions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

#: Seconds between two looks at Ray, between two questions to it, until it has to answer
#: one, and until a head that may come back has to be there again.
LOOK, ASK, ANSWER = 0.5, 5.0, 20.0
#: Seconds until Ray itself kills a worker that has not died of what it was told, and
#: until it forgets what no worker has come to.
SOON, LATE = 2.0, 10.0
#: Seconds until what was started here has to be gone.
GOING = 60.0
#: Bytes of a value that goes to the object store.
LARGE = 150_000
#: The longest path of a directory in which Ray's sockets have their place.
LONGEST = 24
#: What Ray is told in the environment, when it starts on this machine.
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
#: How it may have been told who may talk to it.
_AUTHENTICATION = {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"}
#: The one that clusters of this process want, if they have wanted any.
_tokens: list[str] = []


class Link:
    """Be the connection of this process with a Ray cluster.

    Parameters:
        address: where the cluster is, None for one of our own.
        options: for `ray.init`.

    Attributes:
        address: where it is.
        is_own: whether the cluster was started here.
        lost: why nobody is at the other end, "" as long as somebody is.
        channel: where workers send their news.
        resources: how much of what the cluster has.

    Raises:
        ExecutorLost: if there is no cluster.
        VersionMismatch: if its workers cannot work for us.
    """

    def __init__(self, address: str | None, options: Mapping[str, Any]) -> None:
        self._ray = import_ray()
        self._options = options
        self._wanted = address
        self.address = ""
        self.is_given = bool(self._ray.is_initialized())
        self.is_own = address is None and not self.is_given
        self.lost = ""
        self.channel: Channel
        self.resources: dict[str, float] = {}
        self._directory = ""
        self._raylet = self._head = Witness("")
        #: What Ray is to cancel, when, and whether by force; by token.
        self._late: dict[str, tuple[float, Any, bool]] = {}
        self._heard_at = clock()
        self._asked_at: float | None = None
        self._refused_since: float | None = None
        self._ending = threading.Event()
        self._begun = threading.Event()
        self._error: BaseException | None = None
        # What Ray starts ends with the thread that starts it, so that has to last.
        self._thread = threading.Thread(
            target=self._serve, name="ray-watch", daemon=True
        )
        self._thread.start()
        self._begun.wait()
        if self._error is not None:
            self._thread.join()
            raise self._error

    def is_at(self, address: str | None) -> bool:
        """Return whether this is a connection with what an address means."""
        return address in (None, "auto", self.address, self._wanted)

    def cancel_later(self, token: str, reference: Any, force: bool) -> None:
        """Have Ray cancel a parcel, unless it is over soon."""
        self._late[token] = clock() + (SOON if force else LATE), reference, force

    def forget(self, token: str) -> None:
        """Take note that a parcel is over."""
        self._late.pop(token, None)
        self.channel.forget(token)

    def release(self) -> None:
        """Have it closed, without waiting for that."""
        self._ending.set()

    def close(self) -> None:
        """End what was started here, and leave the cluster."""
        self._ending.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(GOING)

    # In the thread.

    def _serve(self) -> None:
        atexit.register(self.close)  # before Ray itself does the same
        try:
            try:
                self._connect()
            except BaseException as error:
                self._error = error
                self.lost = "it could not be reached"
                return
            finally:
                self._begun.set()

            while not self._ending.wait(LOOK):
                self.lost = self._look()
                if self.lost:
                    break

                self._cancel_late()

            self.channel.close()
        finally:
            self.lost = self.lost or "it has been closed"
            self._leave()
            atexit.unregister(self.close)

    def _connect(self) -> None:
        ray = self._ray
        if not self.is_given:
            self._directory = _new_directory() if self.is_own else ""
            with _environment(self.is_own), _no_warnings():
                self._begin()
            self._silence(True)
        self.address = str(ray.get_runtime_context().gcs_address)
        nodes = [node for node in ray.nodes() if node["Alive"]]
        own = ray.get_runtime_context().get_node_id()
        for node in nodes:
            if node["NodeID"] == own:
                self._raylet = Witness(node["RayletSocketName"])
        self._head = Witness(self.address)
        self.resources = ray.cluster_resources()
        if not self.is_own:
            self._check(nodes)
        host = "127.0.0.1" if self.is_own else str(ray.util.get_node_ip_address())
        self.channel = Channel(host)

    def _begin(self) -> None:
        """Connect, or start a cluster on this machine."""
        ray, options = self._ray, dict(self._options)
        options.setdefault("log_to_driver", False)
        options.setdefault("configure_logging", False)
        try:
            if not self.is_own:
                # Ray takes a minute to find out, and then it ends the process.
                if ":" in str(self._wanted) and not Witness(str(self._wanted)).sees():
                    raise ConnectionError("nobody listens there")

                ray.init(self._wanted, **options)
                return

            options.setdefault("include_dashboard", False)
            options.setdefault("_temp_dir", self._directory)
            options.setdefault("job_config", _that_knows_our_modules())
            ray.init("local", **options)
        except RuntimeError as error:
            if "ersion mismatch" in str(error):
                raise VersionMismatch(str(error)) from error

            raise
        except ConnectionError as error:
            text = f"no Ray cluster answers at {self._wanted}: {error}"
            raise ExecutorLost(text, "Ray") from error

    def _check(self, nodes: list[Any]) -> None:
        """Raise unless the nodes have our versions."""
        ray = self._ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        # Of this module, so that it travels by value.
        versions = eval(f"lambda: {ASK_VERSIONS}", {"__name__": "__main__"})
        ask = ray.remote(num_cpus=0, max_retries=0)(versions)
        found = {}
        for node in nodes:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            asked = ask.options(scheduling_strategy=there).remote()
            found[asked] = f"on {node['NodeManagerAddress']}"
        answered, _ = ray.wait(list(found), num_returns=len(found), timeout=GOING)
        for reference in answered:
            check_versions(ray.get(reference), found[reference])

    def _look(self) -> str:
        """Return why nobody is there any more, "" if somebody is."""
        if not self._ray.is_initialized():
            return "Ray has been shut down in this process"

        now = clock()
        if not self._raylet.sees():
            return "its raylet on this machine is gone"

        if self._head.sees():
            self._refused_since = None
        elif self._refused_since is None:
            self._refused_since = now
        elif self.is_own or now - self._refused_since > ANSWER:
            return "its head is gone"

        asked_at = self._asked_at
        if asked_at is None:
            if now - self._heard_at > ASK:
                self._asked_at = now
                threading.Thread(target=self._ask, name="ray-ask", daemon=True).start()
        elif now - asked_at > ANSWER:
            return f"it has not answered for {ANSWER:g} s"
        return ""

    def _cancel_late(self) -> None:
        now = clock()
        for token, (when, reference, force) in list(self._late.items()):
            if when <= now and self._late.pop(token, None) is not None:
                try:
                    self._ray.cancel(reference, force=force)
                except Exception:
                    pass  # it is over

    def _ask(self) -> None:
        """See whether the head and the object store answer."""
        ray = self._ray
        try:
            self.resources = ray.cluster_resources()
            ray.put(bytes(LARGE))
        except Exception as error:
            if not isinstance(error, ray.exceptions.ObjectStoreFullError):
                return  # it goes on not to answer

        self._heard_at = clock()
        self._asked_at = None

    def _leave(self) -> None:
        """Leave the cluster: otherwise Ray ends this process if that is lost."""
        is_closed = self._ending.is_set()
        self._raylet.close()
        self._head.close()
        try:
            if not self.is_given or (self.lost and not is_closed):
                with self._patience():
                    self._ray.shutdown()
            if not self.is_given:
                self._silence(False)
        except Exception:
            pass  # nobody is there
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)

    def _silence(self, is_silent: bool) -> None:
        """Keep Ray from printing where the program prints; what it tells is in errors.

        It prints what tasks have printed, unless told otherwise, and what has died.
        """
        if not self._options.get("log_to_driver", False):
            known = self._ray._private.worker
            if hasattr(known, "_worker_logs_enabled"):
                known._worker_logs_enabled = not is_silent

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """Kill what was started here, if it does not end."""
        timer = threading.Timer(LATE, self._kill)
        timer.daemon = True
        if self.is_own:
            timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _kill(self) -> None:
        node = self._ray._private.worker._global_node
        if node is not None:
            node.kill_all_processes(check_alive=False, allow_graceful=False)


def import_ray() -> Any:
    """Return the library, or raise what installs it."""
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError(
            "Ray() needs the extra: pip install 'syncra[ray]'", "ray"
        ) from error

    return ray


def _that_knows_our_modules() -> Any:
    """Return what has workers on this machine import what can be imported here.

    Ray itself tells them of the directory of the script, and of the present one.
    """
    from ray.job_config import JobConfig

    made = JobConfig()
    paths = getattr(made, "_py_driver_sys_path", None)
    if paths is not None:
        paths.extend(filter(None, sys.path))
    return made


def _new_directory() -> str:
    """Return a directory whose path leaves room for Ray's sockets."""
    within = tempfile.gettempdir()
    if len(within) > LONGEST and os.path.isdir("/tmp"):
        within = "/tmp"
    return tempfile.mkdtemp(prefix="syncra-ray-", dir=within)


@contextmanager
def _environment(is_own: bool) -> Iterator[None]:
    """Have a cluster of our own silent to the world, and closed to others.

    Its ports want a token, which Ray otherwise leaves in the home directory.
    """
    wanted = dict(_QUIET) if is_own else {}
    if is_own and not os.environ.keys() & _AUTHENTICATION:
        _tokens[:] = _tokens or [token_hex(32)]
        wanted["RAY_AUTH_TOKEN"] = _tokens[0]
    before = {name: os.environ.get(name) for name in (*wanted, *_AUTHENTICATION)}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Keep Ray from telling where its dashboard is, and of its thread."""
    logger = logging.getLogger("ray")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
