"""Every check of the project, each in an environment of its own.

`nox` runs the checks that a change has to pass; `nox -s NAME` runs one of them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "typing", "tests"]
# An interpreter that is not on the machine is no failure; it is printed below.
nox.options.error_on_missing_interpreters = False

NEWEST_FIRST = ("3.15", "3.14", "3.13t", "3.13", "3.12", "3.11")
PROJECT = nox.project.load_toml("pyproject.toml")


def interpreters() -> list[str]:
    """Return the supported Pythons that really run here, and print the others."""
    found = []
    for version in NEWEST_FIRST:
        if version == "{}.{}".format(*sys.version_info) or runs(version):
            found.append(version)
        else:
            print(f"noxfile: Python {version} is not here; its tests are skipped")
    return found


def runs(version: str) -> bool:
    """Return whether that Python is there: not a version manager's stub, not another.

    A free-threaded build also answers to the name without the "t".
    """
    path = shutil.which(f"python{version}")
    if path is None:
        return False

    code = "import sys; print('%d.%d' % sys.version_info[:2] + sys.abiflags)"
    found = subprocess.run(
        [path, "-c", code], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() == version


def dependencies(*groups: str) -> tuple[str, ...]:
    """Return the requirements of dependency groups."""
    return nox.project.dependency_groups(PROJECT, *groups)


PYTHONS = interpreters()


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format."""
    session.install(*dependencies("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def typing(session: nox.Session) -> None:
    """Check types, inside the package and as its users see them."""
    session.install("-e", ".", *dependencies("typing"), "nox")
    session.run("mypy")
    session.run("basedpyright")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests on every supported Python that is on the machine."""
    wanted = dependencies("tests")
    if str(session.python).endswith("t"):
        # These, or what they stand on, have no build without a GIL; tests are skipped.
        absent = ("jsonschema", "playwright", "pyyaml")
        wanted = tuple(need for need in wanted if not need.startswith(absent))
        wanted = (*wanted, "hypothesis<=6.155.7")
    session.install(".", *wanted)
    # Half of the time of the tests is waiting, so each core can do more than one.
    workers = ("-n", "logical", "--maxprocesses", "8")
    pytest = ("pytest", "-o", f"cache_dir=.pytest_cache/{session.python}")
    env = {"PYTHONFAULTHANDLER": "1"}
    if session.python != PYTHONS[-1]:
        env["SYNCRA_BROWSER"] = "0"  # a page does not depend on what has written it
    try:
        session.run(*pytest, *workers, *session.posargs, env=env)
    except CommandFailed:
        # Some tests give real processes little time to die. What has failed beside
        # others, on however busy a machine, has to pass alone.
        again = ("--last-failed", "--last-failed-no-failures=none", "-v")
        session.run(*pytest, *again, env=env)


@nox.session(python="3.11")
def clusters(session: nox.Session) -> None:
    """Run tasks on real clusters; on one Python only, since they take their time."""
    session.install(".", *dependencies("clusters"))
    for engine in ("dask", "ray"):
        files = (f"tests/test_{engine}.py", f"tests/test_{engine}_contract.py")
        session.run("pytest", *files, *session.posargs)


@nox.session
def pictures(session: nox.Session) -> None:
    """Make the pictures of the pages in docs/ from a real census; needs chromium."""
    session.install(".", *dependencies("pictures"))
    session.run("python", "docs/make_pictures.py", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Give 100,000 files of any content to what reads graphs from files."""
    session.install(".", *dependencies("tests"))
    unlimited = ("-o", "timeout=0", "-o", "faulthandler_timeout=0")
    pytest = ("pytest", "tests/test_files_fuzz.py", *unlimited)
    env = {"SYNCRA_FUZZ_INPUTS": "100000"}
    session.run(*pytest, *session.posargs, env=env)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure speed beside others; print a table, write JSON and draw a chart."""
    session.install(".", *dependencies("bench"))
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def instructions(session: nox.Session) -> None:
    """Count instructions of P1 to P3; fail if there are many more than written down."""
    session.install(".", *dependencies("bench"))
    session.run("python", "-m", "benchmarks.instructions", *session.posargs)
