"""Check an installed Syncra: what is there works, and what is not says what brings it.

    python -P release/smoke.py

Run in an environment that has Syncra and any of its extras. Each extra whose libraries
are installed has to do what it is for. Each of the others has to raise what names it.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import pkgutil
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import syncra
from syncra import Graph, Run, task
from syncra.errors import MissingExtraError, SerializationError

if TYPE_CHECKING:
    from collections.abc import Callable

PYTHON = (sys.executable, "-P")


@task(graph="smoke")
def numbers(count: int) -> list[int]:
    """Return some numbers."""
    return list(range(count))


@task(graph="smoke", dependencies=numbers, executor="processes")
def squares(numbers: list[int]) -> list[int]:
    """Return their squares, in another process."""
    return [number * number for number in numbers]


@task(graph="smoke", dependencies=squares)
async def total(squares: list[int]) -> int:
    """Return their sum, on an event loop."""
    await asyncio.sleep(0)
    return sum(squares)


def increased(number: int) -> int:
    """Return one more."""
    return number + 1


#: What every install has.
PLAIN = {"anyio", "syncra", "typing_extensions"}

FILE = {
    "name": "file",
    "inputs": {"name": {"type": "str", "default": "world"}},
    "tasks": {"greet": {"command": ["echo", "hello {name}"]}},
}


def plain_install(into: Path) -> Run:
    """Check what needs no extra; return a run to look at."""
    graph = syncra.get_graph("smoke")
    run = graph(count=5)
    assert run[total] == 30

    async def awaited() -> Run:
        return await graph(count=4)

    assert asyncio.run(awaited())[total] == 14
    assert "numbers" in graph.to_mermaid()
    assert "numbers" in graph.to_dot()
    assert "3 succeeded" in str(run.report())
    run.report().to_trace(into / "trace.json")
    assert json.loads((into / "trace.json").read_text())["traceEvents"]
    as_json, as_toml = into / "file.json", into / "file.toml"
    as_json.write_text(json.dumps(FILE))
    as_toml.write_text(
        'name = "file"\n[inputs.name]\ntype = "str"\ndefault = "world"\n'
        '[tasks.greet]\ncommand = ["echo", "hello {name}"]\n'
    )
    for path in (as_json, as_toml):
        from_file = Graph.from_file(path, allow_commands=True)
        assert from_file()["greet"].stdout.strip() == "hello world"
    command_line(as_json)
    return run


def command_line(path: Path) -> None:
    """Check the command, as a program and as a module."""
    program = Path(sys.executable).with_name("syncra")
    for command in ((program,), (*PYTHON, "-m", "syncra")):
        said = output(*command, "--version")
        assert syncra.__version__ in said, said
        said = output(*command, "run", path, "--allow-commands", "--json")
        assert json.loads(said), said


def output(*command: Any) -> str:
    """Return what a command prints; it has to succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def every_module_can_be_imported() -> int:
    """Import all there is: nothing may be missing but an extra that is named."""
    count = 0
    for module in pkgutil.walk_packages(syncra.__path__, "syncra."):
        if module.name.endswith("__main__"):
            continue
        try:
            importlib.import_module(module.name)
        except MissingExtraError as error:
            assert not is_here(error.extra), module.name
        except ImportError as error:
            # What is imported only beside a library that the user has: trio, Dask.
            library = (error.name or "syncra").partition(".")[0]
            assert library not in PLAIN, module.name
            assert find_spec(library) is None, module.name
        count += 1
    return count


# What each extra is for.


def check_processes(run: Run, into: Path) -> None:
    """A function without a name goes to another process."""
    graph = Graph("lambdas", executor="processes")
    graph.add(lambda: 6 * 7, name="answer")
    try:
        assert graph.run()["answer"] == 42
    except SerializationError as error:
        if "pip install 'syncra[processes]'" not in str(error):
            raise

        raise MissingExtraError(str(error), "processes") from error


def check_rich(run: Run, into: Path) -> None:
    """A run is shown live."""
    from syncra.observers import ProgressDisplay

    with (into / "live.txt").open("w") as stream:
        display = ProgressDisplay(style="live", stream=stream)
        shown = syncra.get_graph("smoke").run({"count": 3}, observers=[display])
    assert not shown.observer_errors, shown.observer_errors
    assert "3 succeeded" in (into / "live.txt").read_text()


def check_viz(run: Run, into: Path) -> None:
    """A picture is drawn, where the system has the program for it."""
    try:
        path = run.draw(into / "run.svg")
    except MissingExtraError as error:
        if shutil.which("dot") or not is_here("viz"):
            raise

        assert "apt-get install graphviz" in str(error)
        print("smoke: viz: there is no program dot on this machine")
    else:
        assert "squares" in path.read_text()


