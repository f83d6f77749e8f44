"""Errors name what helps: the words that are allowed, the media type, the missing migration."""

import subprocess
import sys
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from rest_framework.test import APIClient

from tests.support import ROOT, X_SPACE
from tests.support.api_client import STUDY_URL, assert_problem, create_study, post_study
from tests.support.database import create_database, database_url, drop_database

TRIALS = f"{STUDY_URL}/trials"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"sampler": "annealing"}, "expected one of auto, tpe, gp, random, nsgaii, nsgaiii, cmaes"),
        (
            {"pruner": "x"},
            "expected one of hyperband, median, none, successive_halving, percentile",
        ),
        ({"duplicates": "x"}, "expected one of allow, avoid"),
        ({"direction": "up"}, "expected minimize or maximize, not 'up'"),
        ({"search_space": [X_SPACE[0] | {"type": "x"}]}, "expected one of float, int, categorical"),
        (
            {"sampler": "qmc", "sampler_options": {"qmc_type": "x"}},
            "expected one of sobol, halton, not 'x'",
        ),
    ],
)
def test_refused_word_of_a_study_names_the_others(
    api: APIClient, body: dict[str, Any], words: str
) -> None:
    assert words in assert_problem(post_study(api, **body), 400, "invalid")["detail"]


@pytest.mark.parametrize(
    ("path", "query", "words"),
    [
        ("/api/v1/studies", {"state": "x"}, "ACTIVE, PAUSED, COMPLETED, CANCELLED"),
        ("/api/v1/studies", {"sampler": "x" * 999}, "auto, tpe, gp, random, nsgaii"),
        ("/api/v1/studies", {"order_by": "x"}, "name, -name, created, -created, trials, -trials"),
        (TRIALS, {"state": "{x}"}, '"{x}" is not a valid choice; expected one of WAITING, RUNNING'),
        (f"{STUDY_URL}/importance", {"method": "x"}, "fanova, mean_decrease_impurity, ped_anova"),
        (f"{STUDY_URL}/importance", {"target": "x"}, "expected one of objective, front"),
        (f"{STUDY_URL}/plots/edf", {"format": "pdf"}, "expected one of json, html, png, svg"),
    ],
)
def test_refused_word_of_a_query_names_the_others(
    api: APIClient, path: str, query: dict[str, str], words: str
) -> None:
    create_study(api)
    problem = assert_problem(api.get(f"{path}?{urlencode(query)}"), 400, "invalid")
    assert words in problem["detail"]
    assert len(problem["detail"]) < 400


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/studies", "application/json"),
        ("/api/v1/studies/import", "application/x-ndjson or application/jsonl"),
    ],
)
def test_refused_media_type_names_the_expected_ones(
    api: APIClient, path: str, expected: str
) -> None:
    response = api.generic("POST", path, "{}", "text/plain")
    assert assert_problem(response, 415, "unsupported_media_type")["detail"] == (
        f'Unsupported media type "text/plain" in request. Send {expected} as the Content-Type.'
    )


RENAME = "ALTER TABLE studies_study RENAME COLUMN {} TO {}"
RECORD = "UPDATE django_migrations SET name = %s WHERE name = %s"


@pytest.mark.django_db(transaction=True)
def test_missing_column_names_the_migration_that_is_missing(api: APIClient) -> None:
    api.raise_request_exception = False
    latest = "0004_attempts"
    with connection.cursor() as cursor:
        cursor.execute(RENAME.format("max_reoffers", "not_yet"))
        try:
            assert_problem(api.get("/api/v1/studies"), 500, "server_error")  # it is a bug
            cursor.execute(RECORD, ["not_yet", latest])
            response = api.get("/api/v1/studies")
        finally:
            cursor.execute(RENAME.format("not_yet", "max_reoffers"))
            cursor.execute(RECORD, [latest, "not_yet"])
    problem = assert_problem(response, 503, "storage_not_migrated")
    assert problem["detail"] == f"migration studies.{latest} is missing: run manage.py migrate"
    assert response["Retry-After"] == "30"


def test_missing_tables_name_the_migration(transactional_db: None) -> None:
    create_database("tuner_unmigrated")
    try:
        environment = {"DATABASE_URL": database_url("tuner_unmigrated"), "SECRET_KEY": "x" * 50}
        command = [sys.executable, "manage.py", "expire_trials"]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert done.stderr == "error: the database has not been migrated: run manage.py migrate\n"
    finally:
        drop_database("tuner_unmigrated")
