"""The schema of files: valid itself, and checked by us as by others."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import syncra
from syncra._files.schema import ANNOTATIONS, FILE, Checker, the_schema

KNOWN = ANNOTATIONS | {
    "$ref",
    "additionalProperties",
    "anyOf",
    "dependentSchemas",
    "enum",
    "exclusiveMinimum",
    "items",
    "maximum",
    "maxItems",
    "minItems",
    "minLength",
    "minimum",
    "oneOf",
    "pattern",
    "properties",
    "propertyNames",
    "required",
    "type",
    "uniqueItems",
}

FULL: dict[str, Any] = {
    "$schema": "graph.schema.json",
    "name": "full",
    "description": "x",
    "executor": "threads",
    "max_concurrency": 3,
    "on_error": "continue",
    "limits": {"db": 2},
    "log": "x.log",
    "inputs": {
        "a": "int",
        "b": {"type": "date", "default": "2024-01-01", "description": "x"},
    },
    "defaults": {"retry": 2, "timeout": None, "env": {"A": "b", "C": None}},
    "tasks": [
        {
            "name": "f",
            "function": "a:b",
            "depends_on": {"x": "c"},
            "after": ["s"],
            "kwargs": {"y": [1, {"z": None}]},
            "outputs": ["p", "q"],
            "executor": "processes",
            "fallback": "threads",
            "retry": {
                "attempts": 2,
                "on": ["OSError"],
                "backoff": 0,
                "max_backoff": 1,
                "jitter": 0.5,
            },
            "timeout": 0.5,
            "trigger": "all_done",
            "limit": {"db": 1},
            "priority": -1,
            "tags": ["t"],
            "log": "y.log",
            "rollback": "a:c",
        },
        {
            "name": "c",
            "command": ["ls", "{path}"],
            "depends_on": [],
            "cwd": "/",
            "check": False,
            "capture_output": True,
            "text": True,
            "max_output": None,
            "redact": ["{x}"],
            "input": "z",
            "stdout_file": "o",
            "stderr_file": "e",
        },
        {"name": "s", "shell": "ls\nls", "limit": "db", "tags": "t"},
    ],
}


@pytest.fixture(scope="module")
def theirs() -> Any:
    """Return the validator of the package jsonschema."""
    jsonschema = pytest.importorskip(
        "jsonschema", reason="what it needs has no build for this Python"
    )
    return jsonschema.Draft202012Validator(the_schema())


def ours_is_valid(document: object) -> bool:
    schema = the_schema()
    return not Checker(schema).findings(document, schema)


def parts(schema: Any) -> list[Any]:
    """Return a schema and all that are in it."""
    found = []
    stack = [schema]
    while stack:
        part = stack.pop()
        found.append(part)
        if not isinstance(part, dict):
            continue

        for keyword in ("$defs", "dependentSchemas", "properties"):
            stack += part.get(keyword, {}).values()
        for keyword in ("additionalProperties", "items", "propertyNames"):
            if keyword in part:
                stack.append(part[keyword])
        for keyword in ("anyOf", "oneOf"):
            stack += part.get(keyword, ())
    return found


def test_the_schema_is_one(theirs: Any) -> None:
    theirs.check_schema(the_schema())
    assert FILE.parent.parent == type(FILE)(syncra.__file__).parent
    assert json.loads(FILE.read_text(encoding="utf-8"))["$schema"].endswith(
        "draft/2020-12/schema"
    )


def test_we_know_every_keyword_of_the_schema() -> None:
    used = {
        keyword
        for part in parts(the_schema())
        if isinstance(part, dict)
        for keyword in part
    }
    assert used <= KNOWN
    # What we do not read in full is used in the form that we read.
    for part in parts(the_schema()):
        if not isinstance(part, dict):
            continue

        for also in part.get("dependentSchemas", {}).values():
            assert set(also) == {"properties"}
            assert not any(also["properties"].values())
        for choice in part.get("oneOf", ()):
            assert set(choice) == {"required"}
            assert len(choice["required"]) == 1


def test_a_full_document_is_valid_for_both(theirs: Any) -> None:
    assert ours_is_valid(FULL)
    assert theirs.is_valid(FULL)


VALUES = st.sampled_from(
    [
        *(None, True, False, 0, 1, -1, 3, 1.0, 2.5, 0.0, 10**9, 10**9 + 1, 10**400),
        *("", "a", "auto", "threads", "str", "date", "a\nb", "a\n", "a\0b", "OSError"),
        *([], {}, ["a"], ["a", "a"], [1], [None], {"a": 1}, {"a": "b"}, {"": "x"}),
        *({"attempts": 1}, {"attempts": 0}, {"attempts": 1, "x": 1}, {"type": "int"}),
        *({"a": {"shell": "ls"}}, [{"name": "a", "shell": "ls"}], {"a=": "b"}),
        *({"a": {"type": "x"}}, {"a": None}, {"a": True}, {"x\n": "int"}, {"a": 1.0}),
    ]
)
KEYS = {
    key
    for part in parts(the_schema())
    if isinstance(part, dict)
    for key in part.get("properties", {})
}
NAMES = st.sampled_from([*sorted(KEYS), "x", "", "a\n"])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_we_say_what_jsonschema_says(theirs: Any, data: st.DataObject) -> None:
    """Of a document with a few things changed, taken out or put in."""
    document = copy.deepcopy(FULL)
    for _ in range(data.draw(st.integers(1, 3))):
        holder: Any = document
        while True:
            keys = list(holder) if isinstance(holder, dict) else range(len(holder))
            key = data.draw(st.sampled_from(keys)) if keys else None
            inner = holder[key] if keys else None
            if isinstance(inner, (dict, list)) and inner and data.draw(st.booleans()):
                holder = inner
                continue

            break
        change = data.draw(st.sampled_from(["set", "remove", "add"]))
        if change == "remove" and keys:
            del holder[key]
        elif change == "set" and keys:
            holder[key] = copy.deepcopy(data.draw(VALUES))
        elif isinstance(holder, dict):
            holder[data.draw(NAMES)] = copy.deepcopy(data.draw(VALUES))
        else:
            holder.append(copy.deepcopy(data.draw(VALUES)))
    assert ours_is_valid(document) == theirs.is_valid(document), list(
        theirs.iter_errors(document)
    )
