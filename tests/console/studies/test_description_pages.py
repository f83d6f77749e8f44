"""Tags and notes in the admin: the list, the page of a study, and the form."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from rest_framework.test import APIClient

from studies.models import Study
from tests.support.api_client import create_study, get_study
from tests.support.database import recorded_statements

LIST = "/admin/studies/study/"
SCRIPT = "<script>alert(1)</script>"


def page_of(client: Client, study_id: int, page: str = "change") -> Any:
    return client.get(f"{LIST}{study_id}/{page}/")


def names(response: Any) -> list[str]:
    return [study.name for study in response.context["cl"].result_list]


def test_study_page_shows_tags_and_the_note(api: APIClient, admin_client: Client) -> None:
    study = create_study(api, tags=["vision", "a&b"], note=f"*hello* {SCRIPT}")
    page = page_of(admin_client, study["study_id"]).content.decode()
    assert "<em>hello</em> &lt;script&gt;alert(1)" in page
    assert SCRIPT not in page
    assert f'<a class="tuner-tag" href="{LIST}?tag=a%26b">a&amp;b</a>' in page


def test_list_is_filtered_by_a_tag(api: APIClient, admin_client: Client) -> None:
    create_study(api, name="one", tags=["vision", '"><script>'])
    create_study(api, name="two", tags=["vision"])
    create_study(api, name="three")
    response = admin_client.get(LIST)
    assert names(response) == ["three", "two", "one"]
    assert '"><script>' not in response.content.decode()
    assert names(admin_client.get(LIST, {"tag": "vision"})) == ["two", "one"]
    assert names(admin_client.get(LIST, {"tag": "VISION", "q": "one"})) == ["one"]
    for tag in ("none", "", "a,b", "\0", "x" * 500):
        assert names(admin_client.get(LIST, {"tag": tag})) == []


@pytest.mark.parametrize("n", [1, 30])
def test_list_takes_the_same_statements_for_any_number_of_tags(
    api: APIClient, admin_client: Client, n: int
) -> None:
    for index in range(n):
        create_study(api, name=f"s{index}", tags=[f"tag {index}", "all"])
    with recorded_statements() as statements:
        page = admin_client.get(LIST).content.decode()
    assert len(statements) == 6
    assert page.count("?tag=tag+") <= 20 + n


def test_tags_and_note_are_changed_by_a_form(api: APIClient, admin_client: Client) -> None:
    study = create_study(api, tags=["old"], note="before")
    url = f"{LIST}{study['study_id']}/description/"
    form = admin_client.get(url).context["form"]
    assert form.initial == {"tags": "old", "note": "before"}
    response = admin_client.post(url, {"tags": "New,  b c ,", "note": "a\r\n\r\n*b*"})
    assert response["Location"] == f"{LIST}{study['study_id']}/change/"
    found = get_study(api)
    assert (found["tags"], found["note"]) == (["b c", "new"], "a\n\n*b*")
    assert LogEntry.objects.get().get_change_message() == "tags and note"
    admin_client.post(url, {"tags": "", "note": ""})
    assert (get_study(api)["tags"], get_study(api)["note"]) == ([], "")


@pytest.mark.parametrize(
    "body", [{"tags": "x" * 51}, {"tags": ",".join(map(str, range(21)))}, {"note": "x" * 10_001}]
)
def test_impossible_description_is_refused(
    api: APIClient, admin_client: Client, body: dict[str, str]
) -> None:
    study = create_study(api, tags=["old"])
    response = admin_client.post(f"{LIST}{study['study_id']}/description/", body)
    assert response.status_code == 200
    assert response.context["form"].errors
    assert get_study(api)["tags"] == ["old"]


def test_form_needs_the_permission_to_change_studies(
    api: APIClient, client: Client, staff_client: Callable[..., Client]
) -> None:
    create_study(api)
    study = Study.objects.get().pk
    assert page_of(client, study, "description")["Location"].startswith("/admin/login/")
    reader = staff_client("view_study")
    assert page_of(reader, study, "description").status_code == 403
    assert "description/" not in page_of(reader, study).content.decode()
    changer = staff_client("view_study", "change_study", name="changer")
    assert page_of(changer, study, "description").status_code == 200
    assert page_of(changer, 10**6, "description").status_code in (302, 404)
