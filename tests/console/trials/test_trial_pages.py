"""The trial pages of the admin: content and statement counts."""

import math
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from optuna_bridge.enums import TrialState
from studies.domain import Definition, create_study
from studies.models import Study
from tests.support.api_client import create_study as create_study_by_api
from tests.support.api_client import suggest, trial_action
from tests.support.study_builders import (
    COMMAND,
    add_finished_trials,
    ask_trial,
    build_study,
    store_on_trial,
    tell_trial,
)
from trials.models import Trial

LIST = "/admin/trials/trial/"
MANY = 10_000


def of(study: Study, **query: Any) -> str:
    more = "".join(f"&{key}={value}" for key, value in query.items())
    return f"{LIST}?study__id__exact={study.pk}{more}"


def numbers(client: Client, url: str) -> list[int]:
    response = client.get(url)
    assert response.status_code == 200
    return [trial.number for trial in response.context["cl"].result_list]


@pytest.fixture
def study(db: None) -> Study:
    """Trials 0 to 4: complete, complete and best, pruned, failed, running; and another study."""
    study = build_study("search")
    for _ in range(5):
        ask_trial(study)
    tell_trial(study, 0, 0.25, steps={1: 0.125, 2: math.nan}, attrs={"gpu": "<a100>"})
    tell_trial(study, 1, 1e300)
    tell_trial(study, 2, state=TrialState.PRUNED, steps={1: -math.inf})
    tell_trial(study, 3, state=TrialState.FAIL)
    ask_trial(build_study("other"))
    return study


# What it shows ---------------------------------------------------------------------------


def test_trial_list_shows_one_study(admin_client: Client, study: Study) -> None:
    response = admin_client.get(of(study))
    page = response.content.decode()
    assert [trial.number for trial in response.context["cl"].result_list] == [4, 3, 2, 1, 0]
    assert response.context["title"] == "Trials of search"
    best = Trial.objects.get_by_number(study, 1)
    for text in (
        "1e+300",
        "-inf",
        "tuner-state-running",
        '<span class="tuner-param">batch_size</span>',
        f'<td class="field-param_2">{best.params["batch_size"]}</td>',
        f'<a href="/admin/studies/study/{study.pk}/change/">search</a>',
    ):
        assert text in page
    assert "other" not in page


def test_trial_page_shows_what_drew_the_parameters(admin_client: Client, db: None) -> None:
    trial = ask_trial(build_study("automatic", sampler="auto"))
    page = admin_client.get(f"{LIST}{trial.pk}/change/").content.decode()
    assert '<div class="readonly">design</div>' in page.split("Sampled by", 1)[1]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"state__exact": "COMPLETE"}, [1, 0]),
        ({"state__exact": "WAITING"}, []),
        ({"state__exact": "nonsense"}, []),
        ({"state__exact": "%00"}, []),
        ({"on_front": "1"}, [1]),
        ({"on_front": "0"}, [4, 3, 2, 1, 0]),
        ({"q": "3"}, [3]),
        ({"q": " "}, [4, 3, 2, 1, 0]),
        ({"q": "3", "state__exact": "COMPLETE"}, []),
        ({"q": "99999999999999999999"}, []),
        ({"q": "nonsense"}, []),
        ({"q": "²"}, []),
        ({"o": "-1"}, [4, 3, 2, 1, 0]),
        ({"all": ""}, [4, 3, 2, 1, 0]),
    ],
)
def test_trial_list_is_filtered(
    admin_client: Client, study: Study, query: dict[str, str], expected: list[int]
) -> None:
    assert numbers(admin_client, of(study, **query)) == expected


