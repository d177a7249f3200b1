"""Those who run the same graphs: Syncra, hand-written code, other libraries.

A new one is a file here with a subclass of `Peer`, and a place in `OTHERS`.
"""

from __future__ import annotations

from ._base import Peer as Peer
from .with_concurra import ConcurraProcesses, ConcurraThreads
from .with_dask import Dask, DaskProcesses, DaskThreads
from .with_hamilton import Hamilton, HamiltonAsyncio, HamiltonMixed, HamiltonThreads
from .with_joblib import Joblib, JoblibProcesses, JoblibThreads
from .with_pipefunc import Pipefunc, PipefuncProcesses, PipefuncThreads
from .with_processes import ProcessesSequential, ProcessesThreads
from .with_taskade import (
    Taskade,
    TaskadeAsyncio,
    TaskadeMixed,
    TaskadeProcesses,
    TaskadeThreads,
)
from .with_tawazi import Tawazi, TawaziThreads

#: Other libraries: printed beside Syncra in the measurements that they name.
OTHERS: tuple[type[Peer], ...] = (
    Taskade,
    TaskadeThreads,
    TaskadeProcesses,
    TaskadeAsyncio,
    TaskadeMixed,
    ConcurraThreads,
    ConcurraProcesses,
    ProcessesSequential,
    ProcessesThreads,
    Dask,
    DaskThreads,
    DaskProcesses,
    Tawazi,
    TawaziThreads,
    Pipefunc,
    PipefuncThreads,
    PipefuncProcesses,
    Hamilton,
    HamiltonThreads,
    HamiltonAsyncio,
    HamiltonMixed,
    Joblib,
    JoblibThreads,
    JoblibProcesses,
)


def others_of(measurement: str) -> tuple[type[Peer], ...]:
    """Return the other libraries that take part in a measurement."""
    return tuple(peer for peer in OTHERS if measurement in peer.measurements)
