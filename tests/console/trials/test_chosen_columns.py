"""Columns of the trial list that the URL chooses."""

import csv
import io
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from rest_framework.test import APIClient

from console.trials.chosen_columns import MAX_CHOSEN
from studies.models import Study
from tests.support.api_client import add_trials, create_study
from tests.support.database import recorded_statements
from tests.support.sample_studies import admin_list_url

SPACE = [{"type": "int", "name": f"p{i}", "low": 0, "high": 9} for i in range(14)]
ATTRS = {"loss": 0.123456789, "a,b&c": "<b>", "list": [1, 2], "long": "x" * 5000, "nil": None}


@pytest.fixture
def study(api: APIClient) -> Study:
    create_study(api, search_space=SPACE, constraints=["load", "memory, GB"])
    params = {f"p{i}": i % 10 for i in range(14)}
    done = {"params": params, "state": "COMPLETE", "values": 1}
    add_trials(
        api,
        [
            {**done, "user_attrs": ATTRS, "constraints": {"load": -0.25, "memory, GB": 7}},
            {**done, "user_attrs": {"loss": "=1+1"}, "constraints": {"load": 1, "memory, GB": 0}},
            {"params": params},
        ],
    )
    return Study.objects.get()


def cells(client: Client, study: Study, *columns: str) -> list[list[str]]:
    """The texts of the chosen columns, by row."""
    page = client.get(url(study, columns))
    assert page.status_code == 200
    found = re.findall(
        r'<td class="field-((?:attr|constraint)_\d+)">(.*?)</td>', page.content.decode()
    )
    n = len({name for name, _ in found}) or 1
    texts = [text for _, text in found]
    return [texts[start : start + n] for start in range(0, len(texts), n)]


def said(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def url(study: Study, columns: Sequence[str], path: str = "", **more: Any) -> str:
    query = urlencode([("columns", each) for each in columns])
    return f"{admin_list_url(study, path, **more)}&{query}"


def test_attributes_and_constraints_are_columns(admin_client: Client, study: Study) -> None:
    chosen = ["attr:loss", "attr:a,b&c", "attr:list", "constraint:memory, GB", "constraint:load"]
    assert cells(admin_client, study, *chosen) == [
        ["-", "-", "-", "-", "-"],
        ["=1+1", "-", "-", "0", "1"],
        ["0.123457", "&lt;b&gt;", "[1, 2]", "7", "-0.25"],
    ]


def test_long_and_missing_attributes_are_short(admin_client: Client, study: Study) -> None:
    rows = cells(admin_client, study, "attr:long", "attr:nil", "attr:none")
    assert rows[2] == ["x" * 29 + "…", "null", "-"]
    assert rows[0] == ["-", "-", "-"]


def test_parameters_beyond_the_first_can_be_chosen(admin_client: Client, study: Study) -> None:
    response = admin_client.get(url(study, ["param:p13"]))
    page = response.content.decode()
    assert page.count('class="tuner-param"') == 1
    assert '<td class="field-param_13">3</td>' in page
    assert response.context["title"] == "Trials of search"


def test_choice_stays_in_links_and_forms(admin_client: Client, study: Study) -> None:
    chosen = ["attr:loss", "constraint:load"]
    page = admin_client.get(url(study, chosen, state__exact="COMPLETE")).content.decode()
    for key in chosen:
        box = f'<input type="checkbox" name="columns" value="{key}" checked>'
        assert box in page
        assert f'<input type="hidden" name="columns" value="{key}">' in page  # of the search
    kept = '<input type="hidden" name="state__exact" value="COMPLETE">'
    assert page.count(kept) >= 2
    assert "columns=attr%3Aloss&amp;columns=constraint%3Aload" in page  # filters, order, export
    sorted_by_value = admin_client.get(url(study, chosen, o="-3"))
    assert [t.number for t in sorted_by_value.context["cl"].result_list] == [1, 0, 2]


def test_unknown_columns_are_named(admin_client: Client, study: Study) -> None:
    response = admin_client.get(url(study, ["constraint:none", "what", "attr:", "attr:loss"]))
    assert said(response) == [
        "There is no column constraint:none.",
        "There is no column what.",
        "There is no column attr:.",
    ]
    assert "field-attr_0" in response.content.decode()
    response = admin_client.get(admin_list_url(study), {"columns": "attr:\0"})
    assert response.status_code in (200, 302)


def test_columns_are_bounded(admin_client: Client, study: Study) -> None:
    names = [f"attr:{chr(97 + i)}" for i in range(MAX_CHOSEN + 5)]
    response = admin_client.get(url(study, [*names, "attr:a"]))
    assert response.content.decode().count("<th scope=") >= MAX_CHOSEN
    assert said(response) == [f"Only the first {MAX_CHOSEN} chosen columns are shown."]


def test_choice_takes_no_more_statements(admin_client: Client, study: Study) -> None:
    counts = []
    for columns in ([], ["attr:loss", "constraint:load"], ["attr:loss", "attr:list", "attr:long"]):
        with recorded_statements() as statements:
            assert admin_client.get(url(study, columns)).status_code == 200
        counts.append(len(statements))
    assert counts == [counts[0]] * 3
    assert all("5000" not in str(params) for _, params in statements)


def test_export_has_the_chosen_columns(admin_client: Client, study: Study) -> None:
    chosen = ["attr:loss", "attr:list", "constraint:memory, GB", "param:p1"]
    response: Any = admin_client.get(url(study, chosen, "export/"))
    rows = list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode())))
    heads = ["user_attrs_loss", "user_attrs_list", "constraints_memory, GB"]
    assert list(rows[0])[-3:] == heads
    assert [[row[head] for head in heads] for row in rows] == [
        ["0.123456789", "[1, 2]", "7.0"],
        ["'=1+1", "", "0.0"],
        ["", "", ""],
    ]


def test_choice_is_not_for_all_studies(admin_client: Client, study: Study) -> None:
    response = admin_client.get("/admin/trials/trial/", {"columns": "attr:loss"})
    assert response.status_code == 200
    assert "field-attr_0" not in response.content.decode()
