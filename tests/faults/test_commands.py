"""Faults 113 to 118 and 139: commands as tasks."""

from __future__ import annotations

import gc
import json
import logging
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import traceback
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest
import trio
from conftest import awaited, blocking, with_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_signals import Script
from tests_helpers import in_a_script

from syncra import CommandResult, Graph, Retry, State, _command, _process
from syncra._placeholders import Template, check_for_shell
from syncra.errors import CommandFailed, TaskTimeout
from syncra.executors import Coroutines

#: A generous bound for what takes a second or two.
BOUND = 15.0


@pytest.fixture
def bounded() -> Iterator[None]:
    """Fail a test in which the caller was not free in time."""
    start = time.monotonic()
    yield
    assert time.monotonic() - start < BOUND


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def assert_gone(*pids: int) -> None:
    """Fail if a process is alive; one that has just been killed needs a moment."""
    deadline = time.monotonic() + 5
    while not all(map(is_gone, pids)):
        assert time.monotonic() < deadline, f"alive: {pids}"
        time.sleep(0.005)


def pids_in(path: Path) -> list[int]:
    """Return the process ids that a command has written into a file."""
    return [int(word) for word in path.read_text().split()]


# 113: injection.

HOSTILE = [
    "; touch {canary}",
    "$(touch {canary})",
    "`touch {canary}`",
    "| touch {canary}",
    "|| touch {canary}",
    "&& touch {canary}",
    "& touch {canary} &",
    "\ntouch {canary}\n",
    "'; touch {canary}; '",
    '"; touch {canary}; "',
    "\\'; touch {canary}; \\'",
    "> {canary}",
    "\r\ntouch {canary}",
    "# touch {canary}",
    "${{IFS}}touch {canary}",
    "!touch {canary}",
    "{{name}} {{0}} {{}}",
    "* ? [a-z] ~ ~root {{a,b}}",
    "-rf",
    "--help",
    "-",
    "",
    " ",
    "two  words\tand\ttabs",
    "$HOME %s %d \\n \\x41",
    "Grüße \N{SNOWMAN} \udcff",
    "\x1b[31mred",
    "trailing newline\n\n",
]


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """Give a file that must not come to be."""
    path = tmp_path / "canary"
    yield path
    assert not path.exists()


@pytest.mark.parametrize("hostile", HOSTILE)
def test_fault_113_a_value_is_one_argument(canary: Path, hostile: str) -> None:
    """Through both doors it arrives as it is, and nothing else is run."""
    value = hostile.format(canary=canary)
    graph = Graph("g")
    graph.command(["printf", "%s|", "{value}", "a{value}b"], name="list", text=False)
    graph.shell(
        "printf '%s|' {value} a{value}b; V={value}; printf '%s' \"$V\" | cat",
        name="shell",
        text=False,
    )
    graph.shell('printf %s "$V"', name="env", env={"V": "{value}"}, text=False)
    graph.command(["cat"], name="input", input="{value}", text=False)
    run = graph(value=value)
    raw = os.fsencode(value)
    assert run["list"].stdout == b"%b|a%bb|" % (raw, raw)
    assert run["shell"].stdout == b"%b|a%bb|%b" % (raw, raw, raw)
    assert run["env"].stdout == run["input"].stdout == raw


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_fault_113_any_value(value: str) -> None:
    """Whatever it is made of."""
    graph = Graph("g")
    graph.shell("printf '%s|' {value} | cat", name="shell", text=False)
    assert graph(value=value)["shell"].stdout == value.encode() + b"|"


REFUSED = {
    "'{x}'": "Drop the quotes",
    'echo "Hello {x}"': "Drop the quotes",
    "echo 'it'\\''s {x}'": "Drop the quotes",
    'echo "a\\"{x}"': "Drop the quotes",
    'echo "$(echo {x})"': "Drop the quotes",
    'echo "$(echo "{x}")"': "quotes within quotes",
    "echo `echo {x}`": "comes after '`'",
    "echo ${x}": r"Write \$\{\{",
    "echo \\{x}": "backslash",
    "echo # {x}": "comment",
    "echo # it's\necho '{x}'": "Drop the quotes",
    "cat <<EOF\n{x}\nEOF": "comes after '<<'",
    'echo "`date`" {x}': "comes after '`'",
    "echo $(({x} + 1))": r"comes after '\(\('",
    "echo ${{y:-{x}}}": r"comes after '\$\{'",
    "echo $'a\\'b' '{x}'": r"comes after \"\$'\"|Drop the quotes",
}

