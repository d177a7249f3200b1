"""What libraries that run graphs can do: one probe for each library and question.

`python -m benchmarks.features` asks them all. A library is a module `of_NAME` here with
a function for each question of `questions.py`, named by its id; one without a function
is shown as not checked. Probes follow the documents of their library, and where it can
do something in more than one way, they take the way in which it can.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Library:
    """One column of the table.

    Attributes:
        id: names its module, `of_ID`.
        title: what the table calls it.
        package: what an installer calls it.
        module: where it is imported from.
        used: what of it is used by its probes.
    """

    id: str
    title: str
    package: str
    module: str
    used: str


LIBRARIES = (
    Library("syncra", "Syncra", "syncra", "syncra", "`Graph`"),
    Library("taskade", "taskade", "taskade", "taskade", "`Graph` and `Task`"),
    Library("concurra", "concurra", "concurra", "concurra", "`TaskRunner`"),
    Library("processes", "processes", "processes", "processes", "`Process`"),
    Library(
        "dask",
        "dask",
        "dask",
        "dask",
        "`delayed` with the schedulers for one machine, without `distributed`",
    ),
    Library(
        "distributed",
        "distributed",
        "distributed",
        "distributed",
        "the futures of `Client`, `delayed`, and `LocalCluster`",
    ),
    Library("tawazi", "tawazi", "tawazi", "tawazi", "`dag` and `xn`"),
    Library("pipefunc", "pipefunc", "pipefunc", "pipefunc", "`Pipeline.map`"),
    Library(
        "hamilton",
        "hamilton",
        "apache-hamilton",
        "hamilton",
        "`Driver`, its adapters and executors, `AsyncDriver`",
    ),
    Library(
        "joblib",
        "joblib",
        "joblib",
        "joblib",
        "`Parallel` and `Memory`; it runs loops, not graphs",
    ),
)
