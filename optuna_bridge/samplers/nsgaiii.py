"""NSGA-III with parents that are completed trials only, and an ask that costs little."""

from collections.abc import Mapping
from math import comb
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers._nsgaiii import _elite_population_selection_strategy as stock
from optuna.study import Study
from optuna.trial import FrozenTrial

from optuna_bridge.samplers.genetic import BoundedGeneticSampler
from optuna_bridge.samplers.kind import StudyTraits
from optuna_bridge.samplers.substitution import with_parts

MAX_REFERENCE_POINTS = 1000
_MAX_NUMBERS = 1_000_000  # in an array of trials, reference points and objectives: 8 MB


def fault_of_study(study: StudyTraits) -> str | None:
    """Return why selecting parents would take too much time; None if it does not."""
    divisions = study.options["dividing_parameter"]
    n_points = comb(study.n_objectives + divisions - 1, divisions)
    if n_points <= MAX_REFERENCE_POINTS:
        return None
    return (
        f"dividing_parameter {divisions} makes {n_points:,} reference points for "
        f"{study.n_objectives} objectives, and at most {MAX_REFERENCE_POINTS:,} are allowed: give "
        "a smaller one"
    )


class NSGAIIISampler(BoundedGeneticSampler, optuna.samplers.NSGAIIISampler):
    """Stock NSGA-III, which has this name: the keys of its attributes contain it."""

    def __init__(self, distributions: Mapping[str, BaseDistribution], **options: Any) -> None:
        super().__init__(distributions, **options)
        self._elite_population_selection_strategy = _EliteSelection(
            population_size=options.get("population_size", 50),
            dividing_parameter=options.get("dividing_parameter", 3),
            rng=self._rng,
        )


def _associate(trials: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest reference point of each trial, and the distance to it.

    Optuna's function, called for some of the `trials` (trials, objectives) at a time: it computes
    arrays of all trials times all reference points times all objectives.
    """
    n = max(1, _MAX_NUMBERS // points.size)
    parts = [
        stock._associate_individuals_with_reference_points(trials[start : start + n], points)
        for start in range(0, len(trials), n)
    ]
    nearest, distances = zip(*parts, strict=True)
    return np.concatenate(nearest), np.concatenate(distances)


class _EliteSelection(stock.NSGAIIIElitePopulationSelectionStrategy):
    """Optuna's selection of parents, in bounded memory."""

    def __call__(self, study: Study, population: list[FrozenTrial]) -> list[FrozenTrial]:
        selected: list[FrozenTrial] = _select(self, study, population)
        return selected


_select = with_parts(
    stock.NSGAIIIElitePopulationSelectionStrategy.__call__,
    _associate_individuals_with_reference_points=_associate,
)