ACCEPTED = [
    "cat {x}|sort>{x}",
    "cat 'a file' {x} \"another one\"",
    'cp "${{HOME}}/a" {x}',
    "cp ${{HOME}}/a {x}",
    "a#b {x}",
    'x=$(cat {x}); echo "$x"',
    "awk '{{print $1}}' {x}",
    "echo it\\'s {x}",
    "# a comment, isn't it?\necho {x}",
    "if [ -f {x} ]; then rm -- {x}; fi",
    "echo $$ $# {x}",
]


@pytest.mark.parametrize("text", REFUSED)
def test_fault_113_no_placeholder_where_quotes_do_not_hold(text: str) -> None:
    """It is refused when declared, and the message offers a way that is safe."""
    graph = Graph("g")
    with pytest.raises(ValueError, match=REFUSED[text]) as caught:
        graph.shell(text)
    assert 'env={"VALUE": "{x}"}' in str(caught.value)
    assert len(graph) == 0


@pytest.mark.parametrize("text", ACCEPTED)
def test_fault_113_placeholders_where_quotes_hold(text: str) -> None:
    graph = Graph("g")
    graph.shell(text, name="line")
    assert list(graph.inputs) == ["x"]


PIECES = ["'", '"', "\\", "$", "(", ")", "{{", "}}", "`", "#", "\n", " ", ";", "|"]
PIECES += ["<<", "a", "echo ", "$(", "${{", "((", "$'", "=", "{x}", "{x}", "{x}"]
BREAKS_OUT = ["$(touch {c})", "';touch {c};'", "\ntouch {c}\n", "\\';touch {c};\\'"]


@pytest.mark.one_python
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(PIECES), max_size=12), st.sampled_from(BREAKS_OUT))
def test_fault_113_no_accepted_text_lets_a_value_out(
    pieces: list[str], value: str
) -> None:
    """Random texts, as the shell itself reads them."""
    try:
        template = Template("".join(pieces), "text")
        check_for_shell(template, "text")
    except ValueError:
        return

    if not template.names:
        return

    with tempfile.TemporaryDirectory() as directory:
        canary = Path(directory, "canary")
        text = template.fill({"x": value.format(c=canary)}, shlex.quote)
        subprocess.run(
            ["/bin/sh", "-c", text],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert not canary.exists(), text


def test_fault_113_a_text_is_no_list_and_a_list_no_text() -> None:
    """The two doors do not lead to one another."""
    graph = Graph("g")
    with pytest.raises(TypeError, match=r"graph.shell"):
        graph.command("rm -rf {x}")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"graph.command"):
        graph.shell(["rm", "{x}"])  # type: ignore[call-overload]


def test_fault_113_the_shell_takes_no_options_from_a_value() -> None:
    """A text that begins with a dash is still a text."""
    graph = Graph("g")
    graph.shell("{program} hello", name="line", check=False)
    assert graph(program="-c")["line"].returncode == 127


# 114: children of commands.


@pytest.mark.usefixtures("bounded")
def test_fault_114_a_grandchild_keeps_the_pipe(run: Any, tmp_path: Path) -> None:
    """The command is over a second after it has ended; what stays behind is ended."""
    graph = Graph("g")
    graph.shell("sleep 60 & echo $! >{pids}; echo done", name="line")
    found = run(graph, {"pids": tmp_path / "pids"})
    result = found["line"]
    assert (result.returncode, result.stdout) == (0, "done\n")
    assert result.duration < 5 < BOUND
    assert_gone(*pids_in(tmp_path / "pids"))


@pytest.mark.usefixtures("bounded")
def test_fault_114_a_grandchild_that_goes_on_writing(tmp_path: Path) -> None:
    """Output without an end does not put off the end."""
    graph = Graph("g")
    graph.shell("yes & echo $! >{pids}", name="line", max_output=1000)
    result = graph(pids=tmp_path / "pids")["line"]
    assert result.stdout.endswith("y\ny\n")
    assert result.dropped > 1000
    assert_gone(*pids_in(tmp_path / "pids"))


@pytest.mark.usefixtures("bounded")
def test_fault_114_a_grandchild_in_a_session_of_its_own(tmp_path: Path) -> None:
    """It cannot be ended with the group, but does not hold up the command either."""
    graph = Graph("g")
    code = (
        "import os, sys, time\n"
        "os.setsid()\n"
        "open(sys.argv[1], 'w').write(str(os.getpid()))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    graph.shell(
        "{python} -c {code} {pids} & while ! [ -s {pids} ]; do sleep 0.01; done",
        name="line",
    )
    result = graph(python=sys.executable, code=code, pids=tmp_path / "pids")["line"]
    assert result.stdout in ("ready\n", "")
    (pid,) = pids_in(tmp_path / "pids")
    assert not is_gone(pid)
    os.kill(pid, signal.SIGKILL)
    assert_gone(pid)


