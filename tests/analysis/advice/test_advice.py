"""Each piece of advice is given exactly in the situations that it is about."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from optuna_bridge.samplers.registry import missing_samplers
from tests.support import JSON
from tests.support.api_client import STUDY_URL, add_trials, suggest, trial_action
from tests.support.sample_studies import (
    ANALYSIS_SPACE,
    Situation,
    add_failed_trials,
    add_trials_at_bound,
    count_as_completed,
    create_analysis_study,
    get_advice,
    in_sequence,
    random_points,
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


def tried(api: APIClient, *points: JSON, state: str = "COMPLETE") -> None:
    """Add trials at these points, of different values if they complete."""
    trials = [{"params": at, "state": state} for at in points]
    values = [{"values": number} if state == "COMPLETE" else {} for number in range(len(points))]
    add_trials(api, [trial | value for trial, value in zip(trials, values, strict=True)])


def failed_where(api: APIClient, n: int, is_crashing: Callable[[JSON], object]) -> None:
    """Add n trials at random points, which fail where `is_crashing` is true."""
    points = random_points(n, seed=3)
    tried(api, *(at for at in points if is_crashing(at)), state="FAIL")
    tried(api, *(at for at in points if not is_crashing(at)))


def completed_up_to(api: APIClient, n: int, step: int) -> None:
    """Add n completed trials that have reported up to a step."""
    record_trials(api, *range(n), intermediate_values={"0": 1, str(step): 1})


SMALL_SPACE = ANALYSIS_SPACE[2:]  # of 27 points
SMALL_POINTS: list[JSON] = [{"n": n, "c": c} for n in range(1, 10) for c in ("a", "b", True)]

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
    "region_fails": (
        {},
        lambda api: failed_where(api, 100, lambda at: at["x"] > 0.85),
        [
            lambda api: failed_where(api, 60, lambda at: at["x"] > 0.9),
            lambda api: failed_where(
                api, 100, lambda at: int(1e9 * at["rate"]) % 8 == 0
            ),  # anywhere
        ],
        'of the latest 100 trials that ended, all 12 with parameter "x" above 0.8',
    ),
    "points_repeat": (
        {"search_space": SMALL_SPACE},
        lambda api: tried(api, *SMALL_POINTS[:12], *SMALL_POINTS[:10]),
        [
            lambda api: tried(api, *SMALL_POINTS[:12], *SMALL_POINTS[:9]),
            lambda api: tried(api, *SMALL_POINTS),
            in_sequence(
                lambda api: tried(api, *SMALL_POINTS[:12]),
                lambda api: tried(api, *SMALL_POINTS[:4], state="FAIL"),
            ),
        ],
        "10 of the latest 22 trials repeat the parameters of another one, in a search space of 27 "
        'points. A clone with duplicates: "avoid" suggests each point once.',
    ),
    "never_pruned": (
        {"pruner": "hyperband", "pruner_options": {"min_resource": 10}},
        lambda api: completed_up_to(api, 10, step=9),
        [
            lambda api: completed_up_to(api, 9, step=9),
            lambda api: completed_up_to(api, 10, step=10),
            lambda api: record_trials(api, *range(10)),
            lambda api: start_and_report(api, *[1] * 9),
        ],
        "the pruner hyperband prunes from step 10 on (min_resource), and the latest 10 completed "
        "trials that reported have ended by step 9: no trial is ever pruned. A clone with a lower "
        "min_resource would",
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
    is_about_x = code in ("parameter_at_bound", "region_fails")
    assert found["parameter"] == ("x" if is_about_x else None)


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
