"""One trial beside the others of its study: how good it is, and how usual its parameters are."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.models import Study
from trials.models import Trial

MAX_COMPARED = 2000  # completed trials
MAX_CELLS = 200_000  # completed trials × parameters
MAX_NUMBERS = 10_000  # of which those of completed trials are looked for


@dataclass(frozen=True)
class ComparedParameter:
    """A parameter of a trial, and of the best one.

    Attributes:
        has_best: Whether the best trial has the parameter, and `best` is its value.
        share: Of the compared trials that have the parameter, the share whose value is lower or
            equal (the percentile), or for a categorical parameter is the same. None without any.
        is_ordered: Whether it is the former.
    """

    name: str
    value: Any
    has_best: bool
    best: Any
    share: float | None
    is_ordered: bool


@dataclass(frozen=True)
class Comparison:
    """A trial beside `n_compared` of the `n_complete` completed trials of its study.

    Attributes:
        parameters: Those that the trial has.
        better_than: Of the compared feasible trials, the share with a worse value; None without a
            value, without others, or with several objectives.
    """

    parameters: list[ComparedParameter]
    better_than: float | None
    n_compared: int
    n_complete: int


def compare(trial: Trial) -> Comparison:
    """Compare a trial with the completed trials of its study, or a random sample of them.

    They are read in one statement; how many is bounded, whatever the size of the study is.
    """
    study = trial.study
    rows = _sample(study)
    points = np.array([row[0] for row in rows], dtype=np.float64).reshape(
        len(rows), len(study.search_space)
    )
    best = study.best_params or {}
    params, parameters = trial.params, []
    for index, (parameter, internal) in enumerate(
        zip(study.search_space, trial.internal_params, strict=True)
    ):
        if internal is None:
            continue
        name, is_ordered = parameter["name"], parameter["type"] != "categorical"
        share = _share(points[:, index], internal, is_ordered=is_ordered)
        of_best = name in best, best.get(name)
        parameters.append(ComparedParameter(name, params[name], *of_best, share, is_ordered))
    values = [row[1][0] for row in rows if row[1] and row[2] == 0]
    return Comparison(parameters, _better_than(trial, values), len(rows), study.n_complete)


def _share(column: NDArray[np.float64], value: float, *, is_ordered: bool) -> float | None:
    known = column[~np.isnan(column)]
    if not len(known):
        return None
    return float(np.mean(known <= value if is_ordered else known == value))


def _better_than(trial: Trial, others: list[float]) -> float | None:
    if trial.state != "COMPLETE" or not trial.values or trial.violation > 0 or len(others) < 2:
        return None
    if trial.study.is_multi_objective:
        return None
    sign = trial.study.signs[0]
    return float(np.mean(np.array(others) * sign > trial.values[0] * sign))


def _sample(study: Study) -> list[tuple[Any, ...]]:
    """Return (parameters, values, violation) of completed trials."""
    most = max(1, min(MAX_COMPARED, MAX_CELLS // max(1, len(study.search_space))))
    completed = study.trials.filter(state="COMPLETE")
    if study.n_complete > most:
        wanted = -(-most * study.next_number // study.n_complete)
        n = min(wanted, MAX_NUMBERS, study.next_number)
        chosen = np.random.default_rng(0).choice(study.next_number, n, replace=False)
        completed = completed.filter(number__in=chosen.tolist())
    return list(completed.values_list("internal_params", "values", "violation")[:most])
