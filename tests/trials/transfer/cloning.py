"""A study to be cloned, and its clone."""

from typing import Any

from rest_framework.test import APIClient

from tests.play import JSON, STUDIES, assert_in_sync, complete, create_study, prune, suggest, tell

URL = f"{STUDIES}/search/clone"
SPACE: list[JSON] = [
    {"type": "float", "name": "x", "low": 0.0, "high": 1.0},
    {"type": "int", "name": "n", "low": 1, "high": 64, "log": True},
    {"type": "categorical", "name": "c", "choices": ["a", 1, False]},
]


def clone(api: APIClient, **body: Any) -> JSON:
    response = api.post(URL, {"name": "clone", **body})
    assert response.status_code == 201, response.content
    assert_in_sync(response.json()["study_name"])
    return response.json()


def play(api: APIClient, n: int = 12, **definition: Any) -> None:
    """A study of n trials, the sixth of which failed and the seventh of which was pruned."""
    create_study(api, search_space=SPACE, **{"sampler": "random", **definition})
    for number in range(n):
        trial = suggest(api, worker_id=f"w{number}")
        if number == 5:
            tell(api, number, "fail", reason="diverged")
        elif number == 6:
            tell(api, number, "report", values={"1": 0.5, "2": 0.25})
            prune(api, "search", number)
        else:
            steps, attrs = {"1": number / 3, "2": -0.0}, {"": [number, {"größe": None}]}
            value = trial["params"]["x"] ** 2 + trial["params"]["n"] / 7
            complete(api, "search", number, value, intermediate_values=steps, user_attrs=attrs)
