"""A parameter with conditions: trials have it only where they hold, in both schemas."""

import csv
import io
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from analysis.plots.catalogue import KINDS
from optuna_bridge.samplers.registry import SAMPLERS
from optuna_bridge.space.conditional_points import all_points
from optuna_bridge.space.search_space import SearchSpace
from studies.models import Study
from tests.support import JSON
from tests.support.api_client import (
    STUDY_NAME,
    STUDY_URL,
    TRIALS_URL,
    add_trials,
    assert_refused,
    assert_schemas_agree,
    complete,
    create_study,
    get_study,
    list_trials,
    post_suggest,
    strict_json,
    suggest,
    trial_action,
)
from tests.support.conditional_spaces import OPTIMIZERS, conditional_spaces, is_active
from tests.support.creation import assert_invalid, post
from tests.support.optuna_oracle import load_optuna_study
from tests.support.sample_studies import admin_list_url, get_advice, repeatable_examples
from tests.support.transfer_files import clone_study, delete_study, export_study, import_file

INSTALLED = [name for name, kind in SAMPLERS.items() if kind.missing is None]
VISITING = [name for name in INSTALLED if SAMPLERS[name].visits_each_point]
# 2 x (1 + 3 x 2) = 14 points: `b` and `c` only with "on", and `c` only from 2 on.
FINITE: list[JSON] = [
    {"type": "categorical", "name": "switch", "choices": ["off", "on"]},
    {"type": "int", "name": "b", "low": 1, "high": 3, "when": {"switch": ["on"]}},
    {"type": "ordinal", "name": "c", "values": [1, 10], "when": {"b": {"min": 2}}},
    {"type": "categorical", "name": "d", "choices": [True, False]},
]
SGD = {"optimizer": "sgd", "layers": 1, "rate": 0.1, "momentum": 0.5}
ADAM = {"optimizer": "adam", "layers": 1, "rate": 0.1}


def options(sampler: str) -> JSON:
    return {"seed": 3} | ({"n_startup_trials": 4} if sampler in ("tpe", "gp") else {})


def assert_has_active_ones(params: JSON, space: list[JSON]) -> None:
    for each in space:
        assert (each["name"] in params) == is_active(each, params, space), (each, params)
    assert SearchSpace(space).faults(params) == []


def play(api: APIClient, n: int, space: list[JSON] = OPTIMIZERS, **definition: Any) -> list[JSON]:
    """Let n trials complete, two of them running at a time; return their parameters."""
    create_study(api, search_space=space, direction="minimize", **definition)
    played, running = [], []
    for _ in range(n):
        running.append(suggest(api))
        played.append(running[-1]["params"])
        assert_has_active_ones(played[-1], space)
        if len(running) > 1:
            finish(api, running.pop(0))
    for trial in running:
        finish(api, trial)
    return played


def finish(api: APIClient, trial: JSON) -> None:
    numbers = [each for each in trial["params"].values() if isinstance(each, int | float)]
    complete(api, STUDY_NAME, trial["trial_id"], sum(numbers))


@pytest.mark.parametrize("sampler", INSTALLED)
def test_trials_have_the_active_parameters_in_both_schemas(api: APIClient, sampler: str) -> None:
    space = FINITE if sampler in VISITING else OPTIMIZERS
    n = 8 if sampler in ("gp", "auto") else 12
    played = play(api, n, space, sampler=sampler, sampler_options=options(sampler))
    stock = load_optuna_study(STUDY_NAME).trials
    assert repr([trial.params for trial in stock]) == repr(played)
    assert [trial["params"] for trial in list_trials(api)] == played
    assert [set(trial.distributions) for trial in stock] == [set(params) for params in played]
    assert_schemas_agree(STUDY_NAME)


@pytest.mark.parametrize("sampler", [*VISITING, "random", "tpe", "qmc"])
def test_each_point_is_visited_once(api: APIClient, sampler: str) -> None:
    definition: JSON = {"sampler": sampler, "sampler_options": {"seed": 1}, "duplicates": "avoid"}
    played = play(api, 12, FINITE, **definition)
    problem = assert_refused(post_suggest(api), 409, "study_completed")
    assert problem["reason"] == "space_exhausted"
    assert len({tuple(sorted(params.items())) for params in played}) == 12
    assert_schemas_agree(STUDY_NAME)


