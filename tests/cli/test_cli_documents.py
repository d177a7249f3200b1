"""Whatever `--help` and the page about the command line show is run."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_helpers import COMMAND, ENVIRONMENT, PROJECT, cli, copied

from syncra.cli._parser import make_parser

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
MASKS = (
    (re.compile(r" +\d+(\.\d+)? (us|ms|s)\b *"), " 0.1 ms "),
    (re.compile(r"in \d+ min \d+(\.\d+)? sec"), "in 0 min 0.0 sec"),
    (re.compile(r"^ *[~^]+\n", re.M), ""),  # places within lines, which differ
)


def examples_of_help() -> list[str]:
    """Return the commands that help pages show."""
    parser = make_parser()
    subs = next(
        action.choices
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    pages = [parser.format_help(), *(sub.format_help() for sub in subs.values())]
    return sorted(
        {line for page in pages for line in re.findall(r"^  (syncra .+)", page, re.M)}
    )


EXAMPLES = examples_of_help()


def test_there_are_examples_for_each_command() -> None:
    assert {line.split()[1] for line in EXAMPLES} == {
        *("run", "show", "check", "list", "plan"),
    }


def test_examples_of_help_work(tmp_path: Path) -> None:
    project = copied(tmp_path)
    wrong = {}
    for line in EXAMPLES:
        done = cli(*shlex.split(line)[1:], cwd=project)
        if done.returncode or "Traceback" in done.stderr:
            wrong[line] = done.stderr
    assert not wrong
    assert (project / "daily.json").is_file()


def masked(text: str) -> str:
    for pattern, mask in MASKS:
        text = pattern.sub(mask, text)
    return "\n".join(line.rstrip() for line in text.rstrip().split("\n"))


def test_the_page_shows_what_commands_really_print() -> None:
    """With SYNCRA_SCREENS=1 what they print is written into the page instead."""
    page = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"```console\n(\$ syncra [^\n>]+)\n(.*?)```", page, re.S)
    assert len(blocks) >= 7
    for line, shown in blocks:
        done = subprocess.run(
            [*COMMAND, *shlex.split(line)[2:]],
            cwd=PROJECT,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        printed = done.stdout.rstrip().replace(str(PROJECT), "/home/ada/project")
        if os.environ.get("SYNCRA_SCREENS"):
            page = page.replace(f"{line}\n{shown}```", f"{line}\n{printed}\n```")
            PAGE.write_text(page, encoding="utf-8")
        else:
            assert masked(printed) == masked(shown), line


def test_help_asks_for_no_more_than_it_needs() -> None:
    code = (
        "import sys; from syncra.cli import main; main(sys.argv[1:]); "
        "print(*sys.modules, file=sys.stderr)"
    )
    unwanted = {
        *("anyio", "asyncio", "inspect", "logging", "rich", "typing", "shutil"),
        *("syncra._graph", "syncra.errors", "importlib.util", "dataclasses"),
    }
    if sys.version_info >= (3, 14):  # the colours of argparse take these
        unwanted -= {"inspect", "dataclasses", "importlib.util"}
    for arguments in (["--help"], ["run", "--help"]):
        done = subprocess.run(
            [sys.executable, "-P", "-c", code, *arguments],
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        loaded = set(done.stderr.split())
        assert "argparse" in loaded
        assert not loaded & unwanted


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_commands_options_values_and_files(tmp_path: Path) -> None:
    pytest.importorskip("shtab", reason="makes the script")
    script = tmp_path / "completion.bash"
    script.write_text(cli("--print-completion", "bash").stdout, encoding="utf-8")
    tries = """
    source "$1"
    try() {
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
        _shtab_syncra syncra "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        echo "${COMPREPLY[*]}"
    }
    try syncra pl
    try syncra run et
    try syncra run etl.py --ex
    try syncra run etl.py --executor th
    try syncra run etl.py --inputs in
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", tries, "bash", str(script)],
        cwd=PROJECT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout.split() == [
        *("plan", "etl.py", "--executor", "threads", "inputs.json"),
    ]
    assert done.stderr == ""


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_other_shells_have_a_script_too(shell: str) -> None:
    pytest.importorskip("shtab", reason="makes the script")
    done = cli("--print-completion", shell)

    assert done.returncode == 0
    assert "--on-error" in done.stdout
