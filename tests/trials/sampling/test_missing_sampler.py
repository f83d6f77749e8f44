"""A sampler of which a part is not installed."""

from dataclasses import replace
from typing import Any

import pytest
from rest_framework.test import APIClient

from optuna_bridge.samplers.kind import OptionalPart
from optuna_bridge.samplers.registry import SAMPLERS
from tests.support.api_client import (
    assert_refused,
    create_study,
    list_trials,
    post_study,
    suggest,
    trial_action,
)

pytestmark = pytest.mark.usefixtures("both_schemas_agree")

URL = "/api/v1/studies/search"
ABSENT = OptionalPart("no_such_module_anywhere", "NoSuchPart", "pip install no-such-part")


@pytest.fixture
def no_random(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call it to remove what the sampler random needs."""
    without = replace(SAMPLERS["random"], requires=[ABSENT])
    return lambda: monkeypatch.setitem(SAMPLERS, "random", without)


def test_study_with_a_missing_sampler_is_not_created(api: APIClient, no_random: Any) -> None:
    no_random()
    problem = assert_refused(post_study(api, sampler="random"), 400, "invalid")
    (error,) = problem["errors"]
    assert error["pointer"] == "/sampler"
    for part in ("random", "NoSuchPart is not installed", "pip install no-such-part"):
        assert part in error["detail"]
    assert api.get("/api/v1/studies").json() == []


def test_missing_default_sampler_is_refused(api: APIClient, no_random: Any, settings: Any) -> None:
    no_random()
    settings.DEFAULT_SAMPLER = "random"
    assert_refused(post_study(api), 400, "invalid")


@pytest.mark.django_db(transaction=True)
def test_study_that_replaces_one_with_a_missing_sampler_is_asked(
    api: APIClient, no_random: Any
) -> None:
    create_study(api, sampler="random", pruner="none")
    no_random()
    assert_refused(api.post(f"{URL}/trials/suggest"), 503, "sampler_unavailable")
    assert api.delete(URL).status_code == 204
    create_study(api, sampler="qmc", pruner="none")
    assert suggest(api)["trial_id"] == 0


def test_study_whose_sampler_went_missing_answers_503(api: APIClient, no_random: Any) -> None:
    create_study(api, sampler="random", pruner="none")
    suggest(api)
    no_random()
    assert create_study_again(api).status_code == 200
    before = list_trials(api)
    response = api.post(f"{URL}/trials/suggest")
    problem = assert_refused(response, 503, "sampler_unavailable")
    assert "pip install no-such-part" in problem["detail"]
    assert int(response["Retry-After"]) > 0
    assert list_trials(api) == before
    trial_action(api, 0, "report", step=1, value=1)
    assert trial_action(api, 0, "complete", values=1)["state"] == "COMPLETE"
    clone = api.post(f"{URL}/clone", {"name": "copy"})
    assert "NoSuchPart" in assert_refused(clone, 400, "invalid")["errors"][0]["detail"]
    assert api.post(f"{URL}/clone", {"name": "copy", "sampler": "tpe"}).status_code == 201


def create_study_again(api: APIClient) -> Any:
    return post_study(api, sampler="random", pruner="none")


def test_health_names_the_missing_part(api: APIClient, no_random: Any) -> None:
    no_random()
    unavailable = api.get("/api/v1/health").json()["unavailable"]
    assert unavailable["random"] == (
        "NoSuchPart is not installed; install it: pip install no-such-part"
    )
