"""`syncra` through pipes: what is run, what is said of it, and the exit code."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_helpers import COMMAND, ENVIRONMENT, PROJECT, cli, copied, started

from syncra import delete_graph
from syncra.cli import main

#: Takes arguments, returns the exit code and what was on both streams.
Here = Callable[..., tuple[int, str, str]]

INPUTS = ("--input", "path=sales.csv", "-i", "since=")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return copied(tmp_path)


@pytest.fixture
def here(monkeypatch, capsys) -> Iterator[Here]:
    """Run commands that go wrong soon in this process, which is much faster."""
    before = dict(sys.modules)
    monkeypatch.chdir(PROJECT)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setattr(sys, "argv", sys.argv.copy())
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        return code, *capsys.readouterr()

    yield run
    for name in sys.modules.keys() - before.keys():
        if not name.startswith("syncra"):
            del sys.modules[name]
    sys.modules["__main__"] = before["__main__"]


def test_results_go_to_standard_output_and_all_else_does_not() -> None:
    done = cli("run", "etl.py", *INPUTS)

    assert done.returncode == 0
    assert done.stdout == "total: 9.0\nitems: ['rye', 'tea']\n"
    assert "4/4 [100.0%]" in done.stderr
    assert "sales: 4 succeeded in" in done.stderr


def test_a_result_that_is_a_text_is_shown_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "texts.py").write_text(
        "from syncra import Graph\ng = Graph()\n"
        "g.add(lambda: 'one\\n\\ntwo\\n', name='some')\n"
        "g.add(lambda: '\\n'.join(map(str, range(102))), name='many')\n"
        "g.add(lambda: '', name='none')\n"
        "g.add(lambda: list(range(10**6)), name='numbers')\n"
        "g.add(lambda: 'x' * 10**6, name='long')\n",
        encoding="utf-8",
    )
    done = cli("run", "texts.py", "-q", cwd=tmp_path)

    assert done.stdout.startswith("some:\n  one\n\n  two\nmany:\n  0\n")
    assert "\n  99\n  ... and 2 more lines\nnone:\nnumbers: [0, 1, " in done.stdout
    assert "long: 'xxx" in done.stdout
    assert len(done.stdout) < 1200


def test_an_alarm_does_not_hide_the_result_and_has_none(tmp_path: Path) -> None:
    (tmp_path / "watched.py").write_text(
        "from syncra import Graph\ng = Graph()\n"
        "g.add(lambda: 'Dear Ada', name='letter')\n"
        "g.add(lambda: None, name='clean', after='letter', trigger='all_done')\n"
        "g.add(lambda: None, name='alarm', after='clean', trigger='any_failed')\n",
        encoding="utf-8",
    )
    for arguments, printed in (
        ([], "letter: Dear Ada\n"),
        (["-t", "clean"], "clean: None\n"),
    ):
        done = cli("run", "watched.py", "-q", *arguments, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, printed, "")


@pytest.mark.parametrize(("failing", "more"), [("", ""), ("1 / 0", "... and 200 more")])
def test_more_tasks_are_told_of_below_those_that_are_shown(
    here: Here, tmp_path: Path, failing: str, more: str
) -> None:
    """Of many tasks, those that have succeeded are in the counts only."""
    (tmp_path / "many.py").write_text(
        "from syncra import Graph\ng = Graph('many')\n"
        "for number in range(200):\n    g.add(lambda: None, name=f't{number}')\n"
        f"g.add(lambda: {failing or None}, name='last', priority=-1)\n",
        encoding="utf-8",
    )
    _, _, said = here("run", str(tmp_path / "many.py"))

    assert "many: 20" in said
    assert ("... and" in said) == bool(more)
    assert more in said


def test_quiet_leaves_nothing_but_results() -> None:
    done = cli("run", "etl.py:sales", *INPUTS, "--quiet", "--target", "total")

    assert (done.returncode, done.stdout, done.stderr) == (0, "total: 9.0\n", "")


def test_json_is_all_there_is_on_standard_output(project: Path) -> None:
    (project / "loud.py").write_text(
        "import subprocess\nfrom syncra import Graph\nprint('imported')\n"
        "graph = Graph('loud')\n"
        "@graph.task(executor='processes')\ndef away(): print('away'); return 1\n"
        "@graph.task\ndef here(): print('here'); return 2\n"
        "graph.command(['echo', 'command'], name='echo', capture_output=False)\n",
        encoding="utf-8",
    )
    done = cli("run", "loud.py", "--json", cwd=project)

    found = json.loads(done.stdout)
    assert {"imported", "away", "here", "command"} <= set(done.stderr.split("\n"))
    assert found["state"] == "succeeded"
    assert found["exit_code"] == done.returncode == 0
    assert found["results"]["away"] == 1
    assert len(found["run_id"]) == 16
    assert [record["state"] for record in found["records"]] == ["succeeded"] * 3


def test_json_says_which_results_it_has_no_form_for(project: Path) -> None:
    targets = ("-t", "made", "-t", "odd", "-t", "alike")
    done = cli("run", "values.py", "--json", *targets, cwd=project)

    results = json.loads(done.stdout)["results"]
    lock = results["made"].pop("lock")
    assert results["made"] == {
        "day": "2026-01-31",
        "item": {"name": "tea", "price": "3.50"},
        "colour": "r",
        "pair": [1, 2],
    }
    assert lock["$repr"].startswith("<unlocked _thread.lock")
    assert lock["$type"] == "_thread.lock"
    assert results["odd"] == {"$repr": "nan", "$type": "builtins.float"}
    assert results["alike"] == {"$repr": "{1: 2, '1': 3}", "$type": "builtins.dict"}


def test_results_that_are_hard_to_show(here: Here, tmp_path: Path, monkeypatch) -> None:
    """Neither as text nor as JSON do they end the command."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hard.py").write_text(
        "from types import MappingProxyType\nfrom syncra import Graph\n"
        "g = Graph('hard')\n"
        "class Odd:\n    def __repr__(self): raise ValueError\n"
        "class Long:\n    def __repr__(self): return 'x' * 10**6\n"
        "class deque: pass\n"  # it is no deque, which has a form of its own
        "def ring():\n    found = []\n    found.append(found)\n    return found\n"
        "for made in (Odd, Long, deque, ring):\n    g.add(made, name=made.__name__)\n"
        "g.add(lambda: MappingProxyType({'a': 1}), name='view')\n",
        encoding="utf-8",
    )
    code, output, said = here("run", "hard.py", "-q")
    assert (code, said) == (0, "")
    lines = dict(line.split(": ", 1) for line in output.splitlines())
    assert lines["Odd"].startswith("<Odd instance at ")
    assert len(lines["Long"]) < 400
    assert "deque" in lines["deque"]
    assert lines["ring"] == "[[[[[[[...]]]]]]]"

    code, output, said = here("run", "hard.py", "-q", "--json")
    assert (code, said) == (0, "")
    results = json.loads(output)["results"]
    assert results["Odd"]["$repr"] == "<its repr raises ValueError>"
    assert len(results["Long"]["$repr"]) < 100_000
    assert results["ring"] == {"$repr": "[[...]]", "$type": "builtins.list"}
    assert results["view"] == {"a": 1}


