"""Every line of the table of speed. A new one is a subclass of `Measurement`, here."""

from __future__ import annotations

from ..model import Measurement
from .building import Building
from .ordering import Ordering
from .running import (
    BusyInProcesses,
    Coroutines,
    Mixed,
    Sequential,
    SmallInProcesses,
    Threads,
    Watched,
)
from .scale import Scale
from .starting import FirstCall, Import

MEASUREMENTS: tuple[Measurement, ...] = (
    Sequential(),
    Threads(),
    Coroutines(),
    SmallInProcesses(),
    Scale(),
    Building(),
    Import(),
    FirstCall(),
    Watched(),
    BusyInProcesses(),
    Mixed(),
    Ordering(),
)
