"""An ask may fix values of parameters: the trial has them, and the sampler draws the others."""

import random
from typing import Any

import optuna
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from optuna_bridge.samplers.kind import StudyTraits
from optuna_bridge.samplers.registry import SAMPLERS
from optuna_bridge.space.search_space import SearchSpace
from optuna_bridge.storage.storage import DjangoStorage
from studies.models import Study
from tests.support import JSON
from tests.support.api_client import (
    STUDY_NAME,
    STUDY_URL,
    TRIALS_URL,
    add_trials,
    assert_refused,
    assert_schemas_agree,
    assert_study_completed,
    assert_try_later,
    complete,
    create_study,
    get_study,
    list_trials,
    post_suggest,
    suggest,
    suggest_batch,
    trial_action,
)
from tests.support.sample_studies import repeatable_examples
from tests.support.transfer_files import delete_study, export_study, import_file

SPACE: list[JSON] = [
    {"type": "ordinal", "name": "batch", "values": [16, 32, 64.0]},
    {"type": "float", "name": "x", "low": 0.0, "high": 1.0},
    {"type": "float", "name": "s", "low": 0.1, "high": 0.7, "step": 0.2},
    {"type": "int", "name": "n", "low": 1, "high": 9, "step": 2},
    {"type": "categorical", "name": "c", "choices": ["a", 1, 2.5, False, None]},
]
GRID: list[JSON] = [SPACE[0], {"type": "int", "name": "n", "low": 1, "high": 2}]
INSTALLED = [
    name
    for name, kind in SAMPLERS.items()
    if kind.missing is None and not kind.visits_each_point  # those end, and need a finite space
]
# One whose points depend on the number of the trial, and one whose do not.
BOTH_WAYS = ["qmc", "tpe"]
URL = f"{TRIALS_URL}/suggest"
BATCH_URL = f"{TRIALS_URL}/suggest-batch"


def create(api: APIClient, sampler: str = "random", **more: Any) -> JSON:
    options: JSON = {"seed": 1} | ({"n_startup_trials": 3} if sampler in ("tpe", "gp") else {})
    definition = {"search_space": SPACE, "sampler": sampler, "sampler_options": options}
    return create_study(api, **definition | {"pruner": "none"} | more)


def stock_attrs() -> list[Any]:
    """What stock Optuna reads of the values that were fixed, trial by trial."""
    stock = optuna.load_study(study_name=STUDY_NAME, storage=DjangoStorage())
    return [trial.system_attrs.get("fixed_params") for trial in stock.trials]


@pytest.mark.parametrize("sampler", INSTALLED)
def test_trials_have_the_fixed_values(api: APIClient, sampler: str) -> None:
    create(api, sampler)
    space = SearchSpace(SPACE)
    fixes: list[JSON] = [
        {"batch": 64.0},
        {},
        {"c": None, "n": 9},
        {"s": 0.1 + 0.2, "c": False},
        {"batch": 32, "x": 0.25, "s": 0.1, "n": 3, "c": 2.5},
        {"x": 1},
    ]
    for fixed in fixes:
        trial = suggest(api, fixed=fixed)
        assert list(trial["params"]) == [each["name"] for each in SPACE]
        assert space.faults(trial["params"]) == []
        found = {name: trial["params"][name] for name in fixed}
        assert repr(found) == repr(fixed) or found == fixed == {"x": 1.0}
        complete(api, STUDY_NAME, trial["trial_id"], trial["params"]["n"])
    assert stock_attrs() == [fixed or None for fixed in fixes]
    assert_schemas_agree(STUDY_NAME)


def test_batch_has_the_fixed_values(api: APIClient) -> None:
    create(api, "tpe")
    trials = suggest_batch(api, 5, fixed={"batch": 16, "c": "a"})
    assert [(trial["params"]["batch"], trial["params"]["c"]) for trial in trials] == [(16, "a")] * 5
    assert len({trial["params"]["x"] for trial in trials}) == 5
    suggest_batch(api, 1, fixed=None)  # null is left out, as everywhere
    assert stock_attrs() == [{"batch": 16, "c": "a"}] * 5 + [None]
    assert_schemas_agree(STUDY_NAME)


