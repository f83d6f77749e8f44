"""Study actions in the admin: changes of state, files and clones."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from access.models import AuditEntry
from studies.models import Study
from tests.support import X_SPACE
from tests.support.api_client import (
    STUDIES,
    assert_schemas_agree,
    complete,
    create_study,
    get_study,
    start_trial,
    study_state,
    suggest,
    trial_action,
)

NAMES = ("search", "other")
LIST = "/admin/studies/study/"
SPACE_TO = '[{{"type": "float", "name": "x", "low": 0, "high": {}}}]'
CHOICES = '[{{"type": "categorical", "name": "x", "choices": ["{}"]}}]'


@pytest.fixture
def study(api: APIClient) -> Study:
    create_study(api)
    return Study.objects.get(name="search")


def choose(client: Client, action: str, *studies: Study) -> Any:
    """Run an action of the list on studies."""
    body = {"action": action, "_selected_action": [study.pk for study in studies]}
    return client.post(LIST, body, follow=True)


def said(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


# States ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actions", "state"),
    [
        (["pause"], "PAUSED"),
        (["pause", "resume"], "ACTIVE"),
        (["complete"], "COMPLETED"),
        (["cancel"], "CANCELLED"),
    ],
)
def test_actions_change_the_states_of_selected_studies(
    admin_client: Client, api: APIClient, study: Study, actions: list[str], state: str
) -> None:
    create_study(api, name="other")
    other = Study.objects.get(name="other")
    for action in actions:
        response = choose(admin_client, f"{action}_studies", study, other)
    assert said(response) == [f'study "{name}" is {state}' for name in ("search", "other")]
    assert study_state(api) == study_state(api, "other") == (state, None)
    assert LogEntry.objects.count() == 2 * len(actions)
    assert_schemas_agree()


def test_silent_trials_of_selected_studies_are_failed(
    admin_client: Client, api: APIClient, study: Study
) -> None:
    create_study(api, name="other", max_retries=1)
    other = Study.objects.get(name="other")
    start_trial(api), start_trial(api, "other")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE trials_trial SET seen_at = seen_at - interval '2 hours'")
    start_trial(api, "other")
    response = choose(admin_client, "fail_silent_trials", study, other)
    assert said(response) == [f'study "{name}": 1 silent trials failed' for name in NAMES]
    assert get_study(api)["trial_counts"]["FAIL"] == 1
    counts = get_study(api, "other")["trial_counts"]
    assert (counts["FAIL"], counts["WAITING"], counts["RUNNING"]) == (1, 1, 1)
    assert {entry.actor_kind for entry in AuditEntry.objects.filter(action="failed")} == {"user"}
    response = choose(admin_client, "fail_silent_trials", study)
    assert said(response) == ['study "search": 0 silent trials failed']
    assert_schemas_agree()


def test_failed_trials_of_selected_studies_are_queued_again(
    admin_client: Client, api: APIClient, study: Study
) -> None:
    create_study(api, name="other")
    other = Study.objects.get(name="other")
    for name in NAMES:
        trial_action(api, start_trial(api, name), "fail", name)
    api.post(f"{STUDIES}/other/cancel")
    response = choose(admin_client, "retry_failed", study, other)
    assert said(response) == [
        'study "search": 1 failed trials queued again',
        'study "other" was cancelled',
    ]
    assert get_study(api)["trial_counts"]["WAITING"] == 1
    assert get_study(api, "other")["trial_counts"]["WAITING"] == 0
    assert_schemas_agree()


def test_impossible_action_is_reported(admin_client: Client, api: APIClient, study: Study) -> None:
    choose(admin_client, "cancel_studies", study)
    response = choose(admin_client, "resume_studies", study)
    assert said(response) == ['study "search" was cancelled, which is final']
    assert study_state(api) == ("CANCELLED", None)


def offered(response: Any) -> list[str]:
    """The actions for which a study's page has buttons."""
    return [button["action"] for button in response.context["buttons"]]


def test_study_page_offers_the_allowed_actions(
    admin_client: Client, api: APIClient, study: Study
) -> None:
    page = f"{LIST}{study.pk}/change/"
    assert offered(admin_client.get(page)) == ["pause", "complete", "cancel"]
    response = admin_client.post(f"{LIST}{study.pk}/act/pause/", follow=True)
    assert response.redirect_chain == [(page, 302)]
    assert offered(response) == ["resume", "complete", "cancel"]
    assert said(response) == ['study "search" is PAUSED']
    assert study_state(api) == ("PAUSED", None)


