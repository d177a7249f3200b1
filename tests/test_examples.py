"""Every example runs as its readers run it, and does what it says."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import pytest

import syncra
from syncra import Graph, Run

EXAMPLES = Path(__file__).parent.parent / "examples"
PAGE = (EXAMPLES / "README.md").read_text(encoding="utf-8")
BY_SYNCRA = re.findall(r"^syncra (.*)$", PAGE, re.MULTILINE)
COMMANDS = re.findall(r"`python (examples/.*?)`", PAGE)
NEEDED_BY_SERVICE = ("httpx", "starlette", "uvicorn")

Importer = Callable[[str], ModuleType]


@pytest.fixture(scope="module")
def example() -> Iterator[Importer]:
    """Import an example by its name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)  # where worker processes look too
        yield importlib.import_module


def arguments(command: str) -> list[str]:
    """Return how a command of the page is run, with every warning an error."""
    script, *options = shlex.split(command)
    return [sys.executable, "-W", "error", str(EXAMPLES.parent / script), *options]


def environment() -> dict[str, str]:
    """Return the variables of such a process, which is to find this very package."""
    before = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join([str(Path(syncra.__file__).parents[1]), before])
    return {**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"}


def finished(arguments: list[str], directory: Path) -> subprocess.CompletedProcess[str]:
    """Return a process that has run in a directory to its end."""
    return subprocess.run(
        arguments,
        cwd=directory,
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )


def done(command: str, directory: Path, *more: str) -> tuple[int, str, str]:
    """Run a command in a directory; return its exit code, output and errors."""
    process = finished([*arguments(command), *more], directory)
    return process.returncode, process.stdout, process.stderr


# The page.


def test_every_example_is_on_the_page() -> None:
    """With its link and a command, and nothing else is there."""
    scripts = {path.name for path in EXAMPLES.glob("*.py")}
    assert set(re.findall(r"\[\w+\.py\]\((.*?)\)", PAGE)) == scripts
    assert {Path(shlex.split(command)[0]).name for command in COMMANDS} == scripts


def test_every_data_file_has_an_origin_and_a_licence() -> None:
    """As whoever ships it on has to know."""
    page = (EXAMPLES / "data" / "README.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| `")]
    files = {path.name for path in (EXAMPLES / "data").iterdir()} - {"README.md"}
    assert {row[1].strip(" `") for row in rows} == files
    assert all(row[3].strip() and row[4].strip() for row in rows)


# What each command prints. More arguments make a command small enough for a test.

