"""The first trials of a study: the centre of its space, then points that fill it evenly."""

from collections.abc import Mapping
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from optuna_bridge.samplers.centre import centre
from optuna_bridge.samplers.qmc import NumberedQMCSampler


class DesignSampler(NumberedQMCSampler):
    """The trial 0 is the centre, the others are the points of a scrambled Sobol sequence.

    All processes, and all studies without a seed, have the same sequence.
    """

    def __init__(
        self, distributions: Mapping[str, BaseDistribution], seed: int | None = None
    ) -> None:
        super().__init__(distributions, seed=seed or 0, qmc_type="sobol", scramble=True)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if trial.number == 0:
            return centre(self._distributions)
        return super().sample_relative(study, trial, search_space)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        super().infer_relative_search_space(study, trial)
        return self._distributions
