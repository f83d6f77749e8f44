"""docs/schedulers/joblib.md: a killed process of joblib gets its trial back."""

from pathlib import Path
from typing import Any

import pytest

from tests.accept.schedulers.conftest import Start
from tests.accept.schedulers.recipes import (
    EXAMPLES,
    check_budget,
    check_names,
    check_resumed,
    environment,
    kill_in_the_middle,
    make_environment,
    wait_for_trials,
)
from tests.support.http_client import HttpClient
from tests.support.service import Service

pytestmark = pytest.mark.accept


def test_joblib_workers_use_the_budget_up_although_one_is_killed(
    service: Service, client: HttpClient, start: Start, tmp_path: Path, record_property: Any
) -> None:
    python = make_environment(tmp_path, "joblib") / "python"
    env = environment(service, tmp_path)

    program = start(python, EXAMPLES / "joblib_workers.py", env=env)
    wait_for_trials(client, "joblib", 3, program.log)
    left = kill_in_the_middle(
        lambda: program.children("popen_loky_posix"), client, "joblib", program.log
    )
    assert "Best(trial_id=" in program.finish()

    trials = check_budget(service, "joblib")
    record_property("found", check_resumed(trials, left))
    check_names(trials, "joblib")
