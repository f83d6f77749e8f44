"""Requests that create studies, and the defaults of their options."""

from typing import Any

from django.db import connection
from rest_framework.test import APIClient

from studies.models import Study

SPACE = [{"type": "float", "name": "x", "low": 0.0, "high": 1.0}]

TPE = {
    "seed": None,
    "n_startup_trials": 10,
    "multivariate": None,
    "constant_liar": True,
    "group": False,
    "n_ei_candidates": 24,
}
HYPERBAND = {"min_resource": 10, "max_resource": 1000, "reduction_factor": 3, "bootstrap_count": 0}


def post(api: APIClient, **body: Any) -> Any:
    return api.post("/api/v1/studies", {"name": "search", "search_space": SPACE} | body)


def assert_invalid(response: Any, *pointers: str) -> None:
    """A 400 with these pointers, after which nothing is stored."""
    assert response.status_code == 400, response.content
    document = response.json()
    assert document["code"] == "invalid"
    assert [error["pointer"] for error in document["errors"]] == list(pointers)
    assert Study.objects.count() == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM optuna.studies")
        assert cursor.fetchone() == (0,)
