"""The inputs of a graph from what a command line and a file say."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from .._annotations import resolved
from .._conversion import ConversionError, from_json, from_text
from .._names import hint, listed, nearest
from ..errors import FlowFileError, MissingExtraError
from ._problems import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .._compiled import Compiled
    from .._inputs import Input

#: How a file of inputs is read, by its suffix.
SUFFIXES = (".json", ".toml", ".yaml", ".yml")


def values_of(
    compiled: Compiled,
    known: Iterable[str],
    given: Sequence[str],
    file: str | None,
) -> dict[str, object]:
    """Return the inputs of a run.

    Parameters:
        compiled: the graph, or the part of it that is to run.
        known: names of inputs that the run does not need but that are no mistake.
        given: texts such as "name=value" and "name=@file".
        file: a file that has them by name; "-" for standard input. What is given one
            by one comes before it.

    Raises:
        Problem: of all that is wrong with them.
    """
    texts: dict[str, str] = {}
    for one in given:
        name, equals, text = one.partition("=")
        if not equals or not name:
            raise Problem(
                f"--input {one!r}: expected NAME=VALUE, as in --input path=sales.csv"
            )

        texts[name.strip()] = text
    data = {} if file is None else _from_file(file)
    known = {*compiled.inputs, *known}
    problems = [
        f"there is no input {name!r}; the graph takes "
        f"{listed(compiled.inputs) or 'no inputs'}." + hint(nearest(name, known))
        for name in {**data, **texts}
        if name not in known
    ]
    found: dict[str, object] = {}
    for name, wanted in compiled.inputs.items():
        try:
            if name in texts:
                annotation = annotation_of(compiled, wanted)
                found[name] = _converted(texts[name], annotation)
            elif name in data:
                annotation = annotation_of(compiled, wanted)
                found[name] = from_json(data[name], annotation)
            elif wanted.is_required:
                task = compiled.tasks[compiled.ids[wanted.tasks[0]]]
                problems.append(
                    f"input {name!r} is missing, which task {task.name!r} "
                    f"({task.place}) takes; give it with --input {name}=VALUE."
                )
        except (ConversionError, OSError) as error:
            problems.append(f"input {name!r}: {_text_of(error)}.")
    if problems:
        lines = problems if len(problems) == 1 else ["", *problems]
        raise Problem(f"graph {compiled.graph!r} cannot run: " + "\n  ".join(lines))

    return found


def annotation_of(compiled: Compiled, wanted: Input) -> object:
    """Return the annotation of an input, no string; None if there is none."""
    from .._signature import signature_of

    for name in wanted.tasks:
        function = compiled.tasks[compiled.ids[name]].function
        parameter = signature_of(function).parameters.get(wanted.name)
        if parameter is not None and parameter.annotation is wanted.annotation:
            return resolved(wanted.annotation, function)

    return resolved(wanted.annotation, None)


def _converted(text: str, annotation: object) -> object:
    """Return the value that a text stands for, or the file that it names."""
    if not text.startswith("@"):
        return from_text(text, annotation)

    if text.startswith("@@"):
        return from_text(text[1:], annotation)

    content = _read(text[1:])
    try:
        try:
            return from_text(content, annotation)
        except ConversionError:
            # A number in a file of its own has a line break behind it.
            return from_text(content.strip(), annotation)
    except ConversionError as error:
        raise ConversionError(f"in {text[1:]}, {error}") from None


def _read(where: str) -> str:
    """Return the text of a file, or of standard input for "-".

    Raises:
        OSError: if it cannot be read.
        ConversionError: if it is no text.
    """
    try:
        if where == "-":
            if sys.stdin is None:
                raise ConversionError("standard input is closed")

            return sys.stdin.read()

        return Path(where).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConversionError(f"{where} is no text in UTF-8") from None


def _from_file(where: str) -> dict[str, object]:
    """Return the inputs that a file has by name."""
    suffix = Path(where).suffix.lower()
    try:
        if suffix not in SUFFIXES and where != "-":
            raise ConversionError(
                f"expected a file with a suffix of {listed(SUFFIXES)}"
            )

        found = _parsed(_read(where), suffix)
        if not isinstance(found, dict):
            raise ConversionError("expected an object of inputs by name")
    except (OSError, ValueError, RecursionError) as error:
        raise Problem(f"--inputs {where}: {_text_of(error)}.") from None

    return {str(name): value for name, value in found.items()}


def _parsed(text: str, suffix: str) -> object:
    if suffix == ".toml":
        import tomllib

        return tomllib.loads(text)

    if suffix in (".yaml", ".yml"):
        return _parsed_yaml(text)

    return json.loads(text)


def _parsed_yaml(text: str) -> object:
    """Return what YAML says, read as in files of graphs: `no` and `1:30` are texts."""
    from .._files.bounds import Mistake
    from .._files.problems import Problems
    from .._files.yaml_text import parse

    problems = Problems(None, lambda paths: {})
    try:
        found = parse(text.replace("\r\n", "\n"), problems)
        problems.raise_all()
    except Mistake as mistake:
        line, column = mistake.mark or (None, None)
        place = f"line {line}, column {column}: " if line else ""
        raise ValueError(f"{place}{mistake.message}") from None
    except MissingExtraError:
        raise Problem(
            "a file of YAML takes PyYAML: pip install 'syncra[yaml]'"
        ) from None
    except FlowFileError as error:
        raise ValueError(str(error)) from None

    return found


def _text_of(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"

    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}"

    return str(error)