def test_trial_list_of_all_studies_shows_the_newest(
    admin_client: Client, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert numbers(admin_client, LIST) == [0, 4, 3, 2, 1, 0]
    monkeypatch.setattr("console.trials.changelist.NEWEST", 3)
    assert numbers(admin_client, LIST) == [0, 4, 3]
    assert numbers(admin_client, f"{LIST}?state__exact=FAIL") == [3]


def test_trial_list_may_be_empty(admin_client: Client) -> None:
    assert numbers(admin_client, LIST) == []
    assert numbers(admin_client, f"{LIST}?study__id__exact=999") == []
    assert numbers(admin_client, f"{LIST}?study__id__exact=99999999999999999999") == []
    assert numbers(admin_client, of(build_study())) == []


@pytest.mark.parametrize("query", ["study__id__exact=x", "study__id__exact=", "p=0", "p=999"])
def test_trial_list_redirects_invalid_queries(
    admin_client: Client, study: Study, query: str
) -> None:
    response = admin_client.get(f"{LIST}?{query}", follow=True)
    assert response.status_code == 200


@pytest.mark.parametrize("query", ["user_attrs=1", "values__0__gt=1", "study__name=x"])
def test_list_refuses_other_lookups(admin_client: Client, query: str) -> None:
    assert admin_client.get(f"{LIST}?{query}").status_code == 400


def test_trial_list_is_paged(admin_client: Client, db: None) -> None:
    study = build_study()
    add_finished_trials(study, 250)  # the last 25 failed
    shown = [n for page in (1, 2, 3) for n in numbers(admin_client, of(study, p=page))]
    assert shown == list(range(249, -1, -1))
    complete = [
        n
        for page in (1, 2, 3)
        for n in numbers(admin_client, of(study, p=page, state__exact="COMPLETE"))
    ]
    assert complete == list(range(224, -1, -1))
    assert admin_client.get(of(study, p=4)).status_code == 302
    assert len(numbers(admin_client, of(study, all=""))) == 100


def test_trial_page_shows_everything(admin_client: Client, study: Study) -> None:
    store_on_trial(study, 4, system_attrs={"completed_rung_0": 0.5})
    trial = Trial.objects.get_by_number(study, 0)
    page = admin_client.get(f"{LIST}{trial.pk}/change/").content.decode()
    for text in (
        f"<td>learning_rate</td><td>{trial.params['learning_rate']}</td>",
        f"<td>optimizer</td><td>&quot;{trial.params['optimizer']}&quot;</td>",
        "<td>1</td><td>0.125</td>",
        "<td>2</td><td>nan</td>",
        "<td>gpu</td><td>&quot;&lt;a100&gt;&quot;</td>",
        f"{trial.datetime_start:%Y-%m-%d %H:%M:%S}",
    ):
        assert text in page
    assert 'name="_save"' not in page
    for other in study.trials.all():
        assert admin_client.get(f"{LIST}{other.pk}/change/").status_code == 200
        assert admin_client.get(f"{LIST}{other.pk}/history/").status_code == 200
    running = Trial.objects.get_by_number(study, 4).pk
    assert "completed_rung_0" in admin_client.get(f"{LIST}{running}/change/").content.decode()


def test_trial_pages_say_that_a_trial_is_infeasible(admin_client: Client, api: APIClient) -> None:
    create_study_by_api(api)
    suggest(api), suggest(api)
    trial_action(api, 0, "fail", infeasible=True, reason="too large")
    trial_action(api, 1, "fail", infeasible=True)
    first, second = Trial.objects.order_by("number")
    assert '<p class="tuner-reason">too large</p>' in text_of(admin_client, first)
    for trial in (first, second):
        assert "Infeasible: its parameters cannot be evaluated" in text_of(admin_client, trial)


def text_of(client: Client, trial: Trial) -> str:
    return client.get(f"/admin/trials/trial/{trial.pk}/change/").content.decode()


def test_trial_page_is_bounded(admin_client: Client, db: None) -> None:
    study = build_study()
    trial = ask_trial(study)
    tell_trial(study, 0, 1.0, steps=dict.fromkeys(range(3000), 0.5), attrs={"log": "x" * 200_000})
    page = admin_client.get(f"{LIST}{trial.pk}/change/").content.decode()
    assert "The first 1,000; there are more." in page
    assert "<td>999</td>" in page
    assert "<td>1000</td>" not in page
    assert len(page) < 200_000
    assert len(admin_client.get(of(study)).content) < 25_000


def test_wide_search_space_is_read_once_a_list(admin_client: Client, db: None) -> None:
    space = [
        {"type": "categorical", "name": f"p{i}", "choices": ["x" * 200, "y" * 200]}
        for i in range(100)
    ]
    study, _ = create_study(actor=COMMAND, definition=Definition(name="wide", search_space=space))
    add_finished_trials(study, 100, internal_params=[1.0] * 100)
    page = admin_client.get(of(study)).content
    assert len(page) < 160_000


# What it refuses -------------------------------------------------------------------------


def test_trial_pages_are_read_only(admin_client: Client, study: Study) -> None:
    trial = Trial.objects.get_by_number(study, 0)
    before = list(Trial.objects.order_by("id").values())
    for path in (f"{LIST}add/", f"{LIST}{trial.pk}/change/", f"{LIST}{trial.pk}/delete/"):
        assert admin_client.post(path, {"post": "yes", "number": 7}).status_code == 403
    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.get(f"{LIST}{trial.pk}/delete/").status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [trial.pk], "post": "yes"}
    admin_client.post(LIST, chosen)
    assert list(Trial.objects.order_by("id").values()) == before


