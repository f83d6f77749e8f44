"""Studies to compare, and their comparison over the API."""

from collections.abc import Sequence
from typing import Any

from django.db import connection
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import STUDIES, add_trials, create_study, strict_json

COMPARE_URL = f"{STUDIES}/compare"


def compare(api: APIClient, *names: str, **query: Any) -> JSON:
    return strict_json(api.get(COMPARE_URL, {"names": names, **query}))


def record_study(api: APIClient, name: str, *values: Any, **definition: Any) -> JSON:
    """Create a study with a completed trial for each value."""
    study = create_study(api, name=name, **{"sampler": "random"} | definition)
    params = {parameter["name"]: 0.5 for parameter in study["search_space"]}
    trials = [{"params": params, "state": "COMPLETE", "values": value} for value in values]
    if trials:
        add_trials(api, trials, name)
    return study


def set_ends(name: str, *minutes: float | None) -> None:
    """Let the trials of a study have started at a time, and ended these minutes later."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE trials_trial SET datetime_start = '2030-01-01 00:00+00', datetime_complete = "
            "'2030-01-01 00:00+00'::timestamptz + %s * interval '1 minute' WHERE number = %s "
            "AND study_id = (SELECT id FROM studies_study WHERE name = %s)",
            [(minute, number, name) for number, minute in enumerate(minutes)],
        )


def points(curve: Sequence[JSON]) -> list[tuple[float, ...]]:
    """The points of a curve as tuples."""
    return [tuple(point.values()) for point in curve]
