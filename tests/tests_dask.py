"""Functions that workers of a cluster import by their names."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import subprocess
import threading
import time
from contextvars import ContextVar
from pathlib import Path

from syncra import Context, task

#: Bytes of a result that is not to travel for nothing.
MUCH = 200_000_000

colour: ContextVar[str] = ContextVar("colour", default="none")


def much() -> bytes:
    return bytes(MUCH)


def much_with_lock() -> dict[str, object]:
    return {"data": bytes(100_000), "lock": threading.Lock()}


def length(data: bytes) -> int:
    return len(data)


def pair() -> tuple[bytes, int]:
    return bytes(100_000), 7


def number() -> int:
    return 20


def double(number: int) -> int:
    return number * 2


def add(*numbers: int) -> int:
    return sum(numbers)


async def later(number: int) -> int:
    await asyncio.sleep(0.001)
    return number + 1


def process_id() -> int:
    return os.getpid()


def note(path: str, text: str = "x") -> None:
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)


def die() -> None:
    os._exit(3)


def die_once(path: str) -> str:
    if not Path(path).exists():
        note(path)
        os._exit(3)
    return "second time"


def fail_once(path: str) -> str:
    note(path)
    if len(Path(path).read_text("utf-8")) < 2:
        raise OSError("first time")
    return "second time"


def wait_for(path: str) -> str:
    deadline = time.monotonic() + 60
    while not Path(path).exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    return "came"


def begin_and_wait(began: str, path: str) -> str:
    note(began)
    return wait_for(path)


def tell_process_and_wait(began: str, path: str) -> str:
    note(began, str(os.getpid()))
    return wait_for(path)


def wait_until_told(began: str, told: str, context: Context) -> None:
    note(began)
    deadline = time.monotonic() + 60
    while not context.cancelled() and time.monotonic() < deadline:
        time.sleep(0.005)
    note(told)


async def wait_for_ever(began: str, told: str) -> None:
    note(began)
    try:
        await asyncio.sleep(60)
    finally:
        note(told)


def see_results(context: Context) -> dict[str, int]:
    return {name: len(value) for name, value in context.results.items()}


def see_colour() -> str:
    return colour.get()


def log(context: Context) -> None:
    context.logger.warning("from afar")
    logging.getLogger("elsewhere").info("too little to be seen")


def divide(by: int) -> float:
    return 1 / by


def meet(path: str, others: int) -> None:
    """Return when so many have come here."""
    note(path)
    deadline = time.monotonic() + 60
    while len(Path(path).read_text("utf-8")) < others and time.monotonic() < deadline:
        time.sleep(0.005)


def wait_in_vain(began: str, ended: str) -> None:
    note(began, str(os.getpid()))
    try:
        time.sleep(60)
    finally:
        note(ended)


def refuse_to_end(began: str) -> None:
    child = subprocess.Popen(["sleep", "600"])
    note(began, f"{os.getpid()} {child.pid}")
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass


_two = threading.Barrier(2)


def meets_another(limit: float) -> bool:
    """Return whether another one runs in this process meanwhile."""
    try:
        _two.wait(limit)
    except threading.BrokenBarrierError:
        _two.reset()
        return False

    return True


# What small tasks that travel together are made of.


@task
def decorated(number: int) -> int:
    return number + 2


def is_a_vowel(letter: str) -> bool:
    return letter in {"a", "e", "i", "o", "u"}


def both(first: bytes, second: bytes) -> int:
    return len(first) + len(second)


def text(letter: str, count: int) -> str:
    return letter * count


def nap(seconds: float, after: object = None) -> float:
    time.sleep(seconds)
    return seconds


def die_if(is_bad: bool, path: str) -> int:
    note(path)
    if is_bad:
        os._exit(3)
    return 1


def one_lock() -> list[object]:
    return [threading.Lock()]


def interrupt() -> None:
    raise KeyboardInterrupt


def fail_with(data: bytes, part: bytes) -> None:
    raise ValueError(len(data) + len(part))


def set_colour(name: str) -> None:
    colour.set(name)


def refuse() -> object:
    raise ValueError("it cannot be rebuilt")


class Unloadable:
    """Be what can be sent, and not be rebuilt where it arrives."""

    def __init__(self, size: int) -> None:
        self.data = bytes(size)

    def __reduce__(self) -> object:
        return refuse, (), self.__dict__


class Block(bytearray):
    """Have data that a pickle may leave beside it, as arrays do."""

    def __reduce_ex__(self, protocol: object) -> object:
        return Block, (pickle.PickleBuffer(self),)


def block(size: int) -> Block:
    return Block(size)
