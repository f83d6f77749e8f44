"""Search spaces: accepted ones can be read back and sampled, others are refused."""

import warnings
from typing import Any

import pytest
from django.db import connection
from hypothesis import assume, example, given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from rest_framework.test import APIClient

from optuna_bridge.space.search_space import SearchSpace
from studies.api.request_serializers import CreateStudySerializer
from studies.models import Study
from tests.support import JSON
from tests.support.sample_studies import numeric_parameters, repeatable_examples


def number(kind: str, low: Any, high: Any, **more: Any) -> JSON:
    return {"type": kind, "name": "x", "low": low, "high": high} | more


def choices(*values: Any) -> JSON:
    return {"type": "categorical", "name": "x", "choices": list(values)}


def post(api: APIClient, *parameters: Any, **more: Any) -> Any:
    body = {"name": "search", "search_space": list(parameters)}
    return api.post("/api/v1/studies", body | more)


def suggest(api: APIClient) -> JSON:
    response = api.post("/api/v1/studies/search/trials/suggest")
    assert response.status_code == 200, response.content
    return response.json()["params"]


@pytest.mark.parametrize(
    "parameter",
    [
        number("float", 0.6, 0.9, step=0.05),
        number("float", -1.5, 1e300),
        number("float", 1e-300, 1.0, log=True),
        number("float", 0.0, 1.0, step=0.3, log=False),
        number("int", 16, 128, step=16),
        number("int", 1, 1024, log=True),
        number("int", 1, 1024, log=True, step=1),
        number("int", -5, 5, log=False),
        number("int", -(2**53), 2**53),
        number("int", 0, 10, step=3),
        number("float", 3.0, 3.0),
        number("int", 3, 3, log=True),
        choices("adam", "sgd"),
        choices("", "1", 1, 2.5, False, "True"),
        choices(None, "null", 0),
        choices(None),
    ],
)
def test_parameter_is_answered_as_given(api: APIClient, parameter: JSON) -> None:
    response = post(api, parameter)
    assert response.status_code == 201, response.content
    answered = api.get("/api/v1/studies/search").json()["search_space"]
    assert repr([dict(sorted(each.items())) for each in answered]) == repr(
        [dict(sorted(parameter.items()))]
    )


@pytest.mark.parametrize("sampler", ["tpe", "random", "nsgaii", "qmc"])
@pytest.mark.parametrize(
    ("parameter", "constant"),
    [
        (number("float", 0.25, 0.25), 0.25),
        (number("float", 0.25, 0.25, step=0.1), 0.25),
        (number("float", 0.25, 0.25, log=True), 0.25),
        (number("int", 7, 7), 7),
        (number("int", 7, 7, step=5), 7),
        (number("int", 7, 7, log=True), 7),
        (choices("only"), "only"),
    ],
)
def test_parameter_of_one_value_is_a_constant(
    api: APIClient, sampler: str, parameter: JSON, constant: Any
) -> None:
    post(api, parameter, sampler=sampler)
    assert [suggest(api) for _ in range(2)] == [{"x": constant}] * 2


@pytest.mark.parametrize(
    ("parameter", "reachable"),
    [
        (number("int", 0, 10, step=3), {0, 3, 6, 9}),
        (number("int", 1, 4, step=2), {1, 3}),
        (number("float", 0.0, 1.0, step=0.4), {0.0, 0.4, 0.8}),
        (number("float", 0.1, 0.35, step=0.1), {0.1, 0.2, 0.30000000000000004}),
    ],
)
def test_step_that_does_not_divide_the_range_stops_before_its_end(
    api: APIClient, parameter: JSON, reachable: set[Any]
) -> None:
    post(api, parameter, sampler="random", sampler_options={"seed": 1})
    drawn = {suggest(api)["x"] for _ in range(20)}
    assert {round(each, 9) for each in drawn} == {round(each, 9) for each in reachable}
    answered = api.get("/api/v1/studies/search").json()["search_space"]
    assert answered == [parameter]


