"""Functions by the names of what they take, for libraries that find it by name."""

from __future__ import annotations

import inspect
from types import FunctionType
from typing import Any

from ..shapes import Function


def named(function: Function, name: str, parameters: list[str]) -> Function:
    """Return the function as if it had been written with these names.

    One with a star is wrapped in one that has as many parameters, since it has only
    one name. The others are copied, so no call is added.
    """
    if is_of_any_number(function):
        return _starless(function, name, parameters)

    code = function.__code__.replace(co_name=name, co_varnames=tuple(parameters))
    copy = FunctionType(code, function.__globals__, name)
    copy.__annotations__ = {**dict.fromkeys(parameters, int), "return": int}
    return copy


def is_of_any_number(function: Function) -> bool:
    """Return whether the function takes any number of results."""
    return bool(function.__code__.co_flags & inspect.CO_VARARGS)


def _starless(function: Function, name: str, parameters: list[str]) -> Function:
    names: dict[str, Any] = {"function": function}
    start, call = "", "function"
    if inspect.iscoroutinefunction(function):
        start, call = "async ", "await function"
    declared = ", ".join(f"{parameter}: int" for parameter in parameters)
    given = ", ".join(parameters)
    source = f"{start}def {name}({declared}) -> int:\n    return {call}({given})\n"
    exec(source, names)
    made: Function = names[name]
    return made
