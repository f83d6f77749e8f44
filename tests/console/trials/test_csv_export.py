"""Export of a study's trials as CSV from the admin."""

import csv
import io
import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from console.trials.csv_export import FILLERS, escape_formula
from studies.models import Study
from tests.support.api_client import add_trials, create_study
from tests.support.database import recorded_statements
from tests.support.memory import peak_memory
from tests.support.sample_studies import (
    ADMIN_SPACE,
    ADMIN_TRIALS_URL,
    admin_list_url,
    create_admin_study,
)
from tests.support.study_builders import add_trial_rows, build_study
from trials.models import Trial


def read(response: Any) -> list[dict[str, str]]:
    text = b"".join(response.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def exported(client: Client, url: str) -> list[dict[str, str]]:
    response = client.get(url)
    assert response.status_code == 200
    return read(response)


@pytest.fixture
def study(api: APIClient) -> Study:
    return create_admin_study(api)


def test_export_has_all_fields_of_each_trial(admin_client: Client, study: Study) -> None:
    response: Any = admin_client.get(admin_list_url(study, "export/"))
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="search-trials.csv"'
    rows = read(response)
    assert list(rows[0]) == [
        "number",
        "state",
        "value",
        "params_lr",
        "params_<n>",
        "params_kind",
        "datetime_start",
        "datetime_complete",
        "duration_seconds",
        "worker_id",
        "reason",
        "user_attrs",
    ]
    assert [row["number"] for row in rows] == ["0", "1", "2", "3", "4", "5"]
    told = Trial.objects.get_by_number(study, 3)
    assert (
        rows[0]
        | {"number": "1", "value": "1.0"}
        | {key: rows[1][key] for key in rows[1] if "time" in key or "duration" in key}
        == rows[1]
    )
    assert rows[0]["params_lr"] == "0.30000000000000004"
    assert rows[0]["params_kind"] == "'=1+1"
    assert (rows[2]["state"], rows[2]["value"], rows[2]["worker_id"]) == ("RUNNING", "", "<w>")
    assert rows[3]["worker_id"] == "'-w"
    assert json.loads(rows[3]["user_attrs"]) == {"a,b": '"ü"\n'}
    assert rows[3]["datetime_start"] == f"{told.datetime_start:%Y-%m-%dT%H:%M:%S.%f}+00:00"
    assert float(rows[3]["duration_seconds"]) == told.duration_seconds
    assert rows[4]["worker_id"] == "'@w"
    assert rows[4]["reason"] == "'=cmd|' /C calc'!A0\nline 2"
    assert [rows[5][key] for key in ("params_lr", "params_kind", "datetime_start")] == [
        "",
        "true",
        "",
    ]


def test_export_keeps_exact_numbers(admin_client: Client, api: APIClient) -> None:
    create_study(api, direction=["minimize", "maximize"], search_space=ADMIN_SPACE)
    params = {"lr": 1e-05, "<n>": 7, "kind": -1.5}
    add_trials(api, {"params": params, "state": "COMPLETE", "values": [-1e300, 5e-324]})
    (row,) = exported(admin_client, admin_list_url(Study.objects.get(), "export/"))
    assert [row[key] for key in ("values_0", "values_1", "params_lr", "params_kind")] == [
        "-1e+300",
        "5e-324",
        "1e-05",
        "-1.5",
    ]


def test_export_says_which_repeat_a_trial_is(admin_client: Client, api: APIClient) -> None:
    create_study(api, search_space=ADMIN_SPACE, repeats={"n": 2})
    params = {"lr": 1e-05, "<n>": 7, "kind": -1.5}
    trial = add_trials(api, {"params": params})
    rows = exported(admin_client, admin_list_url(Study.objects.get(), "export/"))
    found = [[row[f"repeat_{key}"] for key in ("group", "index", "seed")] for row in rows]
    assert found[0] == [str(value) for value in trial["repeat"].values()]
    assert [each[:2] for each in found] == [["0", "0"], ["0", "1"]]


SIGNS = ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\ufe66"]
SIGNS += ["\u2212", "\u207b", "\u2795", "\u2796"]
BLANKS = ["", " ", "  ", "\t", "\r\n", "\xa0", "\u3000", "\ufeff", "\u200b\x1f"]
INVISIBLE = ["\ufe00", "\ufe0f", "\U000e0100", "\u034f", "\u115f", "\u1160", "\u3164", "\uffa0"]
INVISIBLE += ["\u17b4", "\u17b5", "\u180b", "\u2800", "\ue000", "\U000e0fff", " \u3164\ufe0f"]


@pytest.mark.parametrize(
    "text", [*(f"{blank}{sign}1" for sign in SIGNS for blank in BLANKS), "\tx", "\rx", "\nx"]
)
def test_export_escapes_what_looks_like_a_formula(
    db: None, admin_client: Client, text: str
) -> None:
    space = [{"type": "categorical", "name": "kind", "choices": [text, "b"]}]
    study = build_study(space=space)
    row = {"state": "FAIL", "internal_params": [0.0], "reason": text, "worker_id": text}
    add_trial_rows(study, [row])
    (exported_row,) = exported(admin_client, admin_list_url(study, "export/"))
    names = ("params_kind", "reason", "worker_id")
    assert [exported_row[name] for name in names] == [f"'{text}"] * 3


@pytest.mark.parametrize("invisible", INVISIBLE)
def test_formulas_after_invisible_characters_are_escaped(invisible: str) -> None:
    texts = [f"{invisible}{sign}1" for sign in SIGNS]
    assert [escape_formula(text) for text in texts] == [f"'{text}" for text in texts]
    assert escape_formula(f"{invisible}x=1") == f"{invisible}x=1"


@given(text=st.text(max_size=8))
def test_only_formulas_are_escaped(text: str) -> None:
    """What does not begin with a sign, to which any form of it is normalized, stays as it is."""
    escaped = escape_formula(text)
    assert escaped in (text, f"'{text}")
    if text == "" or (text[0].isalnum() and text[0] not in FILLERS):
        assert escaped == text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"state__exact": "COMPLETE"}, [0, 1, 3]),
        ({"state__exact": "COMPLETE", "o": "-3", "p": "7"}, None),
        ({"worker_id": "<w>"}, [2]),
        ({"on_front": "1"}, [0]),
        ({"q": "4"}, [4]),
        ({"state__exact": "PRUNED"}, []),
        ({"o": "3"}, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_export_is_filtered_as_the_list(
    admin_client: Client, study: Study, query: dict[str, str], expected: list[int] | None
) -> None:
    if expected is None:  # the list's own link leaves its page and order out
        page = admin_client.get(admin_list_url(study, **query | {"p": "1"})).content.decode()
        (link,) = re.findall(r'<a href="([^"]+)">Export', page)
        assert (
            link
            == f"{ADMIN_TRIALS_URL}export/?state__exact=COMPLETE&amp;study__id__exact={study.pk}"
        )
        return
    rows = exported(admin_client, admin_list_url(study, "export/", **query))
    assert [int(row["number"]) for row in rows] == expected


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ('a "b" \\c', 'attachment; filename="a_b_c-trials.csv"'),
        ("..x", 'attachment; filename="..x-trials.csv"'),
        ("ü", "attachment; filename*=utf-8''%C3%BC-trials.csv"),
        ("n" * 256, f'attachment; filename="{"n" * 100}-trials.csv"'),
    ],
)
def test_export_file_is_named_after_the_study(
    admin_client: Client, db: None, name: str, header: str
) -> None:
    response = admin_client.get(admin_list_url(build_study(name), "export/"))
    assert response["Content-Disposition"] == header
    assert read(response) == []


