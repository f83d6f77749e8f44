"""The front page and a study's page at 10,000 studies and 50,000 trials."""

from time import perf_counter
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.support.many_studies import copy_study
from tests.support.study_builders import (
    add_finished_trials,
    ask_trial,
    build_study,
    tell_trial,
)

pytestmark = [pytest.mark.accept, pytest.mark.django_db]

STUDIES = 10_000
TRIALS = 50_000
MOST_SECONDS = 1.5


def cost(client: Client, path: str) -> tuple[int, int, float]:
    """The statements, the bytes and the seconds of a page; the shortest time of three."""
    seconds = []
    for _ in range(3):
        began = perf_counter()
        with CaptureQueriesContext(connection) as queries:
            response: Any = client.get(path)
        seconds.append(perf_counter() - began)
        assert response.status_code == 200
    return len(queries), len(response.content), min(seconds)


def test_pages_are_bounded(admin_client: Client, record_property: Any) -> None:
    large = build_study("large", max_trials=100_000)
    tell_trial(large, ask_trial(large).number, 1.0)
    ask_trial(large)
    for number in range(9):
        study = build_study(f"s{number}")
        tell_trial(study, ask_trial(study).number, 1.0)
        ask_trial(study)
    pages = {"front": "/admin/", "study": f"/admin/studies/study/{large.pk}/change/"}
    before = {name: cost(admin_client, path) for name, path in pages.items()}
    large.refresh_from_db()
    add_finished_trials(large, TRIALS)
    copy_study("s0", STUDIES)  # each of them has a running trial
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE studies_study, trials_trial")
    for name, path in pages.items():
        statements, size, seconds = cost(admin_client, path)
        print(f"{name}: {statements} statements, {size:,} bytes, {seconds:.3f} s")
        record_property(name, f"{statements}, {size}, {seconds:.3f}")
        assert statements == before[name][0]
        assert size < 40_000
        assert seconds < MOST_SECONDS