@pytest.mark.usefixtures("bounded")
def test_fault_114_background_work_that_keeps_no_pipe_goes_on(tmp_path: Path) -> None:
    """A server that a command starts properly is left alone."""
    graph = Graph("g")
    graph.shell(
        "sleep 60 >/dev/null 2>&1 & echo $! >{pids}", name="line", timeout=BOUND
    )
    graph(pids=tmp_path / "pids")
    (pid,) = pids_in(tmp_path / "pids")
    assert not is_gone(pid)
    os.kill(pid, signal.SIGKILL)


GROUPS = {
    "a child": "sleep 60 & echo $! >>{pids}",
    "a child without pipes": "sleep 60 >/dev/null 2>&1 & echo $! >>{pids}",
    "a pipeline": "sleep 60 | sleep 60 & echo $! >>{pids}",
    "deaf": "trap '' TERM; (trap '' TERM; sleep 60) & echo $! >>{pids}",
}


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill what does not listen soon; tests with scripts have the real grace."""
    monkeypatch.setattr(_command, "GRACE", 0.2)


def check_the_end_of_a_group(run: Any, group: str, path: Path, **options: Any) -> None:
    """Run a command that outlives its limit, and look for all processes it was."""
    graph = Graph("g")
    graph.shell(
        f"{group}; echo $$ >>{{pids}}; echo partly; while :; do sleep 1; done",
        name="line",
        timeout=0.5,
    )
    found = run(graph, {"pids": path}, on_error="continue", **options)
    record = found.records["line"]
    assert record.state == State.FAILED
    assert isinstance(record.error, TaskTimeout)
    pids = pids_in(path)
    assert len(pids) == 2
    assert_gone(*pids)
    if not options:
        assert not record.abandoned
        # What it had to say until then is not lost.
        assert "partly" in (record.traceback or "")


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.usefixtures("bounded", "short_grace")
def test_fault_114_the_whole_group_ends_at_the_limit(
    tmp_path: Path, group: str
) -> None:
    """Also those of it that do not listen."""
    check_the_end_of_a_group(Graph.run, GROUPS[group], tmp_path / "pids")


@pytest.mark.usefixtures("bounded", "short_grace")
def test_fault_114_a_deaf_group_under_every_executor(run: Any, tmp_path: Path) -> None:
    check_the_end_of_a_group(run, GROUPS["deaf"], tmp_path / "pids")


ON_LOOPS = {
    "own loop": blocking(Coroutines()),
    "asyncio": awaited(with_asyncio, Coroutines()),
    "trio": awaited(trio.run, Coroutines()),
}


@pytest.mark.parametrize("options", [{}, {"grace": 0.05}])
@pytest.mark.parametrize("loop", ON_LOOPS)
@pytest.mark.usefixtures("bounded", "short_grace")
def test_fault_114_a_deaf_group_on_event_loops(
    loop: str, options: dict[str, float], tmp_path: Path
) -> None:
    """By its coroutine, and by that being closed by force."""
    group = GROUPS["deaf"]
    check_the_end_of_a_group(ON_LOOPS[loop], group, tmp_path / "pids", **options)


@pytest.mark.usefixtures("bounded", "short_grace")
def test_fault_114_no_grace_at_all(run: Any, tmp_path: Path) -> None:
    """A run that gives no grace leaves nothing behind either."""
    check_the_end_of_a_group(run, GROUPS["deaf"], tmp_path / "pids", grace=0)


@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.usefixtures("bounded")
def test_fault_114_where_the_system_tells_no_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, watched: bool
) -> None:
    """Without files for processes, and without a look that does not reap."""
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    if not watched:
        monkeypatch.delattr(os, "waitid")
    graph = Graph("g")
    graph.shell("sleep 60 & echo $! >{pids}; cat; exit 3", input="given", name="line")
    with pytest.raises(CommandFailed) as caught:
        graph(pids=tmp_path / "pids")
    assert caught.value.result.returncode == 3
    assert caught.value.result.stdout == "given"
    assert_gone(*pids_in(tmp_path / "pids"))


@pytest.mark.usefixtures("bounded")
def test_fault_114_where_pipes_cannot_be_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As on Windows: a thread for each pipe."""
    monkeypatch.setattr(
        _process.Process, "_follow", _process.Process._follow_in_threads
    )
    graph = Graph("g")
    graph.shell("sleep 60 & echo $! >{pids}; cat; echo e >&2", input="given", name="a")
    graph.command(["sleep", "60"], name="b", timeout=0.2)
    found = graph.run({"pids": tmp_path / "pids"}, on_error="continue")
    assert (found["a"].stdout, found["a"].stderr) == ("given", "e\n")
    assert isinstance(found.errors["b"], TaskTimeout)
    assert_gone(*pids_in(tmp_path / "pids"))


