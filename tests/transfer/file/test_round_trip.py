"""Export, import and export again returns the same bytes."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from studies.models import Study
from tests.support import JSON
from tests.support.api_client import (
    STUDIES,
    add_trials,
    assert_refused,
    assert_schemas_agree,
    complete,
    create_study,
    get_study,
    list_trials,
    post_suggest,
    prune,
    start_trial,
    suggest,
    trial_action,
)
from tests.support.database import move_leases_into_past
from tests.support.transfer_files import (
    delete_study,
    export_study,
    import_file,
    parsed_lines,
    random_study_file,
)
from trials.models import Trial

N_RANDOM = 16
MIXED = [
    {"type": "float", "name": "lr", "low": 1e-5, "high": 0.1, "log": True},
    {"type": "float", "name": "dropout", "low": 0.0, "high": 0.3, "step": 0.1},
    {"type": "int", "name": "units", "low": 16, "high": 128, "step": 16},
    {"type": "categorical", "name": "kind", "choices": ["a", 1, 2.5, False]},
]
POINT = {"lr": 0.01, "dropout": 0.1, "units": 32, "kind": False}


@pytest.mark.parametrize("seed", range(N_RANDOM))
def test_random_study_is_byte_identical_after_import(api: APIClient, seed: int) -> None:
    file = random_study_file(seed)
    name = parsed_lines(file)[0]["study_name"]

    import_file(api, file)
    exported = export_study(api, name)

    assert exported == file
    assert_schemas_agree(name)
    delete_study(api, name)
    import_file(api, exported)
    assert export_study(api, name) == file


# Studies that were played ------------------------------------------------------------------


def play(api: APIClient) -> None:
    """A study with trials in every state, retries, leases, steps and attributes."""
    create_study(
        api,
        search_space=MIXED,
        direction="minimize",
        sampler_options={"seed": 3, "n_startup_trials": 4},
        pruner="hyperband",
        pruner_options={"min_resource": 1, "max_resource": 9},
        duplicates="avoid",
        constraints=["memory", "größe"],
        user_attrs={"team": {"": [1, 2.0, 10**30]}},
        max_retries=2,
        max_trials=100,
        lease_seconds=60,
    )
    for step in range(8):
        number = start_trial(api, worker_id=f"w{step}")
        trial_action(api, number, "report", values={"1": step / 3, "3": None})
        limits = {"memory": step - 6.5, "größe": -0.0}
        complete(api, "search", number, (step - 3) ** 2 / 7, constraints=limits)
    prune(api, "search", start_trial(api))
    trial_action(api, start_trial(api), "fail", reason="diverged", retry=True)
    start_trial(api, worker_id="late")
    move_leases_into_past()
    start_trial(api, worker_id="next")
    start_trial(api, worker_id="last", lease_seconds=30)
    add_trials(api, {"params": {"lr": 0.02}, "priority": 3, "user_attrs": {"by": "hand"}})
    add_trials(api, {"params": POINT})
    add_trials(
        api,
        {
            "params": POINT | {"units": 64},
            "state": "PRUNED",
            "intermediate_values": {"1": 0.5, "2": None},
        },
    )
    cancelled = add_trials(api, {"params": POINT | {"units": 48}})["trial_id"]
    api.delete(f"{STUDIES}/search/trials/{cancelled}")
    api.post(f"{STUDIES}/search/pause", {"reason": "lunch"})


NOT_MOVED = ("id", "revision", "front_revision", "seen_at", "n_consecutive_failures")


def columns() -> tuple[JSON, list[JSON], list[JSON]]:
    """The study and its trials as they are stored, but for ids, revisions and what only runs need.

    Heartbeats leave `next_lease_expiry` behind; an import finds it anew.
    """
    study: JSON = {**Study.objects.values().get()}
    expiry = study.pop("next_lease_expiry")
    leases = Trial.objects.filter(state="RUNNING").values_list("lease_expires_at", flat=True)
    assert expiry is None or expiry <= min(leases)
    rows = [
        {key: value for key, value in row.items() if key not in ("study_id", *NOT_MOVED)}
        for row in Trial.objects.order_by("number").values()
    ]
    steps = [trial.intermediate_values for trial in Trial.objects.order_by("number")]
    return {k: v for k, v in study.items() if k not in NOT_MOVED}, rows, steps


def test_played_study_is_restored(api: APIClient) -> None:
    play(api)
    before, file = columns(), export_study(api)
    states = {trial["state"] for trial in parsed_lines(file)[1:-1]}
    assert states == {"WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAIL"}
    shown = get_study(api), list_trials(api)
    delete_study(api)

    answer = import_file(api, file)

    assert answer == {
        "dry_run": False,
        "studies": [
            {
                "study_name": "search",
                "imported_as": "search",
                "outcome": "created",
                "n_trials": len(shown[1]),
            }
        ],
    }
    assert repr(columns()) == repr(before)
    study, listed = get_study(api), list_trials(api)
    assert study | {"study_id": 0} == shown[0] | {"study_id": 0}
    assert listed == [each | {"study_id": study["study_id"]} for each in shown[1]]
    assert_schemas_agree()
    assert export_study(api) == file


def test_imported_study_continues_like_the_original(api: APIClient) -> None:
    def go_on() -> list[Any]:
        assert assert_refused(post_suggest(api), 409, "study_paused")["reason"] == "lunch"
        api.post(f"{STUDIES}/search/resume")
        held, *others = suggest(api, worker_id="last"), *(suggest(api) for _ in range(6))
        assert held["reoffered"]
        return [(each["trial_id"], each["params"], each["retry_of"]) for each in (held, *others)]

    play(api)
    file = export_study(api)
    expected = go_on()
    delete_study(api)

    import_file(api, file)

    assert go_on() == expected
    assert_schemas_agree()


@pytest.mark.parametrize("n_objectives", [1, 2, 3])
def test_best_and_front_are_recomputed(api: APIClient, n_objectives: int) -> None:
    direction = ["minimize", "maximize", "minimize"][:n_objectives]
    n = 600 if n_objectives == 3 else 100  # more than are written at once
    create_study(api, direction=direction, sampler="random", constraints=["c"])
    add_trials(
        api,
        [
            {
                "params": {"x": k / n},
                "state": "COMPLETE",
                "values": [(k * 37 % 11) / 2, -(k % 7), k % 3][:n_objectives],
                "constraints": {"c": k % 5 - 3},
            }
            for k in range(n)
        ],
    )
    before, file = columns(), export_study(api)
    front = api.get(f"{STUDIES}/search/pareto").json()
    delete_study(api)

    import_file(api, file)

    assert repr(columns()) == repr(before)
    assert api.get(f"{STUDIES}/search/pareto").json() == front


# Samplers ------------------------------------------------------------------------------------


def loss(params: JSON) -> float:
    return (params["x"] - 0.3) ** 2


def go_on(api: APIClient, n: int) -> list[JSON]:
    """Play n trials; gives their parameters."""
    points = []
    for _ in range(n):
        trial = suggest(api)
        complete(api, "search", trial["trial_id"], loss(trial["params"]))
        points.append(trial["params"])
    return points


@pytest.mark.parametrize(
    ("sampler", "options"),
    [
        ("tpe", {"n_startup_trials": 5}),
        ("random", {}),
        ("nsgaii", {"population_size": 4}),
        ("qmc", {"scramble": True}),
    ],
)
def test_sampler_continues_like_the_original(
    api: APIClient, sampler: str, options: dict[str, Any]
) -> None:
    create_study(api, sampler=sampler, sampler_options={"seed": 5, **options}, direction="minimize")
    add_trials(api, {"params": {"x": 0.9}})
    go_on(api, 9)
    file = export_study(api)
    expected = go_on(api, 6)
    delete_study(api)
    create_study(api, name="other")  # so that ids differ
    start_trial(api, "other")

    import_file(api, file)

    assert go_on(api, 6) == expected
    assert_schemas_agree()


def test_nsgaii_parents_are_exported_by_number(api: APIClient) -> None:
    create_study(api, sampler="nsgaii", sampler_options={"seed": 5, "population_size": 3})
    go_on(api, 11)
    file = export_study(api)
    noted = {
        key: value
        for line in parsed_lines(file)[1:-1]
        for key, value in (line["study_attrs"] or {}).items()
    }
    assert {key: len(value) for key, value in noted.items()} == {
        f"NSGAIISampler:parent:{generation}": 3 for generation in (1, 2, 3)
    }
    assert all(0 <= number < 11 for value in noted.values() for number in value)
    delete_study(api)

    import_file(api, file)

    ids = dict(Trial.objects.values_list("number", "id"))
    attrs = [attrs for attrs in Trial.objects.values_list("study_attrs", flat=True) if attrs]
    assert {key: value for each in attrs for key, value in each.items()} == {
        key: [ids[number] for number in value] for key, value in noted.items()
    }
    assert_schemas_agree()
