"""Names and times of stock Optuna that are imported by a rule, and adoption, which has none."""

import json
import math
import sqlite3
from collections.abc import Callable
from datetime import UTC
from pathlib import Path

import optuna
import pytest
from django.core.management import CommandError
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
)
from optuna.trial import TrialState
from rest_framework.test import APIClient

from optuna_bridge.storage.storage import DjangoStorage
from studies.models import Study
from tests.support.api_client import (
    get_study,
    list_trials,
)
from tests.support.odd_storages import (
    LISTS,
    X,
    add,
    end,
    import_and_check,
)
from tests.support.optuna_oracle import (
    close_storage,
    create_optuna_study,
    run_import_study,
)
from tests.support.study_builders import COMMAND
from transfer.domain.adoption import AdoptionRefused, adopt
from transfer.optuna_source.oddities import Rule

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
    pytest.mark.filterwarnings("ignore:.*is not JSON serializable"),
    pytest.mark.filterwarnings("ignore:Fixed parameter"),
    pytest.mark.filterwarnings("ignore:Choices for a categorical distribution"),
]


# Names and times -----------------------------------------------------------------------------

LONG = "long " * 60
NAMES = [("a/b", "a_b"), ("..", "__"), ("a\nb\x00"[:3], "a_b"), ("  ", "study"), (LONG, LONG[:256])]


@pytest.mark.parametrize(("name", "expected"), NAMES)
def test_name_that_cannot_be_used_is_replaced(
    api: APIClient, database: str, name: str, expected: str
) -> None:
    study = create_optuna_study(database, name)
    add(study, {"x": X})

    first, second = (
        run_import_study("--storage", database).rstrip("\n").split(f'\nstudy "{name}": ')
    )

    assert first == f'study "{name}": imported as "{expected}" with 1 trials'
    assert second == f"1 x {Rule.NAME}"
    assert get_study(api, expected)["n_trials"] == 1
    close_storage(study)


def test_replacement_is_not_the_name_of_another_study(api: APIClient, database: str) -> None:
    studies = [create_optuna_study(database, name) for name in ("a/b", "a_b")]
    for study in studies:
        add(study, {"x": X})
    run_import_study("--storage", database)
    assert set(Study.objects.values_list("name", flat=True)) == {"a_b (2)", "a_b"}
    for study in studies:
        close_storage(study)


def test_replacements_differ(api: APIClient, database: str) -> None:
    names = ["a/b", "a\tb", "a_b (2)", LONG + "1", LONG + "2"]
    studies = [create_optuna_study(database, name) for name in names]
    for study in studies:
        add(study, {"x": X})

    run_import_study("--storage", database, "--conflict", "skip", "--study-name", "a\tb")
    assert Study.objects.get().name == "a_b (3)"
    run_import_study("--storage", database, "--conflict", "skip")

    stored = {"a_b", "a_b (3)", "a_b (2)", LONG[:256], f"{LONG[:252]} (2)"}
    assert set(Study.objects.values_list("name", flat=True)) == stored
    for study in studies:
        close_storage(study)


def test_name_is_given(api: APIClient, database: str) -> None:
    study = create_optuna_study(database, "a/b")
    add(study, {"x": X})
    output = run_import_study("--storage", database, "--as", "ours")
    assert output == 'study "a/b": imported as "ours" with 1 trials\n'
    with pytest.raises(CommandError, match='a name has no "/"'):
        run_import_study("--storage", database, "--as", "c/d")
    other = create_optuna_study(database, "other")
    with pytest.raises(CommandError, match="2 studies cannot all have the same new name"):
        run_import_study("--storage", database, "--as", "theirs")
    close_storage(study)
    close_storage(other)


LOCAL, IN_UTC = "2024-07-01 12:00:00.000000", "2024-07-01T10:00:00+00:00"


def store_local_times(url: str) -> None:
    """Let the storage's times be those that an Optuna before 5 stored in Berlin."""
    study = create_optuna_study(url)
    add(study, {"x": X})
    close_storage(study)
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
            database.execute("UPDATE version_info SET library_version = '4.2.1'")
            database.execute("UPDATE trials SET datetime_start = ?", [LOCAL])
            database.execute("UPDATE trials SET datetime_complete = ?", [LOCAL])
        database.close()
    else:
        lines = [json.loads(line) for line in Path(url).read_text().splitlines()]
        for line in lines:
            line |= {key: LOCAL for key in line if key.startswith("datetime_")}
        Path(url).write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_local_times_are_converted(api: APIClient, url: str) -> None:
    store_local_times(url)
    assert import_and_check(api, url, "--timezone", "Europe/Berlin") == []
    (trial,) = list_trials(api, "stock")
    assert (trial["datetime_start"], trial["datetime_complete"]) == (IN_UTC, IN_UTC)
    assert get_study(api, "stock")["datetime_start"] == IN_UTC


def test_local_times_of_an_unknown_zone_are_reported(api: APIClient, url: str) -> None:
    store_local_times(url)
    assert import_and_check(api, url) == [f"1 x {Rule.LOCAL_TIME}"]
    (trial,) = list_trials(api, "stock")
    assert trial["datetime_start"] == "2024-07-01T12:00:00+00:00"


def test_times_in_utc_are_not_shifted(api: APIClient, url: str) -> None:
    study = create_optuna_study(url)
    add(study, {"x": X})
    assert import_and_check(api, url, "--timezone", "Asia/Tokyo") == [f"1 x {Rule.TIME_IN_UTC}"]
    started = study.trials[0].datetime_start
    assert started is not None
    assert list_trials(api, "stock")[0]["datetime_start"] == started.astimezone(UTC).isoformat()
    close_storage(study)


def test_unknown_time_zone_is_refused(database: str) -> None:
    close_storage(create_optuna_study(database))
    for zone in ("Middle/Earth", "/etc/passwd", ""):
        with pytest.raises(CommandError, match=f'there is no time zone "{zone}"'):
            run_import_study("--storage", database, "--timezone", zone)


# Adoption ------------------------------------------------------------------------------------


def _changed_range(study: optuna.Study) -> None:
    for high in (1.0, 2.0):
        add(study, {"x": FloatDistribution(0, high)})


@pytest.mark.parametrize(
    "fill",
    [
        _changed_range,
        lambda study: end(study, TrialState.FAIL, [0.5]),
        lambda study: add(study, {"c": CategoricalDistribution(LISTS)}),
        lambda study: add(study, {}),
        lambda study: add(study, {"x": X}, user_attrs={"a": math.nan}),
        lambda study: add(study, {"x": X}, system_attrs={"grid_id": -1}),
        lambda study: add(study, {"x": X}, system_attrs={"fixed_params": 5}),
    ],
)
def test_adoption_changes_nothing_and_refuses_oddities(
    fill: Callable[[optuna.Study], None],
) -> None:
    fill(optuna.create_study(study_name="stock", storage=DjangoStorage()))
    with pytest.raises(AdoptionRefused):
        adopt(actor=COMMAND, name="stock")
    assert not Study.objects.exists()