def check_html(run: Run, into: Path) -> None:
    """A page is written that has its style and its scripts in it."""
    run.report().to_html(into / "run.html")
    page = (into / "run.html").read_text()
    assert "squares" in page
    assert "<style" in page
    assert "<script" in page
    assert not re.search(r"(src|href)=[\"']?https?:", page)


def check_otel(run: Run, into: Path) -> None:
    """A run begins a span, and so does each attempt."""
    from syncra.observers import OpenTelemetry  # which raises if it is not there

    try:
        from opentelemetry import trace
    except ImportError:
        OpenTelemetry()
        raise AssertionError("OpenTelemetry() does without its library") from None

    begun: list[str] = []

    class Tracer(trace.NoOpTracer):
        def start_span(self, name: str, *_: Any, **__: Any) -> Any:
            begun.append(name)
            return trace.INVALID_SPAN

    class Provider(trace.NoOpTracerProvider):
        def get_tracer(self, *_: Any, **__: Any) -> trace.Tracer:
            return Tracer()

    graph = Graph("traced")
    graph.add(numbers, kwargs={"count": 1}, name="first")
    graph.run(observers=[OpenTelemetry(Provider())])
    assert len(begun) == 2, begun
    assert "first" in begun[1]


def check_completion(run: Run, into: Path) -> None:
    """A shell is told how to complete commands."""
    command = (*PYTHON, "-m", "syncra", "--print-completion", "bash")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "pip install 'syncra[completion]'" in done.stderr:
        raise MissingExtraError(done.stderr, "completion")

    assert "complete -" in done.stdout, done.stderr


def check_yaml(run: Run, into: Path) -> None:
    """A graph is read from YAML."""
    path = into / "file.yaml"
    path.write_text('name: file\ntasks:\n  greet: {command: [echo, "hello"]}\n')
    graph = Graph.from_file(path, allow_commands=True)
    assert graph()["greet"].stdout.strip() == "hello"


def check_dask(run: Run, into: Path) -> None:
    """Tasks run on a cluster, which is started for that, and ended."""
    with syncra.Dask(n_workers=1) as cluster:
        runs_on(cluster, "dask")


def check_ray(run: Run, into: Path) -> None:
    """Tasks run on a cluster, which is started for that, and ended."""
    with syncra.Ray(init={"num_cpus": 1}) as cluster:
        runs_on(cluster, "ray")


def runs_on(cluster: syncra.Dask | syncra.Ray, name: str) -> None:
    """Have a graph run by that executor."""
    graph = Graph("cluster", executor=cluster)
    graph.add(numbers, kwargs={"count": 3})
    graph.add(len, name="count", dependencies="numbers")
    found = graph.run()
    assert found["count"] == 3
    assert found.records["count"].executor == name


CHECKS: dict[str, Callable[[Run, Path], None]] = {
    name.removeprefix("check_"): found
    for name, found in list(globals().items())
    if name.startswith("check_")
}


def libraries() -> dict[str, list[str]]:
    """Return what each extra installs, as the metadata of the distribution says."""
    found: dict[str, list[str]] = {
        extra: []
        for extra in distribution("syncra").metadata.get_all("Provides-Extra", [])
        if extra != "all"
    }
    for need in distribution("syncra").requires or ():
        name, _, condition = need.partition(";")
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", condition)
        if extra and extra[1] in found:
            library = re.match(r"[\w.-]+", name)
            assert library
            found[extra[1]].append(library[0])
    return found


def is_here(extra: str) -> bool:
    """Return whether all that an extra brings is installed."""
    try:
        for library in LIBRARIES[extra]:
            distribution(library)
    except PackageNotFoundError:
        return False

    return True


LIBRARIES = libraries()


def main() -> None:
    """Check everything, and print what was found."""
    place = Path(syncra.__file__).parent
    assert "site-packages" in place.parts, f"{place} is no installed package"
    assert distribution("syncra").version == syncra.__version__
    assert CHECKS.keys() == LIBRARIES.keys(), f"not checked: {LIBRARIES.keys()}"
    with tempfile.TemporaryDirectory() as name:
        into = Path(name)
        run = plain_install(into)
        count = every_module_can_be_imported()
        print(f"smoke: a plain install works; {count} modules can be imported")
        for extra, check in CHECKS.items():
            if is_here(extra):
                check(run, into)
                print(f"smoke: {extra}: works")
                continue

            try:
                check(run, into)
            except MissingExtraError as error:
                assert error.extra == extra, error
                assert f"pip install 'syncra[{extra}]'" in str(error), error
                print(f"smoke: {extra}: not here, and says what brings it")
            else:
                raise AssertionError(f"{extra} is not here, and works all the same")


if __name__ == "__main__":
    main()
