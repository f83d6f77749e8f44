"""Imports refuse trials that neither a client nor stock Optuna can create."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import add_trials, create_study, start_trial, trial_action
from tests.support.transfer_files import (
    assert_line_refused,
    delete_study,
    export_study,
    import_file,
    parsed_lines,
    post_file,
    set_keys,
    with_line_changed,
)

SPACE = [{"type": "float", "name": name, "low": 0, "high": 1} for name in "xy"]
BEFORE = "2020-01-01T00:00:00+00:00"

IMPOSSIBLE: list[tuple[str, JSON, str]] = [
    ("WAITING", {"intermediate_values": {"1": 1}}, "/intermediate_values"),
    ("WAITING", {"worker_id": "w"}, "/worker_id"),
    ("WAITING", {"lease_seconds": 60}, "/lease_seconds"),
    ("WAITING", {"should_prune": True}, "/should_prune"),
    ("WAITING", {"is_retry_wanted": True}, "/is_retry_wanted"),
    ("WAITING", {"reason": "why"}, "/reason"),
    ("RUNNING", {"params": {"x": 0.5}}, "/params"),
    ("RUNNING", {"params": {"x": 0.5}, "worker_id": None}, "/params"),
    ("RUNNING", {"is_retry_wanted": True}, "/is_retry_wanted"),
    ("RUNNING", {"reason": "why"}, "/reason"),
    ("COMPLETE", {"params": {"x": 0.5}}, "/params"),
    ("COMPLETE", {"is_retry_wanted": True}, "/is_retry_wanted"),
    ("COMPLETE", {"datetime_complete": BEFORE}, "/datetime_complete"),
    ("PRUNED", {"is_retry_wanted": True}, "/is_retry_wanted"),
    ("FAIL", {"worker_id": "w"}, "/worker_id"),
    ("FAIL", {"intermediate_values": {"1": 1}}, "/intermediate_values"),
    ("FAIL", {"is_retry_wanted": True}, "/is_retry_wanted"),
    ("FAIL", {"should_prune": True}, "/should_prune"),
]


@pytest.fixture
def file(api: APIClient) -> bytes:
    """A trial in each state; the one that failed was cancelled in the queue."""
    create_study(api, search_space=SPACE, lease_seconds=60, pruner="none")
    trial_action(api, start_trial(api, worker_id="w"), "complete", values=1)
    trial_action(api, start_trial(api, worker_id="w"), "prune")
    start_trial(api, worker_id="w")
    for x in (0.25, 0.5):
        add_trials(api, {"params": {"x": x}})
    assert api.delete("/api/v1/studies/search/trials/4").status_code == 200
    file = export_study(api)
    delete_study(api)
    return file


def line_of(file: bytes, state: str) -> int:
    lines = parsed_lines(file)
    return next(n for n, each in enumerate(lines, 1) if each.get("state") == state and n > 1)


@pytest.mark.parametrize(("state", "changes", "pointer"), IMPOSSIBLE)
def test_impossible_trial_is_refused(
    api: APIClient, file: bytes, state: str, changes: JSON, pointer: str
) -> None:
    line = line_of(file, state)
    problem = assert_line_refused(
        post_file(api, with_line_changed(file, line, set_keys(**changes))), line
    )
    assert f"/{line}{pointer}" in [error["pointer"] for error in problem["errors"]]


@pytest.mark.parametrize("state", ["RUNNING", "COMPLETE", "PRUNED"])
def test_trial_of_stock_optuna_may_lack_parameters(api: APIClient, file: bytes, state: str) -> None:
    stock: Any = {"worker_id": None, "lease_seconds": None, "lease_expires_at": None}
    bare = with_line_changed(file, line_of(file, state), set_keys(params={"x": 0.5}, **stock))
    import_file(api, bare)
    assert parsed_lines(export_study(api)) == parsed_lines(bare)
