"""The trials that repeat a point: they are added together, in a row."""

from collections.abc import Sequence

from optuna_bridge.enums import TrialState
from optuna_bridge.system_attrs import FIXED_PARAMS
from studies.models import Study
from trials.models import Trial
from trials.models.repeats import begin_group
from trials.models.reservation import Reservation


def further_repeats(trial: Trial, reserved: Reservation, index: int) -> list[Trial]:
    """Return the other repeats of a new trial's point, with the numbers after its own, WAITING.

    They are none in a study without repeats. `index` is that of the trial's reserved number.
    """
    study = trial.study
    return [
        Trial.reserved(
            reserved,
            index + position,
            study=study,
            state=TrialState.WAITING,
            internal_params=trial.internal_params,
            params_hash=trial.params_hash,
            priority=trial.priority,
            user_attrs=dict(trial.user_attrs),
            system_attrs={FIXED_PARAMS: trial.params},
        )
        for position in range(1, study.n_repeats)
    ]


def form_groups(study: Study, trials: Sequence[Trial]) -> None:
    """Make new trials groups of repeats, as many in a row as the study has for each point.

    A finished trial, which was recorded, is a group of its own.
    """
    if study.repeats is None:
        return
    first = 0
    while first < len(trials):
        is_recorded = TrialState(trials[first].state).is_finished
        size = 1 if is_recorded else study.n_repeats
        group = trials[first : first + size]
        for each in group:
            each.params_hash = group[0].params_hash
        begin_group(group)
        first += size
