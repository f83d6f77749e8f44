"""NSGA-II over stored parents that have no result."""

import optuna
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from optuna_bridge.accessors import study_id, trial_id
from optuna_bridge.samplers.nsgaii import NSGAIISampler

SPACE: dict[str, BaseDistribution] = {"x": FloatDistribution(0, 1), "y": FloatDistribution(0, 1)}


def ask(sampler: optuna.samplers.BaseSampler, n_completed: int) -> dict[str, float]:
    """Ask in generation 1, whose stored parents are `n_completed` trials and a failed one."""
    study = optuna.create_study(sampler=sampler)
    generation = {"NSGAIISampler:generation": 1}
    for k in range(n_completed):
        params = {"x": k / 4, "y": 0.5}
        study.add_trial(
            create_trial(params=params, distributions=SPACE, value=k, system_attrs=generation)
        )
    study.add_trial(
        create_trial(state=TrialState.FAIL, params={"x": 0.5}, distributions={"x": SPACE["x"]})
    )
    ids = [trial_id(trial) for trial in study.trials]
    study._storage.set_study_system_attr(study_id(study), "NSGAIISampler:parent:1", ids)
    return study.ask(SPACE).params


def test_stock_fails_with_a_parent_that_lacks_a_parameter() -> None:
    with pytest.raises(KeyError):
        for seed in range(20):
            ask(optuna.samplers.NSGAIISampler(seed=seed, crossover_prob=0), 2)


@pytest.mark.parametrize("n_completed", [1, 2, 4])
@pytest.mark.parametrize("crossover_prob", [0, 1])
def test_parents_are_completed(n_completed: int, crossover_prob: float) -> None:
    for seed in range(20):
        sampler = NSGAIISampler(SPACE, seed=seed, crossover_prob=crossover_prob)
        drawn = ask(sampler, n_completed)
        assert drawn.keys() == SPACE.keys()


def test_parents_of_many_generations_are_selected() -> None:
    """As after an import without the attributes in which Optuna stores them."""
    sampler = NSGAIISampler(SPACE, seed=1, population_size=2)
    study = optuna.create_study(sampler=sampler)
    for k in range(1000):
        study.add_trial(
            create_trial(
                params={"x": (k % 7) / 7, "y": 0.5},
                distributions=SPACE,
                value=-k,
                system_attrs={"NSGAIISampler:generation": k // 2},
            )
        )
    assert study.ask(SPACE).params.keys() == SPACE.keys()
    stored = study._storage.get_study_system_attrs(study_id(study))
    numbers = {trial_id(trial): trial.number for trial in study.trials}
    parents = stored["NSGAIISampler:parent:500"]
    assert sorted(numbers[each] for each in parents) == [998, 999]


def test_keys_are_those_of_stock() -> None:
    assert NSGAIISampler._get_generation_key() == "NSGAIISampler:generation"
    assert NSGAIISampler._get_parent_cache_key_prefix() == "NSGAIISampler:parent:"
