"""Every Python example of Concurra's two documentations, as printed.

They differ from it in the import, in shorter sleeps and limits, and in functions and
values that the documentation leaves to the reader (`GIVEN`). What they print and log,
and then what became of their tasks, is in the `.out` file beside each: times, dates and
the frames of tracebacks masked.
"""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import syncra
from syncra.compat import concurra

EXAMPLES = Path(__file__).parent / "examples" / "concurra"
REFERENCE = Path(__file__).parents[3] / "shared" / "reference"

MADE = "from syncra.compat import concurra\n"
RUNNER = f"""{MADE}
def ok(*arguments, **keywords): return arguments, keywords
runner = concurra.TaskRunner(progress_stats=False)
"""
TWO = f"{RUNNER}runner.add_task(ok, label='t1'); runner.add_task(ok, label='t2')"
LONG = f"""{MADE}
from threading import Event
import logging
logger = logging.getLogger("concurra.core")
logger.setLevel(logging.ERROR)
runner = concurra.TaskRunner(max_concurrency=1)
runner.add_task(Event().wait, 0.3, label="long")
runner.add_task(print, "never", label="other", depends_on=["long"])
"""
LOGS = """
from pathlib import Path
Path("logs").mkdir()
Path("logs/a.txt").write_text("ERROR one\\nfine\\n")
"""
LOGGER = "import logging; my_logger = logging.getLogger('mine')"
VALUES = "some_function = other_function = ok; arg1, arg2, value1 = 1, 2, 3"
#: The adders are shown with one label again and again: each gets a runner of its own.
FRESH = """
class Fresh:
    def __init__(self): self.made = []
    def __getattr__(self, name):
        self.made.append(concurra.TaskRunner(progress_stats=False))
        self.made[-1].add_task(ok, label="task0")
        return getattr(self.made[-1], name)
    def get_background_results(self, verify):
        return {
            f"runner {number}, {label}": result
            for number, one in enumerate(self.made)
            for label, result in one.run(verify=verify).items()
        }
runner = Fresh()
my_func = func_a = func_b = func_c = func_d = ok
arg1 = 1
"""
STARTED = "runner.execute_in_background()"
#: What an example stands on: earlier ones by number, or code.
GIVEN: dict[str, tuple[str, ...]] = {
    "1.0/02": ("01",),
    "1.0/03": ("02",),
    "1.0/04": (MADE, LOGGER),
    "1.0/05": (RUNNER, VALUES),
    "1.0/06": (RUNNER, VALUES, "runner.add_task(ok, label='task1')"),
    "1.0/07": (TWO,),
    "1.0/08": (TWO,),
    "1.0/09": (TWO, STARTED),
    "1.0/10": (TWO, STARTED),
    "1.0/11": (MADE, "def func1(): return 1\ndef func2(): return 2"),
    "1.0/12": (LONG, STARTED),
    "1.0/14": ("13",),
    "1.0/16": ("15",),
    "1.0/18": ("17", "import json; results = runner.get_background_results(False)"),
    "1.0/20": ("19", "import json"),
    "1.1.10/02": ("01",),
    "1.1.10/03": ("02",),
    "1.1.10/04": (MADE,),
    "1.1.10/05": (MADE,),
    "1.1.10/06": (MADE, "def fetch_data(): raise OSError('away')"),
    "1.1.10/07": (RUNNER,),
    "1.1.10/08": (RUNNER, LOGS),
    "1.1.10/09": (MADE, LOGGER),
    "1.1.10/10": (RUNNER, VALUES),
    "1.1.10/11": (RUNNER, FRESH),
    "1.1.10/12": (RUNNER,),
    "1.1.10/13": (RUNNER, LOGS),
    "1.1.10/15": (TWO,),
    "1.1.10/16": (TWO,),
    "1.1.10/17": (TWO,),
    "1.1.10/18": (TWO,),
    "1.1.10/19": (LONG,),
    "1.1.10/23": (RUNNER, "def call_partner_api(): raise OSError('away')"),
}
#: One that is a script, for processes to find its function; one that is no code.
SCRIPT, VALUE = "1.1.10/29", "1.1.10/14"
NAMES = [
    f"{file.parent.name}/{file.name[:2]}" for file in sorted(EXAMPLES.glob("*/*.py"))
]
#: What is shown of each result beyond what the example prints.
SHOWN = ("status", "result", "error", "execution_mode", "attempts")
#: They may end a task before it has begun.
ABORTED_AT_ONCE = {"1.0/12", "1.1.10/19"}


def file_of(name: str) -> Path:
    version, number = name.split("/")
    (found,) = (EXAMPLES / version).glob(f"{number}_*.py")
    return found


def code_of(name: str) -> str:
    """Return an example, and before it what it stands on."""
    version = name.split("/", maxsplit=1)[0]
    before = [
        code_of(f"{version}/{one}") if one.isdigit() else one
        for one in GIVEN.get(name, ())
    ]
    return "\n".join([*before, file_of(name).read_text(encoding="utf-8")])