def test_inputs_become_what_the_annotations_ask_for(project: Path) -> None:
    (project / "text").write_text("7\n", encoding="utf-8")
    (project / "given.json").write_text(
        json.dumps({"item": {"name": "tea", "price": 3.5}, "mode": "fast", "count": 1}),
        encoding="utf-8",
    )
    number = "12345678-1234-5678-1234-567812345678"
    texts = [
        *("count=@text", "share=.5", "loud=yes", "path=a b", "day=2026-01-31"),
        *("colour=RED", "names=x, y", f"number={number}", "anything=@-", "bare=@@x"),
    ]
    done = cli(
        *("run", "values.py", "--inputs", "given.json", "--json", "-t", "told"),
        *(f"--input={text}" for text in texts),
        cwd=project,
        stdin='{"deep": [1]}',
    )

    assert json.loads(done.stdout)["results"]["told"] == [
        *("7", "0.5", "True", "PosixPath('a b')", "datetime.date(2026, 1, 31)"),
        *("<Colour.RED: 'r'>", "['x', 'y']"),
        "Item(name='tea', price=Decimal('3.5'))",
        *("'fast'", f"UUID('{number}')", "{'deep': [1]}", "'@x'"),
    ]


def test_all_that_is_wrong_with_inputs_is_told_at_once() -> None:
    done = cli("run", "etl.py", "-i", "sicne=2026-01-31", "-i", "since=yesterday")

    assert (done.returncode, done.stdout) == (2, "")
    assert "no input 'sicne'; the graph takes 'path', 'since'. Did you" in done.stderr
    assert "input 'path' is missing, which task 'read'" in done.stderr
    assert "expected a date such as 2026-01-31, got 'yesterday'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_task_that_fails_shows_its_own_traceback_and_nothing_of_ours() -> None:
    done = cli("run", "broken.py")

    assert done.returncode == 1
    assert done.stdout == "count: 1\n"
    assert 'broken.py", line 17, in total' in done.stderr
    assert "KeyError: 'gin'" in done.stderr
    assert "because of 'total'" in done.stderr
    assert "/syncra/" not in done.stderr.replace(str(PROJECT), "")


CHAINED = """
import sys
from syncra import Graph
from syncra.observers import ProgressDisplay

class Unseen(SyntaxError):
    @property
    def filename(self):
        raise ValueError

g = Graph("errors", on_error="continue")

@g.task
def chained():
    try:
        1 / 0
    except ZeroDivisionError as error:
        raise KeyError("first") from error

@g.task
def ours():
    sys.modules["rich"] = None
    ProgressDisplay(style="live")

@g.task
def unseen():
    raise Unseen("cannot be looked at")
"""


