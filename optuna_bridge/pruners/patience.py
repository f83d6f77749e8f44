"""Optuna's patience, for trials of which some values are NaN."""

import math

import optuna
from optuna.pruners import PatientPruner
from optuna.trial import FrozenTrial


class QuietPatientPruner(PatientPruner):
    """Stock patience, which warns where all values before, or all after, are NaN.

    It then never prunes, since NaN is neither better nor worse.
    """

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        values = trial.intermediate_values
        numbers = [step for step in sorted(values) if not math.isnan(values[step])]
        after = sorted(values)[-self._patience - 1 :]
        if not numbers or numbers[0] >= after[0] or numbers[-1] < after[0]:
            return False
        return super().prune(study, trial)
