"""The conditions of a stock study's parameters, as far as its trials leave no doubt about them.

Optuna does not store which parameters an objective suggests within an `if`. A parameter gets a
condition if exactly one other parameter explains in which trials it is, each value that the other
one can have was seen, and there are a few trials with and without it. All others that trials lack
remain without one: the imported trials may lack them, and new trials have them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from optuna_bridge.space.search_space import SearchSpace
from optuna_bridge.space.when_faults import when_faults

_LEAST = 3  # trials that have a parameter, and that do not: fewer may do so by chance
_MAX_CELLS = 5_000_000  # trials times parameters: 40 MB
_MAX_COMPARED = 500_000_000  # trials times pairs of parameters: some seconds


def inferred_conditions(
    space: SearchSpace, params: Sequence[Mapping[str, Any]], are_complete: Sequence[bool]
) -> dict[str, dict[str, Any]]:
    """Return the conditions, `when`, of parameters by name.

    Args:
        space: The space that covers all trials, without conditions.
        params: The parameters of each trial.
        are_complete: Whether each trial is COMPLETE: its objective has asked for all parameters.
            Another one may have ended before.
    """
    if len(params) * len(space.parameters) > _MAX_CELLS or not any(are_complete):
        return {}
    values = np.array([space.to_internal(each) for each in params], dtype=float).T
    complete = np.array(are_complete, dtype=bool)
    lacking = np.flatnonzero(np.isnan(values[:, complete]).any(axis=1))
    if len(lacking) * len(values) * len(params) > _MAX_COMPARED:
        return {}
    found = {}
    for row in lacking.tolist():
        explained = list(_explanations(space, values, complete, row))
        if len(explained) == 1:
            found[space.parameters[row]["name"]] = dict(explained)
    conditioned = SearchSpace(
        [
            {**each, "when": found[each["name"]]} if each["name"] in found else each
            for each in space.parameters
        ]
    )
    return {} if when_faults(conditioned) else found


def _explanations(
    space: SearchSpace, values: np.ndarray, complete: np.ndarray, row: int
) -> Iterator[tuple[str, Any]]:
    """Yield the parameters, with their values, that explain in which trials a parameter is."""
    is_there = ~np.isnan(values[row])
    if min(np.count_nonzero(is_there), np.count_nonzero(complete & ~is_there)) < _LEAST:
        return
    for index, parameter in enumerate(space.parameters):
        of_parent = values[index]
        # Wherever the parameter is, the parent is, too.
        if index == row or np.isnan(of_parent[is_there]).any():
            continue
        with_it = set(of_parent[is_there].tolist())
        is_without = complete & ~is_there & ~np.isnan(of_parent)
        without = set(of_parent[is_without].tolist())
        if not with_it or not without or with_it & without:
            continue
        wanted = _wanted(space, parameter["name"], with_it, without)
        if wanted is not None:
            yield parameter["name"], wanted


def _wanted(space: SearchSpace, name: str, with_it: set[float], without: set[float]) -> Any:
    """Return the condition that separates the values; None if some might be on either side."""
    distribution: Any = space.distributions[name]
    choices = getattr(distribution, "choices", None)
    if choices is not None:
        if len(with_it) + len(without) < len(choices):
            return None
        return [choices[int(index)] for index in sorted(with_it)]
    step = distribution.step
    if step is None:
        return None
    tolerance = 0.5 * step
    for key, end, other in (
        ("min", min(with_it), max(without)),
        ("max", max(with_it), min(without)),
    ):
        sign = 1 if key == "min" else -1
        if 0 < sign * (end - other) < step + tolerance:
            return {key: distribution.to_external_repr(end)}
    return None
