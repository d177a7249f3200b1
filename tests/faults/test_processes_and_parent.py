"""Faults 55, 58 and 86 to 88: worker processes and the program they work for."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from test_signals import Script

from syncra import Processes

METHODS = ["forkserver", "spawn", "fork"]
if not getattr(sys, "_is_gil_enabled", lambda: True)():
    METHODS.remove("fork")  # refused there
HERE = Path(__file__).parents[1]

PRELUDE = f"""
    import sys, warnings
    warnings.simplefilter("ignore", RuntimeWarning)  # of fork
    sys.path.insert(0, {str(HERE)!r})
    import process_tasks as tasks
    from syncra import Processes
"""

#: Tasks that are busy in all the ways there are, and where they say so.
BUSY = """
    from pathlib import Path
    where = Path(WHERE)
    graph.add(tasks.loops, name="loops", kwargs={"ready": str(where / "loops")})
    graph.add(tasks.holds_the_gil, name="gil", kwargs={"ready": str(where / "gil")})
    graph.add(tasks.ignores_sigterm, name="no", kwargs={"ready": str(where / "no")})
    graph.add(tasks.starts_a_child, name="child",
              kwargs={"where": str(where / "child"), "then": "wait"})

    def tell():
        while len(list(where.glob("[a-z]*[a-z]"))) < 4:
            time.sleep(0.005)
        say("ready")

    threading.Thread(target=tell, daemon=True).start()
    graph.run(executor=Processes(4, METHOD))
"""


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    found = []
    for process in processes:
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.NoSuchProcess:
            pass
    return found


def check_all_end(processes: list[psutil.Process], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while left := alive(processes):
        assert time.monotonic() < deadline, left
        time.sleep(0.005)


def kill_the_parent(method: str, where: Path) -> int:
    """Kill a program whose tasks are busy; return how many processes it had."""
    where.mkdir()
    busy = BUSY.replace("WHERE", repr(str(where))).replace("METHOD", repr(method))
    script = Script(PRELUDE, busy).wait_for("ready")
    processes = psutil.Process(script.process.pid).children(recursive=True)
    script.process.kill()
    script.process.communicate()
    script.guard.cancel()
    check_all_end(processes, 2)
    return len(processes)


@pytest.mark.parametrize("method", METHODS)
def test_fault_58_nothing_outlives_a_killed_program(method, tmp_path) -> None:
    """Not a loop, not one that holds the GIL, nor what a task has started."""
    trials = int(os.environ.get("SYNCRA_PARENT_TRIALS", "8"))
    with ThreadPoolExecutor(2) as pool:
        counts = list(
            pool.map(
                lambda number: kill_the_parent(method, tmp_path / str(number)),
                range(trials),
            )
        )
    assert min(counts) >= 6  # a guardian, four workers, what one has started


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_faults_54_55_57_a_signal_to_the_whole_group(method, number, tmp_path) -> None:
    """Workers leave it to the program, and all are gone at its end."""
    busy = BUSY.replace("WHERE", repr(str(tmp_path))).replace("METHOD", repr(method))
    script = Script(PRELUDE, busy, own_group=True).wait_for("ready")
    processes = psutil.Process(script.process.pid).children(recursive=True)
    os.killpg(script.process.pid, number)
    script.sent_at = time.monotonic()
    code, _, err = script.finish()
    assert code == (-signal.SIGINT if number == signal.SIGINT else 128 + number), err
    assert script.took < 10
    check_all_end(processes, 2)
    # One traceback at most, that of the program.
    assert err.count("Traceback") == (1 if number == signal.SIGINT else 0), err


def test_fault_54_processes_that_stop_in_time_clean_up(tmp_path) -> None:
    """Ctrl-C gives a task its exception, and its `finally`."""
    done, ready = tmp_path / "done", tmp_path / "ready"
    script = Script(
        PRELUDE,
        f"""
    from pathlib import Path
    files = {{"ready": {str(ready)!r}, "done": {str(done)!r}}}
    graph.add(tasks.cleans_up, kwargs=files)

    def tell():
        while not Path({str(ready)!r}).exists():
            time.sleep(0.005)
        say("ready")

    threading.Thread(target=tell, daemon=True).start()
    graph.run(executor="processes")
    """,
    ).wait_for("ready")
    code, _, err = script.send(signal.SIGINT).finish()
    assert code == -signal.SIGINT, err
    assert done.exists()


# Fault 86: fork


def test_fault_86_fork_is_never_the_default() -> None:
    assert Processes().start_method == "forkserver"
    if "fork" in METHODS:
        with pytest.warns(RuntimeWarning, match="forkserver"):
            assert Processes(start_method="fork").start_method == "fork"
    else:
        with pytest.raises(ValueError, match="without the GIL"):
            Processes(start_method="fork")
    with pytest.raises(ValueError, match="start_method is one of"):
        Processes(start_method="threads")


# Fault 88: the main module

#: A script without a main guard, as beginners write it.
UNGUARDED = """
import os
from syncra import Graph, Processes, get_graph, task

