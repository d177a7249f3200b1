"""Tasks made into parcels for the workers of a cluster: what of them goes, and how."""

from __future__ import annotations

import io
import pickle
import sys
from types import FunctionType

from .._calls import fetched, slots_of
from .._processes import pickles
from .._remote import Remote, RemotePart
from ._crossing import packed_baggage, refusal
from ._remote_work import Item, given
from ._same_code import VERSIONS, code_of, digest_of
from ._small_pickles import SMALL, small_pickle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from ._base import Work

#: Of these every value fits into a message.
_SMALL_KINDS = {type(None), bool, float}


class Ahead:
    """Stand for the result of an earlier task of the same parcel."""

    __slots__ = ("position",)

    def __init__(self, position: int) -> None:
        self.position = position


#: What stands for values that are on the cluster, or will be.
_STAND_INS = {Remote, RemotePart, Ahead}


def _stands_in(value: object) -> bool:
    return value.__class__ in _STAND_INS


class View:
    """Show the values of a run as a cluster gets them: some by what stands for them."""

    __slots__ = ("_instead", "_values")

    def __init__(self, values: list[Any], instead: Mapping[int, Any]) -> None:
        self._values = values
        self._instead = instead

    def __getitem__(self, slot: int) -> Any:
        return self._instead[slot] if slot in self._instead else self._values[slot]


class Packer:
    """Pack the tasks of one parcel.

    Parameters:
        work: the run.
        cluster: what the cluster is called.
    """

    def __init__(self, work: Work, cluster: str) -> None:
        self._work = work
        self._cluster = cluster
        #: The large values that go along, in the order of their numbers.
        self.needs: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._functions: list[tuple[bytes, str]] = []
        self._known: dict[int, int] = {}
        self.items: list[Item] = []

    def add(
        self,
        task: int,
        instead: Mapping[int, Any],
        before: Sequence[int],
        is_to_travel: bool,
    ) -> None:
        """Add a task.

        Parameters:
            task: its id.
            instead: what stands for values, by slot.
            before: positions of the tasks of this parcel whose results it takes.
            is_to_travel: whether its result is wanted here.

        Raises:
            SerializationError: if it cannot go.
        """
        work = self._work
        function: Any = work.functions[task]
        name = work.name_of(task)
        stage = "function"
        try:
            number = self._number_of(function)
            stage = "argument"
            view: Any = View(work.values, instead)
            arguments = fetched(work.arguments[task], view)
            packed = self._dumps(arguments)
        except BaseException as error:
            path = ""
            if stage == "argument":
                own = tuple(None if _stands_in(one) else one for one in arguments)
                path = pickles.culprit_among(function, own)
            raise refusal(name, self._cluster, stage, error, path) from error

        baggage = b""
        if work.origins is not None:
            mark = work.origins.marked(task)  # for a worker that is this very process
            baggage = packed_baggage([*work.origins.begin_elsewhere(task), mark])
        self.items.append(Item(number, packed, tuple(before), is_to_travel, baggage))

    def sealed(self, stops: bool, budget: float, settings: bytes) -> bytes:
        """Return the parcel.

        Parameters:
            stops: whether it ends with the first of its tasks that fails.
            budget: seconds after which no further task of it begins.
            settings: what surrounds tasks of the run, pickled.
        """
        known = stops, budget, settings, self._functions, self.items
        return pickle.dumps((VERSIONS, pickle.dumps(known, pickles.PROTOCOL)))

    def _number_of(self, function: Any) -> int:
        number = self._known.get(id(function))
        if number is None:
            packed, is_found = dump_function(function)
            digest = digest_of(code_of(function)) if is_found else ""
            number = self._known[id(function)] = len(self._functions)
            self._functions.append((packed, digest))
        return number

    def _dumps(self, arguments: tuple[Any, ...]) -> bytes:
        if not arguments:
            return b"\x80\x05)."  # the pickle of an empty tuple

        file = io.BytesIO()
        _pickler()(file, pickles.PROTOCOL, self._refer).dump(arguments)
        return file.getvalue()

    def _refer(self, value: Any) -> Any:
        """Return how a worker finds what a value stands for."""
        part = None
        if value.__class__ is RemotePart:
            part = value.output, value.index
            value = value.whole
        if value.__class__ is Ahead:
            return given, ("results", value.position, part)

        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self.needs)
            self.needs.append(value)
        return given, ("needs", number, part)


def _same(value: Any) -> Any:
    return value


def dump_function(function: Any) -> tuple[bytes, bool]:
    """Return the pickle of a callable, and whether workers find it by its name."""
    file = io.BytesIO()
    made = _pickler()(file, pickles.PROTOCOL)
    made.dump(function)
    return file.getvalue(), not made.by_value


def is_large(value: Any) -> bool:
    """Return whether a value is too large to travel with the call of each reader."""
    kind = value.__class__
    if kind in _SMALL_KINDS or kind is Remote:
        return False

    if kind is str or kind is bytes or kind is bytearray:
        return len(value) > SMALL

    if kind is int:
        return bool(value.bit_length() > SMALL * 8)

    try:
        return small_pickle(value, (pickle.Pickler, _pickler())) is None
    except Exception:
        return False  # what is wrong with it is told when it is packed


def slots_read(work: Work, task: int) -> Sequence[int]:
    """Return the slots whose values a task takes."""
    return slots_of(work.arguments[task])


_picklers: list[Any] = []


def _pickler() -> Any:
    """Return the class that pickles what goes to a cluster.

    What a module has that can be imported there goes by its name, all else by value:
    what `__main__` and notebooks define.
    """
    if not _picklers:
        _picklers.append(_make_pickler())
    return _picklers[0]


def _make_pickler() -> Any:
    from cloudpickle import Pickler

    from .._task import Task

    class ForClusters(Pickler):  # type: ignore[misc]
        def __init__(
            self,
            file: Any,
            protocol: int | None = None,
            refer: Callable[[Any], Any] | None = None,
            **options: Any,
        ) -> None:
            super().__init__(file, protocol, **options)
            self._refer = refer
            self.by_value = False

        def reducer_override(self, value: Any) -> Any:
            kind = type(value)
            if kind in _STAND_INS:
                assert self._refer is not None
                return self._refer(value)

            if kind is FunctionType:
                if value.__module__ != "__main__" and value.__module__ in sys.modules:
                    try:
                        found = pickles.reference(value)
                    except pickle.PicklingError:
                        pass
                    else:
                        if found is not NotImplemented:
                            return found

                reduced = super().reducer_override(value)
                self.by_value |= reduced is not NotImplemented
                return reduced

            if isinstance(value, Task) and value.function.__module__ == "__main__":
                return _same, (value.function,)  # called, it is the same

            return super().reducer_override(value)

    return ForClusters