def test_state_is_changed_by_post_only(admin_client: Client, study: Study) -> None:
    assert admin_client.get(f"{LIST}{study.pk}/act/pause/").status_code == 405
    assert admin_client.post(f"{LIST}{study.pk}/act/explode/").status_code == 404
    assert admin_client.post(f"{LIST}99999/act/pause/").status_code == 404


def test_forged_form_changes_nothing(admin_client: Client, api: APIClient, study: Study) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies = admin_client.cookies
    for path in ("act/pause/", "clone/"):
        assert client.post(f"{LIST}{study.pk}/{path}").status_code == 403
    assert study_state(api) == ("ACTIVE", None)


# Permissions -----------------------------------------------------------------------------


def test_view_permission_allows_no_action(
    staff_client: Callable[..., Client], api: APIClient, study: Study
) -> None:
    client = staff_client("view_study", "view_trial")
    page = client.get(f"{LIST}{study.pk}/change/")
    assert offered(page) == []
    assert [label for label, _ in page.context["object_links"]] == [
        "Trials",
        "Optuna dashboard",
        "Export",
    ]
    assert list(client.get(LIST).context["cl"].model_admin.get_actions(page.wsgi_request)) == [
        "export_studies"
    ]
    for path in ("act/pause/", "clone/"):
        assert client.post(f"{LIST}{study.pk}/{path}").status_code == 403
    assert study_state(api) == ("ACTIVE", None)


def test_change_permission_allows_state_actions(
    staff_client: Callable[..., Client], api: APIClient, study: Study
) -> None:
    client = staff_client("view_study", "change_study")
    assert client.post(f"{LIST}{study.pk}/act/pause/").status_code == 302
    assert study_state(api) == ("PAUSED", None)


@pytest.mark.parametrize("path", ["act/pause/", "clone/"])
def test_other_users_are_refused(client: Client, api: APIClient, study: Study, path: str) -> None:
    response = client.post(f"{LIST}{study.pk}/{path}")
    assert (response.status_code, response["Location"].split("?")[0]) == (302, "/admin/login/")
    assert study_state(api) == ("ACTIVE", None)


# Export ----------------------------------------------------------------------------------


def test_selected_studies_are_exported_in_one_file(
    admin_client: Client, api: APIClient, study: Study
) -> None:
    create_study(api, name="other")
    complete(api, "search", start_trial(api), 0.5)
    response = choose(admin_client, "export_studies", study, Study.objects.get(name="other"))
    assert response["Content-Disposition"] == 'attachment; filename="studies.jsonl"'
    kinds = [json.loads(line)["kind"] for line in response.getvalue().splitlines()]
    assert kinds == ["study", "trial", "end", "study", "end"]


def test_export_of_one_study_equals_the_apis(
    admin_client: Client, api: APIClient, study: Study
) -> None:
    response = choose(admin_client, "export_studies", study)
    assert response["Content-Disposition"] == 'attachment; filename="search.jsonl"'
    assert response.getvalue() == api.get(f"{STUDIES}/search/export").getvalue()


# Clone -----------------------------------------------------------------------------------


def form(name: str, **more: Any) -> dict[str, Any]:
    space = json.dumps(X_SPACE)
    return {"name": name, "sampler": "tpe", "pruner": "none", "search_space": space} | more


def test_study_is_cloned_with_its_trials(
    admin_client: Client, api: APIClient, study: Study
) -> None:
    complete(api, "search", start_trial(api), 0.5)
    suggest(api)
    url = reverse("admin:studies_study_clone", args=[study.pk])
    assert choose(admin_client, "clone_selected", study).redirect_chain == [(url, 302)]
    initial = admin_client.get(url).context["form"].initial
    assert initial["name"] == "search (clone)"
    assert json.loads(initial["search_space"]) == X_SPACE
    response = admin_client.post(url, form("next", sampler="random", trials="on"), follow=True)
    clone = get_study(api, "next")
    assert response.redirect_chain == [(f"{LIST}{clone['study_id']}/change/", 302)]
    assert said(response) == ["2 trials were kept, 0 left out"]
    assert (clone["sampler"], clone["pruner"], clone["best_value"]) == ("random", "none", 0.5)
    assert LogEntry.objects.get().change_message == 'cloned from "search"'
    assert_schemas_agree("next")