def test_fixed_values_are_exported_and_imported(api: APIClient) -> None:
    create(api, "tpe")
    for number in range(3):
        suggest(api, fixed={"batch": 64.0, "c": None})
        complete(api, STUDY_NAME, number, number)
    running = suggest(api, fixed={"batch": 16})["params"]
    before = stock_attrs()
    file = export_study(api)
    delete_study(api)
    import_file(api, file)
    assert stock_attrs() == before == [{"batch": 64.0, "c": None}] * 3 + [{"batch": 16}]
    assert list_trials(api)[3]["params"] == running
    assert_schemas_agree(STUDY_NAME)


# Refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", [URL, BATCH_URL])
@pytest.mark.parametrize(
    ("fixed", "errors"),
    [
        ({"batch": 17}, {"/fixed/batch": 'parameter "batch": expected one of 16, 32, 64.0'}),
        ({"batch": "16"}, {"/fixed/batch": 'parameter "batch": expected one of 16, 32, 64.0'}),
        ({"n": 2, "x": 0.5}, {"/fixed/n": "in steps of 2"}),
        ({"x": None}, {"/fixed/x": "expected a number, not None"}),
        ({"a/b": 1}, {"/fixed/a~1b": "the parameters are: batch, x, s, n, c"}),
        ({"n": True, "y": 1}, {"/fixed/n": "an integer", "/fixed/y": "unknown parameter"}),
        ([], {"/fixed": ""}),
        ("batch", {"/fixed": ""}),
    ],
)
def test_value_outside_the_space_is_refused(
    api: APIClient, url: str, fixed: Any, errors: dict[str, str]
) -> None:
    create(api)
    body = {"fixed": fixed} | ({"count": 2} if url == BATCH_URL else {})
    problem = assert_refused(api.post(url, body), 400, "invalid")
    found = {each["pointer"]: each["detail"] for each in problem["errors"]}
    assert set(found) == set(errors)
    assert all(text in found[pointer] for pointer, text in errors.items())
    assert get_study(api)["n_trials"] == 0


def test_value_is_checked_before_anything_is_handed_out(api: APIClient) -> None:
    create(api)
    held = suggest(api, worker_id="w")
    response = post_suggest(api, worker_id="w", fixed={"batch": 1})
    assert_refused(response, 400, "invalid")
    (trial,) = list_trials(api)
    assert trial["lease_expires_at"] == held["lease_expires_at"]


# A worker that holds trials ------------------------------------------------------------------


def test_held_trial_is_returned_as_it_is(api: APIClient) -> None:
    create(api)
    held = suggest(api, worker_id="w", fixed={"batch": 16})
    for fixed in ({"batch": 16}, {"batch": 32}, {}):
        again = suggest(api, worker_id="w", fixed=fixed)
        assert (again["trial_id"], again["reoffered"]) == (0, True)
        assert again["params"] == held["params"]
    new = suggest(api, worker_id="w", fixed={"batch": 32}, new=True)
    assert (new["trial_id"], new["params"]["batch"]) == (1, 32)


# The queue -----------------------------------------------------------------------------------


def queue(api: APIClient, *params: JSON) -> None:
    add_trials(api, [{"params": each} for each in params])


@pytest.mark.parametrize("sampler", BOTH_WAYS)
def test_queued_trials_with_other_values_are_left(api: APIClient, sampler: str) -> None:
    create(api, sampler)
    queue(api, {"batch": 16}, {"batch": 32, "n": 3}, {"n": 5}, {"n": 7, "batch": 64.0})
    trials = suggest_batch(api, 3, fixed={"batch": 32})
    assert [each["trial_id"] for each in trials] == [1, 2, 4]
    assert [each["params"]["batch"] for each in trials] == [32, 32, 32]
    assert [each["params"]["n"] for each in trials[:2]] == [3, 5]
    assert [suggest(api)["trial_id"] for _ in range(3)] == [0, 3, 5]
    assert stock_attrs() == [
        {"batch": 16},
        {"batch": 32, "n": 3},
        {"batch": 32, "n": 5},
        {"n": 7, "batch": 64.0},
        {"batch": 32},
        None,
    ]
    assert_schemas_agree(STUDY_NAME)