CENSUS = r"""Census of .*syncra: Python 3\.\S+, {executor}, [\d.]+ s

Largest packages
(.*\n)*
Broken files: 0
"""
AIRPORTS = r"""3356 airports {what} \(load 1\)
  northernmost  Wiley Post Will Rogers Memorial, Barrow, AK
  southernmost  Henry E\. Rohlsen, Christiansted, VI
  easternmost   Christiansted Harbor Seaplane Base, Christiansted, VI
  westernmost   Adak, Adak, AK

state  airports   south   north
AK          263   51\.88   71\.29
TX          209   25\.91   36\.41
CA          205   32\.57   41\.89
OK          102   33\.91   36\.91
FL          100   24\.56   30\.85

20 rows rejected
  AS on the wrong side of the Earth: line 1488, 2661, 3363
  CQ on the wrong side of the Earth: line 1647, 1650, 3116, 3143
  GU on the wrong side of the Earth: line 1658
  in Federated States of Micronesia: line 3357
  in N Mariana Islands: line 3003
  in Palau: line 2797
  in Thailand: line 2796
  no city: line 1138, 1717, 2253, 2314, 2754, 2761, 2902, 2966
"""
TAKEN_BACK = r"""before: accounts \{'Ada': 50\}, income 0, stock \{'tea': 5, .*\}

charged 12 to Ada: payment 1
reserved 3 tea: reservation 2
the line to the carrier is busy
failed: ship, nobody goes to Atlantis
released reservation 2
refunded payment 1

after: accounts \{'Ada': 50\}, income 0, stock \{'tea': 5, 'rye': 100\}

charge   succeeded, undone
reserve  succeeded, undone
ship     failed
confirm  skipped
alarm    succeeded
"""
SHIPPED = r"""before: accounts \{'Ada': 50\}, income 0, stock \{'tea': 5, 'rye': 100\}

charged 12 to Ada: payment 1
reserved 3 tea: reservation 2
the line to the carrier is busy
shipped reservation 2 to Oslo

after: accounts \{'Ada': 38\}, income 12, stock \{'tea': 2, 'rye': 100\}

charge   succeeded
reserve  succeeded
ship     succeeded
confirm  succeeded
alarm    skipped

Dear Ada, parcel 2 is on its way\. You have paid 12\.
"""
TRIED = r"""20 requests, 5 at once, in each a function that blocks for 0\.02 s
answers: \{200: 20\}
took \d+\.\d s; one after another at least 0\.4 s
meanwhile the heart of the event loop has beaten \d+ times, at most \d+ ms late
"""
PRINTED: dict[str, tuple[int, str, list[str]]] = {
    "examples/census.py": (
        0,
        CENSUS.format(executor="auto"),
        [str(Path(syncra.__file__).parent)],
    ),
    "examples/census.py --executor processes": (
        0,
        CENSUS.format(executor="processes") + r"\nparsed in \d+ processes: .*\n",
        [str(Path(syncra.__file__).parent)],
    ),
    "examples/etl.py": (0, AIRPORTS.format(what="loaded"), []),
    "examples/order.py": (1, TAKEN_BACK, []),
    "examples/order.py --to Oslo": (0, SHIPPED, []),
    "examples/service.py --try 200": (
        0,
        TRIED,
        ["--try", "20", "--at-once", "5", "--delay", "0.02"],
    ),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_page(command: str, tmp_path: Path) -> None:
    """Each prints what it should, all of it, and warns of nothing."""
    if "service" in command:
        for name in NEEDED_BY_SERVICE:
            pytest.importorskip(name, reason=f"{name} is not installed")
    code, printed, more = PRINTED[command]
    found, output, errors = done(command, tmp_path, *more)
    assert errors == ""
    assert re.fullmatch(printed, output), output
    assert found == code


@pytest.mark.one_python
@pytest.mark.parametrize("command", BY_SYNCRA)
def test_commands_of_syncra_on_the_page(command: str, tmp_path: Path) -> None:
    """Each script's graph is found, with inputs that a shell can give."""
    if "service" in command:
        for name in NEEDED_BY_SERVICE:
            pytest.importorskip(name, reason=f"{name} is not installed")
    (tmp_path / "examples").symlink_to(EXAMPLES)
    (tmp_path / "LICENSE").symlink_to(EXAMPLES.parent / "LICENSE")
    by_syncra = [sys.executable, "-P", "-m", "syncra", *shlex.split(command)]
    process = finished(by_syncra, tmp_path)
    assert process.returncode == 0, process.stdout + process.stderr
    assert "Traceback" not in process.stderr
    expected = {
        "run examples/flow.json": "170 words in 21 lines",
        "run": "tables",
        "show": "charge",
        "check": "offer",
    }
    text = next(expected[begin] for begin in expected if command.startswith(begin))
    assert text in process.stdout


# The census as one graph, whose tasks are there before it knows of a tree.


@pytest.mark.parametrize("executor", ["auto", "sequential", "processes"])
def test_the_graph_of_the_census(
    example: Importer, tmp_path: Path, executor: str
) -> None:
    """It finds what the graph for one tree finds, wherever it runs."""
    census = example("census")
    for number in range(30):
        path = tmp_path / f"package{number % 3}" / f"module{number}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"import package{(number + 1) % 3}\n\ndef f():\n    pass\n")
    (tmp_path / "broken.py").write_text("def (:\n")
    assert list(census.graph.inputs) == ["root", "top"]
    run = census.graph.run({"root": tmp_path, "top": 4}, executor=executor)
    assert run["census"] == census.build_graph(tmp_path)(top=4)["census"]
    assert run["census"].totals == census.Size(120, 31, 1, 30, 0)
    assert "Import cycles: 1\n" in run["tables"]
    assert "package0, package1, package2\n" in run["tables"]


# The load of airports.


@pytest.fixture
def etl(example: Importer) -> ModuleType:
    return example("etl")


HEADER = "iata,name,city,state,country,latitude,longitude\n"
GOOD = [f"A{number},Field,Town,TX,USA,30.5,-99.5\n" for number in range(30)]


def dumped(database: Path) -> list[str]:
    """Return everything that is in a database."""
    with closing(sqlite3.connect(database)) as connection:
        return list(connection.iterdump())


def run_etl(etl: ModuleType, source: Path, database: Path, **options: Any) -> Run:
    graph: Graph = etl.graph
    return graph.run({"source": source, "database": database, "top": 5}, **options)


def test_a_second_load_changes_nothing(tmp_path: Path) -> None:
    """Neither the database nor, but for a word, the report; under another name too."""
    command = "examples/etl.py"
    assert done(command, tmp_path)[0] == 0
    before = dumped(tmp_path / "airports.sqlite")
    copy = tmp_path / "copy.csv"
    copy.write_bytes((EXAMPLES / "data" / "airports.csv").read_bytes())
    code, output, _ = done(command, tmp_path, str(copy))
    assert code == 0
    assert re.fullmatch(AIRPORTS.format(what="already there"), output)
    assert dumped(tmp_path / "airports.sqlite") == before
    assert sum('INSERT INTO "airport"' in line for line in before) == 3356


@pytest.mark.parametrize("executor", ["sequential", "threads", "processes"])
def test_the_load_under_each_executor(
    etl: ModuleType, tmp_path: Path, executor: str
) -> None:
    """One result."""
    run = run_etl(etl, etl.SOURCE, tmp_path / "db", executor=executor)
    assert re.fullmatch(AIRPORTS.format(what="loaded"), run["tables"] + "\n")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("X1,Field,Town,TX,USA,30.5\n", "6 columns"),
        ("X1,Field,Town,TX,USA,30.5,-99.5,\n", "8 columns"),
        ("X1,Field,Town,TX,Canada,30.5,-99.5\n", "in Canada"),
        (",Field,Town,TX,USA,30.5,-99.5\n", "no iata"),
        ("X1, ,Town,TX,USA,30.5,-99.5\n", "no name"),
        ("X1,Field,NA,TX,USA,30.5,-99.5\n", "no city"),
        ("X1,Field,Town,NA,USA,30.5,-99.5\n", "no state"),
        ("X1,Field,Town,TX,USA,north,-99.5\n", "could not convert .* 'north'"),
        ("X1,Field,Town,TX,USA,nan,-99.5\n", "nowhere on Earth: nan, -99.5"),
        ("X1,Field,Town,TX,USA,90.5,-99.5\n", "nowhere on Earth: 90.5, -99.5"),
        ("X1,Field,Town,TX,USA,30.5,99.5\n", "TX on the wrong side of the Earth"),
        ("X1,Field,Town,AS,USA,14.2,-169.4\n", "AS on the wrong side of the Earth"),
        ("A3,Field,Town,TX,USA,30.5,-99.5\n", "A3 is there already"),
    ],
)
def test_rejected_rows(etl: ModuleType, tmp_path: Path, row: str, reason: str) -> None:
    """Each is kept with its line and the reason; the others are loaded."""
    source, database = tmp_path / "rows.csv", tmp_path / "db"
    quoted = '"Q1","Field, North ""Old""","Town\nCity",TX,USA,30.5,-99.5\n'
    source.write_text("".join([HEADER, *GOOD, "\n", quoted, row]))
    run = run_etl(etl, source, database)
    assert len(run["parse"].airports) == 31
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT line, reason, text FROM rejected").fetchall()
        names = connection.execute("SELECT name FROM airport WHERE code = 'Q1'")
        assert names.fetchall() == [('Field, North "Old"',)]
    ((line, why, text),) = rows
    assert line == 1 + 30 + 1 + 2 + 1
    assert re.fullmatch(reason, why)
    assert text == row.rstrip("\n")


