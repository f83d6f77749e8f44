"""Situations of studies in which advice is given."""

from collections.abc import Callable
from typing import Any

from django.db import connection
from rest_framework.test import APIClient

from tests.analysis.played import points, strict
from tests.play import JSON, add, start, tell

Situation = Callable[[APIClient], Any]


def in_turn(*situations: Situation) -> Situation:
    """One situation after the other."""

    def all_of_them(api: APIClient) -> None:
        for situation in situations:
            situation(api)

    return all_of_them


def advice(api: APIClient, study_name: str = "search") -> list[JSON]:
    return strict(api.get(f"/api/v1/studies/{study_name}/advice"))


def fail(api: APIClient, n: int, reason: str | None = None) -> None:
    more = {} if reason is None else {"reason": reason}
    add(api, [{"params": at, "state": "FAIL", **more} for at in points(n)])


def run(api: APIClient, n: int) -> None:
    """n trials run."""
    for _ in range(n):
        start(api)


def ended_since(hours: float, minutes: float = 1) -> None:
    """The trials that completed did so this long ago, and took some minutes."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE trials_trial SET datetime_complete = clock_timestamp() - %(hours)s * "
            "interval '1 hour', datetime_start = clock_timestamp() - %(hours)s * interval '1 hour' "
            "- %(minutes)s * interval '1 minute' WHERE state = 'COMPLETE'",
            {"hours": hours, "minutes": minutes},
        )


def report(api: APIClient, *values: float | None) -> None:
    steps = {str(step): value for step, value in enumerate(values)}
    tell(api, start(api), "report", values=steps)


def completed(api: APIClient, n: int) -> None:
    """As if n more trials had completed."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE studies_study SET n_complete = n_complete + %s", [n])


def pinned(
    api: APIClient, n: int, n_pinned: int, name: str = "x", bound: Any = 0.01, **space: Any
) -> None:
    """n trials, the better the earlier, of which the first ones are at a bound."""
    params = points(n)
    for index, at in enumerate(params):
        at[name] = bound if index < n_pinned else at[name]
        if index >= n_pinned and at[name] == bound:
            at[name] = 5 if name == "n" else 0.5
    trials = [
        {"params": at, "state": "COMPLETE", "values": index} for index, at in enumerate(params)
    ]
    add(api, trials)
