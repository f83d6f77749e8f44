"""The study pages of the admin, and deletion from both schemas."""

from collections.abc import Callable
from functools import partial
from threading import Event, Thread
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from access.actors import Actor
from optuna_bridge.enums import TrialState
from studies import domain
from studies.errors import StudyNotFound
from studies.models import NamedStudy, Study
from tests.support import JSON
from tests.support.api_client import complete, prune, suggest
from tests.support.study_builders import COMMAND, MIXED_SPACE, add_finished_trials
from trials import domain as trials_domain
from trials.models import IntermediateValue

LIST = "/admin/studies/study/"
MANY = 10_000


def stored_rows() -> dict[str, int]:
    """How many rows each table of a study or its trials has, in both schemas."""
    tables = [
        "studies_study",
        "trials_trial",
        "trials_intermediatevalue",
        "optuna.studies",
        "optuna.study_directions",
        "optuna.study_user_attributes",
        "optuna.trials",
        "optuna.trial_params",
        "optuna.trial_values",
        "optuna.trial_intermediate_values",
        "optuna.trial_user_attributes",
    ]
    with connection.cursor() as cursor:
        counts = {}
        for table in tables:
            cursor.execute(f"SELECT count(*) FROM {table}")
            counts[table] = cursor.fetchone()[0]
    return counts


def play(api: APIClient, name: str, **definition: Any) -> Study:
    """A study with a completed, a pruned and a running trial, over the API."""
    body = {
        "name": name,
        "search_space": MIXED_SPACE,
        "user_attrs": {"team": "vision"},
        **definition,
    }
    assert api.post("/api/v1/studies", body).status_code == 201
    for _ in range(3):
        suggest(api, name)
    values = [0.25, 7.5] if isinstance(definition.get("direction"), list) else 0.25
    told = {"intermediate_values": {"1": 0.125}, "user_attrs": {"gpu": "a100"}}
    complete(api, name, 0, values, **told)
    prune(api, name, 1)
    return Study.objects.get(name=name)


# What it shows ---------------------------------------------------------------------------


def test_study_list_begins_with_the_newest(admin_client: Client, api: APIClient) -> None:
    first, second = play(api, "first"), play(api, "second", direction=["minimize", "maximize"])
    response = admin_client.get(LIST)
    assert list(response.context["cl"].result_list) == [second, first]
    page = response.content.decode()
    for text in ("minimize, maximize", "1 complete", "1 pruned", "1 running", "0.25, 7.5", "tpe"):
        assert text in page
    assert f"/admin/trials/trial/?study__id__exact={first.pk}&amp;state__exact=RUNNING" in page


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("q=eco", ["second"]),
        ("q=%25", []),
        ("sampler=random", ["second"]),
        ("pruner=none", ["second"]),
        ("pruner=hyperband", ["first"]),
        ("objectives=one", ["first"]),
        ("objectives=several", ["second"]),
        ("created_at__gte=2000-01-01+00:00:00%2B00:00", ["second", "first"]),
        ("created_at__lt=2000-01-01+00:00:00%2B00:00", []),
        ("o=1", ["first", "second"]),
    ],
)
def test_study_list_is_searched_filtered_and_sorted(
    admin_client: Client, api: APIClient, query: str, names: list[str]
) -> None:
    play(api, "first")
    play(api, "second", direction=["minimize", "maximize"], sampler="random")
    response = admin_client.get(f"{LIST}?{query}")
    assert [study.name for study in response.context["cl"].result_list] == names


@pytest.mark.parametrize("column", range(1, 9))
def test_study_list_sorts_by_any_column(admin_client: Client, api: APIClient, column: int) -> None:
    play(api, "first")
    assert admin_client.get(f"{LIST}?o=-{column}").status_code == 200


@pytest.mark.parametrize("query", ["user_attrs=1", "search_space__x=1", "trials__number=1"])
def test_list_refuses_other_lookups(admin_client: Client, query: str) -> None:
    assert admin_client.get(f"{LIST}?{query}").status_code == 400


@pytest.mark.parametrize(
    ("direction", "budget", "text"),
    [
        ("minimize", {"trials": 1000}, "1,000 trials, now 1"),
        (
            ["minimize", "maximize"],
            {"trials": 5, "min_delta": 0.25, "reference_point": [1.5, 2]},
            "5 trials, now 1; by more than 0.25; up to 1.5, 2",
        ),
    ],
)
def test_study_page_shows_how_many_trials_have_not_improved(
    admin_client: Client, api: APIClient, direction: Any, budget: JSON, text: str
) -> None:
    study = play(api, "search", direction=direction, stop_after_no_improvement=budget)
    page = admin_client.get(f"{LIST}{study.pk}/change/").content.decode()
    assert f"<td>stop_after_no_improvement</td><td>{text}</td>" in page


