"""Load a CSV file into SQLite: read, check each row, load in one transaction, report.

    parse ─────────┬──> load ──> verify ──┬──> by_state ──┬──> tables
    create_tables ─┘                      └──> extremes ──┘

A row that breaks a rule is rejected: it goes into a table of its own, with its line and
the reason. All rows of a file go in by one transaction, or none. A file that has been
loaded is not loaded again, whatever its name: what it holds is its identity. So the
script may be run as often as one likes.

`verify` looks at what is in the database then. If that is not what was read, or too
much of it was rejected, it fails, and `on_error="rollback"` takes the load back: the
database is what it was before.

    python examples/etl.py --database airports.sqlite
    syncra run examples/etl.py --input source=examples/data/airports.csv \
        --input database=airports.sqlite --input top=10
"""

import argparse
import csv
import hashlib
import io
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

from syncra import Graph, Retry

SOURCE = Path(__file__).parent / "data" / "airports.csv"
COLUMNS = ["iata", "name", "city", "state", "country", "latitude", "longitude"]
MOST_REJECTED = 0.05  # of all rows; with more than that the file is not what it was
PATIENCE = 5.0  # seconds that SQLite waits for another program to have written
NOTHING = "NA"  # how the source spells it
# Where islands in the Pacific are. The source has signs of theirs wrong.
SOUTH, EAST = {"AS"}, {"CQ", "GU"}

TABLES = """
CREATE TABLE IF NOT EXISTS load (
    id INTEGER PRIMARY KEY,
    sha256 TEXT NOT NULL UNIQUE,
    source TEXT NOT NULL,
    loaded_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE IF NOT EXISTS airport (
    load INTEGER NOT NULL REFERENCES load ON DELETE CASCADE,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    city TEXT NOT NULL,
    state TEXT NOT NULL,
    latitude REAL NOT NULL CHECK (latitude BETWEEN -90 AND 90),
    longitude REAL NOT NULL CHECK (longitude BETWEEN -180 AND 180),
    PRIMARY KEY (load, code)
);
CREATE TABLE IF NOT EXISTS rejected (
    load INTEGER NOT NULL REFERENCES load ON DELETE CASCADE,
    line INTEGER NOT NULL,
    reason TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (load, line)
);
"""


@dataclass(frozen=True)
class Airport:
    """A row that has kept all rules."""

    code: str
    name: str
    city: str
    state: str
    latitude: float
    longitude: float


