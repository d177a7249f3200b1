"""What a callable takes: read once per function, without `inspect` where that works.

`inspect` takes longer to import than a small graph takes to run, so plain functions are
read from their code objects; everything else goes through `inspect.signature`.
"""

from __future__ import annotations

from types import FunctionType
from weakref import WeakKeyDictionary

from ._context_annotation import means_context
from ._names import place_of
from .errors import SignatureError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

POSITIONAL_ONLY, POSITIONAL_OR_KEYWORD, VAR_POSITIONAL, KEYWORD_ONLY, VAR_KEYWORD = (
    range(5)
)

#: The default of a parameter that has none, the annotation of one that has none.
EMPTY: Any = type("EMPTY", (), {"__slots__": (), "__repr__": lambda self: "EMPTY"})()

# Bits of co_flags, as documented for `inspect`.
_VARARGS, _VARKEYWORDS = 0x04, 0x08
_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200


class Parameter:
    """Hold one parameter of a callable."""

    __slots__ = ("annotation", "default", "kind", "name")

    def __init__(self, name: str, kind: int, default: Any, annotation: Any) -> None:
        self.name = name
        self.kind = kind
        self.default = default
        self.annotation = annotation


class Signature:
    """Hold what a callable takes.

    Attributes:
        parameters: named parameters by name, in order, without `*args` and `**kwargs`.
        takes_any: whether it has `*args`.
        takes_any_keyword: whether it has `**kwargs`.
        context: names of the parameters annotated `syncra.Context`.
        positional: number of leading parameters that can be filled in order, if no
            parameter is anything but positional; else -1. Lets simple functions be
            bound without looking at each parameter.
    """

    __slots__ = (
        "context",
        "parameters",
        "positional",
        "takes_any",
        "takes_any_keyword",
    )

    def __init__(
        self,
        parameters: dict[str, Parameter],
        takes_any: bool,
        takes_any_keyword: bool,
        context: frozenset[str],
    ) -> None:
        self.parameters = parameters
        self.takes_any = takes_any
        self.takes_any_keyword = takes_any_keyword
        self.context = context
        simple = not (takes_any or takes_any_keyword or context) and all(
            parameter.kind <= POSITIONAL_OR_KEYWORD for parameter in parameters.values()
        )
        self.positional = len(parameters) if simple else -1


_signatures: WeakKeyDictionary[Any, Signature] = WeakKeyDictionary()


def signature_of(function: Callable[..., Any]) -> Signature:
    """Return the signature of a callable; of one that hides it, `*args, **kwargs`."""
    shared = _of_class(type(function))
    if shared is not None:
        return shared.signature

    try:
        return _signatures[function]
    except (KeyError, TypeError):
        pass  # not read yet, or not something a dictionary can hold

    signature = _read(function)
    try:
        _signatures[function] = signature
    except TypeError:
        pass
    return signature


class _Shared:
    """Hold what all instances of a class take that are called in the same way."""

    __slots__ = ("flags", "signature")

    def __init__(self, signature: Signature, flags: int) -> None:
        self.signature = signature
        self.flags = flags


#: What is known of classes; None of those whose instances have to be looked at.
_classes: dict[type, _Shared | None] = {}
_MOST_CLASSES = 200
#: What makes an instance take something else than its class says.
_REDIRECTIONS = ("__signature__", "__wrapped__", "__code__", "__func__", "func")


def _of_class(kind: type) -> _Shared | None:
    """Return what the instances of a class take, if that is the same for all.

    So it is where they have nothing but slots. Read once, since a graph may have a
    million of them.
    """
    try:
        return _classes[kind]
    except KeyError:
        pass

    found = None
    call = getattr(kind, "__call__", None)
    if (
        type(kind) is type
        and type(call) is FunctionType
        and call is _declared(kind, "__call__")  # no static method
        and not call.__dict__
        and not kind.__dictoffset__
        and call.__code__.co_argcount
        and not any(hasattr(kind, name) for name in _REDIRECTIONS)
        and not hasattr(kind, "__getattr__")
    ):
        parameters, *takes = _read_code(call)
        found = _Shared(_make(call, parameters[1:], *takes), call.__code__.co_flags)
    if len(_classes) >= _MOST_CLASSES:
        _classes.clear()
    _classes[kind] = found
    return found


