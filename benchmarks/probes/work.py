"""What the tasks of all probes do; other processes find these functions by name."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from pathlib import Path

#: Where tasks leave files that say that they have begun.
FOLDER = "SYNCRA_PROBE_FOLDER"
#: Seconds that a task takes that is to be interrupted.
LONG = 60.0
#: Seconds that a task takes that has a limit, and the limit.
SLOW, LIMIT = 8.0, 0.5
#: Seconds that a task takes whose time is to be told.
TIMED = 0.2
#: Tasks beside the one that kills its process.
INNOCENT = 6
#: Tasks of the chain.
CHAIN = 2_000

_TOGETHER = threading.Barrier(2, timeout=10)
_TRIES: list[int] = []


class Bad(Exception):
    """Raised by tasks; a caller has to be able to catch it by its class."""


def seven() -> int:
    return 7


def one() -> int:
    return 1


def plus_one(value: int) -> int:
    return value + 1


def squared(value: int) -> int:
    return value * value


def passed(value: int) -> int:
    return value


async def seven_later() -> int:
    await asyncio.sleep(0.01)
    return 7


async def plus_one_later(value: int) -> int:
    await asyncio.sleep(0.01)
    return value + 1


def meet_left() -> str:
    """Return once `meet_right` runs at the same time, or raise after ten seconds."""
    _TOGETHER.wait()
    return "met"


def meet_right() -> str:
    _TOGETHER.wait()
    return "met"


def process_number() -> int:
    return os.getpid()


def process_number_of(_: int) -> int:
    return os.getpid()


def pool_name(_: int) -> str:
    return threading.current_thread().name.partition("_")[0]


Place = tuple[str, int, int]


def _place(kind: str) -> Place:
    return kind, os.getpid(), threading.get_ident()


async def on_loop() -> list[Place]:
    await asyncio.sleep(0.01)
    return [_place("coroutine")]


def in_thread(places: list[Place]) -> list[Place]:
    return [*places, _place("thread")]


def in_process(places: list[Place]) -> list[Place]:
    return [*places, _place("process")]


def fail() -> int:
    raise Bad("as it was")


def never(value: int) -> str:
    (Path(os.environ[FOLDER]) / "never").touch()
    return "ran, though what it needs had failed"


def fail_once() -> str:
    """Fail at the first try only, in a way that others try again by themselves."""
    _TRIES.append(1)
    if len(_TRIES) == 1:
        raise ConnectionError("not yet")

    return f"tries: {len(_TRIES)}"


def begin_again() -> None:
    """Forget the tries so far."""
    _TRIES.clear()


def slow() -> str:
    time.sleep(SLOW)
    return "not ended"


def timed() -> str:
    time.sleep(TIMED)
    return "done"


def counted() -> int:
    """Leave a file for each call, so that calls are counted in every process."""
    (Path(os.environ[FOLDER]) / f"call-{time.time_ns()}").touch()
    return 7


def folder() -> str:
    """Return a folder of this probe alone."""
    return os.environ[FOLDER]


def calls() -> int:
    return len(list(Path(os.environ[FOLDER]).glob("call-*")))


def has_run_never() -> bool:
    return (Path(os.environ[FOLDER]) / "never").exists()


def long(number: int) -> int:
    """Say that it has begun, and take long."""
    (Path(os.environ[FOLDER]) / f"begun-{number}").touch()
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        time.sleep(0.2)
    return number


def long_left() -> int:
    return long(0)


def long_right() -> int:
    return long(1)


def innocent(number: int) -> int:
    time.sleep(0.2)
    return number


def kill_itself() -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return -1


def innocent_or_not(number: int) -> int:
    return kill_itself() if number < 0 else innocent(number)
