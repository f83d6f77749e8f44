"""Sample studies, played over the API, for tests of pages, plots, advice and lists."""

import math
import random
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.db import connection
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from studies.models import Study
from tests.support import JSON
from tests.support.api_client import (
    STUDY_NAME,
    add_trials,
    complete,
    create_study,
    prune,
    start_trial,
    strict_json,
    suggest,
    trial_action,
)

# Analysed studies ------------------------------------------------------------------------

ANALYSIS_SPACE: list[JSON] = [
    {"type": "float", "name": "x", "low": 0.0, "high": 1.0},
    {"type": "float", "name": "rate", "low": 1e-4, "high": 1.0, "log": True},
    {"type": "int", "name": "n", "low": 1, "high": 9},
    {"type": "categorical", "name": "c", "choices": ["a", "b", True]},
]
TWO_DIRECTIONS = ["minimize", "maximize"]


def create_analysis_study(api: APIClient, **definition: Any) -> JSON:
    return create_study(
        api,
        **{"search_space": ANALYSIS_SPACE, "direction": "minimize", "sampler": "random"}
        | {"pruner": "none"}
        | definition,
    )


def random_points(n: int, seed: int = 0) -> list[JSON]:
    """Random parameters."""
    draw = random.Random(seed)
    return [
        {
            "x": draw.random(),
            "rate": 10 ** draw.uniform(-4, 0),
            "n": draw.randint(1, 9),
            "c": draw.choice(["a", "b", True]),
        }
        for _ in range(n)
    ]


def objective_values(params: JSON, objectives: int = 1) -> list[float]:
    """Of the first objective x matters most, then n; of the others rate."""
    first = 10 * (params["x"] - 0.3) ** 2 + 0.1 * params["n"] + (params["c"] == "a") * 0.01
    return [first, *(math.log10(params["rate"]) + k * params["x"] for k in range(1, objectives))]


def record_trials(api: APIClient, *values: Any, **more: Any) -> None:
    """Add a completed trial at a random point for each value."""
    at = random_points(len(values))
    add_trials(
        api,
        [
            {"params": params, "state": "COMPLETE", "values": value, **more}
            for params, value in zip(at, values, strict=True)
        ],
    )


def record_objective(api: APIClient, n: int, objectives: int = 1) -> None:
    """Add n completed trials of `objective_values`."""
    record_trials(api, *(objective_values(params, objectives) for params in random_points(n)))


def play_analysis_study(api: APIClient, n: int = 40, **definition: Any) -> None:
    """Create a study with trials of all states.

    Of n, every seventh is pruned and every eleventh fails. With constraints, every third of the
    completed ones is infeasible.
    """
    study = create_analysis_study(api, **definition)
    direction = study["direction"]
    objectives = len(direction) if isinstance(direction, list) else 1
    names = study["constraints"]
    trials: list[JSON] = []
    for number, params in enumerate(random_points(n)):
        steps = {str(step): number / (step + 1) for step in range(number % 5)}
        trial: JSON = {"params": params, "state": "COMPLETE", "intermediate_values": steps}
        if number % 11 == 5:
            trial |= {"state": "FAIL", "reason": "out of memory"}
        elif number % 7 == 3:
            trial |= {"state": "PRUNED"}
        else:
            trial |= {"values": objective_values(params, objectives)}
            if names:
                trial |= {"constraints": dict.fromkeys(names, 1 - number % 3)}
        trials.append(trial)
    add_trials(api, trials)
    suggest(api)
    add_trials(api, {"params": {"x": 0.5}})


# Situations in which advice is given -----------------------------------------------------

Situation = Callable[[APIClient], Any]


def in_sequence(*situations: Situation) -> Situation:
    """One situation after the other."""

    def all_of_them(api: APIClient) -> None:
        for situation in situations:
            situation(api)

    return all_of_them


def get_advice(api: APIClient, study_name: str = "search") -> list[JSON]:
    return strict_json(api.get(f"/api/v1/studies/{study_name}/advice"))


