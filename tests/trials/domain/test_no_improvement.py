"""The budget `stop_after_no_improvement`, compared with a plain reference in Python."""

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna._hypervolume import compute_hypervolume
from rest_framework.test import APIClient

from studies.models import Study
from tests.support import JSON
from tests.support.api_client import (
    add_trials,
    assert_schemas_agree,
    assert_study_completed,
    complete,
    create_study,
    get_study,
    invalid_pointers,
    post_study,
    prune,
    start_trial,
    study_state,
    suggest_batch,
    trial_action,
)
from tests.support.database import (
    call_and_close_connection,
    move_leases_into_past,
    recorded_statements,
)
from tests.support.transfer_files import clone_study, delete_study, export_study, import_file
from trials.models import Trial, improvement

URL = "/api/v1/studies/search"
WORD = "stop_after_no_improvement"


def create(api: APIClient, trials: int, min_delta: float = 0, **more: Any) -> JSON:
    budget = {"trials": trials, "min_delta": min_delta}
    return create_study(
        api, **{"sampler": "random", "pruner": "none", "direction": "minimize", WORD: budget} | more
    )


def count(api: APIClient) -> int | None:
    found: int | None = get_study(api)["n_trials_without_improvement"]
    return found


def tell(api: APIClient, *values: Any) -> None:
    for value in values:
        complete(api, "search", start_trial(api), value)


# The reference -----------------------------------------------------------------------------


@dataclass
class Reference:
    """The count, from all results so far: (values or None, whether they are feasible)."""

    signs: list[int]
    min_delta: float
    point: list[float] | None = None
    losses: list[list[float]] = field(default_factory=list)
    at_improvement: float | None = None
    n: int = 0

    def add(self, values: list[float] | None, *, is_feasible: bool = True) -> None:
        self.n += 1
        if values is None or not is_feasible:
            return
        signed = zip(self.signs, values, strict=True)
        self.losses.append([sign * value for sign, value in signed])
        measure = self.measure()
        if (self.point is None and self.at_improvement is None) or measure - (
            self.at_improvement or 0.0
        ) > self.min_delta:
            self.n, self.at_improvement = 0, measure

    def measure(self) -> float:
        """What is to grow: the best value, or the hypervolume of all results."""
        if self.point is None:
            return -min(loss for (loss,) in self.losses)
        reference = np.array(self.point) * np.array(self.signs)
        better = [each for each in self.losses if (np.array(each) < reference).all()]
        return float(compute_hypervolume(np.array(better), reference)) if better else 0.0


def values_of(rng: random.Random, n: int) -> list[float]:
    return [rng.randrange(0, 33) / 8 for _ in range(n)]


KINDS = ("complete", "prune", "fail", "infeasible", "batch", "known")


