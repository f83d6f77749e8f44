"""The bars of running trials in the timeline."""

from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from tests.support.api_client import STUDY_URL, start_trial, strict_json, unpacked_figure
from tests.support.sample_studies import create_analysis_study, play_analysis_study, record_trials
from trials.models import Trial


def running_bars(api: APIClient) -> Any:
    figure = unpacked_figure(strict_json(api.get(f"{STUDY_URL}/plots/timeline")))
    (bars,) = (each for each in figure["data"] if each["name"] == "RUNNING")
    return bars


@pytest.mark.parametrize("hours", [0, 100])
def test_running_trial_is_shown_until_now(api: APIClient, hours: int) -> None:
    play_analysis_study(api)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE trials_trial SET datetime_start = datetime_start - %s * interval '1 hour' "
            "WHERE state = 'RUNNING'",
            [hours],
        )
    started = Trial.objects.get(state="RUNNING").datetime_start
    assert started is not None
    bars = running_bars(api)
    elapsed = (timezone.now() - started).total_seconds()
    assert (bars["y"], bars["base"]) == ([40], [started.replace(tzinfo=None).isoformat()])
    assert 3600 * hours <= bars["x"][0] / 1000 <= elapsed


def test_running_trials_are_shown_first(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    create_analysis_study(api)
    start_trial(api)
    record_trials(api, *range(30))
    start_trial(api)
    monkeypatch.setattr("analysis.plots.catalogue.MAX_HOVERED", 6)
    assert running_bars(api)["y"] == [0, 31]
