"""NSGA-II with parents that are completed trials only."""

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState


class NSGAIISampler(optuna.samplers.NSGAIISampler):
    """Stock NSGA-II, which has this name: the keys of its attributes contain it.

    The parents of a generation are stored once. A trial among them may have lost its result since,
    or never had one in an imported study; stock NSGA-II raises an error then.
    """

    N_PARENTS = 2  # of a child

    def get_parent_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        """Return those of the generation's parents that are completed; none if they are too few.

        Without parents, parameters are drawn at random.
        """
        parents = super().get_parent_population(study, generation)
        completed = [trial for trial in parents if trial.state == TrialState.COMPLETE]
        return completed if len(completed) >= self.N_PARENTS else []
