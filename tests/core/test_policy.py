"""When a failed attempt is followed by another one, with a clock that is a number."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncra._core.deadlines import Deadlines
from syncra._core.policy import Retry, seconds

CHANCES = st.floats(min_value=0, max_value=1)


@given(st.integers(1, 20), st.integers(1, 30))
def test_no_attempt_after_the_last(attempts: int, attempt: int) -> None:
    policy = Retry(attempts)
    assert (policy.pause(OSError(), attempt, 0.5) is not None) == (attempt < attempts)


@given(
    st.floats(0, 100),
    st.floats(0, 1000),
    CHANCES,
    CHANCES,
    st.integers(1, 200),
)
def test_waits_double_up_to_a_bound(
    backoff: float, bound: float, jitter: float, chance: float, attempt: int
) -> None:
    """With jitter a wait is shorter by a part of at most that size, never longer."""
    policy = Retry(10, backoff=backoff, max_backoff=bound, jitter=jitter)
    full = min(backoff * 2.0 ** min(attempt - 1, 60), bound)
    wait = policy.wait(attempt, chance)
    assert full * (1 - jitter) - 1e-9 <= wait <= full
    assert policy.wait(attempt, 0.0) == full


def test_a_function_says_how_long() -> None:
    policy = Retry(3, backoff=lambda attempt: attempt * 10, max_backoff=15, jitter=0)
    assert [policy.wait(attempt, 0.5) for attempt in (1, 2)] == [10, 15]
    assert policy.calls_user_code
    assert not Retry(3).calls_user_code


def test_a_policy_says_how_it_was_made() -> None:
    assert repr(Retry(3, on=OSError, backoff=0.5, max_backoff=8, jitter=0)) == (
        "Retry(3, on=<class 'OSError'>, backoff=0.5, max_backoff=8.0, jitter=0.0)"
    )


def test_a_number_beyond_all_floats_is_no_time() -> None:
    with pytest.raises(ValueError, match="finite"):
        seconds(10**400, "timeout")


@pytest.mark.parametrize("nonsense", [-1, float("nan"), True, "soon", None])
def test_a_function_that_says_nonsense(nonsense: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="what backoff returned"):
        Retry(3, backoff=lambda attempt: nonsense).wait(1, 0.0)


def group(*errors: Exception) -> ExceptionGroup:
    return ExceptionGroup("of a task group", errors)


@pytest.mark.parametrize(
    ("on", "error", "wanted"),
    [
        (Exception, OSError(), True),
        (Exception, KeyboardInterrupt(), False),
        (OSError, ValueError(), False),
        ((OSError, ValueError), ValueError(), True),
        ([OSError, ValueError], ValueError(), True),
        (BaseException, SystemExit(), True),
        (lambda error: "busy" in str(error), OSError("busy"), True),
        (OSError, group(OSError(), group(TimeoutError())), True),
        (OSError, group(OSError(), group(ValueError())), False),
        ((OSError, ValueError), group(OSError(), group(ValueError())), True),
        (ExceptionGroup, group(ValueError()), True),
        (lambda error: "busy" in str(error), OSError("gone"), False),
    ],
)
def test_which_errors_are_worth_it(on: Any, error: BaseException, wanted: bool) -> None:
    assert (Retry(2, on).pause(error, 1, 0.5) is not None) is wanted


@pytest.mark.parametrize("wait", [90, 0.25, 0])
def test_a_function_that_knows_the_wait_is_taken_by_its_word(wait: float) -> None:
    """Neither jitter nor a bound make less of what a server has asked for."""
    policy = Retry(3, on=lambda error: wait, max_backoff=0.1)
    assert policy.pause(OSError(), 1, 0.5) == wait
    assert policy.pause(OSError(), 3, 0.5) is None


@pytest.mark.parametrize("nonsense", [-1, float("nan"), float("inf")])
def test_a_wait_that_makes_no_sense(nonsense: float) -> None:
    with pytest.raises(ValueError, match="what on returned"):
        Retry(3, on=lambda error: nonsense).pause(OSError(), 1, 0.5)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"attempts": 0}, ValueError),
        ({"attempts": True}, TypeError),
        ({"attempts": 2.0}, TypeError),
        ({"attempts": 2, "on": "OSError"}, TypeError),
        ({"attempts": 2, "on": (OSError, "x")}, TypeError),
        ({"attempts": 2, "backoff": -1}, ValueError),
        ({"attempts": 2, "backoff": "x"}, TypeError),
        ({"attempts": 2, "max_backoff": float("inf")}, ValueError),
        ({"attempts": 2, "jitter": 1.5}, ValueError),
        ({"attempts": 2, "jitter": -0.1}, ValueError),
    ],
)
def test_policies_that_make_no_sense(
    options: dict[str, Any], kind: type[Exception]
) -> None:
    with pytest.raises(kind, match="Retry"):
        Retry(**options)


@given(st.floats(min_value=1e-9, max_value=1e12))
def test_seconds_are_positive_finite_numbers(value: float) -> None:
    assert seconds(value, "limit") == value


@given(
    st.dictionaries(st.integers(0, 20), st.sampled_from([0.5, 1.0, 7.0]), max_size=12),
    st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=40),
)
def test_deadlines_against_a_plain_model(
    limits: dict[int, float], events: list[tuple[int, bool]]
) -> None:
    """What is due, and what is due next, is what a plain dictionary says."""
    deadlines, model = Deadlines(limits), {}
    for now, (task, starts) in enumerate(events):
        if starts and task not in model:
            expected = now + limits[task] if task in limits else None
            assert deadlines.start(task, now) == expected
            if expected is not None:
                model[task] = expected
        elif not starts:
            deadlines.end(task)
            model.pop(task, None)
        assert deadlines.next() == min(model.values(), default=None)
        if now % 5 == 4:
            due = {task for task, when in model.items() if when <= now}
            assert set(deadlines.due(now)) == due
            model = {t: when for t, when in model.items() if t not in due}
