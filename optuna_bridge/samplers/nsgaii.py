"""NSGA-II with parents that are completed trials only, and an ask that costs little."""

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optuna_bridge.samplers.shared_space import SharedSearchSpace


class NSGAIISampler(optuna.samplers.NSGAIISampler):
    """Stock NSGA-II, which has this name: the keys of its attributes contain it.

    The parents of a generation are stored once. A trial among them may have lost its result since,
    or never had one in an imported study; stock NSGA-II raises an error then.
    """

    N_PARENTS = 2  # of a child

    def __init__(self, distributions: Mapping[str, BaseDistribution], **options: Any) -> None:
        super().__init__(**options)
        # Replaces one that compares the distributions of all trials.
        self._search_space = SharedSearchSpace(distributions)

    def get_parent_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        """Return those of the generation's parents that are completed; none if they are too few.

        Without parents, parameters are drawn at random.
        """
        parents = super().get_parent_population(study, generation)
        completed = [trial for trial in parents if trial.state == TrialState.COMPLETE]
        return completed if len(completed) >= self.N_PARENTS else []
