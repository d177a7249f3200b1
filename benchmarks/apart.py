"""Other libraries, each in a process of its own: one that hangs or dies is left out.

What a library keeps in memory, and the threads it starts, then disturb nobody else.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from threading import Thread
from typing import Literal

from .checks import check, prepared
from .model import Cannot
from .peers import Peer
from .shapes import LAYER, Shape
from .timing import Timer, timer, times_for

#: Seconds that a run takes at the most, if a smaller graph can be had.
LONGEST = 1.0
#: Seconds after which one answer is no longer waited for.
PATIENCE = 20.0
#: Seconds of all timings of a run that takes long.
ENOUGH = 3.0
#: Tasks of the smallest graph: every shape has at least two layers in it.
FEWEST = {"chain": 10, "wide": 10, "layered": 2 * LAYER}
#: How much larger the next graph is that is tried.
GROWTH = 10


Request = Literal["check", "prepare", "time"]


class TookTooLong(Cannot):
    """Say that a library was not waited for any longer."""


class Apart:
    """Let a library run graphs of one shape in a process of its own.

    Parameters:
        peer: how the library runs them.
        shape: of the graphs.

    Attributes:
        tasks: how many its graph has in the end.
        seconds: what one run of that takes, about.
    """

    def __init__(self, peer: type[Peer], shape: Shape) -> None:
        self.peer = peer
        self.shape = shape
        self.tasks = 0
        self.seconds = 0.0
        self._start()

    def fit(self, most: int) -> None:
        """Prepare the largest graph of at most so many tasks that is run in time.

        Raises:
            Cannot: if the library cannot run such a graph, with the reason.
        """
        most = min(most, self.peer.most_tasks or most)
        tasks = min(FEWEST[self.shape.name], most)
        self._ask("check", tasks)
        self._prepare(tasks)
        while self.tasks < most:
            larger = min(tasks * GROWTH, most)
            if self.seconds * larger / tasks > LONGEST:
                return

            smaller, tasks = tasks, larger
            try:
                self._prepare(tasks)
            except TookTooLong:
                self._start()
                self._prepare(smaller)
                return

            if self.seconds > LONGEST:
                self._prepare(smaller)
                return

    def rounds(self, rounds: int) -> int:
        """Return how many of the rounds it takes part in: two, if it is slow."""
        return min(rounds, max(2, round(ENOUGH / max(self.seconds, 1e-6))))

    def timed(self) -> float:
        """Time the run, as often as is needed, and return the seconds of one.

        Raises:
            Cannot: if that has gone wrong.
        """
        return self._ask("time")

    def close(self) -> None:
        """End the process, and those that it has started."""
        with suppress(OSError):
            self._connection.send(None)
        self._process.join(5)
        self._kill()

    def _start(self) -> None:
        # Not forked: what it starts from is the same whoever was measured before.
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=serve, args=(theirs, self.peer, self.shape)
        )
        self._process.start()
        theirs.close()

    def _prepare(self, tasks: int) -> None:
        self.seconds = self._ask("prepare", tasks)
        self.tasks = tasks

    def _ask(self, request: Request, tasks: int = 0) -> float:
        """Return the answer of the process."""
        try:
            self._connection.send((request, tasks))
            if not self._connection.poll(PATIENCE):
                self._kill()
                raise TookTooLong(f"{tasks:,} tasks: no answer in {PATIENCE:.0f} s")

            answer = self._connection.recv()
        except (EOFError, ConnectionError):
            self._process.join(5)
            code = self._process.exitcode
            raise Cannot(f"its process ended with exit code {code}") from None

        if isinstance(answer, Cannot):
            raise answer

        return float(answer)

    def _kill(self) -> None:
        """End everything in the session that the process has made its own."""
        process = self._process
        if hasattr(os, "killpg") and process.pid is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        if process.is_alive():
            process.kill()
        process.join()
        self._connection.close()


class _Server:
    """Answer what `Apart` asks for, in the process of the library."""

    def __init__(self, kind: type[Peer], shape: Shape) -> None:
        self._kind = kind
        self._shape = shape
        self._peer: Peer | None = None
        self._time: Timer | None = None

    def answer(self, request: Request, tasks: int) -> float:
        """Do what is asked for and return the seconds of one run, where there are."""
        if request == "check":
            check(self._kind, self._shape, tasks)
            return 0.0

        if request == "prepare":
            return self._prepare(tasks)

        assert self._time is not None
        return self._time()

    def _prepare(self, tasks: int) -> float:
        self.close()
        self._peer = self._kind()
        run = prepared(self._peer, self._shape, tasks)
        seconds = timer(run)()
        if seconds < 3 * LONGEST:
            # Pools may start their workers one by one, and not all in the first run.
            seconds = min(seconds, timer(run)(), timer(run)())
        self._time = timer(run, times_for(seconds))
        return seconds

    def close(self) -> None:
        """Drop what was prepared before, so that only one graph is there."""
        self._time = None
        if self._peer is not None:
            self._peer.close()


def serve(connection: Connection, kind: type[Peer], shape: Shape) -> None:
    """Answer requests until there are no more, in the process of the library."""
    if hasattr(os, "setsid"):
        os.setsid()
    silence()
    Thread(target=end_with_parent, daemon=True).start()
    server = _Server(kind, shape)
    with suppress(EOFError):
        while (asked := connection.recv()) is not None:
            request, tasks = asked
            answer: float | Cannot
            try:
                answer = server.answer(request, tasks)
            except Cannot as cannot:
                answer = cannot
            except ModuleNotFoundError as error:
                answer = Cannot(f"{error.name} is not installed")
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
                answer = Cannot(f"{tasks:,} tasks: {problem}" if tasks else problem)
            connection.send(answer)
    server.close()


def end_with_parent() -> None:
    """End this process, and what it has started, once the one that started it is gone.

    That is when the whole measurement is killed while a library hangs.
    """
    parent = parent_process()
    if parent is not None:
        parent.join()
        if hasattr(os, "killpg"):
            os.killpg(os.getpid(), signal.SIGKILL)
        os._exit(1)


def silence() -> None:
    """Let nothing that a library prints come into the table."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nothing, stream)
    os.close(nothing)
