"""What a graph and a run have in common: that they can be drawn."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container
    from os import PathLike
    from pathlib import Path
    from typing import Any

    from ._compiled import Compiled
    from .views._model import Direction, Picture
    from .views.folding import Fold


class Drawable:
    """Draw what a class says in `_to_draw`."""

    __slots__ = ()

    def _to_draw(self) -> tuple[Compiled, bytes | None]:
        """Return a graph, and where its tasks stand if it is drawn with states."""
        raise NotImplementedError

    def to_mermaid(self, *, direction: Direction = None, fold: Fold = "auto") -> str:
        """Return a picture as text for Mermaid, which GitHub and others draw.

        Parameters:
            direction: "LR" goes to the right, "TB" goes down; if None, to the right
                unless the picture gets long.
            fold: which tasks share a box: those with the same "tags", those whose
                names have the same "prefix", or none if None. "auto" folds more than
                100 tasks or 400 edges, by tags if there are any.

        Raises:
            GraphError: if the graph has a mistake.
            ValueError: if there is no such direction or way to fold.

        Example:
            >>> from syncra import Graph
            >>> graph = Graph("hello")
            >>> hello = graph.add(lambda: "Hello", name="hello")
            >>> world = graph.add(str.upper, name="world", dependencies=hello)
            >>> print(graph.to_mermaid())
            ---
            title: "hello: 2 tasks"
            ---
            flowchart LR
                t0("hello"):::task
                t1("world"):::task
                t0 --> t1
                classDef task fill:#eef2f8,stroke:#5b6b84,stroke-width:1px,color:#1c2430
            <BLANKLINE>
        """
        from .views.mermaid import mermaid

        return mermaid(self._picture(direction, fold))

    def to_dot(self, *, direction: Direction = None, fold: Fold = "auto") -> str:
        """Return a picture as text in the language of Graphviz.

        Parameters:
            direction: as for `to_mermaid`.
            fold: as for `to_mermaid`.

        Raises:
            GraphError: if the graph has a mistake.
            ValueError: if there is no such direction or way to fold.
        """
        from .views.dot import dot

        return dot(self._picture(direction, fold))

    def draw(
        self,
        path: str | PathLike[str],
        *,
        direction: Direction = None,
        fold: Fold = "auto",
        timeout: float | None = 60.0,
    ) -> Path:
        """Draw a picture into a file and return its path.

        The file is there whole or not at all. Takes what `to_mermaid` takes, too.

        Parameters:
            path: the file; its suffix says what it becomes: .svg, .png or .pdf.
            direction: "LR" goes to the right, "TB" goes down.
            fold: which tasks share a box.
            timeout: the most seconds that the program `dot` may take, for which some
                thousand tasks that are not folded are too many; None if it may take
                for ever.

        Raises:
            GraphError: if the graph has a mistake.
            ValueError: if there is no such suffix, direction or way to fold, or if
                timeout is not positive.
            MissingExtraError: without the extra `viz` or the program `dot`.
            DrawingFailed: if that program fails or takes too long.
            OSError: if the file cannot be written.
        """
        from ._core.policy import seconds
        from .views.drawing import check_suffix, draw

        form = check_suffix(path)
        if timeout is not None:
            timeout = seconds(timeout, "draw: timeout")
        return draw(self._picture(direction, fold), path, form, timeout)

    def _picture(self, direction: Direction, fold: Fold) -> Picture:
        from .views._model import picture_of

        compiled, states = self._to_draw()
        return picture_of(compiled, states, direction=direction, fold=fold)

    def _repr_mimebundle_(
        self,
        include: Container[str] | None = None,
        exclude: Container[str] | None = None,
    ) -> dict[str, Any]:
        """Return what a notebook shows: text, and a picture if there can be one."""
        from .views.drawing import bundle

        return bundle(
            self.__str__, lambda: self._picture(None, "auto"), include, exclude
        )