def play(api: APIClient, reference: Reference, rng: random.Random, kind: str) -> None:
    """Send one request with random results, and add them to the reference."""
    n = len(reference.signs)
    limits = {"c": float(rng.choice([-1, -1, 0, 1]))}
    if kind == "complete":
        values = values_of(rng, n)
        complete(api, "search", start_trial(api), values, constraints=limits)
        reference.add(values, is_feasible=limits["c"] <= 0)
    elif kind == "prune":
        prune(api, "search", start_trial(api))
        reference.add(None)
    elif kind == "fail":
        trial_action(api, start_trial(api), "fail")
    elif kind == "infeasible":
        trial_action(api, start_trial(api), "fail", infeasible=True)
        reference.add(None)
    else:
        results = [(values_of(rng, n), float(rng.choice([-1, 1]))) for _ in range(4)]
        told = [{"state": "COMPLETE", "values": v, "constraints": {"c": c}} for v, c in results]
        if kind == "batch":
            trials = [each["trial_id"] for each in suggest_batch(api, 4)]
            rng.shuffle(trials)  # the order in the request counts
            body = [{"trial_id": t} | each for t, each in zip(trials, told, strict=True)]
            answer = api.post(f"{URL}/trials/complete-batch", {"trials": body}).json()
            assert [each["status"] for each in answer["results"]] == [200] * 4
        else:
            add_trials(api, [{"params": {"x": rng.random()}} | each for each in told])
        for values, violation in results:
            reference.add(values, is_feasible=violation <= 0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("direction", "point"),
    [
        ("minimize", None),
        ("maximize", None),
        (["minimize", "maximize"], [3.0, 1.0]),
        (["maximize", "minimize", "minimize"], [1.0, 3.0, 3.5]),
    ],
)
def test_count_equals_the_reference(
    api: APIClient, direction: Any, point: list[float] | None, seed: int
) -> None:
    rng = random.Random(f"{direction} {seed}")
    directions = direction if isinstance(direction, list) else [direction]
    # Not a multiple of an eighth, so that rounding decides nothing.
    delta = rng.choice([0.0, 0.3, 1.1])
    budget: JSON = {"trials": 1000, "min_delta": delta, "reference_point": point}
    space = [{"type": "float", "name": "x", "low": 0, "high": 1}]
    more: JSON = {WORD: budget, "constraints": ["c"], "search_space": space}
    create(api, 1, direction=direction, **more)
    reference = Reference([1 if each == "minimize" else -1 for each in directions], delta, point)
    counts = []
    kinds = [*KINDS, *rng.choices(KINDS, k=12)]
    rng.shuffle(kinds)
    for kind in kinds:
        play(api, reference, rng, kind)
        counts.append(get_study(api)["n_trials_without_improvement"])
        assert counts[-1] == reference.n
    assert max(counts) > 3
    assert len(reference.losses) > 5
    assert_schemas_agree()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_count_of_one_objective_is_that_of_the_results_in_any_portions(data: st.DataObject) -> None:
    direction = data.draw(st.sampled_from(["minimize", "maximize"]))
    delta = data.draw(st.sampled_from([0.0, 0.5, 2.0]))
    # No fractions below a half, so that each difference is exact.
    one = st.tuples(
        st.sampled_from(["COMPLETE", "PRUNED", "FAIL"]),
        st.integers(-8, 8).map(lambda n: n / 2),
        st.booleans(),
    )
    study = Study(directions=[direction], stop_after_no_improvement=budget_of(delta))
    reference = Reference([1 if direction == "minimize" else -1], delta)
    for portion in data.draw(st.lists(st.lists(one, max_size=4), max_size=8)):
        results = []
        for state, value, is_feasible in portion:
            values = [value] if state == "COMPLETE" else None
            violation = 0 if is_feasible else 1
            trial = Trial(study=study, state=state, values=values, violation=violation)
            if improvement.is_result(trial, "RUNNING"):
                results.append(trial)
                reference.add(values, is_feasible=is_feasible)
        found = improvement.after(study, results, Trial.objects.none())
        assert (found is None) == (not results)
        if found is not None:
            study.n_without_improvement, study.improvement_reference = found
        assert study.n_without_improvement == reference.n


def budget_of(min_delta: float) -> JSON:
    return {"trials": 9, "min_delta": min_delta, "reference_point": None}


# The end of the study ----------------------------------------------------------------------


def test_study_is_completed_by_the_tell_that_uses_it_up(api: APIClient) -> None:
    create(api, 3, min_delta=0.5)
    running = start_trial(api)
    tell(api, 5.0, 4.6, 4.2)  # better by more than 0.5 only together
    assert (study_state(api), count(api)) == (("ACTIVE", None), 0)
    tell(api, 4.0, 9.0)
    assert (study_state(api), count(api)) == (("ACTIVE", None), 2)
    trial_action(api, start_trial(api), "fail")
    assert study_state(api) == ("ACTIVE", None)
    last = start_trial(api)
    prune(api, "search", last)
    assert_study_completed(api, WORD)
    assert complete(api, "search", running, 1.0)["state"] == "COMPLETE"  # it goes on
    assert (study_state(api)[0], count(api)) == ("COMPLETED", 0)


def test_trials_before_the_first_value_count(api: APIClient) -> None:
    create(api, 2)
    for _ in range(2):
        prune(api, "search", start_trial(api))
    assert_study_completed(api, WORD)


def test_study_with_several_objectives_is_completed(api: APIClient) -> None:
    more: JSON = {WORD: {"trials": 3, "min_delta": 0.1, "reference_point": [1, 1]}}
    create(api, 1, direction=["minimize", "minimize"], **more)
    tell(api, [0.5, 0.5], [2.0, 0.0])  # the second is worse than the reference point
    assert count(api) == 1
    tell(api, [0.4, 0.6])  # adds 0.04
    assert count(api) == 2
    tell(api, [0.25, 0.55])  # adds 0.0725, and so together enough
    assert (study_state(api), count(api)) == (("ACTIVE", None), 0)
    tell(api, [0.5, 0.5], [0.25, 0.55], [0.2, 0.6])
    assert (study_state(api), count(api)) == (("COMPLETED", WORD), 3)


