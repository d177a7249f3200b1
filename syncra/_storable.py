"""What graphs can be made of, and made into, without Python: files and mappings."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from os import PathLike
    from typing import Any, Self


class Storable:
    """Give a graph the methods that read and write its definition."""

    @classmethod
    def from_file(
        cls,
        path: str | PathLike[str],
        *,
        allow: str | Iterable[str] = (),
        allow_commands: bool = False,
        name: str | None = None,
    ) -> Self:
        """Return the graph that a JSON, TOML or YAML file defines; see `docs/files.md`.

        Parameters:
            path: the file; its suffix says what it is.
            allow: the packages whose functions the file may name. Functions that are
                tasks of named graphs already may be named without.
            allow_commands: whether the file may run programs, and write logs anywhere.
            name: name of the graph; what the file says, or its own name, if None.

        Raises:
            FlowFileError: if anything is wrong with it, with all that is, by line.
            MissingExtraError: if it is YAML and PyYAML is not installed.
            OSError: if it cannot be opened.
        """
        from ._files.loading import graph_from_file

        return graph_from_file(cls, path, allow, allow_commands, name)

    @classmethod
    def from_dict(
        cls,
        mapping: Mapping[str, Any],
        *,
        allow: str | Iterable[str] = (),
        allow_commands: bool = False,
        name: str | None = None,
    ) -> Self:
        """Return the graph that a mapping defines, which holds what a file does.

        Parameters:
            mapping: the definition.
            allow: as for `from_file`.
            allow_commands: as for `from_file`.
            name: as for `from_file`.

        Raises:
            FlowFileError: if it does not define a graph, with all that is wrong.

        Example:
            >>> from syncra import Graph
            >>> said = {"tasks": [{"name": "root", "function": "math.sqrt"}]}
            >>> Graph.from_dict(said, allow="math")
            <Graph 'graph' of 1 tasks>
        """
        from ._files.loading import graph_from_mapping

        return graph_from_mapping(cls, mapping, allow, allow_commands, name)

    def to_dict(self) -> dict[str, Any]:
        """Return the definition as a mapping, fit for JSON and `from_dict`.

        Raises:
            GraphError: if there is what no file can say, such as a lambda or an
                executor of the caller's, with every such task.
        """
        from ._files.saving import mapping_of

        return mapping_of(self)
