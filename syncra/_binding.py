"""How upstream results, constants and inputs reach the parameters of a task.

Decided once, when a graph is compiled, by these rules:

1. A mapping binds by parameter name, and `kwargs=` binds constants.
2. Otherwise a parameter that has the name of a dependency, or of one of its outputs,
   receives it.
3. The dependencies that are left fill the parameters that are left, in order; `*args`
   takes all that remain. What finds no room only orders.
4. A parameter annotated `Context` receives the run context.
5. What is still free and has no default is an input of the graph.

The outcome is one `Binding` a task: where each argument comes from.
"""

from __future__ import annotations

from ._names import hint, listed, nearest, place_of
from ._signature import EMPTY, KEYWORD_ONLY, POSITIONAL_ONLY, Parameter, Signature
from .errors import SignatureError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, TypeAlias

    #: An int is the id of the task whose whole result is the argument.
    Source: TypeAlias = "int | PartOf | Constant | FromInput | FromContext"


class PartOf:
    """Say that an argument is one named part of a task's result."""

    __slots__ = ("index", "output", "task")

    def __init__(self, task: int, output: str, index: int) -> None:
        self.task = task
        self.output = output
        self.index = index


class Constant:
    """Say that an argument is always this value."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class FromInput:
    """Say that the caller of the graph gives the argument."""

    __slots__ = ("annotation", "name")

    def __init__(self, name: str, annotation: Any) -> None:
        self.name = name
        self.annotation = annotation


class FromContext:
    """Say that the argument is the run context of the task."""

    __slots__ = ()


class Link:
    """Hold a resolved dependency.

    Attributes:
        task: id of the upstream task.
        name: its name, or that of the output if only a part is meant.
        output: name of the part, or None for the whole result.
        outputs: names of all parts that the upstream task has.
    """

    __slots__ = ("name", "output", "outputs", "task")

    def __init__(
        self, task: int, name: str, output: str | None, outputs: tuple[str, ...]
    ) -> None:
        self.task = task
        self.name = output if output is not None else name
        self.output = output
        self.outputs = outputs

    @property
    def source(self) -> Source:
        """Return where an argument filled by this dependency comes from."""
        return self.task if self.output is None else self.part(self.output)

    def part(self, output: str) -> PartOf:
        """Return the source that is one part of the result."""
        return PartOf(self.task, output, self.outputs.index(output))


class Binding:
    """Hold where each argument of one task comes from."""

    __slots__ = ("keywords", "positional")

    def __init__(
        self, positional: Sequence[Source], keywords: Mapping[str, Source]
    ) -> None:
        self.positional = positional
        self.keywords = keywords


class TaskLabel:
    """Name a task in an error message: its name and where it is defined."""

    __slots__ = ("function", "name")

    def __init__(self, name: str, function: object) -> None:
        self.name = name
        self.function = function

    def __str__(self) -> str:
        return f"task {self.name!r} ({place_of(self.function)})"


def bind(
    label: TaskLabel,
    signature: Signature,
    links: Sequence[Link] | Mapping[str, Link],
    kwargs: Mapping[str, Any],
) -> Binding:
    """Return where the arguments of a task come from.

    Parameters:
        label: the task, for messages.
        signature: what its callable takes.
        links: resolved dependencies, in order or by parameter name.
        kwargs: constants by parameter name.

    Raises:
        SignatureError: if the callable cannot be called that way.
    """
    filled: dict[str, Source] = {}
    extra: dict[str, Source] = {}  # goes into **kwargs
    remaining: Sequence[Link] = ()
    for name, value in kwargs.items():
        _place(label, signature, name, "kwargs=", filled, extra)[name] = Constant(value)
    if hasattr(links, "keys"):
        for name, link in links.items():  # type: ignore[union-attr]
            target = _place(label, signature, name, "dependencies=", filled, extra)
            target[name] = link.source
    else:
        remaining = _bind_by_name(signature, links, filled)
    for name in signature.context:
        filled.setdefault(name, FromContext())
    rest = _bind_in_order(signature, remaining, filled)
    return _arrange(signature, filled, extra, rest)


def _place(
    label: TaskLabel,
    signature: Signature,
    name: str,
    what: str,
    filled: dict[str, Source],
    extra: dict[str, Source],
) -> dict[str, Source]:
    """Return where an argument given by name belongs, or raise if it fits nowhere."""
    if name in filled or name in extra:
        raise SignatureError(
            f"{label}: parameter {name!r} is bound twice, "
            f"by kwargs= and by dependencies=. Keep one of them.",
            label.name,
            name,
        )

    if name in signature.parameters:
        return filled

    if signature.takes_any_keyword:
        return extra

    known = list(signature.parameters)
    raise SignatureError(
        f"{label}: {what} binds parameter {name!r}, which the function does not have; "
        + (f"it has {listed(known)}." if known else "it has no parameters.")
        + hint(nearest(name, known)),
        label.name,
        name,
    )


def _bind_by_name(
    signature: Signature, links: Sequence[Link], filled: dict[str, Source]
) -> list[Link]:
    """Fill parameters named like a dependency or an output; return what is left."""
    parameters = signature.parameters
    remaining = []
    for link in links:
        taken = False
        if link.name in parameters and link.name not in filled:
            filled[link.name] = link.source
            taken = True
        if link.output is None:
            for output in link.outputs:
                if output in parameters and output not in filled:
                    filled[output] = link.part(output)
                    taken = True
        if not taken:
            remaining.append(link)
    return remaining


def _bind_in_order(
    signature: Signature, remaining: Sequence[Link], filled: dict[str, Source]
) -> list[Source]:
    """Fill free parameters with the remaining dependencies; return those of `*args`."""
    position = 0
    for name, parameter in signature.parameters.items():
        if position == len(remaining):
            return []

        if parameter.kind == KEYWORD_ONLY and signature.takes_any:
            break

        if name not in filled:
            filled[name] = remaining[position].source
            position += 1
    if signature.takes_any:
        return [link.source for link in remaining[position:]]

    return []


def _arrange(
    signature: Signature,
    filled: dict[str, Source],
    extra: dict[str, Source],
    rest: list[Source],
) -> Binding:
    """Return the arguments in the order of a call, inputs and gaps filled in."""
    positional: list[Source] = []
    keywords: dict[str, Source] = {}
    gaps: list[Parameter] = []  # parameters left to their defaults so far
    for name, parameter in signature.parameters.items():
        source = filled.get(name)
        if source is None:
            if parameter.default is not EMPTY:
                if parameter.kind != KEYWORD_ONLY:
                    gaps.append(parameter)
                continue

            source = FromInput(name, parameter.annotation)
        if parameter.kind == KEYWORD_ONLY:
            keywords[name] = source
        elif gaps and parameter.kind != POSITIONAL_ONLY and not rest:
            keywords[name] = source  # what lies between keeps its default
        else:
            positional += [Constant(gap.default) for gap in gaps]
            gaps.clear()
            positional.append(source)
    if rest:
        positional += [Constant(gap.default) for gap in gaps]
        positional += rest
    keywords.update(extra)
    return Binding(positional, keywords)