def test_export_refuses_invalid_queries(admin_client: Client, study: Study) -> None:
    assert admin_client.get(f"{ADMIN_TRIALS_URL}export/").status_code == 404
    assert admin_client.get(f"{ADMIN_TRIALS_URL}export/?study__id__exact=999999").status_code == 404
    assert admin_client.get(f"{ADMIN_TRIALS_URL}export/?study__id__exact=x").status_code == 302
    assert admin_client.get(admin_list_url(study, "export/", values=1)).status_code == 400


def test_export_needs_the_permission_to_view(study: Study, client: Client) -> None:
    user = User.objects.create_user("viewer", password="x", is_staff=True)
    url = admin_list_url(study, "export/")
    assert client.get(url).status_code == 302
    client.force_login(user)
    assert client.get(url).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_trial"))
    assert len(exported(client, url)) == 6
    User.objects.filter(pk=user.pk).update(is_staff=False)
    assert client.get(url).status_code == 302


def test_export_is_streamed_in_chunks(
    admin_client: Client, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trials.queries.chunks.CHUNK", 2)
    with recorded_statements() as statements:
        rows = exported(admin_client, admin_list_url(study, "export/"))
    assert [row["number"] for row in rows] == ["0", "1", "2", "3", "4", "5"]
    read = [sql for sql, _ in statements if '"trials_trial"."number" >' in sql]
    assert len(read) == 4
    assert all(" LIMIT 2)" in sql for sql in read)


def test_export_of_large_trials_is_read_in_small_pieces(
    admin_client: Client, study: Study, settings: Any
) -> None:
    n, size = 40, 500_000
    row = {"state": "FAIL", "internal_params": [None] * 3, "user_attrs": {"a": "x" * size}}
    add_trial_rows(study, [row] * n)
    settings.MAX_PAGE_BYTES = 2**20
    response: Any = admin_client.get(admin_list_url(study, "export/"))
    sizes: list[int] = []

    peak = peak_memory(lambda: sizes.extend(map(len, response.streaming_content)))

    assert sum(sizes) > n * size
    assert peak < n * size / 2


@pytest.mark.django_db(transaction=True)
def test_export_holds_no_connection_between_chunks(
    admin_client: Client, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trials.queries.chunks.CHUNK", 2)
    response: Any = admin_client.get(admin_list_url(study, "export/"))
    parts = iter(response.streaming_content)
    next(parts)
    for _ in range(3):
        assert next(parts)
        assert connection.connection is None
    assert list(parts) == []
