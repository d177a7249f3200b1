"""Timing of competitors in turns, each under the same conditions."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from time import perf_counter

from .model import Cannot

Timer = Callable[[], float]

#: Seconds that one timing of a short run lasts at the least. If one competitor were
#: timed for 3 ms and another for 30, the first would find a quiet moment more easily.
LEAST = 0.05


def timer(run: Callable[[], object], times: int = 1) -> Timer:
    """Return what calls `run` so many times and returns the seconds each took.

    The garbage of others is collected before, and the collector is left on: what a
    competitor makes the collector do is part of its time. What the last `run` returns
    is freed after the time is taken, what it drops itself is not.
    """

    def timed() -> float:
        gc.collect()
        kept: object = None
        start = perf_counter()
        for _ in range(times):
            kept = run()
        seconds = perf_counter() - start
        del kept
        return seconds / times

    return timed


def times_for(seconds: float) -> int:
    """Return how often a run of so many seconds is to be repeated in one timing."""
    return max(1, round(LEAST / max(seconds, 1e-6)))


def in_turns(
    timers: Mapping[str, Timer],
    rounds: int,
    fewer: Mapping[str, int] | None = None,
) -> dict[str, list[float]]:
    """Return the timings of each competitor: one of each in every round.

    Whatever else goes on in the machine then hits all of them. Every other round goes
    backwards, so nobody always comes after the same one. Who raises `Cannot` has no
    timings.

    Parameters:
        timers: what times each competitor.
        rounds: how many rounds there are.
        fewer: the rounds of those who do not take part in all.
    """
    samples: dict[str, list[float]] = {name: [] for name in timers}
    last = {**dict.fromkeys(timers, rounds), **(fewer or {})}
    for number in range(rounds):
        names = [name for name in samples if number < last[name]]
        if number % 2:
            names.reverse()
        for name in names:
            try:
                samples[name].append(timers[name]())
            except Cannot:
                del samples[name]
    return samples