def test_resuming_needs_a_larger_budget(api: APIClient) -> None:
    create(api, 2)
    tell(api, 1.0, 2.0, 3.0)
    refused = api.post(f"{URL}/resume")
    assert (refused.status_code, refused.json()["code"]) == (409, "study_completed")
    assert refused.json()["reason"] == WORD
    api.patch(URL, {WORD: {"trials": 3}})
    assert count(api) == 2  # only the number was changed
    assert api.post(f"{URL}/resume").status_code == 200
    tell(api, 4.0)
    assert_study_completed(api, WORD)
    api.patch(URL, {WORD: None})
    assert (api.post(f"{URL}/resume").status_code, count(api)) == (200, None)


def test_patch_counts_from_then_on(api: APIClient) -> None:
    create_study(api, sampler="random", pruner="none", direction="minimize")
    tell(api, 1.0, 2.0, 3.0)
    assert count(api) is None
    assert api.patch(URL, {WORD: {"trials": 2}}).json()[WORD] == budget_of(0.0) | {"trials": 2}
    assert (study_state(api), count(api)) == (("ACTIVE", None), 0)
    tell(api, 1.0)  # no better than the best one before
    assert count(api) == 1
    api.patch(URL, {WORD: {"trials": 2, "min_delta": 0.25}})
    assert count(api) == 0
    tell(api, 0.8)  # better by less than 0.25
    assert count(api) == 1
    api.patch(URL, {WORD: {"trials": 1, "min_delta": 0.25}})
    assert_study_completed(api, WORD)


def test_invalidated_best_trial_starts_the_count_again(api: APIClient) -> None:
    create(api, 3)
    tell(api, 5.0, 0.0, 4.0, 6.0)
    assert count(api) == 2
    trial_action(api, 3, "invalidate", reason="wrong")
    assert count(api) == 2
    trial_action(api, 1, "invalidate", reason="wrong")
    assert count(api) == 0
    tell(api, 4.5)
    assert count(api) == 1  # the best one is 4.0 now
    tell(api, 3.5)
    assert count(api) == 0


def test_late_result_counts(api: APIClient) -> None:
    create(api, 5, lease_seconds=60, max_retries=1)
    tell(api, 1.0)
    late = start_trial(api, worker_id="w")
    assert api.post(f"{URL}/trials", {"params": {"x": 0.5}}).status_code == 201
    move_leases_into_past()
    start_trial(api, worker_id="v")  # the queued one: the retry of the other waits behind it
    assert count(api) == 0
    complete(api, "search", late, 2.0)
    assert (count(api), get_study(api)["trial_counts"]["COMPLETE"]) == (1, 2)


# Clone and import --------------------------------------------------------------------------


def test_clone_and_import_count_anew(api: APIClient) -> None:
    created = create(api, 3, min_delta=0.5)
    tell(api, 1.0, 2.0, 3.0)
    clone = clone_study(api)
    assert (clone[WORD], clone["n_trials_without_improvement"]) == (created[WORD], 0)
    for value in (0.6, 3.0, 4.0):  # 0.6 is not better enough than 1.0
        number = start_trial(api, "clone")
        complete(api, "clone", number, value)
    assert study_state(api, "clone") == ("COMPLETED", WORD)
    file = export_study(api)
    delete_study(api)
    import_file(api, file)
    assert (get_study(api)[WORD], count(api)) == (created[WORD], 0)
    tell(api, 0.9)
    assert count(api) == 1
    other = clone_study(api, name="other", **{WORD: {"trials": 7}})
    assert other[WORD] == budget_of(0.0) | {"trials": 7}
    assert clone_study(api, name="none", **{WORD: None})[WORD] is None


# Requests ----------------------------------------------------------------------------------


def test_study_is_loaded_if_the_budget_agrees(api: APIClient) -> None:
    definition = {"direction": "minimize", WORD: {"trials": 3, "min_delta": 0.5}}
    first = create_study(api, **definition)
    assert first[WORD] == {"trials": 3, "min_delta": 0.5, "reference_point": None}
    assert post_study(api, **definition).status_code == 200
    assert post_study(api, **definition | {WORD: None}).status_code == 200
    assert post_study(api, **definition | {WORD: {"trials": 3}}).json()["code"] == "study_conflict"
    api.patch(URL, {WORD: {"trials": 9}})
    assert post_study(api, **definition).status_code == 200  # as it was at creation
    assert post_study(api, **definition | {WORD: {"trials": 9}}).status_code == 200


