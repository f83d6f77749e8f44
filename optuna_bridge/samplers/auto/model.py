"""The Gaussian process of `auto`."""

from collections.abc import Mapping
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from optuna_bridge.samplers.auto.warping import warped_trials
from optuna_bridge.samplers.gp.sampler import BoundedGPSampler

_LEAST_MODELLED = 4  # trials with a choice


class WarpedGPSampler(BoundedGPSampler):
    """`gp` of values whose worse half is compressed, and within a choice if one is held.

    A few very bad values, as of a diverging training, would otherwise dominate the model's scale.
    With several objectives the values stay as they are, since the hypervolume depends on them.

    Within a choice only its trials are modelled: where a parameter counts with this choice alone, a
    model of all trials finds that it does not count. As long as they are too few, the other
    parameters are drawn at random.
    """

    def _sample_relative_impl(
        self,
        study: Study,
        completed_trials: list[FrozenTrial],
        running_trials: list[FrozenTrial],
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        held = {
            name: search_space[name].to_external_repr(index)
            for name, index in self.held.items()
            if name in search_space
        }
        if held:
            completed_trials = [each for each in completed_trials if _has(each, held)]
            if len(completed_trials) < _LEAST_MODELLED:
                return held
        if len(study.directions) == 1:
            completed_trials = warped_trials(completed_trials, study.directions[0])
        return super()._sample_relative_impl(study, completed_trials, running_trials, search_space)


def _has(trial: FrozenTrial, params: Mapping[str, Any]) -> bool:
    return all(
        name in trial.params and trial.params[name] == value for name, value in params.items()
    )
