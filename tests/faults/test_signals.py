"""Faults 53 to 57 and 59 to 63: signals, and the end of the program.

Each case is a script of its own with a hard limit, since signals are of the process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from tests_helpers import in_a_script

from syncra import Graph

#: Seconds after which a script counts as hung.
HARD_LIMIT = 60

PRELUDE = """
    import anyio, asyncio, signal, sys, threading, time
    from syncra import Graph, task

    graph = Graph("g")
    never = threading.Event()

    def say(*words):
        print(*words, flush=True)

    def show(run):
        for record in run.records.values():
            say(record.name, record.state, record.abandoned)
"""


class Script:
    """Run a script that says "ready" when it wants to be sent a signal."""

    def __init__(self, *parts: str, own_group: bool = False) -> None:
        code = "".join(map(textwrap.dedent, (PRELUDE, *parts)))
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0 if own_group else None,
        )
        self.guard = threading.Timer(HARD_LIMIT, self.process.kill)
        self.guard.start()
        self.out = ""

    def wait_for(self, word: str) -> Script:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.out += line
            if line.strip() == word:
                return self

        raise AssertionError(f"ended without {word!r}: {self.finish()}")

    def send(self, number: int) -> Script:
        self.sent_at = time.monotonic()
        self.process.send_signal(number)
        return self

    def finish(self) -> tuple[int, str, str]:
        out, err = self.process.communicate()
        self.guard.cancel()
        assert self.process.returncode != -signal.SIGKILL, f"hung: {self.out}{out}{err}"
        return self.process.returncode, self.out + out, err

    @property
    def took(self) -> float:
        return time.monotonic() - self.sent_at


HANGS = {
    "sequential": """
        @graph.task
        def hang():
            say("ready")
            never.wait()

        @graph.task(dependencies=hang)
        def after(): ...

        options = {"executor": "sequential"}
    """,
    "threads": """
        @graph.task
        def hang():
            say("ready")
            never.wait()

        @graph.task(dependencies=hang)
        def after(): ...

        options = {"executor": "threads"}
    """,
    "coroutine": """
        @graph.task
        async def hang():
            try:
                say("ready")
                await anyio.sleep_forever()
            finally:
                await anyio.sleep(0.01)
                say("cleaned up")

        @graph.task(dependencies=hang)
        def after(): ...

        options = {"grace": 4}
    """,
    "private loop": """
        @graph.task
        async def hang():
            try:
                say("ready")
                await anyio.sleep_forever()
            finally:
                await anyio.sleep(0.01)
                say("cleaned up")

        @graph.task(dependencies=hang)
        def after(): ...

        options = {"executor": "sequential", "grace": 4}
    """,
    "stubborn coroutine": """
        @graph.task
        async def hang():
            say("ready")
            while True:
                try:
                    await anyio.sleep_forever()
                except asyncio.CancelledError:
                    say("no")

        @graph.task(dependencies=hang)
        def after(): ...

        options = {}
    """,
    "nested": """
        inner = Graph("inner")

        @inner.task
        def hang():
            say("ready")
            never.wait()

        @graph.task
        def outer():
            inner.run()

        @graph.task(dependencies=outer)
        def after(): ...

        options = {}
    """,
}

WAIT = """
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    try:
        graph.run(**{"grace": 0.2, **options})
    finally:
        after = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        say("restored", before == after)
