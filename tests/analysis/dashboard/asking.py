"""Asking the dashboard."""

import csv
import io
from typing import Any

from django.test import Client

from studies.models import Study
from tests.play import SEARCH, assert_refused

OWN = {"Origin": "http://testserver"}


def assert_reason(response: Any, status: int, code: str) -> str:
    """Check that this is refused, and give the reason, which the dashboard shows."""
    problem = assert_refused(response, status, code)
    assert problem["reason"] == problem["detail"]
    return problem["reason"]


def delete(client: Client, study_id: int, **headers: str) -> Any:
    return client.delete(f"/api/studies/{study_id}", b"{}", "application/json", headers=headers)


def exported(client: Client, study: Study) -> list[tuple[str, str]]:
    response = client.get(f"/csv/{study.id}")
    assert response["Content-Disposition"] == f"attachment; filename={SEARCH}.csv"
    rows = csv.DictReader(io.StringIO(response.content.decode()))
    return [(row["State"], row["Value"]) for row in rows]