def masked(text: str) -> str:
    """Return an output without times, dates and the frames of tracebacks."""
    text = re.sub(r'("trace": "Traceback).*', r'\1...",', text)
    text = re.sub(r"\d+ min \d+(\.\d+)? sec", "TIME", text)
    text = re.sub(r"\b\d+\.\d+ sec\b *", "TIME ", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATE", text)
    text = re.sub(r'("duration_seconds": )\d+\.\d+', r"\1TIME", text)
    text = re.sub(r"raised by task .*\n", "", text)
    return re.sub(r"(Traceback \(most recent call last\):\n)(  .*\n)+", r"\1", text)


def output_of(name: str, capsys: Any) -> str:
    """Run an example and return what it prints and logs, and its results."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter(logging.BASIC_FORMAT))
    logger = logging.getLogger("concurra.core")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    names: dict[str, Any] = {"__name__": "example"}
    try:
        exec(compile(code_of(name), file_of(name), "exec"), names)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    runner, results = names["runner"], names.get("results")
    if results is None:
        if not getattr(runner, "made", False):
            try:
                runner.execute_in_background()
            except RuntimeError:
                pass  # the example has
        results = runner.get_background_results(verify=False)
    fields = SHOWN[: 3 if name in ABORTED_AT_ONCE else None]
    lines = [
        f"{label}: " + ", ".join(str(result[field]) for field in fields)
        for label, result in results.items()
    ]
    return masked("\n".join([capsys.readouterr().out, "=== results", *lines, ""]))


@pytest.mark.parametrize("name", [one for one in NAMES if one not in (SCRIPT, VALUE)])
def test_an_example_gives_what_is_documented(
    name: str, capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    expected = file_of(name).with_suffix(".out").read_text(encoding="utf-8")
    assert output_of(name, capsys) == expected


def test_the_example_of_processes_is_a_script(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, file_of(SCRIPT)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(syncra.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("process\n", "")


def test_the_documented_result_of_a_command() -> None:
    runner = concurra.TaskRunner()
    runner.add_command(["echo", "generate report"], label="generate_report")
    documented = eval(file_of(VALUE).read_text(encoding="utf-8"))
    assert runner.run()["generate_report"]["result"] == documented


def blocks(version: str, kind: str) -> list[str]:
    reference = REFERENCE / f"concurra-{version}.md"
    if not reference.exists():
        pytest.skip("the documentation of Concurra is not beside the repository")

    text = reference.read_text(encoding="utf-8")
    found = re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [block for language, block in found if language == kind]


@pytest.mark.parametrize(("version", "count"), [("1.0", 21), ("1.1.10", 31)])
def test_every_example_of_the_documentation_is_here(version: str, count: int) -> None:
    """With its text, but for the import and for numbers that say how long it takes."""
    documented = blocks(version, "python")
    mine = [
        file_of(name).read_text(encoding="utf-8")
        for name in NAMES
        if name.startswith(f"{version}/")
    ]
    assert len(documented) == len(mine) == count

    def without_numbers(text: str) -> str:
        text = text.replace("from syncra.compat import concurra", "import concurra")
        text = re.sub(r"sleep\(.*?\)|timeout=\d+(\.\d+)?", "", text)
        return re.sub(r"\d+(_000)+", "", text)

    assert [*map(without_numbers, mine)] == [*map(without_numbers, documented)]


@pytest.mark.parametrize("name", ["1.0/13", "1.0/15", "1.1.10/20"])
def test_the_documented_console_output_is_what_is_expected(name: str) -> None:
    """The word "Concurra" of 1.0 has become the name of the runner."""
    expected = file_of(name).with_suffix(".out").read_text(encoding="utf-8")
    logged = masked(expected.partition("\n{\n")[0].partition("\n=== results")[0])
    documented = [
        masked(one.replace("Concurra progress", "TaskRunner progress"))
        for one in blocks(name.split("/", maxsplit=1)[0], "")
        if "INFO:concurra.core" in one
    ]
    assert logged.strip() in [one.strip() for one in documented]


@pytest.mark.parametrize("version", ["1.0", "1.1.10"])
def test_the_documented_results_are_what_is_expected(version: str) -> None:
    """Each field that stands in a documented result of an example stands here too."""
    printed = {"1.0": ("14", "16"), "1.1.10": ("20",)}[version]
    known: dict[str, dict[str, Any]] = {}
    for number in printed:
        text = file_of(f"{version}/{number}").with_suffix(".out").read_text("utf-8")
        for found in re.findall(r"^\{\n.*?^\}$", text, re.DOTALL | re.MULTILINE):
            known |= json.loads(re.sub(r": TIME", ": 0", found))
    documented = [json.loads(one) for one in blocks(version, "json")]
    checked = 0
    for results in documented:
        of_one = "task_name" in results
        for label, result in ({"square_4": results} if of_one else results).items():
            if label in known and result["task_name"] == known[label]["task_name"]:
                for field in result.keys() - {"start_time", "end_time", "trace"}:
                    if "duration" not in field:
                        assert known[label][field] == result[field]
                        checked += 1
    assert checked >= 6