def test_too_many_points_are_refused_to_samplers_that_visit_each(api: APIClient) -> None:
    large = {"type": "int", "name": "n", "low": 1, "high": 50_000, "when": {"switch": ["on"]}}
    space = [FINITE[0], large, FINITE[3]]
    assert_invalid(post(api, search_space=space, sampler="brute_force"), "/sampler")
    assert post(api, search_space=space[:2], sampler="brute_force").status_code == 201


def test_cmaes_needs_a_number_that_all_trials_have(api: APIClient) -> None:
    space = [FINITE[0], {**OPTIMIZERS[4], "when": {"switch": ["on"]}}]
    response = post(api, search_space=space, sampler="cmaes")
    assert "without conditions" in response.json()["detail"]
    assert_invalid(response, "/sampler")


@pytest.mark.parametrize(
    ("when", "pointer", "detail"),
    [
        ({}, "/when", "it is empty: leave it out, or give a condition"),
        ([], "/when", "expected an object by the names of other parameters, not []"),
        ({"layers": 2}, "/when/layers", 'expected a list of values, or an object with "min" or'),
        ({"layers": []}, "/when/layers", "Ensure this field has at least 1 elements."),
        ({"layers": {}}, "/when/layers", 'or an object with "min" or "max", not an empty object'),
        ({"layers": {"least": 2}}, "/when/layers", "not the key 'least'"),
        ({"layers": {"min": "2"}}, "/when/layers/min", "expected a number, not '2'"),
        ({"layers": {"min": True}}, "/when/layers/min", "expected a number, not True"),
        ({"layers": {"min": 9}}, "/when/layers", '"layers" is never at least 9'),
        ({"optimizer": ["sgd", "lion"]}, "/when/optimizer/1", "expected one of 'adam', 'sgd', 'ne"),
        ({"optimizer": {"min": 1}}, "/when/optimizer", "list values, not min and max"),
        ({"nothing": [1]}, "/when/nothing", "there is no such parameter; the parameters are: "),
        ({"momentum": [0.5]}, "/when/momentum", "a parameter has no condition on itself"),
        ({"period": [1]}, "/when/period", None),
        ({f"p{n}": [1] for n in range(21)}, "/when", "expected at most 20 conditions, not 21"),
    ],
)
def test_invalid_condition_is_refused(
    api: APIClient, when: Any, pointer: str, detail: str | None
) -> None:
    changed = {**OPTIMIZERS[0], "when": when}
    if detail is None:  # a circle
        changed = {**OPTIMIZERS[0], "type": "int", "low": 0, "high": 1, "when": {"momentum2": [1]}}
        other = {**changed, "name": "momentum2", "when": {"momentum": [1]}}
        response = post(api, search_space=[changed, other])
        detail, pointer = 'the conditions are a circle: "momentum" → "momentum2" → "mom', "/when"
    else:
        response = post(api, search_space=[changed, *OPTIMIZERS[1:]])
    assert detail in response.json()["errors"][0]["detail"]
    assert_invalid(response, f"/search_space/0{pointer}")


def test_queued_and_recorded_trials_have_the_active_parameters(api: APIClient) -> None:
    create_study(api, search_space=OPTIMIZERS, sampler="nsgaii", direction="minimize")
    queued: list[JSON] = [ADAM, SGD, {"optimizer": "nesterov", "momentum": 0.25}, {"layers": 1}]
    add_trials(api, [{"params": params} for params in queued])
    recorded = [SGD | {"momentum": 0.75}, ADAM | {"layers": 2, "width": 64}]
    add_trials(api, [{"params": each, "state": "COMPLETE", "values": 1} for each in recorded])
    for params in queued:
        trial = suggest(api)
        assert params.items() <= trial["params"].items()
        assert_has_active_ones(trial["params"], OPTIMIZERS)
    assert [trial["params"] for trial in list_trials(api)[4:]] == recorded
    assert get_study(api)["best_params"] == recorded[0]
    assert_schemas_agree(STUDY_NAME)


@pytest.mark.parametrize(
    ("params", "name", "detail"),
    [
        (ADAM | {"momentum": 0.5}, "momentum", "one of 'sgd', 'nesterov', not 'adam'"),
        ({"momentum": 0.5}, "momentum", 'and there is no "optimizer"'),
        ({"width": 8, "layers": 1}, "width", '"layers" is at least 2, not 1'),
    ],
)
def test_fixed_value_of_an_inactive_parameter_is_refused(
    api: APIClient, params: JSON, name: str, detail: str
) -> None:
    create_study(api, search_space=OPTIMIZERS, sampler="random")
    for response, key in (
        (api.post(TRIALS_URL, {"params": params}), "params"),
        (api.post(TRIALS_URL, {"params": params, "state": "COMPLETE", "values": 1}), "params"),
        (post_suggest(api, fixed=params), "fixed"),
    ):
        [error] = assert_refused(response, 400, "invalid")["errors"]
        assert error["pointer"] == f"/{key}/{name}"
        assert detail in error["detail"]
    assert get_study(api)["n_trials"] == 0


