"""Storages of stock Optuna with what only Optuna allows, and their imports."""

import json
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
)
from optuna.trial import TrialState, create_trial
from rest_framework.test import APIClient

from studies.models import Study
from tests.support import JSON
from tests.support.api_client import (
    assert_schemas_agree,
    get_study,
    list_trials,
)
from tests.support.optuna_oracle import (
    run_import_study,
)
from tests.support.transfer_files import delete_study, export_study, import_file

X: BaseDistribution = FloatDistribution(0, 1)
LISTS: list[Any] = [(1, 2), ()]


def add(study: optuna.Study, space: dict[str, BaseDistribution], **more: Any) -> None:
    """Add a trial with the parameters in `params`, or the first ones of the space."""
    first = {name: each.to_external_repr(_first(each)) for name, each in space.items()}
    given = {"params": more.pop("params", first), "distributions": space}
    if more.get("state", TrialState.COMPLETE) == TrialState.COMPLETE and "values" not in more:
        more = {"value": 1.0, **more}
    study.add_trial(create_trial(**given, **more))


def _first(distribution: Any) -> float:
    return 0.0 if isinstance(distribution, CategoricalDistribution) else distribution.low


def storage_of(study: optuna.Study) -> Any:
    return study._storage


def end(study: optuna.Study, state: TrialState, values: list[float] | None) -> None:
    """Start a trial and end it as the study's own methods would not."""
    trial = study.ask({"x": X})
    storage_of(study).set_trial_state_values(trial._trial_id, state, values)


def import_and_check(api: APIClient, url: str, *arguments: str, name: str = "stock") -> list[str]:
    """Import a storage of one study; the applied rules, as the summary counts them."""
    first, *others = run_import_study("--storage", url, *arguments).splitlines()
    assert ": imported " in first
    study = Study.objects.get()
    assert_schemas_agree(study.name)
    assert_moves(api, study.name)
    prefix = f'study "{name}": '
    assert all(line.startswith(prefix) for line in others)
    return [line.removeprefix(prefix) for line in others]


def assert_moves(api: APIClient, name: str) -> None:
    """The export of an imported study imports again and exports the same."""
    file = export_study(api, name)
    import_file(api, file, "?conflict=rename")
    copy = f"{name} (2)"
    assert_schemas_agree(copy)
    again = export_study(api, copy).replace(json.dumps(copy).encode(), json.dumps(name).encode())
    assert again == file
    delete_study(api, copy)


def params_of(api: APIClient) -> list[JSON]:
    return [trial["params"] for trial in list_trials(api, "stock")]


def space_of(api: APIClient) -> list[JSON]:
    space: list[JSON] = get_study(api, "stock")["search_space"]
    return space
