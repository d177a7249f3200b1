"""A graph that has several mistakes."""

from __future__ import annotations

from syncra import Graph

graph = Graph("mistakes")
graph.add(lambda rows: rows, name="clean", dependencies="laod")
graph.add(lambda: [1], name="load")
graph.add(lambda first, second: first, name="join", dependencies=("clean", "claen"))
