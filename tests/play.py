"""Playing a study over the API, and looking at what is stored."""

from datetime import datetime
from typing import Any

from django.db import connection
from rest_framework.test import APIClient

from studies.models import NamedStudy
from trials.projection.consistency import differences

JSON = dict[str, Any]
STUDIES = "/api/v1/studies"
SEARCH = "search"  # the study's name unless told
SPACE = [{"type": "float", "name": "x", "low": 0.0, "high": 1.0}]

# Studies ---------------------------------------------------------------------------------


def post_study(api: APIClient, **definition: Any) -> Any:
    """What the creation of a study is answered; it has one parameter, x, unless told."""
    return api.post(STUDIES, {"name": SEARCH, "search_space": SPACE} | definition)


def create_study(api: APIClient, **definition: Any) -> JSON:
    response = post_study(api, **definition)
    assert response.status_code == 201, response.content
    return response.json()


def stored(api: APIClient, study_name: str = SEARCH) -> JSON:
    return api.get(f"{STUDIES}/{study_name}").json()


def life(api: APIClient, study_name: str = SEARCH) -> tuple[str, str | None]:
    """A study's state, and the reason of it."""
    study = stored(api, study_name)
    return study["state"], study["state_reason"]


# Trials ----------------------------------------------------------------------------------


def ask(api: APIClient, study_name: str = SEARCH, /, **body: Any) -> Any:
    """What an ask is answered."""
    return api.post(f"{STUDIES}/{study_name}/trials/suggest", body)


def suggest(api: APIClient, study_name: str = SEARCH, /, **body: Any) -> JSON:
    response = ask(api, study_name, **body)
    assert response.status_code == 200, response.content
    return response.json()


def start(api: APIClient, study_name: str = SEARCH, /, **body: Any) -> int:
    """The number of a suggested trial."""
    return suggest(api, study_name, **body)["trial_id"]


def running(api: APIClient, **definition: Any) -> None:
    """A study with trial 0 running."""
    create_study(api, **definition)
    suggest(api)


def suggest_batch(
    api: APIClient, count: int, study_name: str = SEARCH, /, **body: Any
) -> list[JSON]:
    url = f"{STUDIES}/{study_name}/trials/suggest-batch"
    response = api.post(url, {"count": count, **body})
    assert response.status_code == 200, response.content
    assert list(response.json()) == ["trials"]
    return response.json()["trials"]


def tell(
    api: APIClient, trial_id: int, call: str, study_name: str = SEARCH, /, **body: Any
) -> JSON:
    """Complete, prune or fail a trial, report of it, or send its heartbeat."""
    response = api.post(f"{STUDIES}/{study_name}/trials/{trial_id}/{call}", body)
    assert response.status_code == 200, response.content
    return response.json()


def complete(
    api: APIClient, study_name: str, trial_id: int, values: float | list[float], **more: Any
) -> JSON:
    return tell(api, trial_id, "complete", study_name, values=values, **more)


def prune(api: APIClient, study_name: str, trial_id: int) -> JSON:
    return tell(api, trial_id, "prune", study_name)


def add(api: APIClient, new: Any, study_name: str = SEARCH) -> Any:
    """Queue or record a trial, or a list of them."""
    response = api.post(f"{STUDIES}/{study_name}/trials", new)
    assert response.status_code == 201, response.content
    return response.json()


def post_point(api: APIClient, **more: Any) -> Any:
    """What the addition of a trial of x = 0.5 is answered."""
    return api.post(f"{STUDIES}/{SEARCH}/trials", {"params": {"x": 0.5}, **more})


def trials(api: APIClient, study_name: str = SEARCH) -> list[JSON]:
    return api.get(f"{STUDIES}/{study_name}/trials?limit=1000").json()


# Refusals --------------------------------------------------------------------------------


def assert_refused(response: Any, status: int, code: str) -> JSON:
    """Check that this is a problem, and give it."""
    problem = response.json()
    assert (response.status_code, problem["code"]) == (status, code)
    assert response["Content-Type"] == "application/problem+json"
    return problem


def pointers(response: Any) -> list[str]:
    """What an invalid request is told to be wrong in."""
    return [error["pointer"] for error in assert_refused(response, 400, "invalid")["errors"]]


def assert_text_refused(api: APIClient, url: str, text: str) -> None:
    """Check that a body is refused as it is written, such as one with NaN."""
    response = api.generic("POST", url, text, "application/json")
    assert response.status_code == 400, response.content


def assert_busy(response: Any, code: str) -> None:
    assert_refused(response, 429, code)
    assert response["Retry-After"] == "1"


def assert_completed(api: APIClient, reason: str) -> None:
    """Check that the study was completed for this reason, and hands out nothing."""
    assert life(api) == ("COMPLETED", reason)
    for response in (
        ask(api),
        ask(api, worker_id="w"),
        api.post(f"{STUDIES}/{SEARCH}/trials/suggest-batch", {"count": 2}),
    ):
        assert assert_refused(response, 409, "study_completed")["reason"] == reason
    assert_in_sync()


# The database ----------------------------------------------------------------------------


def assert_in_sync(study_name: str = SEARCH) -> None:
    assert list(differences(NamedStudy(study_name).one())) == []


def let_leases_run_out() -> None:
    """Move all leases, and what studies know of them, into the past."""
    with connection.cursor() as cursor:
        for table, column in (
            ("trials_trial", "lease_expires_at"),
            ("studies_study", "next_lease_expiry"),
        ):
            cursor.execute(f"UPDATE {table} SET {column} = {column} - interval '1 hour'")


def database_clock() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    return now
