"""NSGA-III equals stock Optuna's, in bounded memory."""

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers._nsgaiii import _elite_population_selection_strategy as stock
from optuna.trial import TrialState, create_trial

from optuna_bridge.accessors import study_id, trial_id
from optuna_bridge.samplers import genetic, nsgaiii
from optuna_bridge.samplers.nsgaiii import NSGAIIISampler

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

SPACE: dict[str, BaseDistribution] = {"x": FloatDistribution(0, 1), "y": FloatDistribution(0, 1)}


def test_keys_are_those_of_stock() -> None:
    assert NSGAIIISampler._get_generation_key() == "NSGAIIISampler:generation"
    assert NSGAIIISampler._get_parent_cache_key_prefix() == "NSGAIIISampler:parent:"


@pytest.mark.parametrize(("n", "n_objectives", "divisions"), [(3000, 10, 3), (5000, 3, 20)])
def test_association_in_parts_equals_stock(n: int, n_objectives: int, divisions: int) -> None:
    trials = np.random.default_rng(1).random((n, n_objectives))
    points = stock._generate_default_reference_point(n_objectives, divisions)
    assert n * points.size > nsgaiii._MAX_NUMBERS
    ours = nsgaiii._associate(trials, points)
    theirs = stock._associate_individuals_with_reference_points(trials, points)
    for mine, other in zip(ours, theirs, strict=True):
        assert np.array_equal(mine, other)


@pytest.mark.parametrize("n_completed", [1, 2, 4])
def test_parents_are_completed(n_completed: int) -> None:
    for seed in range(20):
        study = optuna.create_study(sampler=NSGAIIISampler(SPACE, seed=seed))
        for k in range(n_completed):
            params = {"x": k / 4, "y": 0.5}
            generation = {"NSGAIIISampler:generation": 1}
            study.add_trial(
                create_trial(params=params, distributions=SPACE, value=k, system_attrs=generation)
            )
        study.add_trial(
            create_trial(state=TrialState.FAIL, params={"x": 0.5}, distributions={"x": SPACE["x"]})
        )
        ids = [trial_id(trial) for trial in study.trials]
        study._storage.set_study_system_attr(study_id(study), "NSGAIIISampler:parent:1", ids)
        assert study.ask(SPACE).params.keys() == SPACE.keys()


def test_large_generation_is_selected_from_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after an import of trials that are all of one generation."""
    monkeypatch.setattr(genetic, "MAX_OF_GENERATION", 8)
    study = optuna.create_study(
        directions=["minimize", "maximize"], sampler=NSGAIIISampler(SPACE, population_size=4)
    )
    for k in range(20):
        study.add_trial(
            create_trial(
                params={"x": k / 20, "y": 0.5},
                distributions=SPACE,
                values=[-k, k],
                system_attrs={"NSGAIIISampler:generation": 0},
            )
        )
    study.ask(SPACE)
    stored = study._storage.get_study_system_attrs(study_id(study))
    numbers = {trial_id(trial): trial.number for trial in study.trials}
    parents = {numbers[each] for each in stored["NSGAIIISampler:parent:1"]}
    assert len(parents) == 4
    assert max(parents) == 7