def test_steps_agree_despite_rounding(api: APIClient) -> None:
    create(api)
    queue(api, {"s": 0.3}, {"s": 0.5})
    assert suggest(api, fixed={"s": 0.1 + 0.2})["trial_id"] == 0


def test_queued_trials_come_in_their_order(api: APIClient) -> None:
    create(api)
    priorities = [(16, 1), (32, 2), (32, 9), (16, 5), (32, 2)]
    add_trials(
        api, [{"params": {"batch": each}, "priority": priority} for each, priority in priorities]
    )
    assert [suggest(api, fixed={"batch": 32})["trial_id"] for _ in range(4)] == [2, 1, 4, 5]


def test_retry_goes_to_workers_with_its_values(api: APIClient) -> None:
    create(api, max_retries=1, max_trials=2)
    first = suggest(api, fixed={"batch": 64.0})
    trial_action(api, 0, "fail", retry=True)
    assert suggest(api, fixed={"batch": 16})["trial_id"] == 2
    response = post_suggest(api, fixed={"batch": 16})
    assert_try_later(response, "budget_in_flight")
    assert "waits in the queue, with other values" in response.json()["detail"]
    again = suggest(api, fixed={"batch": 64.0})
    assert (again["trial_id"], again["params"]) == (1, first["params"])
    for number in (1, 2):
        complete(api, STUDY_NAME, number, 1)
    assert_study_completed(api, "max_trials")


def test_queue_counts_against_the_budget(api: APIClient) -> None:
    create(api, max_trials=3, max_concurrent=2)
    queue(api, {"batch": 16}, {"batch": 16})
    assert suggest(api, fixed={"batch": 32})["trial_id"] == 2
    assert_try_later(post_suggest(api, fixed={"batch": 32}), "budget_in_flight")
    assert suggest(api)["trial_id"] == 0
    assert_try_later(post_suggest(api, fixed={"batch": 32}), "too_many_running")
    assert_schemas_agree(STUDY_NAME)


# Seeds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", INSTALLED)
def test_seeded_study_repeats_itself(api: APIClient, sampler: str) -> None:
    def play() -> list[JSON]:
        create(api, sampler)
        for number in range(6):  # three startup trials, and three that models draw
            trial = suggest(api, **({"fixed": {"batch": 32, "n": 5}} if number % 3 == 1 else {}))
            complete(api, STUDY_NAME, number, trial["params"]["x"])
        played = [trial["params"] for trial in list_trials(api)]
        assert api.delete(STUDY_URL).status_code == 204
        return played

    assert play() == play()


# Without duplicates --------------------------------------------------------------------------


def end_all(api: APIClient, call: str = "complete") -> None:
    for trial in list_trials(api):
        if trial["state"] == "RUNNING":
            body = {"values": 1} if call == "complete" else {}
            trial_action(api, trial["trial_id"], call, **body)


@pytest.mark.parametrize("sampler", BOTH_WAYS)
def test_points_with_the_fixed_values_are_suggested_once(api: APIClient, sampler: str) -> None:
    create(api, sampler, search_space=GRID, duplicates="avoid", max_retries=1)
    fixed = {"batch": 16}
    trials = suggest_batch(api, 5, fixed=fixed)  # fewer, as of a whole space
    assert sorted(each["params"]["n"] for each in trials) == [1, 2]
    response = post_suggest(api, fixed=fixed)
    assert_try_later(response, "budget_in_flight")
    assert "all points" in response.json()["detail"]
    trial_action(api, 0, "fail", infeasible=True)
    trial_action(api, 1, "fail")
    again = suggest(api, fixed=fixed)  # at the point of the one that failed
    assert again["params"] == trials[1]["params"]
    end_all(api)
    for url, body in ((URL, {}), (BATCH_URL, {"count": 2})):
        response = api.post(url, body | {"fixed": fixed})
        assert_refused(response, 409, "fixed_values_exhausted")
    others = [suggest(api)["params"] for _ in range(4)]
    assert {(each["batch"], each["n"]) for each in others} == {
        (b, n) for b in (32, 64) for n in (1, 2)
    }
    end_all(api)
    assert_study_completed(api, "space_exhausted")
    assert_schemas_agree(STUDY_NAME)


