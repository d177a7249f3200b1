"""What a reader of the tutorial does: files saved and changed, commands run."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import syncra

#: Where the tutorial says that its reader is.
HOME = "/home/ada/weather"
BLOCK = re.compile(
    r"^```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$",
    re.M | re.S,
)
COMMAND = re.compile(r"^\$ (?P<line>.+)\n(?P<output>(?:(?!\$ ).*\n)*)", re.M)
#: Lines of tracebacks that are not about the reader's files.
OUR_FRAMES = re.compile(r'(  File "(?!/home/ada)[^"]+", line .*\n(    .*\n)*)+')
#: Commands that make the environment, which a test has already.
OF_THE_ENVIRONMENT = ("python3 -m venv", "source ", "pip install")
PYTHON = (sys.executable, "-W", "error")
MASKS = (
    (re.compile(r"\b\d+(\.\d+)? (us|ms|s)\b"), "0.1 s"),
    (re.compile(r"in \d+ min \d+(\.\d+)? sec"), "in 0 min 0.0 sec"),
    (re.compile(r"^ *[~^]+\n", re.M), ""),  # places within lines, which differ
    (re.compile(r"\d{4}-\d\d-\d\d [\d:.+]+"), "DATE"),
    (re.compile(r" +"), " "),  # columns are as wide as times
)


def masked(text: str) -> str:
    """Return what a command prints without what differs from run to run."""
    for pattern, mask in MASKS:
        text = pattern.sub(mask, text)
    lines = [line.strip() for line in text.strip().split("\n")]
    # What is written to a log at once is written in any order.
    return "\n".join(sorted(lines) if lines[0].startswith("DATE") else lines)


def changed(source: str, block: str) -> str:
    """Return a module as a reader changes it who is shown a block.

    Imports go to the top, a definition takes the place of that of the same name. What
    is new goes above the next one that is not, or to the end.
    """
    new = pieces(block)
    for number, piece in enumerate(new):
        there = {name_of(old): old for old in pieces(source)}
        if piece in there.values():
            continue

        name = name_of(piece)
        if name in there:
            source = source.replace(there[name], piece)
        elif piece.startswith(("import ", "from ")):
            source = with_import(source, piece)
        else:
            names = (name_of(other) for other in new[number:])
            below = [there[name] for name in names if name in there]
            if below:
                source = source.replace(below[0], f"{piece}\n\n\n{below[0]}", 1)
            else:
                source = f"{source.rstrip()}\n\n\n{piece}\n"
    return source


def pieces(source: str) -> list[str]:
    """Return the text of each statement of a module, with its decorators."""
    lines = source.splitlines()
    found = []
    for statement in ast.parse(source).body:
        decorators = getattr(statement, "decorator_list", [])
        first = min([statement.lineno, *(part.lineno for part in decorators)])
        found.append("\n".join(lines[first - 1 : statement.end_lineno]))
    return found


def name_of(piece: str) -> str:
    """Return what a statement defines, or from where it imports."""
    statement = ast.parse(piece).body[0]
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return name
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name
        case ast.ImportFrom(module=module):
            return f"from {module}"
        case _:
            return piece


def with_import(source: str, line: str) -> str:
    """Return a module with one more import, in order of the alphabet."""
    there = [
        piece for piece in pieces(source) if piece.split()[0] in ("import", "from")
    ]
    alike = [other for other in there if is_standard(other) == is_standard(line)]
    key = line.startswith("from "), line
    before = [other for other in alike if (other.startswith("from "), other) < key]
    if before:
        return source.replace(before[-1], f"{before[-1]}\n{line}", 1)

    return source.replace(alike[0], f"{line}\n{alike[0]}", 1)


def is_standard(line: str) -> bool:
    """Return whether an import is of a module that comes with Python."""
    return line.split()[1] in sys.stdlib_module_names


def save(name: str, text: str, directory: Path) -> None:
    """Write the file of a block, or change the module that all pages work on."""
    path = directory / name
    if name == "weather.py" and path.exists():
        text = changed(path.read_text(encoding="utf-8"), text)
    path.write_text(text, encoding="utf-8")


def output_of(line: str, directory: Path) -> str:
    """Return what a command of a page prints, wherever to."""
    program, *arguments = shlex.split(line)
    command = {
        "python": [*PYTHON, *arguments],
        "cat": ["cat", *arguments],
        "syncra": [*PYTHON, "-P", "-m", "syncra", *arguments],
    }[program]
    done = subprocess.run(
        command,
        cwd=directory,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(syncra.__file__).parents[1]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONIOENCODING": "utf-8",
            "PYTHONUNBUFFERED": "1",
            "COLUMNS": "80",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    printed = OUR_FRAMES.sub("  ...\n", done.stdout.replace(str(directory), HOME))
    return printed.rstrip() + "\n" if printed.strip() else ""
