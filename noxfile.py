"""Every check of the project, each in an environment of its own.

`nox` runs the checks that a change has to pass; `nox -s NAME` runs one of them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "typing", "docs", "tests", "clusters"]
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
        absent = ("fastapi", "jsonschema", "playwright", "pyyaml")
        wanted = tuple(need for need in wanted if not need.startswith(absent))
        wanted = (*wanted, "hypothesis<=6.155.7")
    session.install(".", *wanted)
    # Half of the time of the tests is waiting, so each core can do more than one.
    workers = ("-n", "logical", "--maxprocesses", "8")
    chosen = () if session.python == PYTHONS[-1] else ("-m", "not one_python")
    run_tests(session, str(session.python), chosen, *workers, *session.posargs)


def run_tests(
    session: nox.Session, cache: str, chosen: tuple[str, ...], *arguments: str
) -> None:
    """Run the chosen tests, and what has failed once more."""
    pytest = ("pytest", "-o", f"cache_dir=.pytest_cache/{cache}", *chosen)
    env = {"PYTHONFAULTHANDLER": "1"}
    try:
        session.run(*pytest, *arguments, env=env)
    except CommandFailed:
        # Some tests give real processes little time to die. What has failed beside
        # others, on however busy a machine, has to pass alone.
        again = ("--last-failed", "--last-failed-no-failures=none", "-v")
        session.run(*pytest, *again, env=env)


#: Each engine in a process of its own.
ON_CLUSTERS = [
    ("tests/test_dask.py", "tests/test_dask_contract.py", "tests/test_dask_here.py"),
    ("tests/test_ray.py", "tests/test_ray_contract.py"),
]


@nox.session(python="3.11")
def clusters(session: nox.Session) -> None:
    """Run tasks on real clusters; on one Python only, since they take their time."""
    session.install(".", *dependencies("clusters"))
    for files in ON_CLUSTERS:
        run_tests(session, Path(files[0]).stem, files, *session.posargs)


@nox.session(python="3.11")
def coverage(session: nox.Session) -> None:
    """Measure which lines and branches the tests run, in worker processes too."""
    # From the checkout, so that what is measured has one place only.
    session.install("-e", ".", *dependencies("coverage"))
    env = {"PYTHONFAULTHANDLER": "1"}
    unlimited = ("-o", "timeout=0", "-o", "faulthandler_timeout=0")
    pytest = ("coverage", "run", "-m", "pytest", *unlimited)
    workers = ("-n", "logical", "--maxprocesses", "8")
    session.run("coverage", "erase")
    # What fails is found by `tests`; here, what a slow test leaves out shows itself.
    ended = [0, 1]
    others = [f"--ignore={path}" for files in ON_CLUSTERS for path in files]
    session.run(*pytest, *workers, *others, env=env, success_codes=ended)
    for files in ON_CLUSTERS:
        session.run(*pytest, *files, env=env, success_codes=ended)
    session.run("coverage", "combine", "--quiet")
    whole = ("--include=syncra/_core/*", "--fail-under=100")
    session.run("coverage", "report", *whole)
    session.run("coverage", "report", "--fail-under=95")


@nox.session
def release(session: nox.Session) -> None:
    """Build what is published, install it in empty environments, and test that.

    What is given after `--` goes to pytest, "tests" for all of them.
    """
    session.install("build", "twine", "uv")
    dist = Path("dist")
    shutil.rmtree(dist, ignore_errors=True)
    temporary = Path(session.create_tmp())
    shutil.rmtree(temporary, ignore_errors=True)
    env = {"SOURCE_DATE_EPOCH": "1577836800", "PYTHONPATH": None}
    build = ("python", "-m", "build", "--installer", "uv")
    # The wheel that is published is built from the sdist.
    session.run(*build, "--outdir", str(dist), env=env, silent=True)
    again = temporary / "from-checkout"
    session.run(*build, "--wheel", "--outdir", str(again), env=env, silent=True)
    session.run("python", "release/contents.py", str(dist), str(again))
    session.run("twine", "check", "--strict", *map(str, sorted(dist.iterdir())))

    (wheel,) = (path.resolve() for path in dist.glob("*.whl"))
    for extra in ("", *PROJECT["project"]["optional-dependencies"]):
        environment = temporary / (extra or "plain")
        what = f"{wheel}[{extra}]" if extra else str(wheel)
        if install_alone(session, environment, what):
            python = str(environment.resolve() / "bin" / "python")
            smoke = str(Path("release/smoke.py").resolve())
            with session.chdir(temporary):
                session.run(
                    python, "-P", smoke, env={"PYTHONPATH": None}, external=True
                )
    environment = temporary / "tests"
    if install_alone(session, environment, str(wheel), *dependencies("tests")):
        test_installed(session, environment)


def install_alone(session: nox.Session, environment: Path, *what: str) -> bool:
    """Make an environment with only these; return whether all have builds."""
    uv, python = (str(Path(session.bin) / name) for name in ("uv", "python"))
    session.run("uv", "venv", "--quiet", "--python", python, str(environment))
    place = ("--python", str(environment / "bin" / "python"))
    command = (uv, "pip", "install", "--quiet", "--only-binary", ":all:", *place, *what)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "wheels" in done.stderr:
        reason = " ".join(done.stderr.split())
        session.log(f"release: {environment.name} is skipped, for want of a build")
        session.log(reason)
        return False

    if done.returncode:
        session.error(done.stderr)
    return True


#: The tests of what a wheel may lack: modules, data, the command.
PART = (
    "tests/core",
    "tests/cli",
    "tests/test_architecture.py",
    "tests/test_files.py",
    "tests/test_files_schema.py",
    "tests/test_report_page.py",
    "tests/test_run.py",
)


def test_installed(session: nox.Session, environment: Path) -> None:
    """Run tests where the checkout cannot be imported, only what is installed."""
    given = session.posargs or PART
    if given == ["tests"]:
        # What these need is not there.
        ignored = [f"--ignore={path}" for files in ON_CLUSTERS for path in files]
        given = [*given, *ignored]
    python = str(environment.resolve() / "bin" / "python")
    env = {"PYTHONPATH": None}
    where = "import syncra; assert 'site-packages' in syncra.__file__, syncra.__file__"
    pytest = ("-P", "-m", "pytest", "-n", "logical", "--maxprocesses", "8")
    # Screens that tests compare have paths in them, and short ones are on one line.
    with TemporaryDirectory() as place:
        for name in ("tests", "docs", "examples", "benchmarks", "release"):
            without = shutil.ignore_patterns("__pycache__")
            shutil.copytree(name, Path(place) / name, ignore=without)
        for name in ("*.md", "*.yml", "noxfile.py", "pyproject.toml"):
            for path in Path().glob(name):
                shutil.copy(path, place)
        with session.chdir(place):
            session.run(python, "-P", "-c", where, env=env, external=True)
            session.run(python, *pytest, *given, env=env, external=True)


@nox.session
def pictures(session: nox.Session) -> None:
    """Make the pictures of the pages in docs/ from a real census; needs chromium."""
    session.install(".", *dependencies("pictures"))
    session.run("python", "docs/make_pictures.py", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site of docs/, and check its links and that it needs no network."""
    session.install(*dependencies("docs"))
    said = session.run("zensical", "build", "--clean", "--strict", silent=True)
    print(said)
    # What is wrong with a docstring is told, but does not end the build.
    if "griffe:" in str(said):
        session.error("there are docstrings that do not fit their functions")
    session.run("python", "docs/check_site.py", "site")


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


@nox.session(python="3.11")
def features(session: nox.Session) -> None:
    """Ask Syncra and other libraries what they can do; write the tables of pages."""
    session.install(".", *dependencies("features"))
    session.run("python", "-m", "benchmarks.features", *session.posargs)


@nox.session
def instructions(session: nox.Session) -> None:
    """Count instructions of P1 to P3; fail if there are many more than written down."""
    session.install(".", *dependencies("bench"))
    session.run("python", "-m", "benchmarks.instructions", *session.posargs)
