"""From a document to a graph, with everything that is wrong told at once."""

from __future__ import annotations

from .._conversion import ConversionError
from ..errors import GraphError
from .building import Builder
from .document import read_file, read_mapping
from .entries import References, entries_of
from .functions import Functions
from .problems import quoted
from .schema import check
from .types import declared_input

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from os import PathLike
    from typing import Any, TypeVar

    from .._inputs import Input
    from .document import Document
    from .entries import Entry

    G = TypeVar("G")


def graph_from_file(
    make: Callable[..., G],
    path: str | PathLike[str],
    allow: str | Iterable[str],
    allow_commands: bool,
    name: str | None,
) -> G:
    """Return the graph that a file defines; see `Graph.from_file`.

    Parameters:
        make: makes an empty graph.
        path: the file.
        allow: packages whose functions the file may name.
        allow_commands: whether it may run programs.
        name: name of the graph; what the file says, or its own name, if None.
    """
    functions = Functions(allow)
    document = read_file(path)
    return _Loader(document, Builder(document, functions, allow_commands)).load(
        make, name
    )


def graph_from_mapping(
    make: Callable[..., G],
    mapping: object,
    allow: str | Iterable[str],
    allow_commands: bool,
    name: str | None,
) -> G:
    """Return the graph that a mapping defines; see `Graph.from_dict`."""
    functions = Functions(allow)
    document = read_mapping(mapping)
    return _Loader(document, Builder(document, functions, allow_commands)).load(
        make, name
    )


class _Loader:
    """Make a graph of one document.

    Parameters:
        document: what the file says.
        builder: makes its tasks.
    """

    def __init__(self, document: Document, builder: Builder) -> None:
        self._document = document
        self._problems = document.problems
        self._builder = builder

    def load(self, make: Callable[..., G], name: str | None) -> G:
        """Return the graph.

        Raises:
            FlowFileError: if anything is wrong with the document.
        """
        data: Any = self._document.data
        check(data, self._problems)
        if not isinstance(data, dict):
            self._problems.raise_all()
        entries = entries_of(data, self._problems)
        References(entries, self._problems).look_up()
        inputs = self._inputs(data)
        self._builder.build(data, entries)
        graph: Any = None
        if self._builder.is_complete and not self._problems.found:
            graph = self._assembled(make, name, data, entries)
            graph._declared = inputs
            self._check_wiring(graph, entries, inputs)
        self._problems.raise_all()
        return graph  # type: ignore[no-any-return]

    def _inputs(self, data: Any) -> dict[str, Input]:
        """Return the inputs that the document declares."""
        found: dict[str, Input] = {}
        declared = data.get("inputs")
        for name, said in declared.items() if isinstance(declared, dict) else ():
            if not self._builder.is_sound(("inputs", name)):
                continue

            try:
                found[name] = declared_input(name, said)
            except ConversionError as error:
                self._problems.add(("inputs", name, "default"), str(error))
        return found

    def _assembled(
        self,
        make: Callable[..., G],
        name: str | None,
        data: dict[str, Any],
        entries: dict[str, Entry],
    ) -> G:
        """Return the graph of tasks that have all been made."""
        if name is None:
            name = data.get("name") or self._document.stem
        options = {
            key: data[key]
            for key in ("executor", "max_concurrency", "on_error", "limits", "log")
            if data.get(key) is not None
        }
        # JSON has 3.0 for a whole number too.
        if "max_concurrency" in options:
            options["max_concurrency"] = int(options["max_concurrency"])
        limits = options.get("limits", {})
        options["limits"] = {key: int(amount) for key, amount in limits.items()}
        graph: Any = make(name, **options)
        graph.description = data.get("description")
        self._builder.put_together(graph, entries)
        return graph  # type: ignore[no-any-return]

    def _check_wiring(
        self, graph: Any, entries: dict[str, Entry], inputs: dict[str, Input]
    ) -> None:
        """Add what is wrong with how results and inputs reach parameters."""
        try:
            used = graph.inputs
        except GraphError:
            try:
                graph.check()
            except GraphError as error:
                self._add_mistake(error, entries)
            except ExceptionGroup as group:
                for mistake in group.exceptions:
                    self._add_mistake(mistake, entries)
            return

        for name in inputs:
            if name not in used:
                text = f"no task takes the input {quoted(name)}"
                if self._problems.are_few:
                    known = ", ".join(map(quoted, used)) or "none"
                    text += (
                        f": a parameter without a default and a placeholder that "
                        f"nothing fills are inputs of the graph, and it takes {known}"
                    )
                self._problems.add(("inputs", name), text, of_key=True)

    def _add_mistake(self, error: Exception, entries: dict[str, Entry]) -> None:
        entry = entries.get(getattr(error, "task", ""))
        self._problems.add(entry.path if entry else (), str(error))
