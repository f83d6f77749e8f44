"""The metrics of studies and trials by state; imported by serving processes only."""

from collections.abc import Iterator
from typing import Any

import psycopg
from prometheus_client.core import GaugeMetricFamily

from studies.domain.counts import count_by_state
from tuner_project.observability.metrics import STORAGE_QUERIES


def _by_state(cursor: psycopg.Cursor[Any]) -> Iterator[GaugeMetricFamily]:
    n_studies, n_trials = count_by_state(cursor)
    for name, what, by_state in (
        ("tuner_studies", "Studies.", n_studies),
        ("tuner_trials", "Trials.", n_trials),
    ):
        family = GaugeMetricFamily(name, what, labels=["state"])
        for state, count in by_state.items():
            family.add_metric([state], count)
        yield family


STORAGE_QUERIES.append(_by_state)
