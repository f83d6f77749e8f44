"""The Pareto front of a study with several objectives, where SQL would take too long.

The statement that stores one result compares it with the front itself. For n results that would be
n times as many pairs, each of which takes microseconds there, and nanoseconds here.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
from django.db.models import QuerySet
from numpy.typing import NDArray

from optuna_bridge.pareto import dominated, undominated
from studies.models import Study
from trials.models.abstract_trial import AbstractTrial

Q = TypeVar("Q", bound="QuerySet[Any]")


def take_off_front(
    study: Study, trials: Sequence[AbstractTrial], front: "QuerySet[Any]"
) -> list[int] | None:
    """Compare several new trials with the front, and clear `on_front` where one is dominated.

    Returns:
        The ids of the trials of `front` that are no longer on it; None if the statement that
        updates the study is to compare the one new trial.
    """
    new = [trial for trial in trials if trial.on_front]
    if len(new) < 2:
        return None
    if study.is_multi_objective:
        return _take_off_dominated(study, new, front)
    for trial in new[:-1]:  # each was better than those before it
        trial.on_front = False
    return None


def _take_off_dominated(
    study: Study, trials: Sequence[AbstractTrial], front: "QuerySet[Any]"
) -> list[int]:
    losses = _losses(study, (trial.judged_values for trial in trials))
    ids, of_front = _read(study, front)
    stays = undominated(losses) & ~dominated(losses, by=of_front)
    for trial, is_undominated in zip(trials, stays.tolist(), strict=True):
        trial.on_front = is_undominated
    return ids[dominated(of_front, by=losses[stays])].tolist()


def released(
    study: Study, removed: Sequence[float], front: "QuerySet[Any]", others: "QuerySet[Any]"
) -> list[int]:
    """Return the ids of those of `others` that come onto the front since one was removed.

    Args:
        study: A study with several objectives.
        removed: The values of the trial that was removed from the front.
        front: The trials on the front without it.
        others: The other trials that may be on it.
    """
    ids, losses = _read(study, others)
    is_candidate = dominated(losses, by=_losses(study, [removed]))
    ids, losses = ids[is_candidate], losses[is_candidate]
    is_left = ~dominated(losses, by=_read(study, front)[1])
    ids, losses = ids[is_left], losses[is_left]
    return ids[undominated(losses)].tolist()


def values_field(study: Study) -> str:
    """Return the field of a trial with the values by which it is judged."""
    return "values" if study.repeats is None else "group_values"


def feasible(study: Study, trials: Q) -> Q:
    """Return those of a study's trials that may be its best one, or on its front."""
    group = "" if study.repeats is None else "group_"
    return trials.filter(**{f"{group}state": "COMPLETE", f"{group}violation": 0})


def undominated_ids(study: Study, trials: "QuerySet[Any]") -> list[int]:
    """Return the ids of those of the trials that no other of them dominates."""
    ids, losses = _read(study, trials)
    return ids[undominated(losses)].tolist()


def _read(study: Study, trials: "QuerySet[Any]") -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    rows = list(trials.values_list("id", values_field(study)))
    ids = np.array([trial_id for trial_id, _ in rows], dtype=np.int64)
    return ids, _losses(study, (values for _, values in rows))


def _losses(study: Study, values: Iterable[Any]) -> NDArray[np.float64]:
    """Return the losses of trials, of shape (n, objectives)."""
    found = np.array(list(values), dtype=float).reshape(-1, len(study.directions))
    return found * np.array(study.signs)