def test_parameters_arrive_typed_and_in_their_order(api: APIClient) -> None:
    space = [
        choices(True, False) | {"name": "z"},
        choices(1e16) | {"name": "big"},
        choices(10**15) | {"name": "whole"},
        choices("ü") | {"name": "text"},
        number("int", 1, 3) | {"name": "n"},
        number("float", 1, 1) | {"name": "a"},
        number("int", 2**53, 2**53) | {"name": "exact"},
    ]
    assert post(api, *space).status_code == 201
    first = suggest(api)
    assert list(first) == ["z", "big", "whole", "text", "n", "a", "exact"]
    assert [type(value) for value in first.values()] == [bool, float, int, str, int, float, int]
    assert (first["big"], first["exact"]) == (1e16, 2**53)
    told = api.post("/api/v1/studies/search/trials/0/complete", {"values": 1}).json()
    for params in (
        told["params"],
        api.get("/api/v1/studies/search/trials/0").json()["params"],
        api.get("/api/v1/studies/search/best").json()["params"],
        api.get("/api/v1/studies/search").json()["best_params"],
    ):
        assert repr(params) == repr(first)


@pytest.mark.parametrize(
    ("parameter", "pointer"),
    [
        (number("float", 0.1, 0.01), "low"),
        (number("int", 2, 1), "low"),
        (number("float", 0, 1, log=True), "low"),
        (number("float", -1, 1, log=True), "low"),
        (number("int", 0, 1, log=True), "low"),
        (number("int", -3, -3, log=True), "low"),
        (number("float", 0.1, 1, log=True, step=0.1), "step"),
        (number("float", 1, 10, log=True, step=1), "step"),
        (number("int", 1, 8, log=True, step=2), "step"),
        (number("float", 0, 1, step=0), "step"),
        (number("float", 0, 1, step=-0.1), "step"),
        (number("float", 0, 1, step=1.1), "step"),
        (number("int", 0, 10, step=0), "step"),
        (number("int", 0, 10, step=-1), "step"),
        (number("int", 0, 10, step=11), "step"),
        (number("int", 5, 5, step=0), "step"),
        (number("int", 5, 5, step=-1), "step"),
        (number("float", 0, 1, step=5e-324), "step"),
        (number("float", -1.7e308, 1.7e308), "high"),
        (number("float", -8e307, 8e307, step=1.6e308), "high"),
        (number("float", 0, 5e-324), "high"),
        (number("float", 1e300, 1.0000000000000002e300, log=True), "high"),
        (number("int", 2**53 - 1, 2**53, log=True), "high"),
        (number("int", -(2**53) - 1, 0), "low"),
        (number("int", 0, 2**53 + 1), "high"),
        (number("int", 0, 10**300), "high"),
        (number("int", 0, 10, step=2**53 + 1), "step"),
        (number("int", 0.5, 1), "low"),
        (number("int", 0, 1.0), "high"),
        (number("int", 0, 10, step=1.0), "step"),
        (number("int", True, 3), "low"),
        (number("float", "0", 1), "low"),
        (number("float", 0, True), "high"),
        (number("float", None, 1), "low"),
        (number("float", 0, [1]), "high"),
        (number("float", 0, 1, step="0.1"), "step"),
        (number("float", 0, 1, log="true"), "log"),
        (number("float", 0.1, 1, log=1), "log"),
        (number("float", 0, 1, choices=[1]), "choices"),
        (number("float", 0, 1, logarithmic=True), "logarithmic"),
        (number("double", 0, 1), "type"),
        (number("FLOAT", 0, 1), "type"),
        ({"name": "x", "low": 0, "high": 1}, "type"),
        (number("float", 0, 1) | {"type": None}, "type"),
        (number("float", 0, 1) | {"type": ["float"]}, "type"),
        ({"type": "float", "name": "x", "low": 0}, "high"),
        ({"type": "int", "name": "x", "high": 0}, "low"),
        ({"type": "float", "low": 0, "high": 1}, "name"),
        (number("float", 0, 1) | {"name": ""}, "name"),
        (number("float", 0, 1) | {"name": None}, "name"),
        (number("float", 0, 1) | {"name": 3}, "name"),
        (number("float", 0, 1) | {"name": "n" * 513}, "name"),
        (choices(), "choices"),
        (choices("a", "b", "a"), "choices"),
        (choices(1, 1.0), "choices"),
        (choices(True, 1), "choices"),
        (choices(0.0, False), "choices"),
        (choices(0, -0.0), "choices"),
        (choices(None, "a", None), "choices"),
        (choices(["a"]), "choices/0"),
        (choices("a", "b", {"c": 1}), "choices/2"),
        (choices(2**53 + 1), "choices/0"),
        (choices(*range(1001)), "choices"),
        ({"type": "categorical", "name": "x"}, "choices"),
        (choices() | {"choices": "abc"}, "choices"),
        (choices() | {"choices": None}, "choices"),
        (choices() | {"choices": {"a": 1}}, "choices"),
        (choices("a") | {"low": 1}, "low"),
        (choices("a") | {"name": ""}, "name"),
    ],
)
def test_invalid_parameter_is_refused(api: APIClient, parameter: JSON, pointer: str) -> None:
    good = number("float", 0, 1) | {"name": "good"}
    response = post(api, good, parameter)
    assert response.status_code == 400, response.content
    errors = response.json()["errors"]
    assert [error["pointer"] for error in errors] == [f"/search_space/1/{pointer}"]
    assert_nothing_is_stored()


