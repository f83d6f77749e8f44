"""The options of samplers and pruners of a new study."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.support.creation import HYPERBAND, SPACE, TPE, assert_invalid, post

# Every option, with a value that is not its default.
SAMPLER_OPTIONS: dict[str, dict[str, Any]] = {
    "tpe": {
        "seed": 42,
        "n_startup_trials": 1,
        "multivariate": True,
        "constant_liar": False,
        "group": True,
        "n_ei_candidates": 5,
    },
    "gp": {"seed": 0, "n_startup_trials": 3, "deterministic_objective": True},
    "random": {"seed": 2**32 - 1},
    "nsgaii": {
        "seed": 1,
        "population_size": 2,
        "mutation_prob": 0.25,
        "crossover_prob": 1,
        "swapping_prob": 0,
    },
    "nsgaiii": {
        "seed": 1,
        "population_size": 2,
        "mutation_prob": 0.25,
        "crossover_prob": 1,
        "swapping_prob": 0,
        "dividing_parameter": 4,
    },
    "cmaes": {
        "seed": 1,
        "n_startup_trials": 0,
        "sigma0": 0.5,
        "popsize": 4,
        "use_separable_cma": False,
        "with_margin": True,
        "lr_adapt": False,
        "consider_pruned_trials": True,
    },
    "brute_force": {"seed": 1},
    "grid": {"seed": 1, "n_values": 3},
    "qmc": {"seed": 7, "qmc_type": "halton", "scramble": True},
}
SAMPLER_DEFAULTS: dict[str, dict[str, Any]] = {
    "tpe": TPE,
    "gp": {"seed": None, "n_startup_trials": 10, "deterministic_objective": False},
    "random": {"seed": None},
    "nsgaii": {
        "seed": None,
        "population_size": 50,
        "mutation_prob": None,
        "crossover_prob": 0.9,
        "swapping_prob": 0.5,
    },
    "nsgaiii": {
        "seed": None,
        "population_size": 50,
        "mutation_prob": None,
        "crossover_prob": 0.9,
        "swapping_prob": 0.5,
        "dividing_parameter": 3,
    },
    "cmaes": {
        "seed": None,
        "n_startup_trials": 1,
        "sigma0": None,
        "popsize": None,
        "use_separable_cma": False,
        "with_margin": False,
        "lr_adapt": False,
        "consider_pruned_trials": False,
    },
    "brute_force": {"seed": None},
    "grid": {"seed": None, "n_values": 5},
    "qmc": {"seed": None, "qmc_type": "sobol", "scramble": False},
}
SPACES = {"brute_force": [{"type": "int", "name": "n", "low": 1, "high": 9}]}
PRUNER_OPTIONS: dict[str, dict[str, Any]] = {
    "hyperband": {
        "min_resource": 1,
        "max_resource": 81,
        "reduction_factor": 2,
        "bootstrap_count": 4,
    },
    "median": {
        "n_startup_trials": 0,
        "n_warmup_steps": 0,
        "interval_steps": 3,
        "n_min_trials": 2,
    },
    "none": {},
    "successive_halving": {
        "min_resource": 1,
        "reduction_factor": 2,
        "min_early_stopping_rate": 30,
        "bootstrap_count": 4,
    },
    "percentile": {
        "percentile": 62.5,
        "n_startup_trials": 0,
        "n_warmup_steps": 0,
        "interval_steps": 3,
        "n_min_trials": 2,
    },
    "threshold": {"lower": -1.5, "upper": 2.5, "n_warmup_steps": 4, "interval_steps": 2},
    "wilcoxon": {"p_threshold": 0.05, "n_startup_steps": 0},
    "patient": {"patience": 3, "min_delta": 0.5},
}
PRUNER_DEFAULTS: dict[str, dict[str, Any]] = {
    "hyperband": HYPERBAND,
    "median": {"n_startup_trials": 5, "n_warmup_steps": 10, "interval_steps": 1, "n_min_trials": 1},
    "none": {},
    "successive_halving": {
        "min_resource": 10,
        "reduction_factor": 4,
        "min_early_stopping_rate": 0,
        "bootstrap_count": 0,
    },
    "percentile": {
        "percentile": 25.0,
        "n_startup_trials": 5,
        "n_warmup_steps": 10,
        "interval_steps": 1,
        "n_min_trials": 1,
    },
    "wilcoxon": {"p_threshold": 0.1, "n_startup_steps": 2},
    "patient": {"patience": 10, "min_delta": 0.0},
}


@pytest.mark.parametrize("sampler", SAMPLER_OPTIONS)
def test_sampler_options_are_accepted_and_used(api: APIClient, sampler: str) -> None:
    options = SAMPLER_OPTIONS[sampler]
    space = SPACES.get(sampler, SPACE)
    response = post(api, search_space=space, sampler=sampler, sampler_options=options)
    assert response.status_code == 201, response.content
    assert response.json()["sampler_options"] == options
    for number in range(3):
        assert api.post("/api/v1/studies/search/trials/suggest").status_code == 200
        url = f"/api/v1/studies/search/trials/{number}/complete"
        assert api.post(url, {"values": number}).status_code == 200


@pytest.mark.parametrize("sampler", SAMPLER_DEFAULTS)
def test_sampler_options_have_the_documented_defaults(api: APIClient, sampler: str) -> None:
    body = {"search_space": SPACES.get(sampler, SPACE), "sampler": sampler}
    assert post(api, **body).json()["sampler_options"] == SAMPLER_DEFAULTS[sampler]
    nothing = dict.fromkeys(SAMPLER_DEFAULTS[sampler])
    assert post(api, **body, sampler_options=nothing).status_code == 200


@pytest.mark.parametrize("pruner", PRUNER_OPTIONS)
def test_pruner_options_are_accepted(api: APIClient, pruner: str) -> None:
    options = PRUNER_OPTIONS[pruner]
    response = post(api, pruner=pruner, pruner_options=options)
    assert (response.status_code, response.json()["pruner_options"]) == (201, options)
    assert api.post("/api/v1/studies/search/trials/suggest").status_code == 200


@pytest.mark.parametrize("pruner", PRUNER_OPTIONS)
def test_pruner_waits_with_patience(api: APIClient, pruner: str) -> None:
    if pruner in ("none", "patient"):
        pytest.skip("which has no other pruner to ask later")
    options = PRUNER_OPTIONS[pruner] | {"patience": 3}
    response = post(api, pruner=pruner, pruner_options=options)
    assert response.status_code == 201
    assert response.json()["pruner_options"] == options | {"min_delta": 0.0}
    assert post(api, pruner_options={"min_delta": 0}).status_code == 200
    assert post(api, pruner_options={"patience": None}).status_code == 200
    assert post(api, pruner_options={"patience": 4}).json()["code"] == "study_conflict"


def test_patience_of_a_study_without_it_is_a_conflict(api: APIClient) -> None:
    post(api, pruner="median")
    refused = post(api, pruner="median", pruner_options={"patience": 4})
    assert (refused.status_code, refused.json()["code"]) == (409, "study_conflict")
    assert "pruner_options.patience is not set, but 4 is requested" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("pruner", "options", "pointer", "detail"),
    [
        ("none", {"patience": 3}, "patience", "to stop by patience alone, use patient"),
        ("median", {"min_delta": 0.5}, "min_delta", "min_delta needs patience"),
        ("median", {"patience": -1}, "patience", "expected an integer from 0 to 2147483647"),
        ("median", {"patience": 1, "min_delta": -1}, "min_delta", "a number of at least 0, not -1"),
        ("threshold", {}, "lower", "expected a number for lower, for upper, or for both"),
        ("threshold", {"lower": 2, "upper": 1}, "upper", "upper (1) is below lower (2)"),
        ("threshold", {"lower": "0"}, "lower", "expected a number, not '0'"),
        ("threshold", {"upper": True}, "upper", "expected a number, not True"),
        ("percentile", {"percentile": 101}, "percentile", "from 0 to 100, not 101"),
        ("wilcoxon", {"p_threshold": 1.5}, "p_threshold", "from 0 to 1, not 1.5"),
        (
            "successive_halving",
            {"min_resource": "auto"},
            "min_resource",
            "processes would disagree",
        ),
        ("hyperband", {"max_resource": "auto"}, "max_resource", "processes would disagree"),
        ("successive_halving", {"min_early_stopping_rate": 31}, "min_early_stopping_rate", "to 30"),
    ],
)
def test_refused_pruner_option_says_what_was_expected(
    api: APIClient, pruner: str, options: dict[str, Any], pointer: str, detail: str
) -> None:
    response = post(api, pruner=pruner, pruner_options=options)
    assert_invalid(response, f"/pruner_options/{pointer}")
    assert detail in response.json()["errors"][0]["detail"]
    assert api.get("/api/v1/studies/search").status_code == 404


def test_existing_study_is_loaded_without_the_options_that_it_needs(api: APIClient) -> None:
    created = post(api, pruner="threshold", pruner_options={"upper": 3})
    assert created.json()["pruner_options"] == {
        "lower": None,
        "upper": 3,
        "n_warmup_steps": 0,
        "interval_steps": 1,
    }
    for again in ({}, {"pruner": "threshold"}, {"pruner_options": {"upper": 3}}):
        assert post(api, **again).status_code == 200
    assert post(api, pruner_options={"lower": 0}).json()["code"] == "study_conflict"
    refused = post(api, pruner_options={"lower": 4})
    assert refused.status_code == 400
    assert [each["pointer"] for each in refused.json()["errors"]] == ["/pruner_options/upper"]


def test_pruner_that_compares_with_the_best_trial_is_for_one_objective(api: APIClient) -> None:
    several = {"direction": ["minimize", "maximize"], "pruner": "wilcoxon"}
    assert_invalid(post(api, **several, pruning_direction="minimize"), "/pruner")
    assert post(api, **several).json()["pruner"] == "none"


@pytest.mark.parametrize("pruner", PRUNER_DEFAULTS)
def test_pruner_options_have_the_documented_defaults(api: APIClient, pruner: str) -> None:
    assert post(api, pruner=pruner).json()["pruner_options"] == PRUNER_DEFAULTS[pruner]


def test_seeded_study_repeats_its_suggestions(api: APIClient) -> None:
    for name in ("one", "two"):
        post(api, name=name, sampler="random", sampler_options={"seed": 42})
    one, two = (
        [api.post(f"/api/v1/studies/{name}/trials/suggest").json()["params"] for _ in range(3)]
        for name in ("one", "two")
    )
    assert one == two
    assert len({each["x"] for each in one}) == 3


def test_scrambled_sequence_gets_a_seed(api: APIClient) -> None:
    body = {"sampler": "qmc", "sampler_options": {"scramble": True}}
    created = post(api, **body)
    assert isinstance(created.json()["sampler_options"]["seed"], int)
    assert post(api, **body).json() == created.json()


NONSENSE: dict[str, list[Any]] = {
    "seed": [-1, 2**32, 1.0, True, "1"],
    "n_startup_trials": [-1, 1.5, False, "3", []],
    "n_ei_candidates": [0, 24.0, True],
    "population_size": [1, 50.0, "50"],
    "mutation_prob": [-0.1, 1.1, True, "0.5"],
    "crossover_prob": [-0.1, 1.1, True],
    "swapping_prob": [-0.1, 1.1, {}],
    "dividing_parameter": [0, 1001, 3.0, True],
    "n_values": [1, 1001, 5.0, True],
    "sigma0": [0, 11, True, "0.1"],
    "popsize": [3, 1001, 10.0],
    "qmc_type": ["latin", 1, ["sobol"], {}],
}
SAMPLER_FAULTS = [
    (sampler, option, value)
    for sampler, options in SAMPLER_DEFAULTS.items()
    for option in options
    for value in NONSENSE.get(option, [1, 0, "true", []])
]
PRUNER_FAULTS = [
    (pruner, option, value)
    for pruner, options in PRUNER_DEFAULTS.items()
    for option in options
    for value in {
        "min_resource": [0, 1.0, True, "auto"],
        "max_resource": ["auto", 0, 2**31, 81.0],
        "reduction_factor": [1, 3.0, "3"],
        "percentile": [-1, 100.5, True, "1"],
        "p_threshold": [-1, 1.5, True, "1"],
        "min_delta": [-1, True, "1"],
    }.get(option, [-1, 0.5, True, "1"])
]


@pytest.mark.parametrize(("sampler", "option", "value"), SAMPLER_FAULTS)
def test_sampler_option_values_are_validated(
    api: APIClient, sampler: str, option: str, value: Any
) -> None:
    response = post(api, sampler=sampler, sampler_options={option: value})
    assert_invalid(response, f"/sampler_options/{option}")


@pytest.mark.parametrize(("pruner", "option", "value"), PRUNER_FAULTS)
def test_pruner_option_values_are_validated(
    api: APIClient, pruner: str, option: str, value: Any
) -> None:
    response = post(api, pruner=pruner, pruner_options={option: value})
    assert_invalid(response, f"/pruner_options/{option}")


@pytest.mark.parametrize(
    ("sampler", "option"),
    [
        ("tpe", "population_size"),
        ("gp", "multivariate"),
        ("random", "n_startup_trials"),
        ("nsgaii", "scramble"),
        ("qmc", "warn_independent_sampling"),
        ("tpe", "a/b~c"),
    ],
)
def test_sampler_option_of_another_sampler_is_refused(
    api: APIClient, sampler: str, option: str
) -> None:
    response = post(api, sampler=sampler, sampler_options={option: 1})
    step = option.replace("~", "~0").replace("/", "~1")
    assert_invalid(response, f"/sampler_options/{step}")


@pytest.mark.parametrize(
    ("pruner", "option"),
    [("hyperband", "n_warmup_steps"), ("median", "min_resource"), ("none", "n_startup_trials")],
)
def test_pruner_option_of_another_pruner_is_refused(
    api: APIClient, pruner: str, option: str
) -> None:
    response = post(api, pruner=pruner, pruner_options={option: 1})
    assert_invalid(response, f"/pruner_options/{option}")


def test_contradictory_options_are_refused(api: APIClient) -> None:
    response = post(
        api,
        sampler_options={"multivariate": False, "group": True},
        pruner_options={"min_resource": 10, "max_resource": 9},
    )
    assert_invalid(response, "/sampler_options/group", "/pruner_options/max_resource")
