"""Statement counts of ask and tell do not grow with the study."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from optuna_bridge.enums import TrialState
from studies.models import Study
from tests.support.database import recorded_statements
from trials.models import Trial
from trials.sampling.session_registry import session_registry

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/v1/studies/search/trials"
SPACE = [
    {"type": "float", "name": "x", "low": 0.001, "high": 1.0, "log": True},
    {"type": "int", "name": "n", "low": 1, "high": 9},
    {"type": "categorical", "name": "c", "choices": ["a", "b", "c"]},
]
ASK, FIRST_ASK = 4, 5  # the first one of a process reads the study
TELL, TELL_AGAIN = 6, 2  # one is for the audit, and not waited for
EVENT = 1  # of a new best trial, at most once a minute; not waited for, either
ASK_OF_WORKER, REOFFER = 5, 4
ASK_FROM_QUEUE = 8
REPORT, HEARTBEAT = 6, 1
REPORT_ALONE = REPORT - 1  # where no other trials are read


@contextmanager
def at_most(statements: int, transactions: int = 1) -> Iterator[None]:
    """Count statements as they are in production, where no test's transaction is around."""
    with CaptureQueriesContext(connection) as captured, recorded_statements() as work:
        yield
    queries = [query["sql"] for query in captured.captured_queries]
    bounds = [each for each in queries if each in ("BEGIN", "COMMIT")]
    assert bounds == ["BEGIN", "COMMIT"] * transactions
    assert len(work) == len(queries) - len(bounds)
    assert len(work) <= statements, "\n".join(sql[:150] for sql, _ in work)


def create(api: APIClient, **more: Any) -> Study:
    response = api.post("/api/v1/studies", {"name": "search", "search_space": SPACE} | more)
    assert response.status_code == 201, response.content
    return Study.objects.get(name="search")


def add_finished(study: Study, count: int) -> None:
    """Trials that completed, without asks; then one that is better than all, told as ever."""
    draw = random.Random(0)
    with transaction.atomic():
        reserved = Trial.objects.reserve(study, {TrialState.COMPLETE: count - 1})
        trials = [
            Trial.reserved(
                reserved,
                index,
                study=study,
                state=TrialState.COMPLETE,
                values=[draw.random() for _ in study.directions],
                internal_params=[draw.uniform(0.001, 1), draw.randint(1, 9), draw.randrange(3)],
                datetime_start=reserved.now,
                datetime_complete=reserved.now,
                system_attrs={"NSGAIISampler:generation": 0},
            )
            for index in range(count - 1)
        ]
        steps = [(trial, 1, 0.5) for trial in trials]
        Trial.objects.add(trials, steps)


def ask(api: APIClient, statements: int = ASK, **body: Any) -> int:
    with at_most(statements):
        response = api.post(f"{URL}/suggest", body)
    assert response.status_code == 200, response.content
    return response.json()["trial_id"]


def tell(api: APIClient, trial_id: int, statements: int = TELL, **body: Any) -> None:
    with at_most(statements):
        response = api.post(f"{URL}/{trial_id}/complete", body)
    assert response.status_code == 200, response.content


SAMPLERS: dict[str, dict[str, Any]] = {
    "tpe": {"sampler": "tpe"},
    "tpe seeded": {"sampler": "tpe", "sampler_options": {"seed": 1}},
    "random": {"sampler": "random"},
    "random seeded": {"sampler": "random", "sampler_options": {"seed": 1}},
    "nsgaii": {"sampler": "nsgaii", "sampler_options": {"population_size": 1000}},
    "nsgaii seeded": {"sampler": "nsgaii", "sampler_options": {"population_size": 9, "seed": 1}},
    "qmc": {"sampler": "qmc"},
    "qmc seeded": {"sampler": "qmc", "sampler_options": {"seed": 1, "scramble": True}},
}


@pytest.mark.parametrize("finished", [10, 1000])
@pytest.mark.parametrize(
    ("sampler", "direction"),
    [
        *((sampler, "minimize") for sampler in SAMPLERS),
        ("tpe", ["minimize", "maximize"]),
        ("nsgaii", ["minimize", "maximize"]),
    ],
    ids=str,
)
def test_ask_takes_four_statements_and_tell_six(
    api: APIClient, sampler: str, direction: Any, finished: int
) -> None:
    study = create(api, direction=direction, **SAMPLERS[sampler])
    add_finished(study, finished)
    best = -1 if direction == "minimize" else [-1, 2]
    tell(api, ask(api, FIRST_ASK), TELL + EVENT, values=best)
    assert api.get("/api/v1/studies/search").json()["trial_counts"]["COMPLETE"] == finished
    # Here a generation of 1,000 is full, and here the history holds all but the newest.
    tell(
        api,
        ask(api),
        values=best,
        intermediate_values={str(step): step for step in range(50)},
        user_attrs={f"key {index}": index for index in range(20)},
    )
    trial_id = ask(api)
    with at_most(TELL):
        assert api.post(f"{URL}/{trial_id}/prune").status_code == 200
    with at_most(TELL_AGAIN):
        assert api.post(f"{URL}/{trial_id}/prune").status_code == 200