@pytest.mark.parametrize("parameter", [None, 1, "x", [], True])
def test_parameter_of_another_type_is_refused(api: APIClient, parameter: Any) -> None:
    response = post(api, parameter)
    assert response.status_code == 400
    assert [error["pointer"] for error in response.json()["errors"]] == ["/search_space/0"]
    assert_nothing_is_stored()


@pytest.mark.parametrize(
    "space",
    [
        [],
        [number("float", 0, 1), number("int", 0, 1)],
        [number("float", 0, 1) | {"name": f"x{index}"} for index in range(1001)],
    ],
    ids=["none", "two of a name", "too many"],
)
def test_invalid_space_is_refused(api: APIClient, space: list[JSON]) -> None:
    response = post(api, *space)
    assert response.status_code == 400
    assert [error["pointer"] for error in response.json()["errors"]] == ["/search_space"]
    assert_nothing_is_stored()


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e400", "-1e999"])
def test_bound_that_is_not_finite_is_refused(api: APIClient, literal: str) -> None:
    body = (
        '{"name": "search", "search_space": '
        f'[{{"type": "float", "name": "x", "low": 0, "high": {literal}}}]}}'
    )
    response = api.generic("POST", "/api/v1/studies", body, "application/json")
    assert (response.status_code, response.json()["status"]) == (400, 400)
    assert_nothing_is_stored()


def assert_nothing_is_stored() -> None:
    assert Study.objects.count() == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM optuna.studies")
        assert cursor.fetchone() == (0,)


def test_message_names_the_error(api: APIClient) -> None:
    document = post(api, number("float", 0.1, 0.01) | {"name": "lr"}).json()
    text = 'float parameter "lr": low (0.1) is above high (0.01)'
    assert document["errors"] == [{"pointer": "/search_space/0/low", "detail": text}]
    assert document["detail"] == f"/search_space/0/low: {text}"


def test_each_error_has_a_pointer(api: APIClient) -> None:
    document = post(api, number("float", "a", 1), number("int", 0, 0.5)).json()
    pointers = [error["pointer"] for error in document["errors"]]
    assert pointers == ["/search_space/0/low", "/search_space/1/high"]
    assert document["detail"].endswith(" (and 1 more)")


def test_largest_space_is_accepted(api: APIClient) -> None:
    space = [number("float", 0, 1) | {"name": f"x{index}"} for index in range(999)]
    longest = choices(*range(1000)) | {"name": "n" * 512}
    assert post(api, *space, longest, sampler="random").status_code == 201
    assert len(suggest(api)) == 1000


def accepted(*space: JSON) -> bool:
    serializer = CreateStudySerializer(data={"name": "x", "search_space": list(space)})
    return serializer.is_valid()


@repeatable_examples(150)
@given(parameter=numeric_parameters())
@example(parameter=number("float", 0.0, 1.0, step=0.3))
@example(parameter=number("float", 0.1, 0.35, step=0.1))
@example(parameter=number("int", -5, 6, step=4))
def test_distribution_equals_optunas(parameter: JSON) -> None:
    assume(accepted(parameter))
    (ours,) = SearchSpace([parameter]).distributions.values()
    low, high, log = parameter["low"], parameter["high"], parameter.get("log", False)
    stock: FloatDistribution | IntDistribution
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a step that does not divide the range
        if parameter["type"] == "int":
            stock = IntDistribution(low, high, log=log, step=parameter.get("step", 1))
        else:
            stock = FloatDistribution(low, high, log=log, step=parameter.get("step"))
    assert ours == stock


