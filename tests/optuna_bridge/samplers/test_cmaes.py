"""CMA-ES suggests what stock Optuna's does, without a pickle, and in bounded time."""

import pickle
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import CmaEsSampler
from optuna.trial import FrozenTrial, TrialState

from optuna_bridge.accessors import study_id, study_system_attrs, trial_id
from optuna_bridge.samplers.cmaes import sampler as module
from optuna_bridge.samplers.cmaes.limits import conflicts, fault_of_study
from optuna_bridge.samplers.cmaes.optimizer import OptimizerOptions
from optuna_bridge.samplers.cmaes.sampler import ReplayedCmaEsSampler
from optuna_bridge.samplers.kind import StudyTraits, reseed
from optuna_bridge.samplers.registry import SAMPLERS
from optuna_bridge.space.search_space import SearchSpace

pytestmark = [
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),  # sigma0, of stock
    pytest.mark.filterwarnings("ignore:Separable CMA-ES"),
]

Space = dict[str, BaseDistribution]
SPACE: Space = {
    "x": FloatDistribution(-5, 5),
    "rate": FloatDistribution(1e-5, 1, log=True),
    "stepped": FloatDistribution(0.1, 0.9, step=0.2),
    "units": IntDistribution(1, 1000, log=True),
    "layers": IntDistribution(-3, 9, step=3),
    "kind": CategoricalDistribution(["a", "b"]),
    "fixed": FloatDistribution(2, 2),
}
FLOATS: Space = {"x": FloatDistribution(-5, 5), "y": FloatDistribution(0, 3)}


def ours(space: Space, **options: Any) -> ReplayedCmaEsSampler:
    complete = SAMPLERS["cmaes"].complete(options)
    return ReplayedCmaEsSampler(space, **complete)


def stock(**options: Any) -> CmaEsSampler:
    return CmaEsSampler(warn_independent_sampling=False, **options)


def tell(study: optuna.Study, trial: optuna.Trial, state: TrialState) -> None:
    trial.report(sum(float(v) for v in trial.params.values() if not isinstance(v, str)), 3)
    if state == TrialState.COMPLETE:
        x, units = trial.params["x"], trial.params.get("units", 1)
        study.tell(trial, round(x**2 + abs(np.log10(units) - 1), 1))  # with ties
    else:
        study.tell(trial, state=state)


def assert_same_suggestions(
    space: Space, options: dict[str, Any], states: list[TrialState], direction: Any = "minimize"
) -> None:
    samplers = ours(space, **options), stock(**options)
    studies = [optuna.create_study(sampler=each, direction=direction) for each in samplers]
    for number, state in enumerate(states):
        asked = []
        for study in studies:
            reseed(study.sampler, 7, number)
            asked.append(study.ask(space))
        mine, other = (trial.params for trial in asked)
        assert repr(mine) == repr(other)
        for study, trial in zip(studies, asked, strict=True):
            tell(study, trial, state)
    assert attributes(studies[0]) == attributes(studies[1])


def attributes(study: optuna.Study) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in trial.system_attrs.items() if ":optimizer:" not in key}
        for trial in study.trials
    ]


DONE, FAIL, PRUNED = TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED
VARIANTS: list[dict[str, Any]] = [
    {},
    {"use_separable_cma": True},
    {"with_margin": True},
    {"lr_adapt": True},
    {"popsize": 4, "sigma0": 0.4, "n_startup_trials": 5, "seed": 3},
    {"consider_pruned_trials": True, "with_margin": True, "popsize": 5},
]


@pytest.mark.parametrize("options", VARIANTS, ids=str)
@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_sequential_suggestions_equal_stock_optunas(
    options: dict[str, Any], direction: str
) -> None:
    states = [FAIL if n % 11 == 7 else PRUNED if n % 7 == 4 else DONE for n in range(100)]
    assert_same_suggestions(SPACE, options, states, direction)


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_one_parameter_equals_stock_optunas(options: dict[str, Any]) -> None:
    assert_same_suggestions({"x": FloatDistribution(-1, 2)}, options, [DONE] * 40)


@given(
    states=st.lists(st.sampled_from([DONE, DONE, DONE, DONE, FAIL, PRUNED]), max_size=60),
    options=st.sampled_from(VARIANTS),
    names=st.sets(st.sampled_from(sorted(SPACE)), min_size=1),
)
@settings(max_examples=15, deadline=None)
def test_any_sequential_study_equals_stock_optunas(
    states: list[TrialState], options: dict[str, Any], names: set[str]
) -> None:
    space = {name: each for name, each in SPACE.items() if name in names | {"x"}}
    assert_same_suggestions(space, options, states)


