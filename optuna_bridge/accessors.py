"""Accessors for private parts of Optuna that other packages need."""

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna.study._multi_objective import _fast_non_domination_rank
from optuna.trial import FrozenTrial


def trial_id(trial: FrozenTrial) -> int:
    """Return the id of a trial in Optuna's storage; `number` counts within the study."""
    return trial._trial_id


def study_id(study: Study) -> int:
    """Return the id of a study in Optuna's storage."""
    return study._study_id


def study_system_attrs(study: Study) -> dict[str, object]:
    """Return the attributes that samplers set on a study; `Study.system_attrs` is deprecated."""
    return study._storage.get_study_system_attrs(study._study_id)


def non_domination_ranks(
    losses: NDArray[np.float64], violations: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the non-domination rank (Deb et al. 2002) of each of `losses`, (trials, objectives).

    Infeasible trials (violation above 0) rank after the feasible ones.
    """
    return _fast_non_domination_rank(losses, penalty=violations)