def test_trials_of_a_clone_are_chosen(admin_client: Client, api: APIClient, study: Study) -> None:
    for value in (0.5, 0.25, 0.75):
        complete(api, "search", start_trial(api), value)
    space = json.dumps([*X_SPACE, {"type": "int", "name": "n", "low": 1, "high": 9}])
    choice = {"trials": "on", "defaults": '{"n": 3}', "exclude": "0,  1", "search_space": space}
    url = reverse("admin:studies_study_clone", args=[study.pk])

    response = admin_client.post(url, form("next") | choice, follow=True)

    assert said(response) == ["1 trials were kept, 2 left out"]
    assert get_study(api, "next")["best_params"]["n"] == 3
    assert get_study(api, "next")["best_value"] == 0.75


def test_clone_has_the_options_of_its_pruner(
    admin_client: Client, api: APIClient, study: Study
) -> None:
    url = reverse("admin:studies_study_clone", args=[study.pk])
    chosen = {"pruner": "threshold", "pruner_options": '{"upper": 2.5, "patience": 3}'}
    admin_client.post(url, form("next") | chosen)
    clone = get_study(api, "next")
    assert (clone["pruner"], clone["pruner_options"]["upper"]) == ("threshold", 2.5)
    assert clone["pruner_options"]["patience"] == 3


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"pruner": "threshold"}, "/pruner_options/lower: pruner threshold: expected a number for"),
        ({"pruner_options": '{"patience": 3}'}, "/pruner_options/patience: pruner none: unknown"),
        ({"pruner_options": "["}, "it is not valid JSON"),
        ({"name": "search"}, 'study "search" exists'),
        ({"name": "a/b"}, '/name: a name has no "/", and is not "." or ".."'),
        ({"search_space": "[]"}, "/search_space: "),
        ({"defaults": "{"}, "it is not valid JSON"),
        ({"defaults": "[]"}, "/defaults: expected an object"),
        ({"defaults": '{"y": 1}'}, "/defaults/y: unknown parameter"),
        ({"exclude": "0-3"}, "expected the numbers of trials"),
        ({"exclude": "9" * 5000}, "expected the numbers of trials"),
        ({"exclude": "7"}, '/exclude/0: there is no trial 7 in study "search"'),
        ({"search_space": "{"}, "it is not valid JSON"),
        ({"search_space": "[" * 20_000}, "nested too deeply"),
        ({"search_space": SPACE_TO.format("9" * 400)}, "too large"),
        ({"search_space": SPACE_TO.format("9" * 5000)}, "too large"),
        ({"search_space": SPACE_TO.format("NaN")}, "NaN is not a JSON number"),
        ({"search_space": CHOICES.format(r"\u0000")}, "a NUL character"),
        ({"search_space": CHOICES.format(r"\ud800")}, "a lone surrogate"),
        ({"search_space": '[{"type": "float", "name": "x", "low": 1, "high": 0}]'}, "is above"),
    ],
)
def test_impossible_clone_is_refused_with_a_message(
    admin_client: Client, study: Study, changes: dict[str, str], fault: str
) -> None:
    url = reverse("admin:studies_study_clone", args=[study.pk])
    response = admin_client.post(url, form("next") | changes)
    errors = [text for texts in response.context["form"].errors.values() for text in texts]
    assert response.status_code == 200
    assert any(fault in error for error in errors), errors
    assert Study.objects.count() == 1


def test_one_study_is_cloned_at_a_time(admin_client: Client, api: APIClient, study: Study) -> None:
    create_study(api, name="other")
    response = choose(admin_client, "clone_selected", study, Study.objects.get(name="other"))
    assert said(response) == ["Select one study to clone."]


def test_search_space_is_changed(admin_client: Client, api: APIClient, study: Study) -> None:
    suggest(api)
    url = reverse("admin:studies_study_search_space", args=[study.pk])
    initial = admin_client.get(url).context["form"].initial
    assert json.loads(initial["search_space"]) == X_SPACE
    space = [{"type": "int", "name": "n", "low": 1, "high": 9}]
    posted = {"search_space": json.dumps(space), "defaults": '{"n": 3}', "if_version": 1}
    refused = admin_client.post(url, posted)
    assert "it is left out: give the value" in refused.content.decode()
    response = admin_client.post(url, posted | {"retired": '{"x": 0.5}'}, follow=True)
    assert response.redirect_chain == [(f"{LIST}{study.pk}/change/", 302)]
    assert said(response) == ["The search space has version 2."]
    assert get_study(api)["search_space"] == space
    assert "user admin" in response.content.decode()
    other = admin_client.post(url, posted | {"search_space": json.dumps(X_SPACE)})
    assert "has version 2, not 1" in other.content.decode()


def test_search_space_needs_a_permission(staff_client: Callable[..., Client], study: Study) -> None:
    url = reverse("admin:studies_study_search_space", args=[study.pk])
    assert staff_client("view_study").get(url).status_code == 403
