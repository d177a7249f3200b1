"""Pools of a user's, and functions that another process can import."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from syncra import Context, Skip, task


class Synchronous(Executor):
    """Run at once, in the thread that submits."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


class ThreadForEach(Executor):
    """Run each in a thread of its own."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return

            try:
                value = fn(*args, **kwargs)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(value)

        threading.Thread(target=work).start()
        return future


class Held(Executor):
    """Keep what is submitted until it is released; count what is there."""

    def __init__(self, workers: int | None = None) -> None:
        if workers is not None:
            self._max_workers = workers
        self.kept: list[tuple[Future[Any], Callable[[], Any]]] = []
        self.most = 0
        self.arrived = threading.Semaphore(0)

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.kept.append((future, fn))
        self.most = max(self.most, len(self.kept))
        self.arrived.release()
        return future

    def release(self) -> None:
        """Run the oldest one that was not cancelled, in the calling thread."""
        assert self.arrived.acquire(timeout=30)
        future, fn = self.kept.pop(0)
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(fn())
            except BaseException as error:
                future.set_exception(error)


class BareFuture:
    """Have nothing but what is needed of a future."""

    def __init__(self, fn: Callable[[], Any]) -> None:
        self._fn = fn
        self._thread = threading.Thread(target=self._run)
        self._callbacks: list[Callable[[Any], Any]] = []
        self._outcome: tuple[Any, BaseException | None] | None = None
        self._lock = threading.Lock()

    def start(self) -> BareFuture:
        self._thread.start()
        return self

    def _run(self) -> None:
        try:
            outcome = self._fn(), None
        except BaseException as error:
            outcome = None, error
        with self._lock:
            self._outcome = outcome
        for callback in self._callbacks:
            callback(self)

    def cancel(self) -> bool:
        return False

    def result(self) -> Any:
        assert self._outcome is not None
        value, error = self._outcome
        if error is not None:
            raise error
        return value

    def add_done_callback(self, callback: Callable[[Any], Any]) -> None:
        with self._lock:
            if self._outcome is None:
                self._callbacks.append(callback)
                return
        callback(self)


class Bare:
    """Have nothing but what is needed of a pool."""

    def submit(self, fn: Callable[[], Any]) -> BareFuture:
        return BareFuture(fn).start()


class Relay:
    """Pass on what it gets to another pool, pickled once more on the way."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool

    def submit(self, fn: Callable[[], Any]) -> Any:
        return self.pool.submit(pickle.loads(pickle.dumps(fn)))


class Frozen(Exception):
    """Bear no change, as exceptions that are frozen dataclasses."""

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{name} cannot be set")


class Refusing:
    """Accept nothing, with an exception of its own."""

    def submit(self, fn: Any) -> Any:
        raise Frozen("closed on Sundays")


# What is to be found by another process.


def number() -> int:
    return 20


def double(number: int) -> int:
    return number * 2


def join(*parts: Any, sep: str = "-") -> str:
    return sep.join(map(str, parts))


@task
def decorated(number: int) -> int:
    return number + 1


def spread(number: int, *, step: int) -> tuple[int, int]:
    return number - step, number + step


async def coroutine(number: int) -> int:
    await asyncio.sleep(0)
    return number + 2


class Adder:
    def __init__(self, amount: int) -> None:
        self.amount = amount

    def add(self, number: int) -> int:
        return number + self.amount

    @task
    def decorated(self, number: int) -> int:
        return number - self.amount


def process_id() -> int:
    return os.getpid()


def fail(text: str) -> None:
    raise ValueError(text)


def skip() -> None:
    raise Skip("nothing to do")


class Demanding(Exception):
    """Cannot be rebuilt from its arguments."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


class Unsendable(Exception):
    """Cannot be pickled."""

    def __init__(self) -> None:
        super().__init__("holds a lock")
        self.lock = threading.Lock()


def raise_demanding() -> None:
    raise Demanding(1, 2)


def raise_unsendable() -> None:
    raise Unsendable


def give_a_lock() -> Any:
    return threading.Lock()


class Unbuildable:
    def __reduce__(self) -> Any:
        return fail, ("cannot be rebuilt",)


def give_unbuildable() -> Any:
    return Unbuildable()


def take_anything(value: Any) -> str:
    return type(value).__name__


def take_context(context: Context) -> str:
    return context.task


def signals_are_usual() -> tuple[bool, bool]:
    return (
        signal.getsignal(signal.SIGINT) is signal.default_int_handler,
        signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
    )


def die() -> None:
    os._exit(3)


def exit_the_program() -> None:
    raise SystemExit(4)


def wait_for_file(path: str) -> str:
    deadline = time.monotonic() + 60
    while not os.path.exists(path) and time.monotonic() < deadline:
        time.sleep(0.01)
    return "came late"


def fail_once(path: str) -> str:
    if not os.path.exists(path):
        with open(path, "w", encoding="utf-8"):
            raise OSError("first time")
    return "second time"


def interrupted() -> None:
    raise KeyboardInterrupt
