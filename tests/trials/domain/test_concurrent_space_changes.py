"""Asks of all processes while the search space changes."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.http_client import Answer, HttpClient, trials_path
from tests.support.workers import (
    N_WORKERS,
    bodies_of_status,
    count_codes,
    count_statuses,
    suggest_request,
)

ROUNDS = 4


def space_of(version: int) -> list[dict[str, Any]]:
    """A range that no other version has a value of."""
    return [{"type": "float", "name": "x", "low": float(version), "high": version + 0.5}]


@pytest.mark.parametrize("sampler", ["tpe", "qmc"])
def test_each_trial_is_of_the_version_that_it_names(
    send_together: Callable[..., list[Answer]], client: HttpClient, sampler: str
) -> None:
    study = f"changing-{sampler}"
    options = {"n_startup_trials": 1} if sampler == "tpe" else {}
    client.create_study(
        name=study, search_space=space_of(1), sampler=sampler, sampler_options=options
    )
    for version in range(2, 2 + ROUNDS):
        for _ in range(3):  # so that each process has a session of the version before
            client.complete(study, client.suggest(study)["trial_id"], values=version)
        body = {"search_space": space_of(version), "if_version": version - 1}
        other = body | {"search_space": [space_of(version)[0] | {"high": version + 0.25}]}
        changes = [("PATCH", f"/studies/{study}", each) for each in (body, other)]
        answers = send_together([*changes, *[suggest_request(study)] * (N_WORKERS - 2)])
        assert count_statuses(answers) == {200: N_WORKERS - 1, 409: 1}
        assert count_codes(answers) == {"search_space_changed": 1}
        offers = [each for each in bodies_of_status(answers, 200) if "trial_id" in each]
        assert {each["search_space_version"] for each in offers} <= {version - 1, version}
    trials = client.get(f"{trials_path(study)}?limit=1000")
    assert len(trials) == ROUNDS * (3 + N_WORKERS - 2)
    assert {int(trial["params"]["x"]) - trial["search_space_version"] for trial in trials} == {0}
