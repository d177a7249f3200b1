"""A probe in a process of its own: with a limit, and with what is done to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from ..children import ROOT
from .model import Answer
from .questions import Question
from .work import FOLDER

#: Marks the processes of one probe, which all inherit it.
MARK = "SYNCRA_PROBE_MARK"
#: Seconds that a probe has on the clock, with others on the machine.
PATIENCE = 120.0
#: Seconds after Ctrl-C in which a program has to end.
END = 10.0
#: Seconds after the end of a program in which its processes have to end.
AFTER_INTERRUPT, AFTER_KILL = 2.0, 5.0


class Asking:
    """Ask one question of one library.

    Parameters:
        library: its id.
        question: what is asked.
    """

    def __init__(self, library: str, question: Question) -> None:
        self._library = library
        self._question = question
        self._mark = uuid4().hex

    def answer(self) -> Answer:
        """Return what is found out, with no process left."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            process = self._begin(folder)
            try:
                if self._question.trouble is None:
                    return self._waited_for(process, folder)

                return self._troubled(process, folder)
            finally:
                self._end_all()
                process.wait()

    def _begin(self, folder: str) -> subprocess.Popen[bytes]:
        module = f"{__package__}"
        command = [sys.executable, "-m", module, self._library, self._question.id]
        environment = {**os.environ, MARK: self._mark, FOLDER: folder}
        return subprocess.Popen(
            [*command, folder],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(Path(folder) / "stderr").open("wb"),
            start_new_session=True,
        )

    def _waited_for(self, process: subprocess.Popen[bytes], folder: str) -> Answer:
        try:
            code = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return Answer("no", f"no answer in {PATIENCE:.0f} s")

        return self._written(folder) or self._dead(code, folder)

    def _written(self, folder: str) -> Answer | None:
        path = Path(folder) / "answer.json"
        if not path.exists():
            return None

        outcome, evidence = json.loads(path.read_text(encoding="utf-8"))
        return Answer(outcome, evidence)

    def _dead(self, code: int, folder: str) -> Answer:
        said = (Path(folder) / "stderr").read_text(errors="replace").strip()
        if code == -signal.SIGXCPU:
            return Answer("no", "not done after a minute of CPU time")

        last = said.splitlines()[-1] if said else "nothing"
        return Answer("no", f"its process ended with {code} and said: {last}"[:160])

    def _troubled(self, process: subprocess.Popen[bytes], folder: str) -> Answer:
        end = time.monotonic() + PATIENCE
        begun = [Path(folder) / f"begun-{number}" for number in (0, 1)]
        while not all(path.exists() for path in begun):
            if process.poll() is not None or time.monotonic() > end:
                found = self._written(folder)
                return found or Answer("no", "its tasks did not begin side by side")

            time.sleep(0.05)
        time.sleep(0.3)
        if self._question.trouble == "kill":
            process.kill()
            process.wait()
            return self._left("the kill", AFTER_KILL)

        return self._interrupted(process)

    def _interrupted(self, process: subprocess.Popen[bytes]) -> Answer:
        """Do what a terminal does at Ctrl-C: tell the whole group."""
        start = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(END)
        except subprocess.TimeoutExpired:
            return Answer("no", f"the program was still there {END:.0f} s later")

        took = time.monotonic() - start
        return self._left(
            f"the end of the program, {took:.1f} s later", AFTER_INTERRUPT
        )

    def _left(self, what: str, patience: float) -> Answer:
        """Say how many processes are alive some seconds after something."""
        end = time.monotonic() + patience
        while (left := self._alive()) and time.monotonic() < end:
            time.sleep(0.1)
        evidence = f"{len(left) or 'no'} process{'es' * (len(left) != 1)}"
        return Answer("no" if left else "yes", f"{evidence} left after {what}")

    def _end_all(self) -> None:
        for _ in range(20):
            left = self._alive()
            for number in left:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            if not left:
                return

            time.sleep(0.1)

    def _alive(self) -> list[int]:
        """Return the processes of this probe that are alive, by what they inherit."""
        mark = f"{MARK}={self._mark}".encode()
        found = []
        for folder in Path("/proc").iterdir():
            with suppress(OSError, ValueError):
                number = int(folder.name)
                is_ours = mark in (folder / "environ").read_bytes().split(b"\0")
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
                if is_ours and state not in "ZX":
                    found.append(number)
        return found
