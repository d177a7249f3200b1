"""Files that mean harm, or are broken: faults 131 to 134.

None of them leads to anything but a `FlowFileError`, and nothing that they name is
imported or run.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import files_tasks  # noqa: F401 - allowed, and imported before: it holds what is not
import pytest

from syncra import Graph
from syncra.errors import FlowFileError, SyncraError


def named(function: str) -> str:
    return json.dumps({"tasks": [{"name": "a", "function": function}]})


def said(**task: object) -> str:
    return json.dumps({"tasks": [{"name": "a", **task}]})


#: Names that no file may use where `files_tasks` is allowed, and nothing else.
NAMES = [
    "os.system",
    "os:system",
    "posix:system",
    "subprocess.run",
    "subprocess:Popen",
    "builtins.eval",
    "builtins:exec",
    "builtins.__import__",
    "eval",
    "exec",
    "__import__",
    "logging.os.system",
    "importlib.import_module",
    "pickle.loads",
    "shutil.rmtree",
    "sys.exit",
    "syncra.Graph.from_file",
    "syncra._files.functions:importlib.import_module",
    "unwanted_module.run",
    "unwanted_module:run",
    "files_tasks.os.system",
    "files_tasks:os.system",
    "files_tasks:os.path.join",
    "files_tasks.subprocess.run",
    "files_tasks.subprocess.Popen",
    "files_tasks:system",
    "files_tasks.run",
    "files_tasks.bound",
    "files_tasks.cached",
    "files_tasks.cached.__wrapped__",
    "files_tasks.wrapped",
    "files_tasks.method",
    "files_tasks.root",
    "files_tasks.functools.partial",
    "files_tasks.Path.unlink",
    "files_tasks:Path",
    "files_tasks.Opener.communicate",
    "files_tasks.Opener.mro",
    "files_tasks.counter.named",
    "files_tasks.Counter.secrets.system",
    "files_tasks.Counter.__init__",
    "files_tasks.Counter.__class__.__subclasses__",
    "files_tasks.extract.__globals__",
    "files_tasks:extract.__code__.replace",
    "files_tasks:extract.__get__",
    "files_tasks.__builtins__.eval",
    "files_tasks:__builtins__",
    "files_tasks.__loader__.load_module",
    "files_tasks.graph.shell",
    "files_tasks.syncra.Graph.shell",
    "files_tasks.number.bit_length",
    "files_tasks",
    "files_tasks:",
    ":extract",
    "files_tasks..extract",
    "files_tasks.extract()",
    "files_tasks:extract:other",
    "files_tasks extract",
    "../files_tasks:extract",
    "files_tasks/../os:system",
    "files_tasks\n:extract",
    "files_tasks:\uff4fs.system",
    "files_tasks_evil:run",
    "f\u0131les_tasks:extract",
    "",
    "a" * 100_000,
    "a." * 50_000 + "a",
]

FLOW = "tasks:\n  - name: a\n    function: files_tasks:fail\n"
JSON = named("files_tasks:fail")
#: Texts by the suffix of their file, and what the message has to say.
TEXTS: list[tuple[str, str | bytes, str]] = [
    # 132: tags.
    (".yaml", "!!python/object/apply:os.system ['echo x']", "tags are not read"),
    (".yaml", "tasks: !!python/name:os.system", "tags are not read"),
    (".yaml", "tasks: !!python/module:unwanted_module", "tags are not read"),
    (".yaml", "tasks: !!python/object/new:os.system [x]", "tags are not read"),
    (".yaml", "!!python/object:unwanted_module.Class {}", "tags are not read"),
    (".yaml", "tasks: !!set {a}", "tags are not read"),
    (".yaml", "name: !!str 3\n" + FLOW, "tags are not read"),
    (".yaml", "name: !!binary aGk=\n" + FLOW, "tags are not read"),
    (".yaml", "name: !own x\n" + FLOW, "tags are not read"),
    (".yaml", "name: ! x\n" + FLOW, "tags are not read"),
    (".yaml", "!!map\n" + FLOW, "tags are not read"),
    (".yaml", "? !!python/tuple [a]\n: b", "tags are not read"),
    (".yaml", "%TAG ! tag:yaml.org,2002:python/\n---\n!name:os.system x", "tags"),
    # 133: aliases, depth, size, keys, numbers, encodings.
    (".yaml", "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", "anchors"),
    (".yaml", "name: &anchor x\n" + FLOW, "anchors"),
    (".yaml", "&a {a: *a}", "anchors"),
    (".yaml", "name: *missing\n" + FLOW, "aliases"),
    (".yaml", "<<: {name: x}\n" + FLOW, "merge keys"),
    (".yaml", "tasks: [{<<: {}, name: a}]", "merge keys"),
    (".yaml", "name: a\nname: b\n" + FLOW, "'name' is there twice"),
    (".yaml", FLOW + "    function: os:system\n", "'function' is there twice"),
    (".yaml", "[" * 20_000, "nested more than 100"),
    (".yaml", "{a: " * 20_000, "nested more than 100"),
    (".yaml", "- " * 20_000, "nested more than 100"),
    (".yaml", "\n".join(" " * n + "a:" for n in range(200)), "nested more than 100"),
    (".yaml", "? " * 500, "expected a text for a key|nested more"),
    (".yaml", "[a]: b", "expected a text for a key"),
    (".yaml", "{a: b}: c", "expected a text for a key"),
    (".yaml", "1: b\n" + FLOW, "expected a text for a key"),
    (".yaml", "~: b\n" + FLOW, "expected a text for a key"),
    (".yaml", FLOW + "    timeout: .inf\n", "finite"),
    (".yaml", FLOW + "    timeout: -.INF\n", "finite"),
    (".yaml", FLOW + "    timeout: .nan\n", "finite"),
    (".yaml", FLOW + "    timeout: 1e999\n", "finite"),
    (".yaml", FLOW + "    timeout: " + "9" * 5_000, "more than 1000 digits"),
    (".yaml", FLOW + "    timeout: 0x" + "f" * 5_000, "more than 1000 digits"),
    (".yaml", FLOW + '    tags: "\\ud800"\n', "surrogate|no YAML"),
    (".yaml", FLOW + '    tags: "\\UFFFFFFFF"\n', "no YAML"),
    (".yaml", "name: a\x00b\n" + FLOW, "not allowed"),
    (".yaml", "name: a\x1bb\n" + FLOW, "not allowed"),
    (".yaml", "%YAML " + "9" * 5_000 + ".1\n---\n" + FLOW, "no YAML"),
    (".yaml", "%YAML 2.0\n---\n" + FLOW, "no YAML"),
    (".yaml", FLOW + "---\n" + FLOW, "second document"),
    (".yaml", "", "nothing in it"),
    (".yaml", "# nothing\n", "nothing in it"),
    (".yaml", "\t- a", "no YAML"),
    (".yaml", "tasks: [", "no YAML"),
    (".yaml", "tasks: 'x", "no YAML"),
    (".yaml", "a: b: c", "no YAML"),
    (".yaml", b"\xef\xbb\xbf" + FLOW.encode(), "byte order mark"),
    (".yaml", FLOW.encode("utf-16"), "not UTF-8"),
    (".yaml", FLOW.encode("utf-16-le"), "not allowed"),
    (".yaml", b"name: \xff\n" + FLOW.encode(), "not UTF-8"),
    (".yaml", "- a\n" * 10, "expected a mapping"),
    (".json", "[" * 20_000, "nested more than 100"),
    (".json", "[" * 200 + "]" * 200, "nested more than 100"),
    (".json", '{"a":' * 100_000, "nested more than 100"),
    (".json", '{"a":' * 101 + "1" + "}" * 101, "nested more than 100"),
    (".json", " " * (10 * 2**20 + 1), "more than 10 MiB"),
    (".json", '{"name": "a", "name": "b", "tasks": []}', "'name' is there twice"),
    (".json", '{"tasks": [{"name": "a", "n\\u0061me": "b"}]}', "'name' is there twice"),
    (".json", '{"tasks": NaN}', "finite"),
    (".json", '{"tasks": [], "max_concurrency": Infinity}', "finite"),
    (".json", '{"tasks": -Infinity}', "finite"),
    (".json", '{"tasks": 1e999}', "finite"),
    (".json", '{"tasks": -1e999}', "finite"),
    (".json", '{"tasks": %s}' % ("9" * 2_000), "more than 1000 digits"),
    (".json", '{"tasks": %s}' % ("9" * 100_000), "more than 1000 digits"),
    (".json", '{"name": "\\ud800", "tasks": []}', "surrogate"),
    (".json", '{"name": "x\\udc00y", "tasks": []}', "surrogate"),
    (".json", '{"\\ud800": 1, "tasks": []}', "surrogate"),
    (".json", '{"name": "\\ud800\\q", "tasks": []}', "no JSON: Invalid .escape"),
    (".json", '{"name": "a\nb", "tasks": []}', "no JSON"),
    (".json", '{"name": "a\x00b", "tasks": []}', "no JSON"),
    (".json", '{"name": "a\\u0000b", "tasks": []}', "control characters"),
    (".json", '{"name": "\\u001b[31m", "tasks": []}', "control characters"),
    (".json", '{"tasks": []} x', "no JSON"),
    (".json", '{"tasks": []}{}', "no JSON"),
    (".json", '{"tasks": [],}', "no JSON"),
    (".json", "{'tasks': []}", "no JSON"),
    (".json", '{"tasks": [] // x\n}', "no JSON"),
    (".json", '{"tasks": 01}', "no JSON"),
    (".json", '"' * 100_001, "no JSON"),
    (".json", '"\\"' * 100_001, "no JSON"),
    (".json", "", "no JSON"),
    (".json", "null", "expected a mapping"),
    (".json", b"\xef\xbb\xbf" + JSON.encode(), "byte order mark"),
    (".json", JSON.encode("utf-16"), "not UTF-8"),
    (".json", JSON.encode("utf-32-le"), "no JSON"),
    (".json", b'{"name": "\xc3\x28", "tasks": []}', "not UTF-8"),
    (".json", b'{"name": "\xed\xa0\x80", "tasks": []}', "not UTF-8"),
    (".toml", "tasks = " + "[" * 20_000, "nested more than 100"),
    (".toml", "tasks = " + "[" * 150 + "]" * 150, "nested more than 100"),
    (".toml", "a." * 20_000 + "a = 1", "nested more than 100"),
    (".toml", "[" + "a." * 20_000 + "a]", "nested more than 100"),
    (".toml", "a = {" + "b." * 20_000 + "b = 1}", "nested more than 100"),
    (".toml", 'x = "\n' + "a." * 20_000 + "a = 1", "no TOML"),
    (".toml", 'name = "a"\nname = "b"\n', "no TOML"),
    (".toml", "[tasks.a]\n[tasks.a]\n", "no TOML"),
    (".toml", "max_concurrency = inf\ntasks = []", "finite"),
    (".toml", "max_concurrency = nan\ntasks = []", "finite"),
    (".toml", "max_concurrency = %s\ntasks = []" % ("9" * 5_000), "no TOML"),
    (".toml", 'name = "\\ud800"', "no TOML"),
    (".toml", "tasks = [", "no TOML"),
    (".toml", 'name = "a\x00"', "no TOML"),
    (".toml", b"\xff\xfe", "not UTF-8"),
    (".toml", b"\xef\xbb\xbf[tasks]", "byte order mark"),
    # 131 and 134: what a file may not say without permission.
    (".json", said(command=["ls"]), "allow_commands=True"),
    (".json", said(shell="ls"), "allow_commands=True"),
    (".json", said(function="files_tasks:fail", log="/etc/cron.d/x.log"), "relative"),
    (".json", said(function="files_tasks:fail", log="../x.log"), "relative"),
    (".json", said(function="files_tasks:fail", log="a/../../x.log"), "relative"),
    (".json", said(function="files_tasks:fail", log="setup.py"), r"ends with \.log"),
    (".json", said(function="files_tasks:fail", log="C:\\x.log"), "relative"),
    (".json", '{"tasks": [], "log": "/tmp/x.log"}', "relative"),
    (".json", '{"tasks": [], "defaults": {"log": "../x.log"}}', "relative"),
    (".json", said(function="files_tasks:fail", rollback="os:system"), "not in a"),
    (
        ".json",
        said(
            function="files_tasks:fail",
            retry={"attempts": 2, "on": "unwanted_module:Error"},
        ),
        "not in a package",
    ),
    (
        ".json",
        said(function="files_tasks:fail", retry={"attempts": 2, "on": "print"}),
        "there is no exception",
    ),
    (".json", '{"tasks": [], "include": "../../etc/passwd"}', "unknown key"),
    (".json", '{"tasks": [], "$ref": "file:///etc/passwd"}', "unknown key"),
    (".json", '{"tasks": [], "extends": "x"}', "unknown key"),
    (".txt", "x", "the name of the file says what it is"),
    ("", "x", "the name of the file says what it is"),
]  # fmt: skip

CASES = [(".json", named(name), r"tasks\[0\]\.function: ") for name in NAMES] + TEXTS


@pytest.fixture
def trap(tmp_path: Path, monkeypatch) -> Path:
    """Lay out modules that tell when they are imported; return their trace."""
    trace = tmp_path / "imported"
    code = f"open({str(trace)!r}, 'w').close()\ndef run(): pass\nError = Exception\n"
    for name in ("unwanted_module", "files_tasks_evil"):
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return trace


def test_there_are_many_of_them() -> None:
    assert len(CASES) >= 150


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("suffix", "text", "message"), CASES, ids=range(len(CASES))
)  # fmt: skip
def test_faults_131_to_134_hostile_files(
    tmp_path: Path, trap: Path, suffix: str, text: str | bytes, message: str
) -> None:
    """Refused, saying why and what of."""
    if suffix == ".yaml":
        pytest.importorskip("yaml", reason="PyYAML has no build for this Python")
    file = tmp_path / f"hostile{suffix}"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = {*sys.modules}
    with pytest.raises(FlowFileError, match=message) as caught:
        Graph.from_file(file, allow="files_tasks")
    assert not trap.exists()
    new = {name.partition(".")[0] for name in {*sys.modules} - before}
    assert not new & {"unwanted_module", "files_tasks_evil"}
    shown = str(caught.value)
    assert shown.replace("\n", "").isprintable()
    assert len(shown) < 20_000
    assert os.listdir(tmp_path).count("x.log") == 0


@pytest.mark.timeout(30)
def test_fault_131_nothing_is_imported_for_a_file_that_asks_too_much(
    tmp_path: Path, trap: Path
) -> None:
    """Not even what it may name."""
    tasks = [
        {"name": "good", "function": "unwanted_module:run"},
        {"name": "bad", "function": "os:system"},
    ]
    with pytest.raises(FlowFileError, match="'os:system' is not in a package"):
        Graph.from_dict({"tasks": tasks}, allow="unwanted_module")
    assert not trap.exists()
    assert list(Graph.from_dict({"tasks": tasks[:1]}, allow="unwanted_module"))
    assert trap.exists()
    del sys.modules["unwanted_module"]


def test_fault_131_an_alias_that_is_allowed_by_its_own_name() -> None:
    """What counts is where a function is from, and that can be allowed."""
    said = {"tasks": [{"name": "a", "function": "files_tasks.root", "kwargs": {}}]}
    with pytest.raises(SyncraError, match=r"'math\.sqrt'"):
        Graph.from_dict(said, allow="files_tasks")
    assert list(Graph.from_dict(said, allow=["files_tasks", "math"])) == ["a"]


def test_fault_133_mappings_that_hold_themselves() -> None:
    """A mapping of Python can be what no file is."""
    round_and_round: dict[str, object] = {}
    round_and_round["tasks"] = [round_and_round]
    bomb: list[object] = []
    for _ in range(200):
        bomb = [bomb, bomb]
    for hostile in (round_and_round, {"tasks": bomb}):
        with pytest.raises(FlowFileError, match="nested more than 100"):
            Graph.from_dict(hostile)


@pytest.mark.timeout(30)
def test_fault_131_what_has_every_attribute_wraps_no_others_forever() -> None:
    said = {"tasks": [{"name": "a", "function": "files_tasks:everything"}]}
    with pytest.raises(FlowFileError, match="wraps more than 100 others"):
        Graph.from_dict(said, allow="files_tasks")


def test_fault_131_a_module_that_exits_when_it_is_asked_for_a_name() -> None:
    said = {"tasks": [{"name": "a", "function": "files_tasks:way_out"}]}
    with pytest.raises(FlowFileError, match="looking up 'way_out' failed: SystemExit"):
        Graph.from_dict(said, allow="files_tasks")


@pytest.mark.timeout(30)
def test_fault_133_long_names_are_not_compared() -> None:
    """That takes the square of their length, where letters are many."""
    letters = "".join(map(chr, range(0x4E00, 0x4E00 + 2_000)))
    name = letters * 100
    tasks = {
        name: {"function": "files_tasks:fail"},
        "b": {"function": "files_tasks:fail", "after": name[1:]},
    }
    with pytest.raises(FlowFileError, match="there is no task") as caught:
        Graph.from_dict({"tasks": tasks}, allow="files_tasks")
    assert len(str(caught.value)) < 1_000


@pytest.mark.timeout(30)
def test_fault_133_many_outputs_and_many_that_name_them() -> None:
    """What is known of a task is looked through for the problems that are shown."""
    outputs = [f"output{number}" for number in range(3_000)]
    tasks = {"a": {"function": "files_tasks:fail", "outputs": outputs}} | {
        f"b{number}": {"function": "files_tasks:fail", "after": [], "depends_on": name}
        for number, name in enumerate(f"a[outptu{number}]" for number in range(3_000))
    }
    with pytest.raises(FlowFileError, match="has 3001 problems") as caught:
        Graph.from_dict({"tasks": tasks}, allow="files_tasks")
    messages = {one.path: one.message for one in caught.value.problems}
    assert messages["tasks.a.outputs"] == "expected at most 1,000 items, found 3,000"
    assert messages["tasks.b0.depends_on"].startswith("task 'a' has no output")
    assert sum("Did you mean" in message for message in messages.values()) < 30


def test_fault_133_many_inputs_that_no_task_takes() -> None:
    names = [f"input{number}" for number in range(2_000)]
    said = {
        "inputs": dict.fromkeys([f"un{name}" for name in names], "int"),
        "tasks": {"a": {"command": ["echo", *(f"{{{name}}}" for name in names)]}},
    }
    with pytest.raises(FlowFileError, match="has 2000 problems") as caught:
        Graph.from_dict(said, allow_commands=True)
    told = [len(problem.message) for problem in caught.value.problems]
    assert (max(told) > 500, sorted(told)[100] < 100) == (True, True)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "task",
    [
        {"function": "files_tasks:nothing_{}"},
        {"function": "files_tasks:fail", "limit": "limit_{}"},
        {"function": "files_tasks:fail", "retry": {"attempts": 2, "on": "Error{}"}},
        {"function": "files_tasks:fail", "key_{}": 1},
        {"function": "files_tasks:fail", "executor": "{}"},
        {"function": "files_tasks:fail", "after": "nobody_{}"},
        {"function": "elsewhere:nothing_{}"},
    ],
    ids=["function", "limit", "exception", "key", "executor", "task", "module"],
)
def test_fault_133_very_many_mistakes(task: dict[str, object]) -> None:
    """To say what was meant takes time, so it is said of those that are shown."""
    count = 4_000
    limits = {f"limit{number}": 1 for number in range(count)}
    text = json.dumps(task)
    tasks = {
        str(number): json.loads(text.replace("{}", str(number)))
        for number in range(count)
    }
    with pytest.raises(FlowFileError, match=r"has \d{4,} problems") as caught:
        Graph.from_dict({"limits": limits, "tasks": tasks}, allow="files_tasks")
    assert len(caught.value.problems) == 1_000
    assert len(str(caught.value).splitlines()) == 22


def test_fault_134_nothing_is_filled_in_from_the_environment(monkeypatch) -> None:
    """Texts are what they are."""
    monkeypatch.setenv("SECRET", "s3cret")
    texts = ["$SECRET", "${SECRET}", "%SECRET%", "{{ env.SECRET }}", "~", "${env:X}"]
    said = {
        "name": "$SECRET",
        "tasks": [
            {
                "name": "a",
                "function": "files_tasks:double",
                "kwargs": {"rows": texts, "factor": 1},
            }
        ],
    }
    graph = Graph.from_dict(said, allow="files_tasks")
    assert graph.name == "$SECRET"
    assert graph()["a"] == texts