def add_failed_trials(api: APIClient, n: int, reason: str | None = None) -> None:
    more = {} if reason is None else {"reason": reason}
    add_trials(api, [{"params": at, "state": "FAIL", **more} for at in random_points(n)])


def start_trials(api: APIClient, n: int) -> None:
    for _ in range(n):
        start_trial(api)


def set_completion_age(hours: float, minutes: float = 1) -> None:
    """Let the completed trials have ended this long ago, after some minutes each.

    The running ones were last seen then.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE trials_trial SET datetime_complete = clock_timestamp() - %(hours)s * "
            "interval '1 hour', datetime_start = clock_timestamp() - %(hours)s * interval '1 hour' "
            "- %(minutes)s * interval '1 minute' WHERE state = 'COMPLETE'",
            {"hours": hours, "minutes": minutes},
        )
        cursor.execute(
            "UPDATE trials_trial SET seen_at = clock_timestamp() - %s * interval '1 hour' "
            "WHERE state = 'RUNNING'",
            [hours],
        )


def start_and_report(api: APIClient, *values: float | None) -> None:
    steps = {str(step): value for step, value in enumerate(values)}
    trial_action(api, start_trial(api), "report", values=steps)


def count_as_completed(api: APIClient, n: int) -> None:
    """Let the study count n more completed trials."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE studies_study SET n_complete = n_complete + %s", [n])


def add_trials_at_bound(
    api: APIClient, n: int, n_pinned: int, name: str = "x", bound: Any = 0.01, **space: Any
) -> None:
    """Add n trials, the earlier the better, the first ones of which are at a bound."""
    params = random_points(n)
    for index, at in enumerate(params):
        at[name] = bound if index < n_pinned else at[name]
        if index >= n_pinned and at[name] == bound:
            at[name] = 5 if name == "n" else 0.5
    trials = [
        {"params": at, "state": "COMPLETE", "values": index} for index, at in enumerate(params)
    ]
    add_trials(api, trials)


# Listed trials ---------------------------------------------------------------------------

LISTED_SPACE: list[JSON] = [
    {"type": "float", "name": "lr", "low": 0.001, "high": 1.0, "log": True},
    {"type": "float", "name": "rate", "low": 0.0, "high": 0.9, "step": 0.1},
    {"type": "int", "name": "n/m", "low": 1, "high": 100},
    {"type": "categorical", "name": "kind", "choices": ["1", 2, True, 2.5]},
]
LISTED_PARAMS = {"lr": 0.5, "rate": 0.3, "n/m": 7, "kind": "1"}


def create_listed_study(api: APIClient) -> None:
    """Create a study of seven trials.

    Values 3, 1, none (running, of worker w), 1, none (failed), 2 (pruned), none (waiting).
    """
    # Seeded: the parameters of the running trial are looked for, too.
    create_study(api, search_space=LISTED_SPACE, sampler_options={"seed": 0})
    add_trials(api, {"params": LISTED_PARAMS, "state": "COMPLETE", "values": 3})
    add_trials(api, {"params": LISTED_PARAMS | {"lr": 0.25}, "state": "COMPLETE", "values": 1})
    suggest(api, worker_id="w")
    add_trials(api, {"params": LISTED_PARAMS | {"kind": 2}, "state": "COMPLETE", "values": 1})
    add_trials(api, {"params": LISTED_PARAMS | {"kind": True, "rate": 0.1}, "state": "FAIL"})
    pruned = {"state": "PRUNED", "intermediate_values": {"1": 2}}
    add_trials(api, {"params": LISTED_PARAMS | {"n/m": 8}, **pruned})
    add_trials(api, {"params": {"lr": 0.75}})


# Trials in the admin ---------------------------------------------------------------------

