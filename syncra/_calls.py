"""How the arguments of a task are fetched, and what stands around its function.

A run keeps all its values in one list: results by task id first, then the run itself,
inputs and constants. What a task is called with is therefore a matter of slots, in the
cheapest form that does:

    None             no arguments
    an int           one argument: the value in that slot
    a tuple of ints  two or three arguments
    a callable       given the list, returns any number of arguments
"""

from __future__ import annotations

from operator import itemgetter

from ._binding import Constant, FromContext, FromInput, PartOf
from ._remote import Remote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, TypeAlias

    from ._binding import Binding, Source

    Values: TypeAlias = list[Any]
    Arguments: TypeAlias = (
        int | tuple[int, ...] | Callable[[Values], Iterable[Any]] | None
    )


class Layout:
    """Give out the slots of a run's list of values while a graph is compiled.

    Attributes:
        template: the list that each run starts from; None where a value is to come.
        inputs: slot of each input by name.
        run_slot: where the run itself is kept, for `Context`.
    """

    __slots__ = ("inputs", "run_slot", "template")

    def __init__(self, task_count: int) -> None:
        self.template: Values = [None] * (task_count + 1)
        self.run_slot = task_count
        self.inputs: dict[str, int] = {}

    def constant(self, value: Any) -> int:
        """Return a slot that always holds `value`."""
        self.template.append(value)
        return len(self.template) - 1

    def input(self, name: str) -> int:
        """Return the slot of an input."""
        slot = self.inputs.get(name)
        if slot is None:
            slot = self.inputs[name] = self.constant(None)
        return slot


def arguments_of(task: int, binding: Binding, layout: Layout) -> Arguments:
    """Return how the arguments of a task are fetched, keyword values last."""
    sources = [*binding.positional, *binding.keywords.values()]
    if any(isinstance(source, (PartOf, FromContext)) for source in sources):
        return Gather(task, sources, layout)

    return fetch([_slot(source, layout) for source in sources])


def fetch(slots: Sequence[int]) -> Arguments:
    """Return the cheapest form that fetches these slots."""
    if not slots:
        return None

    if len(slots) > 3:
        return itemgetter(*slots)

    return slots[0] if len(slots) == 1 else tuple(slots)


def fetched(arguments: Arguments, values: Values) -> tuple[Any, ...]:
    """Return the arguments themselves, for those who do not call a task at once."""
    if arguments is None:
        return ()

    if isinstance(arguments, int):
        return (values[arguments],)

    if isinstance(arguments, tuple):
        return tuple([values[slot] for slot in arguments])

    return tuple(arguments(values))


def _slot(source: Source, layout: Layout) -> int:
    if isinstance(source, int):
        return source

    if isinstance(source, Constant):
        return layout.constant(source.value)

    assert isinstance(source, FromInput)
    return layout.input(source.name)


def slots_of(arguments: Arguments) -> tuple[int, ...]:
    """Return the slots that arguments are fetched from."""
    if arguments is None:
        return ()

    if isinstance(arguments, int):
        return (arguments,)

    if isinstance(arguments, tuple):
        return arguments

    if isinstance(arguments, itemgetter):
        slots: tuple[int, ...] = arguments.__reduce__()[1]  # type: ignore[assignment]
        return slots

    assert isinstance(arguments, Gather)
    return arguments.slots


class Gather:
    """Fetch arguments that are parts of results or the run context among others.

    Attributes:
        slots: the slots whose values are fetched, or parts of them.
        parts: for each slot the name of the part of its value, or None for all of it.
        takes_context: whether the run context is among the arguments.
    """

    __slots__ = ("_getters", "parts", "slots", "takes_context")

    def __init__(self, task: int, sources: Sequence[Source], layout: Layout) -> None:
        self.takes_context = any(isinstance(one, FromContext) for one in sources)
        fetched = [one for one in sources if not isinstance(one, FromContext)]
        self.slots = tuple(
            one.task if isinstance(one, PartOf) else _slot(one, layout)
            for one in fetched
        )
        self.parts = tuple(
            one.output if isinstance(one, PartOf) else None for one in fetched
        )
        self._getters = [self._getter(task, source, layout) for source in sources]

    @staticmethod
    def _getter(task: int, source: Source, layout: Layout) -> Callable[[Values], Any]:
        if isinstance(source, PartOf):
            slot, output, index = source.task, source.output, source.index
            return lambda values: part_of(values[slot], output, index)

        if isinstance(source, FromContext):
            run = layout.run_slot
            return lambda values: values[run].context_of(task)

        return itemgetter(_slot(source, layout))

    def __call__(self, values: Values) -> list[Any]:
        return [get(values) for get in self._getters]


def part_of(result: Any, output: str, index: int) -> Any:
    """Return one named part of a result that was checked to have it.

    Of what has no result, which clean-up may depend on, the parts are None too.
    """
    if result is None:
        return None

    if result.__class__ is Remote:
        return result.part(output, index)

    return result[output] if hasattr(result, "keys") else result[index]


class WithKeywords:
    """Call a function with its last arguments by keyword."""

    __slots__ = ("__wrapped__", "_count", "_names")

    def __init__(
        self, function: Callable[..., Any], count: int, names: Sequence[str]
    ) -> None:
        self.__wrapped__ = function
        self._count = count
        self._names = tuple(names)

    def __call__(self, *arguments: Any) -> Any:
        positional, keywords = self.split(arguments)
        return self.__wrapped__(*positional, **keywords)

    def split(self, arguments: Sequence[Any]) -> tuple[Sequence[Any], dict[str, Any]]:
        """Return which of the arguments go by position, and which by name."""
        count = self._count
        keywords = dict(zip(self._names, arguments[count:], strict=True))
        return arguments[:count], keywords


class WithOutputs:
    """Call a function and check that its result has the parts it was said to have."""

    __slots__ = ("__wrapped__", "_outputs", "_task")

    def __init__(
        self, function: Callable[..., Any], task: str, outputs: tuple[str, ...]
    ) -> None:
        self.__wrapped__ = function
        self._task = task
        self._outputs = outputs

    def __call__(self, *arguments: Any) -> Any:
        return self._checked(self.__wrapped__(*arguments))

    def _checked(self, result: Any) -> Any:
        wanted = self._outputs
        if hasattr(result, "keys"):
            lacking = [name for name in wanted if name not in result]
            if not lacking:
                return result

            found = f"a mapping without {', '.join(lacking)}"
        elif not isinstance(result, (tuple, list)):
            found = f"{type(result).__name__} instead of a tuple or a mapping"
        elif len(result) == len(wanted):
            return result
        else:
            found = f"{len(result)} parts"
        raise TypeError(
            f"task {self._task!r} has outputs ({', '.join(wanted)}) "
            f"but its function returned {found}"
        )


class WithOutputsAsync(WithOutputs):
    """Do the same for a coroutine function."""

    __slots__ = ()

    async def __call__(self, *arguments: Any) -> Any:
        return self._checked(await self.__wrapped__(*arguments))
