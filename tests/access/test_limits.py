"""Limits on studies, trials, running trials and attributes."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from access.models import Token
from studies.models import Study
from tests.support.api_client import authorized_client
from trials.models import Trial

SPACE = [{"type": "float", "name": "x", "low": 0.0, "high": 1.0}]
POINT = {"params": {"x": 0.5}}
Make = Callable[..., APIClient]


def problem_of(response: Any) -> tuple[int, str]:
    assert response["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


def create(client: APIClient, name: str = "a", **more: Any) -> Any:
    body = {"name": name, "search_space": SPACE, "sampler": "random"} | more
    return client.post("/api/v1/studies", body)


def ask(client: APIClient, study: str = "a", **body: Any) -> Any:
    return client.post(f"/api/v1/studies/{study}/trials/suggest", body)


def ask_many(client: APIClient, count: int) -> Any:
    return client.post("/api/v1/studies/a/trials/suggest-batch", {"count": count})


def tell(client: APIClient, number: int, what: str = "complete", **body: Any) -> Any:
    return client.post(f"/api/v1/studies/a/trials/{number}/{what}", body)


def import_file(client: APIClient, lines: Any) -> Any:
    url = "/api/v1/studies/import?conflict=rename"
    return client.generic("POST", url, lines, "application/x-ndjson")


# Running trials of a token ---------------------------------------------------------------


def test_token_limit_of_running_trials_spans_studies(client_of: Make, settings: Any) -> None:
    settings.MAX_RUNNING_TRIALS = 2
    client, other = client_of("manage"), client_of("worker")
    create(client, "a")
    create(client, "b")
    assert [ask(client, name).status_code for name in ("a", "b")] == [200, 200]

    response = ask(client, "a")
    assert problem_of(response) == (429, "too_many_running_of_token")
    assert response["Retry-After"] == "1"
    assert problem_of(ask(client, "b")) == (429, "too_many_running_of_token")
    assert ask(other, "a").status_code == 200

    assert tell(client, 0, values=1).status_code == 200
    assert [ask(client, "b").status_code for _ in range(2)] == [200, 429]


def test_batch_is_cut_to_the_tokens_limit(client_of: Make, settings: Any) -> None:
    settings.MAX_RUNNING_TRIALS = 3
    client = client_of("manage")
    create(client)
    assert ask(client).status_code == 200
    assert len(ask_many(client, 5).json()["trials"]) == 2
    assert problem_of(ask_many(client, 5)) == (429, "too_many_running_of_token")


def test_queued_trials_count_once_they_run(client_of: Make, settings: Any) -> None:
    settings.MAX_RUNNING_TRIALS = 1
    client = client_of("manage")
    create(client)
    assert client.post("/api/v1/studies/a/trials", [POINT] * 3).status_code == 201
    assert [ask(client).status_code for _ in range(2)] == [200, 429]
    assert tell(client, 0, values=1).status_code == 200
    assert [ask(client).status_code for _ in range(2)] == [200, 429]
    assert list(Trial.objects.order_by("number").values_list("state", flat=True)) == [
        "COMPLETE", "RUNNING", "WAITING",
    ]  # fmt: skip


def test_held_trial_is_offered_again_at_the_limit(client_of: Make, settings: Any) -> None:
    settings.MAX_RUNNING_TRIALS = 1
    client = client_of("manage")
    create(client)
    assert ask(client, worker_id="w").json()["trial_id"] == 0
    again = ask(client, worker_id="w").json()
    assert (again["trial_id"], again["reoffered"]) == (0, True)
    assert problem_of(ask(client, worker_id="v")) == (429, "too_many_running_of_token")


def test_closed_study_is_reported_before_the_tokens_limit(client_of: Make, settings: Any) -> None:
    settings.MAX_RUNNING_TRIALS = 1
    client = client_of("manage")
    create(client)
    ask(client)
    client.post("/api/v1/studies/a/pause", {})
    assert problem_of(ask(client)) == (409, "study_paused")


def test_running_trials_are_unlimited_without_a_token(api: APIClient, settings: Any) -> None:
    settings.MAX_RUNNING_TRIALS = 1
    settings.AUTH_REQUIRED = False
    create(api)
    assert [ask(api).status_code for _ in range(3)] == [200] * 3
    assert set(Trial.objects.values_list("token", flat=True)) == {None}


@pytest.mark.django_db(transaction=True)
def test_concurrent_asks_keep_to_the_limit(
    settings: Any, token: Callable[..., tuple[Token, str]]
) -> None:
    settings.MAX_RUNNING_TRIALS = 5
    _, key = token("manage")
    for name in ("a", "b", "c", "d"):
        create(authorized_client(key), name)
    begin = threading.Barrier(4)
    answers: list[int] = []

    def work(name: str) -> None:
        begin.wait()
        try:
            answers.extend(ask(authorized_client(key), name).status_code for _ in range(5))
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b", "c", "d")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == [200] * 5 + [429] * 15
    assert Trial.objects.filter(state="RUNNING").count() == 5


# Studies ---------------------------------------------------------------------------------


def test_number_of_studies_is_limited(client_of: Make, settings: Any) -> None:
    settings.MAX_STUDIES = 2
    client = client_of("manage")
    assert [create(client, name).status_code for name in ("a", "b")] == [201, 201]
    lines = client.get("/api/v1/studies/a/export").getvalue()

    assert problem_of(create(client, "c")) == (409, "too_many_studies")
    assert create(client, "a").status_code == 200  # loads it
    clone = client.post("/api/v1/studies/a/clone", {"name": "c"})
    assert problem_of(clone) == (409, "too_many_studies")
    imported = import_file(client, lines)
    assert problem_of(imported) == (409, "too_many_studies")
    assert set(Study.objects.values_list("name", flat=True)) == {"a", "b"}

    assert client.delete("/api/v1/studies/b").status_code == 204
    assert create(client, "c").status_code == 201


# Trials of a study -----------------------------------------------------------------------


def test_number_of_trials_is_limited(client_of: Make, settings: Any) -> None:
    settings.MAX_TRIALS_PER_STUDY = 3
    client = client_of("manage")
    create(client)
    assert ask(client).status_code == 200
    assert len(ask_many(client, 9).json()["trials"]) == 2
    assert problem_of(ask(client)) == (409, "too_many_trials")
    added = client.post("/api/v1/studies/a/trials", POINT)
    assert problem_of(added) == (409, "too_many_trials")
    assert tell(client, 0, values=1).status_code == 200
    assert problem_of(ask(client)) == (409, "too_many_trials")


def test_queued_trials_are_served_at_the_limit(client_of: Make, settings: Any) -> None:
    settings.MAX_TRIALS_PER_STUDY = 2
    client = client_of("manage")
    create(client)
    assert client.post("/api/v1/studies/a/trials", [POINT] * 2).status_code == 201
    assert [ask(client).status_code for _ in range(3)] == [200, 200, 409]


def test_failed_trial_is_not_retried_at_the_limit(client_of: Make, settings: Any) -> None:
    settings.MAX_TRIALS_PER_STUDY = 1
    client = client_of("manage")
    create(client, max_retries=3)
    ask(client)
    assert tell(client, 0, "fail", retry=True).status_code == 200
    assert Trial.objects.count() == 1
    assert Study.objects.get().n_failures == 1


def test_import_and_clone_keep_to_the_limit(client_of: Make, settings: Any) -> None:
    client = client_of("manage")
    create(client)
    for number in range(3):
        ask(client)
        tell(client, number, values=1)
    lines = client.get("/api/v1/studies/a/export").getvalue()
    settings.MAX_TRIALS_PER_STUDY = 2

    clone = client.post("/api/v1/studies/a/clone", {"name": "b"})
    assert problem_of(clone) == (409, "too_many_trials")
    imported = import_file(client, lines)
    assert problem_of(imported) == (409, "too_many_trials")
    assert Study.objects.count() == 1


# Attributes ------------------------------------------------------------------------------


def test_size_of_attributes_is_limited(client_of: Make, settings: Any) -> None:
    settings.MAX_ATTRIBUTE_BYTES = 20
    client = client_of("manage")
    fits, large = {"key": "x" * 9}, {"key": "é" * 5}  # 20 bytes, and 21
    assert create(client, user_attrs=fits).status_code == 201
    ask(client)
    for response, pointer in [
        (create(client, "b", user_attrs=large), "/user_attrs"),
        (client.patch("/api/v1/studies/a", {"user_attrs": large}), "/user_attrs"),
        (client.post("/api/v1/studies/a/clone", {"name": "b", "user_attrs": large}), "/user_attrs"),
        (tell(client, 0, values=1, user_attrs=large), "/user_attrs"),
        (client.post("/api/v1/studies/a/trials", [POINT, POINT | {"user_attrs": large}]),
         "/1/user_attrs"),
    ]:  # fmt: skip
        assert problem_of(response) == (400, "invalid")
        assert response.json()["errors"] == [
            {"pointer": pointer, "detail": "has 21 bytes as JSON; at most 20 are allowed"}
        ]
    assert tell(client, 0, values=1, user_attrs=fits).status_code == 200


def test_export_can_be_imported_under_a_lower_limit(client_of: Make, settings: Any) -> None:
    client = client_of("manage")
    create(client, user_attrs={"key": "x" * 100})
    lines = client.get("/api/v1/studies/a/export").getvalue()
    settings.MAX_ATTRIBUTE_BYTES = 10
    imported = import_file(client, lines)
    assert imported.status_code in (200, 201)
