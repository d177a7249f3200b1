"""Tasks for other processes: plain functions at the top of a small module."""

from __future__ import annotations

import ctypes
import faulthandler
import locale
import logging
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
from contextvars import ContextVar
from typing import Any

from syncra import Context
from syncra.errors import SharedUnavailable

#: Asked for by a test with `Processes(context=[language])`.
language: ContextVar[str] = ContextVar("language", default="none")


def one(*_: Any) -> int:
    return 1


def pid(*_: Any) -> int:
    return os.getpid()


def echo(value: Any) -> Any:
    return value


def size_of(value: Any) -> int:
    return len(value)


def add(x: int, y: int = 1) -> int:
    return x + y


def brief(number: int) -> int:
    time.sleep(0.002)
    return number


def sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


# Ways to die.


def killed(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def segfault(*_: Any) -> None:
    faulthandler._sigsegv()  # type: ignore[attr-defined]


def bad_pointer(*_: Any) -> None:
    ctypes.string_at(0)


def aborted(*_: Any) -> None:
    os.abort()


def exited_well(*_: Any) -> None:
    os._exit(0)


def exited(*_: Any) -> None:
    os._exit(3)


def signals_itself(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(60)


def is_told_to_end(done: str) -> None:
    """Be told to end by nobody that the run knows of."""
    try:
        signals_itself(signal.SIGTERM)
    finally:
        touch(done)


class DiesWhenPickled:
    def __reduce__(self) -> Any:
        os._exit(4)


class ExitsWhenPickled:
    def __reduce__(self) -> Any:
        sys.exit(4)


class FailsWhenPickled:
    def __reduce__(self) -> Any:
        raise ValueError("not this one")


def _exit_elsewhere(parent: int, how: str) -> Any:
    """Be loaded: harmless in the process it comes from."""
    if os.getpid() == parent:
        return how

    if how == "die":
        os._exit(5)
    if how == "exit":
        sys.exit(5)
    raise ValueError("cannot be loaded here")


class ActsWhenLoaded:
    """Dies, exits or fails when it is loaded in another process."""

    def __init__(self, how: str) -> None:
        self.how = how

    def __reduce__(self) -> Any:
        return _exit_elsewhere, (os.getpid(), self.how)


def dies_while_returning(*_: Any) -> Any:
    return DiesWhenPickled()


def dies_within_a_large_result(*_: Any) -> bytes:
    threading.Timer(0.0001, killed).start()
    return bytes(150_000_000)


class DiesWhenFreed:
    def __del__(self) -> None:
        os._exit(6)


_kept: list[Any] = []


def dies_later(*_: Any) -> str:
    """Return, and leave something that ends the process soon."""
    threading.Timer(0.05, os._exit, (7,)).start()
    return "returned"


def dies_when_its_result_is_freed() -> Any:
    class Result(DiesWhenFreed):
        def __reduce__(self) -> Any:
            return str, ("returned",)

    return Result()


def stops_itself() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(60)


def ignores_sigterm(ready: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    touch(ready)
    while True:
        time.sleep(1)


def loops(ready: str) -> None:
    touch(ready)
    while True:
        pass


def holds_the_gil(ready: str) -> None:
    touch(ready)
    re.match(r"(a+)+$", "a" * 60 + "b")


def cleans_up(ready: str, done: str) -> None:
    try:
        touch(ready)
        time.sleep(60)
    finally:
        touch(done)


def starts_a_child(where: str, then: str) -> int:
    """Start a process that would live for long, and come to some end."""
    child = subprocess.Popen(["sleep", "300"])
    touch(where, str(child.pid))
    if then == "die":
        killed()
    if then == "wait":
        time.sleep(300)
    return child.pid


def touch(path: str, text: str = "x") -> None:
    with open(f"{path}.tmp", "w") as file:
        file.write(text)
    os.rename(f"{path}.tmp", path)


def notes(path: str, seconds: float) -> None:
    with open(path, "a") as file:
        file.write("begun\n")
    time.sleep(seconds)


def waits_for(ready: str, done: str) -> None:
    """Say that it is there, and wait for a file."""
    touch(ready)
    while not os.path.exists(done):
        time.sleep(0.005)


def _kill(pid: int, how: str) -> int:
    """End a process, and go on when it is no more."""
    if how != "kill":
        # It still is, and does not read what is sent to it.
        os.kill(pid, signal.SIGSTOP)
        threading.Timer(0.2, os.kill, (pid, signal.SIGKILL)).start()
        return pid

    os.kill(pid, signal.SIGKILL)
    while _is_there(pid):
        time.sleep(0.001)
    return pid


def _is_there(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Killer:
    """Loaded by the program, it ends the process that it comes from."""

    def __init__(self, how: str) -> None:
        self.how = how

    def __reduce__(self) -> Any:
        return _kill, (os.getpid(), self.how)


def killer(how: str = "") -> Any:
    return Killer(how) if how else os.getpid()


def leaves_a_process(where: str) -> Killer:
    """Leave a process that has all that this one has, and is out of its group."""
    child = os.fork()
    if child == 0:
        os.setsid()
        time.sleep(60)
        os._exit(0)
    while os.getpgid(child) == os.getpgrp():
        time.sleep(0.001)
    touch(where, str(child))
    return Killer("kill")


# What tasks may do to their process.


def spoils_its_process() -> None:
    os.chdir("/")
    os.umask(0o777)
    os.environ["SPOILT"] = "yes"
    os.environ.pop("PATH", None)
    sys.path.insert(0, "/spoilt")
    sys.argv.append("--spoilt")
    for fd in range(3):
        try:
            os.close(fd)
        except OSError:
            pass
    sys.stdout = None  # type: ignore[assignment]
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        locale.setlocale(locale.LC_ALL, "C.UTF-8")
    except locale.Error:
        pass


def state_of_its_process(*_: Any) -> dict[str, Any]:
    umask = os.umask(0)
    os.umask(umask)
    return {
        "pid": os.getpid(),
        "directory": os.getcwd(),
        "umask": umask,
        "environment": dict(os.environ),
        "path": list(sys.path),
        "arguments": list(sys.argv),
        "locale": locale.setlocale(locale.LC_ALL),
        "open": [fd for fd in range(3) if _is_open(fd)],
        "stdout": sys.stdout is not None,
    }


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False

    return True


def open_files() -> list[str]:
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
        except OSError:
            pass
    return found


def prints(count: int) -> int:
    print("x" * count)
    return count


def prints_and_is_told_to_end() -> None:
    print("the last words")
    signals_itself(signal.SIGTERM)


def floods(count: int) -> int:
    chunk = b"x" * 999 + b"\n"
    for _ in range(count):
        os.write(1, chunk)
        os.write(2, chunk)
    return count


def logs(text: str) -> None:
    logging.getLogger("a.child").debug("not wanted: %s", text)
    logging.getLogger("a.child").warning("said: %s", text)
    try:
        raise ValueError("bang")
    except ValueError:
        logging.getLogger("a.child").exception("it failed")


def said_language() -> str:
    return language.get()


# Errors of all kinds.


class NeedsTwo(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")


class HoldsALock(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


class FailsToLoad(Exception):
    def __reduce__(self) -> Any:
        return _exit_elsewhere, (os.getpid(), "fail")


class ExitsOnLoad(Exception):
    def __reduce__(self) -> Any:
        return _exit_elsewhere, (os.getpid(), "exit")


class LoadsAsAnother(Exception):
    def __reduce__(self) -> Any:
        return str, ("not an error",)


def _only_at(pid: int) -> BaseException:
    if os.getpid() != pid:
        sys.exit("not here")
    return LoadsOnlyThere()


class LoadsOnlyThere(Exception):
    """Can be loaded in the process it comes from, and in no other."""

    def __reduce__(self) -> Any:
        return _only_at, (os.getpid(),)


class NoText(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


class Base(BaseException):
    pass


def raises(make: Any) -> None:
    raise make()


def raises_from(make: Any, cause: Any) -> None:
    raise make() from cause()


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


class Counter:
    def __init__(self, start: int) -> None:
        self.start = start

    def plus(self, x: int) -> int:
        return self.start + x

    @classmethod
    def made(cls) -> int:
        return cls(3).start

    @staticmethod
    def still() -> int:
        return 4

    def __call__(self, x: int) -> int:
        return x * self.start


def slow_and_large(*_: Any) -> bytes:
    time.sleep(0.3)
    return bytes(2_000_000)


def bytes_like(data: bytes) -> bytes:
    return bytes(len(data))


def noisy(data: bytes) -> bytes:
    for _ in range(20):
        logging.getLogger("a.child").warning("hello")
    time.sleep(0.004)
    return bytes(2_000_000)


def has_a_crashing_child() -> str:
    """Fork a process that crashes, and go on."""
    child = os.fork()
    if child == 0:
        ctypes.string_at(0)
    os.waitpid(child, 0)
    time.sleep(0.2)
    return "went on"


def warns(name: str) -> None:
    logging.getLogger(name).warning("watch out")


def handlers_of(name: str) -> list[str]:
    return list(map(repr, logging.getLogger(name).handlers))


def logs_more(text: str) -> None:
    """Log what does not travel as it is, or not at all."""
    logger = logging.getLogger("a.child")
    logger.warning("with %s", text, extra={"lock": threading.Lock(), "number": 7})
    logger.warning("too many arguments", "for this text")  # noqa: PLE1205
    logging.getLogger("a.quiet.child").error("nobody wants this")


def logs_info() -> None:
    logging.getLogger("tests.process_tasks").info("from a function")


async def logs_info_async() -> None:
    logging.getLogger("tests.process_tasks").info("from a coroutine")


class Buffered:
    """Pickled, it brings its bytes along as a buffer, as arrays do."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)

    def __reduce__(self) -> Any:
        return Buffered, (pickle.PickleBuffer(self.data),)


def reversed_buffer(value: Buffered) -> Buffered:
    return Buffered(bytes(value.data[::-1]))


# Tasks that want to share.


def shares(context: Context) -> None:
    context.shared["task"] = context.task


async def shares_async(context: Context) -> None:
    context.shared["task"] = context.task


def shares_if_it_can(context: Context) -> str:
    """Try each way to get at it; return the error of the last one."""
    copy = pickle.loads(pickle.dumps(context))
    for one in (context, copy, pickle.loads(pickle.dumps(copy))):
        try:
            one.shared.get("task")
        except SharedUnavailable as error:
            text = str(error)
        else:
            raise AssertionError(f"{one} shares")
    return text


def results_of(context: Context) -> dict[str, Any]:
    return dict(context.results)
