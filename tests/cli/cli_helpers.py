"""Running the command line as users do: in a process, through pipes or a terminal."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import syncra

PROJECT = Path(__file__).parent / "project"
COMMAND = [sys.executable, "-P", "-m", "syncra"]
ENVIRONMENT = {
    "PATH": os.environ.get("PATH", ""),
    "HOME": os.environ.get("HOME", "/"),
    "PYTHONPATH": str(Path(syncra.__file__).parents[1]),
    "PYTHONDONTWRITEBYTECODE": "1",
    "LANG": "C.UTF-8",
    "TERM": "xterm-256color",
    # By these what measures coverage finds the processes of commands, too.
    **{name: value for name, value in os.environ.items() if "COVERAGE" in name},
}


def copied(directory: Path) -> Path:
    """Return a directory with the examples in it."""
    return Path(
        shutil.copytree(
            PROJECT,
            directory / "project",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    )


def cli(
    *arguments: str, cwd: Path = PROJECT, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command through pipes and return what became of it."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        env={**ENVIRONMENT, **environment},
        check=False,
    )


def started(*arguments: str, cwd: Path = PROJECT, **options: Any) -> Any:
    """Start a command and return its process."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        **options,
    )