def test_missing_trial_redirects(admin_client: Client) -> None:
    for missing in ("999", "99999999999999999999", "nonsense"):
        for view in ("change", "history"):
            assert admin_client.get(f"{LIST}{missing}/{view}/").status_code == 302
    assert admin_client.get("/admin/trials/intermediatevalue/").status_code == 404


# At 10,000 trials a study ----------------------------------------------------------------


def test_trial_pages_cost_the_same_at_many_trials(admin_client: Client, study: Study) -> None:
    admin_client.get(LIST)  # what Django caches on first use

    def cost(url: str) -> tuple[int, int]:
        with CaptureQueriesContext(connection) as queries:
            response = admin_client.get(url)
        assert response.status_code == 200
        for query in queries:
            if "count(" in query["sql"].lower():
                assert (
                    "on_front" in query["sql"]
                    or '"number" =' in query["sql"]
                    or ('"trials_trial"."id" >=' in query["sql"])
                )
        return len(queries), len(response.content)

    def costs() -> dict[str, tuple[int, int]]:
        last = -(-Study.objects.get(pk=study.pk).n_trials // 100)
        return {
            "of a study": cost(of(study)),
            "last page": cost(of(study, p=last)),
            "by state": cost(of(study, state__exact="COMPLETE")),
            "front": cost(of(study, on_front=1)),
            "search": cost(of(study, q=3)),
            "of all": cost(LIST),
            "one": cost(f"{LIST}{Trial.objects.get_by_number(study, 0).pk}/change/"),
        }

    before = costs()
    add_finished_trials(study, MANY)
    after = costs()
    assert {name: n for name, (n, _) in after.items()} == {n: c for n, (c, _) in before.items()}
    assert after.pop("one")[0] <= 12
    assert max(n for n, _ in after.values()) <= 7
    assert max(size for _, size in after.values()) < 120_000


# Repeats -----------------------------------------------------------------------------------


def test_pages_show_the_aggregate_of_repeats(admin_client: Client, db: None) -> None:
    study = build_study("noisy", repeats={"n": 2, "aggregate": "mean"})
    for value in (1, 4, 9):
        tell_trial(study, ask_trial(study).number, value)
    text = admin_client.get(of(study)).content.decode()
    assert "COMPLETE: 2.5" in text
    assert f'<a href="{LIST}?study__id__exact={study.pk}&amp;repeat_group=0">trial 0</a>' in text
    assert numbers(admin_client, of(study, repeat_group=0)) == [1, 0]
    first = Trial.objects.get_by_number(study, 0)
    assert "COMPLETE: 2.5" in admin_client.get(f"{LIST}{first.pk}/change/").content.decode()
    page = admin_client.get(f"/admin/studies/study/{study.pk}/change/").content.decode()
    assert "2 of each point, judged by their mean" in page
