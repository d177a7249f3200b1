"""Graphs from JSON, TOML and YAML files and from mappings (issue 7)."""

from __future__ import annotations

import datetime
import json
import pickle
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

import files_tasks
import pytest

from syncra import Graph, Input, Retry, Threads, delete_graph, task
from syncra.errors import (
    FlowFileError,
    GraphError,
    InputError,
    MissingExtraError,
    SyncraError,
    TaskTimeout,
)
from syncra.observers import LogFile

TASKS = "files_tasks"


def load(said: dict[str, Any], **options: Any) -> Graph:
    return Graph.from_dict(said, **{"allow": TASKS, "allow_commands": True, **options})


def one_task(**said: Any) -> dict[str, Any]:
    return {"tasks": [{"name": "only", **said}]}


def written(path: Path, text: str) -> Path:
    path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    return path


def problems_of(said: Any, **options: Any) -> dict[str, str]:
    """Return the messages of all problems of a mapping, by path."""
    with pytest.raises(FlowFileError) as caught:
        load(said, **options)
    return {problem.path: problem.message for problem in caught.value.problems}


def needs_yaml() -> None:
    pytest.importorskip("yaml", reason="PyYAML has no build for this Python")


# The formats.

TASKFLOW = """
    {
    "tasks": [
        { "name": "fetch", "function": "my_module.fetch", "depends_on": [] },
        { "name": "process", "function": "my_module.process", "depends_on": ["fetch"] },
        { "name": "save", "function": "my_module.save", "depends_on": ["process"] }
    ]
    }
"""


def test_the_json_of_taskflow_runs_as_printed(tmp_path: Path, monkeypatch) -> None:
    written(
        tmp_path / "my_module.py",
        """
        def fetch():
            return [1, 2, 3]

        def process(data):
            return [2 * item for item in data]

        def save(data):
            return sum(data)
        """,
    )
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "flow.json"
    file.write_text(TASKFLOW, encoding="utf-8")
    try:
        graph = Graph.from_file(file, allow="my_module")
        assert graph.name == "flow"
        assert graph()["save"] == 12
    finally:
        sys.modules.pop("my_module", None)


IN_JSON = """
{
  "name": "etl",
  "inputs": {"path": "path"},
  "tasks": [
    {"name": "extract", "function": "files_tasks:extract",
     "outputs": ["rows", "origin"]},
    {"name": "double", "function": "files_tasks.double",
     "depends_on": ["extract[rows]"], "retry": 3},
    {"name": "total", "function": "files_tasks:total",
     "depends_on": {"rows": "double"}, "after": "extract"}
  ]
}
"""
IN_TOML = """
name = "etl"
inputs.path = "path"

[tasks.extract]
function = "files_tasks:extract"
outputs = ["rows", "origin"]

[tasks.double]
function = "files_tasks.double"
depends_on = ["extract[rows]"]
retry = 3

[tasks.total]
function = "files_tasks:total"
depends_on = { rows = "double" }
after = "extract"
"""
IN_YAML = """
# The same once more.
name: etl
inputs: {path: path}
tasks:
  - name: extract
    function: files_tasks:extract
    outputs: [rows, origin]
  - name: double
    function: files_tasks.double
    depends_on: ["extract[rows]"]
    retry: 3
  - name: total
    function: files_tasks:total
    depends_on:
      rows: double
    after: extract
"""


@pytest.mark.parametrize(
    ("suffix", "text"),
    [(".json", IN_JSON), (".toml", IN_TOML), (".yaml", IN_YAML), (".YML", IN_YAML)],
)
def test_each_format_says_the_same(tmp_path: Path, suffix: str, text: str) -> None:
    if "Y" in suffix.upper():
        needs_yaml()
    file = written(tmp_path / f"some{suffix}", text)
    graph = Graph.from_file(file, allow=[TASKS])
    assert (graph.name, list(graph)) == ("etl", ["extract", "double", "total"])
    assert graph.inputs["path"].annotation is Path
    run = graph(path=Path("a.csv"))
    assert run["total"] == 12
    assert run[graph["extract"]["origin"]] == "of a.csv"
    again = Graph.from_dict(graph.to_dict(), allow=[TASKS])
    assert again.to_dict() == graph.to_dict()
    assert again(path=1)["total"] == 12


def test_a_name_given_is_the_name(tmp_path: Path) -> None:
    file = written(tmp_path / "flow.json", IN_JSON)
    assert Graph.from_file(str(file), allow=TASKS, name="mine").name == "mine"
    assert load(one_task(function=f"{TASKS}:fail"), name="mine").name == "mine"
    assert load(one_task(function=f"{TASKS}:fail")).name == "graph"


