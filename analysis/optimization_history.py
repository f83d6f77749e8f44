"""The optimisation history: the value of each trial, and the best value so far."""

from dataclasses import dataclass

import numpy as np

from analysis.completed_trials import CompletedTrials, check_objective, subsample
from studies.models import Study


@dataclass(frozen=True)
class Point:
    """A completed trial's value, and the best value of the feasible trials up to it."""

    trial_id: int
    value: float
    best_value: float | None


@dataclass(frozen=True)
class OptimizationHistory:
    """A sample of the `n_complete` completed trials, by number.

    Trials that were better than all before them are preferred.
    """

    trials: list[Point]
    n_complete: int

    @property
    def n_trials(self) -> int:
        return len(self.trials)

    @property
    def is_subsampled(self) -> bool:
        return self.n_trials < self.n_complete


def optimization_history(
    *, study: Study, target_idx: int = 0, limit: int = 1000
) -> OptimizationHistory:
    """Return the history of one objective, with at most `limit` trials.

    Raises:
        NoSuchObjective: The study has no objective with this index.
    """
    check_objective(study, target_idx)
    completed = CompletedTrials.of(study)
    best = completed.best_so_far(target_idx)
    chosen = subsample(len(completed), limit, completed.is_better(target_idx))
    points = [
        Point(number, value, None if np.isnan(so_far) else so_far)
        for number, value, so_far in zip(
            completed.numbers[chosen].tolist(),
            completed.values[chosen, target_idx].tolist(),
            best[chosen].tolist(),
            strict=True,
        )
    ]
    return OptimizationHistory(points, len(completed))
