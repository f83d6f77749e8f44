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
def no_gp(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call it to remove what the sampler gp needs."""
    without = replace(SAMPLERS["gp"], requires=[ABSENT])
    return lambda: monkeypatch.setitem(SAMPLERS, "gp", without)


def test_study_with_a_missing_sampler_is_not_created(api: APIClient, no_gp: Any) -> None:
    no_gp()
    problem = assert_refused(post_study(api, sampler="gp"), 400, "invalid")
    (error,) = problem["errors"]
    assert error["pointer"] == "/sampler"
    for part in ("gp", "NoSuchPart is not installed", "pip install no-such-part"):
        assert part in error["detail"]
    assert api.get("/api/v1/studies").json() == []


def test_missing_default_sampler_is_refused(api: APIClient, no_gp: Any, settings: Any) -> None:
    no_gp()
    settings.DEFAULT_SAMPLER = "gp"
    assert_refused(post_study(api), 400, "invalid")


def test_study_whose_sampler_went_missing_answers_503(api: APIClient, no_gp: Any) -> None:
    create_study(api, sampler="gp", pruner="none")
    suggest(api)
    no_gp()
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
    return post_study(api, sampler="gp", pruner="none")


def test_health_names_the_missing_part(api: APIClient, no_gp: Any) -> None:
    no_gp()
    unavailable = api.get("/api/v1/health").json()["unavailable"]
    assert unavailable == {
        "gp": "NoSuchPart is not installed; install it: pip install no-such-part"
    }
