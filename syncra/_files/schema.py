"""Checking of values against a JSON Schema: the keywords that ours uses, no others.

The schema is published, so that editors and other programs check what we check; a
library for all of JSON Schema would be a dependency, and say less well what is wrong.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path as FilePath

from .._names import hint, listed, nearest
from .problems import MOST_SHOWN, found_text, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, TypeAlias

    from .problems import Path, Problems

    #: A path from the inside out, so that going inwards is cheap.
    Trail: TypeAlias = tuple["Trail", str | int] | None
    #: A path, what is wrong there, and whether it is about the key.
    Finding: TypeAlias = tuple["Trail", str, bool]

FILE = FilePath(__file__).with_name("graph.schema.json")
#: What only explains.
ANNOTATIONS = {"$comment", "$defs", "$id", "$schema", "default", "description", "title"}

_TYPES: dict[str, Any] = {
    "object": dict,
    "array": (list, tuple),
    "string": str,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
_NOUNS = {
    "object": "a mapping",
    "array": "a list",
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}


@lru_cache(maxsize=1)
def the_schema() -> dict[str, Any]:
    """Return the schema of files that define graphs."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def check(data: object, problems: Problems) -> None:
    """Add to the problems what the schema says against a document."""
    schema = the_schema()
    for trail, message, of_key in Checker(schema).findings(data, schema, None):
        problems.add(_path(trail), message, of_key=of_key)


def _path(trail: Trail) -> Path:
    keys: list[str | int] = []
    while trail is not None:
        trail, key = trail
        keys.append(key)
    return tuple(reversed(keys))