@pytest.mark.parametrize("sampler", BOTH_WAYS)
def test_point_that_is_fixed_as_a_whole_is_repeated(api: APIClient, sampler: str) -> None:
    create(api, sampler, search_space=GRID, duplicates="avoid")
    point = {"batch": 16, "n": 2}
    for _ in range(3):
        assert suggest(api, fixed=point)["params"] == point
    queue(api, {"n": 2})
    assert suggest(api, fixed={"batch": 16})["trial_id"] == 3  # as of the queue
    assert [suggest(api, fixed={"batch": 16})["params"]] == [{"batch": 16, "n": 1}]
    assert_schemas_agree(STUDY_NAME)


def test_values_of_an_infinite_space_are_drawn_again(api: APIClient) -> None:
    create(api, "tpe", duplicates="avoid")
    fixed = {"batch": 16, "x": 0.5, "c": "a"}
    trials = suggest_batch(api, 25, fixed=fixed)
    assert len(trials) == 25  # a space without end is not watched part by part
    assert all(trial["params"] | fixed == trial["params"] for trial in trials)
    assert_schemas_agree(STUDY_NAME)


# Any space -----------------------------------------------------------------------------------

NUMBERS = st.lists(st.integers(-50, 50), min_size=1, max_size=6, unique=True).map(sorted)
PARAMETERS = st.one_of(
    NUMBERS.map(lambda values: {"type": "ordinal", "values": values}),
    st.lists(
        st.sampled_from(["a", "", 1, 2.5, True, None, -7]),
        min_size=1,
        unique_by=lambda choice: choice if choice is not True else 1,
    ).map(lambda choices: {"type": "categorical", "choices": choices}),
    st.integers(1, 20).map(lambda n: {"type": "int", "low": n, "high": 3 * n, "log": True}),
    st.integers(1, 9).map(lambda n: {"type": "int", "low": -n, "high": 5 * n, "step": n}),
    st.floats(-1e6, 1e6).map(lambda x: {"type": "float", "low": x, "high": x + 1e3}),
    st.floats(1e-6, 1e6).map(lambda x: {"type": "float", "low": x, "high": 9 * x, "log": True}),
    st.integers(1, 9).map(lambda n: {"type": "float", "low": 0.0, "high": n / 10, "step": 0.1}),
    st.floats(-1e6, 1e6).map(lambda x: {"type": "float", "low": x, "high": x}),
)


@repeatable_examples(12)
@given(
    parameters=st.lists(PARAMETERS, min_size=1, max_size=5),
    sampler=st.sampled_from(INSTALLED),
    avoids=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_values_can_be_fixed(
    api: APIClient, parameters: list[JSON], sampler: str, avoids: bool, seed: int
) -> None:
    Study.objects.all().delete()
    named = [{"name": f"p{index}", **each} for index, each in enumerate(parameters)]
    kind = SAMPLERS[sampler]
    assume(kind.fault_of_study(StudyTraits(SearchSpace(named), 1, 0, kind.complete({}))) is None)
    duplicates = "avoid" if avoids else "allow"
    create(api, sampler, search_space=named, duplicates=duplicates)
    space, rng = SearchSpace(named), random.Random(seed)
    like = suggest(api)["params"]  # valid values
    for number in range(1, 6):
        fixed = {name: value for name, value in like.items() if rng.random() < 0.5}
        response = post_suggest(api, fixed=fixed)
        if avoids and response.status_code in (409, 429):
            code = response.json()["code"]
            assert code in ("budget_in_flight", "fixed_values_exhausted", "study_completed")
            break
        assert response.status_code == 200, response.content
        params = response.json()["params"]
        assert repr({name: params[name] for name in fixed}) == repr(fixed)
        assert list(params) == [each["name"] for each in named]
        assert space.faults(params) == []
        complete(api, STUDY_NAME, number, rng.random())
        like = params
    assert_schemas_agree(STUDY_NAME)
