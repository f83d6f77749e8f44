"""The log of a trial: replaced, appended, fenced, and closed an hour after the trial's end."""

from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from access.models import AuditEntry
from tests.support import JSON
from tests.support.api_client import (
    TRIALS_URL,
    add_trials,
    assert_refused,
    complete,
    create_study,
    create_study_with_running_trial,
    invalid_pointers,
    suggest,
    trial_action,
)
from tests.support.database import move_leases_into_past, recorded_statements
from trials.models import TrialLog

URL = f"{TRIALS_URL}/0/log"


def put(api: APIClient, text: str | bytes, query: str = "", url: str = URL) -> Any:
    data = text.encode() if isinstance(text, str) else text
    return api.generic("PUT", f"{url}{query}", data, "text/plain")  # type: ignore[arg-type]


def write(api: APIClient, text: str | bytes, query: str = "") -> JSON:
    response = put(api, text, query)
    assert response.status_code == 200, response.content
    return response.json()


def read(api: APIClient) -> JSON:
    response = api.get(URL)
    assert response.status_code == 200
    return response.json()


def move_end_into_past(hours: float) -> None:
    past = "clock_timestamp() - %s * '1 hour'::interval"
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE trials_trial SET datetime_complete = {past}", [hours])


# Writing and reading ----------------------------------------------------------------------


def test_log_is_replaced(api: APIClient) -> None:
    create_study_with_running_trial(api)
    write(api, "old\n")
    written = write(api, "epoch 1 ☃\n")
    assert written.pop("written_at").endswith("+00:00")
    assert written == {"trial_id": 0, "size": 12, "dropped": 0}
    log = read(api)
    del log["written_at"]
    assert log == {"trial_id": 0, "size": 12, "dropped": 0, "text": "epoch 1 ☃\n"}


def test_log_is_appended(api: APIClient) -> None:
    create_study_with_running_trial(api)
    write(api, "one\n", "?append=true")
    write(api, "two\n", "?append=true")
    assert read(api)["text"] == "one\ntwo\n"


def test_text_repeated_at_its_offset_is_added_once(api: APIClient) -> None:
    create_study_with_running_trial(api)
    size = write(api, "one\n", "?offset=0")["size"]
    for _ in range(2):
        size_then = write(api, "two\n", f"?offset={size}")["size"]
    assert size_then == 8
    assert read(api)["text"] == "one\ntwo\n"


def test_end_of_a_long_log_is_kept(api: APIClient) -> None:
    create_study_with_running_trial(api)
    lines = "".join(f"epoch {n}\n" for n in range(20_000))
    written = write(api, lines)
    text = read(api)["text"]
    assert lines.endswith(f"\n{text}")
    assert (written["size"], written["dropped"]) == (len(lines), len(lines) - len(text))
    assert 65_000 < len(text) <= 65_536


def test_bytes_that_are_no_text_are_replaced(api: APIClient) -> None:
    create_study_with_running_trial(api)
    write(api, b"a\xff\0b\x1b[31mred\x1b[0m\r\n")
    assert read(api)["text"] == "a\ufffd\ufffdb\x1b[31mred\x1b[0m\r\n"


def test_empty_body_clears_the_log(api: APIClient) -> None:
    create_study_with_running_trial(api)
    write(api, "wrong")
    assert write(api, "")["size"] == 0


def test_log_is_answered_as_text(api: APIClient) -> None:
    create_study_with_running_trial(api)
    write(api, "<script>alert(1)</script>\n")
    response = api.get(f"{URL}?format=text")
    assert response.content == b"<script>alert(1)</script>\n"
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["X-Content-Type-Options"] == "nosniff"


def test_trial_without_a_log_has_an_empty_one(api: APIClient) -> None:
    create_study_with_running_trial(api)
    expected = {"trial_id": 0, "text": "", "size": 0, "dropped": 0, "written_at": None}
    assert read(api) == expected


def test_log_changes_nothing_else(api: APIClient) -> None:
    create_study_with_running_trial(api, lease_seconds=60)
    before = api.get(f"{TRIALS_URL}/0").json()
    n_entries = AuditEntry.objects.count()
    write(api, "epoch 1\n")
    assert api.get(f"{TRIALS_URL}/0").json() == before
    assert AuditEntry.objects.count() == n_entries