def test_generations_of_nsgaii_take_four_statements_an_ask(api: APIClient) -> None:
    create(api, sampler="nsgaii", sampler_options={"population_size": 4})
    for number in range(13):
        trial_id = ask(api, ASK if number else FIRST_ASK)
        tell(api, trial_id, TELL if number else TELL + EVENT, values=number % 5)
    generations = Trial.objects.order_by("number").values_list("system_attrs", flat=True)
    assert [each["NSGAIISampler:generation"] for each in generations] == [
        *[0] * 4,
        *[1] * 4,
        *[2] * 4,
        3,
    ]


def test_first_ask_of_a_study_takes_five_statements(api: APIClient) -> None:
    create(api)
    assert ask(api, FIRST_ASK) == 0


@pytest.mark.parametrize("finished", [10, 1000])
def test_refused_tell_writes_nothing(api: APIClient, finished: int) -> None:
    study = create(api)
    add_finished(study, finished)
    trial_id = ask(api, FIRST_ASK)
    with CaptureQueriesContext(connection) as captured, recorded_statements() as work:
        assert api.post(f"{URL}/{trial_id}/complete", {"values": [1, 2]}).status_code == 400
    assert not [sql for sql, _ in work if sql.lstrip().startswith(("INSERT", "UPDATE", "WITH"))]
    assert "COMMIT" not in [query["sql"] for query in captured.captured_queries]


def test_tell_costs_in_proportion_to_the_front(api: APIClient) -> None:
    """Two objectives in conflict put every trial on the front."""
    study = create(api, direction=["minimize", "minimize"], sampler="random")
    add_finished(study, 2000)
    ask(api, FIRST_ASK)
    seconds = []
    for size in (500, 2000):
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE trials_trial SET on_front = number < %s, "
                "values = ARRAY[number + 1.0, -number - 1.0]",
                [size],
            )
        tells = []
        for _ in range(5):
            trial_id = ask(api)
            began = time.perf_counter()
            api.post(f"{URL}/{trial_id}/complete", {"values": [trial_id + 1, -trial_id - 1]})
            tells.append(time.perf_counter() - began)
        seconds.append(min(tells))
    assert seconds[1] < 8 * seconds[0]  # four times the front; a join with itself would be 16


def test_ask_of_a_worker_takes_one_statement_more(api: APIClient) -> None:
    create(api, lease_seconds=60)
    ask(api, FIRST_ASK)
    with at_most(ASK_OF_WORKER):
        first = api.post(f"{URL}/suggest", {"worker_id": "a"}).json()
    with at_most(REOFFER):
        again = api.post(f"{URL}/suggest", {"worker_id": "a"}).json()
    assert (first["trial_id"], again["trial_id"], again["reoffered"]) == (1, 1, True)


@pytest.mark.parametrize("limits", [{"max_trials": 99, "max_concurrent": 9, "lease_seconds": 60}])
def test_budgets_and_leases_cost_no_statement(api: APIClient, limits: dict[str, Any]) -> None:
    create(api, **limits, deadline="2999-01-01T00:00:00Z")
    tell(api, ask(api, FIRST_ASK), TELL + EVENT, values=1)
    tell(api, ask(api), values=2)


def test_avoiding_duplicates_costs_an_ask_one_statement(api: APIClient) -> None:
    create(api, duplicates="avoid")
    ask(api, FIRST_ASK + 1)
    tell(api, ask(api, ASK + 1), TELL + EVENT, values=2)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_fixed_values_cost_an_ask_no_statement(api: APIClient, sampler: str) -> None:
    create(api, **SAMPLERS[sampler])
    fixed = {"n": 3, "c": "b"}
    tell(api, ask(api, FIRST_ASK, fixed=fixed), TELL + EVENT, values=1)
    tell(api, ask(api, fixed=fixed), values=2)
    assert api.post(URL, {"params": fixed}).status_code == 201
    assert ask(api, ASK_FROM_QUEUE, fixed=fixed) == 2
    assert api.post(URL, {"params": {"n": 4}}).status_code == 201
    assert ask(api, ASK_FROM_QUEUE, fixed=fixed) == 4  # another one stays in the queue


