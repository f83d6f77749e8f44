"""What the service answers or exports can be sent to it again, whatever an import brought in."""

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from studies.api.request_serializers import CreateStudySerializer
from studies.models import Study
from tests.support import JSON
from tests.support.api_client import (
    STUDIES,
    add_trials,
    assert_schemas_agree,
    create_study,
    start_trial,
    strict_json,
    trial_action,
)
from tests.support.sample_studies import repeatable_examples
from tests.support.transfer_files import (
    delete_study,
    export_study,
    import_file,
    joined_lines,
    parsed_lines,
    random_study_file,
    study_url,
)

pytestmark = pytest.mark.django_db

SEEDS = st.integers(0, 2**32 - 1)
NAME = "again"
# What a study's answer has and its creation does not take.
ONLY_ANSWERED = {
    "study_id",
    "study_name",
    "n_trials",
    "trial_counts",
    "n_trials_without_improvement",
    "best_value",
    "best_params",
    "datetime_start",
    "state",
    "state_reason",
    "state_history",
    "search_space_version",
    "retired",
}


def imported(api: APIClient, seed: int, **changes: Any) -> JSON:
    """Import a random study, and return the answer about it."""
    Study.objects.all().delete()
    head, *rest = parsed_lines(random_study_file(seed, name="search"))
    lines = [head | changes, *rest]
    import_file(api, "\n".join(map(json.dumps, lines)).encode())
    return strict_json(api.get(f"{STUDIES}/search"))


def live_on(api: APIClient, random: Random, study: JSON) -> None:
    """Let some of what may happen to a study happen; the service may refuse it."""
    numbers = {"values": [random.gauss(0, 1) for _ in range(n_objectives(study))]}
    constraints = {name: random.gauss(0, 1) for name in study["constraints"]}
    told = {"constraints": constraints} if constraints else {}
    steps = {str(step): random.choice((random.random(), None)) for step in range(0, 100, 9)}
    trials = strict_json(api.get(f"{STUDIES}/search/trials"))
    for trial in trials:
        url = f"{STUDIES}/search/trials/{trial['trial_id']}"
        requests: list[tuple[str, JSON]] = [
            ("report", {"values": steps, "user_attrs": {"a": None}}),
            ("complete", {**numbers, **told, "intermediate_values": steps}),
            ("prune", {"intermediate_values": steps, **told}),
            ("fail", {"retry": True, "reason": "ü"}),
            ("fail", {"infeasible": True}),
            ("retry", {}),
        ]
        for action, body in random.sample(requests, random.randrange(3)):
            assert api.post(f"{url}/{action}", body).status_code < 500
        if random.random() < 0.2:
            assert api.delete(url).status_code < 500
    for action in random.sample(("pause", "resume", "complete"), random.randrange(3)):
        assert api.post(f"{STUDIES}/search/{action}", {"reason": "why"}).status_code < 500
    for _ in range(2):
        response = api.post(f"{STUDIES}/search/trials/suggest", {"worker_id": "w"})
        assert response.status_code < 500, response.content
    assert api.patch(f"{STUDIES}/search", {"lease_seconds": 60}).status_code < 500


def n_objectives(study: JSON) -> int:
    return len(study["direction"]) if isinstance(study["direction"], list) else 1


@example(seed=3343)  # NSGA-II: a parent in the queue lacks a parameter
@example(seed=5879259)  # NSGA-II: no parent is completed
@example(seed=2442053897)  # a trial that was cancelled in the queue is retried
@example(seed=48961)  # a running trial without all parameters, and a new lease
@example(seed=3758610)  # parents noted on a queued trial that starts
@example(seed=638412)  # an infinite value at a rung
@given(seed=SEEDS)
@repeatable_examples(10)
def test_export_of_a_study_that_went_on_is_restored(api: APIClient, seed: int) -> None:
    study = imported(api, seed, state="ACTIVE", state_reason=None, max_trials=None, deadline=None)
    live_on(api, Random(seed), study)
    assert_schemas_agree("search")
    shown = strict_json(api.get(f"{STUDIES}/search/trials"))
    file = export_study(api)
    delete_study(api)

    import_file(api, file)

    assert export_study(api) == file
    assert_schemas_agree("search")
    again = strict_json(api.get(f"{STUDIES}/search/trials"))
    unstable = {"study_id", "reoffers", "retry_refused"}
    assert [
        {key: value for key, value in trial.items() if key not in unstable} for trial in again
    ] == [{key: value for key, value in trial.items() if key not in unstable} for trial in shown]