"""


@pytest.mark.parametrize("kind", HANGS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_faults_54_and_57_a_signal_ends_a_run(kind: str, number: int) -> None:
    """Whatever hangs, the run ends within its grace, and the signal is raised then."""
    script = Script(HANGS[kind], WAIT).wait_for("ready").send(number)
    code, out, err = script.finish()
    assert code == (-signal.SIGINT if number == signal.SIGINT else 128 + number), err
    assert "restored True" in out
    assert script.took < 5
    if number == signal.SIGINT:
        assert err.rstrip().endswith("KeyboardInterrupt")
    else:
        assert "Traceback" not in err
    if kind in ("coroutine", "private loop"):
        assert "cleaned up" in out


@pytest.mark.parametrize("kind", ["threads", "coroutine", "stubborn coroutine"])
def test_fault_54_records_are_complete(kind: str) -> None:
    """Every task has a state at the end, and what was left behind is said."""
    script = Script(
        HANGS[kind],
        """
    from syncra import _run

    kept = []
    made = _run.Run.__init__

    def keep(run, engine):
        made(run, engine)
        kept.append(run)

    _run.Run.__init__ = keep
    try:
        graph.run(**{"grace": 0.2, **options})
    except KeyboardInterrupt:
        show(kept[0])
        say("done", kept[0].done, kept[0].ok)
    """,
    )
    code, out, err = script.wait_for("ready").send(signal.SIGINT).finish()
    assert code == 0, err
    assert f"hang cancelled {kind != 'coroutine'}" in out
    assert "after cancelled False" in out
    assert "done True False" in out


def test_fault_54_ctrl_c_in_an_awaited_run() -> None:
    """`asyncio.run` cancels the awaiting task, and the run with it."""
    script = Script(
        HANGS["coroutine"],
        """
    async def main():
        await graph.arun()

    asyncio.run(main())
    """,
    )
    code, out, err = script.wait_for("ready").send(signal.SIGINT).finish()
    assert code == -signal.SIGINT, err
    assert "cleaned up" in out


def test_fault_54_ctrl_c_in_an_awaited_run_on_trio() -> None:
    script = Script(
        HANGS["coroutine"],
        """
    import trio
    trio.run(graph.arun)
    """,
    )
    code, out, err = script.wait_for("ready").send(signal.SIGINT).finish()
    assert code == -signal.SIGINT, err
    assert "cleaned up" in out


def test_fault_54_at_many_moments() -> None:
    """A signal at any moment of a busy run is raised where the run was called."""
    script = Script(
        """
    import random
    from _thread import interrupt_main

    for executor in ("sequential", "threads"):
        for number in range(30):
            graph = Graph()
            previous = ()
            for n in range(300):
                previous = graph.add(
                    lambda *_: sum(range(50)), name=str(n), dependencies=previous
                )
            graph.compiled()
            at = random.Random(number).randrange(300)
            target = graph[str(at)]

            def strike(*_):
                # As if from outside: the flag is looked at between instructions.
                threading.Thread(target=interrupt_main).start()

            with graph.override({target: strike}):
                try:
                    run = graph.run(executor=executor)
                except KeyboardInterrupt:
                    continue

                # It came when the run was over already.
                try:
                    deadline = time.monotonic() + 5
                    while time.monotonic() < deadline:
                        time.sleep(0.001)
                    say("lost", executor, at)
                except KeyboardInterrupt:
                    pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    say("survived")
    """
    )
    code, out, err = script.finish()
    assert code == 0, err
    assert out.strip() == "survived"


def test_fault_56_a_second_ctrl_c_ends_it_at_once() -> None:
    """The grace of a minute is cut short."""
    script = Script(
        HANGS["threads"],
        """
    try:
        graph.run(grace=60)
    except KeyboardInterrupt:
        say("raised")
        raise
    """,
    )
    script.wait_for("ready").send(signal.SIGINT)
    time.sleep(0.2)  # two signals in the same moment are one
    code, out, err = script.send(signal.SIGINT).finish()
    assert code == -signal.SIGINT, err
    assert "raised" in out
    assert script.took < 5


def test_fault_55_ctrl_c_to_the_process_group() -> None:
    """A task's own child gets the signal too, and that changes nothing."""
    script = Script(
        """
    import subprocess
    @graph.task
    def child():
        with subprocess.Popen([sys.executable, "-c", "input()"],
                              stdin=subprocess.PIPE) as process:
            say("ready")
            process.wait()

    graph.run(grace=1)
    """
    )
    script.wait_for("ready")
    code, _, err = script.send(signal.SIGINT).finish()
    assert code == -signal.SIGINT, err


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_fault_60_a_handler_of_the_user_is_left_alone(name: str) -> None:
    """It is called, may raise, and is still there afterwards."""
    script = Script(
        HANGS["threads"],
        f"""
    class Stop(Exception): ...

    def handler(number, frame):
        raise Stop(number)

    signal.signal(signal.{name}, handler)
    try:
        graph.run(grace=0.1)
    except Stop as stop:
        say("stopped", stop.args[0] == signal.{name})
    say(signal.getsignal(signal.{name}) is handler)
    """,
    )
    code, out, err = script.wait_for("ready").send(getattr(signal, name)).finish()
    assert code == 0, err
    assert out.split()[-3:] == ["stopped", "True", "True"]


