"""How often a request waits for the database, counted at the protocol.

On another machine each wait costs a round trip of the network. A request without a token.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from bench.relay import Relay, relay, target_of
from tests.support.database import database_url
from tuner_project.db.database import close_pool

pytestmark = pytest.mark.django_db(transaction=True)

STUDY = "/api/v1/studies/search"
SPACE = [
    {"type": "float", "name": "x", "low": 0.001, "high": 1.0, "log": True},
    {"type": "int", "name": "n", "low": 1, "high": 9},
    {"type": "categorical", "name": "c", "choices": ["a", "b", "c"]},
]
ASK, TELL, REPORT, HEARTBEAT, GET = 3, 2, 3, 1, 1
WARM_UP = 12  # after as many executions, a connection has prepared each statement


@pytest.fixture
def relayed(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """Let the service work through a relay."""
    settings = connection.settings_dict
    close_pool()
    with relay(*target_of(database_url(settings["NAME"])), round_trip=0) as running:
        monkeypatch.setitem(settings, "HOST", "127.0.0.1")
        monkeypatch.setitem(settings, "PORT", str(running.port))
        monkeypatch.setitem(settings["OPTIONS"], "sslmode", "disable")
        yield running
        close_pool()


@pytest.fixture
def api(relayed: Relay, api: APIClient) -> APIClient:
    """The same client, of the service behind the relay."""
    return api


@pytest.fixture
def turns(relayed: Relay) -> Callable[[Callable[[], Any]], int]:
    def count(request: Callable[[], Any]) -> int:
        relayed.reset()
        response = request()
        assert response.status_code == 200, response.content
        return relayed.turns()

    return count


def create(api: APIClient, **more: Any) -> None:
    body = {"name": "search", "search_space": SPACE, "lease_seconds": 600} | more
    assert api.post("/api/v1/studies", body).status_code == 201


def ask(api: APIClient, **body: Any) -> str:
    """Return the URL of a new trial."""
    response = api.post(f"{STUDY}/trials/suggest", body)
    assert response.status_code == 200, response.content
    return f"{STUDY}/trials/{response.json()['trial_id']}"


def tell(api: APIClient, trial: str) -> None:
    assert api.post(f"{trial}/complete", {"values": 1}).status_code == 200


SAMPLERS: dict[str, dict[str, Any]] = {
    "tpe": {"sampler": "tpe", "sampler_options": {"n_startup_trials": 2}},
    "tpe seeded": {"sampler": "tpe", "sampler_options": {"seed": 1}},
    "random": {"sampler": "random"},
    "nsgaii": {"sampler": "nsgaii", "sampler_options": {"population_size": 3}},
    "qmc": {"sampler": "qmc"},
    "gp": {"sampler": "gp", "sampler_options": {"n_startup_trials": 2}},
}


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(
    "body",
    [{}, {"worker_id": "a"}, {"fixed": {"c": "b", "n": 3}}],
    ids=["plain", "worker", "fixed"],
)
def test_ask_waits_three_times_and_tell_twice(
    api: APIClient, turns: Any, sampler: str, body: dict[str, Any]
) -> None:
    create(api, **SAMPLERS[sampler])
    for _ in range(WARM_UP):
        tell(api, ask(api, **body))
    suggest = f"{STUDY}/trials/suggest"
    assert turns(lambda: api.post(suggest, body)) <= ASK
    url = f"{STUDY}/trials/{WARM_UP}"
    assert turns(lambda: api.post(f"{url}/complete", {"values": 0.5})) <= TELL
    assert turns(lambda: api.post(f"{url}/complete", {"values": 0.5})) <= TELL  # repeated


@pytest.mark.parametrize(
    ("ending", "body"),
    [
        ("complete", {"values": 1, "intermediate_values": {"1": 0.5}, "user_attrs": {"a": 1}}),
        ("fail", {"reason": "no memory"}),
        ("prune", {}),
    ],
)
def test_each_tell_waits_twice(
    api: APIClient, turns: Any, ending: str, body: dict[str, Any]
) -> None:
    create(api)
    for _ in range(WARM_UP):
        url = ask(api)
        taken = turns(lambda url=url: api.post(f"{url}/{ending}", body))
    assert taken <= TELL


def test_tell_waits_as_often_where_trials_without_improvement_count(
    api: APIClient, turns: Any
) -> None:
    create(api, stop_after_no_improvement={"trials": 500})
    for _ in range(WARM_UP):
        url = ask(api)
        taken = turns(lambda url=url: api.post(f"{url}/complete", {"values": 1}))
    assert taken <= TELL


@pytest.mark.parametrize("pruner", ["none", "median", "hyperband", "patient"])
def test_report_waits_three_times_and_heartbeat_once(
    api: APIClient, turns: Any, pruner: str
) -> None:
    create(api, pruner=pruner)
    url = ask(api)
    for step in range(WARM_UP):
        body = {"step": step, "value": 0.5}
        taken = turns(lambda body=body: api.post(f"{url}/report", body))
    assert taken <= REPORT
    for _ in range(WARM_UP):
        taken = turns(lambda: api.post(f"{url}/heartbeat"))
    assert taken == HEARTBEAT


@pytest.mark.parametrize("path", ["", "/trials/0", "/best"])
def test_reading_waits_once(api: APIClient, turns: Any, path: str) -> None:
    create(api)
    tell(api, ask(api))
    for _ in range(WARM_UP):
        taken = turns(lambda: api.get(f"{STUDY}{path}"))
    assert taken == GET