def test_words_of_yaml_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    needs_yaml()
    file = written(
        tmp_path / "flow.yaml",
        """
        tasks:
          - name: on
            function: files_tasks:double
            kwargs:
              rows: [yes, on, 2024-01-01, 1:30, 012, 0x1F, 0o17, 1e3, .5, ~, TRUE, "1"]
        """,
    )
    graph = Graph.from_file(file, allow=TASKS)
    said = graph.to_dict()["tasks"][0]
    assert said["name"] == "on"
    texts = ["yes", "on", "2024-01-01", "1:30"]
    assert said["kwargs"]["rows"] == [*texts, 12, 31, 15, 1000.0, 0.5, None, True, "1"]


def test_yaml_is_the_same_without_its_part_in_c(tmp_path: Path, monkeypatch) -> None:
    needs_yaml()
    import yaml

    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    good = written(tmp_path / "good.yaml", IN_YAML)
    assert Graph.from_file(good, allow=TASKS)(path=1)["total"] == 12
    for text, message in {
        "tasks:\n  - {name: a, a: &x 1}\n": "2:18: anchors",
        'tasks:\n  - {name: "\\ud800", shell: ls}\n': "2:12: .* lone surrogate",
        'tasks: "\\UFFFFFFFF"\n': " this is no YAML: ",
        "%YAML 1." + "9" * 5_000 + "\n---\ntasks: []\n": " this is no YAML: ",
        "tasks: [\n": "2:1: this is no YAML",
    }.items():
        bad = written(tmp_path / "bad.yaml", text)
        with pytest.raises(FlowFileError, match=rf"bad\.yaml:{message}"):
            Graph.from_file(bad)


