"""Lists and exports of large trials and studies: pages end early, and nothing is left out."""

from collections.abc import Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from studies.domain.lifecycle import change_state
from studies.enums import StudyState
from studies.models import NamedStudy
from tests.support.api_client import (
    STUDIES,
    TRIALS_URL,
    add_trials,
    create_study,
    page_links,
    start_trial,
    trial_action,
)
from tests.support.study_builders import COMMAND
from tests.support.transfer_files import export_study

N = 12
MOST = 10_000
QUERIES = [
    "limit=5",
    "limit=100",
    "limit=100&offset=1",
    "state=COMPLETE",
    "state=COMPLETE&offset=2",
    "order_by=-number",
    "order_by=value",
    "order_by=-value&offset=3",
    "order_by=duration",
    "order_by=value&state=COMPLETE",
    "min_value=2",
]


@pytest.fixture
def large(api: APIClient, settings: Any) -> None:
    """Trials of 4,000 bytes each: by attributes, by steps, and by a reason; and small ones."""
    create_study(api)
    text = "x" * 4000
    contents: list[dict[str, Any]] = [
        {"user_attrs": {"a": text}},
        {"intermediate_values": {str(step): step / 7 for step in range(140)}},
        {"reason": text, "state": "FAIL"},
        {},
    ]
    for k in range(N):
        told = {"state": "COMPLETE", "values": k} | contents[k % 4]
        if told["state"] == "FAIL":
            del told["values"]
        add_trials(api, {"params": {"x": k / N}, **told})
    settings.MAX_PAGE_BYTES = MOST


def pages(api: APIClient, url: str) -> Iterator[Any]:
    next_url: str | None = url
    while next_url:
        response = api.get(next_url)
        assert response.status_code == 200
        yield response
        next_url = page_links(response).get("next")


@pytest.mark.parametrize("query", QUERIES)
def test_client_that_follows_links_gets_every_trial_once(
    api: APIClient, large: None, settings: Any, query: str
) -> None:
    read = list(pages(api, f"{TRIALS_URL}?{query}"))
    settings.MAX_PAGE_BYTES = 2**30
    whole = list(pages(api, f"{TRIALS_URL}?{query}"))

    assert [each for page in read for each in page.json()] == [
        each for page in whole for each in page.json()
    ]
    assert {page["X-Total-Count"] for page in read} == {whole[0]["X-Total-Count"]}
    assert len(read) > len(whole)
    # Each page ends with the trial that reaches the bound.
    assert max(len(page.content) for page in read) < MOST + 6000
    assert min(len(page.content) for page in read[:-1]) > MOST / 2


def test_trial_above_the_bound_is_a_page(api: APIClient, large: None, settings: Any) -> None:
    settings.MAX_PAGE_BYTES = 1024
    read = list(pages(api, f"{TRIALS_URL}?limit=3"))
    # A small trial and the large one after it are one page.
    assert [len(page.json()) for page in read] == [1, 1, 1, 2, 1, 1, 2, 1, 1, 1]


def test_running_trials_are_listed_with_their_bytes(api: APIClient, large: None) -> None:
    number = start_trial(api)
    trial_action(api, number, "report", step=1, value=0.5)
    read = list(pages(api, f"{TRIALS_URL}?order_by=value"))
    assert [each["trial_id"] for page in read for each in page.json()][-1] == number


def test_export_does_not_depend_on_the_bound(api: APIClient, large: None, settings: Any) -> None:
    bounded = export_study(api)
    settings.MAX_PAGE_BYTES = 2**30
    assert bounded == export_study(api)


def test_list_of_studies_ends_early(api: APIClient, settings: Any) -> None:
    for number in range(6):
        create_study(api, name=f"s{number}", user_attrs={"a": "x" * 10_000})
        for state in (StudyState.PAUSED, StudyState.ACTIVE):
            change_state(actor=COMMAND, named=NamedStudy(f"s{number}"), to=state, reason="r" * 4000)
    whole = api.get(STUDIES).json()
    settings.MAX_PAGE_BYTES = 25_000

    read = list(pages(api, f"{STUDIES}?limit=4"))

    assert [each for page in read for each in page.json()] == whole
    assert [len(page.json()) for page in read] == [2, 2, 2]
    assert {page["X-Total-Count"] for page in read} == {"6"}
