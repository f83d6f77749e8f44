"""The front page: what runs, what needs attention, and by which permissions."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from access.models import Token
from studies.models import Study
from tests.support.api_client import complete, create_study, suggest
from tests.support.many_studies import copy_study

pytestmark = pytest.mark.django_db

SPACE = [{"type": "float", "name": "x", "low": 0.0, "high": 1.0}]


def create(api: APIClient, name: str, **definition: Any) -> Study:
    body = {"name": name, "search_space": SPACE, "sampler": "random", "direction": "minimize"}
    create_study(api, **{**body, **definition})
    return Study.objects.get(name=name)


def run(api: APIClient, name: str, *values: float) -> None:
    """Complete a trial with each value, and start another one."""
    for value in values:
        complete(api, name, suggest(api, name)["trial_id"], value)
    suggest(api, name)


def fail(api: APIClient, name: str, n: int, reason: str) -> None:
    for _ in range(n):
        number = suggest(api, name)["trial_id"]
        post(api, name, number, "fail", {"reason": reason} if reason else {})


def post(api: APIClient, name: str, number: int, action: str, body: Any) -> None:
    response = api.post(f"/api/v1/studies/{name}/trials/{number}/{action}", body)
    assert response.status_code == 200, response.content


def age(name: str, hours: float) -> None:
    """Let everything in a study have happened some hours earlier."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE trials_trial SET datetime_start = datetime_start - by, "
            "datetime_complete = datetime_complete - by, seen_at = seen_at - by, "
            "lease_expires_at = lease_expires_at - by FROM (SELECT %(by)s::interval AS by) AS t "
            "WHERE study_id = (SELECT id FROM studies_study WHERE name = %(name)s)",
            {"by": f"{hours} hours", "name": name},
        )


def shown(client: Client) -> dict[str, Any]:
    response: Any = client.get("/admin/")
    assert response.status_code == 200
    return response.context_data


def attention(client: Client) -> list[tuple[str, str, str]]:
    return [(each.kind, each.name, each.text) for each in shown(client)["attention"]]


def test_running_study_is_shown_with_its_pace_end_and_best(
    admin_client: Client, api: APIClient
) -> None:
    create(api, "idle")
    create(api, "busy", max_trials=8)
    run(api, "busy", 3.0, 1.5, 2.5)
    age("busy", 0.5)
    page = admin_client.get("/admin/").content.decode()
    (row,) = shown(admin_client)["running"]
    assert (row["study"].name, row["n_done"], row["n_target"], row["best"]) == ("busy", 3, 8, "1.5")
    assert row["pace"] == "6\N{NO-BREAK SPACE}/h"
    assert row["eta"] == "50\N{NO-BREAK SPACE}min"
    assert 'aria-label="best value from 3 to 1.5"' in page
    assert 'aria-label="3 of 8 trials"' in page
    assert [each["name"] for each in shown(admin_client)["latest"]] == ["busy", "idle"]
    assert attention(admin_client) == []


def test_best_value_is_shown_with_its_metric_and_direction(
    admin_client: Client, api: APIClient
) -> None:
    create(api, "named", direction=["maximize", "minimize"], metric_names=["recall", "latency"])
    create(api, "plain")
    assert {each["name"]: each["best_of"] for each in shown(admin_client)["latest"]} == {
        "named": "recall: maximize, latency: minimize",
        "plain": "minimize",
    }


def test_latest_studies_are_those_created_last(admin_client: Client, api: APIClient) -> None:
    for name in ("today", "long ago"):
        create(api, name)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE studies_study SET created_at = created_at - interval '30 days' WHERE name = %s",
            ["long ago"],
        )
    assert [each["name"] for each in shown(admin_client)["latest"]] == ["today", "long ago"]


def test_failed_trials_use_up_no_budget(admin_client: Client, api: APIClient) -> None:
    for name, budget in (("bounded", {"max_trials": 8}), ("open", {})):
        create(api, name, **budget)
        fail(api, name, 2, "no memory")
        run(api, name, 3.0)
    rows = {each["study"].name: each for each in shown(admin_client)["running"]}
    assert (rows["bounded"]["n_done"], rows["open"]["n_done"]) == (1, 3)


def test_running_studies_begin_with_the_latest_sign_of_life(
    admin_client: Client, api: APIClient
) -> None:
    for name, hours in (("old", 0.9), ("new", 0.1), ("middle", 0.5)):
        create(api, name)
        run(api, name)
        age(name, hours)
    assert [each["study"].name for each in shown(admin_client)["running"]] == [
        "new",
        "middle",
        "old",
    ]


def test_more_running_studies_are_counted(admin_client: Client, api: APIClient) -> None:
    for number in range(10):
        create(api, f"s{number}")
        run(api, f"s{number}")
    found = shown(admin_client)
    assert (len(found["running"]), found["n_more_running"], len(found["latest"])) == (8, 2, 8)


def test_failing_study_is_first_with_its_reason(admin_client: Client, api: APIClient) -> None:
    create(api, "failing", lease_seconds=60)
    run(api, "failing", 1.0)
    fail(api, "failing", 6, "CUDA out of memory\nTraceback …")
    create(api, "paused", max_consecutive_failures=2)
    fail(api, "paused", 2, "")
    assert attention(admin_client) == [
        ("failing", "failing", "the last 6 trials have failed: CUDA out of memory"),
        ("failing", "paused", "paused; the last 2 trials have failed"),
    ]
    study = Study.objects.get(name="failing")
    page = admin_client.get("/admin/").content.decode()
    assert f'href="/admin/studies/study/{study.pk}/trials/7/"' in page