def test_yaml_without_its_package(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    file = written(tmp_path / "flow.yaml", IN_YAML)
    with pytest.raises(MissingExtraError, match=r"pip install 'syncra\[yaml\]'"):
        Graph.from_file(file)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        Graph.from_file("nowhere.json")


# What tasks say.


def test_every_option_of_a_function() -> None:
    graph = load(
        {
            "name": "all",
            "description": "Everything.",
            "executor": "threads",
            "max_concurrency": 4.0,
            "on_error": "rollback",
            "limits": {"db": 2.0},
            "log": "all.log",
            "tasks": [
                {
                    "name": "one",
                    "function": "files_tasks.double",
                    "kwargs": {"rows": [1]},
                    "executor": "processes",
                    "fallback": "threads",
                    "retry": {
                        "attempts": 3.0,
                        "on": ["OSError", "TaskTimeout", "files_tasks:Unlucky"],
                        "backoff": 0.5,
                        "max_backoff": 2,
                        "jitter": 0,
                    },
                    "timeout": 5,
                    "trigger": "all_done",
                    "limit": {"db": 2},
                    "priority": -3,
                    "tags": ["slow", "db"],
                    "log": "logs/one.log",
                    "rollback": "files_tasks.undo",
                }
            ],
        }
    )
    options = graph["one"].options
    assert options.retry.on == (OSError, TaskTimeout, files_tasks.Unlucky)
    assert (options.retry.attempts, options.retry.jitter) == (3, 0)
    assert (options.timeout, options.limit, options.priority) == (5, {"db": 2}, -3)
    assert (options.trigger, options.tags) == ("all_done", {"slow", "db"})
    assert (options.executor, options.fallback) == ("processes", "threads")
    assert graph["one"].undo is files_tasks.undo
    assert (graph.executor, graph.max_concurrency) == ("threads", 4)
    assert (graph.on_error, graph.description) == ("rollback", "Everything.")
    assert options.log.path.endswith("one.log")
    assert load(graph.to_dict()).to_dict() == graph.to_dict()


def test_a_rollback_undoes() -> None:
    files_tasks.UNDONE.clear()
    graph = load(
        {
            "on_error": "rollback",
            "tasks": {
                "count": {
                    "function": "files_tasks:Counter.count",
                    "kwargs": {"rows": [1, 2]},
                    "rollback": "files_tasks:undo",
                },
                "fail": {"function": "files_tasks:fail", "after": ["count"]},
            },
        }
    )
    with pytest.raises(files_tasks.Unlucky):
        graph()
    assert files_tasks.UNDONE == [2]


def test_defaults_hold_where_they_fit(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    graph = load(
        {
            "limits": {"db": 1},
            "defaults": {
                "retry": {"attempts": 2, "on": "OSError"},
                "timeout": 9,
                "limit": "db",
                "log": "tasks.log",
                "cwd": "/",
                "max_output": None,
            },
            "tasks": {
                "function": {"function": "files_tasks:fail", "timeout": None},
                "command": {"command": ["pwd"], "retry": 5},
                "shell": {"shell": "pwd", "cwd": "/usr", "limit": None},
            },
        }
    )
    one, two, three = (graph[name] for name in graph)
    assert (one.options.timeout, two.options.timeout) == (None, 9)
    assert one.options.retry.on == three.options.retry.on == (OSError,)
    assert two.options.retry.attempts == 5
    assert (one.options.limit, three.options.limit) == ({"db": 1}, None)
    assert one.options.log.path.endswith("tasks.log")
    assert two.function.max_output is None
    run = graph.run(on_error="continue")
    assert (run["command"].stdout, run["shell"].stdout) == ("/\n", "/usr\n")


def test_commands_and_shells() -> None:
    graph = load(
        {
            "inputs": {"word": {"type": "str", "default": "tea"}},
            "tasks": {
                "say": {
                    "command": ["printf", "%s {{}} %s", "{word}", "$HOME"],
                    "env": {"HOME": None, "LANG": "C"},
                },
                "shout": {
                    "shell": "tr a-z A-Z; echo $LEVEL 1>&2; exit 3",
                    "input": "{say}",
                    "depends_on": "say",
                    "env": {"LEVEL": "{word}"},
                    "check": False,
                    "redact": ["{word}"],
                    "tags": "loud",
                },
            },
        }
    )
    run = graph()
    assert run["say"].stdout == "tea {} $HOME"
    assert (run["shout"].stdout, run["shout"].returncode) == ("TEA {} $HOME", 3)
    assert "tea" not in run["shout"].stderr
    again = load(graph.to_dict())
    assert again.to_dict() == graph.to_dict()
    assert again(word="rye")["say"].stdout == "rye {} $HOME"


def test_a_command_says_where_in_the_file_it_is(tmp_path: Path) -> None:
    needs_yaml()
    for name, text in {
        "flow.yaml": "tasks:\n  one:\n    command: ['false']\n",
        "flow.toml": "[tasks]\n\n[tasks.one]\ncommand = ['false']\n",
        "flow.json": '{"tasks":\n {"one":\n {"command": ["false"]}}}',
    }.items():
        file = written(tmp_path / name, text)
        graph = Graph.from_file(file, allow_commands=True)
        assert graph["one"].place == f"{file}:3"


def test_what_of_a_module_may_be_named() -> None:
    for name in (
        "doubled",
        "Counter",
        "counter",
        "Counter.count",
        "Counter.named",
        "local",
        "declared",
        "total",
    ):
        graph = load(one_task(function=f"{TASKS}:{name}"))
        assert list(graph) == ["only"]
    assert graph["only"].is_async


def test_tasks_of_named_graphs_need_no_permission() -> None:
    @task(graph="registered")
    def unused() -> None:
        pass

    task(graph="registered")(files_tasks.double)
    task(graph="registered")(lambda: None)  # which no file can name
    try:
        for name in ("files_tasks:double", "files_tasks.double"):
            said = one_task(function=name, kwargs={"rows": [4]})
            assert Graph.from_dict(said)()["only"] == [8]
        for other in (
            {"function": f"{TASKS}:total"},
            {"shell": "ls", "retry": {"attempts": 2, "on": f"{TASKS}.double"}},
            {"shell": "ls", "retry": {"attempts": 2, "on": f"{TASKS}:Unlucky"}},
        ):
            (message,) = problems_of(one_task(**other), allow=()).values()
            assert "not in a package" in message
    finally:
        delete_graph("registered")


def test_a_dependency_is_a_task_before_it_is_a_part() -> None:
    graph = load(
        {
            "tasks": [
                {
                    "name": "extract[rows]",
                    "function": "files_tasks:doubled",
                    "kwargs": {"rows": [1]},
                },
                {
                    "name": "total",
                    "function": "files_tasks:total",
                    "depends_on": "extract[rows]",
                },
            ]
        }
    )
    assert graph()["total"] == 3


def test_one_output_needs_no_list() -> None:
    graph = load(
        {
            "tasks": {
                "one": {"function": "files_tasks:single", "outputs": "rows"},
                "total": {"function": "files_tasks:total", "depends_on": "one[rows]"},
            }
        }
    )
    assert graph["one"].outputs == ("rows",)
    assert graph()["total"] == 3
    (message,) = problems_of(
        {
            "tasks": {
                "one": {"function": "files_tasks:single", "outputs": "rows"},
                "total": {"function": "files_tasks:total", "depends_on": "one[row]"},
            }
        }
    ).values()
    assert message.startswith("task 'one' has no output 'row'; it has rows.")


@pytest.mark.one_python
def test_a_hundred_thousand_tasks() -> None:
    count = 100_000
    tasks = [{"name": "0", "function": "files_tasks:doubled", "kwargs": {"rows": []}}]
    tasks += [
        {"name": str(n), "function": "files_tasks:double", "depends_on": str(n - 1)}
        for n in range(1, count)
    ]
    graph = load({"tasks": tasks})
    assert len(graph) == count
    assert graph.order()[-1].name == str(count - 1)
    for entry in tasks[1 : count // 10]:
        entry["depends_on"] += "x"
    with pytest.raises(FlowFileError, match=r"has 9999 problems"):
        load({"tasks": tasks[: count // 10]})


# Inputs.


def declared() -> Graph:
    return load(
        {
            "inputs": {
                "title": {
                    "type": "str",
                    "default": "Sum",
                    "description": "What is above it.",
                },
                "when": {"type": "date", "default": "2024-02-29"},
                "items": {"type": "list", "default": [1]},
                "total": "int",
            },
            "tasks": {
                "report": {"function": "files_tasks:report"},
                "grow": {"function": "files_tasks:grow"},
            },
        }
    )


def test_defaults_fill_inputs(run) -> None:
    graph = declared()
    done = run(graph, {"total": 3})
    assert done["report"] == "Sum: 3 2024-02-29"
    assert run(graph, {"total": 3, "title": "X"})["report"] == "X: 3 2024-02-29"
    # Each run has a list of its own.
    assert done["grow"] == run(graph, {"total": 3})["grow"] == [1, 1]


def test_defaults_fill_inputs_of_calls_and_of_parts() -> None:
    graph = declared()
    assert graph(total=1)["report"] == "Sum: 1 2024-02-29"
    assert graph.run(targets="grow")["grow"] == [1, 1]
    with graph.override({"grow": lambda items: items[0]}):
        assert graph(total=1)["grow"] == 1
    outer = Graph("outer")
    inner = outer.add(graph, name="inner")
    assert list(outer.inputs) == ["total"]
    assert outer(total=2)[inner]["report"] == "Sum: 2 2024-02-29"
    outer.add(lambda: "T", name="title")
    changed = outer.add(graph, name="changed", dependencies={"title": "title"})
    assert outer(total=2)[changed]["report"] == "T: 2 2024-02-29"


def test_what_inputs_say() -> None:
    inputs = declared().inputs
    assert inputs["title"].description == "What is above it."
    assert inputs["title"].annotation is str
    assert inputs["when"].default == datetime.date(2024, 2, 29)
    assert not inputs["when"].is_required
    assert inputs["total"].is_required
    assert inputs["total"].default is Input.empty
    said = {"inputs": {"a": {"type": "int"}}, **one_task(shell="echo {a}")}
    assert load(said).inputs["a"].is_required
    assert inputs["total"].annotation is int
    with pytest.raises(InputError, match="input 'total' is missing"):
        declared()()


def test_all_types_of_inputs(tmp_path: Path) -> None:
    file = written(
        tmp_path / "flow.toml",
        """
        [inputs]
        a = { type = "str", default = "x" }
        b = { type = "int", default = 3 }
        c = { type = "float", default = 3 }
        d = { type = "bool", default = true }
        e = { type = "path", default = "a/b" }
        f = { type = "date", default = 2024-01-01 }
        g = { type = "datetime", default = 2024-01-01T10:00:00Z }
        h = { type = "list", default = [1, "x"] }
        i = { type = "object", default = { x = [1] } }
        j = { type = "json", default = [1] }

        [tasks.echo]
        command = ["echo", "{a}{b}{c}{d}{e}{f}{g}{h}{i}{j}"]
        """,
    )
    graph = Graph.from_file(file, allow_commands=True)
    found = {name: entry.default for name, entry in graph.inputs.items()}
    assert found.pop("g").tzinfo is not None
    assert list(found.values()) == [
        *("x", 3, 3.0, True, Path("a/b"), datetime.date(2024, 1, 1)),
        *([1, "x"], {"x": [1]}, [1]),
    ]
    assert type(found["c"]) is float
    said = json.loads(json.dumps(graph.to_dict()))
    assert load(said).to_dict() == graph.to_dict()
    assert load(said).inputs["g"].default == graph.inputs["g"].default


# What is wrong is said, all of it, and where.

WRONG_YAML = """
name: etl
nmae: typo
limits: {db: 2}
inputs:
  when: {type: date, default: tomorrow}
  path: pathh
tasks:
  - name: fetch
    function: files_tasks:extractt
    retrys: 3
  - name: process
    function: files_tasks:double
    depends_on: [fetch, fetchh, "fetch[rows]"]
    retry: {attempts: 0, on: [OSErorr]}
    limit: bd
    on: yes
  - name: save
    function: [1]
    timeout: soon
    executor: process
    kwargs: {rows: .nan}
  - name: fetch
    shell: "echo '{path}'"
"""


def test_all_problems_at_once_with_line_and_column(tmp_path: Path) -> None:
    needs_yaml()
    text = WRONG_YAML.replace(".nan", "1")
    file = written(tmp_path / "flow.yaml", text)
    with pytest.raises(FlowFileError) as caught:
        Graph.from_file(file, allow=TASKS, allow_commands=True)
    problems = caught.value.problems
    assert [(one.line, one.column, one.path) for one in problems] == [
        (2, 1, "nmae"),
        (5, 31, "inputs.when.default"),
        (6, 9, "inputs.path"),
        (9, 15, "tasks[0].function"),
        (10, 5, "tasks[0].retrys"),
        (13, 25, "tasks[1].depends_on[1]"),
        (13, 33, "tasks[1].depends_on[2]"),
        (14, 23, "tasks[1].retry.attempts"),
        (14, 31, "tasks[1].retry.on[0]"),
        (15, 12, "tasks[1].limit"),
        (16, 5, "tasks[1].on"),
        (18, 15, "tasks[2].function"),
        (19, 14, "tasks[2].timeout"),
        (20, 15, "tasks[2].executor"),
        (22, 11, "tasks[3].name"),
    ]
    assert {one.file for one in problems} == {str(file)}
    messages = {one.path: one.message for one in problems}
    for path, meant in {
        "nmae": "name",
        "inputs.path": "path",
        "tasks[0].function": "extract",
        "tasks[0].retrys": "retry",
        "tasks[1].depends_on[1]": "fetch",
        "tasks[1].retry.on[0]": "OSError",
        "tasks[2].executor": "processes",
    }.items():
        assert messages[path].endswith(f"Did you mean {meant!r}?")
    assert messages["tasks[2].timeout"] == (
        "expected a number of seconds, more than 0, found the text 'soon'"
    )
    text = str(caught.value)
    assert text.startswith(f"{file} has 15 problems:\n  {file}:2:1: nmae: unknown key")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert [str(one) for one in copy.problems] == [str(one) for one in problems]
    assert isinstance(caught.value, (SyncraError, ValueError))


WRONG_JSON = """
{"name": 3,
 "tasks": [
  {"name": "a", "function": "files_tasks:fail",
   "retry": {"attempts": "x"}, "kwargs": {"\\u0061 b": [1, {"c": 2}]}},
  {"name": "b",
   "timeout": 0}
 ]}
"""
WRONG_TOML = """
name = 3 # "name"
[[tasks]]
name = "a"
function = 'files_tasks:fail'
retry = { jitter = 0, attempts = [
  '''x''',
] }
kwargs."a.b" = \"\"\"
[tasks]
timeout = 1
\"\"\"

  [[ tasks ]]
name = "b"
timeout = 0
"""


@pytest.mark.parametrize(
    ("suffix", "text", "places"),
    [
        (".json", WRONG_JSON, [(1, 10), (4, 26), (5, 3), (6, 15)]),
        (".toml", WRONG_TOML, [(1, 8), (5, 34), (13, 3), (15, 11)]),
    ],
)
def test_places_in_json_and_toml(tmp_path, suffix, text, places) -> None:
    file = written(tmp_path / f"flow{suffix}", text)
    with pytest.raises(FlowFileError) as caught:
        Graph.from_file(file, allow=TASKS)
    problems = caught.value.problems
    assert [one.path for one in problems] == [
        "name",
        "tasks[0].retry.attempts",
        "tasks[1]",
        "tasks[1].timeout",
    ]
    assert [(one.line, one.column) for one in problems] == places


@pytest.mark.parametrize(
    ("said", "path", "message"),
    [
        ([], "", "expected a mapping, found an empty list"),
        ({}, "", "the key 'tasks' is missing"),
        ({"tasks": 3}, "tasks", "expected a list of tasks, or a mapping"),
        ({"tasks": [3]}, "tasks[0]", "expected a mapping, found the number 3"),
        ({"tasks": {"a": []}}, "tasks.a", "expected a mapping, found an empty list"),
        ({"tasks": [{"shell": "ls"}]}, "tasks[0]", "the key 'name' is missing"),
        ({1: 2, "tasks": []}, "", "expected a text for a key, found the number 1"),
        (one_task(), "tasks[0]", "one of the keys 'function', 'command', 'shell'"),
        (one_task(name="", shell="ls"), "tasks[0].name", "found an empty text"),
        (one_task(name="a\nb", shell="ls"), "tasks[0].name", "no control characters"),
        (one_task(shell="a\0b"), "tasks[0].shell", "a text without NUL"),
        (one_task(command=[]), "tasks[0].command", "at least one item"),
        (one_task(command="ls"), "tasks[0].command", "expected a list of texts"),
        (one_task(command=["sleep", 5]), "tasks[0].command[1]", "number 5; quote it"),
        (one_task(shell=True), "tasks[0].shell", "found true; quote it"),
        (one_task(command=["{a.b}"]), "tasks[0]", "a placeholder is a name"),
        (one_task(shell="echo '{a}'"), "tasks[0]", "is within quotes"),
        (one_task(shell="ls", outputs="a"), "tasks[0].outputs", "with 'shell'"),
        (one_task(shell="ls", retry=True), "tasks[0].retry", "found true"),
        (one_task(shell="ls", retry=2.5), "tasks[0].retry", "at least 1, or a mapping"),
        (one_task(shell="ls", retry={}), "tasks[0].retry", "'attempts' is missing"),
        ({**one_task(shell="ls"), "name": b"x"}, "name", "a value of the type bytes"),
        ({**one_task(shell="ls"), "on_error": 3}, "on_error", "one of 'raise', 'cont"),
        ({**one_task(shell="ls"), "inputs": 3}, "inputs", "expected a mapping, found"),
        (
            {**one_task(shell="ls"), "inputs": {"a": {"type": 3}}},
            "inputs.a.type",
            "expected one of 'str', 'int', .*found the number 3",
        ),
        (
            one_task(shell="ls", max_output=-1),
            "tasks[0].max_output",
            "a whole number of at least 0 and at most 1,000,000,000, found the number",
        ),
        (one_task(shell="ls", tags=[3, 3]), "tasks[0].tags[1]", "a name that is not"),
        (one_task(shell="ls", depends_on=["a", 3]), "tasks[0].depends_on[1]", "quote"),
        (
            one_task(shell="ls", retry={"attempts": 2, "on": f"{TASKS}:total"}),
            "tasks[0].retry.on",
            "'files_tasks:total' is a function, which is no exception",
        ),
        (one_task(function="files_tasks.nothing.x"), "tasks[0].function", "has no 'n"),
        (one_task(shell="ls", priority=10**30), "tasks[0].priority", "a whole number"),
        (one_task(shell="ls", timeout=10**400), "tasks[0].timeout", "a huge number"),
        (one_task(shell="ls", tags=["a", "a"]), "tasks[0].tags[1]", "is there twice"),
        (one_task(shell="ls", env={"A=": "1"}), 'tasks[0].env["A="]', "without '='"),
        (one_task(shell="ls", trigger="any_failed"), "", "no dependencies"),
        (one_task(shell="ls", depends_on="only"), "tasks[0]", "depends on itself"),
        (one_task(function=f"{TASKS}:generator"), "tasks[0]", "generator function"),
        (one_task(function=f"{TASKS}:number"), "tasks[0].function", "is no function"),
        (one_task(function=f"{TASKS}:a-b"), "tasks[0].function", "module:attribute"),
        (one_task(function="files_taskss:x"), "tasks[0].function", "not in a package"),
        (one_task(function=f"{TASKS}:fail", cwd="/"), "tasks[0].cwd", "'function'"),
        (
            one_task(function=f"{TASKS}:fail", kwargs={"a": 1}),
            "tasks[0]",
            "which the function does not have",
        ),
        (
            {**one_task(shell="ls"), "inputs": {"path": "str"}},
            "inputs.path",
            "no task takes the input 'path'",
        ),
        (
            {**one_task(shell="ls", limit={"a": 3}), "limits": {"a": 2}},
            "tasks[0].limit.a",
            "takes 3 of 2",
        ),
        ({**one_task(shell="ls"), "defaults": {"name": 1}}, "defaults.name", "unknown"),
        (
            {"tasks": {"a": {"shell": "ls", "name": "b"}}},
            "tasks.a.name",
            "the key above says it",
        ),
        (
            {
                "tasks": {
                    "a": {"shell": "ls", "after": "b"},
                    "b": {"shell": "ls", "depends_on": "a"},
                }
            },
            "tasks.a",
            "wait for one another: 'a' -> 'b' -> 'a'|'b' -> 'a' -> 'b'",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(said: Any, path: str, message: str) -> None:
    found = problems_of(said)
    assert path in found or any(key.startswith("tasks") for key in found)
    assert re.search(message, found.get(path, " ".join(found.values())))


def test_of_a_long_cycle_some_tasks_are_named() -> None:
    tasks = {
        f"t{number}": {"shell": "ls", "after": f"t{(number + 1) % 50}"}
        for number in range(50)
    }
    (message,) = problems_of({"tasks": tasks}).values()
    assert re.search(
        r"wait for one another: 't\d+' -> .* -> \.\.\. -> .*'t\d+'", message
    )
    assert message.count(" -> ") == 16


def test_all_mistakes_of_the_wiring_are_told() -> None:
    found = problems_of(
        {
            "tasks": {
                "a": {"function": "files_tasks:report", "kwargs": {"x": 1}},
                "b": {"function": "files_tasks:total", "depends_on": {"nope": "a"}},
            }
        }
    )
    assert "binds parameter 'x', which the function does not have" in found["tasks.a"]
    assert "binds parameter 'nope', which the function" in found["tasks.b"]


def test_methods_of_objects_are_no_functions_of_a_file() -> None:
    """Not even where the package of their class is allowed."""
    (message,) = problems_of(
        one_task(function="files_tasks:method"), allow=[TASKS, "pathlib"]
    ).values()
    assert message == (
        "'files_tasks:method' is a method of an object; write a function for it"
    )


def test_a_module_that_is_not_there_at_all(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "brittle_outside"
    package.mkdir()
    written(package / "__init__.py", "1 / 0\n")
    tasks = [
        {"name": "a", "function": "no_such_module:x"},
        {"name": "b", "function": "brittle_outside.inner:x"},
        {"name": "c", "function": "json.no_such_part.x"},
        {"name": "d", "function": "json.decoder.no_such_part:x"},
    ]
    allowed = ["no_such_module", "brittle_outside", "json"]
    assert list(problems_of({"tasks": tasks}, allow=allowed).values()) == [
        "there is no module 'no_such_module'.",
        "importing 'brittle_outside.inner' failed: ZeroDivisionError: division by zero",
        "'json' has no 'no_such_part'.",
        "there is no module 'json.decoder.no_such_part'.",
    ]


def test_how_to_allow_commands_is_said_once() -> None:
    said = {"tasks": {"a": {"shell": "ls"}, "b": {"command": ["ls"]}}}
    found = problems_of(said, allow_commands=False)
    assert found == {
        "tasks.a.shell": "this runs a program, which the file may not. Who trusts the "
        "file can allow it with allow_commands=True",
        "tasks.b.command": "this runs a program, which the file may not",
    }


def test_what_needs_no_commands(tmp_path: Path, monkeypatch) -> None:
    """A log below the present directory, and a retry policy that says no exceptions."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").mkdir()
    said = one_task(function=f"{TASKS}:fail", log="logs/x.log", retry={"attempts": 2})
    graph = load(said, allow_commands=False)
    assert graph["only"].options.retry.on is Exception
    run = graph.run(on_error="continue")
    assert len(run.records["only"].attempts) == 2
    assert "Unlucky" in (tmp_path / "logs" / "x.log").read_text(encoding="utf-8")
    assert load(graph.to_dict()).to_dict() == graph.to_dict()


def test_a_module_that_cannot_be_imported(tmp_path: Path, monkeypatch) -> None:
    package = tmp_path / "brittle"
    package.mkdir()
    written(package / "__init__.py", "")
    written(package / "broken.py", "1 / 0\n")
    written(package / "leaves.py", "raise SystemExit(3)\n")
    written(package / "lacks.py", "import not_there_at_all\n")
    written(package / "works.py", "def f(): return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    names = ["broken.f", "leaves:f", "lacks.f", "workz:f", "works.g", "works.f"]
    tasks = [{"name": name, "function": f"brittle.{name}"} for name in names]
    try:
        found = problems_of({"tasks": tasks}, allow="brittle")
    finally:
        for name in [name for name in sys.modules if name.startswith("brittle")]:
            del sys.modules[name]
    assert list(found.values()) == [
        "importing 'brittle.broken' failed: ZeroDivisionError: division by zero",
        "importing 'brittle.leaves' failed: SystemExit: 3",
        "importing 'brittle.lacks' failed: No module named 'not_there_at_all'",
        "there is no module 'brittle.workz'. Did you mean 'brittle.works'?",
        "'brittle.works' has no 'g'.",
    ]


def test_wrong_use_of_allow() -> None:
    with pytest.raises(TypeError, match="names of packages"):
        Graph.from_dict({}, allow=[files_tasks])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="names of packages"):
        Graph.from_dict({}, allow="a-b")


# And back.


def test_what_no_file_can_say_is_named() -> None:
    observer = type("Observer", (), {"run_started": lambda self, run: None})()
    graph = Graph("mixed", observers=[observer], executor=Threads(2))
    graph.add(lambda: 1, name="unnamed")
    graph.add(files_tasks.fail, name="slow", executor=Threads(1))
    graph.add(files_tasks.fail, name="picky", retry=Retry(2, on=lambda error: True))
    graph.add(files_tasks.double, name="set", kwargs={"rows": {1}})
    graph.add(files_tasks.bound, name="partial")
    graph.command(["cat"], name="bytes", input=b"x")
    graph.command(["cat"], name="secret", redact=["s3cret"])
    graph.add(files_tasks.total, name="fine", kwargs={"rows": [1]})
    with pytest.raises(GraphError) as caught:
        graph.to_dict()
    text = str(caught.value)
    for reason in (
        "observers are objects",
        "its executor is an object",
        "'unnamed'.*has no name to find it by",
        "'slow'.*executor is an object",
        "'picky'.*is a function",
        "'set'.*kwargs holds a set",
        "'partial'.*has no name",
        "'bytes'.*input is bytes",
        "'secret'.*secrets",
    ):
        assert re.search(reason, text)
    assert "'fine'" not in text
    assert "s3cret" not in text


def test_what_else_no_file_can_say_is_named() -> None:
    graph = Graph("mixed")
    pair = graph.add(files_tasks.extract, name="pair", outputs=("rows", "origin"))
    graph.add(files_tasks.double, name="pair[rows]", kwargs={"rows": [1]})
    graph.add(files_tasks.total, name="part", dependencies=pair["rows"])
    graph.add(files_tasks.fail, name="log", log=LogFile("x.log", level="ERROR"))
    graph.add(files_tasks.fail, name="redacts", log=LogFile("x.log", redact="s3cret"))
    graph.add(files_tasks.fail, name="wait", retry=Retry(2, backoff=lambda n: 0.0))
    graph.add(files_tasks.fail, name="either", after=files_tasks.total)
    graph.add(files_tasks.total, name="other", kwargs={"rows": []})
    with pytest.raises(GraphError) as caught:
        graph.to_dict()
    text = str(caught.value)
    for reason in (
        r"'part'.*'pair\[rows\]' is a part of a result, and a task too",
        "'log'.*its log file is more than a path",
        "'redacts'.*its log file is more than a path",
        "'wait'.*backoff of its retry policy is a function",
        "'either'.*which is not one task of the graph",
    ):
        assert re.search(reason, text), text
    assert "s3cret" not in text


def test_paths_and_declared_tasks_are_written_and_read(tmp_path: Path) -> None:
    """Braces in a path are no placeholders; a task of a module is its function."""
    place = tmp_path / "{a} b"
    place.mkdir()
    graph = Graph("made")
    graph.command([Path("/bin/pwd")], cwd=place, name="where")
    graph.add(files_tasks.declared.function, name="four")
    said = graph.to_dict()
    assert said["tasks"][1]["function"] == "files_tasks:declared"
    again = load(json.loads(json.dumps(said)))
    assert again.to_dict() == said
    assert again()["where"].stdout == f"{place}\n"
    assert again()["four"] == 4


def test_a_graph_with_a_mistake_is_written_down_as_it_is() -> None:
    """Also its inputs, though it is not known which are used."""
    graph = load(
        {"inputs": {"rows": "list"}, **one_task(function="files_tasks:double")}
    )
    graph.add(files_tasks.total, dependencies="nobody")
    said = graph.to_dict()
    assert said["inputs"] == {"rows": "list"}
    (message,) = problems_of(said).values()
    assert "there is no task 'nobody'" in message


def test_a_graph_made_with_python_is_written_and_read() -> None:
    graph = Graph("made", max_concurrency=3, limits={"db": 1})
    first = graph.add(files_tasks.extract, outputs=("rows", "origin"))
    graph.add(files_tasks.double, dependencies=first["rows"], limit="db")
    graph.add(files_tasks.total, dependencies={"rows": files_tasks.double}, after=first)
    graph.shell("echo {total} {{}}", dependencies="total", name="show")
    said = graph.to_dict()
    assert said["tasks"][2] == {
        "name": "total",
        "function": "files_tasks:total",
        "depends_on": {"rows": "double"},
        "after": ["extract"],
    }
    again = load(json.loads(json.dumps(said)))
    assert again.to_dict() == said
    assert again(path="x")["show"].stdout == graph(path="x")["show"].stdout == "12 {}\n"


def test_places_in_toml_behind_dates_and_dots(tmp_path: Path) -> None:
    """A date of two words is one value; dots of a text are no keys of many parts."""
    file = written(
        tmp_path / "flow.toml",
        f"""
        description = "{"." * 300}"
        inputs = {{ when = {{ type = "datetime", default = 2024-01-01 10:00:00 }} }}
        nmae = 1
        tasks = []
        """,
    )
    with pytest.raises(FlowFileError) as caught:
        Graph.from_file(file)
    places = {one.path: (one.line, one.column) for one in caught.value.problems}
    assert places["nmae"] == (3, 1)
    said = file.read_text(encoding="utf-8").replace("nmae", "# nmae")
    file.write_text(said.replace("inputs", "# inputs"), encoding="utf-8")
    assert Graph.from_file(file).description == "." * 300


def test_letters_of_two_halves_in_json(tmp_path: Path) -> None:
    """They are letters; what is wrong elsewhere is what is said."""
    text = '{"name": "\\ud83d\\ude00", "name": "x", "tasks": []}'
    file = written(tmp_path / "flow.json", text)
    with pytest.raises(FlowFileError, match="'name' is there twice") as caught:
        Graph.from_file(file)
    assert len(caught.value.problems) == 1
    file.write_text(text.replace('"name": "x", ', ""), encoding="utf-8")
    assert Graph.from_file(file).name == "\U0001f600"


def test_places_in_yaml_with_line_breaks_of_its_own(tmp_path: Path) -> None:
    needs_yaml()
    file = tmp_path / "flow.yaml"
    for text, place in {
        "[": (1, 2),
        "---": (1, 4),
        'name: "a\u2028b"\nnmae: 1\n': (2, 1),
        "name: a\r\nnmae: 1\r\n": (2, 1),
        "# \u2028# x\nnmae: 1\n": (2, 1),
    }.items():
        file.write_bytes(text.encode())
        with pytest.raises(FlowFileError) as caught:
            Graph.from_file(file)
        problem = caught.value.problems[-1]
        assert (problem.line, problem.column) == place


def test_a_part_of_a_task_with_brackets_in_its_name() -> None:
    graph = Graph("brackets")
    pair = graph.add(files_tasks.extract, name="pair[1]", outputs=("rows", "origin"))
    graph.add(files_tasks.total, name="total", dependencies=pair["rows"])
    again = load(graph.to_dict())

    assert again.to_dict() == graph.to_dict()
    assert again(path="x")["total"] == 6


def test_inputs_of_tasks_that_were_removed_are_not_written_down() -> None:
    graph = load({"inputs": {"a": "int", "b": "int"}, **one_task(shell="echo {a}{b}")})
    graph.remove("only")
    graph.command(["echo", "{b}"], name="other")

    said = graph.to_dict()
    assert said["inputs"] == {"b": "int"}
    assert load(said).to_dict() == said
