"""Clones: what is copied, which trials fit the new search space, and samplers that use them."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from rest_framework.test import APIClient

from studies.models import Study
from tests.support import JSON
from tests.support.api_client import (
    STUDIES,
    STUDY_URL,
    add_trials,
    assert_refused,
    assert_schemas_agree,
    create_study,
    get_study,
    invalid_pointers,
    list_trials,
    post_suggest,
    start_trial,
    study_state,
    suggest,
)
from tests.support.database import call_and_close_connection, recorded_statements
from tests.support.memory import peak_memory
from tests.support.sample_studies import CLONED_SPACE, create_study_to_clone
from tests.support.study_builders import add_trial_rows
from tests.support.transfer_files import clone_study
from transfer.domain import trial_writer
from trials.queries import chunks

CLONE_URL = f"{STUDY_URL}/clone"


def test_clone_copies_what_is_not_given(api: APIClient) -> None:
    create_study_to_clone(
        api,
        direction="minimize",
        sampler="tpe",
        sampler_options={"seed": 7, "n_startup_trials": 3},
        pruner="median",
        pruner_options={"n_warmup_steps": 2},
        duplicates="avoid",
        user_attrs={"team": {"": 1.0}},
        max_trials=50,
        max_failures=9,
        target_value=-1,
        deadline="2100-01-01T00:00:00+00:00",
        lease_seconds=60,
        max_retries=2,
    )
    start_trial(api)
    add_trials(api, {"params": {"x": 0.5}})
    api.post(f"{STUDIES}/search/pause", {"reason": "lunch"})

    answer = clone_study(api)

    study, original = get_study(api, "clone"), get_study(api)
    own = {"study_id", "study_name", "datetime_start", "n_trials", "trial_counts"}
    own |= {"state", "state_reason", "state_history"}
    assert {key: value for key, value in study.items() if key not in own} == {
        key: value for key, value in original.items() if key not in own
    }
    assert (study["state"], study["state_reason"], study["state_history"]) == ("ACTIVE", None, [])
    assert answer == study | {"n_trials_kept": 14, "n_trials_left_out": 0}


def test_kept_trials_are_unchanged(api: APIClient) -> None:
    create_study_to_clone(api, direction="minimize", duplicates="avoid")

    clone_study(api)

    clone = {"study_name": "clone", "study_id": get_study(api, "clone")["study_id"]}
    assert list_trials(api, "clone") == [trial | clone for trial in list_trials(api)]
    best = api.get(f"{STUDIES}/search/best").json()
    best_of_clone = api.get(f"{STUDIES}/clone/best").json()
    assert best_of_clone["params"] == best["params"]
    assert get_study(api, "clone")["trial_counts"] == {
        "WAITING": 0,
        "RUNNING": 0,
        "COMPLETE": 10,
        "PRUNED": 1,
        "FAIL": 1,
    }
    assert start_trial(api, "clone") == 12


def test_trials_outside_the_new_space_are_left_out(api: APIClient) -> None:
    create_study_to_clone(api)
    space = [
        {"type": "categorical", "name": "c", "choices": [1, "a", "new"]},
        {"type": "float", "name": "x", "low": 0.25, "high": 2.0},
    ]
    fitting = [
        trial["params"]
        for trial in list_trials(api)
        if trial["state"] != "FAIL"
        and trial["params"]["c"] is not False
        and trial["params"]["x"] >= 0.25
    ]
    assert 0 < len(fitting) < 11

    answer = clone_study(api, search_space=space)

    assert (answer["n_trials_kept"], answer["n_trials_left_out"]) == (
        len(fitting),
        12 - len(fitting),
    )
    assert [list(trial["params"].items()) for trial in list_trials(api, "clone")] == [
        [("c", params["c"]), ("x", params["x"])] for params in fitting
    ]


def test_trials_lack_a_new_parameter(api: APIClient) -> None:
    create_study_to_clone(api)
    answer = clone_study(
        api, search_space=[*CLONED_SPACE, {"type": "int", "name": "new", "low": 0, "high": 1}]
    )
    assert (answer["n_trials_kept"], answer["n_trials_left_out"]) == (0, 12)
    assert set(suggest(api, "clone")["params"]) == {"x", "n", "c", "new"}


def test_clone_may_have_no_trials(api: APIClient) -> None:
    create_study_to_clone(api)
    answer = clone_study(api, trials=False)
    assert (answer["n_trials"], answer["n_trials_kept"], answer["n_trials_left_out"]) == (0, 0, 12)


def test_constraints_and_directions_are_kept(api: APIClient) -> None:
    create_study(
        api,
        direction=["minimize", "maximize"],
        constraints=["größe", "b"],
        pruner="median",
        pruning_direction="maximize",
    )
    for x in (0.25, 0.5, 0.75):
        constraints = {"b": -1, "größe": x - 0.6}
        add_trials(
            api,
            {
                "params": {"x": x},
                "state": "COMPLETE",
                "values": [x, x],
                "constraints": constraints,
            },
        )

    clone_study(api, sampler="random")

    shown = [trial["constraints"] for trial in list_trials(api, "clone")]
    assert shown == [trial["constraints"] for trial in list_trials(api)]
    study = get_study(api, "clone")
    assert (study["direction"], study["constraints"]) == (
        ["minimize", "maximize"],
        ["größe", "b"],
    )
    assert (study["pruner"], study["pruning_direction"]) == ("median", "maximize")
    front = api.get(f"{STUDIES}/clone/pareto").json()
    assert [trial["trial_id"] for trial in front] == [0, 1]


# What is changed -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sampler", "expected"),
    [
        ({"sampler_options": {"seed": 8}}, "tpe", {"seed": 8, "n_startup_trials": 3}),
        ({"sampler_options": {"n_startup_trials": None}}, "tpe", {"seed": 7}),
        ({"sampler": "tpe"}, "tpe", {"seed": 7, "n_startup_trials": 3}),
        ({"sampler": "random"}, "random", {"seed": None}),
        ({"sampler": "nsgaii", "sampler_options": {"seed": 1}}, "nsgaii", {"seed": 1}),
    ],
)
def test_options_default_to_those_of_the_same_sampler(
    api: APIClient, changes: JSON, sampler: str, expected: JSON
) -> None:
    options = {"seed": 7, "n_startup_trials": 3, "n_ei_candidates": 9}
    create_study(api, sampler="tpe", sampler_options=options)

    study = clone_study(api, **changes)

    assert study["sampler"] == sampler
    found = study["sampler_options"]
    assert {key: found[key] for key in expected} == expected
    if sampler == "tpe":
        assert found["n_ei_candidates"] == 9


def test_budgets_may_be_changed_and_removed(api: APIClient) -> None:
    create_study(api, max_trials=5, max_failures=2, lease_seconds=60, user_attrs={"a": 1})
    study = clone_study(
        api,
        max_trials=None,
        max_failures=3,
        max_concurrent=4,
        lease_seconds=None,
        max_retries=1,
        user_attrs={"b": 2},
        duplicates="avoid",
        pruner="none",
    )
    expected = {
        "max_trials": None,
        "max_failures": 3,
        "max_concurrent": 4,
        "lease_seconds": None,
        "max_retries": 1,
        "user_attrs": {"b": 2},
        "duplicates": "avoid",
        "pruner": "none",
        "pruner_options": {},
    }
    assert {key: study[key] for key in expected} == expected


def test_kept_trials_count_against_the_budget(api: APIClient) -> None:
    create_study_to_clone(api, max_trials=12)

    problem = assert_refused(
        api.post(CLONE_URL, {"name": "clone", "max_trials": 11}), 409, "max_trials_exceeded"
    )

    assert problem["detail"] == (
        "max_trials is 11, and 11 trials are kept: "
        "give a larger max_trials, null for none, or trials: false"
    )
    assert_refused(api.get(f"{STUDIES}/clone"), 404, "study_not_found")
    clone_study(api)  # one of 12 failed, and does not count
    assert start_trial(api, "clone") == 12
    assert_refused(post_suggest(api, "clone"), 429, "budget_in_flight")


def test_target_that_a_kept_trial_reached_is_refused(api: APIClient) -> None:
    create_study_to_clone(api, direction="minimize")
    body = {"name": "clone", "target_value": 1e9}

    problem = assert_refused(api.post(CLONE_URL, body), 409, "budget_used_up")

    assert problem["detail"] == (
        "a kept trial has reached target_value, 1000000000.0: "
        'give another one, "target_value": null, or trials: false'
    )
    assert_refused(api.get(f"{STUDIES}/clone"), 404, "study_not_found")
    clone_study(api, target_value=1e9, trials=False)
    assert study_state(api, "clone") == ("ACTIVE", None)


@pytest.mark.parametrize("with_trials", [True, False])
def test_deadline_that_has_passed_is_refused(api: APIClient, with_trials: bool) -> None:
    create_study(api, deadline="2020-01-01T00:00:00+00:00")
    body = {"name": "clone", "trials": with_trials}

    problem = assert_refused(api.post(CLONE_URL, body), 409, "budget_used_up")

    assert problem["detail"] == (
        "the deadline, 2020-01-01T00:00:00+00:00, has passed: "
        'give another one, or "deadline": null for none'
    )
    assert_refused(api.get(f"{STUDIES}/clone"), 404, "study_not_found")
    assert clone_study(api, deadline=None)["state"] == "ACTIVE"
    later = "2100-01-01T00:00:00+00:00"
    assert clone_study(api, name="other", deadline=later)["deadline"] == later


# Refusals ------------------------------------------------------------------------------------


def test_clone_of_a_taken_name_is_refused(api: APIClient) -> None:
    create_study(api)
    assert_refused(api.post(CLONE_URL, {"name": "search"}), 409, "study_exists")


def test_clone_of_an_unknown_study_is_refused(api: APIClient) -> None:
    assert_refused(api.post(CLONE_URL, {"name": "clone"}), 404, "study_not_found")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/name"),
        ({"name": "a/b"}, "/name"),
        ({"sampler": "asha"}, "/sampler"),
        ({"sampler_options": {"population_size": 3}}, "/sampler_options/population_size"),
        ({"search_space": []}, "/search_space"),
        ({"search_space": [CLONED_SPACE[0], CLONED_SPACE[0]]}, "/search_space"),
        ({"direction": "minimize"}, "/direction"),
        ({"constraints": []}, "/constraints"),
        ({"trials": "no"}, "/trials"),
        ({"max_trials": 0}, "/max_trials"),
    ],
)
def test_invalid_clone_is_refused(api: APIClient, body: JSON, pointer: str) -> None:
    create_study(api)
    named = body if pointer == "/name" else {"name": "clone", **body}
    assert invalid_pointers(api.post(CLONE_URL, named)) == [pointer]


# Bounds and races ----------------------------------------------------------------------------


def test_statements_grow_by_chunks_and_not_by_trials(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_writer, "CHUNK", 10)
    monkeypatch.setattr(chunks, "CHUNK", 10)
    monkeypatch.setattr(trial_writer.TrialWriter, "_plan_anew", lambda self: None)
    create_study(api)
    counts = []
    for n in (10, 20, 100):
        more = n - get_study(api)["n_trials"]
        add_trials(api, [{"params": {"x": 0.5}, "state": "COMPLETE", "values": 1}] * more)
        with recorded_statements() as statements:
            clone_study(api, name=f"clone {n}")
        counts.append(len(statements))
    step = counts[1] - counts[0]
    assert step <= 6  # one of them for notes and links
    assert counts[2] - counts[0] == 9 * step


def test_clone_of_large_trials_is_read_and_written_in_small_pieces(
    api: APIClient, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_study(api)
    n, size = 40, 500_000
    row = {"state": "FAIL", "user_attrs": {"a": "x" * size}}
    add_trial_rows(Study.objects.get(), [row] * n)
    settings.MAX_PAGE_BYTES = 2**20
    monkeypatch.setattr(trial_writer, "MAX_BYTES", 2**20)

    peak = peak_memory(lambda: clone_study(api))

    assert get_study(api, "clone")["n_trials"] == n
    assert peak < n * size / 2


@pytest.mark.django_db(transaction=True)
def test_concurrent_clones_give_one_the_name(api: APIClient) -> None:
    create_study_to_clone(api)
    gate = Barrier(2)

    def send() -> int:
        gate.wait(30)
        return int(api.post(CLONE_URL, {"name": "clone"}).status_code)

    with ThreadPoolExecutor() as pool:
        racing = [pool.submit(call_and_close_connection, send) for _ in range(2)]
    assert sorted(each.result() for each in racing) == [201, 409]
    assert_schemas_agree("clone")
    assert get_study(api, "clone")["n_trials"] == 12
