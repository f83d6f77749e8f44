"""Reading events: cursor, ETag, and what a cursor means after a deletion."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db.models import F
from rest_framework.test import APIClient

from events.models import Event
from tests.support.api_client import (
    STUDY_URL,
    assert_refused,
    create_study,
    start_trial,
    suggest_batch,
    trial_action,
)
from tests.support.database import recorded_statements
from tests.support.events import list_events

URL = f"{STUDY_URL}/events"


def age_events() -> None:
    """Let the events be older than a month."""
    Event.objects.update(created_at=F("created_at") - timedelta(days=31))


def fail(api: APIClient, n: int) -> None:
    for each in suggest_batch(api, n):
        trial_action(api, each["trial_id"], "fail")


def test_events_are_read_from_a_cursor_on(api: APIClient) -> None:
    study = create_study(api, sampler="random")
    fail(api, 4)
    first = api.get(URL, {"limit": 3}).json()
    assert list(first) == ["study_id", "state", "events", "next_after", "last", "version"]
    assert (first["study_id"], first["state"]) == (study["study_id"], "ACTIVE")
    assert [each["number"] for each in first["events"]] == [1, 2, 3]
    assert list(first["events"][0]) == ["number", "type", "timestamp", "data"]
    assert (first["next_after"], first["last"]) == (3, 5)
    second = api.get(URL, {"after": 3, "limit": 3}).json()
    assert [each["number"] for each in second["events"]] == [4, 5]
    third = api.get(URL, {"after": second["next_after"]}).json()
    assert (third["events"], third["next_after"]) == ([], 5)


def test_answer_that_is_known_is_not_sent_again(api: APIClient) -> None:
    create_study(api, sampler="random", lease_seconds=60)
    response = api.get(URL)
    etag = response["ETag"]
    assert etag == f'W/"{response.json()["version"]}-0"'
    with recorded_statements() as work:
        known = api.get(URL, headers={"If-None-Match": etag})
    assert (known.status_code, known.content, known["ETag"]) == (304, b"", etag)
    assert len(work) == 1
    assert api.get(URL, headers={"If-None-Match": f'"x", {etag[2:]}'}).status_code == 304
    assert api.get(URL, headers={"If-None-Match": '"x"'}).status_code == 200


def test_events_beyond_a_page_are_not_hidden_by_its_etag(api: APIClient) -> None:
    create_study(api, sampler="random")
    fail(api, 4)
    first = api.get(URL, {"limit": 3})
    after = first.json()["next_after"]
    second = api.get(URL, {"after": after}, headers={"If-None-Match": first["ETag"]})
    assert [each["number"] for each in second.json()["events"]] == [4, 5]
    etag = second["ETag"]
    assert api.get(URL, {"after": 5}, headers={"If-None-Match": etag}).status_code == 304
    assert api.get(URL, {"after": after}, headers={"If-None-Match": etag}).status_code == 304
    assert api.get(URL, headers={"If-None-Match": etag}).status_code == 200
    fail(api, 1)
    assert api.get(URL, {"after": 5}, headers={"If-None-Match": etag}).status_code == 200


def test_version_changes_with_each_change_but_heartbeats(api: APIClient) -> None:
    create_study(api, sampler="random", lease_seconds=60)
    versions = [api.get(URL).json()["version"]]

    def is_new() -> bool:
        version = api.get(URL).json()["version"]
        versions.append(version)
        return version not in versions[:-1]

    trial = start_trial(api)
    assert is_new()
    trial_action(api, trial, "heartbeat")
    assert not is_new()
    trial_action(api, trial, "report", step=1, value=0.5)
    assert is_new()
    assert api.patch(STUDY_URL, {"max_trials": 9}).status_code == 200
    assert is_new()
    assert api.post(f"{STUDY_URL}/pause").status_code == 200
    assert is_new()


@pytest.mark.parametrize("query", ["after=-1", "after=x", "limit=0", "limit=1001", "wait=20"])
def test_impossible_query_is_refused(api: APIClient, query: str) -> None:
    create_study(api)
    assert_refused(api.get(f"{URL}?{query}"), 400, "invalid")


def test_cursor_of_an_earlier_study_is_refused(api: APIClient) -> None:
    create_study(api, sampler="random")
    fail(api, 3)
    assert api.delete(STUDY_URL).status_code == 204
    assert_refused(api.get(URL), 404, "study_not_found")
    create_study(api)
    problem = assert_refused(api.get(URL, {"after": 4}), 409, "cursor_ahead")
    assert "read from after=0" in problem["detail"]


def test_old_events_are_purged_and_numbers_go_on(api: APIClient, settings: Any) -> None:
    create_study(api, sampler="random")
    fail(api, 2)
    age_events()
    fail(api, 1)
    call_command("purge", "--dry-run")
    assert Event.objects.count() == 4
    call_command("purge")
    assert [each["number"] for each in list_events(api)] == [4]
    age_events()
    call_command("purge")
    answer = api.get(URL, {"after": 1}).json()
    assert (answer["events"], answer["next_after"], answer["last"]) == ([], 4, 4)
    fail(api, 1)
    assert [each["number"] for each in list_events(api, after=4)] == [5]


def test_token_of_other_studies_sees_no_events(api: APIClient, client_of: Any) -> None:
    create_study(api)
    other = client_of("manage", studies="x-*")
    assert_refused(other.get(URL), 404, "study_not_found")
    assert client_of("read", studies="sea*").get(URL).status_code == 200