def test_choices_equal_optunas() -> None:
    (ours,) = SearchSpace([choices("a", 1, 2.5, False)]).distributions.values()
    assert ours == CategoricalDistribution(["a", 1, 2.5, False])


# It warns where a density underflows or a logarithm is infinite; TPE reckons with that.
ignoring_numpy = pytest.mark.filterwarnings("ignore::RuntimeWarning")

NASTY = [
    number("float", 0.0, 2.3e-308),
    number("float", 5e-324, 1.7e308, log=True),
    number("float", -8e307, 8e307),
    number("float", 1.0, 1.0000000000000002),
    number("float", 0.0, 1e300, step=1e299),
    number("float", 0.0, 1e-300, step=1e-301),
    number("float", 1e300, 2e300, log=True),
    number("int", -(2**53), 2**53),
    number("int", 1, 2**53, log=True),
    number("int", 2**53 - 1, 2**53),
    number("int", 2**40, 2**40 + 1, log=True),
    number("int", -(2**53), 2**53, step=2**53),
    number("int", 0, 2**53, step=2**53 - 1),
    number("int", -(2**53), 2**53, step=3),
]


@ignoring_numpy
@pytest.mark.parametrize("sampler", ["tpe", "random", "nsgaii", "qmc"])
def test_extreme_space_is_sampled(api: APIClient, sampler: str) -> None:
    space = [each | {"name": f"x{index}"} for index, each in enumerate(NASTY)]
    assert_is_sampled(api, space, sampler)


@ignoring_numpy
@pytest.mark.parametrize("sampler", ["tpe", "random", "nsgaii", "qmc"])
@repeatable_examples(8)
@given(space=st.lists(numeric_parameters(), min_size=1, max_size=4))
def test_accepted_space_is_sampled(api: APIClient, sampler: str, space: list[JSON]) -> None:
    named = [each | {"name": f"x{index}"} for index, each in enumerate(space)]
    assume(accepted(*named))
    assert_is_sampled(api, named, sampler)


def assert_is_sampled(api: APIClient, space: list[JSON], sampler: str) -> None:
    options: JSON = {
        "tpe": {"n_startup_trials": 2, "seed": 1},
        "nsgaii": {"population_size": 2, "seed": 1},
        "random": {"seed": 1},
        "qmc": {"seed": 1},
    }[sampler]
    api.delete("/api/v1/studies/search")  # of an example that failed
    response = post(api, *space, sampler=sampler, sampler_options=options)
    assert response.status_code == 201, response.content
    for trial_id in range(5):
        params = suggest(api)
        for parameter in space:
            value: Any = params[parameter["name"]]
            assert type(value) is {"int": int, "float": float}[parameter["type"]]
            assert parameter["low"] <= value <= parameter["high"]
        url = f"/api/v1/studies/search/trials/{trial_id}/complete"
        assert api.post(url, {"values": trial_id % 3}).status_code == 200
    assert api.delete("/api/v1/studies/search").status_code == 204


class CountingText(str):
    """A text that counts its comparisons."""

    __slots__ = ()
    n_comparisons = 0

    def __eq__(self, other: object) -> bool:
        CountingText.n_comparisons += 1
        return super().__eq__(other)

    __hash__ = str.__hash__


def test_choice_is_looked_up() -> None:
    texts = [CountingText(n) for n in range(1000)]
    space = SearchSpace([choices(*texts)])
    assert space.to_internal({"x": "0"}) == [0]  # builds what it looks values up in
    CountingText.n_comparisons = 0

    assert space.faults({"x": "999"}) == []
    assert space.to_internal({"x": "999"}) == [999]
    [(_, fault)] = space.faults({"x": "1000"})

    assert CountingText.n_comparisons < 10
    assert fault.startswith("expected one of '0', '1', ")
    assert len(fault) < 2100


@pytest.mark.parametrize("value", [True, 1.5, "1", None, [1], {}])
def test_choice_of_another_type_is_a_fault(value: Any) -> None:
    space = SearchSpace([choices(1, "a")])
    assert space.faults({"x": value}) == [("x", "expected one of 1, 'a'")]
    assert space.faults({"x": 1.0}) == []
