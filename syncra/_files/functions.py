"""Which functions a file may name, and how they are found.

A name is looked at before anything is imported for it: it has to be below a package
that the reader of the file has allowed, or that of a function which is a task already.
What is found there is looked at again, since a module also has what it has imported:
the function itself, and whatever it wraps, must come from an allowed package too.
"""

from __future__ import annotations

import builtins
import importlib
import pkgutil
import re
import sys
from functools import partial
from types import MethodWrapperType, ModuleType, WrapperDescriptorType

from .. import errors
from .._names import hint, listed, nearest
from .._registered import graphs
from .._task import Task
from .problems import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_NAME = re.compile(r"(?P<module>\w+(?:\.\w+)*)(?::(?P<path>\w+(?:\.\w+)*))?")
#: How objects made in C are called.
_SLOTS = (MethodWrapperType, WrapperDescriptorType)
#: What wraps more than this may do so forever, as what has every attribute does.
_MOST_LAYERS = 100
#: What stands for a part of a name that is not there.
_NOTHING = object()


class Refused(Exception):
    """Be raised for a name that a file may not have, before anything is imported."""


class NotThere(Exception):
    """Be raised for a name that a file may have, but that leads to nothing usable."""


class Functions:
    """Find what files name, below packages that are allowed.

    Parameters:
        allow: names of packages or modules; each allows what is below it too.

    Raises:
        TypeError: if it is neither a name nor several.
        ValueError: if one is no name of a package.
    """

    def __init__(self, allow: str | Iterable[str]) -> None:
        names = (allow,) if isinstance(allow, str) else tuple(allow)
        for name in names:
            if not isinstance(name, str):
                raise TypeError(f"allow= holds names of packages, got {name!r}")

            if not all(part.isidentifier() for part in name.split(".")):
                raise ValueError(
                    f"allow= holds names of packages such as 'etl' or 'etl.tasks', "
                    f"got {name!r}"
                )

        self.allowed = names
        self._known: dict[str, Any] | None = None

    def check(self, name: str) -> None:
        """Raise for a function that may not be named; nothing is imported.

        Raises:
            Refused: with the reason.
        """
        if name.replace(":", ".") not in self._registered():
            self.check_allowed(name)

    def check_allowed(self, name: str) -> None:
        """Raise for a name that is not below what is allowed; nothing is imported.

        Raises:
            Refused: with the reason.
        """
        found = _NAME.fullmatch(name)
        parts = name.replace(":", ".").split(".")
        if found is None or not all(part.isidentifier() for part in parts):
            raise Refused(
                f"expected module:attribute or module.attribute, found {quoted(name)}"
            )

        base = self._base(found["module"])
        if base is None:
            names = listed(self.allowed)
            known = f"allowed are {names}" if names else "none is allowed"
            top = parts[0]
            advice = (
                f". Who trusts the file can allow it with allow=[{quoted(top)}]"
                if top not in sys.stdlib_module_names
                else ""
            )
            raise Refused(
                f"{quoted(name)} is not in a package that this file may use: {known}"
                f"{advice}"
            )

        if len(parts) == base.count(".") + 1:
            raise Refused(f"{quoted(name)} is a module; name a function in it")

        secret = [part for part in parts[base.count(".") + 1 :] if part[0] == "_"]
        if secret:
            raise Refused(
                f"{quoted(name)}: a file cannot name what is private, as "
                f"{quoted(secret[0])} is by its underscore"
            )

    def find(self, name: str) -> Any:
        """Return the function of a name that has been checked.

        Raises:
            NotThere: if there is none, or none that may be used.
        """
        registered = self._registered().get(name.replace(":", "."))
        if registered is not None:
            return registered

        function = self._resolved(name)
        if isinstance(function, Task):
            function = function.function
        if isinstance(function, ModuleType) or not callable(function):
            raise NotThere(f"{quoted(name)} is {_kind(function)}, which is no function")

        self._check_origin(name, function)
        return function

    def exception(self, name: str) -> type[BaseException]:
        """Return the exception of a name: a builtin, one of ours, or an allowed one.

        Raises:
            Refused: if it may not be used.
            NotThere: if there is none.
        """
        if is_plain_exception(name):
            name = re.split("[.:]", name)[-1]
            found = getattr(builtins, name, None) or getattr(errors, name, None)
            if isinstance(found, type) and issubclass(found, BaseException):
                return found

            known = [other for other in dir(builtins) if _is_exception(builtins, other)]
            raise NotThere(
                f"there is no exception {quoted(name)} among the builtins and in "
                f"syncra.errors." + hint(nearest(name, [*known, *errors.__all__]))
            )

        self.check_allowed(name)
        found = self._resolved(name)
        if not (isinstance(found, type) and issubclass(found, BaseException)):
            raise NotThere(f"{quoted(name)} is {_kind(found)}, which is no exception")

        self._check_origin(name, found)
        return found

    def _base(self, module: str) -> str | None:
        """Return the longest allowed name that a module is or is below."""
        fitting = [
            name for name in self.allowed if module == name or is_below(module, name)
        ]
        return max(fitting, key=len, default=None)

    def _registered(self) -> dict[str, Any]:
        """Return the functions that are tasks of named graphs, by their full names."""
        if self._known is None:
            self._known = {}
            for graph in list(graphs.values()):
                for task in list(graph.values()):
                    name = full_name(task.function)
                    if name is not None:
                        self._known[name] = task.function
        return self._known

    def _resolved(self, name: str) -> Any:
        """Return what a name leads to, through modules and classes and nothing else."""
        module, colon, path = name.partition(":")
        if colon:
            found = self._module(module)
            rest = path.split(".")
        else:
            base = self._base(module)
            assert base is not None
            found = self._module(base)
            rest = name[len(base) + 1 :].split(".")
        so_far = str(found.__name__)
        for left, part in enumerate(rest, 1 - len(rest)):
            inner = getattr_of(found, part)
            if inner is _NOTHING and not colon and hasattr(found, "__path__"):
                inner = self._module(f"{so_far}.{part}", below=found)
            if inner is _NOTHING:
                raise NotThere(
                    f"{quoted(so_far)} has no {quoted(part)}."
                    + hint(nearest(part, _public(found)))
                )

            found, so_far = inner, f"{so_far}.{part}"
            if left or isinstance(found, ModuleType):
                self._check_way(name, so_far, found)
        return found

    def _check_way(self, name: str, so_far: str, found: Any) -> None:
        """Raise unless the name may lead through something that is not its end."""
        if isinstance(found, ModuleType):
            origin = found.__name__
        elif isinstance(found, type):
            origin = str(found.__module__)
        else:
            raise NotThere(
                f"{quoted(name)}: {quoted(so_far)} is {_kind(found)}; a name leads "
                f"through modules and classes only. Write a function for it"
            )

        if not self.is_allowed(origin):
            raise NotThere(
                f"{quoted(name)} leads to {origin!r}, which is not in a package that "
                f"this file may use: allowed are {listed(self.allowed)}"
            )

    def _check_origin(self, name: str, function: Any) -> None:
        """Raise unless a function, and what it wraps, are from allowed packages."""
        for layer in layers_of(function):
            if type(layer) is partial or isinstance(layer, _SLOTS):
                continue  # what it calls is the next layer; or is part of the last one

            kind = layer if _has_own_module(layer) else type(layer)
            origin = getattr(kind, "__module__", None)
            if not isinstance(origin, str) or not self.is_allowed(origin):
                shown = full_name(kind) or repr(kind)
                raise NotThere(
                    f"{quoted(name)} is {shown!r}, which is not from a package that "
                    f"this file may use: allowed are {listed(self.allowed)}"
                )

            owner = getattr(layer, "__self__", None)
            if owner is not None and not isinstance(owner, (type, ModuleType)):
                raise NotThere(
                    f"{quoted(name)} is a method of an object; write a function for it"
                )

    def is_allowed(self, module: str) -> bool:
        """Return whether a module is in a package that is allowed."""
        return self._base(module) is not None

    def _module(self, name: str, below: Any = None) -> Any:
        """Import a module that is known to be allowed."""
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            # Not there itself, or is it there and something that it imports is not?
            if error.name != name and not is_below(name, error.name or "."):
                raise NotThere(f"importing {quoted(name)} failed: {error}") from error

            if below is not None:
                return _NOTHING

            raise NotThere(
                f"there is no module {quoted(name)}." + hint(_nearest_module(name))
            ) from None
        except (Exception, SystemExit) as error:
            raise NotThere(
                f"importing {quoted(name)} failed: {type(error).__name__}: {error}"
            ) from error