class Checker:
    """Check values against parts of a schema.

    Parameters:
        schema: the whole schema, for what it refers to.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._definitions = {
            f"#/$defs/{name}": part for name, part in schema.get("$defs", {}).items()
        }
        self._patterns: dict[str, re.Pattern[str]] = {}
        self._unknown_keys = 0

    def findings(self, value: Any, schema: Any, trail: Trail) -> Iterator[Finding]:
        """Yield all that a schema says against a value; it goes as deep as the schema.

        Parameters:
            value: the value.
            schema: the schema, or True or False.
            trail: where the value is.
        """
        if schema is True:
            return

        if "$ref" in schema:
            yield from self.findings(value, self._definitions[schema["$ref"]], trail)
        kind = schema.get("type")
        if kind is not None and not is_a(value, kind):
            yield (
                trail,
                f"expected {self.expected(schema)}, found {found_text(value)}",
                False,
            )
            return

        if "enum" in schema and not _is_among(value, schema["enum"]):
            known = [str(one) for one in schema["enum"] if one is not None]
            close = nearest(value, known) if isinstance(value, str) else None
            text = f"expected one of {listed(known)}, found {found_text(value)}."
            yield trail, text + hint(close), False

        if isinstance(value, str):
            yield from self._of_text(value, schema, trail)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            if not _is_in_range(value, schema):
                text = f"expected {self.expected(schema)}, found {found_text(value)}"
                yield trail, text, False
        elif isinstance(value, (list, tuple)):
            yield from self._of_list(value, schema, trail)
        elif isinstance(value, dict):
            yield from self._of_mapping(value, schema, trail)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                yield from self._of_choice(value, schema, keyword, trail)

    def _of_text(self, text: str, schema: Any, trail: Trail) -> Iterator[Finding]:
        pattern = schema.get("pattern")
        if len(text) < schema.get("minLength", 0) or (
            pattern is not None and not self._matches(pattern, text)
        ):
            found = found_text(text) if text else "an empty text"
            yield trail, f"expected {self.expected(schema)}, found {found}", False

    def _matches(self, pattern: str, text: str) -> bool:
        compiled = self._patterns.get(pattern)
        if compiled is None:
            compiled = self._patterns[pattern] = re.compile(pattern)
        return compiled.search(text) is not None

    def _of_list(self, items: Any, schema: Any, trail: Trail) -> Iterator[Finding]:
        if len(items) < schema.get("minItems", 0):
            yield trail, "expected at least one item, found an empty list", False
        inner = schema.get("items", True)
        if inner is not True:
            for index, item in enumerate(items):
                yield from self.findings(item, inner, (trail, index))
        if schema.get("uniqueItems"):
            seen = set()
            for index, item in enumerate(items):
                if isinstance(item, str):
                    if item in seen:
                        yield (
                            (trail, index),
                            f"{found_text(item)} is there twice",
                            False,
                        )
                    seen.add(item)

    def _of_mapping(
        self, mapping: dict[Any, Any], schema: Any, trail: Trail
    ) -> Iterator[Finding]:
        properties = schema.get("properties", {})
        other = schema.get("additionalProperties", True)
        names = schema.get("propertyNames", True)
        for key, value in mapping.items():
            if not isinstance(key, str):
                yield (
                    trail,
                    f"expected a text for a key, found {found_text(key)}",
                    False,
                )
                continue

            inner = properties.get(key, other)
            if inner is False:
                yield (trail, key), self._unknown(key, schema, mapping), True
            elif inner is not True:
                yield from self.findings(value, inner, (trail, key))
            if names is not True:
                for _, message, _ in self.findings(key, names, None):
                    yield (trail, key), f"as the name of it {message}", True

        for key in schema.get("required", ()):
            if key not in mapping:
                yield trail, f"the key {key!r} is missing", False
        for key, also in schema.get("dependentSchemas", {}).items():
            if key in mapping:
                for name in also["properties"]:
                    if name in mapping:
                        text = f"{name!r} cannot be given together with {key!r}"
                        yield (trail, name), text, True

    def _unknown(self, key: str, schema: Any, mapping: Mapping[str, Any]) -> str:
        properties = schema["properties"]
        if key in properties:
            return f"{quoted(key)} has no place here, since the key above says it"

        text = f"unknown key {quoted(key)}"
        self._unknown_keys += 1
        if self._unknown_keys > MOST_SHOWN:
            return text  # to look for what was meant takes time

        impossible = {
            name
            for other, also in schema.get("dependentSchemas", {}).items()
            if other in mapping
            for name in also["properties"]
        }
        known = [name for name in properties if name not in impossible]
        close = nearest(key, known)
        if close:
            return f"{text}.{hint(close)}"

        free = [name for name in known if name not in mapping]
        return f"{text}; what else there is: {', '.join(free)}"

    def _of_choice(
        self, value: Any, schema: Any, keyword: str, trail: Trail
    ) -> Iterator[Finding]:
        """Check a value that may be of several kinds, and tell of the one it is of."""
        choices = schema[keyword]
        if all(set(choice) == {"required"} for choice in choices):
            yield from self._of_keys(value, [c["required"][0] for c in choices], trail)
            return

        best: list[Finding] | None = None
        fitting = 0
        for choice in choices:
            found = list(self.findings(value, choice, trail))
            if not found:
                fitting += 1
            elif is_a(value, self._resolved(choice).get("type")):
                best = found
        if fitting == 1 or (fitting and keyword == "anyOf"):
            return

        if best is None:
            text = f"expected {self.expected(schema)}, found {found_text(value)}"
            best = [(trail, text, False)]
        yield from best

    def _of_keys(
        self, mapping: object, keys: list[str], trail: Trail
    ) -> Iterator[Finding]:
        """Check that exactly one of some keys is there."""
        if not isinstance(mapping, dict):
            return

        there = [key for key in keys if key in mapping]
        if not there:
            yield trail, f"one of the keys {listed(keys)} is missing", False
        for key in there[1:]:
            text = f"{key!r} cannot be given together with {there[0]!r}"
            yield (trail, key), text, True

    def _resolved(self, schema: Any) -> Any:
        return self._definitions[schema["$ref"]] if "$ref" in schema else schema

    def expected(self, schema: Any) -> str:
        """Return what a schema asks for, as messages say it."""
        schema = self._resolved(schema)
        if "title" in schema:
            return str(schema["title"])

        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                return " or ".join(map(self.expected, schema[keyword]))

        if "enum" in schema:
            return f"one of {listed(map(str, schema['enum']))}"

        text = _NOUNS[schema["type"]]
        if "minimum" in schema:
            text += f" of at least {schema['minimum']}"
        if "exclusiveMinimum" in schema:
            text += f" above {schema['exclusiveMinimum']}"
        if "maximum" in schema:
            text += f" and at most {schema['maximum']:,}"
        return f"{text} that is not empty" if "minLength" in schema else text


def is_a(value: object, kind: Any) -> bool:
    """Return whether a value is of a type of JSON Schema, or of one of several."""
    if kind is None:
        return True

    if isinstance(value, bool):
        return bool(kind == "boolean")

    if kind == "integer":
        return isinstance(value, int) or (
            isinstance(value, float) and value.is_integer()
        )

    return isinstance(value, _TYPES[kind])


def _is_among(value: object, allowed: list[object]) -> bool:
    # For Python true is 1, for JSON it is not.
    return any(
        value == one and isinstance(value, bool) == isinstance(one, bool)
        for one in allowed
    )


def _is_in_range(number: float, schema: Any) -> bool:
    return (
        schema.get("minimum", number) <= number <= schema.get("maximum", number)
        and ("exclusiveMinimum" not in schema or number > schema["exclusiveMinimum"])
    )  # fmt: skip
