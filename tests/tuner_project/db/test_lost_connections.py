"""A connection that the server has ended is replaced, and the request served again."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import connection
from rest_framework.test import APIClient

from tests.support.api_client import STUDY_URL, assert_problem, create_study, start_trial
from tests.support.database import database_url
from trials.models import Trial
from trials.signals import trials_added, trials_changed
from tuner_project.db.database import release_connection

pytestmark = pytest.mark.django_db(transaction=True)


def end_backend() -> None:
    """End this thread's connection on the side of the server."""
    connection.ensure_connection()
    pid = connection.connection.info.backend_pid
    url = database_url(connection.settings_dict["NAME"])
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


REQUESTS: dict[str, Callable[[APIClient, int], Any]] = {
    "study": lambda api, _: api.get(STUDY_URL),
    "trial": lambda api, number: api.get(f"{STUDY_URL}/trials/{number}"),
    "ask": lambda api, _: api.post(f"{STUDY_URL}/trials/suggest"),
    "ask of a worker": lambda api, _: api.post(f"{STUDY_URL}/trials/suggest", {"worker_id": "a"}),
    "heartbeat": lambda api, number: api.post(f"{STUDY_URL}/trials/{number}/heartbeat"),
    "report": lambda api, number: api.post(
        f"{STUDY_URL}/trials/{number}/report", {"step": 1, "value": 1}
    ),
    "tell": lambda api, number: api.post(f"{STUDY_URL}/trials/{number}/complete", {"values": 1}),
    "pause": lambda api, _: api.post(f"{STUDY_URL}/pause"),
    "change": lambda api, _: api.patch(STUDY_URL, {"max_trials": 5}),
}


@pytest.mark.parametrize("request_name", REQUESTS)
@pytest.mark.parametrize("is_released", [False, True], ids=["in use", "in the pool"])
def test_request_after_backend_was_ended_succeeds(
    api: APIClient, request_name: str, is_released: bool
) -> None:
    create_study(api)
    number = start_trial(api)
    end_backend()
    if is_released:
        release_connection()
    response = REQUESTS[request_name](api, number)
    assert response.status_code == 200, response.content
    assert Trial.objects.count() == (2 if request_name.startswith("ask") else 1)


@pytest.mark.parametrize("name", ["ask", "tell"])
def test_request_that_may_be_stored_is_not_served_again(api: APIClient, name: str) -> None:
    """The server ends the connection before it reads the COMMIT, which the service cannot know."""
    create_study(api)
    number = start_trial(api)
    signal = trials_added if name == "ask" else trials_changed

    def end(**kwargs: Any) -> None:
        end_backend()

    signal.connect(end)
    try:
        assert_problem(REQUESTS[name](api, number), 503, "storage_away")
    finally:
        signal.disconnect(end)
    assert list(Trial.objects.values_list("state", flat=True)) == ["RUNNING"]
    assert REQUESTS[name](api, number).status_code == 200


def test_request_whose_connection_is_lost_twice_is_away(api: APIClient) -> None:
    create_study(api)

    def end_each_time(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        end_backend()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(end_each_time):
        response = api.get(STUDY_URL)
    assert_problem(response, 503, "storage_away")
    assert api.get(STUDY_URL).status_code == 200
