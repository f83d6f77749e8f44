"""The names of a study's objectives, in answers, pages, plots, files and Optuna's schema."""

import csv
import io
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from access.models.audit_entry import Action, AuditEntry
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
    post_study,
)
from tests.support.optuna_oracle import load_optuna_study
from tests.support.sample_studies import admin_list_url
from tests.support.transfer_files import (
    clone_study,
    delete_study,
    export_study,
    import_file,
    joined_lines,
    parsed_lines,
)

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]

TWO: JSON = {"direction": ["minimize", "maximize"], "metric_names": ["loss", "größe"]}


def add_result(api: APIClient, values: Any) -> None:
    add_trials(api, {"params": {"x": 0.5}, "state": "COMPLETE", "values": values})


def test_names_are_stored_in_both_schemas(api: APIClient) -> None:
    study = create_study(api, **TWO)
    assert study["metric_names"] == ["loss", "größe"]
    assert api.get(STUDIES).json()[0]["metric_names"] == ["loss", "größe"]
    assert load_optuna_study().metric_names == ["loss", "größe"]
    assert_schemas_agree()


def test_study_has_no_names_by_default(api: APIClient) -> None:
    assert create_study(api)["metric_names"] is None
    assert load_optuna_study().metric_names is None


def test_names_are_changed_and_removed(api: APIClient) -> None:
    create_study(api, metric_names=["loss"])
    for names in (["accuracy"], None, ["error"]):
        assert api.patch(STUDY_URL, {"metric_names": names}).json()["metric_names"] == names
        assert load_optuna_study().metric_names == names
        assert_schemas_agree()
    changes = AuditEntry.objects.filter(action=Action.CHANGED).order_by("id")
    assert [entry.details for entry in changes] == [
        {"metric_names": ["accuracy"]},
        {"metric_names": None},
        {"metric_names": ["error"]},
    ]


@pytest.mark.parametrize(
    ("names", "pointer"),
    [
        ("loss", "/metric_names"),
        ([], "/metric_names"),
        (["a"], "/metric_names"),
        (["a", "b", "c"], "/metric_names"),
        (["a", "a"], "/metric_names"),
        (["a", ""], "/metric_names/1"),
        (["a", 1], "/metric_names/1"),
        (["a", None], "/metric_names/1"),
        (["a", "b" * 257], "/metric_names/1"),
    ],
)
def test_invalid_names_are_refused(api: APIClient, names: Any, pointer: str) -> None:
    assert invalid_pointers(post_study(api, **TWO | {"metric_names": names})) == [pointer]
    create_study(api, **TWO)
    assert invalid_pointers(api.patch(STUDY_URL, {"metric_names": names})) == [pointer]
    assert get_study(api)["metric_names"] == ["loss", "größe"]


def test_loading_compares_given_names_with_current_and_first(api: APIClient) -> None:
    create_study(api, metric_names=["loss"])
    api.patch(STUDY_URL, {"metric_names": ["error"]})
    for given in (
        {},
        {"metric_names": None},
        {"metric_names": ["loss"]},
        {"metric_names": ["error"]},
    ):
        assert post_study(api, **given).status_code == 200
    problem = assert_refused(post_study(api, metric_names=["x"]), 409, "study_conflict")
    assert "metric_names are ['error'], not ['x']" in problem["detail"]


def test_names_move_with_the_study(api: APIClient) -> None:
    create_study(api, **TWO)
    add_result(api, [1, 2])
    assert clone_study(api)["metric_names"] == ["loss", "größe"]
    assert clone_study(api, name="other", metric_names=None)["metric_names"] is None
    file = export_study(api)
    delete_study(api)
    import_file(api, file)
    assert export_study(api) == file
    assert load_optuna_study().metric_names == ["loss", "größe"]
    assert_schemas_agree()


def test_names_of_an_older_file_are_taken_from_its_trials(api: APIClient) -> None:
    create_study(api)
    add_result(api, 1)
    lines = parsed_lines(export_study(api))
    delete_study(api)
    del lines[0]["metric_names"]
    lines[1]["study_attrs"] = {"study:metric_names": ["loss"]}

    import_file(api, joined_lines(lines))

    assert get_study(api)["metric_names"] == ["loss"]
    assert load_optuna_study().metric_names == ["loss"]
    assert_schemas_agree()
    file = export_study(api)
    delete_study(api)
    import_file(api, file)
    assert export_study(api) == file


def test_best_has_the_names(api: APIClient) -> None:
    create_study(api, **TWO)
    add_result(api, [1, 2])
    best = api.get(f"{STUDY_URL}/best").json()
    assert (best["metric_names"], best["value"]) == (["loss", "größe"], [1.0, 2.0])
    api.patch(STUDY_URL, {"metric_names": None})
    assert set(api.get(f"{STUDY_URL}/best").json()) == {"params", "value", "trial_id"}


def test_plots_use_the_names(api: APIClient) -> None:
    create_study(api, **TWO)
    for value in (1, 2):
        add_result(api, [value, value])
    front = api.get(f"{STUDY_URL}/plots/pareto_front").json()
    axes = [front["layout"][axis]["title"]["text"] for axis in ("xaxis", "yaxis")]
    assert axes == ["loss", "größe"]
    history = api.get(f"{STUDY_URL}/plots/history?target_idx=1").json()
    assert history["layout"]["yaxis"]["title"]["text"] == "größe"


def csv_head(admin: Client) -> list[str]:
    response: Any = admin.get(admin_list_url(Study.objects.get(), "export/"))
    text = b"".join(response.streaming_content).decode()
    return next(csv.reader(io.StringIO(text)))


def test_csv_names_values_as_optuna_does(admin_client: Client, api: APIClient) -> None:
    create_study(api, **TWO)
    add_result(api, [1, 2])
    frame = [f"values_{name}" for name in load_optuna_study().metric_names or []]
    assert csv_head(admin_client)[2:4] == frame == ["values_loss", "values_größe"]
    delete_study(api)
    create_study(api, metric_names=["loss"])
    assert csv_head(admin_client)[2] == "value_loss"


def test_pages_show_the_names(admin_client: Client, api: APIClient) -> None:
    create_study(api, **TWO | {"metric_names": ["<loss>", "größe"]})
    add_result(api, [1, 2])
    study = Study.objects.get()

    listed = admin_client.get(admin_list_url(study)).content.decode()
    assert '<span class="tuner-param">&lt;loss&gt;, größe</span>' in listed
    assert "column-final_values" in listed
    trial = admin_client.get(f"/admin/trials/trial/{study.trials.get().pk}/change/")
    assert "&lt;loss&gt; (minimize)" in trial.content.decode()
    page = admin_client.get(f"/admin/studies/study/{study.pk}/change/").content.decode()
    assert "<h3>Best value (&lt;loss&gt;: minimize, größe: maximize)</h3>" in page
    assert '<option value="1" data-name="größe">größe (maximize)</option>' in page
    assert "&lt;loss&gt;: minimize, größe: maximize" in page