CTRL_C = {
    "sequential": 'options = {"executor": "sequential"}',
    "threads": 'options = {"executor": "threads"}',
    "auto": "options = {}",
    "loop": 'from syncra import Coroutines\noptions = {"executor": Coroutines()}',
    "short grace": 'options = {"grace": 0.1}',
    "short grace, private loop": 'options = {"grace": 0.1, "executor": "sequential"}',
}


@pytest.mark.parametrize("kind", CTRL_C)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_fault_114_ctrl_c_ends_the_group(
    kind: str, number: int, tmp_path: Path
) -> None:
    """A session of its own does not get it; the run passes it on, to the deaf too."""
    script = Script(
        CTRL_C[kind],
        f"""
    graph.shell(
        "trap '' TERM; sleep 60 & echo $! $$ >{tmp_path}/pids; echo ready; "
        "while :; do sleep 1; done",
        name="line",
        capture_output=False,
    )
    graph.run(**options)
    """,
    )
    code, _, err = script.wait_for("ready").send(number).finish()
    assert code == (-signal.SIGINT if number == signal.SIGINT else 128 + number), err
    assert script.took < BOUND
    assert_gone(*pids_in(tmp_path / "pids"))


@pytest.mark.parametrize("call", ["asyncio.run(main())", "trio.run(main)"])
@pytest.mark.parametrize("executor", ["'auto'", "Coroutines()"])
def test_fault_114_ctrl_c_in_an_awaited_run(
    call: str, executor: str, tmp_path: Path
) -> None:
    """The loop cancels whoever awaits the run, and that the run."""
    script = Script(
        f"""
    import trio
    from syncra import Coroutines
    graph.shell(
        "trap '' TERM; sleep 60 & echo $! $$ >{tmp_path}/pids; echo ready; "
        "while :; do sleep 1; done",
        name="line",
        capture_output=False,
    )

    async def main():
        await graph.arun(executor={executor})

    {call}
    """
    )
    code, _, err = script.wait_for("ready").send(signal.SIGINT).finish()
    assert code == -signal.SIGINT, err
    assert script.took < BOUND
    assert_gone(*pids_in(tmp_path / "pids"))


@pytest.mark.parametrize("how", ["graph.start()", "graph.start(grace=0.1)"])
def test_fault_114_the_program_ends_with_a_command_in_the_background(
    how: str, tmp_path: Path
) -> None:
    """The run is cancelled in good order, and the group is gone."""
    script = Script(
        f"""
    from pathlib import Path
    pids = Path({str(tmp_path / "pids")!r})
    graph.shell(
        "trap '' TERM; sleep 60 & echo $! $$ >{tmp_path}/new; "
        "mv {tmp_path}/new {tmp_path}/pids; while :; do sleep 1; done",
        name="line",
    )
    run = {how}
    while not pids.exists():
        time.sleep(0.005)
    say("ready")
    """
    )
    code, _, err = script.wait_for("ready").send(0).finish()
    assert code == 0, err
    assert "going on in the background" in err
    assert script.took < BOUND
    assert_gone(*pids_in(tmp_path / "pids"))


def test_fault_114_a_fork_does_not_end_the_commands_of_its_parent(
    tmp_path: Path,
) -> None:
    """The exit handlers of a child made by fork know nothing of them."""
    script = Script(
        f"""
    import os, warnings
    warnings.simplefilter("ignore")
    graph.shell("echo up; while [ ! -e {tmp_path}/go ]; do sleep 0.01; done; echo end",
                name="line")
    run = graph.start()
    from syncra._children import living
    while not living:
        time.sleep(0.005)
    if os.fork() == 0:
        sys.exit(0)
    os.wait()
    open("{tmp_path}/go", "w").close()
    run.wait()
    say(run["line"].stdout)
    """
    )
    code, out, err = script.finish()
    assert code == 0, err
    assert "end" in out


# 115: much output.

FLOOD = """
    import resource
    from syncra import Graph

    graph = Graph("g")
    graph.command(["true"], name="first")
    graph.shell(
        "head -c {half} /dev/zero & head -c {half} /dev/zero >&2 & wait; "
        "printf 'the end'; printf 'the other end' >&2",
        name="flood",
    )
    graph.run(targets=["first"])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = graph.run(targets=["flood"])["flood"]
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert result.stdout.endswith("\\0the end"), result
    assert result.stderr.endswith("\\0the other end"), result
    assert result.stdout.startswith("[... "), result
    assert result.dropped + 2 * 2**20 == {half} + len("the end"), result.dropped
    assert len(result.stdout) < 2 * 2**20 + 100
    print((after - before) // 1024)
"""


