"""The groups of parameters that occur together in trials."""

import copy

from optuna import Study
from optuna.search_space.group_decomposed import _GroupDecomposedSearchSpace, _SearchSpaceGroup
from optuna.trial import TrialState


class KnownGroups(_GroupDecomposedSearchSpace):
    """Optuna's groups, which are not split anew for each trial.

    Trials with the same parameters split them in the same way, so that only the first one counts.
    """

    def __init__(self, include_pruned: bool = False) -> None:
        super().__init__(include_pruned)
        self._known: set[tuple[str, ...]] = set()

    def calculate(self, study: Study, use_cache: bool = False) -> _SearchSpaceGroup:
        """Return the groups of the parameters of all finished trials."""
        states = [TrialState.COMPLETE]
        if self._include_pruned:
            states.append(TrialState.PRUNED)
        trials = study._get_trials(deepcopy=False, states=tuple(states), use_cache=use_cache)
        for trial in trials:
            names = tuple(trial.distributions)
            if names not in self._known:
                self._known.add(names)
                self._search_space.add_distributions(trial.distributions)
        return copy.copy(self._search_space)
