"""Studies that begin with the best trials of earlier ones."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from studies.models import Study
from tests.support.api_client import assert_schemas_agree
from trials.models import Trial

pytestmark = pytest.mark.django_db(transaction=True)

JSON = dict[str, Any]
STUDIES = "/api/v1/studies"
X = {"type": "float", "name": "x", "low": 0.0, "high": 10.0}
N = {"type": "int", "name": "n", "low": 1, "high": 9}
KIND = {"type": "categorical", "name": "kind", "choices": ["a", "b"]}


def create(api: APIClient, name: str, status: int = 201, **more: Any) -> JSON:
    body = {"name": name, "direction": "minimize", "search_space": [X, N], "sampler": "random"}
    response = api.post(STUDIES, body | more)
    assert response.status_code == status, response.content
    return response.json()


def record(api: APIClient, study: str, value: Any, **params: Any) -> None:
    body = {"params": params, "state": "COMPLETE", "values": value}
    response = api.post(f"{STUDIES}/{study}/trials", body)
    assert response.status_code == 201, response.content


def trials(api: APIClient, study: str) -> list[JSON]:
    return api.get(f"{STUDIES}/{study}/trials").json()


def fill(api: APIClient, name: str = "old-1", n: int = 5, **more: Any) -> None:
    """Create a study whose trial k has the value |k - 2|, so that the trial 2 is best."""
    create(api, name, **more)
    for k in range(n):
        record(api, name, abs(k - 2), x=float(k), n=k + 1)


def test_best_trials_are_queued(api: APIClient) -> None:
    fill(api)
    study = create(api, "new", warm_start={"from": ["old-*"], "top": 3})
    assert study["trial_counts"]["WAITING"] == 3
    queued = trials(api, "new")
    assert [each["params"] for each in queued] == [
        {"x": 2.0, "n": 3},
        {"x": 1.0, "n": 2},
        {"x": 3.0, "n": 4},
    ]
    assert queued[0]["user_attrs"] == {"warm_start": {"study_name": "old-1", "trial_id": 2}}
    first = api.post(f"{STUDIES}/new/trials/suggest").json()
    assert (first["trial_id"], first["params"]) == (0, {"x": 2.0, "n": 3})
    assert_schemas_agree("new")


def test_best_trials_are_recorded(api: APIClient) -> None:
    fill(api)
    warm_start = {"from": ["old-1"], "top": 2, "mode": "record"}
    study = create(api, "new", warm_start=warm_start)
    assert study["trial_counts"]["COMPLETE"] == 2
    assert (study["best_value"], study["best_params"]) == (0, {"x": 2.0, "n": 3})
    assert [each["values"] for each in trials(api, "new")] == [[0], [1]]
    assert_schemas_agree("new")


@pytest.mark.parametrize("sampler", ["auto", "tpe", "nsgaii"])
def test_samplers_learn_from_recorded_trials(api: APIClient, sampler: str) -> None:
    fill(api, n=8)
    create(api, "new", sampler=sampler, warm_start={"from": ["old-1"], "mode": "record"})
    recorded = Trial.objects.filter(study__name="new").first()
    assert ("NSGAIISampler:generation" in recorded.system_attrs) == (sampler == "nsgaii")
    assert api.post(f"{STUDIES}/new/trials/suggest").status_code == 200
    assert_schemas_agree("new")


def test_best_of_several_studies_are_merged(api: APIClient) -> None:
    for name, value in (("old-1", 3), ("old-2", 1), ("other", 0)):
        create(api, name, direction="maximize")
        record(api, name, value, x=float(value), n=1)
        record(api, name, value - 5, x=9.0, n=9)
    create(api, "new", direction="maximize", warm_start={"from": ["old-*"]})
    assert [each["params"]["x"] for each in trials(api, "new")] == [3.0, 1.0, 9.0]  # 9.0 once


def test_what_lies_in_the_space_is_taken(api: APIClient) -> None:
    fill(api)
    narrower = X | {"high": 1.5}
    create(api, "narrow", search_space=[narrower, KIND], warm_start={"from": ["old-1"]})
    assert [each["params"] for each in trials(api, "narrow")] == [{"x": 1.0}, {"x": 0.0}]
    suggested = api.post(f"{STUDIES}/narrow/trials/suggest").json()["params"]
    assert suggested["x"] == 1.0
    assert suggested["kind"] in ("a", "b")
    create(
        api,
        "recorded",
        search_space=[X, N, KIND],
        warm_start={"from": ["old-1"], "mode": "record"},
    )
    assert trials(api, "recorded") == []  # they have no `kind`


def test_infeasible_trials_are_left_out(api: APIClient) -> None:
    create(api, "old-1", constraints=["memory"])
    for x, memory in ((1.0, 2), (2.0, -1)):
        body = {"params": {"x": x, "n": 1}, "state": "COMPLETE", "values": x}
        response = api.post(f"{STUDIES}/old-1/trials", body | {"constraints": {"memory": memory}})
        assert response.status_code == 201, response.content
    create(api, "new", constraints=["memory"], warm_start={"from": ["old-1"], "mode": "record"})
    (recorded,) = trials(api, "new")
    assert (recorded["params"]["x"], recorded["constraints"]) == (2.0, {"memory": -1})


def test_front_of_several_objectives_is_taken(api: APIClient) -> None:
    directions = ["minimize", "minimize"]
    create(api, "old-1", direction=directions)
    for x, values in ((1.0, [1, 3]), (2.0, [2, 2]), (3.0, [3, 3])):
        record(api, "old-1", values, x=x, n=1)
    create(api, "new", direction=directions, warm_start={"from": ["*"], "mode": "record"})
    assert [each["values"] for each in trials(api, "new")] == [[1, 3], [2, 2]]
    assert len(api.get(f"{STUDIES}/new/pareto").json()) == 2


def test_pattern_without_studies_adds_nothing(api: APIClient) -> None:
    study = create(api, "new", warm_start={"from": ["old-*"]})
    assert study["trial_counts"]["WAITING"] == 0
    create(api, "other", direction="maximize", warm_start={"from": ["*"]})
    assert trials(api, "other") == []


@pytest.mark.parametrize(
    ("warm_start", "detail"),
    [
        ({"from": ["old-1", "missing"]}, 'warm_start: there is no study "missing"'),
        ({"from": ["upwards"]}, "warm_start: study \"upwards\" has the directions ['maximize']"),
        ({"from": []}, "/warm_start/from: "),
        ({"from": ["a"] * 21}, "/warm_start/from: "),
        ({}, "/warm_start/from: "),
        ({"from": "old-1"}, "/warm_start/from: "),
        ({"from": ["old-1"], "top": 0}, "/warm_start/top: "),
        ({"from": ["old-1"], "top": 1001}, "/warm_start/top: "),
        ({"from": ["old-1"], "mode": "copy"}, "/warm_start/mode: "),
        ({"from": ["old-1"], "studies": ["old-1"]}, "/warm_start/studies: "),
    ],
)
def test_bad_request_stores_nothing(api: APIClient, warm_start: JSON, detail: str) -> None:
    fill(api)
    create(api, "upwards", direction="maximize")
    problem = create(api, "new", status=400, warm_start=warm_start)
    assert problem["detail"].startswith(detail)
    assert problem["errors"][0]["pointer"].startswith("/warm_start")
    assert not Study.objects.filter(name="new").exists()


def test_too_many_trials_store_no_study(api: APIClient) -> None:
    fill(api)
    problem = create(api, "new", status=409, max_trials=2, warm_start={"from": ["old-1"]})
    assert problem["code"] == "max_trials_exceeded"
    assert not Study.objects.filter(name="new").exists()
    assert create(api, "new", max_trials=2)["n_trials"] == 0
    assert_schemas_agree("new")


def test_existing_study_is_loaded_without_it(api: APIClient) -> None:
    fill(api)
    warm_start = {"from": ["old-1"], "top": 1}
    create(api, "new", warm_start=warm_start)
    assert create(api, "new", status=200, warm_start=warm_start)["n_trials"] == 1
    create(api, "new", status=200, warm_start={"from": ["missing"]})
