"""Field paths of domain errors, and the JSON pointers made from them."""

import pytest

from tuner_project.errors import DomainError, FieldError, FieldPath, json_pointer, summary
from tuner_project.rest.problems import domain_problem, field_errors


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ((), ""),
        (("values",), "/values"),
        (("params", "x"), "/params/x"),
        (("trials", 0, "params", "x"), "/trials/0/params/x"),
        (("params", "a/b~c"), "/params/a~1b~0c"),
        (("params", "~1"), "/params/~01"),
        (("params", ""), "/params/"),
        (("params", "é ü"), "/params/é ü"),
    ],
)
def test_json_pointer_escapes_each_key(path: FieldPath, pointer: str) -> None:
    assert json_pointer(path) == pointer


def test_domain_problem_points_into_the_body() -> None:
    error = DomainError("no", [(("params", "a/b"), "too large"), ((), "odd")], reason="r")
    document = domain_problem(error, at=("trials", 2))
    assert document["errors"] == [
        {"pointer": "/trials/2/params/a~1b", "detail": "too large"},
        {"pointer": "/trials/2", "detail": "odd"},
    ]
    assert (document["detail"], document["reason"]) == ("no", "r")


def test_field_errors_follow_the_tree_of_a_serializer() -> None:
    detail = {"a": ["one", "two"], "b": [{"c": ["three"]}, {}], "non_field_errors": ["four"]}
    assert list(field_errors(detail, ("at",))) == [
        FieldError(("at", "a"), "one"),
        FieldError(("at", "a"), "two"),
        FieldError(("at", "b", 0, "c"), "three"),
        FieldError(("at",), "four"),
    ]


def test_summary_names_the_first_place_and_counts_the_others() -> None:
    first, second = FieldError(("a", 1), "is odd"), FieldError((), "no")
    assert summary([first]) == "/a/1: is odd"
    assert summary([second, first]) == "no (and 1 more)"
