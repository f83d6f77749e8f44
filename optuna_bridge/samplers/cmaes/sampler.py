"""CMA-ES whose state follows from the trials.

Stock Optuna stores its optimizer as a pickle in the attributes of trials, and unpickles what it
finds there, which can execute code. Here the state is computed from the trials whose results it has
learnt: those of each generation are listed in an attribute of the study, as the parents of Optuna's
genetic samplers are. The list that is stored first counts, so that all processes compute the same
state, whichever results come in later. A sequential study gets the points of stock Optuna.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna import Study
from optuna._transform import _SearchSpaceTransform
from optuna.distributions import BaseDistribution
from optuna.samplers import CmaEsSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from optuna_bridge.infeasible import is_seen_as_infeasible
from optuna_bridge.repeats.aggregates import point_number
from optuna_bridge.samplers.cmaes.optimizer import (
    Generation,
    OptimizerOptions,
    first_generation,
    next_generation,
)
from optuna_bridge.samplers.random_sampler import RandomSampler
from optuna_bridge.samplers.shared_space import SharedSearchSpace
from optuna_bridge.system_attrs import FIXED_PARAMS

MAX_OPERATIONS = 600_000_000  # of the generations that one ask replays: 2 to 7 s
PARENTS_PREFIX = "CmaEsSampler:parent:"
RAW_POINT = "x_for_tell"  # Optuna's key
_MAX_COORDINATE = 1e6  # of a raw point, in ranges of the parameter


class ReplayedCmaEsSampler(CmaEsSampler):
    """Stock CMA-ES, with an optimizer that is kept in memory and replayed from the trials."""

    def __init__(
        self,
        distributions: Mapping[str, BaseDistribution],
        *,
        seed: int | None = None,
        n_startup_trials: int = 1,
        consider_pruned_trials: bool = False,
        **options: Any,
    ) -> None:
        self._optimizer_options = OptimizerOptions(**options)
        super().__init__(
            seed=seed,
            n_startup_trials=n_startup_trials,
            independent_sampler=RandomSampler(seed),
            warn_independent_sampling=False,
            consider_pruned_trials=consider_pruned_trials,
            use_separable_cma=self._optimizer_options.use_separable_cma,
            with_margin=self._optimizer_options.with_margin,
            lr_adapt=self._optimizer_options.lr_adapt,
        )
        # Replaces one that compares the distributions of all trials.
        self._search_space: Any = SharedSearchSpace(distributions)
        self._names: list[str] = []  # of the parameters that the states below are of
        self._transform: Any = None
        self._first: Any = None
        self._stored: Any = None  # the state after all generations whose parents are stored
        self._next: Generation | None = None  # the one after, whose parents are not stored yet

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw the float and int parameters, and label the trial with its generation."""
        if not search_space:
            return {}
        trials = study._get_trials(deepcopy=False, use_cache=True)
        finished = [each for each in trials if self._is_learnt_from(each)]
        if len(finished) < self._n_startup_trials:
            return {}
        self._take_space(search_space)
        generation = self._generation(study, finished)
        labels = {self._generation_of(each) for each in finished}
        if max(labels, default=0) < 1:
            # Stock Optuna then seeds a new optimizer by another number of the same generator.
            self._cma_rng.rng.randint(1, 2**31 - 2)
        seed = self._cma_rng.rng.randint(1, 2**16) + point_number(study, trial.number)
        point, raw = generation.draw(seed, is_stored=generation.number in labels)
        drawn: dict[str, Any] = self._transform.untransform(point)
        storage, trial_id = study._storage, trial._trial_id
        if raw is not None:
            raw = self._with_fixed(raw, drawn, trial.system_attrs.get(FIXED_PARAMS, {}))
            storage.set_trial_system_attr(trial_id, RAW_POINT, raw.tolist())
        storage.set_trial_system_attr(trial_id, self._attr_key_generation, generation.number)
        return drawn

    def _take_space(self, search_space: dict[str, BaseDistribution]) -> None:
        """Start anew if the parameters that all trials have are others than before."""
        if list(search_space) == self._names:
            return
        self._names = list(search_space)
        self._transform = _SearchSpaceTransform(
            search_space, transform_step=not self._with_margin, transform_0_1=True
        )
        self._first = first_generation(search_space, self._transform, self._optimizer_options)
        self._stored, self._next = self._first, None

    def _with_fixed(
        self, raw: np.ndarray, drawn: Mapping[str, Any], fixed: Mapping[str, Any]
    ) -> np.ndarray:
        """Return the raw point with the values of fixed parameters."""
        is_fixed = [name in fixed for name in self._names]
        if not any(is_fixed):
            return raw
        params = {name: fixed.get(name, drawn[name]) for name in self._names}
        return np.where(is_fixed, self._transform.transform(params), raw)

    # The state -------------------------------------------------------------------------------

    def _generation(self, study: Study, finished: list[FrozenTrial]) -> Generation:
        """Return the state to draw from; record the parents of its generation if they are new."""
        stored, known = _stored_attrs(study), study._storage.get_study_system_attrs(study._study_id)
        self._replay(study, finished, stored)
        key = self._next_key
        if key in stored:
            return self._stored  # there is more to replay
        parents = self._first_ones(finished)
        if key in known:  # a draft of this process has chosen them
            by_id = {each._trial_id: each for each in finished}
            parents = self._listed(known[key], by_id) or parents
        if parents is None:
            return self._stored
        state = self._tell(study, parents)
        self._next = state
        # Each trial brings the list until it is stored: the first one that is stored counts.
        study._storage.set_study_system_attr(study._study_id, key, list(state.parents))
        return state

    def _replay(self, study: Study, finished: list[FrozenTrial], stored: Mapping[str, Any]) -> None:
        """Tell the optimizer the generations whose parents are stored, as many as an ask may."""
        if self._next_key not in stored:
            return
        operations, by_id = 0, {each._trial_id: each for each in finished}
        while (key := self._next_key) in stored and operations < MAX_OPERATIONS:
            parents = self._listed(stored[key], by_id) or self._first_ones(finished)
            if parents is None:
                return
            operations += self._stored.operations
            self._stored, self._next = self._tell(study, parents), None

    @property
    def _next_key(self) -> str:
        return f"{PARENTS_PREFIX}{self._stored.number + 1}"

    def _tell(self, study: Study, parents: Sequence[FrozenTrial]) -> Generation:
        ids = [trial._trial_id for trial in parents]
        if self._next is not None and self._next.parents == tuple(ids):
            return self._next
        sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1
        solutions = [(self._point(trial), self._loss(trial, sign)) for trial in parents]
        return next_generation(self._stored, self._first, ids, solutions)

    # The trials ------------------------------------------------------------------------------

    def _listed(self, ids: Any, by_id: Mapping[int, FrozenTrial]) -> list[FrozenTrial] | None:
        """Return the trials with these ids, by number; None if these are not as many as expected.

        Only an import may violate that.
        """
        size = self._stored.population_size
        if not isinstance(ids, list) or len(ids) != size:
            return None
        given = {each for each in ids if type(each) is int and each in by_id}
        listed = [each for each in map(by_id.__getitem__, sorted(given)) if self._has_point(each)]
        return listed if len(listed) == size else None

    def _first_ones(self, finished: list[FrozenTrial]) -> list[FrozenTrial] | None:
        """Return the first results of the last generation, as Optuna; None if they are too few."""
        number, size = self._stored.number, self._stored.population_size
        found = [each for each in finished if self._generation_of(each) == number]
        found = [each for each in found if self._has_point(each)][:size]
        return found if len(found) == size else None

    def _is_learnt_from(self, trial: FrozenTrial) -> bool:
        if trial.state == TrialState.COMPLETE:
            return True
        is_considered = self._consider_pruned_trials and trial.state == TrialState.PRUNED
        return is_considered and bool(trial.intermediate_values)

    def _generation_of(self, trial: FrozenTrial) -> int:
        number: int = trial.system_attrs.get(self._attr_key_generation, -1)
        return number

    def _has_point(self, trial: FrozenTrial) -> bool:
        return all(name in trial.params for name in self._names)

    def _point(self, trial: FrozenTrial) -> np.ndarray:
        raw = trial.system_attrs.get(RAW_POINT) if self._with_margin else None
        if isinstance(raw, list) and len(raw) == len(self._names):
            point = np.array(raw, dtype=float)
            if (np.abs(point) < _MAX_COORDINATE).all():
                return point
        transformed: np.ndarray = self._transform.transform(trial.params)
        return transformed

    def _loss(self, trial: FrozenTrial, sign: int) -> float:
        """Return what is minimized; infinity for an infeasible trial, whose value may change."""
        if is_seen_as_infeasible(trial):
            return math.inf
        value: Any = trial.value
        if trial.state == TrialState.PRUNED:
            value = trial.intermediate_values[max(trial.intermediate_values)]
        return math.inf if math.isnan(value) else sign * float(value)


def _stored_attrs(study: Study) -> Mapping[str, Any]:
    """Return the study's attributes without those of drafts, which may never be stored."""
    storage: Any = study._storage
    read = getattr(storage, "stored_study_attrs", None)
    found: Mapping[str, Any] = (
        storage.get_study_system_attrs(study._study_id) if read is None else read()
    )
    return found