FAULTS: list[tuple[Any, str]] = [
    (3, f"/{WORD}"),
    ([], f"/{WORD}"),
    ({}, f"/{WORD}/trials"),
    ({"min_delta": 1}, f"/{WORD}/trials"),
    ({"trials": 0}, f"/{WORD}/trials"),
    ({"trials": 1.0}, f"/{WORD}/trials"),
    ({"trials": True}, f"/{WORD}/trials"),
    ({"trials": 2**31}, f"/{WORD}/trials"),
    ({"trials": 1, "min_delta": -0.5}, f"/{WORD}/min_delta"),
    ({"trials": 1, "min_delta": "0"}, f"/{WORD}/min_delta"),
    ({"trials": 1, "patience": 1}, f"/{WORD}/patience"),
    ({"trials": 1, "reference_point": [1]}, f"/{WORD}/reference_point"),
    ({"trials": 1, "reference_point": [1, 2, 3]}, f"/{WORD}/reference_point"),
    ({"trials": 1, "reference_point": [1, "2"]}, f"/{WORD}/reference_point/1"),
]


@pytest.mark.parametrize(("budget", "pointer"), FAULTS)
@pytest.mark.parametrize("direction", ["minimize", ["minimize", "maximize"]])
def test_invalid_budget_is_refused(
    api: APIClient, budget: Any, pointer: str, direction: Any
) -> None:
    refused = post_study(api, direction=direction, **{WORD: budget})
    assert (refused.status_code, invalid_pointers(refused)) == (400, [pointer])
    assert not Study.objects.exists()
    created = create_study(api, direction=direction)
    refused = api.patch(URL, {WORD: budget})
    assert (refused.status_code, invalid_pointers(refused)) == (400, [pointer])
    assert get_study(api) == created


@pytest.mark.parametrize(
    ("direction", "point", "pointer", "detail"),
    [
        ("minimize", [1, 2], f"/{WORD}/reference_point", "is for several objectives"),
        (
            ["minimize"] * 2,
            None,
            f"/{WORD}/reference_point",
            "of 2 numbers, one for each",
        ),
        (["minimize"] * 3, [1, 2], f"/{WORD}/reference_point", "it has 2"),
        (["minimize"] * 5, [1] * 5, f"/{WORD}", "is for up to 4 objectives, and the study has 5"),
    ],
)
def test_reference_point_is_for_several_objectives(
    api: APIClient, direction: Any, point: Any, pointer: str, detail: str
) -> None:
    budget = {"trials": 3, "reference_point": point}
    refused = post_study(api, direction=direction, **{WORD: budget})
    assert (refused.status_code, invalid_pointers(refused)) == (400, [pointer])
    assert detail in refused.json()["errors"][0]["detail"]
    create_study(api, direction=direction)
    assert invalid_pointers(api.patch(URL, {WORD: budget})) == [pointer]


# Cost --------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 20])
def test_tell_takes_no_more_statements_with_the_budget(api: APIClient, n: int) -> None:
    counts = []
    for name, more in (("without", {}), ("with", {WORD: {"trials": 500}})):
        create_study(api, name=name, sampler="random", pruner="none", direction="minimize", **more)
        for value in range(n):
            complete(api, name, start_trial(api, name), value)
        number = start_trial(api, name)
        with recorded_statements() as statements:
            complete(api, name, number, -1)
        counts.append(len(statements))
    assert counts[0] == counts[1]


def test_tell_of_several_objectives_reads_the_front_once(api: APIClient) -> None:
    counts = []
    budget = {"trials": 500, "reference_point": [1, 1]}
    for name, more in (("without", {}), ("with", {WORD: budget})):
        create_study(api, name=name, sampler="random", direction=["minimize"] * 2, **more)
        for value in (0.1, 0.2, 0.3, 0.4):
            complete(api, name, start_trial(api, name), [value, 1 - value])
        number = start_trial(api, name)
        with recorded_statements() as statements:
            complete(api, name, number, [0.0, 0.9])
        counts.append(len(statements))
    assert counts[1] == counts[0] + 1


@pytest.mark.django_db(transaction=True)
def test_concurrent_tells_are_all_counted(api: APIClient) -> None:
    create(api, 30)
    numbers = [trial["trial_id"] for trial in suggest_batch(api, 40)]

    def tell_some(first: int) -> None:
        for number in numbers[first::4]:
            complete(api, "search", number, 1.0)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(partial(call_and_close_connection, tell_some), range(4)))
    assert (study_state(api), count(api)) == (("COMPLETED", WORD), 39)
    (change,) = get_study(api)["state_history"]
    assert change["reason"] == WORD
