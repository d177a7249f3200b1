"""Commands as tasks: wiring, options, results, and how they stand in a run."""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import trio
from conftest import awaited, with_asyncio

from syncra import CommandResult, Context, Coroutines, Graph, State, Threads, task
from syncra.errors import (
    CommandFailed,
    DuplicateTaskError,
    InputError,
    SignatureError,
    TaskCancelled,
)


def test_a_command_is_a_task_like_any_other(run: Any) -> None:
    """Its placeholders are filled from dependencies, constants and inputs."""
    graph = Graph("g")
    name = graph.add(lambda: "world", name="name")
    greet = graph.command(
        ["echo", "{greeting}, {name}{mark}"],
        name="greet",
        dependencies=name,
        kwargs={"mark": "!"},
        tags=["loud"],
    )

    def count(greet: CommandResult, context: Context) -> int:
        return len(greet.stdout)

    graph.add(count, dependencies=greet)
    assert list(graph.inputs) == ["greeting"]
    assert graph.inputs["greeting"].tasks == ["greet"]
    found = run(graph, {"greeting": "Hello"})
    assert found[greet].stdout == "Hello, world!\n"
    assert found["count"] == 14
    assert greet.tags == {"loud"}
    assert greet.is_async


def test_dependencies_fill_placeholders_by_mapping_name_and_order() -> None:
    """By the rules that hold for the parameters of functions."""
    graph = Graph("g")
    graph.add(lambda: 1, name="one")
    graph.add(lambda: (2, 3), name="pair", outputs=("two", "three"))
    graph.command(["echo", "{x}"], name="mapped", dependencies={"x": "one"})
    graph.command(
        ["echo", "{two}", "{one}"], name="named", dependencies=["pair", "one"]
    )
    graph.command(
        ["echo", "{a}", "{b}"], name="ordered", dependencies=["one", "mapped"]
    )
    graph.command(["echo"], name="after", dependencies=["one", "pair"])
    graph.command(["echo", "{x}{x}"], name="twice", dependencies="one")
    found = graph()
    shown = {name: found[name].stdout.strip() for name in list(graph)[2:]}
    assert shown == {
        "mapped": "1",
        "named": "2 1",
        "ordered": "1 1",
        "after": "",
        "twice": "11",
    }


def test_values_become_texts() -> None:
    """Paths, bytes, numbers, and the output of other commands."""
    graph = Graph("g")
    graph.command(["printf", " a \\nb\\n\\n"], name="text")
    graph.command(["printf", "a\\r\\n"], name="data", text=False)
    graph.command(
        ["printf", "%s|", "{text}", "{data}", "{path}", "{raw}", "{number}", "{none}"],
        name="shown",
        dependencies=["text", "data"],
    )
    inputs = {"path": Path("a/b"), "raw": b"r\xff", "number": 1.5, "none": None}
    shown = graph(**inputs)["shown"]
    assert shown.command[2:] == (" a \nb", "a", "a/b", "r\udcff", "1.5", "None")
    assert shown.stdout == " a \nb|a|a/b|r\N{REPLACEMENT CHARACTER}|1.5|None|"


def test_any_name_can_be_a_placeholder(run: Any) -> None:
    """Those that Syncra itself has for something too."""
    graph = Graph("g")
    names = ["self", "values", "inputs", "name", "text", "input", "command", "größe"]
    graph.command(["echo", *(f"{{{name}}}" for name in names)])
    found = run(graph, {name: name.upper() for name in names})
    assert found["echo"].stdout.split() == [name.upper() for name in names]


def test_braces_and_paths_are_taken_as_they_are() -> None:
    """Doubled braces are braces; a path given as such has no placeholders."""
    graph = Graph("g")
    graph.command(["echo", "{{x}} {{{x}}} {{}}", Path("{y}")])
    result = graph(x=1)["echo"]
    assert result.stdout == "{x} {1} {} {y}\n"


@pytest.mark.parametrize(
    "bad",
    [
        *("{}", "{0}", "{x.y}", "{x[0]}", "{x!r}", "{x:>8}", "{x-y}", "{", "}", "{x"),
        *("{{x}", "{x}}", "{x y}", "{ x }", "{class}", '{"a": 1}'),
    ],
)
def test_a_placeholder_is_a_name(bad: str) -> None:
    """Everything else is refused when declared, wherever it stands."""
    graph = Graph("g")
    with pytest.raises(ValueError, match=r"a placeholder is a name in\s+braces"):
        graph.command(["echo", bad])
    with pytest.raises(ValueError, match=r"command 'n' holds .* Write \{\{ and \}\}"):
        graph.shell(f"echo {bad}", name="n")
    for option in ("cwd", "input", "stdout_file", "stderr_file"):
        with pytest.raises(ValueError, match=f"{option} holds"):
            graph.command(["echo"], **{option: bad})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"env\['A'\] holds"):
        graph.command(["echo"], env={"A": bad})
    assert len(graph) == 0