def test_fault_60_handlers_are_as_before_after_any_run() -> None:
    """However it ended."""
    graph = Graph()
    graph.add(lambda: 1 / 0, name="fails")
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    graph.run(on_error="continue")
    with pytest.raises(ZeroDivisionError):
        graph.run()
    after = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert after == before


def test_fault_61_children_of_others_are_not_reaped() -> None:
    """A process that was there before the run can still be waited for."""
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"]) as other:
        graph = Graph()
        graph.add(lambda: None, name="nothing")
        graph()
        assert other.wait() == 7


def test_fault_62_a_closed_standard_output_does_not_change_the_run() -> None:
    """What prints fails by itself; the run is told and goes on."""
    code = textwrap.dedent(
        """
        import os, sys
        from syncra import Graph
        graph = Graph()
        graph.add(lambda: 42, name="answer")
        os.close(1)
        run = graph.run(on_error="continue")
        sys.exit(0 if run["answer"] == 42 else 1)
        """
    )
    found = subprocess.run(
        [sys.executable, "-c", code], timeout=HARD_LIMIT, check=False
    )
    # 120: the interpreter could not flush what it had for the closed output.
    assert found.returncode in (0, 120)


def test_fault_53_an_abandoned_thread_does_not_keep_the_program() -> None:
    """The script ends although its thread hangs for ever."""
    script = Script(
        """
    @graph.task(timeout=0.05)
    def hang():
        say("ready")
        never.wait()

    show(graph.run(on_error="continue"))
    """
    )
    script.wait_for("ready").sent_at = time.monotonic()
    code, out, err = script.finish()
    assert code == 0, err
    assert "hang failed True" in out
    assert script.took < 5


def test_fault_63_a_background_run_ends_with_the_program() -> None:
    """It is cancelled in good order, and a line says so."""
    script = Script(
        HANGS["coroutine"],
        """
    graph.start(grace=1)
    say("end of script")
    while len(threading.enumerate()) < 2:
        pass
    """,
    )
    code, out, err = script.finish()
    assert code == 0, err
    assert "going on in the background" in err
    assert "ready" not in out or "cleaned up" in out


def test_fault_63_a_run_at_exit() -> None:
    """A run started by an exit handler works or says why it cannot."""
    script = Script(
        """
    import atexit
    graph.add(lambda: 42, name="answer")

    def late():
        try:
            say("answer", graph.run(executor="sequential")["answer"])
        except RuntimeError as error:
            say("answer", error)

    atexit.register(late)
    """
    )
    code, out, err = script.finish()
    assert code == 0, err
    assert "answer" in out


def test_fault_59_a_run_in_another_thread_or_loop_installs_no_handler() -> None:
    """Only a script's own main thread handles signals for a run."""
    seen = []

    def look() -> None:
        seen.append((signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)))

    graph = Graph()
    graph.add(look)
    before = (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
    thread = threading.Thread(target=graph.run)
    thread.start()
    thread.join()
    import trio

    trio.run(graph.arun)
    # trio has a handler of its own meanwhile.
    assert seen[0] == before
    assert seen[1][1] == before[1]
    graph.run()
    assert seen[2] != before
    assert os.getpid()


IN_AN_INTERPRETER = """
import sys
if sys.version_info >= (3, 13):
    import _interpreters as interpreters
    made = interpreters.create("legacy")
else:
    import _xxsubinterpreters as interpreters
    made = interpreters.create(isolated=False)
failed = interpreters.run_string(made, '''
from syncra import Graph, Sequential
graph = Graph(executor=Sequential())
graph.add(lambda: 20, name="half")
graph.add(lambda half: 2 * half, name="whole", dependencies="half")
print(graph()["whole"], flush=True)
''')
assert not failed, failed
interpreters.destroy(made)
"""


def test_fault_60_an_interpreter_that_may_not_handle_signals() -> None:
    """Its main thread is not that of the program, as in some web servers."""
    assert in_a_script(IN_AN_INTERPRETER) == "40\n"