@pytest.mark.usefixtures("bounded")
def test_fault_115_a_gigabyte_on_two_endless_lines() -> None:
    """Memory is bounded, both streams are read at once, the tail is kept."""
    code = textwrap.dedent(FLOOD).replace("{half}", str(500_000_000))
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert int(found.stdout) <= 16


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=20)), st.integers(0, 40) | st.none())
def test_fault_115_the_tail_is_the_tail(pieces: list[bytes], limit: int | None) -> None:
    """However the output comes in."""
    tail = _process.Tail(limit)
    for piece in pieces:
        tail.add(piece)
    whole = b"".join(pieces)
    kept = tail.take()
    assert kept == whole[len(whole) - len(kept) :]
    assert len(kept) == (len(whole) if limit is None else min(limit, len(whole)))
    assert tail.dropped == len(whole) - len(kept)


@pytest.mark.parametrize("limit", [0, 1, 10, 1000, None])
def test_fault_115_the_limit(run: Any, limit: int | None) -> None:
    """What is cut is said, and how much it was; what is not is untouched."""
    graph = Graph("g")
    graph.command(["printf", "%0100d", "7"], name="line", max_output=limit)
    result = run(graph)["line"]
    whole = "7".rjust(100, "0")
    if limit is None or limit >= 100:
        assert (result.stdout, result.dropped) == (whole, 0)
    else:
        tail = whole[100 - limit :]
        assert result.stdout == f"[... {100 - limit} bytes cut ...]\n{tail}"
        assert result.dropped == 100 - limit


def test_fault_115_output_that_was_cut_is_not_passed_on() -> None:
    """Half a list of files is not a list of files."""
    graph = Graph("g")
    graph.command(["printf", "%0100d", "7"], name="files", max_output=10)
    graph.command(["echo", "{files}"], dependencies="files")
    graph.command(["true"], name="silent", capture_output=False)
    graph.command(["echo", "{silent}"], name="echo2", dependencies="silent")
    found = graph.run(on_error="continue")
    with pytest.raises(ValueError, match=r"was cut\. Raise max_output="):
        found["echo"]
    with pytest.raises(ValueError, match="not captured"):
        found["echo2"]


def test_fault_115_a_file_instead_of_memory(run: Any, tmp_path: Path) -> None:
    """Everything goes there, and the next command is given its path."""
    graph = Graph("g")
    graph.shell(
        "head -c 3000000 /dev/zero; echo error >&2",
        name="dump",
        stdout_file="{directory}/{kind}.bin",
        stderr_file="{directory}/{kind}.bin",
    )
    graph.command(["wc", "-c", "{dump}"], dependencies="dump")
    found = run(graph, {"directory": tmp_path, "kind": "both"})
    path = tmp_path / "both.bin"
    assert found["dump"].stdout_file == str(path)
    assert found["dump"].stdout == found["dump"].stderr == ""
    assert found["wc"].stdout.split() == ["3000006", str(path)]


# 116: output that is no text.


def test_fault_116_random_bytes(run: Any) -> None:
    """What is not UTF-8 is replaced; NUL and escape sequences stay."""
    raw = bytes(range(256)) * 300
    graph = Graph("g")
    graph.command(["cat"], input=raw, name="text")
    graph.command(["cat"], input=raw, name="bytes", text=False)
    graph.command(["printf", r"a\0b\033[31mred\033[0m\r\n"], name="escapes")
    found = run(graph)
    assert found["text"].stdout == raw.decode(errors="replace")
    assert found["bytes"].stdout == raw
    assert found["escapes"].stdout == "a\0b\x1b[31mred\x1b[0m\r\n"


def test_fault_116_messages_hold_nothing_that_moves_a_cursor() -> None:
    """The result has it all; what is shown in a terminal does not."""
    graph = Graph("g")
    graph.shell(
        r"printf 'a\033[31mb\033]0;title\007c\000\010\377\n\n  last\r\n' >&2; exit 7",
        name="line",
    )
    with pytest.raises(CommandFailed) as caught:
        graph()
    text = str(caught.value)
    assert text.endswith(
        "exited with 7; the end of its stderr:\nabc\N{REPLACEMENT CHARACTER}\n  last"
    )
    assert "\x1b" in caught.value.result.stderr


# 117: how commands fail.


def test_fault_117_there_is_nothing_to_read(run: Any) -> None:
    """Nobody waits for a keyboard."""
    graph = Graph("g")
    graph.command(["cat"])
    graph.shell("read line || echo nothing", name="read")
    found = run(graph)
    assert found["cat"].stdout == ""
    assert found["read"].stdout == "nothing\n"


