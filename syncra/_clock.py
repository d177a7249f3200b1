"""The clock that everything in a run is measured with, in seconds."""

from time import perf_counter as clock

__all__ = ["clock"]
