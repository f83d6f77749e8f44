"""The trial list in the admin: columns, ordering, filter by worker, and statement counts."""

import re
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from studies.models import Study
from tests.support.api_client import create_study, start_trial
from tests.support.database import recorded_statements
from tests.support.sample_studies import ADMIN_TRIALS_URL, admin_list_url, create_admin_study
from tests.support.study_builders import add_finished_trials, build_study


def numbers(client: Client, url: str) -> list[int]:
    response = client.get(url)
    assert response.status_code == 200
    return [trial.number for trial in response.context["cl"].result_list]


@pytest.fixture
def study(api: APIClient) -> Study:
    return create_admin_study(api)


# Columns ---------------------------------------------------------------------------------


def test_parameters_are_columns_of_one_studys_list(admin_client: Client, study: Study) -> None:
    page = admin_client.get(admin_list_url(study)).content.decode()
    for text in (
        '<span class="tuner-param">lr</span>',
        '<span class="tuner-param">&lt;n&gt;</span>',
        '<td class="field-param_0">0.3</td>',
        '<td class="field-param_1">7</td>',
        '<td class="field-param_2">=1+1</td>',
        '<td class="field-param_2">True</td>',
        '<td class="field-param_0">-</td>',
        f'<a href="/admin/studies/study/{study.pk}/change/">search</a>',
        f'<a href="{ADMIN_TRIALS_URL}export/?study__id__exact={study.pk}">Export as CSV</a>',
    ):
        assert text in page
    assert "tuner-compact" not in page
    page = admin_client.get(ADMIN_TRIALS_URL).content.decode()
    assert "tuner-compact" in page
    assert "tuner-param" not in page
    assert "export/" not in page


@pytest.mark.parametrize(
    ("n", "shown", "title"),
    [(12, 12, "Trials of wide"), (13, 12, "Trials of wide (the first 12 of 13 parameters)")],
)
def test_columns_are_bounded_with_a_note(
    admin_client: Client, db: None, n: int, shown: int, title: str
) -> None:
    study = build_study(
        "wide", space=[{"type": "int", "name": f"p{i}", "low": 0, "high": 9} for i in range(n)]
    )
    add_finished_trials(study, 1, internal_params=[5] * n)
    response = admin_client.get(admin_list_url(study))
    assert response.context["title"] == title
    assert response.content.decode().count('class="tuner-param"') == shown


# Order -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("", [5, 4, 3, 2, 1, 0]),
        ("1", [0, 1, 2, 3, 4, 5]),
        ("-1", [5, 4, 3, 2, 1, 0]),
        ("3", [1, 3, 0, 2, 4, 5]),
        ("-3", [0, 3, 1, 2, 4, 5]),
        ("-3.1", [0, 3, 1, 2, 4, 5]),
        ("2.3", [1, 3, 0, 2, 4, 5]),
        ("99.x.-.²", [5, 4, 3, 2, 1, 0]),
    ],
)
def test_trial_list_is_sorted_by_number_and_value(
    admin_client: Client, study: Study, order: str, expected: list[int]
) -> None:
    assert numbers(admin_client, admin_list_url(study, o=order)) == expected


def test_column_headings_sort(admin_client: Client, study: Study) -> None:
    page = admin_client.get(admin_list_url(study)).content.decode()
    assert re.findall(r"sortable column-(\w+)( sorted descending)?", page) == [
        ("number", " sorted descending"),
        ("final_values", ""),
    ]
    (link,) = re.findall(r'column-final_values">.*?<a href="([^"]+)">', page, re.DOTALL)
    response = admin_client.get(ADMIN_TRIALS_URL + link.replace("&amp;", "&"))
    assert [t.number for t in response.context["cl"].result_list] == [1, 3, 0, 2, 4, 5]
    assert "column-final_values sorted ascending" in response.content.decode()
    assert "sortable" not in admin_client.get(ADMIN_TRIALS_URL).content.decode()


def test_sorted_list_is_paged(admin_client: Client, db: None) -> None:
    study = build_study()
    add_finished_trials(study, 250)  # values rise, and the last 25 failed
    for order, query, expected in (
        ("1", {}, list(range(250))),
        ("3", {}, list(range(250))),
        ("-3", {}, [*range(224, -1, -1), *range(225, 250)]),
        ("-3", {"state__exact": "COMPLETE"}, list(range(224, -1, -1))),
    ):
        pages = range(1, -(-len(expected) // 100) + 1)
        shown = [
            n
            for p in pages
            for n in numbers(admin_client, admin_list_url(study, o=order, p=p, **query))
        ]
        assert shown == expected


# Workers ---------------------------------------------------------------------------------


def test_filter_offers_workers_of_running_trials(admin_client: Client, study: Study) -> None:
    page = admin_client.get(admin_list_url(study)).content.decode()
    assert re.findall(r'worker_id=([^"]+)">([^<]+)</a>', page) == [("%3Cw%3E", "&lt;w&gt;")]
    assert numbers(admin_client, admin_list_url(study, worker_id="<w>")) == [2]
    response = admin_client.get(admin_list_url(study, worker_id="-w"))
    assert [trial.number for trial in response.context["cl"].result_list] == [3]
    (workers,) = (f for f in response.context["cl"].filter_specs if f.title == "worker")
    assert workers.lookup_choices == [("-w", "-w"), ("<w>", "<w>")]
    for nobody in ("nobody", "\0", "x" * 1000):
        assert numbers(admin_client, admin_list_url(study, worker_id=nobody)) == []
    assert numbers(admin_client, f"{ADMIN_TRIALS_URL}?worker_id=-w") == [3]


def test_filter_offers_fifty_workers_at_most(admin_client: Client, api: APIClient) -> None:
    create_study(api)
    for index in range(60):
        start_trial(api, worker_id=f"w{index:02}")
    page = admin_client.get(admin_list_url(Study.objects.get())).content.decode()
    assert re.findall(r"worker_id=(\w+)", page) == [f"w{index:02}" for index in range(50)]


# What it costs ---------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3])
def test_trial_list_takes_few_queries(
    admin_client: Client, db: None, django_assert_num_queries: DjangoAssertNumQueries, count: int
) -> None:
    study = build_study()
    add_finished_trials(study, count)
    admin_client.get(ADMIN_TRIALS_URL)
    for query, n in (
        ({}, 6),  # the session, the user, the study, the workers, the trials, the attributes
        ({"o": "1"}, 6),
        ({"o": "3"}, 7),
        ({"o": "-3", "state__exact": "COMPLETE"}, 7),
        ({"worker_id": "w"}, 7),
        ({"worker_id": "w", "o": "3"}, 8),
    ):
        with django_assert_num_queries(n):
            assert admin_client.get(admin_list_url(study, **query)).status_code == 200


def test_sorted_list_costs_the_same_at_many_trials(admin_client: Client, db: None) -> None:
    study = build_study()

    def cost(**query: Any) -> tuple[int, int]:
        with recorded_statements() as statements:
            response = admin_client.get(admin_list_url(study, **query))
        assert response.status_code == 200
        return len(statements), len(response.content)

    add_finished_trials(study, 300)
    admin_client.get(admin_list_url(study))  # what Django caches on first use
    before = [cost(o=order, p=page) for order in ("0", "2", "-2") for page in (1, 3)]
    add_finished_trials(study, 9700)
    after = [cost(o=order, p=page) for order in ("0", "2", "-2") for page in (1, 3)]
    last = cost(o="3", p=100)
    assert [n for n, _ in after] <= [n for n, _ in before]
    assert last[0] <= 8
    assert max(size for _, size in (*after, last)) < 120_000
