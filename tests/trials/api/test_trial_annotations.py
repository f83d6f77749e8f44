"""The note and the links of a trial."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from access.models import AuditEntry
from tests.support import JSON
from tests.support.api_client import (
    TRIALS_URL,
    add_trials,
    assert_refused,
    assert_schemas_agree,
    complete,
    create_study,
    create_study_with_running_trial,
    invalid_pointers,
    list_trials,
    suggest,
)
from trials.models import Annotation

URL = f"{TRIALS_URL}/0"
RUN = "https://mlflow.example.org/#/experiments/1/runs/2?a=b&c=%20"


def patch(api: APIClient, **body: Any) -> JSON:
    response = api.patch(URL, body)
    assert response.status_code == 200, response.content
    return response.json()


def annotation(api: APIClient) -> tuple[str | None, JSON]:
    trial = api.get(URL).json()
    return trial["note"], trial["links"]


def test_note_and_links_are_stored(api: APIClient) -> None:
    create_study_with_running_trial(api)
    assert annotation(api) == (None, {})
    answer = patch(api, note="diverged\nafter epoch 3", links={"mlflow": RUN})
    assert (answer["note"], answer["links"]) == ("diverged\nafter epoch 3", {"mlflow": RUN})
    assert annotation(api) == ("diverged\nafter epoch 3", {"mlflow": RUN})
    assert_schemas_agree()


def test_links_are_added_and_removed_by_name(api: APIClient) -> None:
    create_study_with_running_trial(api)
    patch(api, links={"a": "http://a", "b": "http://b:80/x"})
    assert patch(api, links={"c": "http://c", "a": None})["links"] == {
        "b": "http://b:80/x",
        "c": "http://c",
    }
    assert annotation(api)[0] is None


@pytest.mark.parametrize("removed", [None, ""])
def test_note_is_removed(api: APIClient, removed: str | None) -> None:
    create_study_with_running_trial(api)
    patch(api, note="wrong", links={"a": "http://a"})
    assert patch(api, note=removed)["note"] is None
    assert annotation(api) == (None, {"a": "http://a"})


def test_ended_and_queued_trials_are_annotated(api: APIClient) -> None:
    create_study_with_running_trial(api)
    complete(api, "search", 0, 0.5)
    add_trials(api, {"params": {"x": 0.5}})
    assert patch(api, note="the best so far")["state"] == "COMPLETE"
    assert api.patch(f"{TRIALS_URL}/1", {"note": "next"}).json()["note"] == "next"


def test_user_attributes_are_stored_with_a_note(api: APIClient) -> None:
    create_study_with_running_trial(api)
    answer = patch(api, user_attrs={"path": "/a"}, note="n")
    assert (answer["user_attrs"], answer["note"]) == ({"path": "/a"}, "n")


def test_refused_user_attributes_store_no_note(api: APIClient) -> None:
    create_study_with_running_trial(api)
    complete(api, "search", 0, 0.5)
    response = api.patch(URL, {"user_attrs": {"a": 1}, "note": "n"})
    assert_refused(response, 409, "trial_finished")
    assert annotation(api) == (None, {})


def test_change_is_recorded_in_the_audit_once(api: APIClient) -> None:
    create_study_with_running_trial(api)
    for _ in range(2):
        patch(api, note="n" * 300, links={"mlflow": RUN})
    entry = AuditEntry.objects.get(action="changed")
    assert (entry.kind, entry.subject, entry.numbers) == ("trial", "search", [0])
    assert entry.details == {"note": "n" * 199 + "…", "links": ["mlflow"]}


def test_lists_of_trials_have_neither(api: APIClient) -> None:
    create_study_with_running_trial(api)
    patch(api, note="n")
    assert not {"note", "links"} & list_trials(api)[0].keys()


def test_annotation_is_deleted_with_its_study(api: APIClient) -> None:
    create_study_with_running_trial(api)
    patch(api, note="n")
    api.delete("/api/v1/studies/search")
    assert not Annotation.objects.exists()


# Refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JavaScript://example.org/%0aalert(1)",
        "data:text/html,x",
        "ftp://example.org/x",
        "//example.org",
        "/admin/",
        "https:",
        "https://",
        "https:///path",
        "https:example.org",
        "https://user@example.org",
        "https://user:word@example.org",
        "https://example.org\\@evil.org",
        "https://example.org/a b",
        "https://example.org/\n",
        " https://example.org",
        "\thttps://example.org",
        "https://example.org/\u202egpj.exe",
        'https://example.org/"onclick=alert(1)',
        "https://example.org/<script>",
        "https://example.org:port/",
        "https://example.org:0/",
        "https://example.org:99999/",
        "https://[::1",
        "https://" + "a" * 2000,
        "",
        5,
        ["https://example.org"],
    ],
)
def test_url_that_is_none_is_refused(api: APIClient, url: Any) -> None:
    create_study_with_running_trial(api)
    assert invalid_pointers(api.patch(URL, {"links": {"x": url}})) == ["/links/x"]
    assert not Annotation.objects.exists()


@pytest.mark.parametrize(
    "url",
    [
        "http://mlflow:5000/#/runs/1",
        "https://[::1]:8080/x",
        "HTTPS://EXAMPLE.ORG",
        "https://example.org/ü/☃?q=%22",
        "http://10.0.0.1",
        "https://example.org/" + "a" * 1980,
    ],
)
def test_url_is_stored_as_it_is(api: APIClient, url: str) -> None:
    create_study_with_running_trial(api)
    assert patch(api, links={"x": url})["links"] == {"x": url}


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 65, "\u202e"])
def test_name_that_is_none_is_refused(api: APIClient, name: str) -> None:
    create_study_with_running_trial(api)
    assert api.patch(URL, {"links": {name: "https://a"}}).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"note": 5},
        {"note": "x" * 4001},
        {"note": "a\0b"},
        {"links": []},
        {"links": {str(n): "https://a" for n in range(21)}},
        {"links": {str(n): None for n in range(41)}},
        {"Note": "x"},
    ],
)
def test_body_that_is_none_is_refused(api: APIClient, body: JSON) -> None:
    create_study_with_running_trial(api)
    assert api.patch(URL, body).status_code == 400
    assert not Annotation.objects.exists()


def test_links_are_limited_together(api: APIClient) -> None:
    create_study_with_running_trial(api)
    patch(api, links={str(n): "https://a" for n in range(20)})
    assert invalid_pointers(api.patch(URL, {"links": {"more": "https://a"}})) == ["/links"]
    assert len(patch(api, links={"more": "https://a", "0": None})["links"]) == 20


def test_annotation_by_another_worker_is_refused(api: APIClient) -> None:
    create_study(api)
    suggest(api, worker_id="w")
    assert_refused(api.patch(URL, {"note": "n", "worker_id": "other"}), 409, "not_holder")
    assert patch(api, note="n", worker_id="w")["note"] == "n"


def test_annotation_of_a_replaced_study_is_refused(api: APIClient) -> None:
    create_study_with_running_trial(api)
    assert_refused(api.patch(URL, {"note": "n", "study_id": 2**31 - 1}), 409, "study_replaced")
