"""Files of exported studies: download, upload, change of single lines, random content."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import quote

from django.db import connection
from rest_framework.test import APIClient

from optuna_bridge.options import Kind, Option
from optuna_bridge.pruners.registry import PRUNERS
from optuna_bridge.repeats.aggregates import AGGREGATES
from optuna_bridge.samplers.kind import StudyTraits
from optuna_bridge.samplers.registry import SAMPLERS
from optuna_bridge.space.search_space import SearchSpace, listed_values
from optuna_bridge.storage import SCHEMA
from studies.models import Study
from tests.support import JSON
from tests.support.api_client import (
    STUDIES,
    STUDY_NAME,
    STUDY_URL,
    assert_refused,
    assert_schemas_agree,
)
from transfer.file.format import Document, encoded, end_line
from trials.models import Trial
from tuner_project.json_values import finite_or_text

IMPORT_URL = f"{STUDIES}/import"
NDJSON = "application/x-ndjson"
N_FILE_TRIALS = 6  # of the fixture `file` of tests/transfer

# Over the API ----------------------------------------------------------------------------


def study_url(name: str) -> str:
    return f"{STUDIES}/{quote(name, safe='')}"


def export_study(api: APIClient, name: str = STUDY_NAME) -> bytes:
    response: Any = api.get(f"{study_url(name)}/export")
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == NDJSON
    return b"".join(response.streaming_content)


def post_file(api: APIClient, file: bytes, query: str = "", media_type: str = NDJSON) -> Any:
    client: Any = api  # whose types know no bytes
    return client.generic("POST", IMPORT_URL + query, file, media_type)


def import_file(api: APIClient, file: bytes, query: str = "", status: int = 201) -> JSON:
    response = post_file(api, file, query)
    assert response.status_code == status, response.content
    return response.json()


def delete_study(api: APIClient, name: str = STUDY_NAME) -> None:
    assert api.delete(study_url(name)).status_code == 204


def clone_study(api: APIClient, **body: Any) -> JSON:
    response = api.post(f"{STUDY_URL}/clone", {"name": "clone", **body})
    assert response.status_code == 201, response.content
    assert_schemas_agree(response.json()["study_name"])
    return response.json()


def assert_nothing_stored() -> None:
    assert not Study.objects.exists()
    assert not Trial.objects.exists()
    with connection.cursor() as cursor:
        for table in ("studies", "trials"):
            cursor.execute(f"SELECT count(*) FROM {SCHEMA}.{table}")
            assert cursor.fetchone() == (0,)


def assert_line_refused(response: Any, line: int) -> JSON:
    problem = assert_refused(response, 400, "invalid")
    assert problem["detail"].startswith(f"line {line}: "), problem
    for error in problem["errors"]:
        assert f"{error['pointer']}/".startswith(f"/{line}/"), problem
    assert_nothing_stored()
    return problem


# Lines -----------------------------------------------------------------------------------


def parsed_lines(file: bytes) -> list[JSON]:
    return [json.loads(line) for line in file.splitlines()]


def joined_lines(lines: list[JSON]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def set_keys(**changes: Any) -> Callable[[JSON], None]:
    return lambda line: line.update(changes)


def with_line_changed(file: bytes, line: int, change: Callable[[JSON], Any]) -> bytes:
    """The file with one line, by its number from 1, changed in place."""
    lines = parsed_lines(file)
    change(lines[line - 1])
    return joined_lines(lines)


# Random studies, in which every type of value occurs -------------------------------------

FLOATS = (0.1 + 0.2, -0.0, 0.0, 1e16, 5e-324, 1.7976931348623157e308, -1 / 3, 123456789.12345679)
RANGES: tuple[dict[str, Any], ...] = (
    {"low": 0.0, "high": 1.0},
    {"low": -0.0, "high": 1e16, "log": False},
    {"low": -1e300, "high": 1e300},
    {"low": 5e-324, "high": 0.1 + 0.2, "log": True},
    {"low": 0.6, "high": 0.9, "step": 0.05},
    {"low": 0.5, "high": 0.5},
)
INT_RANGES: tuple[dict[str, Any], ...] = (
    {"low": -(2**53), "high": 2**53},
    {"low": 1, "high": 2**53, "log": True},
    {"low": 16, "high": 128, "step": 16},
    {"low": 3, "high": 13, "log": False, "step": 4},
)
SCALE = (-1e300, -(2**53), -1, 0.1 + 0.2, 1, 2.0, 16, 64.0, 1e16, 2**53, 1e300)
CHOICES = (
    None,
    "a",
    "",
    "größe",
    "学习率 🎛",
    True,
    False,
    2,
    -7,
    2**53,
    2.5,
    -1e16,
    5e-324,
    'quote"\\',
)
NAMES = ("x", "größe", "学习率", "a b", "a/b~c", "search.minScore", "🎛", " ")
TEXTS = ("", "plain", "zwei\nZeilen", "学习 🎛", "\u2028", '"\\', "a" * 300)
STATES = ("WAITING", "RUNNING", "COMPLETE", "COMPLETE", "COMPLETE", "PRUNED", "FAIL")
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def no_improvement(name: str, n_objectives: int) -> Document | None:
    """Return a random budget `stop_after_no_improvement` of a study, or None."""
    random = Random(f"{name} stops")
    if random.random() < 0.5:
        return None
    point = [random.uniform(-9, 9) for _ in range(n_objectives)]
    return {
        "trials": random.randint(1, 99),
        "min_delta": random.choice([0.0, 0.5]),
        "reference_point": point if n_objectives > 1 else None,
    }


def parameter_constraints(
    space: Sequence[Mapping[str, Any]], trials: Sequence[Document]
) -> list[str]:
    """A constraint between the first two numbers that all trials satisfy, if there are two."""
    ends: dict[str, tuple[float, float]] = {
        each["name"]: (float(each["values"][0]), float(each["values"][-1]))
        if each["type"] == "ordinal"
        else (float(each["low"]), float(each["high"]))
        for each in space
        if each["type"] != "categorical"
    }
    if len(ends) < 2:
        return []
    (one, (low, high)), (other, (other_low, other_high)) = list(ends.items())[:2]
    sums = [
        float(params[one]) + float(params[other])
        for trial in trials
        if (params := trial["params"]).keys() >= {one, other}
    ]
    most = max([low + other_high, high + other_low, *sums])
    names = [f"`{name.replace('`', '``')}`" for name in (one, other)]
    return [f"{' + '.join(names)} <= {most!r}"] if math.isfinite(most) else []


def description(name: str) -> JSON:
    """Tags and a note, of which some studies have none; by its name, without a draw."""
    n = sum(map(ord, name))
    tags = {"tags": sorted({f"tag {n % 7}", "ü"})} if n % 2 else {}
    return tags | ({"note": f"**note** {name}\n"} if n % 3 else {})


def repeats(name: str) -> dict[str, Any] | None:
    """The repeats of a random study; the same for a name."""
    random = Random(f"{name} repeats")
    if random.random() < 0.7:
        return None
    return {"n": random.randint(2, 100), "aggregate": random.choice(list(AGGREGATES))}


def random_study_file(seed: int, *, name: str | None = None) -> bytes:
    """A study's lines; the same for a seed."""
    return b"".join(map(encoded, _RandomStudy(Random(seed)).study(name or f"学习 {seed} ü")))


