"""Intermediate values by step: what a report changes, and the rungs that depend on them.

Successive halving stores the value with which a trial completed each rung as an attribute of the
trial, and compares later trials with it (`optuna.pruners.SuccessiveHalvingPruner`). Optuna never
replaces an intermediate value. Here a value may be replaced, and then the rung that was completed
with it has to follow.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from typing import Any

_RUNG = "completed_rung_"


def changed_steps(stored: Mapping[int, float], reported: Mapping[int, float]) -> dict[int, float]:
    """Return those of the reported values that are new, or differ from the stored ones."""
    return {
        step: value
        for step, value in reported.items()
        if step not in stored or not same_number(stored[step], value)
    }


def without_rungs(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial's attributes without its rungs, with which later trials are compared."""
    return {key: value for key, value in attrs.items() if not key.startswith(_RUNG)}


def same_number(one: float, other: float) -> bool:
    """Return whether two numbers are equal, or both NaN."""
    return one == other or (math.isnan(one) and math.isnan(other))


def correct_rungs(
    attrs: Mapping[str, Any],
    first_steps: Iterable[int],
    old: Mapping[int, float],
    new: Mapping[int, float],
) -> dict[str, Any]:
    """Return a trial's attributes after some of its intermediate values were replaced.

    A rung has the first value from its first step on that is a number, since NaN completes none.
    If it was completed at a later step, because several were reported together, it has the first
    such value from that step on.

    Args:
        attrs: The trial's system attributes.
        first_steps: For each rung the first step at which it can be completed.
        old: The trial's intermediate values before.
        new: Its intermediate values now.
    """
    corrected = dict(attrs)
    for key, first_step in _rungs_within(first_steps, new):
        first_number = _first_number(old, first_step)
        completed_at = _completed_at(attrs, key, first_step, old)
        step = _first_number(new, first_step if completed_at == first_number else completed_at)
        if step is not None:
            corrected[key] = new[step]
        elif completed_at is not None:
            del corrected[key]
    return corrected


def reopen_last_rungs(
    attrs: Mapping[str, Any], first_steps: Iterable[int], values: Mapping[int, float]
) -> dict[str, Any]:
    """Return a trial's attributes without the rungs that it completed at its last step.

    The pruner then decides about this step again.
    """
    last = max(values)
    at_last = {
        key
        for key, first_step in _rungs_within(first_steps, values)
        if _completed_at(attrs, key, first_step, values) == last
    }
    return {key: value for key, value in attrs.items() if key not in at_last}


def _rungs_within(
    first_steps: Iterable[int], values: Mapping[int, float]
) -> Iterator[tuple[str, int]]:
    """Yield (attribute, first step) of each rung that the trial may have completed."""
    last = max(values)
    reached = takewhile(lambda first_step: first_step <= last, first_steps)
    for rung, first_step in enumerate(reached):
        yield f"{_RUNG}{rung}", first_step


def _completed_at(
    attrs: Mapping[str, Any], key: str, first_step: int, values: Mapping[int, float]
) -> int | None:
    """Return the step at which a rung was completed; None if it was not."""
    steps = (step for step in sorted(values) if step >= first_step)
    return next((step for step in steps if key in attrs and values[step] == attrs[key]), None)


def _first_number(values: Mapping[int, float], first_step: int | None) -> int | None:
    """Return the first step, from `first_step` on, whose value is a number, or None."""
    if first_step is None:
        return None
    steps = (step for step in sorted(values) if step >= first_step)
    return next((step for step in steps if not math.isnan(values[step])), None)
