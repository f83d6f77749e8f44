"""What other packages need of Optuna's objects, and has no public name."""

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.study._multi_objective import _fast_non_domination_rank
from optuna.trial import FrozenTrial


def trial_id(trial: FrozenTrial) -> int:
    """The id under which Optuna's storage keeps a trial; `number` counts within the study."""
    return trial._trial_id


def study_id(study: Study) -> int:
    """The id under which Optuna's storage keeps a study."""
    return study._study_id


def study_system_attrs(study: Study) -> dict[str, object]:
    """What samplers set on a study. `Study.system_attrs` is deprecated."""
    return study._storage.get_study_system_attrs(study._study_id)


def non_domination_ranks(
    losses: NDArray[np.float64], violations: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The non-domination rank (Deb et al. 2002) of each of `losses`, (trials, objectives).

    Trials with a violation above 0 come after those without.
    """
    return _fast_non_domination_rank(losses, penalty=violations)