def _declared(kind: type, name: str) -> object:
    """Return what stands in the body of a class, or of a base, under a name."""
    return next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)


def parameter_for_result(function: Callable[..., Any], task: str) -> str | None:
    """Return the parameter of a rollback function that takes the result to undo.

    "*" if it is one of `*args`, None if the function takes no result.

    Raises:
        SignatureError: if the function needs more than that.
    """
    signature = signature_of(function)
    free = [
        parameter
        for name, parameter in signature.parameters.items()
        if name not in signature.context
    ]
    needed = [parameter for parameter in free if parameter.default is EMPTY]
    if len(needed) > 1 or (needed and needed[0] is not free[0]):
        raise SignatureError(
            f"the rollback function of task {task!r} ({place_of(function)}) needs "
            f"{', '.join(repr(parameter.name) for parameter in needed)}; it receives "
            f"the result of the task and nothing else.",
            task,
            needed[-1].name,
        )

    if free and free[0].kind != POSITIONAL_ONLY:
        return free[0].name

    return "*" if free or signature.takes_any else None


def _read(function: Callable[..., Any]) -> Signature:
    found = None
    if type(function) is FunctionType and not function.__dict__:
        found = _read_code(function)
    else:
        found = _read_with_inspect(function)
    return _make(function, *found)


def _make(
    function: Callable[..., Any],
    parameters: list[Parameter],
    takes_any: bool,
    takes_any_keyword: bool,
) -> Signature:
    context = frozenset(
        parameter.name
        for parameter in parameters
        if parameter.annotation is not EMPTY
        and means_context(parameter.annotation, function)
    )
    return Signature(
        {parameter.name: parameter for parameter in parameters},
        takes_any,
        takes_any_keyword,
        context,
    )


def _read_code(function: FunctionType) -> tuple[list[Parameter], bool, bool]:
    """Read a plain function from its code object."""
    code = function.__code__
    annotations = annotations_of(function)
    positional = code.co_argcount
    names = code.co_varnames[: positional + code.co_kwonlyargcount]
    defaults = function.__defaults__ or ()
    first_default = positional - len(defaults)
    keyword_defaults = function.__kwdefaults__ or {}
    parameters = []
    for index, name in enumerate(names):
        if index < positional:
            default = (
                defaults[index - first_default] if index >= first_default else EMPTY
            )
            kind = (
                POSITIONAL_ONLY
                if index < code.co_posonlyargcount
                else POSITIONAL_OR_KEYWORD
            )
        else:
            default = keyword_defaults.get(name, EMPTY)
            kind = KEYWORD_ONLY
        parameters.append(Parameter(name, kind, default, annotations.get(name, EMPTY)))
    flags = code.co_flags
    return parameters, bool(flags & _VARARGS), bool(flags & _VARKEYWORDS)


def _read_with_inspect(
    function: Callable[..., Any],
) -> tuple[list[Parameter], bool, bool]:
    """Read a partial, method, class, builtin, callable object or wrapped function."""
    import inspect

    if isinstance(origin := getattr(function, "__origin__", None), type):
        function = origin  # of `Rows[int]`
    elif not isinstance(function, type) and not hasattr(function, "__signature__"):
        # Some Pythons take the first parameter of any `__call__` for `self`.
        call = inspect.getattr_static(type(function), "__call__", None)
        if isinstance(call, staticmethod | classmethod):
            function = type(function).__call__
    try:
        found = inspect.signature(function)
    except (ValueError, TypeError):
        return [], True, True  # builtins that do not tell: `min`, `dict.update`

    parameters = []
    takes_any = takes_any_keyword = False
    for parameter in found.parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            takes_any = True
        elif parameter.kind is parameter.VAR_KEYWORD:
            takes_any_keyword = True
        else:
            parameters.append(
                Parameter(
                    parameter.name,
                    int(parameter.kind),
                    EMPTY
                    if parameter.default is parameter.empty
                    else parameter.default,
                    EMPTY
                    if parameter.annotation is parameter.empty
                    else parameter.annotation,
                )
            )
    return parameters, takes_any, takes_any_keyword