@pytest.mark.parametrize("size", [0, 1, 65536, 1_000_000])
def test_fault_117_input_is_read_as_it_is_wanted(size: int) -> None:
    """Whole, in part or not at all: no deadlock and no broken pipe."""
    raw = b"x" * size
    graph = Graph("g")
    graph.command(["cat"], input=raw, name="whole")
    graph.command(["head", "-c", "10"], input=raw, name="part")
    graph.command(["true"], input=raw, name="none")
    graph.shell("exec <&-; sleep 0.05", input=raw, name="closed")
    graph.shell("sleep 5 >/dev/null 2>&1 & exit", input=raw, name="child")
    found = graph()
    assert found["whole"].stdout == "x" * size
    assert found["part"].stdout == "x" * min(size, 10)
    assert found["none"].returncode == found["closed"].returncode == 0
    assert found["child"].duration < 4


def test_fault_117_a_program_that_wants_a_terminal(run: Any) -> None:
    """There is none to be opened."""
    graph = Graph("g")
    graph.shell("exec </dev/tty", name="line", check=False)
    assert run(graph)["line"].returncode != 0


FAILS: dict[str, tuple[Any, int, str]] = {
    "missing": (["no-such-program"], 127, "started: No such file.*'no-such-program'"),
    "missing path": (["/no/such/program"], 127, "started: No such file"),
    "empty": (["{nothing}"], 126, "could not be started"),
    "not executable": ([__file__], 126, "started: Permission denied"),
    "a directory": (["/tmp"], 126, "started: Permission denied"),
    "NUL": (["echo", "a{nul}b"], 126, "embedded null byte"),
    "too long": (["echo", "{long}"], 126, "Argument list too long"),
    "exit code": (
        ["sh", "-c", "echo out; exit 3"],
        3,
        "exited with 3; the.*stdout:\nout",
    ),
    "SIGKILL": (["sh", "-c", "kill -9 $$"], -9, "was killed by SIGKILL"),
    "SIGSEGV": (["sh", "-c", "kill -SEGV $$"], -11, "was killed by SIGSEGV"),
    "signal without a name": (
        ["sh", "-c", "kill -40 $$"],
        -40,
        "by signal 40|by SIGRT",
    ),
    "in a shell": (
        "no-such-program",
        127,
        "exited with 127; the.*stderr:\n.*not found",
    ),
    "in a shell, killed": ("kill -TERM $$", -15, "was killed by SIGTERM"),
}


@pytest.mark.parametrize("kind", FAILS)
def test_fault_117_how_it_ended_is_said(kind: str) -> None:
    """`CommandFailed` with the reason in words, and the result with all of it."""
    command, code, text = FAILS[kind]
    values = {"nothing": "", "nul": "\0", "long": "x" * 3_000_000}
    graph = Graph("g")
    add = graph.shell if isinstance(command, str) else graph.command
    add(command, name="line", env={"LC_ALL": "C"})  # type: ignore[operator]
    add(command, name="unchecked", check=False)  # type: ignore[operator]
    inputs = {name: values[name] for name in graph.inputs}
    found = graph.run(inputs, on_error="continue")
    error = found.errors["line"]
    assert isinstance(error, CommandFailed)
    assert isinstance(error.result, CommandResult)
    assert error.result.returncode == code
    assert error.task == "line"
    with pytest.raises(CommandFailed, match=f"(?s)^task 'line': command `.*{text}"):
        raise error
    if "started" in text:
        assert isinstance(error.__cause__, OSError)
        assert isinstance(found.errors["unchecked"], CommandFailed)
    elif code != 126:
        assert found["unchecked"].returncode == code


def test_fault_117_a_bad_directory_and_a_bad_file(tmp_path: Path) -> None:
    """It is said which of the paths it was."""
    graph = Graph("g")
    graph.command(["true"], cwd="{path}", name="cwd")
    graph.command(["true"], stdout_file="{path}/out", name="file")
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    graph.command([script])
    found = graph.run({"path": tmp_path / "nowhere"}, on_error="continue")
    for name, code, text in (
        ("cwd", 126, "nowhere' (its cwd)"),
        ("file", 126, "nowhere/out' for its output"),
        ("script", 127, "script'"),
    ):
        error = found.errors[name]
        assert isinstance(error, CommandFailed)
        assert error.result.returncode == code
        assert str(error).endswith(text)
        assert isinstance(error.__cause__, FileNotFoundError)