@pytest.mark.parametrize("params", [{"x": 0.5, "n": 3, "c": "b"}, {"n": 3}])
def test_ask_from_the_queue_takes_eight_statements(api: APIClient, params: Any) -> None:
    create(api)
    ask(api, FIRST_ASK)
    assert api.post(URL, {"params": params}).status_code == 201
    assert ask(api, ASK_FROM_QUEUE) == 1


@pytest.mark.parametrize("pruner", ["median", "hyperband", "none", "wilcoxon", "patient"])
@pytest.mark.parametrize("finished", [10, 1000])
def test_report_takes_six_statements_and_a_heartbeat_one(
    api: APIClient, pruner: str, finished: int
) -> None:
    options = {"hyperband": {"min_resource": 1}}.get(pruner, {})
    study = create(api, pruner=pruner, pruner_options=options, lease_seconds=60)
    add_finished(study, finished)
    url = f"{URL}/{ask(api, FIRST_ASK)}"
    for body in ({"step": 1, "value": 0.5}, {"values": {str(step): 1 for step in range(2, 99)}}):
        with at_most(REPORT):
            assert api.post(f"{url}/report", body).status_code == 200
        with at_most(REPORT):
            assert api.post(f"{url}/report", body).status_code == 200
    with at_most(HEARTBEAT, transactions=0):
        assert api.post(f"{url}/heartbeat").status_code == 200


@pytest.mark.parametrize("pruner", ["threshold", "patient"])
def test_pruner_that_compares_no_trials_loads_none(api: APIClient, pruner: str) -> None:
    options = {"threshold": {"lower": 0.3}, "patient": {"patience": 1}}[pruner]
    create(api, sampler="random", pruner=pruner, pruner_options=options)
    url = f"{URL}/{ask(api, FIRST_ASK)}"
    session_registry.clear()  # the reports are served by another process
    assert api.post(f"{url}/report", {"step": 0, "value": 0.5}).status_code == 200
    with at_most(REPORT_ALONE):
        response = api.post(f"{url}/report", {"values": {"1": 0.4, "2": 0.2}})
    assert response.json()["should_prune"] is True
    (session,) = session_registry._by_name.values()
    assert len(session) == 0


@pytest.mark.parametrize("body", [{"count": 100}, {"count": 100, "worker_id": "a"}])
def test_batch_of_a_hundred_takes_no_more_statements_than_one(
    api: APIClient, body: dict[str, Any]
) -> None:
    create(api, sampler="random", lease_seconds=60)
    ask(api, FIRST_ASK)
    with at_most(ASK_OF_WORKER if "worker_id" in body else ASK):
        response = api.post(f"{URL}/suggest-batch", body)
    numbers = [each["trial_id"] for each in response.json()["trials"]]
    assert numbers == list(range(1, 101))
    told = [{"trial_id": number, "state": "COMPLETE", "values": number} for number in numbers]
    with at_most(TELL + EVENT):
        response = api.post(f"{URL}/complete-batch", {"trials": told})
    assert [each["status"] for each in response.json()["results"]] == [200] * 100


def test_batch_of_a_hundred_failures_costs_one_statement_for_its_events(api: APIClient) -> None:
    create(api, sampler="random")
    numbers = [
        each["trial_id"]
        for each in api.post(f"{URL}/suggest-batch", {"count": 100}).json()["trials"]
    ]
    failed = [{"trial_id": number, "state": "FAIL"} for number in numbers]
    with at_most(TELL + EVENT):
        response = api.post(f"{URL}/complete-batch", {"trials": failed})
    assert [each["status"] for each in response.json()["results"]] == [200] * 100
    events = api.get("/api/v1/studies/search/events?limit=1000").json()["events"]
    types = ["study.created", *["trial.failed"] * 100, "study.failing"]
    assert [each["type"] for each in events] == types


@pytest.mark.parametrize("finished", [10, 1000])
@pytest.mark.parametrize("sampler", ["tpe", "nsgaii", "qmc"])
def test_repeats_cost_a_tell_two_statements(api: APIClient, sampler: str, finished: int) -> None:
    """The group is read, and its result stored."""
    study = create(api, sampler=sampler, repeats={"n": 3})
    add_finished(study, finished)
    for again in range(2):
        first = ask(api, ASK if again else FIRST_ASK)
        for trial_id in (first, first + 1, first + 2):
            if trial_id > first:
                assert ask(api, ASK_FROM_QUEUE + 1) == trial_id
            is_best = not again and trial_id == first + 2  # the first group has a result
            with at_most(TELL + 2 + (EVENT if is_best else 0)):
                response = api.post(f"{URL}/{trial_id}/complete", {"values": 1})
            assert response.status_code == 200
