"""What the command line looks like. The commands themselves are imported when used."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from ._arguments import Parser, positive, seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

FORMATS = ("text", "mermaid", "dot", "svg", "html", "json")
EXECUTORS = ("auto", "sequential", "threads", "processes")
ON_ERROR = ("raise", "continue", "rollback")
LEVELS = ("debug", "info", "warning", "error", "critical")
SHELLS = ("bash", "zsh", "tcsh")

_TARGET = """\
TARGET is a module and a graph in it (`shop.reports:daily`), or a file (`etl.py`,
`etl.py:sales`, `flow.json`). The graph is an attribute or the name of a graph. It can
be left out where there is only one that is not a part of another.
"""

_EXAMPLES = {
    "": """\
examples:
  syncra run etl.py --input path=sales.csv --input since=2026-01-31
  syncra show etl.py
  syncra check shop.reports
  syncra list etl.py
  syncra plan etl.py --target total
""",
    "run": """\
values: --input takes what the annotation of the parameter says: numbers, true and
false, dates (2026-01-31), paths, members of an enum, lists (1,2,3 or JSON), JSON. @FILE
stands for what is in a file, @- for standard input, @@ for an @.

exit codes: 0 all is well, 1 tasks have failed, 2 wrong use, 130 Ctrl-C, 143 SIGTERM.

examples:
  syncra run etl.py --input path=sales.csv --input since=2026-01-31
  syncra run etl.py:sales -i path=sales.csv -i since=none --target total --json
  syncra run etl.py --inputs inputs.json --on-error continue --trace trace.json
  syncra run shop.reports:daily -j 2 --executor threads --quiet
  syncra run flow.json --input factor=2
""",
    "show": """\
examples:
  syncra show etl.py
  syncra show etl.py --format mermaid
  syncra show shop.reports:daily --format json --output daily.json
""",
    "check": """\
exit codes: 0 no mistakes, 1 mistakes, 2 wrong use.

examples:
  syncra check etl.py
  syncra check shop.reports:daily
  syncra check flow.json
""",
    "list": """\
examples:
  syncra list etl.py
  syncra list shop.reports --json
""",
    "plan": """\
examples:
  syncra plan etl.py
  syncra plan etl.py --target total --executor processes
""",
}


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return what a command line says. Its `command` is what does it.

    Raises:
        SystemExit: after help, and if there is something wrong with it.
    """
    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help(sys.stderr)
        parser.exit(2)
    return options


def make_parser() -> argparse.ArgumentParser:
    """Return what reads command lines."""
    parser = Parser(
        prog="syncra",
        description="Run, show and check graphs of tasks.",
        epilog=f"{_TARGET}\n{_EXAMPLES['']}",
    )
    parser.set_defaults(command=None)
    parser.add_argument(
        "--version",
        action="version",
        version=f"syncra {import_module('syncra').__version__}",
    )
    parser.add_argument(
        "--print-completion",
        action=_PrintCompletion,
        choices=SHELLS,
        metavar="SHELL",
        help=f"print what makes a shell complete commands: {', '.join(SHELLS)}",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, text, add in (
        ("run", "run a graph", _add_run),
        ("show", "show a graph: its tasks, or a picture", _add_show),
        ("check", "look for mistakes in graphs, and tell all of them", _add_check),
        ("list", "list the graphs of a module or file", _add_list),
        ("plan", "show what would run, in which order and where, and why", _add_plan),
    ):
        sub = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=f"{_TARGET}\n{_EXAMPLES[name]}",
        )
        sub.set_defaults(command=_command(name))
        _option(sub, "target", metavar="TARGET", is_file=True, help="see below")
        add(sub)
        _option(
            sub,
            "--allow",
            metavar="PACKAGE",
            action="append",
            default=[],
            help="a package whose functions a file of data may name, beside what is in "
            "its directory; may be repeated",
        )
        _option(
            sub,
            "--allow-commands",
            action="store_true",
            default=name != "run",  # to look at a file runs nothing of it
            help="let a file of data run programs"
            if name == "run"
            else argparse.SUPPRESS,
        )
    return parser


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    def command(options: argparse.Namespace) -> int:
        module = import_module(f"{__package__}._{name}")
        done: int = module.command(options)
        return done

    return command