def test_what_an_error_was_raised_from_is_shown_if_it_is_of_the_user(
    here: Here, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "rich", None)
    (tmp_path / "errors.py").write_text(CHAINED, encoding="utf-8")
    code, _, said = here("run", "errors.py", "-q")
    parts = dict(re.findall(r"task '(\w+)' failed:\n((?:  .*\n)+)", said))

    assert code == 1
    assert "ZeroDivisionError" in parts["chained"]
    assert "direct cause" in parts["chained"]
    assert "ProgressDisplay(style=" in parts["ours"]
    assert "pip install 'syncra[rich]'" in parts["ours"]
    assert "direct cause" not in parts["ours"]  # that a module of ours has no rich
    assert parts["unseen"] == "  Unseen: cannot be looked at\n"

    (tmp_path / "unseen.py").write_text(
        f"{CHAINED}\nraise Unseen('at once')\n", encoding="utf-8"
    )
    told = "Unseen: at once\nsyncra: unseen.py cannot be imported: it has raised "
    assert here("run", "unseen.py") == (2, "", f"{told}Unseen.\n")


def test_of_many_tasks_some_are_shown(here: Here, tmp_path: Path, monkeypatch) -> None:
    """And how many are not, and where they can be seen."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "many.py").write_text(
        "from syncra import Graph\ng = Graph('many', on_error='continue')\n"
        "for n in range(195):\n    g.add(lambda: 1, name=f'good{n}')\n"
        "def bad(): raise ValueError\n"
        "for n in range(7):\n    g.add(bad, name=f'bad{n}')\n",
        encoding="utf-8",
    )
    code, output, said = here("run", "many.py", "--executor", "sequential")
    assert code == 1
    assert said.count(", in bad") == 5
    assert "and 2 more tasks failed; --report and --json tell of all" in said
    assert "\n... and 195 more tasks\n" in said
    assert len(output.split("\n")) == 22
    assert output.endswith("\n... and 175 more results; --json has all\n")
    assert "\n... and 2 more tasks; --json has all\n" in here("plan", "many.py")[1]

    (tmp_path / "wide.py").write_text(
        "from syncra import Graph\ngraphs = []\n"
        "for n in range(202):\n"
        "    one = globals()[f'g{n}'] = Graph(f'graph{n}')\n"
        "    one.command(['echo', '{a}'], name='task')\n"
        "    g0.command(['echo', f'{{input{n}}}'], name=f'task{n}')\n",
        encoding="utf-8",
    )
    assert here("list", "wide.py")[1].endswith("\n... and 2 more; --json has all\n")
    output = here("show", "wide.py:graph0")[1]
    assert "\n... and 3 more tasks; --format json has all\n" in output
    assert output.endswith("\n... and 3 more inputs; --format json has all\n")


def test_a_graph_without_tasks(here: Here, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "none.py").write_text(
        "from syncra import Graph\ng = Graph('none')\n", encoding="utf-8"
    )
    assert here("run", "none.py", "-q") == (0, "", "")
    assert here("run", "none.py") == (0, "", "none: no tasks in 0 us\n")
    assert here("plan", "none.py") == (0, "graph 'none' has no tasks.\n", "")
    assert here("check", "none.py") == (0, "none: 0 tasks, no mistakes\n", "")
    assert here("check", "-q", "none.py") == (0, "", "")


def test_a_cycle_is_a_mistake_too(here: Here, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "round.py").write_text(
        "from syncra import Graph\ng = Graph('round')\n"
        "g.add(lambda b: 1, name='a', dependencies='b')\n"
        "g.add(lambda a: 1, name='b', dependencies='a')\n",
        encoding="utf-8",
    )
    for command, code in (("check", 1), ("run", 2), ("plan", 2), ("show", 2)):
        found, output, said = here(command, "round.py")
        assert (found, output) == (code, "")
        assert "has a cycle of 2 tasks: a -> b -> a" in said
    assert "round  g              2  ?\n" in here("list", "round.py")[1]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("g = Graph('g', log='/nowhere/x.log')", "No such file or directory: '/now"),
        (
            "from syncra.observers import Observer\n"
            "class Gate(Observer):\n"
            "    def before_run(self, run): raise RuntimeError('closed')\n"
            "g = Graph('g', observers=[Gate()])",
            "RuntimeError: closed\nsyncra: graph 'g' cannot run: RuntimeError was "
            "raised before its first task.\n",
        ),
    ],
)
def test_a_run_that_does_not_begin(
    here: Here, tmp_path: Path, monkeypatch, code: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "never.py").write_text(
        f"from syncra import Graph\n{code}\ng.add(lambda: print('never'), name='x')",
        encoding="utf-8",
    )
    found, output, said = here("run", "never.py")

    assert (found, output) == (2, "")
    assert message in said
    assert "/syncra/" not in said


def test_fault_116_what_acts_on_a_terminal_is_not_written_to_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "evil.py").write_text(
        "from syncra import Graph\ng = Graph('evil\\x1b[2J', on_error='continue')\n"
        "def bad(): raise ValueError('\\x1b]0;title\\x07\\x1b[31mred')\n"
        "g.add(bad, name='bad\\x1b[2J')\n"
        "g.add(lambda: '\\x1b[31mred', name='good')\n",
        encoding="utf-8",
    )
    done = cli("run", "evil.py", cwd=tmp_path)

    assert done.returncode == 1
    assert "ValueError: red" in done.stderr
    assert "good: " in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    for command in ("show", "list", "check"):
        assert "\x1b" not in cli(command, "evil.py", cwd=tmp_path).stdout


@pytest.mark.parametrize("policy", ["raise", "rollback"])
def test_the_policy_and_the_executor_can_be_given(policy: str) -> None:
    done = cli("run", "broken.py", "--on-error", policy, "--executor", "processes")

    assert done.returncode == 1
    assert 'broken.py", line 17, in total' in done.stderr
    assert "/syncra/" not in done.stderr.replace(str(PROJECT), "")


def test_functions_of_a_file_are_found_in_processes(project: Path) -> None:
    # A module of that name is there already, and what runs a graph is not run again.
    lines = (project / "etl.py").read_text(encoding="utf-8").replace("None", "float")
    (project / "json.py").write_text(
        f"{lines}\nsales(path='nothing')\nraise SystemExit('never here')\n",
        encoding="utf-8",
    )
    done = cli(
        *("run", "json.py", "-i", "path=sales.csv", "-i", "since=2026-01-31"),
        *("--executor", "processes", "-j", "1", "--all-results"),
        cwd=project,
    )

    assert done.returncode == 0, done.stderr
    assert "total: 5.5" in done.stdout
    assert "recent: [{" in done.stdout
    assert "runs a graph, so the file is not read from there on" in done.stderr


def test_report_and_trace_are_written_also_when_the_run_has_failed(
    project: Path,
) -> None:
    files = ("--report", "run.html", "--trace", "run.json")
    done = cli("run", "broken.py", "--quiet", *files, cwd=project)

    assert done.returncode == 1
    assert "KeyError" in (project / "run.html").read_text(encoding="utf-8")
    assert json.loads((project / "run.json").read_text(encoding="utf-8"))


def test_what_cannot_be_written_is_told_before_the_run() -> None:
    done = cli("run", "etl.py", *INPUTS, "--report", "nowhere/run.html")

    assert (done.returncode, done.stdout) == (2, "")
    assert "nowhere/run.html cannot be written: there is no directory" in done.stderr


def test_log_records_have_the_names_of_their_tasks(project: Path) -> None:
    (project / "logs.py").write_text(
        "import logging\nfrom syncra import Graph\ngraph = Graph('logs')\n"
        "@graph.task\ndef load(): logging.getLogger('mine').info('loaded')\n",
        encoding="utf-8",
    )
    done = cli("run", "logs.py", "--log-level", "info", cwd=project)

    assert "INFO    mine [load]: loaded" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "elt.py"], "there is no file 'elt.py'. Did you mean 'etl.py'?"),
        (["run", "shp:daily"], "there is no module 'shp'. Did you mean 'shop'?"),
        (["run", "shop.report"], "there is no module 'shop.report'"),
        (["run", "etl.py:slaes"], "only 'sales'. Did you mean 'sales'?"),
        (["run", "etl.py", "-t", "totla"], "no task 'totla'. Did you mean 'total'?"),
        (["run", "etl.py", "-i", "path"], "expected NAME=VALUE"),
        (["run", "etl.py", "--inputs", "no.json"], "No such file"),
        (["run", "etl.py", "--inputs", "etl.py"], "expected a file with a suffix"),
        (["run", "shop"], "there is no graph in shop"),
        (["run", "."], "'.' is no module"),
        (["run", "./shop"], "./shop is a package. Name it as a module, 'shop', with"),
        (["run", "../project"], "../project is a directory"),
        (["run", "/dev/null"], "/dev/null is no regular file"),
        (["run", "mistakes.py"], "several mistakes:\n  task 'clean'"),
        (["run", ":x"], "names no graph"),
        (["rum", "etl.py"], "Did you mean 'run'?"),
        (["run", "etl.py", "--executor", "thread"], "Did you mean 'threads'?"),
        (["run", "etl.py", "--inptu", "a=1"], "Did you mean '--input'?"),
        (["run", "etl.py", "-j", "0"], "expected a positive number, got '0'"),
        (["run", "etl.py", "-j", "two"], "expected a positive number, got 'two'"),
        (["run", "etl.py", "--timeout", "soon"], "expected seconds such as 90"),
        (["run", "etl.py", "--timeout=-1"], "expected no negative time, got '-1'"),
        (["run", "--frob", "etl.py"], "unexpected '--frob'"),
        (["--frob"], "unexpected '--frob'"),
        (["show", "etl.py", "-o", "x.jpeg"], "the suffix tells no format"),
        (["show", "etl.py", "-o", "no/x.txt"], "no/x.txt cannot be written: No such"),
        (["run", "etl.py", "--report", "."], ". cannot be written"),
        (["run", "sales/etl.py"], "there is no directory 'sales'"),
        (["run", "etl.py/etl.py"], "there is no directory 'etl.py'"),
        (["run", "x" * 300 + ".py"], "xxx.py cannot be read: File name too long"),
        (["plan", "mistakes.py"], "task 'clean' ("),
        (["check", "nowhere.py"], "there is no file 'nowhere.py'"),
        (["run"], "the following arguments are required: TARGET"),
        ([], "usage: syncra"),
    ],
)
def test_wrong_use_is_told_in_a_paragraph(
    here: Here, arguments: list[str], message: str
) -> None:
    code, output, said = here(*arguments)

    assert (code, output) == (2, "")
    assert message in said
    assert "Traceback" not in said


def test_what_has_no_suffix_is_a_file_if_that_is_said(
    here: Here, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = "from syncra import Graph\ng = Graph()\n"
    for name in ("a_script_of_ours", "dotted.name.py"):
        (tmp_path / name).write_text(code, encoding="utf-8")

    assert "mean './a_script_of_ours'?" in here("list", "a_script_of_ours")[2]
    assert here("list", "./a_script_of_ours")[0] == 0
    assert "mean 'dotted.name.py'?" in here("list", "dotted.name")[2]


def test_a_file_of_a_package_is_to_be_named_as_a_module(
    here: Here, tmp_path: Path, monkeypatch
) -> None:
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    for package in (inner.parent, inner):
        (package / "__init__.py").touch()
    (inner / "flows.py").write_text("from . import helper", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    code, output, said = here("run", "outer/inner/flows.py")

    assert (code, output) == (2, "")
    assert f"Name it as a module, 'outer.inner.flows', with {str(tmp_path)!r}" in (
        said.replace("with the directory", "with")
    )


def test_a_file_of_inputs_is_the_yaml_of_files_of_graphs(
    here: Here, tmp_path: Path, monkeypatch
) -> None:
    pytest.importorskip("yaml", reason="PyYAML has no build for this Python")
    (tmp_path / "echo.py").write_text(
        "from syncra import Graph\ngraph = Graph('echo')\n"
        "graph.add(lambda said: said, name='echo')\n",
        encoding="utf-8",
    )
    (tmp_path / "given.yaml").write_text("said: [no, 1:30, 2026-01-31]\n")
    (tmp_path / "twice.yaml").write_text("said: 1\nsaid: 2\n")
    monkeypatch.chdir(tmp_path)
    done = here("run", "echo.py", "-q", "--inputs", "given.yaml")
    twice = here("run", "echo.py", "-q", "--inputs", "twice.yaml")

    assert done == (0, "echo: ['no', '1:30', '2026-01-31']\n", "")
    assert twice[:2] == (2, "")
    assert "2:1: said: key 'said' is there twice" in twice[2]
    monkeypatch.setitem(sys.modules, "yaml", None)
    bare = here("run", "echo.py", "-q", "--inputs", "given.yaml")
    assert bare[:2] == (2, "")
    assert "pip install 'syncra[yaml]'" in here("run", "given.yaml")[2]
    assert "a file of YAML takes PyYAML: pip install 'syncra[yaml]'" in bare[2]


@pytest.mark.parametrize(
    ("suffix", "text", "message"),
    [
        (".json", "[1]", "expected an object of inputs by name"),
        (".json", '{"said": ', "Expecting value"),
        (".json", "[" * 100_000, "it is nested too deeply"),
        (".toml", "said = [", "Invalid value (at end of document)"),
        (".yaml", "said: [", "this is no YAML"),
        (".json", b'{"said": "\xff"}', "is no text in UTF-8"),
    ],
)
def test_a_file_of_inputs_that_is_none(
    here: Here, tmp_path: Path, suffix: str, text: str | bytes, message: str
) -> None:
    if suffix == ".yaml":
        pytest.importorskip("yaml", reason="PyYAML has no build for this Python")
    file = tmp_path / f"given{suffix}"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    code, output, said = here("run", "etl.py", "--inputs", str(file))

    assert (code, output) == (2, "")
    assert said.startswith(f"syncra: --inputs {file}: ")
    assert message in said


def test_inputs_of_toml(here: Here, tmp_path: Path) -> None:
    file = tmp_path / "given.toml"
    file.write_text('path = "sales.csv"\nsince = 2026-01-31\n', encoding="utf-8")

    assert here("run", "etl.py", "-q", "-t", "total", "--inputs", str(file)) == (
        0,
        "total: 5.5\n",
        "",
    )


@pytest.mark.parametrize("end", ["", "\n"])
def test_an_input_from_a_file_that_does_not_fit(
    here: Here, tmp_path: Path, end: str
) -> None:
    """It says which file, also where that ends with a line break."""
    file = tmp_path / "day"
    file.write_text(f"soon{end}", encoding="utf-8")
    code, _, said = here("run", "etl.py", "-i", "path=x", "-i", f"since=@{file}")

    assert code == 2
    assert f"in {file}, expected a date such as 2026-01-31, got 'soon'" in said


@pytest.mark.parametrize("closed", ["-i", "--inputs"])
def test_a_standard_input_that_is_closed(here: Here, monkeypatch, closed: str) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    given = "path=@-" if closed == "-i" else "-"
    code, output, said = here("run", "etl.py", closed, given)

    assert (code, output) == (2, "")
    assert "standard input is closed" in said


def test_errors_are_not_for_standard_output_where_there_is_no_other(
    here: Here, monkeypatch
) -> None:
    monkeypatch.setattr(sys, "stderr", None)

    assert here("run", "nowhere.py")[:2] == (2, "")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import nothing_of_that_name", "ModuleNotFoundError"),
        ("1 / 0", "ZeroDivisionError"),
        ("def (", "SyntaxError"),
        ("raise SystemExit(3)", "exits when it is imported"),
        ("import sys; sys.exit()", "exits when it is imported"),
        (
            "from syncra.observers import ProgressDisplay\nimport sys\n"
            "sys.modules['rich'] = None\nProgressDisplay(style='live')",
            "pip install 'syncra[rich]'",
        ),
        ("x = 1", "there is no graph in bad.py"),
        (
            "from syncra import Graph\na, b = Graph('a'), Graph('b')",
            "there are several graphs in bad.py: 'a', 'b'. Name one of them, as in "
            "bad.py:a",
        ),
    ],
)
def test_a_file_that_cannot_be_used(
    here: Here, tmp_path: Path, monkeypatch, code: str, message: str
) -> None:
    (tmp_path / "bad.py").write_text(code, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    exit_code, output, said = here("run", "bad.py")

    assert (exit_code, output) == (2, "")
    assert message in said
    assert "/syncra/" not in said
    assert "<frozen" not in said


def test_graphs_of_one_name_are_told_apart_by_their_attributes(
    here: Here, tmp_path: Path, monkeypatch
) -> None:
    """Also where the attribute of one is the name of another; none is lost."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "alike.py").write_text(
        "from syncra import Graph\n"
        "other, graph, made, later = Graph(), Graph(), Graph('later'), Graph()\n"
        "for number, one in enumerate((other, graph, made, later)):\n"
        "    one.add(lambda number=number: number, name='task')\n"
        "def hidden():\n"
        "    return Graph().add(lambda: 4, name='task')\n"
        "task = hidden()\n",
        encoding="utf-8",
    )
    code, output, _ = here("list", "alike.py", "--json")
    found = [(one["graph"], one["attribute"]) for one in json.loads(output)]

    assert code == 0
    assert sorted(found) == [
        *(("graph", "graph"), ("graph#5", None), ("later", "later")),
        *(("made", "made"), ("other", "other")),
    ]
    names = ("other", "graph", "made", "later", "graph#5")
    for number, name in enumerate(names):
        assert here("run", f"alike.py:{name}", "-q")[1] == f"task: {number}\n"
    assert "several graphs in alike.py" in here("run", "alike.py")[2]


