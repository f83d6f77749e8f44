"""Optuna's Gaussian process sampler with a bounded cost.

Optuna's takes memory with the square and time with the cube of the number of trials, and lists all
values of each discrete parameter. Below the bounds here, both suggest the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
)
from optuna.samplers import GPSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from optuna_bridge.constraints import total_violation
from optuna_bridge.samplers.best_trials import best_first
from optuna_bridge.samplers.gp.acquisition import maximize
from optuna_bridge.samplers.gp.feasible_search import FeasiblePart
from optuna_bridge.samplers.gp.imputation import Imputation, NormalizedImputation, WholeSpace
from optuna_bridge.samplers.gp.large_grids import on_grid, relaxed
from optuna_bridge.samplers.kind import OptionalPart, StudyTraits, reseed
from optuna_bridge.samplers.shared_space import SharedSearchSpace
from optuna_bridge.samplers.substitution import with_parts
from optuna_bridge.space.parameter_constraints.constraints import ParameterConstraints
from optuna_bridge.space.search_space import SearchSpace
from optuna_bridge.system_attrs import known_params

PYTORCH = OptionalPart("torch", "PyTorch", "make torch, or pip install torch")
MAX_RUNNING = 16  # the latest of the running trials
# By the number of objectives: from two on, the front's boxes count, of which there are about as
# many as trials, 3 times as many and 15 times as many.
MAX_TRIALS = {1: 300, 2: 150, 3: 100, 4: 30}
_BOXES_PER_TRIAL = {1: 0, 2: 1, 3: 3, 4: 15}
MAX_OBJECTIVES = max(MAX_TRIALS)
# Trials squared, times parameters, times models: the size of the distances between the trials.
MAX_DISTANCES = 1_200_000
MAX_PARAMS_OF_MODELS = 5000  # parameters times models


def max_trials(*, n_params: int, n_objectives: int, n_constraints: int) -> int:
    """Return how many finished trials are modelled at most."""
    n_models = n_objectives + n_constraints
    n = int((MAX_DISTANCES / (n_params * n_models)) ** 0.5)
    return max(1, min(n, MAX_TRIALS[n_objectives]))


def fault_of_study(study: StudyTraits) -> str | None:
    """Return why the sampler cannot draw for a study of this size; None if it can."""
    return fault_of_size(
        n_params=study.n_params,
        n_objectives=study.n_objectives,
        n_constraints=study.n_constraints,
    )


def fault_of_size(*, n_params: int, n_objectives: int, n_constraints: int) -> str | None:
    """Return why the sampler cannot draw for a study of this size; None if it can."""
    if n_objectives > MAX_OBJECTIVES:
        return f"it takes at most {MAX_OBJECTIVES} objectives, not {n_objectives}"
    n_models = n_objectives + n_constraints
    if n_params * n_models > MAX_PARAMS_OF_MODELS:
        return (
            f"it takes at most {MAX_PARAMS_OF_MODELS} parameters times objectives and constraints, "
            f"not {n_params} times {n_models}"
        )
    return None


class BoundedGPSampler(GPSampler):
    """Optuna's sampler, which models at most `max_trials` trials, and lists no large grid.

    With an imputation, it models all parameters, not only those that all trials have.
    """

    def __init__(
        self,
        distributions: Mapping[str, BaseDistribution],
        imputation: Imputation | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options, warn_independent_sampling=False)
        # Replaces one that compares the distributions of all trials.
        self._intersection_search_space: Any = (
            SharedSearchSpace(distributions) if imputation is None else WholeSpace(distributions)
        )
        self._imputation = imputation
        self._imputed: NormalizedImputation | None = None
        self._distributions = distributions
        self._fits: Any = None
        self.held: Mapping[str, float] = {}  # the choices, by index, of parameters not searched
        self._held_columns: dict[int, float] = {}
        self._constraints: ParameterConstraints | None = None
        self._known: Mapping[str, float] = {}
        self._searched: Mapping[str, BaseDistribution] = {}
        self._elements = 1  # how many numbers the acquisition function computes for one point

    def restrict(self, constraints: ParameterConstraints) -> None:
        """Search where constraints between parameters hold."""
        self._constraints = constraints

    # Replaces one that runs on the processor whatever PyTorch's default device is, by a mode that
    # costs half of the time; the service never changes the default. It also writes the parameters
    # to the trial, for processes that see only some of them for a while.
    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw jointly; at random, as long as there are too few completed trials."""
        if not search_space:
            return {}
        if self._constraints is not None:
            self._known = known_params(trial, self._distributions)
        states = (TrialState.COMPLETE, TrialState.RUNNING)
        trials = study._get_trials(deepcopy=False, states=states)
        completed = [each for each in trials if each.state == TrialState.COMPLETE]
        if len(completed) < self._n_startup_trials:
            return {}
        running = [
            each
            for each in trials
            if each.state == TrialState.RUNNING and self._can_model(each, trial, search_space)
        ]
        return self._sample_relative_impl(study, completed, running, search_space)

    def _can_model(
        self,
        running: FrozenTrial,
        drawn: FrozenTrial,
        search_space: Mapping[str, BaseDistribution],
    ) -> bool:
        """Return whether a running trial has parameters to model; the one being drawn has none."""
        if self._imputation is None:
            return search_space.keys() <= running.params.keys()
        return running._trial_id != drawn._trial_id and bool(running.params)

    # Replaces the method that fits the models and searches, to give it less to do.
    def _sample_relative_impl(
        self,
        study: Study,
        completed_trials: list[FrozenTrial],
        running_trials: list[FrozenTrial],
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        n_constraints = len(completed_trials[0].constraints)
        most = max_trials(
            n_params=len(search_space),
            n_objectives=len(study.directions),
            n_constraints=n_constraints,
        )
        modelled = best_and_latest(completed_trials, most, study.directions)
        running = running_trials[-MAX_RUNNING:]
        self._elements = _elements(
            n_trials=len(modelled),
            n_running=len(running),
            search_space=search_space,
            n_objectives=len(study.directions),
            n_constraints=n_constraints,
            n_samples=self._n_qmc_samples_ehvi,
        )
        self._held_columns = {
            column: self.held[name] for column, name in enumerate(search_space) if name in self.held
        }
        self._searched = search_space
        continuous = {name: relaxed(each) for name, each in search_space.items()}
        if self._imputation is not None:
            modelled, running = map(self._imputation.imputed, (modelled, running))
            self._imputed = self._imputation.on(continuous)
        if len(self._constraints_gprs_cache_list or ()) != n_constraints:
            # Optuna expects as many as there are, but the first infeasible trial adds one.
            self._constraints_gprs_cache_list = None
        params = self._sample_with_fits(study, modelled, running, continuous)
        return {name: on_grid(params[name], each) for name, each in search_space.items()}

    def forget_fits(self) -> None:
        """Forget the last fits, from which the next ones start; they differ between processes."""
        self._gprs_cache_list = self._constraints_gprs_cache_list = None

    def _sample_with_fits(self, *args: Any) -> dict[str, Any]:
        """Sample as Optuna does, with our models."""
        # It imports PyTorch.
        from optuna_bridge.samplers.gp.regressor import Fits

        if self._fits is None:
            self._fits = Fits()
        self._fits.begin_draw()
        sample = with_parts(GPSampler._sample_relative_impl, gp=self._fits)
        params: dict[str, Any] = sample(self, *args)
        return params

    # Replaces one that uses Optuna's models.
    def _get_constraints_acqf_args(self, *args: Any) -> tuple[list[Any], list[float]]:
        found: tuple[list[Any], list[float]] = with_parts(
            GPSampler._get_constraints_acqf_args, gp=self._fits
        )(self, *args)
        return found

    # Replaces the search without bounds.
    def _optimize_acqf(self, acqf: Any, best_params: np.ndarray | None) -> np.ndarray:
        return maximize(
            acqf,
            elements=self._elements,
            starts=best_params,
            n_samples=self._n_preliminary_samples,
            n_local_search=self._n_local_search,
            tol=self._tol,
            rng=self._rng.rng,
            held=self._held_columns,
            imputed=self._imputed,
            part=self._feasible_part(acqf.search_space),
        )

    def _feasible_part(self, normalized: Any) -> FeasiblePart | None:
        if self._constraints is None:
            return None
        given = {**self.held, **self._known}
        return FeasiblePart(self._constraints, self._searched, normalized, given)


def build(space: SearchSpace, options: Mapping[str, Any]) -> BoundedGPSampler:
    """Build the sampler of a search space."""
    imputation = Imputation(space) if space.is_conditional else None
    return BoundedGPSampler(space.distributions, imputation, **options)


def reseed_gp(sampler: BoundedGPSampler, seed: int, number: int) -> None:
    """Make the next draw depend only on a seed and the trial's number (`SamplerKind.reseed`)."""
    reseed(sampler, seed, number)
    sampler.forget_fits()


def best_and_latest(
    trials: list[FrozenTrial], n: int, directions: Sequence[StudyDirection]
) -> list[FrozenTrial]:
    """Return n of the trials, in their order: one half are the best, the others the latest."""
    if len(trials) <= n:
        return trials
    signs = [-1.0 if each == StudyDirection.MAXIMIZE else 1.0 for each in directions]
    losses = np.array([trial.values for trial in trials]) * signs
    violations = np.array([total_violation(trial.constraints.values()) for trial in trials])
    is_chosen = np.zeros(len(trials), dtype=bool)
    is_chosen[best_first(losses, violations)[: n // 2]] = True
    n_latest = n - int(np.count_nonzero(is_chosen))
    is_chosen[np.flatnonzero(~is_chosen)[-n_latest:]] = True
    return [trials[i] for i in np.flatnonzero(is_chosen)]


def _elements(
    *,
    n_trials: int,
    n_running: int,
    search_space: Mapping[str, BaseDistribution],
    n_objectives: int,
    n_constraints: int,
    n_samples: int,
) -> int:
    """Return how many numbers the acquisition function computes for one point.

    They are the distances to all trials, and, for each of its `n_samples` random values, the
    values at the running trials, and the boxes between the front and the reference point.
    """
    n_models = n_objectives + n_constraints
    n_categorical = sum(isinstance(each, CategoricalDistribution) for each in search_space.values())
    # Equality takes three times as long as a difference.
    distances = n_models * (n_trials + n_running) * (len(search_space) + 2 * n_categorical)
    values = n_models * n_running
    boxes = _BOXES_PER_TRIAL[n_objectives] * (n_trials + n_running) * n_objectives
    return distances + n_samples * (values + boxes)