@pytest.mark.django_db
def test_study_page_shows_the_definition_and_the_progress(
    admin_client: Client, api: APIClient
) -> None:
    study = play(api, "<b>&", direction="minimize", sampler_options={"n_startup_trials": 77})
    page = admin_client.get(f"{LIST}{study.pk}/change/").content.decode()
    for text in (
        "&lt;b&gt;&amp;",
        "minimize",
        "0.0001 to 0.1",
        "&quot;adam&quot;, &quot;sgd&quot;, &quot;rmsprop&quot;",
        "<td>n_startup_trials</td><td>77</td>",
        "<td>team</td><td>&quot;vision&quot;</td>",
        "1 pruned",
        f"<td>batch_size</td><td>{study.best_params['batch_size']}</td>",  # type: ignore[index]
    ):
        assert text in page
    assert "<b>&" not in page
    assert 'name="_save"' not in page


def test_study_page_is_bounded(admin_client: Client, api: APIClient) -> None:
    space = [
        {"type": "categorical", "name": f"p{i}", "choices": [f"{'x' * 99}{j}" for j in range(100)]}
        for i in range(100)
    ]
    attrs = {f"key{i}": "y" * 2000 for i in range(1500)}
    definition = domain.Definition(name="wide", search_space=space, user_attrs=attrs)
    study, _ = domain.create_study(actor=COMMAND, definition=definition)
    page = admin_client.get(f"{LIST}{study.pk}/change/").content.decode()
    assert "(100 choices)" in page
    assert "The first 1,000 of 1,500." in page
    assert len(page) < 2_000_000
    assert len(admin_client.get(LIST).content) < 50_000


def test_history_index_and_missing_pages_are_answered(admin_client: Client, api: APIClient) -> None:
    study = play(api, "first")
    assert admin_client.get(f"{LIST}{study.pk}/history/").status_code == 200
    assert b"<h1>Tuner</h1>" in admin_client.get("/admin/").content
    for missing in ("999", "99999999999999999999", "nonsense"):
        for view in ("change", "delete", "history"):
            assert admin_client.get(f"{LIST}{missing}/{view}/").status_code == 302


@pytest.mark.parametrize(
    "path", ["/admin", "/admin/studies/study", "/admin/studies/study/1/change"]
)
def test_admin_url_gets_a_slash(client: Client, path: str) -> None:
    response = client.get(f"{path}?q=1")
    assert (response.status_code, response["Location"]) == (302, f"{path}/?q=1")
    assert client.get("/administrator").status_code == 404


# What it refuses -------------------------------------------------------------------------


def test_studies_cannot_be_added_or_changed(admin_client: Client, api: APIClient) -> None:
    study = play(api, "first")
    for path in (f"{LIST}add/", f"{LIST}{study.pk}/change/"):
        assert admin_client.post(path, {"name": "other", "n_complete": 9}).status_code == 403
    assert admin_client.get(f"{LIST}add/").status_code == 403
    admin_client.post(LIST, {"form-TOTAL_FORMS": 1, "form-0-name": "other", "_save": "Save"})
    assert list(Study.objects.values_list("name", "n_complete")) == [("first", 1)]