def test_an_attribute_names_a_graph_too(here: Here) -> None:
    assert here("list", "mistakes.py:graph") == (
        0,
        "graph     attribute  tasks  inputs\nmistakes  graph          3  ?\n",
        "",
    )
    assert "there is no graph 'grahp' in" in here("list", "mistakes.py:grahp")[2]


def test_a_module_that_only_imports_what_makes_graphs(
    here: Here, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "makes_one.py").write_text(
        "from syncra import task\n@task(graph='made elsewhere')\ndef one(): return 1\n",
        encoding="utf-8",
    )
    (tmp_path / "imports_it.py").write_text("import makes_one\n", encoding="utf-8")
    try:
        assert here("run", "imports_it", "-q") == (0, "one: 1\n", "")
        assert "there is no graph" not in here("list", "makes_one")[2]
    finally:
        delete_graph("made elsewhere")


def test_ctrl_c_while_a_file_is_imported(
    here: Here, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slow.py").write_text("raise KeyboardInterrupt", encoding="utf-8")

    assert here("check", "slow.py") == (130, "", "syncra: interrupted\n")


def test_a_module_that_runs_a_graph_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "hasty.py").write_text(
        "from syncra import Graph\ng = Graph()\ng.add(lambda: print('RUN'), name='a')\n"
        "g()\n",
        encoding="utf-8",
    )
    done = cli("show", "hasty:g", cwd=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert "module 'hasty' runs a graph when it is imported" in done.stderr
    assert "hasty.py:4" in done.stderr


def test_check_tells_all_mistakes() -> None:
    done = cli("check", "mistakes.py")

    assert (done.returncode, done.stdout) == (1, "")
    assert "mistakes: 2 mistakes" in done.stderr
    assert "Did you mean 'load'?" in done.stderr
    assert "Did you mean 'clean'?" in done.stderr


def test_faults_131_to_134_a_file_of_data_may_do_what_was_allowed(
    tmp_path: Path,
) -> None:
    tasks = [
        {"name": "listed", "command": ["echo", "hello"]},
        {"name": "now", "function": "time.time"},
        {"name": "own", "function": "mine:one", "after": ["now"]},
    ]
    (tmp_path / "flow.json").write_text(json.dumps({"tasks": tasks}), encoding="utf-8")
    (tmp_path / "mine.py").write_text("def one(): return 1\n", encoding="utf-8")
    done = cli("run", "flow.json", cwd=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert "flow.json has 2 problems" in done.stderr
    assert "can allow it with --allow-commands" in done.stderr
    assert "'time.time' is not in a package that this file may use" in done.stderr
    done = cli("check", "flow.json", "--allow", "time", cwd=tmp_path)
    assert done.returncode == 0, done.stderr  # which runs nothing of it
    allowed = ("--allow-commands", "--allow", "time", "--quiet")
    done = cli("run", "flow.json", *allowed, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "listed: hello\n" in done.stdout
    assert "own: 1" in done.stdout


def test_check_of_what_is_wrong_already_where_it_is_declared(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(
        "from syncra import Graph\ng = Graph()\n@g.task\ndef rows(): yield 1\n",
        encoding="utf-8",
    )
    done = cli("check", "bad.py", cwd=tmp_path)

    assert done.returncode == 1
    assert "task 'rows'" in done.stderr
    assert "Traceback" not in done.stderr


def test_list_and_plan_as_json() -> None:
    assert json.loads(cli("list", "shop.reports", "--json").stdout) == [
        {"graph": "daily", "attribute": "daily", "tasks": 2, "inputs": []},
        {"graph": "prices", "attribute": None, "tasks": 2, "inputs": []},
    ]
    plan = json.loads(cli("plan", "etl.py", "-t", "total", "--json").stdout)
    assert plan["not_needed"] == ["items"]
    assert plan["inputs"] == ["path", "since"]
    assert [
        (task["task"], task["level"], task["where"], task["is_target"])
        for task in plan["tasks"]
    ] == [
        ("read", 1, "threads", False),
        ("recent", 2, "threads", False),
        ("total", 3, "coroutines", True),
    ]


@pytest.mark.parametrize(
    ("form", "beginning"),
    [("text", "graph 'sales'"), ("mermaid", "---\ntitle"), ("dot", "digraph"),
     ("json", "{"), ("html", "<!doctype html>")],
)  # fmt: skip
def test_show_in_each_format_there_and_in_a_file(
    project: Path, form: str, beginning: str
) -> None:
    suffix = {"text": "txt", "mermaid": "mmd"}.get(form, form)
    written = cli("show", "etl.py", "-o", f"out.{suffix}", cwd=project)
    text = (project / f"out.{suffix}").read_text(encoding="utf-8")

    assert (written.returncode, written.stdout, written.stderr) == (0, "", "")
    assert text.startswith(beginning)
    assert text.endswith("\n")
    assert "recent" in text


def test_what_is_known_of_the_inputs_of_a_file_of_data(
    here: Here, tmp_path: Path
) -> None:
    inputs = {
        "factor": {"type": "float", "default": 1.5, "description": "by how much"},
        "day": {"type": "date", "default": "2026-01-31"},
        "name": "str",
    }
    names = [f"{{{name}}}" for name in inputs]
    tasks = [{"name": "told", "command": ["echo", *names]}]
    file = tmp_path / "told.json"
    file.write_text(json.dumps({"inputs": inputs, "tasks": tasks}), encoding="utf-8")
    found = json.loads(here("show", str(file), "-f", "json")[1])["inputs"]

    assert [list(one.values()) for one in found] == [
        ["factor", "float", ["told"], 1.5, "by how much"],
        ["day", "date", ["told"], "2026-01-31"],
        ["name", "str", ["told"]],
    ]
    assert "factor  float  1.5 " in here("show", str(file))[1]
    given = ("-q", "--allow-commands", "-i", "name=Ada")
    assert here("run", str(file), *given) == (0, "told: 1.5 2026-01-31 Ada\n", "")


def test_a_reader_that_goes_away_ends_nothing_badly() -> None:
    for command in (["show", "etl.py", "-f", "html"], ["--help"], ["list", "etl.py"]):
        # The pipe is closed before anything is written.
        reading, writing = os.pipe()
        os.close(reading)
        try:
            done = subprocess.run(
                [*COMMAND, *command],
                cwd=PROJECT,
                env=ENVIRONMENT,
                stdout=writing,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60,
                check=False,
            )
        finally:
            os.close(writing)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [*COMMAND, "list", "etl.py"],
            cwd=PROJECT,
            env=ENVIRONMENT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr == (
        "syncra: the output cannot be written: No space left on device\n"
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_reports_on_a_full_disk(here: Here) -> None:
    """The run was as it was, and what is wrong is told."""
    given = ("run", "etl.py", *INPUTS, "-q", "-t", "total", "--trace", "/dev/full")

    assert here(*given) == (
        1,
        "total: 9.0\n",
        "syncra: /dev/full cannot be written: No space left on device\n",
    )


#: Closes or fills standard output or standard error, then runs a command.
WITHOUT = 'exec {stream}; exec "$@"'


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    ("stream", "arguments", "code", "output", "errors"),
    [
        (">&-", ["list", "etl.py"], 0, "", ""),
        (">&-", ["run", "etl.py", *INPUTS, "-q", "--json"], 0, "", ""),
        (">/dev/full", ["--help"], 1, "", "the output cannot be written"),
        (">/dev/full", ["run", "printing.py", "-q", "--json"], 1, "", "here\nsyncra: "),
        ("2>&-", ["run", "printing.py", "--json"], 0, '{"graph": "loud"', ""),
        ("2>/dev/full", ["list", "nowhere.py"], 2, "", ""),
        ("2>/dev/full", ["lsit", "etl.py"], 2, "", ""),
    ],
)
def test_streams_that_are_closed_or_full(
    project: Path,
    stream: str,
    arguments: list[str],
    code: int,
    output: str,
    errors: str,
) -> None:
    """No traceback, the exit code says what became of the command."""
    (project / "printing.py").write_text(
        "from syncra import Graph\ngraph = Graph('loud')\n"
        "graph.add(lambda: print('here'), name='loud')\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        ["/bin/sh", "-c", WITHOUT.format(stream=stream), "sh", *COMMAND, *arguments],
        cwd=project,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == code, done.stderr
    assert done.stdout.startswith(output)
    assert done.stdout.count("\n") == bool(output)
    assert errors in done.stderr
    assert "Traceback" not in done.stderr


def test_letters_that_an_encoding_lacks(tmp_path: Path) -> None:
    (tmp_path / "letters.py").write_text(
        "from syncra import Graph\ng = Graph('größe')\n"
        "g.add(lambda: '✓ fertig', name='prüfen')\n",
        encoding="utf-8",
    )
    without = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = cli("run", "letters.py", cwd=tmp_path, **without)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "pr\\xfcfen: \\u2713 fertig\n"


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_fault_54_a_signal_ends_the_run_with_all_states_shown(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    process = started("run", "waits.py", "-i", f"file={tmp_path / 'never'}")
    try:
        for line in process.stderr:
            if "1/3" in line:
                process.send_signal(number)
                break
        output, said = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()

    assert process.returncode == code
    assert "quick    succeeded" in said
    assert "patient  cancelled" in said
    assert "slow: 1 succeeded, 2 cancelled" in said
    assert "Traceback" not in said
    assert "quick was here" in output


@pytest.mark.parametrize(
    ("number", "state"),
    [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")],
)
def test_fault_54_a_signal_is_told_as_json_too(
    number: signal.Signals, state: str, tmp_path: Path
) -> None:
    never = f"file={tmp_path / 'never'}"
    process = started("run", "waits.py", "-i", never, "--json")
    try:
        for line in process.stderr:
            if "1/3" in line:
                process.send_signal(number)
                break
        found = json.loads(process.communicate(timeout=30)[0])
    finally:
        process.kill()
        process.communicate()

    assert found["state"] == state
    assert found["exit_code"] == process.returncode == 128 + number
    states = {record["name"]: record["state"] for record in found["records"]}
    assert (states["quick"], states["patient"]) == ("succeeded", "cancelled")


def test_a_limit_for_the_run(tmp_path: Path) -> None:
    never = f"file={tmp_path / 'never'}"
    done = cli("run", "waits.py", "-i", never, "--timeout", "0.2", "--json")

    found = json.loads(done.stdout)
    assert done.returncode == found["exit_code"] == 1
    assert found["state"] == "cancelled"
    assert "0.2" in found["ended_by"]


def test_without_extras_there_is_everything_but_what_they_are_for(
    tmp_path: Path,
) -> None:
    code = (
        "import sys\n"
        "for name in ('rich', 'jinja2', 'shtab', 'graphviz'):\n"
        "    sys.modules[name] = None\n"
        "from syncra.cli import main\nsys.exit(main(sys.argv[1:]))\n"
    )

    def bare(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-c", code, *arguments],
            cwd=PROJECT,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    done = bare("run", "etl.py", *INPUTS)
    assert (done.returncode, done.stdout.partition("\n")[0]) == (0, "total: 9.0")
    assert "read    succeeded" in done.stderr
    page = bare("show", "etl.py", "-f", "html")
    assert "└─ items</pre>" in page.stdout
    for arguments, command in (
        (["run", "etl.py", "--report", str(tmp_path / "x.html")], "syncra[html]"),
        (["--print-completion", "bash"], "syncra[completion]"),
        (["show", "etl.py", "-f", "svg"], "syncra[viz]"),
    ):
        done = bare(*arguments)
        assert done.returncode == 2
        assert f"pip install '{command}'" in done.stderr
        assert "Traceback" not in done.stderr
