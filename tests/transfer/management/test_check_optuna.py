import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from rest_framework.test import APIClient

from studies.models import Study
from tests.support.api_client import complete, prune, suggest
from trials.projection.consistency import differences


def check_optuna(*arguments: str) -> str:
    output = io.StringIO()
    call_command("check_optuna", *arguments, stdout=output)
    return output.getvalue()


def damage(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        assert cursor.rowcount == 1


@pytest.fixture
def played(api: APIClient, study: dict[str, Any]) -> dict[str, Any]:
    """A study with a complete, a pruned and a running trial."""
    for _ in range(3):
        suggest(api, "search")
    complete(api, "search", 0, 0.5, intermediate_values={"1": 0.25}, user_attrs={"host": "a"})
    prune(api, "search", 1)
    return study


def test_check_of_consistent_schemas_finds_nothing(played: dict[str, Any]) -> None:
    assert check_optuna() == "1 studies: no difference\n"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE optuna.studies SET study_name = 'other'",
        "UPDATE optuna.study_directions SET direction = 'MINIMIZE'",
        "UPDATE optuna.trials SET state = 'FAIL' WHERE number = 2",
        "UPDATE optuna.trials SET datetime_start = now() WHERE number = 0",
        "UPDATE optuna.trial_values SET value = value + 1",
        "UPDATE optuna.trial_params SET param_value = 0.7"
        " WHERE param_id = (SELECT min(param_id) FROM optuna.trial_params)",
        "DELETE FROM optuna.trial_params"
        " WHERE param_id = (SELECT max(param_id) FROM optuna.trial_params)",
        "UPDATE optuna.trial_intermediate_values SET step = 2",
        "DELETE FROM optuna.trial_user_attributes",
        "INSERT INTO optuna.study_system_attributes (study_id, key, value_json)"
        " SELECT study_id, 'stray', '1' FROM optuna.studies",
        "INSERT INTO optuna.trials (number, study_id, state)"
        " SELECT 3, study_id, 'RUNNING' FROM optuna.studies",
    ],
)
def test_check_finds_each_damage_and_repair_fixes_it(
    played: dict[str, Any], statement: str, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(statement)

    with pytest.raises(CommandError) as raised:
        call_command("check_optuna")

    assert raised.value.returncode == 1
    assert 'study "search": ' in capsys.readouterr().out
    assert "rebuilt in Optuna's schema" in check_optuna("--repair")
    assert check_optuna() == "1 studies: no difference\n"


def test_check_finds_wrong_counters(played: dict[str, Any]) -> None:
    damage("UPDATE studies_study SET n_running = 5")

    found = [str(each) for each in differences(Study.objects.get())]

    assert found == [
        'study "search": studies_study: only in Django: '
        "tallies {3,0,5,1,1,0,0,0}, counted {3,0,1,1,1,0,0,0}"
    ]


def test_repair_of_consistent_schemas_changes_nothing(played: dict[str, Any]) -> None:
    assert check_optuna("--repair") == "1 studies: no difference\n"
