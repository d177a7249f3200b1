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
    from collections.abc import Mapping
    from typing import Any, TypeAlias

    from .problems import Path, Problems

    #: A path from the inside out, so that going inwards is cheap.
    Trail: TypeAlias = tuple["Trail", str | int] | None
    #: A path, what is wrong there, and whether it is about the key.
    Finding: TypeAlias = tuple["Trail", str, bool]
    Found: TypeAlias = list[Finding]

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
_NO_PROPERTIES: dict[str, Any] = {}
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
    for trail, message, of_key in Checker(schema).findings(data, schema):
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
        #: How often what was meant has been looked for, which takes time.
        self._hints = 0

    def findings(self, data: Any, schema: Any) -> list[Finding]:
        """Return all that a schema says against a value.

        Goes as deep into the value as the schema does, and no deeper.

        Parameters:
            data: the value.
            schema: the schema.
        """
        found: list[Finding] = []
        self._check(data, schema, None, found)
        return found

    def _check(self, value: Any, schema: Any, trail: Trail, found: Found) -> None:
        """Add what a schema says against a value that is at some place."""
        reference = schema.get("$ref")
        if reference is not None:
            self._check(value, self._definitions[reference], trail, found)
            if len(schema) == 1:
                return None

        kind = schema.get("type")
        if kind is not None and not is_a(value, kind):
            return self._add(value, schema, trail, found)

        if isinstance(value, str):
            self._check_text(value, schema, trail, found)
        elif isinstance(value, dict):
            self._check_mapping(value, schema, trail, found)
        elif isinstance(value, (list, tuple)):
            self._check_list(value, schema, trail, found)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            if not _is_in_range(value, schema):
                self._add(value, schema, trail, found)
        if "enum" in schema and not _is_among(value, schema["enum"]):
            known = [str(one) for one in schema["enum"] if one is not None]
            self._hints += 1
            is_text = isinstance(value, str) and self._hints <= MOST_SHOWN
            close = nearest(value, known) if is_text else None
            text = f"expected one of {listed(known)}, found {found_text(value)}."
            found.append((trail, text + hint(close), False))
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                self._check_choice(value, schema, keyword, trail, found)

    def _add(self, value: Any, schema: Any, trail: Trail, found: Found) -> None:
        there = "an empty text" if value == "" else found_text(value)
        text = f"expected {self.expected(schema)}, found {there}"
        if schema.get("type") == "string" and isinstance(value, (int, float)):
            text += "; quote it"
        found.append((trail, text, False))

    def _check_text(self, text: str, schema: Any, trail: Trail, found: Found) -> None:
        pattern = schema.get("pattern")
        if (pattern is not None and not self._matches(pattern, text)) or (
            len(text) < schema.get("minLength", 0)
        ):
            self._add(text, schema, trail, found)

    def _matches(self, pattern: str, text: str) -> bool:
        compiled = self._patterns.get(pattern)
        if compiled is None:
            compiled = self._patterns[pattern] = re.compile(pattern)
        return compiled.search(text) is not None

    def _check_list(self, items: Any, schema: Any, trail: Trail, found: Found) -> None:
        if len(items) < schema.get("minItems", 0):
            text = "expected at least one item, found an empty list"
            found.append((trail, text, False))
        if len(items) > schema.get("maxItems", len(items)):
            text = (
                f"expected at most {schema['maxItems']:,} items, found {len(items):,}"
            )
            found.append((trail, text, False))
        inner = schema.get("items", True)
        if inner is not True:
            for index, item in enumerate(items):
                self._check(item, inner, (trail, index), found)
        if schema.get("uniqueItems"):
            seen = set()
            for index, item in enumerate(items):
                if isinstance(item, str):
                    if item in seen:
                        text = f"{found_text(item)} is there twice"
                        found.append(((trail, index), text, False))
                    seen.add(item)

    def _check_mapping(
        self, mapping: dict[Any, Any], schema: Any, trail: Trail, found: Found
    ) -> None:
        properties = schema.get("properties", _NO_PROPERTIES)
        other = schema.get("additionalProperties", True)
        names = schema.get("propertyNames", True)
        for key, value in mapping.items():
            if not isinstance(key, str):
                text = f"expected a text for a key, found {found_text(key)}"
                found.append((trail, text, False))
                continue

            inner = properties.get(key, other)
            if inner is False:
                text = self._unknown(key, schema, mapping)
                found.append(((trail, key), text, True))
            elif inner is not True:
                self._check(value, inner, (trail, key), found)
            if names is not True:
                wrong: Found = []
                self._check(key, names, None, wrong)
                for _, text, _ in wrong:
                    found.append(((trail, key), f"as the name of it {text}", True))

        for key in schema.get("required", ()):
            if key not in mapping:
                found.append((trail, f"the key {key!r} is missing", False))
        for key, also in schema.get("dependentSchemas", _NO_PROPERTIES).items():
            if key in mapping:
                for name in also["properties"]:
                    if name in mapping:
                        text = f"{name!r} cannot be given together with {key!r}"
                        found.append(((trail, name), text, True))

    def _unknown(self, key: str, schema: Any, mapping: Mapping[str, Any]) -> str:
        properties = schema["properties"]
        if key in properties:
            return f"{quoted(key)} has no place here, since the key above says it"

        text = f"unknown key {quoted(key)}"
        self._hints += 1
        if self._hints > MOST_SHOWN:
            return text

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

    def _check_choice(
        self, value: Any, schema: Any, keyword: str, trail: Trail, found: Found
    ) -> None:
        """Check a value that may be of several kinds, and tell of the one it is of."""
        choices = schema[keyword]
        if keyword == "oneOf":
            return self._check_keys(value, choices, trail, found)

        best: Found | None = None
        for choice in choices:
            if is_a(value, self._resolved(choice).get("type")):
                wrong: Found = []
                self._check(value, choice, trail, wrong)
                if not wrong:
                    return None

                best = wrong
        if best is None:
            self._add(value, schema, trail, found)
        else:
            found += best

    def _check_keys(
        self, mapping: dict[str, Any], choices: Any, trail: Trail, found: Found
    ) -> None:
        """Check that exactly one of some keys is there."""
        keys = [choice["required"][0] for choice in choices]
        there = [key for key in keys if key in mapping]
        if not there:
            text = f"one of the keys {listed(keys)} is missing"
            found.append((trail, text, False))
        for key in there[1:]:
            text = f"{key!r} cannot be given together with {there[0]!r}"
            found.append(((trail, key), text, True))

    def _resolved(self, schema: Any) -> Any:
        return self._definitions[schema["$ref"]] if "$ref" in schema else schema

    def expected(self, schema: Any) -> str:
        """Return what a schema asks for, as messages say it."""
        schema = self._resolved(schema)
        if "title" in schema:
            return str(schema["title"])

        if "enum" in schema:
            return f"one of {listed(map(str, schema['enum']))}"

        text = _NOUNS[schema["type"]]
        if "minimum" in schema:
            text += f" of at least {schema['minimum']}"
        if "maximum" in schema:
            text += f" and at most {schema['maximum']:,}"
        return f"{text} that is not empty" if "minLength" in schema else text


def is_a(value: object, kind: Any) -> bool:
    """Return whether a value is of a type of JSON Schema, or of one of several."""
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
