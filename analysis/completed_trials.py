"""What came out of a study's completed trials, in columns: enough to choose which are shown."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from analysis.errors import NoSuchObjective
from studies.models import Study

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class CompletedTrials:
    """A study's n completed trials of m objectives, by number."""

    study: Study
    numbers: NDArray[np.int64]  # (n,)
    values: NDArray[np.float64]  # (n, m), as they were told
    is_feasible: Mask  # (n,)
    is_on_front: Mask  # (n,); of one objective, the best trial

    @classmethod
    def of(cls, study: Study) -> "CompletedTrials":
        """The study's outline, in one statement: 50,000 trials take about 0.2 s."""
        completed = study.trials.filter(state="COMPLETE").order_by("number")
        rows = completed.values_list("number", "values", "violation", "on_front")
        numbers, values, violations, fronts = zip(*rows, strict=True) if rows else ((),) * 4
        return cls(
            study,
            np.array(numbers, dtype=np.int64),
            np.array(values, dtype=np.float64).reshape(len(numbers), len(study.directions)),
            np.array(violations, dtype=np.float64) == 0,
            np.array(fronts, dtype=np.bool_),
        )

    def __len__(self) -> int:
        return len(self.numbers)

    @cached_property
    def signs(self) -> NDArray[np.float64]:
        """(m,): what makes less of each objective better."""
        return np.array(self.study.signs)

    @property
    def losses(self) -> NDArray[np.float64]:
        """(n, m): the values, such that less is better."""
        return self.values * self.signs

    def best_so_far(self, objective: int) -> NDArray[np.float64]:
        """(n,): the best value of a feasible trial up to each; NaN before there is one."""
        losses = np.where(self.is_feasible, self.losses[:, objective], np.inf)
        best = np.minimum.accumulate(losses)
        return np.where(
            np.logical_or.accumulate(self.is_feasible), best * self.signs[objective], np.nan
        )

    def is_better(self, objective: int) -> Mask:
        """(n,): whether a trial was better than all before it."""
        best = self.best_so_far(objective)
        known = ~np.isnan(best)
        changed = np.diff(best, prepend=np.nan) != 0
        return known & changed


def check_objective(study: Study, target_idx: int) -> None:
    """Raise `NoSuchObjective` where the study has no objective of this index."""
    objectives = len(study.directions)
    if not 0 <= target_idx < objectives:
        raise NoSuchObjective(f"target_idx is {target_idx}; expected 0 to {objectives - 1}")


def subsample(n: int, most: int, wanted: Mask | None = None) -> NDArray[np.int64]:
    """At most `most` of the indices 0 … n - 1, in their order, evenly spaced, with the last.

    Those that are `wanted` come first, as far as they take no more than half of the room.
    """
    if n <= most:
        return np.arange(n)
    chosen = np.flatnonzero(wanted) if wanted is not None else np.empty(0, dtype=np.int64)
    chosen = chosen[subsample(len(chosen), max(0, min(most // 2, most - 2)))]
    others = np.setdiff1d(np.arange(n), chosen)
    evenly = np.linspace(0, len(others) - 1, most - len(chosen)).round().astype(np.int64)
    return np.union1d(chosen, others[evenly])
