"""The page that compares studies, and the action that leads to it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from studies.models import Study
from tests.support.comparisons import record_study
from tests.support.database import recorded_statements

LIST = "/admin/studies/study/"
PAGE = f"{LIST}compare/"
ASKED = "Select 2 to 8 studies that exist, to compare them."


def ids_of(api: APIClient, n: int) -> list[int]:
    return [int(record_study(api, f"s{index}", index)["study_id"]) for index in range(n)]


def said(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


@pytest.mark.parametrize("n", [2, 8])
def test_selected_studies_are_compared(api: APIClient, admin_client: Client, n: int) -> None:
    ids = ids_of(api, n)
    body = {"action": "compare_studies", "_selected_action": ids}
    response = admin_client.post(LIST, body)
    url = f"{PAGE}?ids={','.join(map(str, ids))}"
    assert (response.status_code, response["Location"]) == (302, url)
    with recorded_statements() as statements:
        page = admin_client.get(url)
    assert len(statements) == 3  # the session, the user, and the studies
    names = "&amp;".join(f"names=s{index}" for index in range(n))
    assert f'data-api="/api/v1/studies/compare?{names}"' in page.content.decode()


@pytest.mark.parametrize("n", [1, 9])
def test_other_numbers_of_studies_are_refused(api: APIClient, admin_client: Client, n: int) -> None:
    ids = ids_of(api, n)
    body = {"action": "compare_studies", "_selected_action": ids}
    response = admin_client.post(LIST, body, follow=True)
    assert said(response) == [ASKED]
    for text in (",".join(map(str, ids)), f"{ids[0]},{ids[0]}"):
        response = admin_client.get(PAGE, {"ids": text}, follow=True)
        assert response.redirect_chain == [(LIST, 302)]
        assert said(response) == [ASKED]


@pytest.mark.parametrize("ids", ["", "a,b", "1,", "1,2'", "9999999999,1", "1,2,\0", "¹,2"])
def test_impossible_ids_lead_to_the_list(db: None, admin_client: Client, ids: str) -> None:
    response = admin_client.get(PAGE, {"ids": ids})
    assert (response.status_code, response["Location"]) == (302, LIST)


def test_names_are_escaped(api: APIClient, admin_client: Client) -> None:
    name = '<script>alert(1)" onload="x'
    other = record_study(api, "other", 1)
    body = {"name": name, "search_space": [{"type": "int", "name": "x", "low": 0, "high": 1}]}
    assert api.post("/api/v1/studies", body).status_code == 201
    study = Study.objects.exclude(pk=other["study_id"]).get()
    page = admin_client.get(PAGE, {"ids": f"{study.pk},{other['study_id']}"}).content.decode()
    assert "<script>alert" not in page
    assert 'onload="x' not in page
    assert "&lt;script&gt;alert(1)" in page


def test_page_needs_the_permission_to_view_studies(
    api: APIClient, client: Client, staff_client: Callable[..., Client]
) -> None:
    one, other = ids_of(api, 2)
    query = {"ids": f"{one},{other}"}
    assert client.get(PAGE, query)["Location"].startswith("/admin/login/")
    assert staff_client().get(PAGE, query).status_code == 403
    assert staff_client("view_study", name="reader").get(PAGE, query).status_code == 200


def test_several_objectives_are_offered(api: APIClient, admin_client: Client) -> None:
    directions = ["minimize", "maximize"]
    ids = [record_study(api, name, [1, 2], direction=directions)["study_id"] for name in "ab"]
    page = admin_client.get(PAGE, {"ids": ",".join(map(str, ids))}).content.decode()
    for text in ("hypervolume", "Objective 0 (minimize)", "Objective 1 (maximize)"):
        assert text in page