def _add_run(parser: argparse.ArgumentParser) -> None:
    given = parser.add_argument_group("inputs")
    _option(
        given,
        "-i",
        "--input",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="an input of the graph; may be repeated",
    )
    _option(
        given,
        "--inputs",
        metavar="FILE",
        is_file=True,
        help="a file of inputs by name: JSON, TOML or YAML; - for JSON from standard "
        "input",
    )
    how = parser.add_argument_group("how it runs")
    _add_targets(how)
    _option(
        how,
        "-j",
        "--max-concurrency",
        type=positive,
        metavar="N",
        help="the most tasks at once",
    )
    _option(
        how,
        "--on-error",
        choices=ON_ERROR,
        help="what a failing task does to the run: " + ", ".join(ON_ERROR),
        metavar="POLICY",
    )
    _option(
        how,
        "--timeout",
        type=seconds,
        metavar="SECONDS",
        help="limit for the whole run",
    )
    _option(
        how,
        "--grace",
        type=seconds,
        metavar="SECONDS",
        help="how long tasks have to end when they are told to",
    )
    _add_outputs(parser.add_argument_group("what it writes"))


def _add_outputs(what: Any) -> None:
    _option(
        what,
        "--json",
        action="store_true",
        help="one JSON object on standard output, and nothing else there",
    )
    _option(
        what,
        "--all-results",
        action="store_true",
        help="results of all tasks, not only of those that no other waits for",
    )
    _option(
        what,
        "-q",
        "--quiet",
        action="store_true",
        help="no progress and no table; results and errors only",
    )
    _option(
        what,
        "--report",
        metavar="FILE",
        is_file=True,
        help="write a page about the run (HTML), also if it fails",
    )
    _option(
        what,
        "--trace",
        metavar="FILE",
        is_file=True,
        help="write a trace for Perfetto (JSON), also if it fails",
    )
    _option(
        what,
        "--log-level",
        choices=LEVELS,
        metavar="LEVEL",
        help="show log records from this level on: " + ", ".join(LEVELS),
    )


def _add_targets(group: Any) -> None:
    _option(
        group,
        "-t",
        "--target",
        dest="targets",
        metavar="TASK",
        action="append",
        default=None,
        help="run only what this task needs; may be repeated",
    )
    _option(
        group,
        "--executor",
        choices=EXECUTORS,
        metavar="EXECUTOR",
        help="what runs tasks that do not say so themselves: " + ", ".join(EXECUTORS),
    )


def _add_show(parser: argparse.ArgumentParser) -> None:
    _option(
        parser,
        "-f",
        "--format",
        choices=FORMATS,
        metavar="FORMAT",
        help="one of " + ", ".join(FORMATS) + "; by the suffix of the output otherwise",
    )
    _option(
        parser,
        "-o",
        "--output",
        metavar="FILE",
        is_file=True,
        help="where to write it; standard output otherwise",
    )


def _add_check(parser: argparse.ArgumentParser) -> None:
    _option(parser, "-q", "--quiet", action="store_true", help="tell mistakes only")


def _add_list(parser: argparse.ArgumentParser) -> None:
    _option(parser, "--json", action="store_true", help="as JSON")


def _add_plan(parser: argparse.ArgumentParser) -> None:
    _add_targets(parser)
    _option(parser, "--json", action="store_true", help="as JSON")


def _option(group: Any, *names: str, is_file: bool = False, **options: Any) -> None:
    """Add an option or argument; where it is a file, a shell completes its name."""
    action = group.add_argument(*names, **options)
    if is_file:
        action.complete = {
            "bash": "_shtab_compgen_files",
            "zsh": "_files",
            "tcsh": "f",
        }


class _PrintCompletion(argparse.Action):
    def __call__(self, parser: Any, namespace: Any, values: Any, *_: Any) -> None:
        from ._completion import script

        print(script(parser, values))
        parser.exit(0)
