"""Advice on parts of the search space in which all trials fail."""

import random
from collections.abc import Callable
from functools import partial

import pytest
from rest_framework.test import APIClient

from tests.support import JSON
from tests.support.api_client import add_trials, suggest, trial_action
from tests.support.sample_studies import create_analysis_study, get_advice, random_points


def play(api: APIClient, n: int, is_crashing: Callable[[JSON], object], seed: int = 0) -> None:
    """Create a study of n trials at random points, which fail where `is_crashing` is true."""
    create_analysis_study(api)
    trials = [
        {"params": at, "state": "FAIL"}
        if is_crashing(at)
        else {"params": at, "state": "COMPLETE", "values": number}
        for number, at in enumerate(random_points(n, seed))
    ]
    add_trials(api, trials)


def regions(api: APIClient) -> list[tuple[str, str]]:
    """The parameter and the bounds of each region."""
    found = [each for each in get_advice(api) if each["code"] == "region_fails"]
    words = (each["detail"].split(f'parameter "{each["parameter"]}" ')[1] for each in found)
    return [
        (each["parameter"], text.split(" have failed")[0])
        for each, text in zip(found, words, strict=True)
    ]


@pytest.mark.parametrize(
    ("is_crashing", "parameter", "where"),
    [
        (lambda at: at["x"] < 0.25, "x", "below 0.2"),
        (lambda at: at["x"] > 0.5, "x", "above 0.4"),
        (lambda at: at["rate"] > 0.1, "rate", "above 0.09"),
        (lambda at: at["n"] >= 8, "n", "above 7"),
        (lambda at: at["n"] <= 2, "n", "below 3"),
        (lambda at: at["c"] == "b", "c", "equal to 'b'"),
        (lambda at: at["c"] is True, "c", "equal to True"),
    ],
)
def test_failing_region_is_named(
    api: APIClient, is_crashing: Callable[[JSON], object], parameter: str, where: str
) -> None:
    play(api, 120, is_crashing)
    ((found, bounds),) = regions(api)
    assert found == parameter
    assert bounds.startswith(where)


def test_regions_of_two_parameters_are_named(api: APIClient) -> None:
    play(api, 150, lambda at: at["c"] == "a" or at["x"] > 0.8)
    assert [parameter for parameter, _ in regions(api)] == ["c", "x"]


def fails_at_random(draw: random.Random, share: float, at: JSON) -> bool:
    return draw.random() < share


def test_failures_at_random_are_no_region(api: APIClient) -> None:
    """In any 20 studies, where trials fail at random, a region may be seen once at most."""
    draw = random.Random(1)
    n_found = 0
    for seed in range(20):
        api.delete("/api/v1/studies/search")
        share = 0.2 + 0.03 * seed
        play(api, 150, partial(fails_at_random, draw, share), seed)
        n_found += bool(regions(api))
    assert n_found <= 1


@pytest.mark.parametrize("n", [10, 60])
def test_study_of_failures_has_no_region(api: APIClient, n: int) -> None:
    play(api, n, lambda at: True)
    assert regions(api) == []


def test_infeasible_trials_are_no_failures(api: APIClient) -> None:
    """Samplers learn from them already."""
    create_analysis_study(api)
    for _ in range(40):
        trial = suggest(api)
        if trial["params"]["x"] > 0.5:
            trial_action(api, trial["trial_id"], "fail", infeasible=True)
        else:
            trial_action(api, trial["trial_id"], "complete", values=trial["params"]["n"])
    assert regions(api) == []
