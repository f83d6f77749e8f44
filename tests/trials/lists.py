"""Studies whose trials are listed, and what is answered of them."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.db import transaction
from rest_framework.test import APIClient

from studies.models import Study
from tests.play import JSON, add, create_study, suggest
from trials.models import Trial
from trials.models.reservation import Reservation

URL = "/api/v1/studies/search/trials"
SPACE = [
    {"type": "float", "name": "lr", "low": 0.001, "high": 1.0, "log": True},
    {"type": "float", "name": "rate", "low": 0.0, "high": 0.9, "step": 0.1},
    {"type": "int", "name": "n/m", "low": 1, "high": 100},
    {"type": "categorical", "name": "kind", "choices": ["1", 2, True, 2.5]},
]
PARAMS = {"lr": 0.5, "rate": 0.3, "n/m": 7, "kind": "1"}


def get(api: APIClient, url: str = URL, **query: Any) -> Any:
    texts = {k: json.dumps(v) if isinstance(v, dict) else v for k, v in query.items()}
    response = api.get(f"{url}?{urlencode(texts)}" if texts else url)
    assert response.status_code == 200, response.content
    return response


def numbers(response: Any) -> list[int]:
    return [trial["trial_id"] for trial in response.json()]


def links(response: Any) -> dict[str, str]:
    return {name: url for url, name in re.findall(r'<([^>]+)>; rel="(\w+)"', response["Link"])}


def store(study: Study, rows: Sequence[JSON]) -> None:
    """Add trials of these fields; `took` is how long one ran."""
    with transaction.atomic():
        reserved = Trial.objects.reserve(study, Counter(row["state"] for row in rows))
        Trial.objects.add([_trial(study, reserved, index, **row) for index, row in enumerate(rows)])


def _trial(
    study: Study, reserved: Reservation, index: int, took: timedelta | None = None, **row: Any
) -> Trial:
    given = {"internal_params": [0.5], "datetime_start": reserved.now, **row}
    if took is not None:
        given["datetime_complete"] = reserved.now + took
    return Trial.reserved(reserved, index, study=study, **given)


def play(api: APIClient) -> None:
    """Values 3, 1, none (running, of worker w), 1, none (failed), 2 (pruned), none (waiting)."""
    # Seeded: what the running trial draws is looked for, too.
    create_study(api, search_space=SPACE, sampler_options={"seed": 0})
    add(api, {"params": PARAMS, "state": "COMPLETE", "values": 3})
    add(api, {"params": PARAMS | {"lr": 0.25}, "state": "COMPLETE", "values": 1})
    suggest(api, worker_id="w")
    add(api, {"params": PARAMS | {"kind": 2}, "state": "COMPLETE", "values": 1})
    add(api, {"params": PARAMS | {"kind": True, "rate": 0.1}, "state": "FAIL"})
    pruned = {"state": "PRUNED", "intermediate_values": {"1": 2}}
    add(api, {"params": PARAMS | {"n/m": 8}, **pruned})
    add(api, {"params": {"lr": 0.75}})