def test_recorded_trial_lacks_only_inactive_parameters(api: APIClient) -> None:
    create_study(api, search_space=OPTIMIZERS)
    new = {"params": {"optimizer": "sgd", "layers": 2}, "state": "FAIL"}
    problem = assert_refused(api.post(TRIALS_URL, new), 400, "invalid")
    pointers = [each["pointer"] for each in problem["errors"]]
    assert pointers == ["/params/momentum", "/params/width", "/params/rate", "/params/schedule"]


@pytest.mark.parametrize("sampler", ["random", "tpe", "qmc", "auto"])
def test_asks_fix_values(api: APIClient, sampler: str) -> None:
    create_study(
        api, search_space=FINITE, sampler=sampler, sampler_options={"seed": 1}, duplicates="avoid"
    )
    fixed = {"switch": "on", "b": 2}
    found = [suggest(api, fixed=fixed)["params"] for _ in range(4)]
    assert sorted((params["c"], params["d"]) for params in found) == [
        (1, False), (1, True), (10, False), (10, True),
    ]  # fmt: skip
    assert all(fixed.items() <= params.items() for params in found)
    assert_refused(post_suggest(api, fixed=fixed), 429, "budget_in_flight")
    again = suggest(api, fixed={"switch": "off", "d": True})["params"]  # exactly one point
    assert again == suggest(api, fixed=again)["params"]


def test_trial_is_retried_and_filtered(api: APIClient) -> None:
    create_study(api, search_space=OPTIMIZERS, sampler="random", max_retries=1)
    add_trials(api, [{"params": SGD}, {"params": ADAM}])
    first = suggest(api)
    trial_action(api, first["trial_id"], "fail", retry=True)
    suggest(api)
    assert suggest(api)["params"] == SGD
    for wanted, found in (({"momentum": 0.5}, [0, 2]), ({"momentum": {"max": 1}}, [0, 2])):
        query = urlencode({"params": json.dumps(wanted)})
        listed = strict_json(api.get(f"{TRIALS_URL}?{query}"))
        assert [trial["trial_id"] for trial in listed] == found


def test_running_trial_gets_a_lease_that_its_study_is_given(api: APIClient) -> None:
    create_study(api, search_space=OPTIMIZERS, sampler="random", lease_seconds=None)
    assert suggest(api, fixed=ADAM)["lease_expires_at"] is None
    assert api.patch(STUDY_URL, {"lease_seconds": 60}).status_code == 200
    assert list_trials(api)[0]["lease_expires_at"] is not None


def test_created_again_with_other_conditions_is_a_conflict(api: APIClient) -> None:
    create_study(api, search_space=OPTIMIZERS)
    same = {**OPTIMIZERS[0], "when": {"optimizer": ["nesterov", "sgd"]}}
    assert post(api, search_space=[same, *OPTIMIZERS[1:]]).status_code == 200
    for when in ({"optimizer": ["sgd"]}, None):
        plain = {key: each for key, each in OPTIMIZERS[0].items() if key != "when"}
        changed = [plain | ({"when": when} if when else {}), *OPTIMIZERS[1:]]
        detail = assert_refused(post(api, search_space=changed), 409, "study_conflict")["detail"]
        assert 'parameter "momentum" differs: when is' in detail


def test_options_of_tpe_mean_groups(api: APIClient) -> None:
    create_study(api, search_space=OPTIMIZERS, sampler="tpe", direction=["minimize", "maximize"])
    again: JSON = {"search_space": OPTIMIZERS, "direction": ["minimize", "maximize"]}
    for same in ({"group": True}, {"multivariate": True}, {"group": False}):
        assert post(api, **again, sampler_options=same).status_code == 200, same
    response = post(api, **again, sampler_options={"multivariate": False})
    assert_refused(response, 409, "study_conflict")


