"""A token and all limits add at most 2 statements to a request, however many rows there are."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from access.models import Token
from studies.models import Study
from tests.support.database import recorded_statements
from tests.support.study_builders import add_finished_trials

SPACE = [{"type": "float", "name": "x", "low": 0.0, "high": 1.0}]
URL = "/api/v1/studies/a"
MOST = 2
LIMITS = {
    "RATE_LIMIT_READS": 10**6,
    "RATE_LIMIT_WRITES": 10**6,
    "RATE_LIMIT_ADDRESS_READS": 10**6,
    "RATE_LIMIT_ADDRESS_WRITES": 10**6,
    "MAX_RUNNING_TRIALS": 10**5,
    "MAX_STUDIES": 10**5,
    "MAX_TRIALS_PER_STUDY": 10**6,
    "MAX_ATTRIBUTE_BYTES": 10**4,
}
Send = Callable[[APIClient], Any]


def create(client: APIClient, name: str) -> Any:
    return client.post("/api/v1/studies", {"name": name, "search_space": SPACE})


def ask(client: APIClient) -> Any:
    return client.post(f"{URL}/trials/suggest")


def statements_of(send: Send, client: APIClient) -> int:
    with recorded_statements() as statements:
        response = send(client)
    assert response.status_code < 300, response.content
    return len(statements)


def requests(number: int) -> list[Send]:
    """Some that can be sent once, with the trial of this number, which runs."""
    trial = f"{URL}/trials/{number}"
    return [
        lambda client: client.get(URL),
        lambda client: client.get(f"{URL}/trials?limit=2"),
        lambda client: create(client, f"new {number}"),
        lambda client: client.patch(URL, {"user_attrs": {"n": number}}),
        lambda client: client.post(f"{URL}/trials", {"params": {"x": 0.5}, "priority": 1}),
        lambda client: client.post(f"{trial}/heartbeat"),
        lambda client: client.post(f"{trial}/report", {"step": 1, "value": 0.5}),
        lambda client: client.post(f"{trial}/complete", {"values": 0.5}),
        lambda client: ask(client),  # from the queue
        lambda client: ask(client),
        lambda client: client.delete(f"/api/v1/studies/new {number}"),
    ]


@pytest.mark.parametrize("finished", [10, 1000])
def test_token_and_limits_add_two_statements(
    client_of: Callable[..., APIClient], api: APIClient, settings: Any, finished: int
) -> None:
    for limit in LIMITS:
        setattr(settings, limit, 0)
    settings.AUTH_REQUIRED = False
    created = api.post("/api/v1/studies", {"name": "a", "search_space": SPACE, "sampler": "random"})
    assert created.status_code == 201
    add_finished_trials(Study.objects.get(), finished, internal_params=[0.5])
    # The first result is an event; those within a minute of it are none.
    first = ask(api).json()["trial_id"]
    assert api.post(f"{URL}/trials/{first}/complete", {"values": 0.5}).status_code == 200
    without, with_all = ask(api).json()["trial_id"], ask(api).json()["trial_id"]
    bare = [statements_of(send, api) for send in requests(without)]

    settings.AUTH_REQUIRED = True
    for limit, most in LIMITS.items():
        setattr(settings, limit, most)
    client = client_of("manage")
    full = []
    for send in requests(with_all):
        Token.objects.update(last_used_at=None)  # so that its use is to be noted
        full.append(statements_of(send, client))

    added = [b - a for a, b in zip(bare, full, strict=True)]
    assert added == [1, 1, 2, 1, 1, 1, 1, 1, 2, 2, 1]
    assert max(added) <= MOST
