"""Trials in Optuna's form: building FrozenTrial objects, and a read-only storage of them."""

from bisect import bisect_left
from collections.abc import Container, Sequence
from datetime import datetime
from typing import Any, NoReturn, Protocol

from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from optuna_bridge.space.search_space import SearchSpace

_STATES = {state.name: state for state in TrialState}
DIRECTIONS = {
    "minimize": StudyDirection.MINIMIZE,
    "maximize": StudyDirection.MAXIMIZE,
}
NOTHING: dict[Any, Any] = {}  # the empty mapping that trials share; it is never changed


def frozen_trial(
    space: SearchSpace,
    internal_params: Sequence[float | None],
    number: int,
    trial_id: int,
    state: str,
    values: list[float] | None,
    system_attrs: dict[str, Any],
    steps: Sequence[int] = (),
    step_values: Sequence[float] = (),
    *,
    datetime_start: datetime | None = None,
    datetime_complete: datetime | None = None,
) -> FrozenTrial:
    """Build Optuna's FrozenTrial; it shares its distributions with the study's other trials."""
    params = space.to_external(internal_params)
    return FrozenTrial(
        number=number,
        state=_STATES[state],
        value=None,
        values=values,
        datetime_start=datetime_start,
        datetime_complete=datetime_complete,
        params=params,
        distributions=space.distributions_of(params),
        user_attrs=NOTHING,
        system_attrs=system_attrs or NOTHING,
        intermediate_values=dict(zip(steps, step_values, strict=True)) or NOTHING,
        trial_id=trial_id,
    )


class StudyDefinition(Protocol):
    """The attributes of a study that never change."""

    id: int
    name: str
    directions: list[str]


class FrozenTrials(BaseStorage):
    """A read-only Optuna storage that holds the trials of one study, ordered by number.

    `directions` default to the study's. Pass them if the trials' values are not the values of the
    study's objectives.
    """

    def __init__(
        self,
        study: StudyDefinition,
        trials: Sequence[FrozenTrial] = (),
        directions: Sequence[str] | None = None,
    ) -> None:
        self.study = study  # only its definition is current; the rest is as old as the read
        self._directions = [DIRECTIONS[each] for each in directions or study.directions]
        self._trials = list(trials)

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """Return the trials by number. `deepcopy` is ignored, since they are never changed."""
        trials = self._trials
        return trials if states is None else [each for each in trials if each.state in states]

    def get_trial(self, trial_id: int) -> FrozenTrial:
        # Ids increase with numbers.
        return self._trials[bisect_left(self._trials, trial_id, key=lambda t: t._trial_id)]

    def get_study_id_from_name(self, study_name: str) -> int:
        return self.study.id

    def get_study_name_from_id(self, study_id: int) -> str:
        return self.study.name

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self._directions

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return NOTHING

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return NOTHING

    def _refused(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("trials that were read are not written to: that goes through the domain")

    create_new_study = delete_study = get_all_studies = _refused
    set_study_user_attr = set_trial_user_attr = _refused
    set_trial_state_values = set_trial_intermediate_value = _refused
    create_new_trial = set_trial_param = _refused
    # `SamplerStorage` overrides these to write into drafts.
    set_trial_system_attr: Any = _refused
    set_study_system_attr: Any = _refused