WRONG: dict[str, tuple[Any, dict[str, Any], type[Exception], str]] = {
    "text": ("ls -l", {}, TypeError, r"a list, .* got a str"),
    "nothing": ([], {}, ValueError, "an empty list is no command"),
    "number": (["sleep", 5], {}, TypeError, "argument 1 is a str or a path, got int"),
    "input": (["cat"], {"input": 5}, TypeError, "input is str or bytes, got int"),
    "cwd": (["ls"], {"cwd": 5}, TypeError, "cwd is a str or a path, got int"),
    "env": (["ls"], {"env": {"A": 5}}, TypeError, r"env\['A'\] is a str or a path"),
    "size": (["ls"], {"max_output": -1}, ValueError, "at least 0, got -1"),
    "bool": (["ls"], {"max_output": True}, TypeError, "a number of bytes, got True"),
    "option": (["ls"], {"cdw": "/"}, TypeError, "no option 'cdw'.*mean 'cwd'"),
    "outputs": (["ls"], {"outputs": ["a"]}, TypeError, "no option 'outputs'"),
    "timeout": (["ls"], {"timeout": -1}, ValueError, "timeout"),
    "kwargs": (["ls"], {"kwargs": {1: 2}}, TypeError, "kwargs"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_said_when_declared(kind: str) -> None:
    arguments, options, error, text = WRONG[kind]
    graph = Graph("g")
    with pytest.raises(error, match=f"(?s){text}"):
        graph.command(arguments, name="n", **options)
    assert len(graph) == 0


def test_mistakes_in_wiring_name_the_line_of_the_command() -> None:
    """Not a place within Syncra."""
    graph = Graph("g")
    graph.command(["echo", "{path}"], kwargs={"paht": 1})
    with pytest.raises(SignatureError, match=r"(?s)test_command_tasks.py:\d+.*'path'"):
        graph.check()
    graph = Graph("g")
    graph.command(["echo", "{path}"])
    with pytest.raises(InputError, match=r"test_command_tasks.py:\d+"):
        graph()
    with pytest.raises(InputError, match="'pat'"):
        graph(pat=1, path=2)
    with pytest.raises(DuplicateTaskError, match=r"name=") as caught:
        graph.command(["echo"])
    first, second = caught.value.places
    assert first != second
    assert {first.rpartition(":")[0], second.rpartition(":")[0]} == {__file__}
    assert graph["echo"].place == first


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["git", "clone"], "git"),
        (["/usr/bin/git"], "git"),
        ([Path("/usr/bin/env")], "env"),
        (["{program}"], "command"),
        (["./my tool"], "my tool"),
        ("sort {x} | uniq", "sort"),
        ("  ls;pwd", "shell"),
        ("{x} a", "shell"),
        ("", "shell"),
    ],
)
def test_a_task_is_named_after_its_program(command: Any, name: str) -> None:
    graph = Graph("g")
    add: Any = graph.shell if isinstance(command, str) else graph.command
    assert add(command).name == name
    assert add(command, name="other").name == "other"


