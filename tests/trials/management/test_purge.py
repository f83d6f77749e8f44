"""The command that deletes old data."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.conf import settings as django_settings
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils.timezone import now
from rest_framework.test import APIClient

from studies.models import Study
from tests.support.api_client import complete, create_study, suggest
from trials.models import TrialLog
from trials.projection.consistency import studies_only_in_optuna
from tuner_project import cleanup, extensions

pytestmark = pytest.mark.usefixtures("both_schemas_agree")
NOTHING = (
    "deleted 0 expired sessions\ndeleted 0 failed logins\n"
    "deleted 0 dead tokens\ndeleted 0 rates of requests\n"
    "deleted 0 old entries of the audit\n"
    "deleted 0 old logs of trials\n"
    "deleted 0 old events\n"
    "deleted 0 old test messages to webhooks\n"
)


def purge(*arguments: str) -> str:
    written = StringIO()
    call_command("purge", *arguments, stdout=written)
    return written.getvalue()


def end(api: APIClient, name: str, action: str = "complete") -> None:
    """A study of a finished trial, which has ended."""
    create_study(api, name=name)
    complete(api, name, suggest(api, name)["trial_id"], 0.5)
    response = api.post(f"/api/v1/studies/{name}/{action}")
    assert response.status_code == 200, response.content


def let_days_pass(days: int) -> None:
    """Move all that has happened into the past."""
    past = f"- interval '{days} days'"
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE trials_trial SET datetime_start = datetime_start {past}, "
            f"datetime_complete = datetime_complete {past}, "
            f"lease_expires_at = lease_expires_at {past}"
        )
        cursor.execute(
            f"UPDATE optuna.trials SET datetime_start = datetime_start {past}, "
            f"datetime_complete = datetime_complete {past}"
        )
        cursor.execute(
            f"UPDATE studies_study SET created_at = created_at {past}, state_history = "
            "(SELECT coalesce(json_agg(jsonb_set(each::jsonb, '{datetime}', to_jsonb("
            f"(each->>'datetime')::timestamptz {past}))), '[]') "
            "FROM json_array_elements(state_history) AS each)"
        )


def names() -> list[str]:
    return list(Study.objects.order_by("id").values_list("name", flat=True))


def test_old_studies_are_deleted_from_both_schemas(api: APIClient) -> None:
    end(api, "old")
    end(api, "cancelled", "cancel")
    create_study(api, name="active")
    let_days_pass(30)
    end(api, "new")
    assert purge("--studies-days", "30") == (
        'deleted study "old": COMPLETED, 1 trials\n'
        'deleted study "cancelled": CANCELLED, 1 trials\n' + NOTHING
    )
    assert names() == ["active", "new"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT study_name FROM optuna.studies ORDER BY study_id")
        assert cursor.fetchall() == [("active",), ("new",)]
        cursor.execute("SELECT count(*) FROM optuna.trials")
        assert cursor.fetchall() == [(1,)]
    assert studies_only_in_optuna() == []
    assert purge("--studies-days", "30") == NOTHING


def test_old_logs_are_deleted(api: APIClient, settings: Any) -> None:
    create_study(api)
    for number in range(2):
        suggest(api)
        url = f"/api/v1/studies/search/trials/{number}/log"
        assert api.generic("PUT", url, "epoch 1", "text/plain").status_code == 200
    old = TrialLog.objects.filter(trial__number=0)
    old.update(written_at=now() - timedelta(days=8))
    assert purge() == NOTHING
    settings.KEEP_LOGS_DAYS = 7
    assert "deleted 1 old logs of trials\n" in purge()
    assert TrialLog.objects.get().trial.number == 1


def test_unselected_studies_are_kept(api: APIClient) -> None:
    end(api, "old")
    let_days_pass(1000)
    assert purge() == NOTHING
    assert names() == ["old"]


def test_studies_are_selected_by_a_pattern(api: APIClient) -> None:
    for name in ("tmp-1", "TMP-2", "x tmp-3", "tmp-4"):
        end(api, name)
    let_days_pass(8)
    purge("--studies-days", "7", "--studies", "tmp-*")
    assert names() == ["TMP-2", "x tmp-3"]


def test_dry_run_deletes_nothing(api: APIClient) -> None:
    end(api, "old")
    let_days_pass(8)
    Session.objects.create(session_key="a", expire_date=now() - timedelta(seconds=1))
    assert purge("--studies-days", "7", "--dry-run") == (
        'would delete study "old": COMPLETED, 1 trials\nwould delete 1 expired sessions\n'
        "would delete 0 failed logins\n"
        "would delete 0 dead tokens\n"
        "would delete 0 rates of requests\n"
        "would delete 0 old entries of the audit\n"
        "would delete 0 old logs of trials\n"
        "would delete 0 old events\n"
        "would delete 0 old test messages to webhooks\n"
    )
    assert names() == ["old"]
    assert Session.objects.count() == 1


def test_leased_trial_keeps_its_study(api: APIClient) -> None:
    for name in ("told", "leased", "lost"):
        create_study(api, name=name)
        suggest(api, name, lease_seconds=60)
        api.post(f"/api/v1/studies/{name}/cancel")
    let_days_pass(8)
    complete(api, "told", 0, 0.5)
    api.post("/api/v1/studies/leased/trials/0/heartbeat")
    purge("--studies-days", "7")
    assert names() == ["told", "leased"]


def test_resumed_study_is_kept(api: APIClient) -> None:
    end(api, "resumed")
    let_days_pass(8)
    api.post("/api/v1/studies/resumed/resume")
    api.post("/api/v1/studies/resumed/complete")
    purge("--studies-days", "7")
    assert names() == ["resumed"]


def test_expired_sessions_are_deleted_in_batches(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "BATCH", 2)
    for key, seconds in (("a", -1), ("b", -2), ("c", -3), ("d", 60)):
        Session.objects.create(session_key=key, expire_date=now() + timedelta(seconds=seconds))
    assert purge().startswith("deleted 3 expired sessions\n")
    assert list(Session.objects.values_list("session_key", flat=True)) == ["d"]


def test_outdated_login_attempts_are_deleted(db: None) -> None:
    for name in ("old", "new"):
        AccessAttempt.objects.create(username=name, failures_since_start=1)
    old = now() - django_settings.AXES_COOLOFF_TIME - timedelta(seconds=1)
    AccessAttempt.objects.filter(username="old").update(attempt_time=old)
    assert "deleted 1 failed logins\n" in purge()
    assert list(AccessAttempt.objects.values_list("username", flat=True)) == ["new"]


def test_each_cleanup_job_runs(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extensions, "CLEANUP_JOBS", [delete_crumbs])
    assert purge() == "deleted 7 crumbs\n"


def delete_crumbs() -> tuple[str, int]:
    return "crumbs", 7


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--studies-days", "-1"], "--studies-days: expected 0 to 36500"),
        (["--studies-days", "36501"], "--studies-days: expected 0 to 36500"),
        (["--studies-days", "x"], "--studies-days: invalid int value"),
        (["--studies", "tmp-*"], "--studies needs --studies-days"),
    ],
)
def test_invalid_arguments_are_refused(db: None, arguments: list[str], fault: str) -> None:
    with pytest.raises(CommandError, match=fault):
        purge(*arguments)
