"""States, budgets, workers, leases and attempts in the admin."""

import re
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from studies.models import Study
from tests.support.api_client import create_study, suggest, trial_action
from tests.support.database import move_leases_into_past

STUDIES, TRIALS = "/admin/studies/study/", "/admin/trials/trial/"


@pytest.fixture
def study(api: APIClient) -> Study:
    """Trial 0 lost its lease and runs again as 1; 2 failed; the study is cancelled."""
    create_study(
        api,
        max_trials=40,
        target_value=0.5,
        max_retries=1,
        lease_seconds=90,
        constraints=["latency"],
    )
    suggest(api, worker_id="gpu-7 <a100>")
    move_leases_into_past()
    suggest(api, worker_id="gpu-8")
    suggest(api)
    trial_action(api, 2, "fail", reason="CUDA out of memory")
    for action in ("pause", "resume", "cancel"):
        url = f"/api/v1/studies/search/{action}"
        assert api.post(url, {"reason": f"{action} <it>"}).status_code == 200
    return Study.objects.get()


def page(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())


def test_study_page_shows_state_and_budgets(admin_client: Client, study: Study) -> None:
    text = page(admin_client, f"{STUDIES}{study.pk}/change/")
    for part in (
        'class="tuner-state tuner-state-cancelled">cancelled</span> cancel &lt;it&gt;',
        '<dt id="tuner-label-max_trials">Trials done</dt>',
        "0 of 40",
        "0.5 (maximize), best none yet",
        "1 retry of a trial that fails; a silent worker gets its trial back up to 10 times; "
        "a lease expires after 0:01:30 without a heartbeat",
        "latency",
    ):
        assert part in text
    listed = text.partition("<ol>")[2]
    states = re.findall(r"tuner-state-(\w+)\">\w+</span> (\w+) &lt;it&gt;", listed)
    assert states == [("paused", "pause"), ("active", "resume"), ("cancelled", "cancel")]
    assert "Deadline" not in text


@pytest.mark.parametrize(("state", "n"), [("CANCELLED", 1), ("ACTIVE", 0), ("nonsense", 0)])
def test_studies_are_filtered_by_state(
    admin_client: Client, study: Study, state: str, n: int
) -> None:
    response = admin_client.get(f"{STUDIES}?state={state}")
    assert len(response.context["cl"].result_list) == n


def test_trial_list_shows_workers_and_reasons(admin_client: Client, study: Study) -> None:
    text = page(admin_client, f"{TRIALS}?study__id__exact={study.pk}")
    for part in ("gpu-7 &lt;a100&gt;", "gpu-8", "lease expired", "CUDA out of memory"):
        assert part in text


def test_trial_page_shows_its_lease_and_links_to_other_attempts(
    admin_client: Client, study: Study
) -> None:
    first, second, _ = study.trials.order_by("number")
    pages: list[Any] = [
        page(admin_client, f"{TRIALS}{trial.pk}/change/") for trial in (first, second)
    ]
    assert "lease expired" in pages[0]
    assert f'<a href="{TRIALS}{second.pk}/change/">trial 1</a>' in pages[0]
    assert f'<a href="{TRIALS}{first.pk}/change/">trial 0</a>' in pages[1]
    assert f"{second.lease_expires_at:%Y-%m-%d %H:%M:%S}" in pages[1]
