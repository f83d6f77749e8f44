"""The trials that a sampler reads and draws: committed ones, and drafts of new ones."""

from collections.abc import Mapping
from itertools import count
from typing import Any, NamedTuple

from optuna.trial import FrozenTrial, TrialState

from optuna_bridge.system_attrs import FIXED_PARAMS, TRANSIENT_ATTRIBUTES


class CommittedTrial(NamedTuple):
    """A trial that was read from the database, and its parameters as they are stored there."""

    trial: FrozenTrial
    internal_params: list[float | None]
    is_infeasible: bool = False


class DraftTrial:
    """A RUNNING trial that exists only in this process, and into which a sampler draws."""

    _ids = count(-1, -1)  # negative, so that they differ from those of committed trials

    def __init__(self, number: int, fixed_params: Mapping[str, Any] | None = None) -> None:
        """Create a draft for a trial number, with some or all parameters fixed if given."""
        fixed = {} if fixed_params is None else {FIXED_PARAMS: dict(fixed_params)}
        self._trial = running_trial(number, next(self._ids), fixed)
        self._study_attrs: dict[str, Any] = {}
        self.internal_params: Mapping[str, float] = {}  # empty until all are drawn
        self.is_joint = False  # whether the sampler drew some of them jointly

    @property
    def is_visible(self) -> bool:
        """Whether Optuna sees it in addition to the committed trials."""
        return True

    @property
    def trial(self) -> FrozenTrial:
        return self._trial

    @property
    def number(self) -> int:
        """The trial number for which it was drawn."""
        return self._trial.number

    @property
    def params(self) -> dict[str, Any]:
        return self._trial.params

    @property
    def system_attrs(self) -> dict[str, Any]:
        """The attributes that the sampler set on the trial, to be stored with it."""
        return {
            key: value
            for key, value in self._trial.system_attrs.items()
            if not key.startswith(TRANSIENT_ATTRIBUTES) and key != FIXED_PARAMS
        }

    @property
    def study_attrs(self) -> dict[str, Any]:
        """The attributes that the sampler set on the study, to be stored with the trial."""
        return self._study_attrs

    def replace(self, trial: FrozenTrial) -> None:
        """Replace the trial by a changed copy. Called by the storage that holds the draft."""
        self._trial = trial

    def set_study_attr(self, key: str, value: Any) -> None:
        """Record an attribute of the study. Called by the storage that holds the draft."""
        self._study_attrs[key] = value


def running_trial(
    number: int,
    trial_id: int,
    system_attrs: dict[str, Any],
    intermediate_values: dict[int, float] | None = None,
) -> FrozenTrial:
    """Build a RUNNING trial without parameters, which are added while it is drawn."""
    return FrozenTrial(
        number=number,
        state=TrialState.RUNNING,
        value=None,
        datetime_start=None,
        datetime_complete=None,
        params={},
        distributions={},
        user_attrs={},
        system_attrs=system_attrs,
        intermediate_values=intermediate_values or {},
        trial_id=trial_id,
    )