def test_four_failures_in_a_row_are_not_a_streak(admin_client: Client, api: APIClient) -> None:
    create(api, "unlucky")
    fail(api, "unlucky", 4, "preempted")
    assert attention(admin_client) == []


def test_failures_of_ended_studies_need_no_attention(admin_client: Client, api: APIClient) -> None:
    create(api, "over")
    fail(api, "over", 6, "preempted")
    assert len(attention(admin_client)) == 1
    assert api.post("/api/v1/studies/over/cancel", {}).status_code == 200
    assert attention(admin_client) == []


def test_lost_and_silent_trials_are_abandoned(admin_client: Client, api: APIClient) -> None:
    create(api, "leased", lease_seconds=600)
    run(api, "leased", 1.0)
    create(api, "silent")
    run(api, "silent", 1.0)
    assert attention(admin_client) == []
    for name in ("leased", "silent"):
        age(name, 3)
    assert sorted(attention(admin_client)) == [
        ("abandoned", "leased", "1 trial lost: expired leases, and no worker has asked since"),
        (
            "abandoned",
            "silent",
            "1 trial without a sign of life for 60\N{NO-BREAK SPACE}min, and no lease ends them",
        ),
    ]


def test_study_whose_trials_live_and_do_not_end_is_stalled(
    admin_client: Client, api: APIClient
) -> None:
    create(api, "stalled")
    run(api, "stalled", 1.0)
    age("stalled", 3)
    post(api, "stalled", 1, "heartbeat", {})
    [(kind, name, text)] = attention(admin_client)
    assert (kind, name) == ("stalled", "stalled")
    assert text.startswith("1 trial running, none has ended for 3\N{NO-BREAK SPACE}h; usually")


def test_study_without_an_end_among_its_latest_trials_is_not_called_stalled(
    admin_client: Client, api: APIClient
) -> None:
    create(api, "wide")
    run(api, "wide", 1.0)
    age("wide", 30)
    for _ in range(101):
        suggest(api, "wide")
    post(api, "wide", 1, "heartbeat", {})
    assert attention(admin_client) == []


def test_weighty_advice_is_shown(admin_client: Client, api: APIClient) -> None:
    create(api, "diverging")
    steps = {str(step): None for step in range(12)}
    complete(api, "diverging", suggest(api, "diverging")["trial_id"], 1.0)
    number = suggest(api, "diverging")["trial_id"]
    post(api, "diverging", number, "report", {"values": steps})
    [(kind, name, text)] = attention(admin_client)
    assert (kind, name) == ("advice", "diverging")
    assert "intermediate values are NaN" in text


def test_expired_tokens_are_shown_to_those_who_may_see_them(
    admin_client: Client, staff_client: Callable[..., Client], token: Callable[..., Any]
) -> None:
    days = {"gone": -1, "soon": 3, "later": 30, "forgotten": -90, "revoked": -1}
    for name, n in days.items():
        made, _ = token(name=name)
        expires = timezone.now() + timedelta(days=n)
        Token.objects.filter(pk=made.pk).update(expiry_date=expires, revoked=name == "revoked")
    found = attention(admin_client)
    assert [(kind, name) for kind, name, _ in found] == [("token", "gone"), ("token", "soon")]
    assert found[0][2].startswith("has expired: ")
    assert attention(staff_client("view_study")) == []
    assert len(attention(staff_client("view_token", name="another"))) == 2


def test_lines_are_limited(admin_client: Client, api: APIClient) -> None:
    for number in range(10):
        create(api, f"s{number}", max_consecutive_failures=1)
        fail(api, f"s{number}", 1, "x" * 5000)
    found = shown(admin_client)
    assert (len(found["attention"]), found["n_more_attention"]) == (8, 2)
    assert max(len(each.text) for each in found["attention"]) <= 220


def test_names_and_reasons_are_escaped(admin_client: Client, api: APIClient) -> None:
    create(api, "<b>&", max_consecutive_failures=1)
    fail(api, "<b>&", 1, "<script>")
    page = admin_client.get("/admin/").content.decode()
    assert "<b>&" not in page
    assert "&lt;b&gt;&amp;" in page
    assert "failed: &lt;script&gt;" in page


# Permissions and the empty page ----------------------------------------------------------


def test_front_page_shows_what_permissions_allow(
    staff_client: Callable[..., Client], api: APIClient
) -> None:
    create(api, "secret", max_consecutive_failures=1)
    run(api, "secret", 1.0)
    fail(api, "secret", 1, "boom")
    none = staff_client().get("/admin/").content.decode()
    assert "secret" not in none
    assert "Needs attention" not in none
    assert "You don’t have permission to view or edit anything." in none  # noqa: RUF001
    page = staff_client("view_study", name="another").get("/admin/").content.decode()
    assert "secret" in page
    assert "/trials/" not in page
    assert "access/token" not in page


def test_empty_front_page_says_what_to_do_first(admin_client: Client) -> None:
    page = admin_client.get("/admin/").content.decode()
    assert "seed_studies --demo" in page
    assert "There are no studies yet." in page
    assert "/admin/access/token/add/" in page


# Bounds ----------------------------------------------------------------------------------


def statements(client: Client) -> tuple[int, int]:
    with CaptureQueriesContext(connection) as queries:
        response = client.get("/admin/")
    return len(queries), len(response.content)


def test_front_page_costs_the_same_for_many_studies(admin_client: Client, api: APIClient) -> None:
    for number in range(9):
        create(api, f"busy{number}")
        run(api, f"busy{number}", 1.0)
    before, _ = statements(admin_client)
    copy_study("busy0", 300)
    after, size = statements(admin_client)
    assert before == after <= 35
    assert size < 30_000