@pytest.mark.parametrize("executor", ["auto", "sequential", Coroutines()], ids=str)
@pytest.mark.parametrize("command", ["exit 3", "echo x; exit 3", "kill -9 $$"])
def test_fault_117_a_failure_is_freed_at_once(executor: Any, command: str) -> None:
    """With the megabytes of output that it may hold, and without a collector."""
    graph = Graph("g")
    graph.shell(command, name="line")
    graph.command(["no-such-program"])
    gc.disable()
    try:
        found = graph.run(executor=executor, on_error="continue")
        errors = [weakref.ref(error) for error in found.errors.values()]
        assert len(errors) == 2
        del found
        if not getattr(sys, "_is_gil_enabled", lambda: True)():
            gc.collect()  # without the GIL some counts are left to the collector
        deadline = time.monotonic() + 5
        while any(error() is not None for error in errors):
            # A thread that has just ended its job may still hold it.
            assert time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        gc.enable()


# 118: secrets.

SECRET = "hunter2 & 'co'"
TOKEN = "t0ken-9f8e7d"


def outputs_of(run: Any) -> str:
    """Return everything that can be seen of a run, as one text."""
    seen: list[object] = [run, repr(run), run.report().to_json(), str(run.report())]
    for record in run.records.values():
        seen += [record, record.why, record.traceback, record.warning]
        for error in (record.error, *(attempt.error for attempt in record.attempts)):
            link = error
            while link is not None:
                seen += [
                    str(link),
                    repr(link),
                    link.args,
                    getattr(link, "__notes__", 0),
                ]
                seen += [vars(link), *traceback.format_exception(link)]
                link = link.__cause__ or link.__context__
            result = getattr(error, "result", None)
            if result is not None:
                seen += [getattr(result, name) for name in result.__slots__]
    for result in run.values():
        seen += [repr(result), *(getattr(result, name) for name in result.__slots__)]
    return "\n".join(map(str, seen))