ADMIN_TRIALS_URL = "/admin/trials/trial/"
ADMIN_SPACE: list[JSON] = [
    {"type": "float", "name": "lr", "low": 0.0, "high": 1.0},
    {"type": "int", "name": "<n>", "low": 1, "high": 64},
    {"type": "categorical", "name": "kind", "choices": ["=1+1", "b", True, -1.5]},
]


def admin_list_url(study: Study, path: str = "", **query: Any) -> str:
    return f"{ADMIN_TRIALS_URL}{path}?{urlencode({'study__id__exact': study.pk, **query})}"


def create_admin_study(api: APIClient) -> Study:
    """Create a study of six trials.

    Values 3, 1, none (running, of worker <w>), 1, none (failed), none (waiting).
    """
    create_study(api, search_space=ADMIN_SPACE)
    for value in (3, 1):
        params = {"lr": 0.1 + 0.2, "<n>": 7, "kind": "=1+1"}
        add_trials(api, {"params": params, "state": "COMPLETE", "values": value})
    suggest(api, worker_id="<w>")
    trial_action(
        api, start_trial(api, worker_id="-w"), "complete", values=1, user_attrs={"a,b": '"ü"\n'}
    )
    trial_action(api, start_trial(api, worker_id="@w"), "fail", reason="=cmd|' /C calc'!A0\nline 2")
    add_trials(api, {"params": {"kind": True}})
    return Study.objects.get()


# Cloned studies --------------------------------------------------------------------------

CLONED_SPACE: list[JSON] = [
    {"type": "float", "name": "x", "low": 0.0, "high": 1.0},
    {"type": "int", "name": "n", "low": 1, "high": 64, "log": True},
    {"type": "categorical", "name": "c", "choices": ["a", 1, False]},
]


def create_study_to_clone(api: APIClient, n: int = 12, **definition: Any) -> None:
    """Create a study of n trials, the sixth of which failed and the seventh of which was pruned."""
    create_study(api, search_space=CLONED_SPACE, **{"sampler": "random", **definition})
    for number in range(n):
        trial = suggest(api, worker_id=f"w{number}")
        if number == 5:
            trial_action(api, number, "fail", reason="diverged")
        elif number == 6:
            trial_action(api, number, "report", values={"1": 0.5, "2": 0.25})
            prune(api, STUDY_NAME, number)
        else:
            steps, attrs = {"1": number / 3, "2": -0.0}, {"": [number, {"größe": None}]}
            value = trial["params"]["x"] ** 2 + trial["params"]["n"] / 7
            complete(api, STUDY_NAME, number, value, intermediate_values=steps, user_attrs=attrs)


# Generated search spaces ------------------------------------------------------------------

_FLOATS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-10, 10),
    st.sampled_from([0.0, -0.0, 5e-324, 2.2e-308, 1e-300, 1e300, 1.7e308, -1.7e308, 0.1, 1.0]),
)
_INTEGERS = st.one_of(
    st.integers(-(2**53), 2**53),
    st.integers(-10, 10),
    st.sampled_from([1, 2**24, 2**31, 2**52, 2**53 - 1, 2**53, -(2**53)]),
)


@st.composite
def numeric_parameters(draw: st.DrawFn) -> JSON:
    """A float or int parameter, sometimes one that is refused."""
    kind = draw(st.sampled_from(["float", "int"]))
    values = _FLOATS if kind == "float" else _INTEGERS
    low, high = sorted((draw(values), draw(values)))
    parameter: JSON = {"type": kind, "name": "x", "low": low, "high": high}
    match draw(st.sampled_from(["plain", "log", "step", "part"])):
        case "log":
            parameter["log"] = True
        case "step":
            parameter["step"] = draw(values)
        case "part":
            parts = draw(st.one_of(st.integers(1, 20), st.integers(1, 2**53)))
            step = (high - low) / parts
            parameter["step"] = step if kind == "float" else max(1, int(step))
    return parameter


def repeatable_examples(max_examples: int) -> settings:
    """Let a test run with the same examples each time."""
    return settings(
        max_examples=max_examples,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
