"""A sampler is added by one entry in the registry."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from numpy.random import RandomState

from tests.support.optuna_oracle import optuna_url

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def played(transactional_db: None) -> dict[str, Any]:
    """What a process of the service answered whose registry has an entry more."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tuner_project.settings",
        "DATABASE_URL": optuna_url("public").replace("postgresql+psycopg:", "postgresql:"),
        "DEFAULT_SAMPLER": "middle",  # the settings know it, too
    }
    finished = subprocess.run(
        [sys.executable, "-m", "tests.studies.toy_sampler"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def test_added_sampler_runs_a_study_over_the_api(played: dict[str, Any]) -> None:
    assert played["created"]["sampler"] == "middle"
    assert played["created"]["sampler_options"] == {"seed": 3, "shift": 0.25}
    assert [error["pointer"] for error in played["refused"]] == ["/sampler_options/shift"]
    choices = [["a", "b", "c"][RandomState([3, number]).randint(3)] for number in range(5)]
    assert played["params"] == [{"x": 0.75, "kind": choice} for choice in choices]
    assert len(set(choices)) > 1
    assert played["best"]["params"] == played["params"][0]
    found = {each["code"]: each["detail"] for each in played["advice"]}
    assert found.keys() == {"too_many_running", "middle_is_slow", "budget_outside_range"}
    assert "Up to 1 would learn more" in found["too_many_running"]
    assert "beyond 2 an ask of the sampler middle" in found["middle_is_slow"]
    assert "the sampler middle is for 1 to 5 trials" in found["budget_outside_range"]
    schemas = yaml.safe_load(played["openapi"])["components"]["schemas"]
    options = schemas["MiddleSamplerOptions"]["properties"]
    assert list(options) == ["seed", "shift"]
    assert (options["shift"]["minimum"], options["shift"]["maximum"]) == (-0.5, 0.5)
    assert "middle" in schemas["SamplerEnum"]["enum"]
