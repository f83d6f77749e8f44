"""What the genetic samplers share: completed parents only, and an ask that costs little."""

from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers._ga import BaseGASampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optuna_bridge.samplers.random_sampler import RandomSampler
from optuna_bridge.samplers.shared_space import SharedSearchSpace

# Of one generation, from which parents are selected. Trials that run in parallel make a generation
# larger than the population; an import can make it as large as the study.
MAX_OF_GENERATION = 5000


class BoundedGeneticSampler(BaseGASampler):
    """Replaces parts of a stock genetic sampler, which is the next of its subclass's bases.

    The parents of a generation are stored once. A trial among them may have lost its result since,
    or never had one in an imported study; stock samplers raise an error then.
    """

    N_PARENTS = 2  # of a child

    def __init__(self, distributions: Mapping[str, BaseDistribution], **options: Any) -> None:
        super().__init__(**options)
        self._random_sampler: Any = RandomSampler(options.get("seed"))
        # Replaces one that compares the distributions of all trials.
        self._search_space: Any = SharedSearchSpace(distributions)

    def get_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        """Return the completed trials of a generation, the first ones if they are very many."""
        return super().get_population(study, generation)[:MAX_OF_GENERATION]

    def get_parent_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        """Return those of the generation's parents that are completed; none if they are too few.

        Without parents, parameters are drawn at random.
        """
        self._select_earlier_parents(study, generation)
        parents = super().get_parent_population(study, generation)
        completed = [trial for trial in parents if trial.state == TrialState.COMPLETE]
        return completed if len(completed) >= self.N_PARENTS else []

    def _select_earlier_parents(self, study: Study, generation: int) -> None:
        """Select the parents of earlier generations that are not stored, from the first one on.

        Optuna does it by recursion, which hundreds of generations exceed.
        """
        stored = study._storage.get_study_system_attrs(study._study_id)
        prefix = self._get_parent_cache_key_prefix()
        known = (each for each in range(generation, 0, -1) if f"{prefix}{each}" in stored)
        for earlier in range(next(known, 0) + 1, generation):
            super().get_parent_population(study, earlier)
