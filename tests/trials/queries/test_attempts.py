"""The attempts that retries link, and the audit of one trial."""

import pytest
from rest_framework.test import APIClient

from tests.support.api_client import create_study, suggest, trial_action
from tests.support.database import recorded_statements
from trials.models import Trial
from trials.queries.attempts import attempts_of
from trials.queries.audit import entries_about


def trial(number: int) -> Trial:
    return Trial.objects.select_related("study").get(number=number)


def test_attempts_before_and_after_are_found_in_two_statements(api: APIClient) -> None:
    create_study(api, max_retries=3)
    suggest(api)  # trial 0, with attempts 2, 3 and 4
    suggest(api)
    trial_action(api, 0, "fail", retry=True)
    for number in (2, 3):
        assert suggest(api)["trial_id"] == number
        trial_action(api, number, "fail", retry=True)
    for number in (0, 2, 3, 4):
        of_it = trial(number)
        with recorded_statements() as statements:
            found = attempts_of(of_it)
        assert [(each.number, each.attempt) for each in found] == [(0, 1), (2, 2), (3, 3), (4, 4)]
        assert len(statements) == 2
    other = trial(1)
    with recorded_statements() as statements:
        assert attempts_of(other) == [other]
    assert statements == []


def test_attempts_are_bounded(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    create_study(api, max_retries=9)
    for number in range(6):
        suggest(api)
        trial_action(api, number, "fail", retry=True)
    monkeypatch.setattr("trials.queries.attempts.MAX_ATTEMPTS", 2)
    assert [each.number for each in attempts_of(trial(3))] == [1, 2, 3, 4, 5]


def test_entries_are_those_about_the_trial(api: APIClient) -> None:
    create_study(api)
    create_study(api, name="other")
    for name in ("search", "search", "other"):
        suggest(api, name)
    trial_action(api, 0, "fail")
    trial_action(api, 0, "fail", "other")
    api.post("/api/v1/studies/search/trials/complete-batch",
             {"trials": [{"trial_id": 1, "values": 1}]})  # fmt: skip
    first, second = Trial.objects.filter(study__name="search").order_by("number")
    assert [(entry.action, entry.subject) for entry in entries_about(first)] == [
        ("failed", "search")
    ]
    assert [entry.action for entry in entries_about(second)] == ["told"]