print("top of", __name__)

class Row:
    def __init__(self, value):
        self.value = value

@task(graph="etl")
def extract(start: int):
    return [Row(start), Row(2)]

@task(graph="etl", dependencies=extract, executor=EXECUTOR)
def total(rows):
    return Row(sum(row.value for row in rows)), os.getpid()

run = get_graph("etl")(start=40)
row, pid = run[total]
assert isinstance(row, Row)
assert row.value == 42
assert pid != os.getpid()
print("done", run.ok)
"""


def python(
    *arguments: str, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("guarded", [True, False])
def test_fault_88_a_script(method, guarded, tmp_path) -> None:
    """Its functions and classes are found, with a main guard and without."""
    code = UNGUARDED.replace("EXECUTOR", f"Processes(1, {method!r})")
    code = "import warnings; warnings.simplefilter('ignore')\n" + code
    if guarded:
        head, call = code.split("run = ")
        body = textwrap.indent(f"run = {call}", "    ")
        code = f'{head}\nif __name__ == "__main__":\n{body}'
    script = tmp_path / "etl.py"
    script.write_text(code)
    done = python(str(script))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("done True") == 1
    assert done.stdout.count("top of __main__") == 1
    assert not done.stderr
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__main__.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "-m", "package"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("done True") == 1


@pytest.mark.parametrize(
    ("method", "kind"), [("forkserver", "directory"), ("spawn", "zip")]
)
def test_fault_88_an_application(method, kind, tmp_path) -> None:
    """A directory or zip file that is run, with modules of its own beside."""
    code = UNGUARDED.replace("EXECUTOR", f"Processes(1, {method!r})")
    code = f"import warnings\nwarnings.simplefilter('ignore')\n{code}"
    app = tmp_path / "app"
    app.mkdir()
    (app / "__main__.py").write_text(
        code.replace("class Row:", "from beside import limit\n\nclass Row:").replace(
            "sum(row.value for row in rows)", "sum(row.value for row in rows) + limit"
        )
    )
    (app / "beside.py").write_text("limit = 0\n")
    if kind == "zip":
        app = Path(shutil.make_archive(str(tmp_path / "app"), "zip", app))
    done = python(str(app))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("done True") == 1


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_faults_88_91_a_script_that_reads_its_command_line(method, tmp_path) -> None:
    """It is imported with the same arguments, which it looks at while it is."""
    code = UNGUARDED.replace("EXECUTOR", f"Processes(1, {method!r})")
    code = f"import sys, warnings\nwarnings.simplefilter('ignore')\n{code}"
    script = tmp_path / "etl.py"
    script.write_text(
        code.replace("class Row:", "limit = int(sys.argv[1])\n\nclass Row:").replace(
            "sum(row.value for row in rows)", "sum(row.value for row in rows) + limit"
        )
    )
    done = python(str(script), "0", "--quiet")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("done True") == 1


@pytest.mark.parametrize("method", METHODS)
def test_fault_88_an_environment_that_imports_multiprocessing(method, tmp_path) -> None:
    """At the start of every interpreter, as tools that measure processes do."""
    script, start = tmp_path / "etl.py", tmp_path / "start"
    script.write_text(UNGUARDED.replace("EXECUTOR", f"Processes(1, {method!r})"))
    start.mkdir()
    (start / "sitecustomize.py").write_text("import multiprocessing\n")
    path = os.pathsep.join([str(start), *filter(None, [os.getenv("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", script],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("done True") == 1


@pytest.mark.parametrize("how", ["-c", "stdin"])
@pytest.mark.parametrize("extra", [True, False])
def test_fault_88_a_program_that_is_no_file(how, extra) -> None:
    """Its functions travel by value with the extra, else the error says so."""
    code = UNGUARDED.replace("EXECUTOR", "'processes'")
    if extra:
        pytest.importorskip("cloudpickle")
    else:
        code = "import sys; sys.modules['cloudpickle'] = None\n" + code
    done = python("-c", code) if how == "-c" else python("-", text=code)
    if extra:
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("done True") == 1
    else:
        assert done.returncode == 1
        assert "SerializationError" in done.stderr
        assert "which here is no file" in done.stderr
        assert "syncra[processes]" in done.stderr


def test_fault_88_a_script_that_cannot_be_imported_twice(tmp_path) -> None:
    """The error of the import is the cause of the error of the task."""
    code = UNGUARDED.replace("EXECUTOR", "'processes'")
    script = tmp_path / "etl.py"
    script.write_text(f"open({str(tmp_path / 'lock')!r}, 'x')\n{code}")
    done = python(str(script))
    assert done.returncode == 1
    assert "FileExistsError" in done.stderr
    assert "SerializationError: an argument of task 'total'" in done.stderr
