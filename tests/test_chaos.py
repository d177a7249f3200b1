"""Random fault schedules, each decided by its seed, against what must always hold.

`SYNCRA_CHAOS_SEEDS` says how many; `SYNCRA_CHAOS_SEED` replays one of them:

    SYNCRA_CHAOS_SEED=123 python -m pytest tests/test_chaos.py -k replay
"""

from __future__ import annotations

import os
import sys

import pytest
from chaos_checks import broken_promises
from chaos_schedules import make_schedule

SEEDS = int(
    os.environ.get("SYNCRA_CHAOS_SEEDS")
    or (1000 if sys.version_info[:2] == (3, 11) else 200)
)
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


@pytest.mark.skipif("SYNCRA_CHAOS_SEED" not in os.environ, reason="no seed to replay")
def test_replay(capfd: pytest.CaptureFixture[str]) -> None:
    """The schedule that the environment names breaks none of them."""
    with capfd.disabled():
        check(int(os.environ["SYNCRA_CHAOS_SEED"]))
