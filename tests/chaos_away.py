"""Functions of a fault schedule for other processes; their traces are small files.

It is imported by worker processes, so it imports little.
"""

from __future__ import annotations

import asyncio
import faulthandler
import json
import os
import signal
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from syncra import DontRetry, Skip
from syncra.errors import TaskCancelled

#: Seconds that a function waits at the most for being told to end.
LONGEST = 60.0


class ChaosError(Exception):
    """Be an error of a task."""


class ChaosStop(BaseException):
    """Be an error of a task that is no Exception."""


class ChaosOdd(Exception):
    """Be an error that cannot be loaded again."""

    def __init__(self, text: str, more: int) -> None:
        super().__init__(text)


KINDS: dict[str, type[BaseException]] = {
    "raise": ChaosError,
    "complain": ChaosError,
    "base": ChaosStop,
    "exit": SystemExit,
    "final": DontRetry,
    "skip": Skip,
    "evade": Skip,
}


class Large(int):
    """Be a number with a burden."""

    burden: bytes


class Barred(int):
    """Be a number that cannot be pickled."""

    def __init__(self, number: int) -> None:
        self.lock = threading.Lock()


class Trace(NamedTuple):
    """Say what an attempt has written down.

    Attributes:
        what: "run" or "undo".
        number: number of the attempt, from 1, of those that have come to write.
        lines: what happened to it, in order; the first has the number of its process.
    """

    what: str
    task: int
    number: int
    lines: list[dict[str, Any]]

    def line(self, kind: str) -> dict[str, Any] | None:
        """Return what it says of one kind."""
        return next((line for line in self.lines if line["kind"] == kind), None)

    @property
    def pid(self) -> int:
        return int(self.lines[0]["pid"])


class Writer:
    """Write the trace of one attempt.

    Parameters:
        directory: where the traces of a run are.
        name: of what it is a trace.
        begun: what its first line tells.
    """

    def __init__(self, directory: str, name: str, **begun: Any) -> None:
        # It appears at once with its first line, whenever the process is killed.
        hidden = f"{directory}/.{os.getpid()}-{threading.get_ident()}"
        with open(hidden, "w") as file:
            file.write(_line("start", pid=os.getpid(), **begun))
        self.number = 0
        while True:
            self.number += 1
            self._path = f"{directory}/{name}-{self.number}"
            try:
                os.link(hidden, self._path)
            except FileExistsError:
                continue

            break
        os.unlink(hidden)

    def write(self, kind: str, **told: Any) -> None:
        """Append a line."""
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(fd, _line(kind, **told).encode())
        finally:
            os.close(fd)


def _line(kind: str, **told: Any) -> str:
    return json.dumps({"kind": kind, "at": time.monotonic(), **told}) + "\n"


def count_traces(directory: str) -> int:
    """Return how many attempts have started."""
    return sum(not name.startswith(".") for name in os.listdir(directory))


def read_traces(directory: str) -> Iterator[Trace]:
    """Return all traces."""
    for path in sorted(Path(directory).iterdir()):
        if not path.name.startswith("."):
            what, task, number = path.name.split("-")
            # A process that is killed may leave the last line unfinished.
            lines = path.read_text().split("\n")[:-1]
            yield Trace(what, int(task), int(number), [json.loads(x) for x in lines])


class Away:
    """Be the function of a task in another process.

    Parameters:
        directory: where its traces go.
        index: number of the task.
        acts: what its attempts do; the last entry holds for all further ones.
        pause: seconds that "slow", "race" and "block" take.
    """

    def __init__(
        self, directory: str, index: int, acts: tuple[str, ...], pause: float
    ) -> None:
        self.directory = directory
        self.index = index
        self.acts = acts
        self.pause = pause

    def begin(self) -> tuple[Writer, str]:
        """Write down that an attempt starts; return where, and what it does."""
        writer = Writer(self.directory, f"run-{self.index}")
        return writer, self.acts[min(writer.number, len(self.acts)) - 1]

    def die(self, act: str) -> None:
        """End the process, if that is what an attempt does."""
        if act == "sigkill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif act == "quit":
            os._exit(3)
        elif act == "segv":
            faulthandler._sigsegv()  # type: ignore[attr-defined]
        elif act == "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def throw(self, writer: Writer, act: str) -> None:
        """Raise what an attempt is to raise."""
        text = f"t{self.index:02} attempt {writer.number}"
        if act == "odd":
            raise ChaosOdd(text, 1)

        if act in KINDS:
            writer.write("raised", act=act, text=text)
            raise KINDS[act](text)

    def give(self, writer: Writer, act: str, inputs: tuple[Any, ...]) -> int:
        """Return the result."""
        value = value_of(self.index, inputs)
        if act == "unpicklable":
            return Barred(value)

        writer.write("returned", value=value)
        if act != "large":
            return value

        large = Large(value)
        large.burden = bytes(1 << 18 + value % 5)
        return large


class AwayFunction(Away):
    """Be a function."""

    def __call__(self, *inputs: Any) -> int:
        writer, act = self.begin()
        try:
            self.die(act)
            if act in {"slow", "race", "block"}:
                time.sleep(self.pause)
            elif act in {"hang", "deaf"}:
                time.sleep(LONGEST)
            elif act in {"tidy", "swallow", "complain", "evade", "stay"}:
                self._resist(act)
            self.throw(writer, act)
            return self.give(writer, act, inputs)
        finally:
            writer.write("end")

    def _resist(self, act: str) -> None:
        """Wait for ever, and react when told to end."""
        try:
            time.sleep(LONGEST)
        except TaskCancelled:
            if act == "tidy":
                time.sleep(0.002)
                raise

            if act == "stay":
                time.sleep(LONGEST)


class AwayCoroutine(Away):
    """Be a coroutine function."""

    async def __call__(self, *inputs: Any) -> int:
        writer, act = self.begin()
        try:
            self.die(act)
            if act == "block":
                time.sleep(self.pause)
            elif act in {"slow", "race"}:
                await asyncio.sleep(self.pause)
            elif act in {"hang", "deaf"}:
                await asyncio.sleep(LONGEST)
            elif act in {"tidy", "swallow", "complain", "evade", "stay"}:
                await self._resist(act)
            self.throw(writer, act)
            return self.give(writer, act, inputs)
        finally:
            writer.write("end")

    async def _resist(self, act: str) -> None:
        try:
            await asyncio.sleep(LONGEST)
        except asyncio.CancelledError:
            if act == "tidy":
                await asyncio.sleep(0.002)
                raise

            if act == "stay":
                time.sleep(LONGEST)


class AwayUndoing:
    """Be the rollback function of a task in another process."""

    def __init__(self, directory: str, index: int, how: str) -> None:
        self.directory = directory
        self.index = index
        self.how = how

    def __call__(self, result: Any) -> None:
        Writer(self.directory, f"undo-{self.index}", value=int(result))
        if self.how == "raise":
            raise ChaosError(f"t{self.index:02} rollback")


def value_of(index: int, inputs: tuple[Any, ...]) -> int:
    """Return the result of a task, from its inputs."""
    return zlib.crc32(repr((index, inputs)).encode())
