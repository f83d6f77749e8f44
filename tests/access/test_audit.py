"""The audit: each change writes one entry in its transaction, and nothing else writes any."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from access.domain import cleanup
from access.domain.audit import Change, record
from access.domain.tokens import revoke_token
from access.models import Token
from access.models.audit_entry import Action, AuditEntry, EntriesAreKept, SubjectKind
from studies.models import Study
from tests.support.api_client import (
    add_trials,
    authorized_client,
    complete,
    create_study,
    post_study,
    start_trial,
    trial_action,
)
from tests.support.database import move_leases_into_past, recorded_statements
from tests.support.study_builders import COMMAND

Make = Callable[..., APIClient]
MakeToken = Callable[..., tuple[Token, str]]


def noted(**filters: Any) -> list[tuple[Any, ...]]:
    """The entries of studies and trials, oldest first: what, and by whom."""
    entries = AuditEntry.objects.exclude(kind="token").filter(**filters).order_by("id")
    return [
        (each.action, each.kind, each.numbers, each.actor_kind, each.actor_name) for each in entries
    ]


def last() -> AuditEntry:
    return AuditEntry.objects.order_by("id").last()  # type: ignore[return-value]


# What is noted ---------------------------------------------------------------------------


def test_audit_records_api_changes_with_their_tokens(token: MakeToken) -> None:
    made, key = token("manage", name="boss")
    worker_token, worker_key = token("worker", name="gpu-7")
    boss, worker = authorized_client(key), authorized_client(worker_key)
    create_study(boss, max_retries=1)
    for call, body in (
        ("complete", {"values": 0.5}),
        ("prune", {}),
        ("fail", {"reason": "x" * 300, "retry": False}),
    ):
        trial_action(worker, start_trial(worker), call, **body)
    boss.patch("/api/v1/studies/search", {"max_trials": 9, "user_attrs": {"secret": "s3cret"}})
    add_trials(boss, {"params": {"x": 0.5}})
    boss.delete("/api/v1/studies/search/trials/3")
    add_trials(boss, {"params": {"x": 0.5}, "state": "COMPLETE", "values": 1})
    for action in ("pause", "resume", "complete"):
        boss.post(f"/api/v1/studies/search/{action}", {"reason": "why"})
    boss.delete("/api/v1/studies/search")

    by_boss, by_worker = ("token", "boss"), ("token", "gpu-7")
    assert noted() == [
        ("created", "study", [], *by_boss),
        ("told", "trial", [0], *by_worker),
        ("pruned", "trial", [1], *by_worker),
        ("failed", "trial", [2], *by_worker),
        ("changed", "study", [], *by_boss),
        ("queued", "trial", [3], *by_boss),
        ("cancelled", "trial", [3], *by_boss),
        ("recorded", "trial", [4], *by_boss),
        ("paused", "study", [], *by_boss),
        ("resumed", "study", [], *by_boss),
        ("completed", "study", [], *by_boss),
        ("deleted", "study", [], *by_boss),
    ]
    details = {each.action: each.details for each in AuditEntry.objects.exclude(kind="token")}
    assert details["told"] == {"state": "COMPLETE", "values": [0.5]}
    assert details["failed"] == {"state": "FAIL", "reason": "x" * 199 + "…"}
    assert details["changed"] == {"max_trials": 9, "user_attrs": "…"}
    assert details["completed"] == {"reason": "why"}
    assert details["deleted"] == {"state": "COMPLETED", "trials": 5}
    ids = set(AuditEntry.objects.exclude(kind="token").values_list("actor_id", flat=True))
    assert ids == {made.pk, worker_token.pk}


def test_audit_entry_has_time_and_address(client_of: Make) -> None:
    client = client_of("manage")
    before = timezone.now()
    response = client.post(
        "/api/v1/studies",
        {"name": "a", "search_space": [{"type": "int", "name": "n", "low": 1, "high": 2}]},
        headers={"X-Request-ID": "id-of-a-test"},
        REMOTE_ADDR="192.0.2.7",
    )
    assert response.status_code == 201
    entry = last()
    assert (entry.address, entry.request_id) == ("192.0.2.7", "id-of-a-test")
    assert (entry.subject, entry.subject_id) == ("a", Study.objects.get().pk)
    assert abs((entry.at - before).total_seconds()) < 60
    assert str(entry) == 'token a manage: created study "a"'


def test_audit_leaves_out_asks_reports_and_heartbeats(client_of: Make) -> None:
    client = client_of("manage")
    create_study(client)
    before = AuditEntry.objects.count()
    number = start_trial(client)
    trial_action(client, number, "report", step=1, value=0.5)
    trial_action(client, number, "heartbeat")
    post_study(client)  # loads it
    client.get("/api/v1/studies/search/trials")
    assert AuditEntry.objects.count() == before


def test_audit_leaves_out_repeated_outcomes(client_of: Make) -> None:
    client = client_of("manage")
    create_study(client)
    number = start_trial(client)
    for _ in range(2):
        complete(client, "search", number, 0.5)
    assert len(noted(action="told")) == 1


def test_audit_names_anyone_where_the_api_is_open(settings: Any, api: APIClient) -> None:
    settings.AUTH_REQUIRED = False
    create_study(api)
    assert noted() == [("created", "study", [], "anybody", "")]
    assert last().address == "127.0.0.1"


def test_audit_names_the_admin_user(api: APIClient, client_of: Make, admin_client: Client) -> None:
    create_study(client_of("manage"))
    study = Study.objects.get()
    admin_client.post(f"/admin/studies/study/{study.pk}/act/pause/")
    admin_client.post(f"/admin/studies/study/{study.pk}/delete/", {"post": "yes"})
    assert noted()[1:] == [
        ("paused", "study", [], "user", "admin"),
        ("deleted", "study", [], "user", "admin"),
    ]
    assert last().actor_id == int(admin_client.session["_auth_user_id"])


def test_studies_deleted_together_have_an_entry_each(client_of: Make, admin_client: Client) -> None:
    client = client_of("manage")
    for name in ("a", "b"):
        create_study(client, name=name)
    start_trial(client, "b")
    chosen = list(Study.objects.values_list("pk", flat=True))
    form = {"action": "delete_selected", "_selected_action": chosen, "post": "yes"}
    with recorded_statements() as statements:
        admin_client.post("/admin/studies/study/", form)
    assert not Study.objects.exists()
    assert sum("access_auditentry" in sql for sql, _ in statements) == 1
    entries = AuditEntry.objects.filter(action="deleted").order_by("id")
    assert [(each.subject, each.details, each.actor) for each in entries] == [
        ("a", {"state": "ACTIVE", "trials": 0}, "user admin"),
        ("b", {"state": "ACTIVE", "trials": 1}, "user admin"),
    ]


def test_audit_names_the_command(db: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr("sys.argv", ["./manage.py", "seed_studies", "file"])
    file = tmp_path / "studies.json"
    space = [{"type": "int", "name": "n", "low": 1, "high": 2}]
    file.write_text(json.dumps([{"name": "a", "search_space": space}]))
    call_command("seed_studies", str(file), verbosity=0)
    assert noted() == [("created", "study", [], "command", "manage.py seed_studies")]


def test_audit_names_the_service_for_its_own_changes(client_of: Make) -> None:
    client = client_of("manage", name="w")
    create_study(client, lease_seconds=60, max_failures=2, max_retries=1)
    start_trial(client)
    start_trial(client)
    move_leases_into_past()
    start_trial(client)  # which finds that the others' have run out
    trial_action(client, 2, "fail")
    move_leases_into_past()
    call_command("expire_trials")
    assert noted()[1:] == [
        ("expired", "trial", [0, 1], "service", ""),
        ("failed", "trial", [2], "token", "w"),
    ]
    client.patch("/api/v1/studies/search", {"max_failures": 1})
    assert noted()[3:] == [
        ("changed", "study", [], "token", "w"),
        ("completed", "study", [], "service", ""),
    ]
    assert last().details == {"reason": "max_failures"}


def test_audit_has_one_entry_for_each_moved_study(client_of: Make) -> None:
    client = client_of("manage", name="m")
    create_study(client)
    for value in (1, 2, 3):
        complete(client, "search", start_trial(client), value)
    lines: Any = client.get("/api/v1/studies/search/export").getvalue()
    before = last().pk
    assert client.post("/api/v1/studies/search/clone", {"name": "b"}).status_code == 201
    for conflict in ("rename", "skip", "fail"):
        url = f"/api/v1/studies/import?conflict={conflict}"
        client.generic("POST", url, lines, "application/x-ndjson")
    url = "/api/v1/studies/import?conflict=rename&dry_run=true"
    client.generic("POST", url, lines, "application/x-ndjson")
    entries = AuditEntry.objects.filter(pk__gt=before).order_by("id")
    assert [(each.action, each.subject, each.details) for each in entries] == [
        ("cloned", "b", {"source": "search", "trials": 3}),
        ("imported", "search (2)", {"trials": 3}),
    ]


def test_audit_records_changes_of_tokens(token: MakeToken, admin_client: Client) -> None:
    made, key = token("worker", name="gpu", studies="a-*")
    admin_client.post(
        f"/admin/access/token/{made.pk}/change/", {"name": "cpu", "scope": "read", "studies": "*"}
    )
    revoke_token(actor=COMMAND, token=made)
    admin_client.post(f"/admin/access/token/{made.pk}/delete/", {"post": "yes"})
    entries = list(AuditEntry.objects.filter(kind="token", subject_id=made.pk).order_by("id"))
    assert [(each.action, each.subject, each.actor_kind) for each in entries] == [
        ("created", "gpu", "command"),
        ("changed", "cpu", "user"),
        ("revoked", "gpu", "command"),
        ("deleted", "cpu", "user"),
    ]
    assert entries[0].details == {
        "scope": "worker",
        "studies": "a-*",
        "expires": None,
        "prefix": made.prefix,
    }
    secret = key.partition(".")[2]
    assert not any(secret in json.dumps(each.details) for each in entries)


def test_audit_leaves_out_the_use_of_a_token(client_of: Make) -> None:
    client = client_of("read")
    before = AuditEntry.objects.count()
    client.get("/api/v1/studies")
    assert AuditEntry.objects.count() == before


# Together with the change, and kept -------------------------------------------------------


def test_audit_entry_is_rolled_back_with_its_change(client_of: Make) -> None:
    client = client_of("manage")
    create_study(client)
    before = noted()
    number = start_trial(client)
    with transaction.atomic():
        complete(client, "search", number, 0.5)
        client.delete("/api/v1/studies/search")
        assert len(noted()) == len(before) + 2
        transaction.set_rollback(True)
    client.post(f"/api/v1/studies/search/trials/{number}/complete", {"values": [1, 2]})
    assert noted() == before


def test_change_is_rolled_back_with_its_audit_entry(client_of: Make) -> None:
    client = client_of("manage")
    client.raise_request_exception = False
    create_study(client)
    number = start_trial(client)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE access_auditentry ADD CHECK (action <> 'told') NOT VALID")
        url = f"/api/v1/studies/search/trials/{number}/complete"
        assert client.post(url, {"values": 0.5}).status_code == 500
        assert client.get("/api/v1/studies/search").json()["trial_counts"]["RUNNING"] == 1
        transaction.set_rollback(True)


def test_audit_entries_outlive_their_objects(token: MakeToken) -> None:
    made, key = token(name="gone")
    client = authorized_client(key)
    create_study(client)
    client.delete("/api/v1/studies/search")
    actor = made.pk
    made.delete()
    assert noted(actor_id=actor) == [
        ("created", "study", [], "token", "gone"),
        ("deleted", "study", [], "token", "gone"),
    ]


def test_audit_entries_cannot_be_changed(client_of: Make) -> None:
    client_of("read")
    entry = last()
    for change in (
        entry.save,
        entry.delete,
        lambda: AuditEntry(action="told").save(),
        lambda: AuditEntry.objects.update(actor_name="somebody else"),
        lambda: AuditEntry.objects.bulk_update([entry], ["actor_name"]),
        AuditEntry.objects.all().delete,
    ):
        with pytest.raises(EntriesAreKept):
            change()


# What it costs ----------------------------------------------------------------------------


def test_audit_of_a_batch_is_one_statement(client_of: Make) -> None:
    client = client_of("manage")
    create_study(client, sampler="random")
    numbers = [
        each["trial_id"]
        for each in client.post(
            "/api/v1/studies/search/trials/suggest-batch", {"count": 100}
        ).json()["trials"]
    ]
    told = [
        {"trial_id": number, "state": "COMPLETE", "values": 1}
        if number % 2
        else {"trial_id": number, "state": "PRUNED"}
        for number in numbers
    ]
    with recorded_statements() as statements:
        client.post("/api/v1/studies/search/trials/complete-batch", {"trials": told})
    assert sum("access_auditentry" in sql for sql, _ in statements) == 1
    assert sorted(noted(kind="trial")) == [
        ("pruned", "trial", list(range(0, 100, 2)), "token", "a manage"),
        ("told", "trial", list(range(1, 100, 2)), "token", "a manage"),
    ]
    details = AuditEntry.objects.filter(kind="trial").values_list("details", flat=True)
    assert sorted(each["state"] for each in details) == ["COMPLETE", "PRUNED"]
    assert all(len(each) == 1 for each in details)


# Retention --------------------------------------------------------------------------------


def test_audit_entries_are_kept_without_a_retention_period(client_of: Make, settings: Any) -> None:
    client = client_of("manage")
    for name in ("a", "b", "c"):
        create_study(client, name=name)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE access_auditentry SET at = at - interval '8 days' WHERE subject IN ('a', 'b')"
        )
    assert cleanup.delete_old_entries() == ("old entries of the audit", 0)
    settings.KEEP_AUDIT_DAYS = 7
    assert cleanup.delete_old_entries() == ("old entries of the audit", 2)
    assert [each.subject for each in AuditEntry.objects.order_by("id")] == ["a manage", "c"]


def test_old_audit_entries_are_deleted_in_batches(
    db: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.KEEP_AUDIT_DAYS = 1
    monkeypatch.setattr(cleanup, "BATCH", 2)
    change = Change(Action.TOLD, SubjectKind.TRIAL, "a", 1, numbers=[0])
    record(COMMAND, *[change] * 5)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE access_auditentry SET at = at - interval '2 days'")
    record(COMMAND, change)
    assert cleanup.delete_old_entries()[1] == 5
    assert AuditEntry.objects.count() == 1
