"""The budget `stop_after_no_improvement`: the trials that have finished since the last improvement.

Results count in the order in which they are stored. One objective is improved by a feasible value
that is better, by more than `min_delta`, than the best one at the last improvement. Several are
improved when the hypervolume of the front has grown by more than `min_delta` since then.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from django.db.models import QuerySet
from numpy.typing import NDArray

from optuna_bridge.enums import TrialState
from optuna_bridge.pareto import hypervolume_gain
from studies.models import Study
from trials.models.abstract_trial import AbstractTrial
from trials.models.front import values_field

# Points of the front that are compared, by the number of objectives; it takes up to 30 ms.
MAX_FRONT = {2: 2000, 3: 300, 4: 60}
_RESULTS = (TrialState.COMPLETE, TrialState.PRUNED)


class Improvement(NamedTuple):
    """What a study stores of the budget (`Study.n_without_improvement`)."""

    n_without: int
    reference: float | None


def is_result(trial: AbstractTrial, was: str | None) -> bool:
    """Return whether a trial that was in another state, or is new, now counts as finished."""
    if trial.state in _RESULTS:
        return was not in _RESULTS
    return trial.infeasible and was == TrialState.RUNNING


def anew(study: Study) -> Improvement | None:
    """Return the improvement of a study that counts from its best value on; None as in `after`."""
    if study.stop_after_no_improvement is None:
        return None
    study.start_counting()
    return Improvement(study.n_without_improvement, study.improvement_reference)


def after(
    study: Study, results: Sequence[AbstractTrial], front: "QuerySet[AbstractTrial]"
) -> Improvement | None:
    """Return the improvement of a locked study after trials have finished, in this order.

    Args:
        study: The study as it was before.
        results: The trials that count.
        front: The trials on the front before; only read for several objectives.

    Returns:
        What to store; None if the study has no such budget, or nothing counts.
    """
    if study.stop_after_no_improvement is None or not results:
        return None
    n, reference = study.n_without_improvement, study.improvement_reference
    if study.is_multi_objective:
        gains = _gains(study, results, front)
    for trial in results:
        if study.is_multi_objective:
            reference = (reference or 0.0) + gains.get(trial.number, 0.0)
            improved = reference > study.min_delta
            reference = 0.0 if improved else reference
        else:
            improved = _is_improved(study, trial, reference)
            values = trial.judged_values
            reference = values[0] if improved and values else reference
        n = 0 if improved else n + 1
    return Improvement(n, reference)


def _is_improved(study: Study, trial: AbstractTrial, reference: float | None) -> bool:
    values = trial.judged_values
    if not trial.is_judged_feasible or values is None:
        return False
    (sign,) = study.signs
    return reference is None or sign * (reference - values[0]) > study.min_delta


def _gains(
    study: Study, results: Sequence[AbstractTrial], front: "QuerySet[AbstractTrial]"
) -> dict[int, float]:
    """Return by how much each of the results, by number, makes the hypervolume larger.

    Of a large front the latest points are compared, so that a gain may be too large.
    """
    new = [trial for trial in results if trial.is_judged_feasible]
    if not new:
        return {}
    signs, most = np.array(study.signs), MAX_FRONT[len(study.signs)]
    budget = study.stop_after_no_improvement or {}
    reference = np.array(budget["reference_point"]) * signs
    latest = front.order_by("-number").values_list(values_field(study), flat=True)[:most]
    known: NDArray[np.float64] = np.array(list(latest), dtype=float).reshape(-1, len(signs)) * signs
    gains = {}
    for trial in new:
        point = np.array(trial.judged_values) * signs
        gains[trial.number] = hypervolume_gain(point, known, reference)
        if gains[trial.number]:
            known = np.vstack([point, known])[:most]
    return gains
