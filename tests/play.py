"""Playing a study over the API, and looking at what is stored."""

from typing import Any

from rest_framework.test import APIClient


def suggest(api: APIClient, study_name: str) -> dict[str, Any]:
    response = api.post(f"/api/v1/studies/{study_name}/trials/suggest", {})
    assert response.status_code == 200, response.content
    return response.json()


def complete(
    api: APIClient, study_name: str, trial_id: int, values: float | list[float], **more: Any
) -> dict[str, Any]:
    url = f"/api/v1/studies/{study_name}/trials/{trial_id}/complete"
    response = api.post(url, {"values": values, **more})
    assert response.status_code == 200, response.content
    return response.json()


def prune(api: APIClient, study_name: str, trial_id: int) -> dict[str, Any]:
    response = api.post(f"/api/v1/studies/{study_name}/trials/{trial_id}/prune", {})
    assert response.status_code == 200, response.content
    return response.json()
