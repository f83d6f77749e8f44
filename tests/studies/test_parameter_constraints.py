"""Constraints between parameters in requests: creation, comparison, the queue, files, clones."""

from typing import Any

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from studies.models import Study
from tests.support import JSON
from tests.support.api_client import (
    STUDY_URL,
    TRIALS_URL,
    add_trials,
    assert_refused,
    assert_schemas_agree,
    complete,
    create_study,
    get_study,
    invalid_pointers,
    list_trials,
    post_study,
    post_suggest,
    study_state,
    suggest,
    suggest_batch,
)
from tests.support.transfer_files import clone_study, delete_study, export_study, import_file

SPACE: list[JSON] = [
    {"type": "int", "name": "layers", "low": 1, "high": 8},
    {"type": "ordinal", "name": "width", "values": [16, 32, 64, 128]},
    {"type": "float", "name": "x", "low": 0.0, "high": 1.0},
    {"type": "categorical", "name": "kind", "choices": ["a", "b"]},
]
TEXTS = ["layers * width <= 128", "x<0.5"]
PARAMS = {"layers": 2, "width": 64, "x": 0.25, "kind": "a"}

PARAMS_TO_QUEUE = {"params": {key: PARAMS[key] for key in ("layers", "width", "x")}}


def create(api: APIClient, **more: Any) -> JSON:
    return create_study(api, **{"search_space": SPACE, "parameter_constraints": TEXTS} | more)


def post(api: APIClient, texts: Any, **more: Any) -> Any:
    return post_study(api, search_space=SPACE, parameter_constraints=texts, **more)


def test_constraints_are_answered_as_given(api: APIClient) -> None:
    assert create(api)["parameter_constraints"] == TEXTS
    assert get_study(api)["parameter_constraints"] == TEXTS
    assert create_study(api, name="other")["parameter_constraints"] == []


@pytest.mark.parametrize(
    ("texts", "pointers"),
    [
        (["x < 1", "y < 1", "kind < 1"], ["/parameter_constraints/1", "/parameter_constraints/2"]),
        (["x < 1", 3], ["/parameter_constraints/1"]),
        (["x < 1" + " " * 1000], ["/parameter_constraints/0"]),
        (["x < 1"] * 101, ["/parameter_constraints"]),
        ("x < 1", ["/parameter_constraints"]),
        (["layers * width > 1024"], ["/parameter_constraints"]),
        (["x < 0.5", "layers > width"], ["/parameter_constraints"]),
        (["-" * 990 + "x"], ["/parameter_constraints/0"]),
    ],
)
def test_wrong_constraints_are_refused(api: APIClient, texts: Any, pointers: list[str]) -> None:
    assert invalid_pointers(post(api, texts)) == pointers
    assert Study.objects.count() == 0


def test_study_is_loaded_by_the_same_constraints(api: APIClient) -> None:
    create(api)
    for texts in ([*reversed(TEXTS)], ["x < 0.50", "`layers`*width <= 128", "x<0.5"]):
        assert post(api, texts).status_code == 200
    assert post_study(api, search_space=SPACE).status_code == 200
    for texts in ([], TEXTS[:1], ["layers * width <= 256", "x < 0.5"], ["$", "x < 0.5"]):
        problem = assert_refused(post(api, texts), 409, "study_conflict")
        assert "parameter_constraints are" in problem["detail"]


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        (PARAMS | {"layers": 8}, "/params/layers"),
        (PARAMS | {"x": 0.5}, "/params/x"),
        ({"layers": 8, "width": 32}, "/params/layers"),
        ({"x": 0.75}, "/params/x"),
    ],
)
def test_queue_results_and_fixed_values_are_checked(
    api: APIClient, params: JSON, pointer: str
) -> None:
    create(api)
    queued = api.post(TRIALS_URL, {"params": params})
    assert invalid_pointers(queued) == [pointer]
    recorded = api.post(TRIALS_URL, {"params": PARAMS | params, "state": "COMPLETE", "values": 1})
    assert invalid_pointers(recorded) == [pointer]
    fixed = post_suggest(api, fixed=params)
    assert invalid_pointers(fixed) == [pointer.replace("params", "fixed")]
    assert get_study(api)["n_trials"] == 0


def test_values_that_no_others_complete_are_refused(api: APIClient) -> None:
    create(api, parameter_constraints=["layers * width <= 100", "x * layers >= 4"])
    problem = api.post(TRIALS_URL, {"params": {"width": 64}})
    assert invalid_pointers(problem) == ["/params/width"]
    assert "no point was found" in problem.json()["errors"][0]["detail"]
    assert suggest(api, fixed={"width": 16})["params"]["width"] == 16


def test_searches_of_a_request_are_limited(api: APIClient) -> None:
    create(api)
    refused = api.post(TRIALS_URL, [{"params": {"x": x / 1000}} for x in range(101)])
    assert "at most 100 of a request" in assert_refused(refused, 400, "invalid")["detail"]
    add_trials(api, [PARAMS_TO_QUEUE] * 101)
    add_trials(api, [{"params": {"kind": "a", "x": 0.1}}] * 100)
    assert get_study(api)["n_trials"] == 201


