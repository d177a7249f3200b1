"""The command: `python -m benchmarks`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from . import chart, table
from .machine import describe, load, version_of
from .measurements import MEASUREMENTS
from .model import Measurement, Row, Settings
from .peers import OTHERS

RESULTS = Path(__file__).parent / "results"
FEWEST_TASKS = 100


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is asked for, print the table and write the JSON."""
    given = parsed(arguments)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8")  # not every terminal's has a "≤"
    chosen = [one for one in MEASUREMENTS if not given.only or one.id in given.only]
    if given.list:
        print(table.listing(chosen))
        return

    if given.chart:
        results, picture = given.chart
        draw(json.loads(results.read_text(encoding="utf-8")), picture)
        return

    settings = Settings(
        tasks=given.tasks,
        rounds=given.rounds or (3 if given.quick else 7),
        large=100_000 if given.quick else 1_000_000,
    )
    measure(chosen, settings, given.json)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the arguments of the command, checked."""
    ids = [measurement.id for measurement in MEASUREMENTS]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure how fast Syncra is, as ratios. No ratio is an error.",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        type=str.upper,
        choices=ids,
        metavar="ID",
        help=f"measure only these: {', '.join(ids)}",
    )
    parser.add_argument(
        "--tasks", type=int, default=10_000, help="tasks of a graph (%(default)s)"
    )
    parser.add_argument("--rounds", type=int, help="timings of each (7; quick: 3)")
    parser.add_argument(
        "--quick", action="store_true", help="fewer rounds; 100k tasks instead of 1M"
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="where JSON goes")
    parser.add_argument(
        "--chart",
        nargs=2,
        type=Path,
        metavar=("RESULTS.json", "OUT.svg"),
        help="measure nothing; draw the chart of earlier results",
    )
    parser.add_argument("--list", action="store_true", help="list the measurements")
    given = parser.parse_args(arguments)
    if given.tasks < FEWEST_TASKS:
        parser.error(f"--tasks is at least {FEWEST_TASKS}")
    if given.rounds is not None and given.rounds < 1:
        parser.error("--rounds is at least 1")
    return given


def measure(
    chosen: Sequence[Measurement], settings: Settings, path: Path | None
) -> None:
    """Measure, printing each row as soon as it is known, and write the JSON."""
    machine, load_before = describe(), load()
    started_at, start = datetime.now(UTC), perf_counter()
    print(table.described(machine, load_before))
    print(
        f"{settings.tasks} tasks, {settings.rounds} rounds in turns; before each "
        f"timing gc.collect(), the collector left on\n"
    )
    print(table.heading(), flush=True)
    rows: list[Row] = []
    for measurement in chosen:
        for row in measurement.rows(settings):
            rows.append(row)
            print(table.line(row), flush=True)
    seconds = perf_counter() - start
    print(f"\n{table.LEGEND}")
    where = path or RESULTS / f"{started_at:%Y%m%d-%H%M%S}.json"
    where.parent.mkdir(parents=True, exist_ok=True)
    found = {
        "started_at": started_at.isoformat(),
        "seconds": seconds,
        "machine": machine,
        "load": {"before": load_before, "after": load()},
        "libraries": {one.package: version_of(one.package) for one in OTHERS},
        "settings": asdict(settings),
        "rows": [as_json(row) for row in rows],
    }
    where.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"\n{seconds:.0f} s; everything is in {where}")
    draw(found, where.with_suffix(".svg"))


def draw(results: Mapping[str, Any], path: Path) -> None:
    """Write the chart of results, if there is anything to draw."""
    picture = chart.drawn(results)
    if picture is None:
        print("There is nothing in it that is drawn as a chart.")
        return

    path.write_text(picture, encoding="utf-8")
    print(f"The chart is {path}")


def as_json(row: Row) -> dict[str, Any]:
    """Return a row with its verdict."""
    return {**asdict(row), "verdict": row.verdict}


if __name__ == "__main__":
    main()
