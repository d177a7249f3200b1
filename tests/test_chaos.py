"""Random fault schedules, each decided by its seed, against what must always hold.

`SYNCRA_CHAOS_SEEDS` says how many; `SYNCRA_CHAOS_SEED` replays one of them:

    SYNCRA_CHAOS_SEED=123 python -m pytest tests/test_chaos.py -k replay

Seeds from a million on are schedules with worker processes, of which there are fewer
unless they are asked for. Parents that are killed have seeds of their own, from 0 on.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from chaos_checks import broken_promises
from chaos_parent import survivors
from chaos_schedules import FIRST_MIXED, make_schedule

ASKED = int(os.environ.get("SYNCRA_CHAOS_SEEDS") or 0)
SEEDS = ASKED or (1000 if sys.version_info[:2] == (3, 11) else 200)
MIXED_SEEDS = ASKED or (60 if sys.version_info[:2] == (3, 11) else 20)
PARENTS = min(ASKED, 200) or (20 if sys.version_info[:2] == (3, 11) else 5)
BATCH = 50


def check(seed: int) -> None:
    """Fail with the command that replays a seed, if it breaks an invariant."""
    problems = broken_promises(seed)
    if problems:
        schedule = make_schedule(seed)
        pytest.fail(
            "\n".join([schedule.replay(), *problems, schedule.shown()]), pytrace=False
        )


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_invariants_hold(first: int, capfd: pytest.CaptureFixture[str]) -> None:
    """No schedule breaks one of them."""
    with capfd.disabled():  # what is shown of a run that hangs must not be lost
        for seed in range(first, min(first + BATCH, SEEDS)):
            check(seed)


@pytest.mark.parametrize("first", range(0, MIXED_SEEDS, BATCH))
def test_invariants_hold_with_processes(
    first: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nor does one with tasks in other processes, some of which are killed."""
    with capfd.disabled():
        for seed in range(first, min(first + BATCH, MIXED_SEEDS)):
            check(FIRST_MIXED + seed)


@pytest.mark.parametrize("first", range(0, PARENTS, 5))
def test_nothing_survives_its_parent(first: int, tmp_path: Path) -> None:
    """Whatever its processes are at when it is killed."""
    for seed in range(first, min(first + 5, PARENTS)):
        left = survivors(seed, tmp_path / str(seed))
        assert not left, f"trial {seed}: alive after 2 s, or noise: {left}"


@pytest.mark.skipif("SYNCRA_CHAOS_SEED" not in os.environ, reason="no seed to replay")
def test_replay(capfd: pytest.CaptureFixture[str]) -> None:
    """The schedule that the environment names breaks none of them."""
    with capfd.disabled():
        check(int(os.environ["SYNCRA_CHAOS_SEED"]))