def test_study_is_not_locked(api: APIClient) -> None:
    create_study_with_running_trial(api)
    with recorded_statements() as statements:
        write(api, "epoch 1\n")
    assert not [sql for sql, _ in statements if "studies_study" in sql and "FOR " in sql]


def test_log_is_deleted_with_its_study(api: APIClient) -> None:
    create_study_with_running_trial(api)
    write(api, "epoch 1\n")
    api.delete("/api/v1/studies/search")
    assert not TrialLog.objects.exists()


# Refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("?offset=-1", "/offset"),
        ("?offset=9007199254740993", "/offset"),
        ("?append=yes", "/append"),
        ("?study_id=x", "/study_id"),
        ("?until=1", "/until"),
    ],
)
def test_bad_query_is_refused(api: APIClient, query: str, pointer: str) -> None:
    create_study_with_running_trial(api)
    assert invalid_pointers(put(api, "text", query)) == [pointer]
    assert not TrialLog.objects.exists()


def test_other_media_type_is_refused(api: APIClient) -> None:
    create_study_with_running_trial(api)
    assert api.put(URL, {"text": "a"}).status_code == 415


def test_missing_trial_is_refused(api: APIClient) -> None:
    create_study(api)
    assert_refused(put(api, "text"), 404, "trial_not_found")
    assert_refused(api.get(URL), 404, "trial_not_found")


def test_waiting_trial_has_no_log(api: APIClient) -> None:
    create_study(api)
    add_trials(api, {"params": {"x": 0.5}})
    assert_refused(put(api, "text"), 409, "trial_not_running")


def test_log_of_an_ended_trial_is_written_for_an_hour(api: APIClient) -> None:
    create_study_with_running_trial(api)
    complete(api, "search", 0, 0.5)
    move_end_into_past(0.9)
    assert write(api, "late\n")["size"] == 5
    move_end_into_past(1.1)
    assert_refused(put(api, "later\n"), 409, "log_closed")
    assert read(api)["text"] == "late\n"


# Fencing ----------------------------------------------------------------------------------


def test_worker_writes_the_log_of_its_trial(api: APIClient) -> None:
    create_study(api)
    offer = suggest(api, worker_id="gpu 1/ü")
    query = f"?study_id={offer['study_id']}&worker_id=gpu%201/%C3%BC"
    assert write(api, "mine\n", query)["size"] == 5


def test_log_of_another_worker_is_refused(api: APIClient) -> None:
    create_study(api)
    suggest(api, worker_id="w")
    write(api, "mine\n", "?worker_id=w")
    assert_refused(put(api, "yours\n", "?worker_id=other"), 409, "not_holder")
    assert read(api)["text"] == "mine\n"


def test_log_for_a_deleted_study_is_refused(api: APIClient) -> None:
    create_study(api)
    old = suggest(api)["study_id"]
    api.delete("/api/v1/studies/search")
    create_study_with_running_trial(api)
    response = put(api, "old\n", f"?study_id={old}")
    assert_refused(response, 409, "study_replaced")
    assert read(api)["text"] == ""


def test_worker_that_lost_its_lease_writes_its_own_attempt(api: APIClient) -> None:
    """The next attempt is another trial, whose log is another worker's."""
    create_study(api, lease_seconds=60, max_retries=1)
    suggest(api, worker_id="late")
    move_leases_into_past()
    retry = suggest(api, worker_id="next")
    assert (retry["trial_id"], retry["retry_of"]) == (1, 0)
    write(api, "what went wrong\n", "?worker_id=late&append=true")
    assert_refused(put(api, "text", "?worker_id=late", f"{TRIALS_URL}/1/log"), 409, "not_holder")
    assert api.get(f"{TRIALS_URL}/1/log").json()["text"] == ""


def test_failed_trial_keeps_its_log(api: APIClient) -> None:
    create_study_with_running_trial(api)
    write(api, "Traceback\n")
    trial_action(api, 0, "fail", reason="exit code 1")
    assert read(api)["text"] == "Traceback\n"
