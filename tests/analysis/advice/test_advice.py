"""Each piece of advice is given exactly in the situations that it is about."""

import pytest
from rest_framework.test import APIClient

from optuna_bridge.samplers.registry import missing_samplers
from tests.support import JSON
from tests.support.api_client import STUDY_URL, suggest, trial_action
from tests.support.sample_studies import (
    ANALYSIS_SPACE,
    Situation,
    add_failed_trials,
    add_trials_at_bound,
    count_as_completed,
    create_analysis_study,
    get_advice,
    in_sequence,
    record_trials,
    set_completion_age,
    start_and_report,
    start_trials,
)


def outlasted(situation: Situation, hours: float, minutes: float = 1) -> Situation:
    """What runs, while others, which took some minutes, ended hours ago."""
    return in_sequence(
        situation,
        lambda api: record_trials(api, 1, 2, 3),
        lambda api: set_completion_age(hours, minutes),
    )


# Each by: its code; the study; what happens, and what does not lead to it; and words of it.
RULES: dict[str, tuple[JSON, Situation, list[Situation], str]] = {
    "nothing_completes": (
        {},
        in_sequence(
            lambda api: add_failed_trials(api, 9, "out of memory"),
            lambda api: add_failed_trials(api, 1, "killed"),
        ),
        [lambda api: add_failed_trials(api, 9)],
        '10 trials failed and none has completed, most often (9 times) because: "out of memory".',
    ),
    "many_failures": (
        {},
        in_sequence(
            lambda api: record_trials(api, *range(19)),
            lambda api: add_failed_trials(api, 5, "no\nspace"),
        ),
        [
            in_sequence(
                lambda api: record_trials(api, *range(20)), lambda api: add_failed_trials(api, 5)
            ),
            in_sequence(
                lambda api: record_trials(api, *range(5)), lambda api: add_failed_trials(api, 4)
            ),
        ],
        "5 of the latest 24 trials that ended have failed, most often (5 times) because: "
        '"no\nspace".',
    ),
    "stale_trials": (
        {},
        outlasted(lambda api: start_trials(api, 7), hours=1.01),
        [
            lambda api: start_trials(api, 7),
            outlasted(lambda api: start_trials(api, 7), hours=0.9),
            outlasted(lambda api: start_trials(api, 7), hours=3, minutes=20),
            outlasted(lambda api: suggest(api, lease_seconds=60), hours=3),
            in_sequence(
                outlasted(lambda api: start_trials(api, 1), hours=3),
                lambda api: trial_action(api, 0, "report", step=1, value=0.5),
            ),
        ],
        "7 running trials (0, 1, 2, 3, 4, …) have no lease, and have shown no sign of life",
    ),
    "objective_is_nan": (
        {},
        lambda api: start_and_report(api, *[None] * 10),
        [
            lambda api: start_and_report(api, *[None] * 9),
            lambda api: start_and_report(api, *[None] * 10, 0.5),
        ],
        "all of the latest 10 intermediate values are NaN",
    ),
    "objective_is_constant": (
        {},
        lambda api: record_trials(api, *[0.125] * 10),
        [
            lambda api: record_trials(api, *[0.125] * 9),
            lambda api: record_trials(api, *[0.125] * 10, 0.25),
        ],
        "the objective was 0.125 in all 10 completed trials",
    ),
    "never_feasible": (
        {"constraints": ["load"]},
        lambda api: record_trials(api, *range(10), constraints={"load": 0.1}),
        [
            lambda api: record_trials(api, *range(9), constraints={"load": 0.1}),
            in_sequence(
                lambda api: record_trials(api, *range(10), constraints={"load": 0.1}),
                lambda api: record_trials(api, 1, constraints={"load": 0}),
            ),
        ],
        "none of the 10 completed trials is feasible",
    ),
    "too_many_running": (
        {"sampler": "tpe"},
        lambda api: start_trials(api, 11),
        [
            lambda api: start_trials(api, 10),
            in_sequence(
                lambda api: record_trials(api, *range(11)), lambda api: start_trials(api, 11)
            ),
        ],
        "11 trials run at once, while 0 have come out: the sampler tpe knows little when it "
        "suggests the next one. Up to 10 would",
    ),
    "gp_is_slow": (
        {"sampler": "gp"},
        lambda api: count_as_completed(api, 501),
        [lambda api: count_as_completed(api, 500)],
        "501 trials have completed",
    ),
    "parameter_at_bound": (
        {},
        lambda api: add_trials_at_bound(api, 20, 8),
        [lambda api: add_trials_at_bound(api, 20, 7), lambda api: add_trials_at_bound(api, 19, 10)],
        'parameter "x" is at its bound 0.0 in 80% of the best 10 trials',
    ),
    "budget_outside_range": (
        {"sampler": "tpe", "max_trials": 99},
        lambda api: None,
        [
            lambda api: api.patch(STUDY_URL, {"max_trials": 100}),
            lambda api: api.patch(STUDY_URL, {"max_trials": 1000}),
            lambda api: api.patch(STUDY_URL, {"max_trials": None}),
        ],
        "max_trials is 99; the sampler tpe is for 100 to 1,000 trials.",
    ),
    "budget_exceeds_space": (
        {"search_space": ANALYSIS_SPACE[2:], "max_trials": 28},
        lambda api: None,
        [lambda api: api.patch(STUDY_URL, {"max_trials": 27})],
        "max_trials is 28, and the search space has 27 points",
    ),
}


def create_study_of_rule(api: APIClient, definition: JSON) -> None:
    """Create the study of a rule, or skip the test where its sampler is not installed."""
    if why := missing_samplers().get(definition.get("sampler", "")):
        pytest.skip(why)
    create_analysis_study(api, **definition)


@pytest.mark.parametrize("code", RULES)
def test_advice_is_given_in_its_situation(api: APIClient, code: str) -> None:
    definition, situation, _, words = RULES[code]
    create_study_of_rule(api, definition)
    situation(api)
    (found,) = get_advice(api)
    assert found["code"] == code
    assert found["detail"].startswith(words)
    assert found["detail"].endswith((".", ". "))
    assert found["parameter"] == ("x" if code == "parameter_at_bound" else None)


@pytest.mark.parametrize(
    ("code", "index"), [(code, i) for code, rule in RULES.items() for i in range(len(rule[2]))]
)
def test_advice_is_not_given_in_similar_situations(api: APIClient, code: str, index: int) -> None:
    definition, _, beside, _ = RULES[code]
    create_study_of_rule(api, definition)
    beside[index](api)
    assert get_advice(api) == []


def test_new_study_gets_no_advice(api: APIClient) -> None:
    create_analysis_study(api)
    assert get_advice(api) == []