def test_environment_and_directory(run: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """Of the moment it runs; changed, extended, and with less in it."""
    graph = Graph("g")
    graph.shell(
        'echo "$KEPT $CHANGED $NEW ${{GONE-gone}}"; pwd',
        name="line",
        env={"CHANGED": "{value}", "NEW": Path("{a}"), "GONE": None, "NOT_THERE": None},
        cwd="{directory}",
    )
    monkeypatch.setenv("KEPT", "kept")
    monkeypatch.setenv("CHANGED", "before")
    monkeypatch.setenv("GONE", "still here")
    found = run(graph, {"value": "a  b", "directory": tmp_path})
    assert found["line"].stdout == f"kept a  b {{a}} gone\n{tmp_path}\n"
    assert found["line"].cwd == str(tmp_path)
    assert "NEW" not in os.environ


def test_a_program_is_looked_up_in_the_path_it_is_given(tmp_path: Path) -> None:
    program = tmp_path / "hello"
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    graph = Graph("g")
    graph.command(["hello"], env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert graph()["hello"].stdout == "hello\n"


def test_check_and_capture(run: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """An exit code may be a result, and output may go where ours goes."""
    graph = Graph("g")
    graph.command(["false"], check=False)
    graph.shell("echo out; echo err >&2", name="line", capture_output=False)
    found = run(graph)
    assert found["false"].returncode == 1
    assert not found["line"].captured
    assert found["line"].stdout == found["line"].stderr == ""
    assert capfd.readouterr() == ("out\n", "err\n")


def test_the_result(tmp_path: Path) -> None:
    """It says what was run, travels, and is short to look at."""
    graph = Graph("g")
    line = graph.shell("printf '%s' {x}; exit 3", name="line", check=False)
    listed = graph.command(["printf", "%s", "{x}"], text=False, cwd=tmp_path)
    run = graph(x="a b" * 100)
    result = run[line]
    assert result.command == f"printf '%s' '{'a b' * 100}'; exit 3"
    assert (result.returncode, result.stderr) == (3, "")
    assert result.cwd == os.getcwd()
    assert 0 < result.duration < 30
    assert pickle.loads(pickle.dumps(result)) == result
    assert len(repr(result)) < 400
    assert repr(result).startswith("<CommandResult command=")
    assert run[listed].command == ("printf", "%s", "a b" * 100)
    assert run[listed].stdout == b"a b" * 100
    with pytest.raises(AttributeError):
        result.returncode = 0  # type: ignore[misc]
    assert not hasattr(result, "__dict__")


def test_a_failure_travels(run: Any) -> None:
    """It is raised as any error is, with its result, and can be pickled."""
    graph = Graph("g")
    graph.shell("echo why >&2; exit 3", name="line")
    with pytest.raises(CommandFailed, match="exited with 3") as caught:
        run(graph)
    error = caught.value
    assert error.__notes__ == ["raised by task 'line' of graph 'g'"]
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error)
    assert copy.result == error.result
    assert copy.result.stderr == "why\n"


def test_retry_and_timeout(run: Any, tmp_path: Path) -> None:
    """Each attempt is a process of its own."""
    graph = Graph("g")
    graph.shell(
        "echo x >>{file}; [ $(wc -l <{file}) = 3 ] || sleep 60",
        name="line",
        retry=3,
        timeout=0.4,
    )
    found = run(graph, {"file": tmp_path / "attempts"})
    assert len(found.records["line"].attempts) == 3
    assert found["line"].returncode == 0


@pytest.mark.shares_memory
def test_rollback(run: Any) -> None:
    """A command can be undone, and its failure undoes others."""
    undone = []
    graph = Graph("g", on_error="rollback")
    made = graph.command(["echo", "made"], name="made")

    @made.rollback
    def undo(result: CommandResult) -> None:
        undone.append(result.stdout)

    graph.command(["false"], after=made)
    with pytest.raises(CommandFailed):
        run(graph)
    assert undone == ["made\n"]


def test_a_failure_ends_the_other_commands(tmp_path: Path) -> None:
    """They are cancelled, and gone when the run is over."""
    graph = Graph("g")
    graph.shell("echo $$ >{pid}.new; mv {pid}.new {pid}; sleep 60", name="long")
    graph.shell("while [ ! -e {pid} ]; do sleep 0.01; done; exit 3", name="fails")
    path = tmp_path / "pid"
    with pytest.raises(CommandFailed, match="exited with 3"):
        graph(pid=path)
    with pytest.raises(ProcessLookupError):
        os.kill(int(path.read_text()), 0)


@pytest.mark.parametrize("executor", ["auto", "threads", "sequential"])
def test_cancel(executor: str, tmp_path: Path) -> None:
    """A command ends at once when its run is cancelled."""
    graph = Graph("g")
    graph.shell("echo $$ >{pid}.new; mv {pid}.new {pid}; sleep 60", name="line")
    path = tmp_path / "pid"
    run = graph.start({"pid": path}, executor=executor, on_error="continue")
    while not path.exists():
        assert not run.done
        run.wait(0.005)
    run.cancel()
    assert run.wait(10)
    assert run.records["line"].state == State.CANCELLED
    assert not run.records["line"].abandoned
    with pytest.raises(TaskCancelled):
        run["line"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(path.read_text()), 0)


def test_the_task_that_awaits_a_run_is_cancelled(tmp_path: Path) -> None:
    """The command ends with it."""
    graph = Graph("g")
    graph.shell("echo $$ >{pid}.new; mv {pid}.new {pid}; sleep 60", name="line")
    path = tmp_path / "pid"

    async def main() -> None:
        awaiting = asyncio.ensure_future(graph.arun({"pid": path}))
        while not path.exists():
            await asyncio.sleep(0.005)
        awaiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await awaiting

    asyncio.run(main())
    with pytest.raises(ProcessLookupError):
        os.kill(int(path.read_text()), 0)


def test_clean_up_and_alarm() -> None:
    """Triggers hold for commands too."""
    graph = Graph("g")
    graph.command(["false"])
    graph.command(["echo", "alarm"], name="a", after="false", trigger="any_failed")
    graph.command(["echo", "done"], name="d", after="false", trigger="all_done")
    found = graph.run(on_error="continue")
    assert (found["a"].stdout, found["d"].stdout) == ("alarm\n", "done\n")


def test_called_like_a_function() -> None:
    """In a unit test, without any graph run."""
    graph = Graph("g")
    echo = graph.command(["echo", "{x}"])
    assert asyncio.run(echo(x="called")).stdout == "called\n"
    with pytest.raises(TypeError, match="'x'"):
        asyncio.run(echo())
    with pytest.raises(TypeError, match="'y'"):
        asyncio.run(echo(x=1, y=2))
    assert echo.__name__ == "echo"


def test_overridden_nested_and_added_again() -> None:
    """What can be done with a task can be done with this one."""
    inner = Graph("inner")
    echo = inner.command(["echo", "{x}"])
    outer = Graph("outer")
    outer.add(inner, name="nested")
    again = outer.add(echo, name="again")
    run = outer(x="text")
    assert run["nested"]["echo"].stdout == run[again].stdout == "text\n"
    with inner.override({echo: lambda x: f"instead of {x}"}):
        assert inner(x="it")[echo] == "instead of it"  # type: ignore[comparison-overlap]
    assert pickle.loads(pickle.dumps(echo.function)).__name__ == "echo"


def test_many_commands_at_once(run: Any) -> None:
    """A hundred of them, each with its own output."""
    graph = Graph("g")
    for number in range(100):
        graph.shell(f"echo {number}; echo -{number} >&2", name=str(number))
    found = run(graph)
    for number in range(100):
        result = found[str(number)]
        assert (result.stdout, result.stderr) == (f"{number}\n", f"-{number}\n")


BOUNDS: dict[Any, int] = {"auto": Threads().max_workers, Threads(2): 2}


@pytest.mark.parametrize("executor", BOUNDS, ids=str)
def test_how_many_run_at_once_is_bounded(executor: Any, tmp_path: Path) -> None:
    """A thousand that are ready do not become a thousand processes."""
    graph = Graph("g", executor=executor)
    for number in range(3 * Threads().max_workers):
        graph.shell(
            "mkdir {dir}/$$; ls {dir} | wc -l; sleep 0.02; rmdir {dir}/$$",
            name=str(number),
            kwargs={"dir": tmp_path},
        )
    counts = [int(result.stdout) for result in graph().values()]
    assert 1 < max(counts) <= BOUNDS[executor]


@pytest.mark.parametrize("run_loop", [None, with_asyncio, trio.run])
def test_without_a_bound_on_the_event_loop(run_loop: Any, tmp_path: Path) -> None:
    """All at once, if that is asked for: here each waits for all the others."""
    graph = Graph("g", executor=Coroutines())
    for number in range(50):
        graph.shell(
            "mkdir {dir}/{n}; until [ $(ls {dir} | wc -l) = 50 ]; do sleep 0.01; done",
            name=str(number),
            kwargs={"dir": tmp_path, "n": number},
        )
    found = awaited(run_loop, Coroutines())(graph) if run_loop else graph()
    assert len(found) == 50
    assert {record.executor for record in found.records.values()} == {"coroutines"}


def test_commands_and_functions_in_one_graph(run: Any) -> None:
    """Neither waits for the other but for its dependencies."""
    graph = Graph("g")
    threads = []

    @task(graph=graph)
    def words() -> str:
        threads.append(threading.current_thread().name)
        return "b a c"

    @task(graph=graph, dependencies=words)
    async def upper(words: str) -> str:
        return words.upper()

    graph.command(["tr", " ", "\\n"], input="{upper}", dependencies=upper)
    graph.command(["sort"], input="{tr}", dependencies="tr")
    graph.add(lambda sort: sort.stdout.split(), name="list", dependencies="sort")
    assert run(graph)["list"] == ["A", "B", "C"]


def test_a_long_line_of_commands() -> None:
    """Each in the loop of the thread it comes from."""
    graph = Graph("g")
    previous: Any = ()
    for number in range(50):
        previous = graph.command(
            ["expr", "{n}", "+", "1"],
            name=str(number),
            dependencies={"n": previous} if previous else (),
            kwargs={} if previous else {"n": 0},
        )
    assert graph()[previous].stdout == "50\n"


def test_python_programs(run: Any) -> None:
    """What most will run."""
    graph = Graph("g")
    graph.command([sys.executable, "-c", "print(f'{{1 + 1}}')"], name="python")
    assert run(graph)["python"].stdout == "2\n"