class _RandomStudy:
    def __init__(self, random: Random) -> None:
        self.random = random

    # Values ----------------------------------------------------------------------------------

    def maybe(self, value: Any, probability: float = 0.5) -> Any:
        return value if self.random.random() < probability else None

    def finite(self) -> float:
        drawn = self.random.choice(FLOATS), self.random.gauss(0, 1e3), self.random.random()
        return self.random.choice(drawn)

    def any_number(self, *others: float) -> float | str:
        return finite_or_text(self.random.choice((*[self.finite()] * 6, *others)))

    def moment(self) -> str:
        moment = EPOCH + timedelta(microseconds=self.random.randrange(10**14))
        return moment.isoformat(timespec="microseconds")

    def json(self, depth: int = 0) -> Any:
        leaves = (None, True, False, 0, -1, 2**53 + 1, -(10**30), self.finite(), *TEXTS)
        if depth > 3 or self.random.random() < 0.6:
            return self.random.choice(leaves)
        if self.random.random() < 0.5:
            return [self.json(depth + 1) for _ in range(self.random.randrange(4))]
        return self.attributes(depth + 1)

    def attributes(self, depth: int = 0) -> dict[str, Any]:
        keys = self.random.sample(("", *NAMES), self.random.randrange(4))
        return {key: self.json(depth) for key in keys}

    def options(self, kind: Kind) -> dict[str, Any]:
        while True:
            given = {name: self.maybe(self.option(each)) for name, each in kind.options.items()}
            if not kind.faults(given):
                options = kind.complete(given)
                if options.get("scramble"):
                    options["seed"] = options["seed"] or 1
                return options

    def sampler(
        self, space: list[dict[str, Any]], n_objectives: int, n_constraints: int
    ) -> tuple[str, dict[str, Any]]:
        while True:
            name, kind = self.random.choice(list(SAMPLERS.items()))
            options = self.options(kind)
            study = StudyTraits(SearchSpace(space), n_objectives, n_constraints, options)
            if kind.fault_of_study(study) is None:
                return name, options

    def option(self, option: Option) -> Any:
        low, high = option.minimum or 0, option.maximum or 0
        match option.type:
            case "int":
                return self.random.randint(int(low), int(high))
            case "float":
                return self.random.choice((self.random.uniform(low, high), 0, 1))
            case "bool":
                return self.random.random() < 0.5
        return self.random.choice(option.choices)

    # Search space ----------------------------------------------------------------------------

    def space(self) -> list[dict[str, Any]]:
        names = self.random.sample(NAMES, self.random.randint(1, 5))
        return [self.parameter(name) for name in names]

    def parameter(self, name: str) -> dict[str, Any]:
        kind = self.random.choice(("float", "int", "categorical", "ordinal"))
        if kind == "ordinal":
            n = self.random.randint(1, len(SCALE))
            return {"type": kind, "name": name, "values": sorted(self.random.sample(SCALE, n))}
        if kind == "categorical":
            n = self.random.randint(1, len(CHOICES))
            return {"type": kind, "name": name, "choices": self.random.sample(CHOICES, n)}
        limits = self.random.choice(RANGES if kind == "float" else INT_RANGES)
        return {"name": name, "type": kind, **limits}

    def value(self, parameter: Mapping[str, Any]) -> Any:
        if listed := listed_values(parameter):
            return self.random.choice(listed)
        low, high = parameter["low"], parameter["high"]
        if step := parameter.get("step"):
            value = low + self.random.randrange(math.floor((high - low) / step + 1e-9) + 1) * step
            return min(value, high)
        if parameter["type"] == "int":
            return self.random.choice((low, high, self.random.randint(low, high)))
        return self.random.choice((low, high, self.random.uniform(low, high)))

    # Lines -----------------------------------------------------------------------------------

    def study(self, name: str) -> list[Document]:
        n_objectives = self.random.randint(1, 4)
        directions = [self.random.choice(("minimize", "maximize")) for _ in range(n_objectives)]
        pruning_direction = self.maybe("minimize") if n_objectives > 1 else None
        can_prune = n_objectives == 1 or pruning_direction is not None
        space = self.space()
        constraints = self.random.sample(NAMES, self.random.choice((0, 0, 1, 3)))
        sampler, sampler_options = self.sampler(space, n_objectives, len(constraints))
        pruners = [name for name in PRUNERS if n_objectives == 1 or not PRUNERS[name].needs_best]
        pruner = self.random.choice(pruners) if can_prune else "none"
        life = {
            "max_trials": self.maybe(self.random.randint(1, 2**31 - 1)),
            "max_concurrent": self.maybe(3),
            "max_failures": self.maybe(1),
            # + 0.0: Django's own statements store -0.0 as 0.0.
            "target_value": self.maybe(self.finite() + 0.0) if n_objectives == 1 else None,
            "deadline": self.maybe(self.moment()),
            "stop_after_no_improvement": no_improvement(name, n_objectives),
            "lease_seconds": self.maybe(self.random.uniform(0.001, 1e6)),
            "max_retries": self.random.randint(0, 1000),
            "max_reoffers": self.random.randint(0, 1000),
            "max_trial_seconds": self.random.choice([None, 0.5, 3600.0]),
            "max_consecutive_failures": self.random.choice([None, 1, 10]),
            "stop_running": self.random.random() < 0.5,
        }
        is_named = Random(name).random() < 0.5
        names = [f"{name} {index}" for index in range(n_objectives)] if is_named else None
        first = {**life, "user_attrs": self.attributes()}
        if names:
            first["metric_names"] = names
        head = {
            "kind": "study",
            "format": 1,
            "study_name": name,
            "direction": directions
            if n_objectives > 1
            else self.random.choice((directions, directions[0])),
            "search_space": space,
            "sampler": sampler,
            "sampler_options": sampler_options,
            "pruner": pruner,
            "pruner_options": self.options(PRUNERS[pruner]),
            "constraints": constraints,
            "parameter_constraints": [],
            "duplicates": "avoid"
            if SAMPLERS[sampler].visits_each_point
            else self.random.choice(("allow", "avoid")),
            "pruning_direction": pruning_direction,
            "repeats": repeats(name),
            "user_attrs": self.attributes(),
            "metric_names": names,
            **description(name),
            **life,
            **self.state(),
            "created_with": self.maybe(first) or {},
            "datetime_start": self.moment(),
        }
        trials = self.trials(head, n_objectives)
        head["parameter_constraints"] = parameter_constraints(space, trials)
        return [head, *trials, end_line(name, len(trials))]

    def state(self) -> dict[str, Any]:
        state = self.random.choice(("ACTIVE", "PAUSED", "COMPLETED", "CANCELLED"))
        reason = self.maybe(self.random.choice(TEXTS)) or None
        changes = [
            {"state": state, "reason": reason, "datetime": self.moment()}
            for _ in range(self.random.randrange(3))
        ]
        return {"state": state, "state_reason": reason, "state_history": changes}

    def trials(self, study: Document, n_objectives: int) -> list[Document]:
        n = self.random.choice((0, 1, 5, 12))
        trials = [self.trial(study, number, n_objectives) for number in range(n)]
        for trial in trials:
            self.link(trial, trials)
        if study["sampler"] == "nsgaii" and trials:
            for generation in range(1, 3):  # also of trials that come later
                parents = self.random.sample(range(n), self.random.randrange(n))
                key = f"NSGAIISampler:parent:{generation}"
                trial = self.random.choice(trials)
                trial["study_attrs"] = {**(trial["study_attrs"] or {}), key: parents}
        return trials

    def link(self, trial: Document, trials: Sequence[Document]) -> None:
        """Let a failed trial be tried again as a later one."""
        later = [each for each in trials[trial["number"] + 1 :] if each["retry_of"] is None]
        if (
            trial["state"] != "FAIL"
            or trial["datetime_start"] is None
            or not later
            or self.random.random() < 0.3
        ):
            return
        retry = self.random.choice(later)
        trial["retried_as"], retry["retry_of"] = retry["number"], trial["number"]
        trial["infeasible"] = False
        retry["attempt"] = trial["attempt"] + 1

    def trial(self, study: Document, number: int, n_objectives: int) -> Document:
        state = self.random.choice(STATES)
        has_started = state != "WAITING" and (state != "FAIL" or self.random.random() < 0.8)
        is_given = has_started and self.random.random() < 0.9  # to a worker; else adopted
        is_partial = not is_given and (not has_started or self.random.random() < 0.5)
        params = {
            each["name"]: self.value(each)
            for each in study["search_space"]
            if not is_partial or self.random.random() < 0.5
        }
        has_ended = state not in ("WAITING", "RUNNING")
        values = None
        if state == "COMPLETE" or (state == "PRUNED" and n_objectives == 1 and self.maybe(True)):
            values = [self.any_number(math.inf, -math.inf) for _ in range(n_objectives)]
        constraints = None
        if state == "COMPLETE" and study["constraints"]:
            constraints = {name: self.finite() for name in study["constraints"]}
        start, complete = sorted((self.moment(), self.moment()))
        lease = self.maybe(self.random.uniform(0.5, 1e6)) if is_given else None
        has_expiry = lease is not None and (
            state == "RUNNING" or (state == "FAIL" and self.random.random() < 0.5)
        )
        return {
            "kind": "trial",
            "number": number,
            "state": state,
            "values": values,
            "params": params,
            "intermediate_values": self.steps() if has_started else {},
            "user_attrs": self.attributes(),
            "system_attrs": self.system_attrs(study, state, params, constraints),
            "study_attrs": None,
            "constraints": constraints,
            "datetime_start": start if has_started else None,
            "datetime_complete": complete if has_ended else None,
            "reason": self.maybe(self.random.choice(TEXTS)) or None if has_ended else None,
            "priority": self.random.choice((0, 0, 7, -(2**31))),
            "worker_id": self.maybe("gpu-7 ü") if is_given else None,
            "lease_seconds": lease,
            "lease_expires_at": self.moment() if has_expiry else None,
            "should_prune": has_started and self.random.random() < 0.2,
            "is_retry_wanted": state == "FAIL" and has_started and self.random.random() < 0.5,
            "infeasible": state == "FAIL" and has_started and self.random.random() < 0.2,
            "attempt": 1,
            "retry_of": None,
            "retried_as": None,
            "cancelled_retry": None,
            "repeat_group": number if study["repeats"] else None,
            "repeat_index": 0 if study["repeats"] else None,
        }

    def steps(self) -> dict[str, Any]:
        steps = self.random.sample((0, 1, 2, 9, 10, 100, 2**31 - 1), self.random.randrange(5))
        return {str(step): self.any_number(math.nan, math.inf, -math.inf) for step in sorted(steps)}

    def system_attrs(
        self,
        study: Document,
        state: str,
        params: Mapping[str, Any],
        constraints: Mapping[str, float] | None,
    ) -> dict[str, Any]:
        attrs: dict[str, Any] = {}
        if state == "WAITING" or self.random.random() < 0.2:
            attrs["fixed_params"] = dict(params)
        if study["sampler"] == "nsgaii":
            attrs["NSGAIISampler:generation"] = self.random.randrange(3)
        if self.random.random() < 0.3:
            attrs["completed_rung_0"] = self.finite()
        return attrs | {f"constraints:{name}": each for name, each in (constraints or {}).items()}