def test_deletion_needs_the_permission(staff_client: Callable[..., Client], api: APIClient) -> None:
    study = play(api, "first")
    client = staff_client("view_study")
    assert client.get(f"{LIST}{study.pk}/change/").status_code == 200
    assert client.post(f"{LIST}{study.pk}/delete/", {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [study.pk], "post": "yes"}
    client.post(LIST, chosen)
    assert Study.objects.filter(pk=study.pk).exists()


def test_deletion_needs_no_permission_on_trials(
    staff_client: Callable[..., Client], api: APIClient
) -> None:
    study = play(api, "first")
    client = staff_client("view_study", "delete_study")
    assert client.post(f"{LIST}{study.pk}/delete/", {"post": "yes"}).status_code == 302
    assert set(stored_rows().values()) == {0}


# Deleting --------------------------------------------------------------------------------


def test_deletion_of_one_empties_both_schemas(admin_client: Client, api: APIClient) -> None:
    kept = play(api, "kept")
    before = stored_rows()
    assert 0 not in before.values()
    study = play(api, "gone")
    page = admin_client.get(f"{LIST}{study.pk}/delete/").content.decode()
    assert "gone</a> with 3 trials" in page
    response = admin_client.post(f"{LIST}{study.pk}/delete/", {"post": "yes"})
    assert (response.status_code, response["Location"]) == (302, LIST)
    assert stored_rows() == before
    assert Study.objects.get() == kept
    assert kept.trials.count() == 3
    assert LogEntry.objects.get().object_repr == "gone"


def test_deletion_of_several_empties_both_schemas(admin_client: Client, api: APIClient) -> None:
    play(api, "kept")
    before = stored_rows()
    gone = [play(api, "gone1").pk, play(api, "gone2").pk]
    chosen = {"action": "delete_selected", "_selected_action": gone}
    page = admin_client.post(LIST, chosen).content.decode()
    assert "gone1</a> with 3 trials" in page
    assert "Trials: 6" in page
    assert Study.objects.count() == 3
    response = admin_client.post(LIST, {**chosen, "post": "yes"}, follow=True)
    assert "Successfully deleted 2 studies." in response.content.decode()
    assert stored_rows() == before
    assert LogEntry.objects.count() == 2


def test_failing_deletion_changes_nothing(
    admin_client: Client, api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = play(api, "first")
    before = stored_rows()

    def fail(study_id: int) -> None:
        raise RuntimeError("the database is full")

    monkeypatch.setattr("studies.receivers.delete_study_rows", fail)
    chosen = {"action": "delete_selected", "_selected_action": [study.pk], "post": "yes"}
    for path, body in ((f"{LIST}{study.pk}/delete/", {"post": "yes"}), (LIST, chosen)):
        with pytest.raises(RuntimeError):
            admin_client.post(path, body)
    assert stored_rows() == before
    assert LogEntry.objects.count() == 0


def test_deletion_of_too_many_is_refused(
    admin_client: Client, api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.studies.study_admin.MAX_DELETED_AT_ONCE", 1)
    chosen = [play(api, "first").pk, play(api, "second").pk]
    body = {"action": "delete_selected", "_selected_action": chosen, "select_across": "1"}
    response = admin_client.post(LIST, {**body, "post": "yes"}, follow=True)
    assert "Select at most 1 studies at a time." in response.content.decode()
    assert Study.objects.count() == 2


# At 10,000 trials a study ----------------------------------------------------------------


@pytest.mark.django_db
def test_study_pages_cost_the_same_at_many_trials(admin_client: Client, api: APIClient) -> None:
    studies = [play(api, "few"), play(api, "many")]
    admin_client.get(LIST)  # what Django caches on first use

    def cost(method: str, path: str, **body: Any) -> tuple[int, int]:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            response = getattr(admin_client, method)(path, body)
        assert response.status_code == 200
        return len(queries), len(response.content)

    def costs() -> dict[str, tuple[int, int]]:
        pk = studies[1].pk
        bulk = {"action": "delete_selected", "_selected_action": [each.pk for each in studies]}
        return {
            "list": cost("get", LIST),
            "page": cost("get", f"{LIST}{pk}/change/"),
            "delete one": cost("get", f"{LIST}{pk}/delete/"),
            "delete several": cost("post", LIST, **bulk),
        }

    before = costs()
    add_finished_trials(studies[1], MANY)
    after = costs()
    assert {name: n for name, (n, _) in after.items()} == {n: c for n, (c, _) in before.items()}
    assert max(n for n, _ in after.values()) <= 8
    assert max(size for _, size in after.values()) < 30_000


@pytest.mark.django_db
def test_deletion_of_many_trials_takes_few_statements(admin_client: Client, api: APIClient) -> None:
    study = play(api, "many")
    add_finished_trials(study, MANY)
    with CaptureQueriesContext(connection) as queries:
        admin_client.post(f"{LIST}{study.pk}/delete/", {"post": "yes"})
    assert len(queries) <= 30
    assert set(stored_rows().values()) == {0}


# Beside other writers --------------------------------------------------------------------


class Worker(Thread):
    """Runs a function on a database connection of its own, keeping what it raised."""

    def __init__(self, function: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self.function = function
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.function()
        except Exception as error:  # noqa: BLE001  (the test looks at it)
            self.error = error
        finally:
            connection.close()


def waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() "
            "AND wait_event_type = 'Lock')"
        )
        return cursor.fetchone()[0]


def until(condition: Callable[[], bool]) -> None:
    pause = Event()
    for _ in range(500):
        if condition():
            return
        pause.wait(0.02)
    raise AssertionError("it never came to that")


@pytest.mark.django_db(transaction=True)
def test_deletion_waits_for_an_ask_in_flight(admin_client: Client, api: APIClient) -> None:
    study = play(api, "busy")
    asked, go_on = Event(), Event()

    def ask() -> None:
        with transaction.atomic():
            trials_domain.ask(actor=COMMAND, named=NamedStudy("busy"))
            asked.set()
            go_on.wait(10)

    asking = Worker(ask)
    assert asked.wait(10)
    deleting = Worker(lambda: admin_client.post(f"{LIST}{study.pk}/delete/", {"post": "yes"}))
    until(waits_for_a_lock)
    go_on.set()
    asking.join(10)
    deleting.join(10)
    assert (asking.error, deleting.error) == (None, None)
    assert set(stored_rows().values()) == {0}


@pytest.mark.django_db(transaction=True)
def test_ask_during_a_deletion_finds_no_study(
    admin_client: Client, api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = play(api, "busy")
    deleted, go_on = Event(), Event()

    def delete_slowly(*, actor: Actor, studies: Any) -> int:
        with transaction.atomic():
            n = delete_studies(actor=actor, studies=studies)
            deleted.set()
            go_on.wait(10)
            return n

    delete_studies = domain.delete_studies
    monkeypatch.setattr(domain, "delete_studies", delete_slowly)
    deleting = Worker(lambda: admin_client.post(f"{LIST}{study.pk}/delete/", {"post": "yes"}))
    assert deleted.wait(10)
    asking = Worker(lambda: trials_domain.ask(actor=COMMAND, named=NamedStudy("busy")))
    until(waits_for_a_lock)
    go_on.set()
    deleting.join(10)
    asking.join(10)
    assert deleting.error is None
    assert isinstance(asking.error, StudyNotFound)
    assert set(stored_rows().values()) == {0}


@pytest.mark.django_db(transaction=True)
def test_bulk_deletion_under_load_leaves_both_schemas_empty(
    admin_client: Client, api: APIClient
) -> None:
    studies = [play(api, f"busy{i}") for i in range(3)]

    def ask_and_tell(name: str) -> None:
        while True:
            trial = trials_domain.ask(actor=COMMAND, named=NamedStudy(name))
            result = trials_domain.TrialResult(TrialState.COMPLETE, [0.5], {1: 0.5})
            trials_domain.tell(
                actor=COMMAND, named=NamedStudy(name), number=trial.number, result=result
            )

    workers = [Worker(partial(ask_and_tell, study.name)) for study in studies for _ in "ab"]
    until(lambda: all(study.trials.count() > 10 for study in studies))
    chosen = {"action": "delete_selected", "_selected_action": [study.pk for study in studies]}
    assert admin_client.post(LIST, {**chosen, "post": "yes"}).status_code == 302
    for worker in workers:
        worker.join(10)
    assert {type(worker.error) for worker in workers} == {StudyNotFound}
    assert set(stored_rows().values()) == {0}
    assert not IntermediateValue.objects.exists()


# Links to trials -------------------------------------------------------------------------


def test_trial_of_a_number_is_found(admin_client: Client, api: APIClient) -> None:
    study = play(api, "first")
    trial = study.trials.get(number=1)
    response = admin_client.get(f"{LIST}{study.pk}/trials/1/")
    assert (response.status_code, response["Location"]) == (
        302,
        f"/admin/trials/trial/{trial.pk}/change/",
    )
    for missing in (f"{study.pk}/trials/3/", f"{study.pk}/trials/{2**31}/", "999/trials/0/"):
        assert admin_client.get(f"{LIST}{missing}").status_code == 404


def test_study_page_links_to_trials_for_those_who_may_see_them(
    staff_client: Callable[..., Client], api: APIClient
) -> None:
    study = play(api, "first")
    path = f"{LIST}{study.pk}/trials/0/"
    client = staff_client("view_study")
    assert client.get(path).status_code == 403
    live = client.get(f"{LIST}{study.pk}/change/").content.decode().partition("tuner-study")[2]
    assert "data-trial" not in live
    client = staff_client("view_study", "view_trial", name="another")
    assert client.get(path).status_code == 302
    live = client.get(f"{LIST}{study.pk}/change/").content.decode().partition("tuner-study")[2]
    assert f'data-trial="{LIST}{study.pk}/trials/"' in live