def annotations_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of a function, unresolved names left as they stand."""
    try:
        return function.__annotations__
    except AttributeError:
        return {}
    except Exception:
        # From 3.14 on annotations are evaluated when asked for, and a name that only
        # a type checker imports is missing then.
        import annotationlib  # type: ignore[import-not-found,unused-ignore]

        return dict(
            annotationlib.get_annotations(
                function, format=annotationlib.Format.FORWARDREF
            )
        )


def is_coroutine_function(function: Callable[..., Any]) -> bool:
    """Return whether calling it gives a coroutine.

    Looks through partials, bound methods, callable objects and `functools.wraps`: the
    outermost layer that has a code object decides, since that is what is called.
    """
    if type(function) is FunctionType:
        return bool(function.__code__.co_flags & _COROUTINE) or _is_marked(function)

    return bool(_flags_of(function) & _COROUTINE) or _is_marked(function)


def generator_kind(function: Callable[..., Any]) -> str | None:
    """Return what kind of generator function it is, or None if it is not one."""
    flags = _flags_of(function)
    if flags & _ASYNC_GENERATOR:
        return "async generator"

    return "generator" if flags & _GENERATOR else None


def _flags_of(function: object) -> int:
    """Return the code flags of what runs when `function` is called, 0 if unknown."""
    shared = _of_class(type(function))
    if shared is not None:
        return shared.flags

    while True:
        code = getattr(function, "__code__", None)
        if code is not None:
            return int(code.co_flags)

        inner = getattr(function, "func", None) if _is_partial(function) else None
        if inner is None:
            inner = getattr(function, "__func__", None)
        if inner is None and not isinstance(function, type):
            inner = getattr(type(function), "__call__", None)
        if inner is None or inner is function or not callable(inner):
            return 0

        if not hasattr(inner, "__code__") and not hasattr(inner, "__func__"):
            if not _is_partial(inner):
                return 0

        function = inner


def _is_partial(function: object) -> bool:
    from functools import partial

    return isinstance(function, partial)


def _is_marked(function: object) -> bool:
    """Return whether `inspect.markcoroutinefunction` (3.12) was applied to it."""
    mark = getattr(function, "_is_coroutine_marker", None)
    if mark is None:
        return False

    import inspect  # a mock has every attribute, but not with this value

    return mark is getattr(inspect, "_is_coroutine_mark", None)


def check_callable(function: object, name: str) -> None:
    """Raise a TypeError for what cannot be called."""
    if isinstance(function, (classmethod, property)):
        kind = type(function).__name__
        raise TypeError(
            f"task {name!r}: expected a function, got a {kind}. "
            f"Write @{kind} above @task, not below it."
        )

    if not callable(function):
        raise TypeError(
            f"task {name!r}: expected a function or another callable, "
            f"got {function!r}. Pass the function itself, without calling it."
        )


__all__ = [
    "EMPTY",
    "KEYWORD_ONLY",
    "POSITIONAL_ONLY",
    "POSITIONAL_OR_KEYWORD",
    "Parameter",
    "Signature",
    "annotations_of",
    "check_callable",
    "generator_kind",
    "is_coroutine_function",
    "place_of",
    "signature_of",
]


def refuse_generator(function: Callable[..., Any], name: str) -> None:
    """Raise a `SignatureError` for a generator function of either kind."""
    kind = generator_kind(function)
    if kind is None:
        return

    raise SignatureError(
        f"task {name!r} ({place_of(function)}) is {'an' if kind[0] == 'a' else 'a'} "
        f"{kind} function: it would return an iterator that nobody runs. "
        f"Return a list, or collect it inside the task.",
        name,
    )