# The state -----------------------------------------------------------------------------------


def played(sampler: optuna.samplers.BaseSampler, n: int, space: Space = FLOATS) -> optuna.Study:
    study = optuna.create_study(sampler=sampler)
    for _ in range(n):
        tell(study, study.ask(space), DONE)
    return study


def asked_attrs(study: optuna.Study) -> dict[str, Any]:
    """The attributes of one more trial."""
    number = study.ask(FLOATS).number
    return study.trials[number].system_attrs


def test_nothing_is_pickled(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("pickled")

    for name in ("loads", "load", "dumps", "dump"):
        monkeypatch.setattr(pickle, name, refuse)
    study = played(ours(FLOATS, seed=1), 20)
    for trial in study.trials:
        assert not [key for key in trial.system_attrs if "optimizer" in key]


@pytest.mark.parametrize("key", ["cma:optimizer:0", "cmawm:optimizer:0"])
@pytest.mark.parametrize("options", [{}, {"with_margin": True}])
def test_stored_pickle_is_not_read(key: str, options: dict[str, Any]) -> None:
    study = played(ours(FLOATS, seed=1, **options), 20)
    last = study.trials[-1]
    attrs = last.system_attrs | {key: "80049"}  # no pickle, which stock would try to read
    copied = optuna.create_study(sampler=ours(FLOATS, seed=1, **options))
    for trial in study.trials[:-1]:
        copied.add_trial(trial)
    copied.add_trial(
        optuna.create_trial(
            params=last.params, distributions=last.distributions, value=1, system_attrs=attrs
        )
    )
    assert copied.ask(FLOATS).params.keys() == FLOATS.keys()


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_stock_optuna_goes_on_with_the_study(options: dict[str, Any]) -> None:
    study = played(ours(SPACE, **options), 40, SPACE)
    study.sampler = stock(**options)
    for _ in range(30):
        tell(study, study.ask(SPACE), DONE)
    study.sampler = ours(SPACE, **options)
    for _ in range(10):
        tell(study, study.ask(SPACE), DONE)
    assert len(study.trials) == 80


def state_of(study: optuna.Study, sampler: ReplayedCmaEsSampler, space: Space) -> list[Any]:
    """The state from which a sampler draws the next trial, which is left RUNNING."""
    study.sampler = sampler
    for _ in range(2):  # the first one stores the parents of its generation
        study.ask(space)
    optimizer = sampler._stored.optimizer
    inner = getattr(optimizer, "_cma", optimizer)
    arrays = [inner._mean, inner._C, inner._p_sigma, inner._pc]
    return [sampler._stored.number, inner._sigma, *(each.tolist() for each in arrays)]


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_state_is_replayed_from_the_trials(options: dict[str, Any]) -> None:
    """As by another process, or after a restart."""
    kept = ours(SPACE, **options)
    study = optuna.create_study(sampler=kept)
    for n in range(60):
        study.sampler = kept if n % 9 else ours(SPACE, **options)
        tell(study, study.ask(SPACE), FAIL if n % 5 == 3 else DONE)
    state = state_of(study, kept, SPACE)
    assert state[0] >= 4
    assert state == state_of(study, ours(SPACE, **options), SPACE)


def test_result_that_comes_late_changes_no_state() -> None:
    kept = ours(FLOATS, popsize=4)
    study = played(kept, 1)
    late = study.ask(FLOATS)
    for _ in range(8):
        tell(study, study.ask(FLOATS), DONE)
    before = state_of(study, kept, FLOATS)
    parents = dict(study_system_attrs(study))
    tell(study, late, DONE)
    assert before == state_of(study, ours(FLOATS, popsize=4), FLOATS)
    assert before == state_of(study, kept, FLOATS)
    assert study_system_attrs(study) == parents
    numbers = {trial_id(trial): trial.number for trial in study.trials}
    ids: Any = parents["CmaEsSampler:parent:1"]
    assert [numbers[each] for each in ids] == [2, 3, 4, 5]


@pytest.mark.parametrize(
    "parents", [[], [1, 2, 3], [10**6] * 4, ["a", None, {}, []], "text", {"a": 1}, 7]
)
def test_unusable_parents_are_replaced(parents: Any) -> None:
    study = played(ours(FLOATS, popsize=4), 12)
    key = "CmaEsSampler:parent:1"
    study._storage.set_study_system_attr(study_id(study), key, parents)
    study.sampler = ours(FLOATS, popsize=4)
    assert asked_attrs(study)["cma:generation"] == 2


@pytest.mark.parametrize("raw", [[], [1e300, 0.0], [0.5], "text", [float("nan"), 0.5]])
def test_unusable_raw_point_is_computed(raw: Any) -> None:
    study = played(ours(FLOATS, with_margin=True, popsize=4), 5)
    copied = optuna.create_study(sampler=ours(FLOATS, with_margin=True, popsize=4))
    for trial in study.trials:
        copied.add_trial(with_raw(trial, raw))
    assert asked_attrs(copied)["cmawm:generation"] == 1


def with_raw(trial: FrozenTrial, raw: Any) -> FrozenTrial:
    trial.system_attrs = {**trial.system_attrs, "x_for_tell": raw}
    return trial


def test_fixed_values_are_in_the_raw_point() -> None:
    study = played(ours(FLOATS, with_margin=True), 3)
    study.enqueue_trial({"x": 5})
    raw = asked_attrs(study)["x_for_tell"]
    trial = study.trials[-1]
    assert (trial.params["x"], raw[0]) == (5, 1)
    assert raw[1] == pytest.approx(trial.params["y"] / 3)


def test_collapsed_step_size_starts_anew() -> None:
    """Thousands of generations after it has converged, stock Optuna fails."""
    sampler = ours(FLOATS, popsize=4)
    study = played(sampler, 6)
    optimizer = sampler._stored.optimizer
    sampler._stored.optimizer._sigma = 1e-200
    for _ in range(8):
        tell(study, study.ask(FLOATS), DONE)
    assert sampler._stored.optimizer is not optimizer
    assert sampler._stored.optimizer._sigma > 0.01


def test_ask_replays_a_bounded_number_of_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    study = played(ours(FLOATS, popsize=4), 60)
    per_generation = 100_000 + 40 * 2 * 4 + 2 * 2 * (4 * 2 + 15 * 4)
    monkeypatch.setattr(module, "MAX_OPERATIONS", 5 * per_generation)
    study.sampler = ours(FLOATS, popsize=4)
    found = []
    for _ in range(5):
        found.append(asked_attrs(study)["cma:generation"])
        study.tell(study.trials[-1].number, state=FAIL)
    assert found == [5, 10, 14, 14, 14]


# What is accepted ----------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 10, 99, 100])
@pytest.mark.parametrize("popsize", [None, 4, 5, 1000])
@pytest.mark.parametrize("variant", [{}, {"with_margin": True}, {"use_separable_cma": True}])
def test_accepted_sizes_can_be_built(n: int, popsize: int | None, variant: dict[str, bool]) -> None:
    space: Space = {str(k): FloatDistribution(0, 1) for k in range(n)}
    sampler = ours(space, popsize=popsize, **variant)
    sampler._take_space(space)
    assert sampler._stored.population_size == (popsize or 4 + int(3 * np.log(n)))
    assert sampler._optimizer_options == OptimizerOptions(popsize=popsize, **variant)


NUMBER = {"type": "float", "low": 0.0, "high": 1.0}
CHOICE = {"type": "categorical", "choices": ["a", "b"]}
CONSTANT = {"type": "int", "low": 1, "high": 1}


@pytest.mark.parametrize(
    ("parameters", "n_objectives", "options", "fault"),
    [
        ([NUMBER] * 100 + [CHOICE] * 100, 1, {}, None),
        ([NUMBER] * 1000, 1, {"use_separable_cma": True}, None),
        ([NUMBER], 2, {}, "one objective, not 2"),
        ([NUMBER] * 101, 1, {}, "100 float and int parameters, and 1000 with use_separable_cma"),
        ([CHOICE, CONSTANT], 1, {}, "needs a float or int parameter"),
    ],
)
def test_studies_that_it_takes(
    parameters: list[Any], n_objectives: int, options: dict[str, Any], fault: str | None
) -> None:
    named = [{**each, "name": str(k)} for k, each in enumerate(parameters)]
    complete = SAMPLERS["cmaes"].complete(options)
    found = fault_of_study(StudyTraits(SearchSpace(named), n_objectives, 0, complete))
    assert found is None if fault is None else fault in str(found)


def test_variants_exclude_each_other() -> None:
    complete = SAMPLERS["cmaes"].complete
    for options in VARIANTS:
        assert conflicts(complete(options)) == []
    both = complete({"with_margin": True, "lr_adapt": True})
    assert conflicts(both) == [("lr_adapt", "lr_adapt and with_margin exclude each other")]
