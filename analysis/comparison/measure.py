"""By what studies are compared: the value of an objective, or the hypervolume of several."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.comparison.curves import Curve, best_so_far, distribution, hypervolume_so_far
from analysis.comparison.results import Results
from analysis.completed_trials import check_objective, subsample
from analysis.errors import InvalidReferencePoint
from analysis.hypervolume import check_reference_point, check_volume, worst_losses
from studies.models import Study

HYPERVOLUME = "hypervolume"
# Results by number of objectives, of which the hypervolumes of eight studies take a few seconds.
_MOST = {2: 200, 3: 60, 4: 30, 5: 20}
_LEAST = 15


@dataclass(frozen=True)
class Curves:
    """How good a study was over trials and over time.

    Attributes:
        over_trials: The value by the number of trials that the study had begun.
        over_time: The value by the seconds since its first trial started.
        edf: Values, and the share of the feasible results up to each; none for a hypervolume.
        is_subsampled: Whether only some results were used.
    """

    over_trials: Curve
    over_time: Curve
    edf: list[tuple[float, float]]
    is_subsampled: bool = False


@dataclass(frozen=True)
class Objective:
    """The value of one objective; `sign` is 1 if smaller is better, else -1."""

    index: int
    name: str
    sign: float

    reference_point: None = None

    def curves(self, results: Results) -> Curves:
        """Return the curves of the feasible results."""
        feasible = results.feasible()
        return Curves(
            self._curve(feasible.by_trials(), results.n_trials.max(initial=0), is_timed=False),
            self._curve(feasible.by_time(), results.seconds.max(initial=0), is_timed=True),
            distribution(feasible.completed.values[:, self.index]),
        )

    def _curve(self, ordered: Results, end: float, *, is_timed: bool) -> Curve:
        losses = ordered.completed.losses[:, self.index]
        return best_so_far(losses, self.sign, ordered.places(is_timed=is_timed), float(end))


@dataclass(frozen=True)
class Hypervolume:
    """The volume that the feasible results dominate, up to a reference point of losses."""

    reference: NDArray[np.float64]  # (objectives,)
    signs: NDArray[np.float64]  # (objectives,)

    name = HYPERVOLUME
    sign = -1.0

    @property
    def reference_point(self) -> list[float]:
        point: list[float] = (self.reference * self.signs).tolist()
        return point

    def curves(self, results: Results) -> Curves:
        """Return the curves of a sample of the feasible results, the front first.

        Raises:
            InvalidReferencePoint: The volume is too large for a number.
        """
        feasible = results.feasible()
        most = _MOST.get(len(self.reference), _LEAST)
        sample = feasible.keep(subsample(len(feasible), most, feasible.completed.is_on_front))
        over_trials = self._curve(
            sample.by_trials(), results.n_trials.max(initial=0), is_timed=False
        )
        check_volume(over_trials.final or 0.0)
        over_time = self._curve(sample.by_time(), results.seconds.max(initial=0), is_timed=True)
        return Curves(over_trials, over_time, [], len(sample) < len(feasible))

    def _curve(self, ordered: Results, end: float, *, is_timed: bool) -> Curve:
        places = ordered.places(is_timed=is_timed)
        return hypervolume_so_far(ordered.completed.losses, self.reference, places, float(end))


def measure_of(
    studies: Sequence[Study],
    read: Sequence[Results],
    target_idx: int | None,
    reference_point: Sequence[float] | None,
) -> Objective | Hypervolume:
    """Return what studies with the same directions are compared by.

    Raises:
        NoSuchObjective: There is no objective `target_idx`.
        InvalidReferencePoint: It does not fit the objectives.
    """
    first = studies[0]
    if target_idx is None and first.is_multi_objective:
        signs = np.array(first.signs)
        if reference_point is None:
            return Hypervolume(_worst(read), signs)
        check_reference_point(reference_point, len(signs))
        return Hypervolume(np.array(reference_point) * signs, signs)
    if reference_point is not None:
        detail = "it is for the hypervolume of several objectives, without target_idx"
        raise InvalidReferencePoint(detail, [(("reference_point",), detail)])
    index = target_idx or 0
    check_objective(first, index)
    names = {study.objective_names[index] for study in studies}
    name = names.pop() if len(names) == 1 else "Objective"
    return Objective(index, name, first.signs[index])


def _worst(read: Sequence[Results]) -> NDArray[np.float64]:
    """Return the worst finite loss of each objective among all feasible results, (objectives,)."""
    return worst_losses(np.concatenate([each.feasible().completed.losses for each in read]))
