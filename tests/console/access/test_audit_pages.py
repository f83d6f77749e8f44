"""The audit in the admin: read-only pages with a constant number of statements."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from access.models.audit_entry import AuditEntry
from studies.models import Study
from tests.support.api_client import complete, create_study, start_trial
from tests.support.database import recorded_statements

LIST = "/admin/access/auditentry/"
MANY = 100_000


@pytest.fixture
def played(client_of: Callable[..., APIClient]) -> Study:
    client = client_of("manage", name="<boss>")
    create_study(client)
    complete(client, "search", start_trial(client), 0.5)
    create_study(client, name="other")
    return Study.objects.get(name="search")


def shown(client: Client, query: str = "") -> list[tuple[str, str]]:
    response = client.get(LIST + query)
    assert response.status_code == 200
    return [(entry.action, entry.subject) for entry in response.context["cl"].result_list]


def test_audit_list_begins_with_the_newest(admin_client: Client, played: Study) -> None:
    assert shown(admin_client) == [
        ("created", "other"),
        ("told", "search"),
        ("created", "search"),
        ("created", "<boss>"),
    ]
    page = admin_client.get(LIST).content.decode()
    for text in (
        "token &lt;boss&gt;",
        '<td class="field-trials">0</td>',
        "state=COMPLETE, values=[0.5]",
        '<td class="field-address">127.0.0.1</td>',
    ):
        assert text in page
    assert "<boss>" not in page


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?action=told", ["told"]),
        ("?kind=token", ["created"]),
        ("?kind=trial&action=created", []),
        ("?actor_kind=token", ["created", "told", "created"]),
        ("?actor_kind=user", []),
        ("?q=search", ["told", "created"]),
        ("?q=%3Cboss%3E", ["created", "told", "created", "created"]),
        ("?q=sear", []),
        ("?action=nonsense", []),
        ("?study=999999999999", []),
    ],
)
def test_audit_list_is_filtered(
    admin_client: Client, played: Study, query: str, expected: list[str]
) -> None:
    assert [action for action, _ in shown(admin_client, query)] == expected


@pytest.mark.parametrize(
    "query",
    ["?study=x", "?study=-1", "?study=%C2%B2", "?study=99999999999999999999", "?details__a=1",
     "?at__year=2020", "?subject=a"],
)  # fmt: skip
def test_audit_list_refuses_other_lookups(admin_client: Client, db: None, query: str) -> None:
    assert admin_client.get(LIST + query).status_code in (302, 400)


def test_study_page_links_to_its_audit_entries(
    admin_client: Client, staff_client: Any, played: Study
) -> None:
    page = f"/admin/studies/study/{played.pk}/change/"
    link = f"{LIST}?study={played.pk}"
    assert link in admin_client.get(page).content.decode()
    assert [action for action, _ in shown(admin_client, f"?study={played.pk}")] == [
        "told",
        "created",
    ]
    staff = staff_client("view_study")
    assert link not in staff.get(page).content.decode()
    assert staff.get(link).status_code == 403


def test_audit_pages_are_read_only(admin_client: Client, played: Study) -> None:
    entry = AuditEntry.objects.filter(action="told").get()
    page = admin_client.get(f"{LIST}{entry.pk}/change/")
    assert page.status_code == 200
    assert 'name="_save"' not in page.content.decode()
    before = list(AuditEntry.objects.values())
    for path, body in (
        ("add/", {"action": "told"}),
        (f"{entry.pk}/change/", {"action": "pruned"}),
        (f"{entry.pk}/delete/", {"post": "yes"}),
    ):
        assert admin_client.post(LIST + path, body).status_code == 403
    admin_client.post(LIST, {"action": "delete_selected", "_selected_action": entry.pk})
    assert list(AuditEntry.objects.values()) == before


def test_audit_page_shortens_long_batches(admin_client: Client, db: None) -> None:
    _fill(1, numbers="ARRAY(SELECT generate_series(0, 5000))")
    page = admin_client.get(LIST).content.decode()
    assert "0, 1, 2, 3" in page
    assert "19 and 4,981 more</td>" in page


def test_audit_pages_cost_the_same_at_100_000_entries(admin_client: Client, db: None) -> None:
    """Each statement reads what an index names, and no more rows than are counted at most."""
    queries = ["", "?p=2", "?p=100", "?action=told", "?action=deleted", "?kind=study", "?q=study-7",
               "?actor_kind=user", "?q=w7", "?study=7", "?q=nobody", "?kind=trial"]  # fmt: skip
    _fill(300)
    few = len(_statements(admin_client, ""))
    _fill(MANY)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE access_auditentry")
    for query in queries:
        statements = _statements(admin_client, query)
        assert len(statements) == few, query
        for sql, parameters in statements:
            if "access_auditentry" in sql:
                assert _rows_read(sql, parameters) <= 10_100, (query, sql)


def _fill(n: int, numbers: str = "ARRAY[i]") -> None:
    """Entries as they are: nearly all of tells by tokens."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO access_auditentry (actor_kind, actor_name, request_id, action, kind, "
            "subject, subject_id, numbers, details) SELECT "
            "CASE WHEN i % 1000 = 0 THEN 'user' ELSE 'token' END, 'w' || i % 50, '', "
            "CASE WHEN i % 1000 = 0 THEN 'created' ELSE 'told' END, "
            "CASE WHEN i % 1000 = 0 THEN 'study' ELSE 'trial' END, "
            f"'study-' || i % 100, i % 100, {numbers}, '{{}}' FROM generate_series(1, {n}) AS i"
        )


def _statements(client: Client, query: str) -> list[tuple[str, Any]]:
    with recorded_statements() as statements:
        assert client.get(LIST + query).status_code == 200
    return statements


def _rows_read(sql: str, parameters: Any) -> int:
    """The rows that a statement takes from the table and its indexes, and those it drops."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF) {sql}", parameters)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Seq Scan" not in plan, plan
    read = re.findall(r"Scan.*actual rows=(\d+)", plan)
    dropped = re.findall(r"Rows Removed by Filter: (\d+)", plan)
    return max(map(int, read), default=0) + sum(map(int, dropped))
