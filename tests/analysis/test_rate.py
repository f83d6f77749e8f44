"""The rate at which trials finish, and the estimated end of a study."""

from datetime import datetime, timedelta

import pytest
from django.db import connection
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import (
    STUDY_URL,
    add_trials,
    start_trial,
    strict_json,
    trial_action,
)
from tests.support.sample_studies import (
    add_failed_trials,
    create_analysis_study,
    record_trials,
)

HOUR = 3600


def progress(api: APIClient) -> JSON:
    return strict_json(api.get(f"{STUDY_URL}/progress"))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def let_trials_have_been(minutes: int) -> None:
    """Trial k was written in turn, began k minutes after the first one, and took half a minute."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE trials_trial SET revision = number + 1, "
            "datetime_start = statement_timestamp() + (number - %s) * interval '1 minute', "
            "datetime_complete = statement_timestamp() + (number - %s + 0.5) * interval '1 minute'",
            [minutes, minutes],
        )


def trial(api: APIClient, number: int) -> JSON:
    return strict_json(api.get(f"{STUDY_URL}/trials/{number}"))


def since(found: JSON, text: str) -> float:
    """Seconds from a moment until the answer."""
    return (moment(found["datetime"]) - moment(text)).total_seconds()


def test_rate_of_few_trials_begins_with_the_first_start(api: APIClient) -> None:
    create_analysis_study(api)
    record_trials(api, *range(10))
    let_trials_have_been(minutes=60)
    found = progress(api)
    seconds = since(found, trial(api, 0)["datetime_start"])
    assert found["rate_per_hour"] == pytest.approx(10 * HOUR / seconds)
    assert found["rate_per_hour"] == pytest.approx(10, rel=0.05)


def test_rate_of_many_trials_is_of_the_latest_200(api: APIClient) -> None:
    create_analysis_study(api)
    record_trials(api, *range(250))
    let_trials_have_been(minutes=250)
    found = progress(api)
    seconds = since(found, trial(api, 50)["datetime_complete"])
    assert found["rate_per_hour"] == pytest.approx(199 * HOUR / seconds)


def test_running_trials_do_not_count_for_the_rate(api: APIClient) -> None:
    create_analysis_study(api)
    record_trials(api, *range(250))
    let_trials_have_been(minutes=250)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE studies_study SET revision = 1000")
    start_trial(api)
    add_trials(api, {"params": {"x": 0.5}})
    found = progress(api)
    seconds = since(found, trial(api, 50)["datetime_complete"])
    assert found["rate_per_hour"] == pytest.approx(199 * HOUR / seconds)


def test_rate_of_a_completed_study_ends_with_its_last_trial(api: APIClient) -> None:
    create_analysis_study(api, max_trials=50)
    record_trials(api, *range(10))
    let_trials_have_been(minutes=600)
    api.post(f"{STUDY_URL}/complete")
    found = progress(api)
    assert found["state"] == "COMPLETED"
    assert found["rate_per_hour"] == pytest.approx(10 * HOUR / (9.5 * 60))
    assert found["eta"] is None


def test_eta_is_the_end_of_the_remaining_trials(api: APIClient) -> None:
    create_analysis_study(api, max_trials=40)
    record_trials(api, *range(10))
    let_trials_have_been(minutes=60)
    found = progress(api)
    hours = 30 / found["rate_per_hour"]
    wait = moment(found["eta"]) - moment(found["datetime"])
    assert found["n_left"] == 30
    assert wait.total_seconds() == pytest.approx(hours * HOUR, abs=1e-3)


def test_paused_study_has_no_eta(api: APIClient) -> None:
    create_analysis_study(api, max_trials=40)
    record_trials(api, *range(10))
    let_trials_have_been(minutes=60)
    api.post(f"{STUDY_URL}/pause")
    assert progress(api)["eta"] is None


@pytest.mark.parametrize("max_trials", [None, 40, 10**9])
def test_eta_is_the_deadline_if_sooner(api: APIClient, max_trials: int | None) -> None:
    """At ten trials an hour, thirty more take three hours."""
    create_analysis_study(api, max_trials=max_trials)
    record_trials(api, *range(10))
    let_trials_have_been(minutes=60)
    now = moment(progress(api)["datetime"])
    for hours in (1, 1000):
        deadline = now + timedelta(hours=hours)
        changed = api.patch(STUDY_URL, {"deadline": deadline.isoformat()})
        assert changed.status_code == 200
        found = progress(api)
        if hours == 1 or max_trials != 40:
            assert moment(found["eta"]) == deadline
        else:
            assert moment(found["eta"]) < now + timedelta(hours=4)


def test_eta_is_a_representable_date(api: APIClient) -> None:
    create_analysis_study(api, max_trials=2_000_000_000)
    record_trials(api, 1)
    let_trials_have_been(minutes=60 * 24 * 365)
    assert moment(progress(api)["eta"]).year < 2200


def test_queued_trials_do_not_hide_the_rate(api: APIClient) -> None:
    create_analysis_study(api, max_trials=2000)
    record_trials(api, *range(20))
    let_trials_have_been(minutes=60)
    add_trials(api, [{"params": {"x": 0.5}}] * 300)
    assert progress(api)["rate_per_hour"] == pytest.approx(20, rel=0.05)


def test_eta_is_at_the_rate_of_trials_that_count(api: APIClient) -> None:
    """Of each three trials one fails, which leaves as many to do as before, retried or not."""
    create_analysis_study(api, max_trials=40)
    for number in range(4):
        record_trials(api, number)
        add_failed_trials(api, 1)
        trial_action(api, start_trial(api), "fail", infeasible=True)
    let_trials_have_been(minutes=60)
    found = progress(api)
    assert (found["n_done"], found["n_left"]) == (12, 32)
    assert found["rate_per_hour"] == pytest.approx(12, rel=0.05)
    hours = 32 / (found["rate_per_hour"] * 8 / 12)
    wait = moment(found["eta"]) - moment(found["datetime"])
    assert wait.total_seconds() == pytest.approx(hours * HOUR, abs=1e-3)


def test_study_of_failures_has_no_eta(api: APIClient) -> None:
    create_analysis_study(api, max_trials=40)
    add_failed_trials(api, 10)
    let_trials_have_been(minutes=60)
    found = progress(api)
    assert (found["n_left"], found["eta"]) == (40, None)
    assert found["rate_per_hour"] == pytest.approx(10, rel=0.05)
