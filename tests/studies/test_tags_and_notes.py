"""Tags and the note of a study: creation, change, filters, and their way into other studies."""

from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from access.models import AuditEntry
from studies.domain.tags import MAX_TAG, MAX_TAGS, normalized_tag, normalized_tags
from tests.support.api_client import (
    STUDIES,
    STUDY_URL,
    assert_schemas_agree,
    create_study,
    get_study,
    invalid_pointers,
    post_study,
    strict_json,
)
from tests.support.database import recorded_statements
from tests.support.transfer_files import clone_study, export_study, import_file

NOTE = "# Why\n\n*Learning rate* too high, see <b>run 7</b>."


def listed(api: APIClient, query: str) -> list[str]:
    return [study["study_name"] for study in strict_json(api.get(f"{STUDIES}?{query}"))]


def test_study_has_tags_and_a_note(api: APIClient) -> None:
    study = create_study(api, tags=["Vision", "baseline", "vision"], note=NOTE)
    assert (study["tags"], study["note"]) == (["baseline", "vision"], NOTE)
    assert (get_study(api)["tags"], get_study(api)["note"]) == (["baseline", "vision"], NOTE)
    (summary,) = strict_json(api.get(STUDIES))
    assert summary["tags"] == ["baseline", "vision"]
    assert "note" not in summary
    assert_schemas_agree()


def test_study_has_none_at_first(api: APIClient) -> None:
    study = create_study(api)
    assert (study["tags"], study["note"]) == ([], "")


def test_tags_and_note_are_replaced(api: APIClient) -> None:
    create_study(api, tags=["a"], note="one")
    changed = api.patch(STUDY_URL, {"tags": ["b", "C"]}).json()
    assert (changed["tags"], changed["note"]) == (["b", "c"], "one")
    changed = api.patch(STUDY_URL, {"note": "two", "tags": []}).json()
    assert (changed["tags"], changed["note"]) == ([], "two")
    assert (get_study(api)["tags"], get_study(api)["note"]) == ([], "two")
    details = AuditEntry.objects.order_by("-id").values_list("details", flat=True)[0]
    assert details == {"note": "…", "tags": []}
    assert_schemas_agree()


def test_study_is_loaded_whatever_its_tags_and_note(api: APIClient) -> None:
    create_study(api, tags=["a"], note="one")
    response = post_study(api, tags=["b"], note="two")
    assert response.status_code == 200
    assert (response.json()["tags"], response.json()["note"]) == (["a"], "one")


@pytest.mark.parametrize(
    "tags",
    ["a", [1], [""], ["  "], ["a,b"], ["x" * (MAX_TAG + 1)], ["a\0"], ["a\u200bb"],
     [f"t{i}" for i in range(MAX_TAGS + 1)]],
)  # fmt: skip
def test_impossible_tags_are_refused(api: APIClient, tags: Any) -> None:
    create_study(api)
    for response in (post_study(api, name="new", tags=tags), api.patch(STUDY_URL, {"tags": tags})):
        assert response.status_code == 400, response.content
    assert get_study(api)["tags"] == []


def test_note_is_bounded(api: APIClient) -> None:
    create_study(api, note="x" * 10_000)
    assert invalid_pointers(api.patch(STUDY_URL, {"note": "x" * 10_001})) == ["/note"]
    assert api.patch(STUDY_URL, {"note": "\0"}).status_code == 400
    assert invalid_pointers(post_study(api, name="new", note=7)) == ["/note"]


@given(st.lists(st.text("aAbÄä \u0041\u0308", min_size=1, max_size=6), max_size=10))
def test_normalized_tags_stay_as_they_are(texts: list[str]) -> None:
    given = [text for text in texts if text.strip()]
    tags = normalized_tags(given)
    assert normalized_tags(tags) == tags == sorted(set(tags))
    assert {normalized_tag(text) for text in given} == set(tags)


# Filters -----------------------------------------------------------------------------------


def test_studies_are_found_by_all_of_their_tags(api: APIClient) -> None:
    create_study(api, name="one", tags=["vision", "baseline"])
    create_study(api, name="two", tags=["vision", "a b"])
    create_study(api, name="three")
    assert listed(api, "tag=vision") == ["two", "one"]
    assert listed(api, "tag=VISION&tag=baseline") == ["one"]
    assert listed(api, "tag=a%20%20B") == ["two"]
    assert listed(api, "tag=vision&name=t*&order_by=name") == ["two"]
    assert listed(api, "tag=none") == []
    assert invalid_pointers(api.get(f"{STUDIES}?tag=")) == ["/tag/0"]
    assert invalid_pointers(api.get(f"{STUDIES}?tag=a,b")) == ["/tag"]
    assert invalid_pointers(api.get(f"{STUDIES}?name=a&name=b")) == ["/name"]


def test_links_to_pages_keep_all_tags(api: APIClient) -> None:
    for name in ("one", "two", "three"):
        create_study(api, name=name, tags=["a", "b"])
    response = api.get(f"{STUDIES}?tag=a&tag=b&limit=1")
    assert response["X-Total-Count"] == "3"
    (link,) = [each for each in response["Link"].split(", ") if 'rel="next"' in each]
    following = link.partition(">")[0].removeprefix("<")
    assert "tag=a&tag=b" in following
    assert [s["study_name"] for s in strict_json(api.get(following))] == ["two"]


def test_tags_are_found_by_an_index(api: APIClient) -> None:
    create_study(api, tags=["a"])
    with recorded_statements() as statements:
        assert listed(api, "tag=a") == ["search"]
    (sql, params), _ = statements
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {sql}", params)
        assert "study_tags" in "\n".join(line for (line,) in cursor.fetchall())


# Other studies -----------------------------------------------------------------------------


def test_clone_has_tags_and_note_unless_given_others(api: APIClient) -> None:
    create_study(api, tags=["a"], note="one")
    clone_study(api, name="copy")
    clone_study(api, name="other", tags=["b"], note="")
    for name, found in (("copy", (["a"], "one")), ("other", (["b"], ""))):
        assert (get_study(api, name)["tags"], get_study(api, name)["note"]) == found


def test_export_has_tags_and_note(api: APIClient) -> None:
    create_study(api, tags=["a", "ü"], note=NOTE)
    exported = export_study(api)
    api.delete(STUDY_URL)
    import_file(api, exported)
    assert (get_study(api)["tags"], get_study(api)["note"]) == (["a", "ü"], NOTE)
    assert export_study(api) == exported