@pytest.mark.parametrize("redact", [SECRET, ["{secret}", "{token}"]])
def test_fault_118_secrets_by_one_text_or_by_placeholders(
    redact: Any, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    check_that_secrets_are_nowhere(Graph.run, redact, caplog, tmp_path)


def test_fault_118_a_secret_is_nowhere(
    run: Any, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    check_that_secrets_are_nowhere(run, [SECRET, TOKEN], caplog, tmp_path)


def check_that_secrets_are_nowhere(
    run: Any, redact: Any, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Have them in argv, env, input, output and paths, and look at all that is seen."""
    caplog.set_level(logging.DEBUG)
    graph = Graph("g")
    options: dict[str, Any] = {"redact": redact, "retry": Retry(2, backoff=0)}
    dump = "printf '%s\\n' {secret} {token}; env; cat >&2"
    env = {"A": "{secret}", "B": "{token}"}
    given = "{secret} {token}"
    for name, more in {
        "succeeds": "",
        "fails": "; exit 3",
        "killed": "; kill -9 $$",
        "times out": "; sleep 60",
    }.items():
        limit = 0.5 if name == "times out" else None
        graph.shell(
            dump + more, name=name, env=env, input=given, timeout=limit, **options
        )
    graph.command(["echo", "-{secret}-{token}-"], name="echo", **options)
    graph.command(["/no/{secret}{token}"], name="missing", **options)
    graph.command(["x{secret}", "{token}\0"], name="NUL", **options)
    graph.command(["ls", "{token}", "{secret}"], name="ls", **options)
    graph.command(
        ["echo"], cwd=f"{tmp_path}/{{secret}}{{token}}", name="cwd", **options
    )
    graph.command(["true"], stdout_file="/no/{secret}/{token}", name="file", **options)
    inputs = {"secret": SECRET, "token": TOKEN}
    found = run(graph, inputs, on_error="continue")
    states = {name: str(record.state) for name, record in found.records.items()}
    assert states == {
        **dict.fromkeys(graph, "failed"),
        "succeeds": "succeeded",
        "echo": "succeeded",
    }
    assert found["succeeds"].stdout.startswith("***\n")
    assert found["echo"].stdout[:5] == "-***-"
    seen = outputs_of(found) + caplog.text
    assert "hunter2" not in seen, seen[seen.index("hunter2") - 200 :][:400]
    assert json.dumps(SECRET)[1:-1] not in seen
    if len(redact) == 2:
        assert TOKEN not in seen


def test_fault_118_a_secret_where_output_is_cut() -> None:
    """No part of it stays at the place of the cut."""
    graph = Graph("g")
    for limit in range(30):
        graph.command(
            ["printf", "%s", f"xxxx{TOKEN}yyyy"],
            name=str(limit),
            redact=[TOKEN],
            max_output=limit,
        )
    for name, result in graph().items():
        shown = result.stdout.rpartition("\n")[2]
        assert shown in (
            "yyyy"[4 - min(int(name), 4) :],
            "yyyy",
            "***yyyy",
            "xxxx***yyyy"[-len(shown) :],
        )
        assert not any(TOKEN[-n:] in result.stdout for n in range(4, len(TOKEN)))


@pytest.mark.parametrize(
    ("secrets", "text", "shown"),
    [
        (["abc"], "xabcabcx", "x***x"),
        (["abc", "bcd"], "abcd", "***"),
        (["ab", "abcd"], "abcd", "***"),
        (["aa"], "aaaaa", "***"),
        (["ü"], "aüb", "a***b"),
        ([], "abc", "abc"),
        (["a.c"], "abc a.c", "abc ***"),
        (["\ud800", "b"], "abc", "a***c"),  # which no program can print
    ],
)
def test_fault_118_secrets_that_overlap(
    secrets: list[str], text: str, shown: str
) -> None:
    """No letter of one is left because another one was found first."""
    graph = Graph("g")
    graph.command(["printf", "%s", text], redact=secrets, name="line")
    result = graph()["line"]
    assert result.stdout == shown
    assert result.command == ("printf", "%s", shown)


@pytest.mark.parametrize(
    "spelled", [repr(SECRET), json.dumps(SECRET), shlex.quote(SECRET), quote(SECRET)]
)
def test_fault_118_a_secret_that_a_program_has_quoted(spelled: str) -> None:
    """As in a traceback of Python, in JSON, in the trace of a shell, in an address."""
    graph = Graph("g")
    graph.command(["cat"], input=spelled.encode(), redact=[SECRET])
    assert graph()["cat"].stdout.strip("'\"") == "***"


def test_fault_118_a_secret_in_pieces() -> None:
    """Taking escape sequences out of a message puts none together."""
    graph = Graph("g")
    graph.shell(r"printf 't0ken\033[1m-9f8e7d' >&2; false", name="line", redact=[TOKEN])
    with pytest.raises(CommandFailed) as caught:
        graph()
    assert TOKEN not in str(caught.value)


def test_fault_118_what_is_wrong_with_a_secret_does_not_show_it() -> None:
    graph = Graph("g")
    with pytest.raises(TypeError, match="redact= holds strings, got bytes") as caught:
        graph.command(["true"], redact=[b"hunter2"])  # type: ignore[list-item]
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ValueError, match="empty"):
        graph.command(["true"], redact=[""])


def test_fault_118_the_name_of_the_task_holds_none() -> None:
    graph = Graph("g")
    task = graph.command([f"/opt/{TOKEN}/x{TOKEN}"], redact=[TOKEN])
    assert task.name == "command"


def test_records_of_failed_commands_are_as_those_of_functions(run: Any) -> None:
    """State, attempts and what was skipped because of it."""
    graph = Graph("g")
    graph.command(["false"], retry=Retry(3, backoff=0))
    graph.command(["true"], after="false")
    found = run(graph, on_error="continue")
    assert found.records["false"].state == State.FAILED
    assert len(found.records["false"].attempts) == 3
    assert found.records["true"].skipped_because == ("false",)


def test_fault_139_an_exit_code_that_is_lost_is_no_success() -> None:
    """Of a program that ignores SIGCHLD nobody learns how its children end."""
    told = in_a_script("""
import signal
from syncra import Graph

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
graph = Graph("g", on_error="continue")
graph.shell("exit 3", name="bad", check=False)
graph.shell("echo out; exit 3", name="checked")
run = graph.run(executor="sequential")
print(run["bad"].returncode)
error = run.records["checked"].error
print(type(error).__name__, error.result.returncode, error)
""")
    bad, error, *_ = told.splitlines()
    assert bad == "255"
    assert error.startswith("CommandFailed 255 task 'checked': command `echo out; exit")
    assert "how is not known: this program ignores SIGCHLD" in error


@pytest.mark.parametrize("start_method", ["fork", "forkserver", "spawn"])
def test_fault_139_workers_of_a_program_that_ignores_sigchld(start_method: str) -> None:
    """They work, and one that is killed is told from one that succeeds."""
    if start_method == "fork" and not getattr(sys, "_is_gil_enabled", lambda: True)():
        pytest.skip("refused without the GIL")
    told = in_a_script(f"""
import os, signal
from syncra import Graph, Processes

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
graph = Graph("g", on_error="continue", executor=Processes(1, {start_method!r}))
graph.add(os.getpid, name="fine")
graph.add(os._exit, name="dies", kwargs={{"status": 0}})
run = graph.run()
print(run.records["fine"].state, repr(run.records["dies"].error))
""")
    assert told.startswith("succeeded WorkerCrashed(")
