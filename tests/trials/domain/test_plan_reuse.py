"""The server plans the statements of an ask, a report and a tell once, and not at each execution.

PostgreSQL keeps a plan for any parameters only where plans for particular ones are not estimated
to be cheaper, and to plan a statement may take longer than to run it.
"""

from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from tuner_project.db.database import close_pool

pytestmark = pytest.mark.django_db(transaction=True)

STUDY = "/api/v1/studies/search"
SPACE = [
    {"type": "float", "name": "x", "low": 0.001, "high": 1.0, "log": True},
    {"type": "int", "name": "n", "low": 1, "high": 9},
    {"type": "categorical", "name": "c", "choices": ["a", "b", "c"]},
]
N_CUSTOM_PLANS = 5  # that the server compares before it keeps one
N_TRIALS = 12

STUDIES: dict[str, dict[str, Any]] = {
    "tpe": {"sampler": "tpe"},
    "seeded": {"sampler": "tpe", "sampler_options": {"seed": 1}},
    "nsgaii": {"sampler": "nsgaii", "sampler_options": {"population_size": 3}},
    "qmc": {"sampler": "qmc"},
    "two objectives": {"direction": ["minimize", "maximize"], "pruner": "none"},
    "leases": {"lease_seconds": 600, "max_retries": 1},
    "constraints": {"constraints": ["memory"]},
    "hyperband": {"pruner": "hyperband", "pruner_options": {"max_resource": 81}},
    "no duplicates": {"duplicates": "avoid"},
    "budgets": {"max_trials": 500, "max_concurrent": 4},
    "no improvement": {"stop_after_no_improvement": {"trials": 500}},
    "no improvement of two objectives": {
        "direction": ["minimize", "maximize"],
        "pruner": "none",
        "stop_after_no_improvement": {"trials": 500, "reference_point": [99, 0]},
    },
    "threshold": {"pruner": "threshold", "pruner_options": {"upper": 1}},
}


@pytest.fixture(autouse=True)
def _new_connection() -> None:
    """The server knows no plans, and no counts of rows, that come from other tests."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    connection.close()
    close_pool()


def play(api: APIClient, definition: dict[str, Any], number: int) -> None:
    """Ask, report and tell as a worker with an id does."""
    asked = api.post(f"{STUDY}/trials/suggest", {"worker_id": "w1"})
    assert asked.status_code == 200, asked.content
    trial = f"{STUDY}/trials/{asked.json()['trial_id']}"
    assert api.post(f"{trial}/heartbeat", {}).status_code == 200
    result: dict[str, Any] = {"values": number}
    if isinstance(definition.get("direction"), list):
        result = {"values": [number, number]}
    else:
        assert api.post(f"{trial}/report", {"step": 1, "value": 0.5}).status_code == 200
    if "constraints" in definition:
        result["constraints"] = {"memory": -1}
    assert api.post(f"{trial}/complete", result).status_code == 200
    assert api.get(trial).status_code == 200
    assert api.get(STUDY).status_code == 200


@pytest.mark.parametrize("definition", STUDIES.values(), ids=STUDIES)
def test_statements_are_planned_once(api: APIClient, definition: dict[str, Any]) -> None:
    close_pool()  # other tests' statements may have been planned for batches
    body = {"name": "search", "search_space": SPACE, "pruner": "median"} | definition
    assert api.post("/api/v1/studies", body).status_code == 201
    connection.close()  # whose statements other tests may have executed
    close_pool()
    for number in range(N_TRIALS):
        play(api, definition, number)
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement, generic_plans, custom_plans FROM pg_prepared_statements")
        plans = cursor.fetchall()
    again = [statement for statement, _, custom in plans if custom > N_CUSTOM_PLANS]
    assert sum(generic for _, generic, _ in plans) > N_TRIALS
    assert again == []
