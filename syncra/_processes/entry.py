"""The program's main module, in a process that has not started with it.

What is defined in a script has to be found by its worker processes too. They import
the script, under another name, when something of it is first asked for. A script that
runs a graph without `if __name__ == "__main__"` would then run it again in each of
them: there the import ends instead, and what it has defined until then is there.
"""

from __future__ import annotations

import sys
from types import ModuleType

from .._entry import ReachedRun, program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    #: How the main module is found: "name", "path" or "within", and that.
    Place: TypeAlias = tuple[str, str]


def main_place() -> Place | None:
    """Return where another process finds the main module, or None if it cannot."""
    import os

    main = sys.modules.get("__main__")
    if isinstance(main, LazyMain):
        return main.__dict__["_place"]  # type: ignore[no-any-return]

    spec = getattr(main, "__spec__", None)
    name = getattr(spec, "name", None)
    if name == "__main__" and spec is not None:  # a directory or zip file that is run
        return "within", os.path.abspath(os.path.dirname(spec.origin or ""))

    if name:
        return "name", str(name)

    path = getattr(main, "__file__", None)
    if path and os.path.isfile(path):
        return "path", os.path.abspath(path)

    return None


class LazyMain(ModuleType):
    """Stand for the main module until something in it is asked for.

    Parameters:
        place: where it is found.
    """

    def __init__(self, place: Place | None) -> None:
        super().__init__("__main__")
        self.__dict__["_place"] = place

    def __getattr__(self, name: str) -> Any:
        place = self.__dict__["_place"]
        if place is None or name.startswith("__"):
            raise AttributeError(f"module '__main__' has no attribute {name!r}")

        if sys.modules.get("__main__") is self:
            _import(place, self)
        return getattr(sys.modules["__main__"], name)


def _import(place: Place, stand_in: ModuleType) -> None:
    """Import the main module of the program, up to where it runs a graph."""
    module = ModuleType("__mp_main__")
    code = _code(place, module)
    sys.modules["__main__"] = sys.modules["__mp_main__"] = module
    program.importing = True
    try:
        exec(code, module.__dict__)
    except ReachedRun:
        program.is_cut_short = True
    except BaseException:
        # The next one sees the error too.
        sys.modules["__main__"] = sys.modules["__mp_main__"] = stand_in
        raise
    finally:
        program.importing = False


def explained(error: BaseException) -> BaseException:
    """Return what is wrong with something that was to be found by its name."""
    text = str(error)
    if not (
        program.is_cut_short
        and isinstance(error, AttributeError)
        and ("'__main__'" in text or "'__mp_main__'" in text)
    ):
        return error

    return AttributeError(
        f"{text}: in a worker process the import of the program ends where it first "
        f"runs a graph, and this is defined below that. Let what runs graphs stand "
        f"under `if __name__ == '__main__':`"
    )


def _code(place: Place, module: ModuleType) -> Any:
    kind, where = place
    if kind == "path":
        module.__file__ = where
        with open(where, "rb") as file:
            return compile(file.read(), where, "exec")

    from importlib.machinery import PathFinder
    from importlib.util import find_spec

    if kind == "within":
        spec = PathFinder.find_spec("__main__", [where])
    else:
        spec = find_spec(where)
    loader: Any = spec.loader if spec is not None else None
    if spec is None or loader is None:
        raise ImportError(f"the main module {where!r} is not found")

    module.__spec__, module.__package__ = spec, spec.parent
    module.__file__ = spec.origin
    return loader.get_code(spec.name)
