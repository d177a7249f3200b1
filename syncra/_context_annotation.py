"""Whether an annotation asks for the run context, without importing what it names."""

from __future__ import annotations

from ._names import unwrapped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: The classes of `A | None` and `Optional[A]`, whatever the Python. By name, since
#: `typing` takes long to import.
_UNIONS = ("UnionType", "Union", "_UnionGenericAlias")
#: How it is written where it is imported for type checkers only.
_NAMES_OF_CONTEXT = {
    form.format(name)
    for name in ("Context", "syncra.Context")
    for form in ("{}", "{}|None", "None|{}", "Optional[{}]")
}


def means_context(annotation: Any, function: Callable[..., Any]) -> bool:
    """Return whether an annotation, possibly still text, is `Context`, or `| None`."""
    text = annotation if type(annotation) is str else None
    if text is None:
        text = getattr(annotation, "__forward_arg__", None)
    if text is None:
        return _is_context(annotation)

    text = text.strip("'\" ")
    if "Context" not in text and not text.isidentifier():
        return False

    for layer in unwrapped(function):
        names = getattr(layer, "__globals__", None)
        if names is not None:
            if text.isidentifier() and text in names:
                return _is_context(names[text])

            return "Context" in text and _evaluates_to_context(text, names)

    return False


def _is_context(annotation: Any) -> bool:
    if getattr(annotation, "_is_run_context", False) is True:
        return True

    if type(annotation).__name__ not in _UNIONS:
        return False

    choices = annotation.__args__
    return (
        len(choices) == 2
        and type(None) in choices
        and any(getattr(one, "_is_run_context", False) is True for one in choices)
    )


def _evaluates_to_context(text: str, names: dict[str, Any]) -> bool:
    try:
        found = eval(text, names)
    except Exception:
        # Imported for type checkers only: then the name has to do.
        return text.replace(" ", "") in _NAMES_OF_CONTEXT

    return _is_context(found)
