"""Studies that are too large for their sampler, and options that are out of bounds."""

import json
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from optuna_bridge.samplers.registry import SAMPLERS
from studies.models import Study
from tests.support.api_client import assert_refused, create_study, post_study, suggest
from tests.support.transfer_files import export_study, import_file

pytestmark = pytest.mark.usefixtures("both_schemas_agree")

URL = "/api/v1/studies/search"
needs_gp = pytest.mark.skipif(
    SAMPLERS["gp"].missing is not None, reason=str(SAMPLERS["gp"].missing)
)
FIVE = ["minimize"] * 5


@pytest.mark.parametrize(
    ("sampler", "option", "most"),
    [
        ("tpe", "n_ei_candidates", 1000),
        ("nsgaii", "population_size", 2000),
        ("nsgaiii", "population_size", 2000),
        ("nsgaiii", "dividing_parameter", 1000),
    ],
)
def test_option_has_an_upper_bound(api: APIClient, sampler: str, option: str, most: int) -> None:
    beyond = {"sampler": sampler, "sampler_options": {option: most + 1}}
    problem = assert_refused(post_study(api, **beyond), 400, "invalid")
    (error,) = problem["errors"]
    assert error["pointer"] == f"/sampler_options/{option}"
    assert f"to {most}, not {most + 1}" in error["detail"]
    create_study(api, sampler=sampler, sampler_options={option: most})


@needs_gp
def test_study_too_large_for_its_sampler_is_refused(api: APIClient) -> None:
    problem = assert_refused(post_study(api, sampler="gp", direction=FIVE), 400, "invalid")
    (error,) = problem["errors"]
    assert error["pointer"] == "/sampler"
    assert error["detail"] == (
        "the sampler gp does not suit the study: it takes at most 4 objectives, not 5; "
        "choose another one"
    )
    assert api.get("/api/v1/studies").json() == []


@needs_gp
def test_clone_too_large_for_its_sampler_is_refused(api: APIClient) -> None:
    create_study(api, sampler="tpe", direction=FIVE)
    clone = api.post(f"{URL}/clone", {"name": "copy", "sampler": "gp"})
    assert "4 objectives, not 5" in assert_refused(clone, 400, "invalid")["errors"][0]["detail"]


@needs_gp
def test_import_too_large_for_its_sampler_is_refused(api: APIClient) -> None:
    create_study(api, sampler="tpe", direction=FIVE)
    study, *rest = export_study(api).splitlines()
    changed = json.loads(study) | {"study_name": "other", "sampler": "gp", "sampler_options": {}}
    file = b"\n".join([json.dumps(changed).encode(), *rest])
    refused = import_file(api, file, status=400)
    assert "4 objectives, not 5" in str(refused)
    assert [study["study_name"] for study in api.get("/api/v1/studies").json()] == ["search"]


def test_too_many_reference_points_are_refused(api: APIClient) -> None:
    options = {"dividing_parameter": 6}
    many = post_study(api, sampler="nsgaiii", sampler_options=options, direction=FIVE * 2)
    (error,) = assert_refused(many, 400, "invalid")["errors"]
    assert "dividing_parameter 6 makes 5,005 reference points for 10 objectives" in error["detail"]
    create_study(api, sampler="nsgaiii", sampler_options=options, direction=FIVE)


def store_as_an_earlier_version(sampler: str, options: dict[str, Any]) -> None:
    """Which accepted them; the definition of a study cannot be changed otherwise."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {Study._meta.db_table} SET sampler = %s, sampler_options = %s",
            [sampler, json.dumps(options)],
        )


@needs_gp
@pytest.mark.parametrize(
    ("sampler", "options", "found"),
    [
        ("gp", {"seed": 1}, "4 objectives, not 5"),
        ("tpe", {"n_ei_candidates": 100_000}, "n_ei_candidates"),
    ],
)
def test_older_study_beyond_the_bounds_answers_409(
    api: APIClient, sampler: str, options: dict[str, Any], found: str
) -> None:
    create_study(api, sampler="tpe", direction=FIVE)
    store_as_an_earlier_version(sampler, options)
    problem = assert_refused(api.post(f"{URL}/trials/suggest"), 409, "sampler_unsuited")
    assert found in problem["detail"]
    clone = {"name": "copy", "sampler": "nsgaii"}
    assert api.post(f"{URL}/clone", clone).status_code == 201
    suggest(api, "copy")
