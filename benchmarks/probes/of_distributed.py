"""Dask with `distributed`: futures and `delayed` on a cluster on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from . import of_dask, work
from .absence import lacks


def _public() -> list[Any]:
    from distributed import Client, LocalCluster

    return [Client, LocalCluster]


@contextmanager
def _client(**options: Any) -> Iterator[Any]:
    """Lend a client of a cluster with two workers, processes unless it is said."""
    from distributed import Client, LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, **options}
    with (
        LocalCluster(dashboard_address=None, **options) as cluster,
        Client(cluster) as client,
    ):
        yield client


def _in_threads(**options: Any) -> Any:
    return _client(n_workers=1, threads_per_worker=2, processes=False, **options)


def coroutines() -> Any:
    with _in_threads() as client:
        first = client.submit(work.seven_later)
        return client.submit(work.plus_one_later, first).result()


def threads() -> Any:
    with _in_threads() as client:
        both = [client.submit(work.meet_left), client.submit(work.meet_right)]
        return client.gather(both)


def processes() -> Any:
    with _client() as client:
        return client.submit(work.process_number).result()


def mixed() -> Any:
    """Have one worker here, and one in another process."""
    from distributed import Client, Nanny, Scheduler, SpecCluster, Worker

    workers = {
        "here": {"cls": Worker, "options": {"nthreads": 1}},
        "there": {"cls": Nanny, "options": {"nthreads": 1}},
    }
    scheduler = {"cls": Scheduler, "options": {"dashboard_address": None}}
    with (
        SpecCluster(workers=workers, scheduler=scheduler) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(2)
        one = client.submit(work.on_loop, workers=["here"])
        two = client.submit(work.in_thread, one, workers=["here"])
        return client.submit(work.in_process, two, workers=["there"]).result()


def pool() -> Any:
    with (
        ThreadPoolExecutor(1, thread_name_prefix="yours") as own,
        _in_threads(executor=own) as client,
    ):
        return client.submit(work.pool_name, 1).result()


def commands() -> Any:
    raise lacks(_public(), "command", "commands", "shell", "subprocess")


def results() -> Any:
    with _in_threads() as client:
        return client.submit(work.plus_one, client.submit(work.seven)).result()


def again() -> Any:
    def run(value: int) -> Any:
        return client.submit(work.plus_one, value).result()

    with _in_threads() as client:
        return run(1), run(2)


def mapped() -> Any:
    import dask.bag
    from dask import delayed

    with _in_threads():
        items = dask.bag.from_delayed([delayed(list)([1, 2, 3])])
        return items.map(work.squared).compute()


def kept() -> Any:
    raise lacks(_public(), "cache", "cached", "checkpoint", "resume")


def typed() -> Any:
    return (
        "from distributed import Client\n"
        "def seven() -> int: return 7\n"
        "client = Client()\n"
        "reveal_type(client.submit(seven).result())\n"
    )


def original() -> Any:
    with _in_threads() as client:
        try:
            return client.submit(work.fail).result()
        except Exception as error:
            return error


def goes_on() -> Any:
    with _in_threads() as client:
        bad = client.submit(work.fail)
        never, good = client.submit(work.never, bad), client.submit(work.seven)
        assert never.exception() is not None
        return good.result()


def retries() -> Any:
    with _in_threads() as client:
        return client.submit(work.fail_once, retries=1).result()


def limit() -> Any:
    # It is the wait that has a limit; the task is cancelled, and goes on.
    with _client(processes=False) as client:
        future = client.submit(work.slow)
        start = perf_counter()
        try:
            future.result(timeout=work.LIMIT)
        except TimeoutError:
            future.cancel()
        return perf_counter() - start


def rollback() -> Any:
    raise lacks(_public(), "rollback", "undo", "revert", "compensate")


def crash() -> Any:
    with _client() as client:
        client.submit(work.kill_itself)
        numbers = range(work.INNOCENT)
        return client.gather(client.map(work.innocent, numbers))


def _long(lent: Any) -> Any:
    with lent as client:
        both = [client.submit(work.long_left), client.submit(work.long_right)]
        return client.gather(both)


def interrupt_threads() -> Any:
    return _long(_in_threads())


def interrupt_processes() -> Any:
    return _long(_client())


def killed() -> Any:
    return _long(_client())


def chain() -> Any:
    with _in_threads() as client:
        future = client.submit(work.one)
        for _ in range(1, work.CHAIN):
            future = client.submit(work.plus_one, future, pure=False)
        return future.result()


def seconds() -> Any:
    from distributed import get_task_stream

    with _in_threads() as client, get_task_stream(client=client) as stream:
        client.submit(work.timed).result()
    spans = [span for record in stream.data for span in record["startstops"]]
    return max(
        float(span["stop"] - span["start"])
        for span in spans
        if span["action"] == "compute"
    )


def picture() -> Any:
    return of_dask.picture()


def page() -> Any:
    from distributed import performance_report

    with TemporaryDirectory() as folder, _in_threads() as client:
        path = Path(folder) / "run.html"
        with performance_report(filename=str(path)):
            first = client.submit(work.seven)
            client.submit(work.plus_one, first).result()
        return path.read_text(encoding="utf-8")
