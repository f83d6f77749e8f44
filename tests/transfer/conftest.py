from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from rest_framework.test import APIClient

from tests.support.api_client import add_trials, create_study, start_trial, trial_action
from tests.support.transfer_files import N_FILE_TRIALS, export_study, parsed_lines
from trials.sampling.session_registry import session_registry


@pytest.fixture(scope="session")
def file(django_db_setup: None, django_db_blocker: Any) -> bytes:
    """A study with a trial in each state and a retry, which is not stored any more."""
    api = APIClient()
    api.default_format = "json"
    undone: Any = transaction.atomic()
    undone._from_testcase = True  # an export opens a durable one in it
    with django_db_blocker.unblock(), undone:
        create_study(api, direction="minimize", constraints=["c"], max_retries=1, pruner="none")
        trial_action(api, start_trial(api), "complete", values=1, constraints={"c": 0.5})
        trial_action(api, start_trial(api, lease_seconds=3600), "fail", retry=True, reason="why")
        trial_action(api, start_trial(api), "prune")
        start_trial(api, worker_id="w", lease_seconds=3600)
        add_trials(api, {"params": {"x": 0.25}})
        add_trials(api, {"params": {"x": 0.5}, "state": "FAIL"})
        file = export_study(api)
        transaction.set_rollback(True)
    session_registry.clear()
    assert len(parsed_lines(file)) == N_FILE_TRIALS + 2
    return file


@pytest.fixture(params=["sqlite", "journal"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where there is no storage yet."""
    return (
        f"sqlite:///{tmp_path}/stock.db" if request.param == "sqlite" else f"{tmp_path}/stock.log"
    )


@pytest.fixture
def database(tmp_path: Path) -> str:
    """Where there is no storage yet, for what does not depend on the kind of storage."""
    return f"sqlite:///{tmp_path}/stock.db"