@given(seed=SEEDS)
@repeatable_examples(15)
def test_study_as_answered_can_be_created_again(api: APIClient, seed: int) -> None:
    answer = imported(api, seed)
    fields = CreateStudySerializer().fields.keys()
    assert answer.keys() - fields == ONLY_ANSWERED
    body = {key: value for key, value in answer.items() if key not in ONLY_ANSWERED}

    created = api.post(STUDIES, {"name": NAME, **body})

    assert created.status_code == 201, created.content
    again = strict_json(api.get(study_url(NAME)))
    assert {key: again[key] for key in body} == body


@given(seed=SEEDS)
@repeatable_examples(15)
def test_params_as_answered_can_be_queued_and_recorded(api: APIClient, seed: int) -> None:
    answer = imported(api, seed)
    definition = {key: answer[key] for key in ("search_space", "direction", "sampler")}
    assert api.post(STUDIES, {"name": NAME, **definition}).status_code == 201
    url = f"{STUDIES}/{NAME}/trials"
    trials = strict_json(api.get(f"{STUDIES}/search/trials"))
    everything = [trial["params"] for trial in trials]
    whole = [params for params in everything if len(params) == len(answer["search_space"])]
    ended = {"state": "COMPLETE", "values": [0.5] * n_objectives(answer)}
    for new in (
        [{"params": params} for params in everything],
        [{"params": params, **ended} for params in whole],
    ):
        if new:
            added = api.post(url, new)
            assert added.status_code == 201, added.content
            answered = [trial["params"] for trial in added.json()]
            assert repr(answered) == repr([each["params"] for each in new])


def test_told_trial_of_a_clock_that_is_ahead_is_restored(api: APIClient) -> None:
    create_study(api)
    start_trial(api)
    lines = parsed_lines(export_study(api))
    delete_study(api)
    ahead = (datetime.now(UTC) + timedelta(hours=14)).isoformat(timespec="microseconds")
    lines[1]["datetime_start"] = ahead
    import_file(api, joined_lines(lines))

    told = trial_action(api, 0, "complete", values=1)

    assert (told["datetime_start"], told["datetime_complete"]) == (ahead, ahead)
    assert told["duration_seconds"] == 0
    file = export_study(api)
    delete_study(api)
    import_file(api, file)
    assert export_study(api) == file


def test_infinite_values_are_restored_and_answered_as_null(api: APIClient) -> None:
    create_study(api, direction="minimize", sampler="random")
    add_trials(api, [{"params": {"x": k / 4}, "state": "COMPLETE", "values": k} for k in range(3)])
    head, *trials, end = parsed_lines(export_study(api))
    delete_study(api)
    for trial, value in zip(trials, ("Infinity", "-Infinity"), strict=False):
        trial["values"] = [value]
        trial["intermediate_values"] = {"1": value, "2": "NaN"}
    import_file(api, joined_lines([head, *trials, end]))

    assert parsed_lines(export_study(api)) == [head, *trials, end]
    shown = strict_json(api.get(f"{STUDIES}/search/trials"))
    assert [trial["values"] for trial in shown] == [[None], [None], [2.0]]
    assert shown[0]["intermediate_values"] == {"1": None, "2": None}
    assert strict_json(api.get(f"{STUDIES}/search"))["best_value"] is None
    assert strict_json(api.get(f"{STUDIES}/search"))["best_params"] == {"x": 0.25}
    assert_schemas_agree("search")
