"""What crosses between processes: functions, arguments, results, errors."""

from __future__ import annotations

import io
import pickle
import sys
from types import BuiltinFunctionType, FunctionType

from .._names import message_of
from .._tracebacks import set_cause, without_own_frames
from ..errors import RemoteTaskError
from . import Unpicklable
from .entry import main_place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, TypeAlias

    #: A pickle and the large buffers that are not in it.
    Dumped: TypeAlias = tuple[bytes, list[memoryview]]

PROTOCOL = 5
#: Bytes from which on data travels beside the pickle, without being copied into it.
LARGE = 1 << 16
#: How deep, and at how many places, what cannot be pickled is looked for.
_DEEPEST, _MOST_LOOKED_AT = 50, 2000
#: How many of the causes of an exception travel with it.
_MOST_CAUSES = 20


# Values.


def dump(value: Any) -> Dumped:
    """Return a value as a pickle and large buffers, or raise what stands against it."""
    buffers: list[memoryview] = []

    def is_small(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < LARGE:
            return True

        buffers.append(raw)
        return False

    if type(value) is tuple:
        for item in value:
            if _is_bulk(item):
                value = tuple(Bulk(one) if _is_bulk(one) else one for one in value)
                break
    elif _is_bulk(value):
        value = Bulk(value)
    try:
        data = pickle.dumps(value, PROTOCOL, buffer_callback=is_small)
        if b"__main__" not in data or main_place() is not None:
            return data, buffers

        first: Exception = _NotFound("`__main__` is no file here")
    except Exception as error:
        first = error
    # Slower, but it finds the functions of tasks, and pickles others by value.
    buffers.clear()
    try:
        return dump_with_functions(value, is_small), buffers
    except Exception:
        raise first from None
    finally:
        del first  # it and this frame would keep each other alive


def load(data: bytes | bytearray, buffers: Sequence[bytearray] = ()) -> Any:
    """Return the value of a pickle."""
    return pickle.loads(data, buffers=buffers)


class Bulk:
    """Carry bytes beside a pickle instead of in it."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes | bytearray) -> None:
        self._data = data

    def __reduce_ex__(self, protocol: object) -> Any:
        return type(self._data), (pickle.PickleBuffer(self._data),)


def _is_bulk(value: object) -> bool:
    kind = value.__class__
    return (kind is bytes or kind is bytearray) and len(value) >= LARGE  # type: ignore[arg-type]


# Functions.


def dump_function(function: Callable[..., Any]) -> tuple[bytes, bool]:
    """Return a callable as a pickle, and whether that is a name and nothing else.

    By reference, or by value with cloudpickle. A function that is pickled by value, a
    bound method, a partial and an object bring values along, as they are now.

    Raises:
        Unpicklable: if it is neither found by its name nor can be pickled by value.
    """
    try:
        return dump_with_functions(function), _is_found(function)
    except Exception as error:
        text = str(error) or type(error).__name__
        raise Unpicklable("function", text, culprit(function, "function")) from error


def dump_with_functions(
    value: Any,
    is_small: Callable[[pickle.PickleBuffer], object] | None = None,
    pickler: Any = None,
) -> bytes:
    """Return the pickle of a value that may hold functions of tasks, and others.

    Parameters:
        value: what to pickle.
        is_small: says whether a buffer is to be in the pickle.
        pickler: the class to use, made by `by_reference`.
    """
    file = io.BytesIO()
    try:
        made = (pickler or _ByReference)(file, PROTOCOL, buffer_callback=is_small)
        made.dump(value)
    except Exception as error:
        file = io.BytesIO()
        by_value = _by_value()
        if by_value is None:
            if isinstance(error, _NotFound):
                error.args = (f"{error}; {HOW_BY_VALUE}",)
            raise

        by_value(file, PROTOCOL, buffer_callback=is_small).dump(value)
    return file.getvalue()


HOW_BY_VALUE = "`pip install 'syncra[processes]'` lets such functions travel by value"


class _NotFound(pickle.PicklingError):
    """Report a function that other processes cannot find."""


def by_reference(base: Any) -> Any:
    """Return a pickler class that finds the functions of tasks and decorated ones."""

    class ByReference(base):  # type: ignore[misc]
        def reducer_override(self, value: Any) -> Any:
            if type(value) is FunctionType:
                return reference(value)

            if isinstance(value, type) and value.__module__ == "__main__":
                _check_main(f"class {value.__qualname__!r}")
            return NotImplemented

    return ByReference


_ByReference = by_reference(pickle.Pickler)


def _by_value() -> Any:
    """Return a pickler for functions that are not found, or None without the extra."""
    try:
        import cloudpickle
    except ImportError:
        return None

    class ByValue(cloudpickle.Pickler):  # type: ignore[misc]
        def reducer_override(self, value: Any) -> Any:
            if type(value) is FunctionType:
                try:
                    found = reference(value)
                except _NotFound:
                    return super().reducer_override(value)

                if found is not NotImplemented:
                    return found

            return super().reducer_override(value)

    return ByValue


def reference(function: FunctionType) -> Any:
    """Return how another process finds a function; NotImplemented if by its name."""
    module, path = function.__module__, function.__qualname__
    if module == "__main__":
        _check_main(f"function {path!r}")

    found: Any = sys.modules.get(module)
    try:
        for part in path.split("."):
            found = getattr(found, part)
    except AttributeError:
        raise _NotFound(f"function {path!r} is not found in {module!r}") from None

    if found is function:
        return NotImplemented

    # A decorator has put something around it: a task, or a wrapper of another kind.
    depth = 0
    while found is not function:
        found = getattr(found, "__wrapped__", None)
        depth += 1
        if found is None or depth > 100:
            raise _NotFound(f"function {path!r} of {module!r} is another one by now")

    return unwrapped, (module, path, depth)


def _is_found(value: object) -> bool:
    """Return whether a callable is pickled by its name alone."""
    try:
        if type(value) is FunctionType:
            reference(value)
            return True

        if isinstance(value, type) and value.__module__ == "__main__":
            _check_main("a class")
    except _NotFound:
        return False

    if not isinstance(value, (type, BuiltinFunctionType)):
        return False

    found: Any = sys.modules.get(value.__module__ or "")
    for part in value.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is value


def _check_main(what: str) -> None:
    if main_place() is None:
        raise _NotFound(
            f"{what} is defined in `__main__`, which here is no file that another "
            f"process could import"
        )


def unwrapped(module: str, path: str, depth: int) -> Any:
    """Return the function that is so many wrappers deep under a name of a module."""
    from importlib import import_module

    found: Any = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    for _ in range(depth):
        found = found.__wrapped__
    return found


# Errors.


def dump_error(error: BaseException) -> bytes:
    """Return an exception as a pickle that can always be loaded."""
    from traceback import format_exception

    name = f"{type(error).__module__}.{type(error).__qualname__}"
    name = name.removeprefix("builtins.")
    text = message_of(error)
    traceback = without_own_frames(error.__traceback__) or error.__traceback__
    try:
        shown = "".join(format_exception(type(error), error, traceback))
    except Exception:
        shown = f"{name}: {text}\n"
    causes = [_dump_one(error)]
    cause = error.__cause__
    while cause is not None and len(causes) < _MOST_CAUSES:
        causes.append(_dump_one(cause))
        cause = cause.__cause__
    return pickle.dumps((causes, name, text, shown), PROTOCOL)


def _dump_one(error: BaseException) -> bytes | None:
    """Return an exception as a pickle, or None if that could not be loaded."""
    try:
        data = pickle.dumps(error, PROTOCOL)
        return data if type(load(data)) is type(error) else None
    except Exception:
        pass
    try:
        data = dump_with_functions(error)
        load(data)
    except Exception:
        return None

    return data


def load_error(packed: bytes | bytearray, task: str) -> BaseException:
    """Return an exception of another process, its causes and its traceback there.

    Parameters:
        packed: what `dump_error` returned.
        task: name of the task that has raised it.

    Returns:
        The exception, or a `RemoteTaskError` that says all that is known of it.
    """
    causes, name, text, shown = load(packed)
    error = _load_one(causes[0])
    if error is None:
        error = RemoteTaskError(
            f"task {task!r} raised {name}: {text}\n"
            f"(the exception itself cannot be rebuilt outside the process of the task)",
            task,
            name,
            text,
            shown,
        )
    last = error
    for data in causes[1:]:
        cause = _load_one(data)
        if cause is None:
            break

        set_cause(last, cause)
        last = cause
    set_cause(last, RemoteTraceback(shown))
    return error


def _load_one(data: bytes | None) -> BaseException | None:
    try:
        error = load(data) if data is not None else None
    except BaseException:  # whatever its `__init__` does
        return None

    return error if isinstance(error, BaseException) else None


class RemoteTraceback(Exception):
    """Show the traceback that an exception had in the process it comes from."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


# Who is to blame.


def culprit(value: Any, name: str) -> str:
    """Return where in a value the thing is that cannot be pickled.

    Parameters:
        value: what cannot be pickled.
        name: what it is called.

    Returns:
        A path such as "rows[3].lock".
    """
    path = name
    seen = {id(value)}
    for _ in range(_DEEPEST):
        if getattr(type(value), "refuses_pickling", False):
            break  # and says why

        for label, part in _parts(value):
            if id(part) in seen or len(seen) > _MOST_LOOKED_AT:
                continue

            seen.add(id(part))
            if not _can_be_pickled(part):
                value, path = part, path + label
                break
        else:
            break
    return path


def culprit_among(function: Callable[..., Any], arguments: tuple[Any, ...]) -> str:
    """Return which argument, and what in it, cannot be pickled."""
    from inspect import signature

    try:
        names = list(signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    for index, argument in enumerate(arguments):
        name = names[index] if index < len(names) else f"argument {index + 1}"
        try:
            dump(argument)
        except BaseException:
            return culprit(argument, name)

    return ""


def _can_be_pickled(value: Any) -> bool:
    if isinstance(value, (str, bytes, int, float, type(None))):
        return True

    try:
        dump_with_functions(value)
    except BaseException:
        return False

    return True


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a value is made of, each with how it is reached."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"[{key!r}]", item
        yield from (("'s key", key) for key in value)
    elif isinstance(value, (list, tuple)):
        yield from ((f"[{index}]", item) for index, item in enumerate(value))
    elif isinstance(value, (set, frozenset)):
        yield from (("'s item", item) for item in value)
    elif type(value) is FunctionType:
        cells = value.__closure__ or ()
        for label, cell in zip(value.__code__.co_freevars, cells, strict=True):
            yield f"'s variable {label!r}", _attribute(cell, "cell_contents")
    else:
        yield from _attributes(value)


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    labels = ["func", "args", "keywords", "__self__"]  # of a partial, of a method
    state = getattr(value, "__dict__", None)
    if isinstance(state, dict):
        labels += state
    for kind in type(value).__mro__:
        slots = getattr(kind, "__slots__", ())
        labels += (slots,) if isinstance(slots, str) else slots
    for label in labels:
        part = _attribute(value, label)
        if part is not None:
            yield f".{label}", part


def _attribute(value: Any, name: str) -> Any:
    """Return an attribute; None if there is none, whatever else is raised then."""
    try:
        return getattr(value, name, None)
    except Exception:
        return None  # a cell that is empty, or a class that answers as it likes