@dataclass(frozen=True)
class Rejected:
    """A row that has not, its line in the file and the reason."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True)
class Parsed:
    """What is in a file."""

    sha256: str
    airports: list[Airport]
    rejected: list[Rejected]


@dataclass(frozen=True)
class Load:
    """A file in a database, and whether this run has put it there."""

    database: Path
    id: int
    is_new: bool


@dataclass(frozen=True)
class State:
    """A row of the report."""

    name: str
    airports: int
    south: float
    north: float


graph = Graph("airports", on_error="rollback")


def is_busy(error: BaseException) -> bool:
    """Return whether another program was writing to the database for too long."""
    code = getattr(error, "sqlite_errorcode", None)
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


when_busy = Retry(5, on=is_busy, backoff=0.2)


@graph.task
def parse(source: Path) -> Parsed:
    """Read a CSV file and check its rows."""
    content = source.read_bytes()
    rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
    header = next(rows, [])
    if header != COLUMNS:
        raise ValueError(f"{source} has columns {header}, not {COLUMNS}")

    airports: dict[str, Airport] = {}
    rejected = []
    for row in filter(None, rows):  # without empty lines
        try:
            airport = airport_of(row)
            if airport.code in airports:
                raise ValueError(f"{airport.code} is there already")

        except ValueError as error:
            rejected.append(Rejected(rows.line_num, str(error), ",".join(row)))
        else:
            airports[airport.code] = airport
    digest = hashlib.sha256(content).hexdigest()
    return Parsed(digest, list(airports.values()), rejected)


@graph.task(retry=when_busy)
def create_tables(database: Path) -> None:
    """Make the tables that are not there yet."""
    with connected(database) as connection:
        connection.executescript(TABLES)


@graph.task(dependencies={"parsed": parse}, after=create_tables, retry=when_busy)
def load(parsed: Parsed, source: Path, database: Path) -> Load:
    """Put everything into the database by one transaction, unless it is there."""
    with connected(database) as connection:
        # Before anything is read, so that no other program comes in between.
        connection.execute("BEGIN IMMEDIATE")
        known = connection.execute(
            "SELECT id FROM load WHERE sha256 = ?", [parsed.sha256]
        ).fetchone()
        if known is not None:
            return Load(database, known[0], is_new=False)

        cursor = connection.execute(
            "INSERT INTO load (sha256, source) VALUES (?, ?)",
            [parsed.sha256, source.name],
        )
        new = cursor.lastrowid
        assert new is not None
        connection.executemany(
            "INSERT INTO airport VALUES (?, ?, ?, ?, ?, ?, ?)",
            ((new, *astuple(airport)) for airport in parsed.airports),
        )
        connection.executemany(
            "INSERT INTO rejected VALUES (?, ?, ?, ?)",
            ((new, *astuple(row)) for row in parsed.rejected),
        )
        return Load(database, new, is_new=True)


@load.rollback
def take_back(load: Load) -> None:
    """Delete what this run has loaded; what was there before it stays."""
    if load.is_new:
        with connected(load.database) as connection:
            connection.execute("DELETE FROM load WHERE id = ?", [load.id])


@graph.task(dependencies=[load, parse])
def verify(load: Load, parsed: Parsed) -> Load:
    """Fail if the database does not have what was read, or if that is too little."""
    with connected(load.database) as connection:
        there = connection.execute(
            "SELECT (SELECT count(*) FROM airport WHERE load = :load), "
            "(SELECT count(*) FROM rejected WHERE load = :load)",
            {"load": load.id},
        ).fetchone()
    airports, rejected = wanted = len(parsed.airports), len(parsed.rejected)
    if there != wanted:
        raise RuntimeError(f"{there} rows are in the database instead of {wanted}")

    if rejected > MOST_REJECTED * (airports + rejected):
        first = parsed.rejected[0]
        raise ValueError(
            f"{rejected} of {airports + rejected} rows were rejected, the first in "
            f"line {first.line}: {first.reason}"
        )

    return load


@graph.task(dependencies=verify)
def by_state(verify: Load) -> list[State]:
    """Return for each state how many airports it has, and from where to where."""
    with connected(verify.database) as connection:
        rows = connection.execute(
            "SELECT state, count(*), min(latitude), max(latitude) FROM airport "
            "WHERE load = ? GROUP BY state ORDER BY count(*) DESC, state",
            [verify.id],
        )
        return [State(*row) for row in rows]


@graph.task(dependencies=verify)
def extremes(verify: Load) -> dict[str, str]:
    """Return the airports that are farthest in each direction."""
    orders = {
        "northernmost": "latitude DESC",
        "southernmost": "latitude",
        "easternmost": "longitude DESC",
        "westernmost": "longitude",
    }
    select = "SELECT name || ', ' || city || ', ' || state FROM airport WHERE load = ?"
    found = {}
    with connected(verify.database) as connection:
        for what, order in orders.items():
            query = f"{select} ORDER BY {order}, code LIMIT 1"
            (found[what],) = connection.execute(query, [verify.id]).fetchone()
    return found


@graph.task(dependencies=[by_state, extremes, parse, verify])
def tables(
    by_state: list[State],
    extremes: dict[str, str],
    parse: Parsed,
    verify: Load,
    *,
    top: int,
) -> str:
    """Return the report as text."""
    what = "loaded" if verify.is_new else "already there"
    reasons = {row.reason for row in parse.rejected}
    lines = [f"{len(parse.airports)} airports {what} (load {verify.id})"]
    lines += [f"  {place:14}{airport}" for place, airport in extremes.items()]
    lines += ["", "state  airports   south   north"]
    lines += [
        f"{state.name:5}  {state.airports:8}  {state.south:6.2f}  {state.north:6.2f}"
        for state in by_state[:top]
    ]
    lines += ["", f"{len(parse.rejected)} rows rejected"]
    for reason in sorted(reasons):
        numbers = [row.line for row in parse.rejected if row.reason == reason]
        lines.append(f"  {reason}: line {', '.join(map(str, numbers))}")
    return "\n".join(lines)


def airport_of(row: Sequence[str]) -> Airport:
    """Return the airport of a row.

    Raises:
        ValueError: if the row breaks a rule; its text says which.
    """
    if len(row) != len(COLUMNS):
        raise ValueError(f"{len(row)} columns")

    code, name, city, state, country, *place = (cell.strip() for cell in row)
    if country != "USA":
        raise ValueError(f"in {country}" if country else "no country")

    for column, cell in zip(COLUMNS, (code, name, city, state), strict=False):
        if cell in ("", NOTHING):
            raise ValueError(f"no {column}")

    latitude, longitude = map(float, place)
    # NaN is in no range either.
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise ValueError(f"nowhere on Earth: {latitude}, {longitude}")

    if (latitude < 0) != (state in SOUTH) or (longitude > 0) != (state in EAST):
        raise ValueError(f"{state} on the wrong side of the Earth")

    return Airport(code, name, city, state, latitude, longitude)


@contextmanager
def connected(database: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection whose changes are kept at the end, or undone after an error."""
    with closing(sqlite3.connect(database, timeout=PATIENCE)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        with connection:
            yield connection


def main(arguments: Sequence[str] | None = None) -> int:
    """Load a file, print the report; return the exit code."""
    parser = argparse.ArgumentParser(description="Load airports into SQLite.")
    add, database = parser.add_argument, Path("airports.sqlite")
    add("source", nargs="?", type=Path, default=SOURCE, help=f"default: {SOURCE.name}")
    add("--database", type=Path, default=database, help=f"default: {database}")
    add("--top", type=int, default=5, metavar="N", help="states to show, default: 5")
    options = parser.parse_args(arguments)
    try:
        run = graph.run(vars(options))
    except (OSError, ValueError, RuntimeError, csv.Error, sqlite3.Error) as error:
        # The last line says which task it was.
        print(
            f"etl: {error}", *getattr(error, "__notes__", ()), sep="\n", file=sys.stderr
        )
        return 1

    print(run[tables])
    return 0


if __name__ == "__main__":
    sys.exit(main())
