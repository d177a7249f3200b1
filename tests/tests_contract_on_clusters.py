"""What of the contract suite runs on clusters.

Every test of these files that runs graphs in each way there is runs there too.
"""

from __future__ import annotations

import inspect
from typing import Any

import test_failure
import test_limits_and_order
import test_run
import test_wiring

#: Their tasks count attempts in memory, and each of these may have another worker.
COUNTING = {
    "test_a_clean_up_task_is_retried_after_a_failure",
    "test_retry_gives_up_after_the_last_attempt",
    "test_retry_goes_on_until_it_succeeds",
    "test_rollback_has_the_options_of_its_task",
    "test_the_note_says_which_attempt_failed",
}


def of_contract(found: Any) -> bool:
    """Return whether something is a test of the contract, or a fixture for one."""
    if not inspect.isfunction(found):
        return type(found).__name__ == "FixtureFunctionDefinition"

    if not found.__name__.startswith("test_") or found.__name__ in COUNTING:
        return False

    marks = getattr(found, "pytestmark", ())
    if any(mark.name == "parametrize" and mark.args[0] == "run" for mark in marks):
        return False  # it says itself where it runs

    return bool({"run", "ended"} & inspect.signature(found).parameters.keys())


def contract(known: dict[str, Any]) -> dict[str, Any]:
    """Return the tests, but for what has the names of what a module has already."""
    return {
        name: found
        for module in (test_run, test_failure, test_wiring, test_limits_and_order)
        for name, found in vars(module).items()
        if name not in known and of_contract(found)
    }