def layers_of(function: Any) -> list[Any]:
    """Return a callable and everything that it says it wraps or calls, outside in.

    Other than for messages, where one way in is enough, no way in is left out.

    Raises:
        NotThere: if there is no end of it.
    """
    layers: list[Any] = []
    to_see = [function]
    while to_see:
        layer = to_see.pop()
        if layer is None or any(layer is seen for seen in layers):
            continue

        if len(layers) >= _MOST_LAYERS:
            raise NotThere(
                f"a {type(function).__name__} that wraps more than {_MOST_LAYERS} "
                f"others is not used; write a function for it"
            )

        layers.append(layer)
        to_see.append(getattr(layer, "__wrapped__", None))
        if isinstance(layer, partial):
            to_see.append(layer.func)
        to_see.append(getattr(layer, "__func__", None))
        if not isinstance(layer, (type, *_SLOTS)) and not hasattr(layer, "__code__"):
            to_see.append(getattr(type(layer), "__call__", None))
    return layers


def is_plain_exception(name: str) -> bool:
    """Return whether a name is to be that of a builtin exception or one of ours."""
    module, dot, last = name.replace(":", ".").rpartition(".")
    return not dot or (module == "syncra.errors" and bool(last))


def is_below(name: str, package: str) -> bool:
    """Return whether a dotted name is below that of a package."""
    return name.startswith(f"{package}.")


def full_name(function: object) -> str | None:
    """Return module and qualified name of a function, or None if it has none."""
    module = getattr(function, "__module__", None)
    path = getattr(function, "__qualname__", None)
    if isinstance(module, str) and isinstance(path, str):
        return f"{module}.{path}"

    return None


def getattr_of(holder: Any, name: str) -> Any:
    """Return an attribute of a module or class, whatever its code does then."""
    try:
        return getattr(holder, name, _NOTHING)
    except (Exception, SystemExit) as error:
        raise NotThere(
            f"looking up {quoted(name)} failed: {type(error).__name__}: {error}"
        ) from error


def _has_own_module(layer: object) -> bool:
    """Return whether it says itself where it is from: functions and classes do."""
    return isinstance(layer, type) or hasattr(layer, "__qualname__")


def _is_exception(module: object, name: str) -> bool:
    found = getattr(module, name)
    return isinstance(found, type) and issubclass(found, BaseException)


def _kind(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _public(holder: Any) -> list[str]:
    return [name for name in dir(holder) if not name.startswith("_")]


def _nearest_module(name: str) -> str | None:
    """Return the module next to a missing one that may have been meant."""
    package, _, last = name.rpartition(".")
    if not package:
        return None

    try:
        path = importlib.import_module(package).__path__
        close = nearest(last, [module.name for module in pkgutil.iter_modules(path)])
    except Exception:
        return None

    return f"{package}.{close}" if close else None
