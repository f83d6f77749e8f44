"""Correcting trials in the admin."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from rest_framework.test import APIClient

from access.models import AuditEntry
from studies.models import Study
from tests.support.api_client import (
    assert_schemas_agree,
    complete,
    create_study,
    list_trials,
    start_trial,
    trial_action,
)
from trials.models import Trial

LIST = "/admin/trials/trial/"


@pytest.fixture
def study(api: APIClient) -> Study:
    """Trials 0 to 3: complete, complete and best, failed, running."""
    create_study(api, direction="maximize", sampler="random")
    for _ in range(4):
        start_trial(api)
    complete(api, "search", 0, 1.0)
    complete(api, "search", 1, 2.0)
    trial_action(api, 2, "fail", reason="out of memory")
    return Study.objects.get()


def choose(client: Client, action: str, *numbers: int, **form: Any) -> list[str]:
    """Choose an action for trials, and return the messages."""
    ids = Trial.objects.filter(number__in=numbers).values_list("pk", flat=True)
    body = {"action": action, "_selected_action": list(ids), **form}
    response = client.post(f"{LIST}?study__id__exact={Study.objects.get().pk}", body, follow=True)
    assert response.status_code == 200
    return [str(message) for message in response.context["messages"]]


def states(api: APIClient) -> list[str]:
    return [trial["state"] for trial in list_trials(api)]


def test_results_of_selected_trials_are_invalidated(
    admin_client: Client, api: APIClient, study: Study
) -> None:
    messages = choose(admin_client, "invalidate_results", 0, 1, 2, 3, reason="wrong data")
    assert messages == [
        "2 trials: result invalidated",
        "trial 2 is FAIL: only a COMPLETE or PRUNED one has a result; and 1 more",
    ]
    assert states(api) == ["FAIL", "FAIL", "FAIL", "RUNNING"]
    assert list_trials(api)[0]["reason"] == "wrong data"
    assert Study.objects.get().best_value is None
    assert LogEntry.objects.count() == 2
    entries = AuditEntry.objects.filter(action="invalidated")
    assert {entry.actor_kind for entry in entries} == {"user"}
    assert_schemas_agree()


def test_invalidation_needs_a_reason(admin_client: Client, api: APIClient, study: Study) -> None:
    messages = choose(admin_client, "invalidate_results", 0, reason=" ")
    assert messages == ["Enter the reason why the results are invalid, beside the action."]
    assert states(api)[0] == "COMPLETE"


def test_selected_failed_trials_are_queued_again(
    admin_client: Client, api: APIClient, study: Study
) -> None:
    messages = choose(admin_client, "retry_trials", 0, 2)
    assert messages == [
        "1 trial: queued again",
        "trial 0 is COMPLETE: only one that has failed is retried",
    ]
    assert states(api) == ["COMPLETE", "COMPLETE", "FAIL", "RUNNING", "WAITING"]
    assert_schemas_agree()


def test_form_asks_for_the_reason(admin_client: Client, study: Study) -> None:
    page = admin_client.get(LIST).content.decode()
    assert '<input type="text" name="reason"' in page


@pytest.mark.parametrize("may_change", [False, True])
def test_corrections_need_the_permission_to_change_studies(
    client: Client, api: APIClient, study: Study, may_change: bool
) -> None:
    user = User.objects.create_user("viewer", is_staff=True)
    names = ["view_trial", *(["change_study"] if may_change else [])]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(user)
    choose(client, "invalidate_results", 0, reason="wrong data")
    assert states(api)[0] == ("FAIL" if may_change else "COMPLETE")