def test_queued_trials_are_completed_and_passed_over(api: APIClient) -> None:
    create(api)
    add_trials(api, [{"params": {"width": 128}}, {"params": {"layers": 8}}])
    trial = suggest(api, fixed={"width": 16})  # 8 layers of 16
    assert (trial["trial_id"], trial["params"]["layers"]) == (1, 8)
    other = suggest(api, fixed={"layers": 8, "kind": "b"})  # but 8 layers of 128 are too many
    assert other["trial_id"] == 2
    first = suggest(api)
    assert (first["trial_id"], first["params"]["layers"], first["params"]["width"]) == (0, 1, 128)


def test_finite_space_is_exhausted_by_its_feasible_points(api: APIClient) -> None:
    space = [{**each} for each in SPACE if each["name"] != "x"]
    expected = {
        (layers, width, kind)
        for layers in range(1, 9)
        for width in (16, 32, 64, 128)
        for kind in "ab"
        if layers * width <= 64
    }
    for sampler in ("brute_force", "random"):
        create(
            api,
            name=sampler,
            search_space=space,
            parameter_constraints=["layers * width <= 64"],
            sampler=sampler,
            duplicates="avoid",
        )
        found = []
        while get_study(api, sampler)["state"] == "ACTIVE":
            for trial in suggest_batch(api, 5, sampler):
                found.append(tuple(trial["params"].values()))
                complete(api, sampler, trial["trial_id"], 1.0)
        assert len(found) == len(expected)
        assert set(found) == expected
        assert study_state(api, sampler) == ("COMPLETED", "space_exhausted")


def test_grid_without_a_feasible_point_is_refused(api: APIClient) -> None:
    response = post(api, ["0.3 < x < 0.4"], sampler="grid", sampler_options={"n_values": 3})
    assert invalid_pointers(response) == ["/sampler"]


def test_export_and_import_keep_them(api: APIClient) -> None:
    create(api)
    add_trials(api, {"params": {"width": 64}})
    trial = suggest(api)
    assert trial["params"]["width"] == 64
    complete(api, "search", trial["trial_id"], 1.0)
    content = export_study(api)
    delete_study(api)
    import_file(api, content)
    assert export_study(api) == content
    assert get_study(api)["parameter_constraints"] == TEXTS
    assert_schemas_agree()
    delete_study(api)
    broken = content.replace(b'"width":64', b'"width":128').replace(b'"layers":1,', b'"layers":8,')
    response = api.post(
        "/api/v1/studies/import",
        broken.replace(b'"layers":2,', b'"layers":8,'),
        content_type="application/x-ndjson",
    )
    assert response.status_code == 400
    assert Study.objects.count() == 0


def test_clone_keeps_the_trials_that_satisfy_its_constraints(api: APIClient) -> None:
    create(api)
    results = [PARAMS | {"x": x / 20} for x in range(10)]
    add_trials(api, [{"params": each, "state": "COMPLETE", "values": 1} for each in results])
    same = clone_study(api)
    assert (same["parameter_constraints"], same["n_trials_kept"]) == (TEXTS, 10)
    other = clone_study(api, name="other", parameter_constraints=["x < 0.25"])
    assert (other["parameter_constraints"], other["n_trials_kept"]) == (["x < 0.25"], 5)
    without = clone_study(api, name="without", parameter_constraints=[])
    assert (without["parameter_constraints"], without["n_trials_kept"]) == ([], 10)
    narrower = [each for each in SPACE if each["name"] != "x"]
    response = api.post(f"{STUDY_URL}/clone", {"name": "narrower", "search_space": narrower})
    assert invalid_pointers(response) == ["/parameter_constraints/1"]


def test_warm_start_leaves_out_trials_that_violate_them(api: APIClient) -> None:
    create_study(api, name="earlier", search_space=SPACE)
    results = [PARAMS | {"layers": layers} for layers in (1, 2, 3, 4)]
    add_trials(
        api, [{"params": each, "state": "COMPLETE", "values": 1} for each in results], "earlier"
    )
    create(api, warm_start={"from": ["earlier"]})
    assert sorted(each["params"]["layers"] for each in list_trials(api)) == [1, 2]


def test_list_of_trials_takes_any_values(api: APIClient) -> None:
    create(api)
    response = api.get(TRIALS_URL, {"params": '{"layers": 8, "width": 128}'})
    assert (response.status_code, response.json()) == (200, [])


def test_admin_shows_them_and_takes_them_for_a_clone(api: APIClient, admin_client: Any) -> None:
    create(api)
    study = Study.objects.get()
    page = admin_client.get(reverse("admin:studies_study_change", args=[study.pk]))
    assert "<code>layers * width &lt;= 128</code>" in page.content.decode()
    url = reverse("admin:studies_study_clone", args=[study.pk])
    form = admin_client.get(url).context["form"].initial
    assert form["parameter_constraints"] == "layers * width <= 128\nx<0.5"
    posted = form | {"name": "copy", "parameter_constraints": "x < 0.25\r\n\r\n"}
    assert admin_client.post(url, posted).status_code == 302
    assert Study.objects.get(name="copy").parameter_constraints == ["x < 0.25"]