@repeatable_examples(6)
@given(space=conditional_spaces(), seed=st.integers(0, 2**16))
def test_random_spaces_are_moved_as_they_are(api: APIClient, space: list[JSON], seed: int) -> None:
    Study.objects.all().delete()
    definition: JSON = {"sampler": ["random", "tpe", "nsgaii"][seed % 3]}
    definition["sampler_options"] = {"seed": seed}
    n_points = all_points(SearchSpace(space)).n or 7
    definition["duplicates"] = "avoid" if n_points > 6 else "allow"
    played = play(api, 6, space, **definition)
    add_trials(api, [{"params": {}}])
    file = export_study(api)
    clone = clone_study(api)
    assert (clone["n_trials_kept"], clone["search_space"]) == (7, get_study(api)["search_space"])
    assert_schemas_agree("clone")
    delete_study(api)
    import_file(api, file)
    assert export_study(api) == file
    assert_schemas_agree(STUDY_NAME)
    assert [trial.params for trial in load_optuna_study(STUDY_NAME).trials][:6] == played


def test_clone_with_other_conditions_keeps_the_trials_that_fit(api: APIClient) -> None:
    create_study(api, search_space=OPTIMIZERS, sampler="random")
    add_trials(api, [{"params": each, "state": "COMPLETE", "values": 1} for each in (ADAM, SGD)])
    always = {key: each for key, each in OPTIMIZERS[0].items() if key != "when"}
    clone = clone_study(api, name="flat", search_space=[always, *OPTIMIZERS[1:]])
    # A trial that lacks it can be asked about; nothing says what its value would have been.
    assert clone["n_trials_kept"] == 2
    flat = list_trials(api, "flat")
    assert [trial["params"] for trial in flat] == [ADAM, SGD]
    strict = {**OPTIMIZERS[0], "when": {"optimizer": ["nesterov"]}}
    clone = clone_study(api, name="strict", search_space=[strict, *OPTIMIZERS[1:]])
    assert clone["n_trials_kept"] == 1
    new = {"type": "int", "name": "warmup", "low": 0, "high": 9, "when": {"optimizer": ["sgd"]}}
    clone = clone_study(api, name="new", search_space=[*OPTIMIZERS, new])
    assert [trial["params"] for trial in list_trials(api, "new")] == [ADAM]
    clone_study(api, name="filled", search_space=[*OPTIMIZERS, new], defaults={"warmup": 0})
    assert [trial["params"] for trial in list_trials(api, "filled")] == [ADAM, SGD | {"warmup": 0}]


@pytest.mark.parametrize("mode", ["queue", "record"])
def test_study_begins_with_trials_of_an_earlier_one(api: APIClient, mode: str) -> None:
    flat = [{key: each for key, each in p.items() if key != "when"} for p in OPTIMIZERS[:2]]
    create_study(api, name="flat", search_space=flat, direction="minimize")
    both = [{"optimizer": "adam", "momentum": 0.5}, {"optimizer": "sgd", "momentum": 0.25}]
    recorded = [{"params": each, "state": "COMPLETE", "values": n} for n, each in enumerate(both)]
    add_trials(api, recorded, "flat")
    space = OPTIMIZERS[:2]
    warm_start = {"from": ["flat"], "top": 5, "mode": mode}
    create_study(api, search_space=space, direction="minimize", warm_start=warm_start)
    found = [trial["params"] for trial in list_trials(api)]
    # Whether the objective used the value that the new space excludes is not known.
    assert found == ([{"optimizer": "adam"}, both[1]] if mode == "queue" else [both[1]])
    assert_schemas_agree(STUDY_NAME)


def test_study_is_analysed(api: APIClient, admin_client: Client) -> None:
    played = play(api, 20, sampler="random", sampler_options={"seed": 1})
    for kind in set(KINDS) - {"pareto_front", "hypervolume"}:  # which need several objectives
        of_params = kind in ("slice", "contour", "parallel_coordinate", "rank")
        query = {"params": '["momentum", "optimizer", "period"]'} if of_params else {}
        assert api.get(f"{STUDY_URL}/plots/{kind}", query).status_code == 200, kind
    found = strict_json(api.get(f"{STUDY_URL}/importance"))["importances"]
    assert set(found) == {"optimizer", "layers", "rate"}  # those that all trials have
    get_advice(api)
    study = Study.objects.get()
    assert admin_client.get(admin_list_url(study)).status_code == 200
    page = admin_client.get(f"/admin/studies/study/{study.pk}/change/").content.decode()
    assert "optimizer: one of &#x27;sgd&#x27;, &#x27;nesterov&#x27;" in page
    response: Any = admin_client.get(admin_list_url(study, "export/"))
    text = b"".join(response.streaming_content).decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    for row, params in zip(rows, played, strict=True):
        cells = {each["name"]: row[f"params_{each['name']}"] for each in OPTIMIZERS}
        assert {name for name, cell in cells.items() if cell} == set(params)
