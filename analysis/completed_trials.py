"""A study's completed trials as NumPy arrays, and subsampling."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from analysis.errors import NoSuchObjective
from studies.models import Study

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class CompletedTrials:
    """The n completed trials of a study with m objectives, by number.

    In a study with repeats, they are the completed groups of repeats: each has the number of its
    first trial, and the aggregates of its values.
    """

    study: Study
    numbers: NDArray[np.int64]  # (n,)
    values: NDArray[np.float64]  # (n, m), as reported
    is_feasible: Mask  # (n,)
    is_on_front: Mask  # (n,); for one objective, only the best trial

    @classmethod
    def of(cls, study: Study) -> "CompletedTrials":
        """Read the completed trials in one statement; 50,000 trials take about 0.2 s."""
        group = "" if study.repeats is None else "group_"
        completed = study.trials.filter(**{f"{group}state": "COMPLETE"}).order_by("number")
        columns = (f"{group}values", f"{group}violation")
        rows = completed.values_list("number", *columns, "on_front")
        return cls.of_columns(study, *(zip(*rows, strict=True) if rows else ((),) * 4))

    @classmethod
    def of_columns(
        cls,
        study: Study,
        numbers: Sequence[int],
        values: Sequence[Sequence[float]],
        violations: Sequence[float],
        fronts: Sequence[bool],
    ) -> "CompletedTrials":
        """Return the trials whose columns were read from the database."""
        return cls(
            study,
            np.array(numbers, dtype=np.int64),
            np.array(values, dtype=np.float64).reshape(len(numbers), len(study.directions)),
            np.array(violations, dtype=np.float64) == 0,
            np.array(fronts, dtype=np.bool_),
        )

    def __len__(self) -> int:
        return len(self.numbers)

    def finite(self, objective: int) -> "CompletedTrials":
        """Return the trials whose value of an objective is finite."""
        return self.keep(np.isfinite(self.values[:, objective]))

    def keep(self, chosen: Mask | NDArray[np.int64]) -> "CompletedTrials":
        """Return some of the trials, by a mask or by their indices."""
        return CompletedTrials(
            self.study,
            self.numbers[chosen],
            self.values[chosen],
            self.is_feasible[chosen],
            self.is_on_front[chosen],
        )

    @cached_property
    def signs(self) -> NDArray[np.float64]:
        """The sign of each objective, (m,): 1 to minimize, -1 to maximize."""
        return np.array(self.study.signs)

    @property
    def losses(self) -> NDArray[np.float64]:
        """The values multiplied by `signs`, (n, m), so that smaller is better."""
        return self.values * self.signs

    def best_so_far(self, objective: int) -> NDArray[np.float64]:
        """Return the best value of the feasible trials up to each trial, (n,).

        It is NaN before the first feasible trial.
        """
        losses = np.where(self.is_feasible, self.losses[:, objective], np.inf)
        best = np.minimum.accumulate(losses)
        return np.where(
            np.logical_or.accumulate(self.is_feasible), best * self.signs[objective], np.nan
        )

    def is_better(self, objective: int) -> Mask:
        """Return whether each trial was better than all before it (a new incumbent), (n,)."""
        best = self.best_so_far(objective)
        before = np.concatenate([[np.nan], best[:-1]])  # not their difference: inf - inf is NaN
        return ~np.isnan(best) & (best != before)


def check_objective(study: Study, target_idx: int) -> None:
    """Check the index of an objective.

    Raises:
        NoSuchObjective: The study has no objective with this index.
    """
    objectives = len(study.directions)
    if not 0 <= target_idx < objectives:
        raise NoSuchObjective(f"target_idx is {target_idx}; expected 0 to {objectives - 1}")


def subsample(n: int, most: int, preferred: Mask | None = None) -> NDArray[np.int64]:
    """Choose at most `most` of the indices 0 … n - 1: evenly spaced ones, and the last.

    Args:
        n: The number of indices.
        most: The maximum number of chosen indices.
        preferred: A mask (n,) of the indices that are chosen first, up to half of `most`.

    Returns:
        The chosen indices in ascending order.
    """
    if n <= most:
        return np.arange(n)
    chosen = np.flatnonzero(preferred) if preferred is not None else np.empty(0, dtype=np.int64)
    chosen = chosen[subsample(len(chosen), max(0, min(most // 2, most - 2)))]
    others = np.setdiff1d(np.arange(n), chosen)
    evenly = np.linspace(0, len(others) - 1, most - len(chosen)).round().astype(np.int64)
    return np.union1d(chosen, others[evenly])