def test_too_many_rejected_rows_take_the_load_back(
    etl: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The database is what it was, and the message says which task has failed."""
    database = tmp_path / "db"
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text("".join([HEADER, *GOOD]))
    bad.write_text("".join([HEADER, *GOOD, *["X1,,,,,,\n"] * 3]))
    run_etl(etl, good, database)
    before = dumped(database)
    assert etl.main([str(bad), "--database", str(database)]) == 1
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == (
        "",
        "etl: 3 of 33 rows were rejected, the first in line 32: no country\n"
        "raised by task 'verify' of graph 'airports'\n",
    )
    assert dumped(database) == before
    run = run_etl(etl, bad, database, on_error="continue")
    assert run.records["load"].state == "succeeded"  # it had been in and is out again
    assert len(dumped(database)) > len(before)


def test_a_load_is_all_or_nothing(etl: ModuleType, tmp_path: Path) -> None:
    """A row that the database refuses half-way leaves none of the others there."""
    database = tmp_path / "db"
    etl.create_tables(database)
    before = dumped(database)
    airport = etl.Airport("A1", "Field", "Town", "TX", 30.5, -99.5)
    parsed = etl.Parsed("digest", [airport, airport], [])
    with pytest.raises(sqlite3.IntegrityError):
        etl.load(parsed, Path("rows.csv"), database)
    assert dumped(database) == before


def test_a_busy_database_is_tried_again(
    etl: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program writes, until the load has failed for the first time."""
    database = tmp_path / "db"
    etl.create_tables(database)
    monkeypatch.setattr(etl, "PATIENCE", 0.01)
    other = sqlite3.connect(database, check_same_thread=False)

    class Release:
        def task_retrying(
            self, run: Run, task: str, attempt: int, error: Exception, wait: float
        ) -> None:
            other.rollback()

    with closing(other):
        other.execute("BEGIN IMMEDIATE")
        run = run_etl(etl, etl.SOURCE, database, observers=[Release()])
    assert run.ok
    record = run.records["load"]
    assert len(record.attempts) > 1
    assert isinstance(record.attempts[0].error, sqlite3.OperationalError)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "has columns [], not ['iata'"),
        (b"code,name\n", "has columns ['code', 'name'], not ['iata'"),
        (b"\xff\xfe", "codec can't decode"),
        (HEADER.encode() + b'A1,"Field', "unexpected end of data"),
        (None, "No such file or directory"),
    ],
)
def test_a_file_that_is_none(
    etl: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes | None,
    says: str,
) -> None:
    """Is told in a line, with the task, and nothing is loaded."""
    source, database = tmp_path / "rows.csv", tmp_path / "db"
    if content is not None:
        source.write_bytes(content)
    assert etl.main([str(source), "--database", str(database)]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("etl: ")
    assert says in printed.err
    assert printed.err.endswith("raised by task 'parse' of graph 'airports'\n")


# The order.


@pytest.mark.parametrize(
    ("options", "story"),
    [
        (["--quantity", "7"], ["charged 28", "failed: reserve, there are 5", "refund"]),
        (["--quantity", "70"], ["failed: charge, Ada does not have 280"]),
    ],
)
def test_an_order_that_fails_earlier(
    example: Importer,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    story: list[str],
) -> None:
    """Only what was done is taken back."""
    assert example("order").main(["--to", "Oslo", *options]) == 1
    before, told, after, _ = capsys.readouterr().out.split("\n\n")
    assert before.removeprefix("before: ") == after.removeprefix("after: ")
    lines = told.splitlines()
    assert len(lines) == len(story)
    assert all(map(str.startswith, lines, story))


@pytest.mark.parametrize("executor", ["sequential", "threads", "auto"])
def test_an_order_under_each_executor(example: Importer, executor: str) -> None:
    """The story is the same; who gives no shop has one for the run."""
    order = example("order")
    story: list[str] = []
    with pytest.raises(order.NoCarrier):
        order.graph.run(
            {"order": order.Order("Ada", "rye", 1, "Atlantis")},
            executor=executor,
            shared={"story": story},
        )
    assert [line.split()[0] for line in story] == [
        *("charged", "reserved", "the", "failed:", "released", "refunded")
    ]


# The service.


@pytest.fixture(scope="module")
def service(example: Importer) -> ModuleType:
    for name in NEEDED_BY_SERVICE:
        pytest.importorskip(name, reason=f"{name} is not installed")
    return example("service")


@pytest.fixture
def ask(service: ModuleType) -> Iterator[Callable[..., Any]]:
    """Serve with small delays and a limit; give a function that asks."""
    import httpx

    with (
        service.serving(service.make_app(delay=0.01, limit=30)) as address,
        httpx.Client(base_url=address, trust_env=False) as client,
    ):
        yield client.get


def test_a_service_under_load(service: ModuleType) -> None:
    """200 requests, 50 at once, in each a function that blocks half a second.

    If these blocked the event loop, the requests would take 100 seconds, and a beat
    would come every half second instead of every hundredth of one.
    """
    with service.serving(service.make_app(delay=0.5, limit=60)) as address:
        trial = anyio.run(service.ask_many_times, address, 200, 50)
    assert trial.answers == {200: 200}
    assert trial.after.requests == 200
    assert trial.after.gone == 0
    assert trial.seconds < 100 / 5
    assert trial.beats > trial.seconds / 0.5 * 5


def test_answers_of_the_service(ask) -> None:
    """An offer; and where there is none, who is to blame."""
    found = ask("/offers/tea", params={"quantity": 5})
    assert (found.status_code, found.json()) == (
        200,
        {"item": "tea", "price": 20, "at_once": True},
    )
    assert ask("/offers/tea", params={"quantity": 6}).json()["at_once"] is False
    assert ask("/offers/tea", params={"quantity": "x"}).status_code == 400
    found = ask("/offers/ale")
    assert (found.status_code, found.json()) == (
        404,
        {"task": "price", "error": "NoSuchItemError: there is no ale"},
    )
    assert ask("/health").json()["requests"] == 4


def test_an_error_is_500_and_names_its_task(
    ask, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has the traceback, down to the line of the task."""
    found = ask("/offers/gin")
    assert (found.status_code, found.json()) == (
        500,
        {"task": "stock", "error": "KeyError: 'gin'"},
    )
    (record,) = [one for one in caplog.records if one.name == "service"]
    assert record.getMessage().startswith("task stock of run ")
    assert "return STOCK[item]" in caplog.text


def test_a_request_that_takes_too_long(service: ModuleType) -> None:
    """Is given up, though a function that blocks cannot be."""
    import httpx

    with service.serving(service.make_app(delay=1, limit=0.05)) as address:
        found = httpx.get(f"{address}/offers/tea", trust_env=False)
    assert found.status_code == 504
    assert found.json() == {"task": "price", "error": "it took too long"}


def test_a_client_that_goes_away(service: ModuleType) -> None:
    """Its run is cancelled: long before it would have been over."""
    import httpx

    async def go_away(address: str) -> dict[str, Any]:
        async with httpx.AsyncClient(base_url=address, trust_env=False) as client:
            assert (await client.get("/health")).json()["gone"] == 0
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/offers/tea", timeout=0.1)
            with anyio.fail_after(30):
                while not (health := (await client.get("/health")).json())["gone"]:
                    await anyio.sleep(0.01)
        return health

    # Half of the delay is a coroutine's, which ends at once; a thread is waited for.
    with service.serving(service.make_app(delay=1, limit=60)) as address:
        health = anyio.run(go_away, address)
    assert (health["requests"], health["gone"]) == (1, 1)


def test_the_service_as_a_process(service: ModuleType, tmp_path: Path) -> None:
    """It says where it serves, serves there, and ends with Ctrl-C."""
    import httpx

    process = subprocess.Popen(
        [*arguments("examples/service.py"), "--port", "0", "--delay", "0"],
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if said := re.search(r"running on (http://\S+)", line):
                break
        else:
            raise AssertionError("it has ended")

        found = httpx.get(f"{said[1]}/offers/rye", trust_env=False)
        assert found.json() == {"item": "rye", "price": 2, "at_once": True}
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
