"""The sampler `auto`."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from optuna_bridge.repeats.aggregates import point_number
from optuna_bridge.samplers.auto.design import DesignSampler
from optuna_bridge.samplers.auto.model import WarpedGPSampler
from optuna_bridge.samplers.auto.rule import Choice, Facts, choice_to_explore, choose
from optuna_bridge.samplers.gp.imputation import Imputation
from optuna_bridge.samplers.gp.sampler import PYTORCH, fault_of_size, reseed_gp
from optuna_bridge.samplers.kind import reseed
from optuna_bridge.samplers.tpe import grouping as tpe
from optuna_bridge.samplers.tpe.sampler import ColumnTPESampler
from optuna_bridge.samplers.trial_columns import ColumnStorage, TrialColumns
from optuna_bridge.space.parameter_constraints.constraints import ParameterConstraints
from optuna_bridge.space.search_space import SearchSpace
from optuna_bridge.system_attrs import SAMPLED_BY


class AutoSampler(BaseSampler):
    """A sampler that chooses one of others for each trial, by `rule.choose`.

    The choice is set on the trial as an attribute.
    """

    def __init__(self, space: SearchSpace, seed: int | None = None) -> None:
        distributions = space.distributions
        self._n_params = len(distributions)
        # A choice that only some trials have cannot be held: its parameter may not be active.
        self._n_choices = {
            name: len(each.choices)
            for name in space.conditions.always_active
            if isinstance(each := distributions[name], CategoricalDistribution)
            and not each.single()
        }
        self._samplers: dict[Choice, BaseSampler] = {
            Choice.DESIGN: DesignSampler(distributions, seed),
            Choice.TPE: tpe.build(
                space, {"seed": seed, "n_startup_trials": 0, "constant_liar": True}
            ),
            Choice.GP: WarpedGPSampler(
                distributions,
                Imputation(space) if space.is_conditional else None,
                seed=seed,
                n_startup_trials=0,
            ),
        }
        self._gp = cast(WarpedGPSampler, self._samplers[Choice.GP])
        self._is_gp_installed = PYTORCH.is_installed
        self._chosen = self._samplers[Choice.DESIGN]

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        choice = choose(self._facts(study, trial))
        self._chosen = self._samplers[choice]
        if choice == Choice.GP:
            self._gp.held = choice_to_explore(point_number(study, trial.number), self._tried(study))
        study._storage.set_trial_system_attr(trial._trial_id, SAMPLED_BY, choice.value)
        self._chosen.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._chosen.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._chosen.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._chosen.sample_independent(study, trial, param_name, param_distribution)

    def reseed(self, seed: int, number: int) -> None:
        """Make the next draw depend only on the seed and the trial's number."""
        reseed(self._samplers[Choice.TPE], seed, number)
        reseed_gp(self._gp, seed, number)

    def restrict(self, constraints: ParameterConstraints) -> None:
        """Prefer the points that satisfy constraints between parameters."""
        for sampler in self._samplers.values():
            cast(DesignSampler | ColumnTPESampler | WarpedGPSampler, sampler).restrict(constraints)

    def is_modelled(self, is_joint: bool) -> bool:
        """Return whether the last draw follows from trials (`SamplerKind.is_modelled`)."""
        if self._chosen is self._samplers[Choice.TPE]:
            return cast(ColumnTPESampler, self._chosen).has_modelled
        return self._chosen is self._gp and is_joint

    def _tried(self, study: Study) -> dict[str, list[int]]:
        """Return how many trials have each choice, by categorical parameter."""
        columns = _columns(study)
        values = columns.internal_params[columns.rows_of(self._n_choices), : columns.n]
        return {
            name: np.bincount(row[~np.isnan(row)].astype(int), minlength=n).tolist()
            for row, (name, n) in zip(values, self._n_choices.items(), strict=True)
        }

    def _facts(self, study: Study, trial: FrozenTrial) -> Facts:
        columns = _columns(study)
        states = columns.states[: columns.n]
        n_completed, n_pruned = (
            int(np.count_nonzero(states == state.value))
            for state in (TrialState.COMPLETE, TrialState.PRUNED)
        )
        return Facts(
            number=point_number(study, trial.number),
            n_completed=n_completed,
            n_pruned=n_pruned,
            can_model=self._can_model(study),
        )

    def _can_model(self, study: Study) -> bool:
        """Return whether `gp` is installed, and takes a study of this size."""
        if not self._is_gp_installed:
            return False
        completed = (
            each for each in study._get_trials(deepcopy=False) if each.state == TrialState.COMPLETE
        )
        constraints = next((len(each.constraints) for each in completed), 0)
        size = {"n_objectives": len(study.directions), "n_constraints": constraints}
        return fault_of_size(n_params=self._n_params, **size) is None


def _columns(study: Study) -> TrialColumns:
    columns = cast(ColumnStorage, study._storage).columns
    if columns is None:
        raise TypeError("auto reads a study in columns")
    return columns


def depends_on_number(system_attrs: Mapping[str, Any]) -> bool:
    """Return whether another number would have another point: only one trial may have it."""
    return system_attrs.get(SAMPLED_BY) == Choice.DESIGN
