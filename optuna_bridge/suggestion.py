"""Optuna's ask, without its copies: a sampler's suggestions, written into a draft.

`Study.ask` and `Trial._suggest` copy the trial for each parameter, and look it up in the storage.
That costs more than drawing a young study's trial. The order of the sampler's calls, the values and
the errors are Optuna's, which the tests compare with a stock study for each sampler.
"""

from collections.abc import Mapping
from typing import Any

from optuna import Study
from optuna._warnings import optuna_warn
from optuna.distributions import (
    BaseDistribution,
    _get_single_value,
    check_distribution_compatibility,
)
from optuna.pruners import _filter_study
from optuna.trial import FrozenTrial

from optuna_bridge.space.conditions import Conditions
from optuna_bridge.system_attrs import FIXED_PARAMS


class Suggestion:
    """The suggestion of a new trial's parameters by a study's sampler.

    It replaces `optuna.Trial`, for a trial that only the thread that draws it can see.
    """

    def __init__(self, study: Study, trial_id: int) -> None:
        self._study, self._trial_id = study, trial_id
        # As `Study.ask` does: the sampler reads the trials anew.
        study._thread_local.cached_all_trials = None
        trial = self._trial
        study.sampler.before_trial(_filter_study(study, trial), trial)
        self._fixed = trial.system_attrs.get(FIXED_PARAMS, {})
        self.is_joint = False  # whether a value was drawn jointly
        self._joint: tuple[dict[str, Any], dict[str, BaseDistribution]] | None = None

    @property
    def _trial(self) -> FrozenTrial:
        """The trial of now: the sampler may set attributes, by which it is replaced."""
        return self._study._storage.get_trial(self._trial_id)

    def draw_jointly(self) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
        """Return what the sampler draws jointly, and the distributions by which it does.

        It draws once, and when it is first needed, as in Optuna: never, if each parameter is fixed
        or constant. No `cached_property`, which locks all others of its class before Python 3.12.
        """
        if self._joint is None:
            study, trial = _filter_study(self._study, self._trial), self._trial
            space = study.sampler.infer_relative_search_space(study, trial)
            self._joint = study.sampler.sample_relative(study, trial, space), space
        return self._joint

    def draw(
        self, distributions: Mapping[str, BaseDistribution], conditions: Conditions | None = None
    ) -> dict[str, float]:
        """Suggest a value for each of the active parameters, and write it into the trial.

        Parameters with conditions come after those on which they depend, as in an objective that
        suggests them within an `if`.

        Returns:
            The values in Optuna's internal representation.
        """
        drawn: dict[str, float] = {}
        for name in conditions.order if conditions else distributions:
            if conditions and not conditions.is_active(name, drawn):
                continue
            distribution = distributions[name]
            value = drawn[name] = distribution.to_internal_repr(self._value(name, distribution))
            trial = self._trial
            trial.params[name] = distribution.to_external_repr(value)
            trial.distributions[name] = distribution
        return drawn

    def _value(self, name: str, distribution: BaseDistribution) -> Any:
        if name in self._fixed:
            return self._fixed_value(name, distribution)
        if distribution.single():
            return _get_single_value(distribution)
        if self._is_joint(name, distribution):
            self.is_joint = True
            return self.draw_jointly()[0][name]
        trial = self._trial
        study = _filter_study(self._study, trial)
        return study.sampler.sample_independent(study, trial, name, distribution)

    def _fixed_value(self, name: str, distribution: BaseDistribution) -> Any:
        value = self._fixed[name]
        if not distribution._contains(distribution.to_internal_repr(value)):
            optuna_warn(
                f"Fixed parameter {name} with value {value} is out of range "
                f"for distribution {distribution}."
            )
        return value

    def _is_joint(self, name: str, distribution: BaseDistribution) -> bool:
        params, space = self.draw_jointly()
        if name not in params:
            return False
        if name not in space:
            raise ValueError(f"the sampler drew {name!r}, which is not in its search space")
        if space[name] is not distribution:
            check_distribution_compatibility(space[name], distribution)
        return distribution._contains(distribution.to_internal_repr(params[name]))
