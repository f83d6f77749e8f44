"""System attributes that an import, an adoption or a storage brings: only harmless ones remain."""

import json
import pickle
from pathlib import Path
from typing import Any

import optuna
import pytest
from django.core.management import call_command
from django.test import Client
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import CmaEsSampler
from optuna.storages import BaseStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import create_trial
from rest_framework.test import APIClient

from access.models import AuditEntry
from optuna_bridge.accessors import study_id, study_system_attrs
from optuna_bridge.storage.storage import DjangoStorage
from studies.models import Study
from tests.support import JSON
from tests.support.api_client import STUDY_NAME, add_trials, assert_schemas_agree, create_study
from tests.support.transfer_files import delete_study, export_study, import_file, parsed_lines
from trials.models import Trial

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]

NAME = STUDY_NAME
SPACE: dict[str, BaseDistribution] = {"x": FloatDistribution(0, 1), "y": FloatDistribution(0, 1)}
ALLOWED = {
    "completed_rung_0": 0.5,
    "NSGAIISampler:generation": 0,
    "cma:generation": 0,
    "x_for_tell": [0.5, 0.5],
}
OF_STUDY: dict[str, Any] = {
    "dashboard:note_ver": "x",
    "dashboard:plot_data:1": "}",
    "artifacts:1": "no JSON",
    "preference:is_preferential": 1,
    "NSGAIISampler:parent:0": [],
    "qmc:0123": 4,
}
DROPPED = {"artifacts": 2, "cma": 2, "cmawm": 1, "dashboard": 3, "preference": 1}
SUMMARY = (
    "; dropped 9 system attributes that are not allowed: "
    "artifacts 2, cma 2, cmawm 1, dashboard 3, preference 1"
)


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return Path.touch, (self.marker,)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "executed"


@pytest.fixture
def of_trial(marker: Path) -> dict[str, Any]:
    payload = pickle.dumps(Payload(marker)).hex()
    return {
        **ALLOWED,
        "cma:optimizer:0": payload[:20],
        "cma:optimizer:1": payload[20:],
        "cmawm:optimizer:0": payload,
        "artifacts:2": "[",
        "dashboard:note_str:0": 7,
    }


def store(storage: BaseStorage, of_trial: dict[str, Any]) -> optuna.Study:
    study = optuna.create_study(study_name=NAME, storage=storage)
    study.add_trial(
        create_trial(
            params={"x": 0.5, "y": 0.5}, distributions=SPACE, value=1.0, system_attrs=of_trial
        )
    )
    for key, value in OF_STUDY.items():
        storage.set_study_system_attr(study_id(study), key, value)
    return study


def restore_optimizers(study: optuna.Study) -> None:
    for sampler in (CmaEsSampler(), CmaEsSampler(with_margin=True)):
        sampler._restore_optimizer(study.get_trials())


def assert_harmless(marker: Path) -> None:
    study = optuna.load_study(study_name=NAME, storage=DjangoStorage())
    restore_optimizers(study)
    assert not marker.exists()
    assert study.trials[0].system_attrs == ALLOWED
    assert study_system_attrs(study) == {"NSGAIISampler:parent:0": [], "qmc:0123": 4}
    assert Trial.objects.get().system_attrs == ALLOWED
    assert AuditEntry.objects.latest("id").details["dropped_attributes"] == DROPPED
    assert_schemas_agree(NAME)


def test_payload_would_be_executed(of_trial: dict[str, Any], marker: Path) -> None:
    restore_optimizers(store(optuna.storages.InMemoryStorage(), of_trial))
    assert marker.exists()


def test_import_of_a_storage_drops_what_is_not_allowed(
    of_trial: dict[str, Any], marker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = str(tmp_path / "journal")
    backend = JournalFileBackend(journal)
    store(optuna.storages.JournalStorage(backend), of_trial)

    call_command("import_study", "--storage", journal)

    assert capsys.readouterr().out == f'study "{NAME}": imported with 1 trials{SUMMARY}\n'
    assert_harmless(marker)


def test_adoption_drops_what_is_not_allowed(
    of_trial: dict[str, Any], marker: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store(DjangoStorage(), of_trial)

    call_command("check_optuna", "--adopt", NAME)

    assert capsys.readouterr().out == f'study "{NAME}": adopted with 1 trials{SUMMARY}\n'
    assert_harmless(marker)


def test_import_of_a_file_drops_what_is_not_allowed(
    api: APIClient, of_trial: dict[str, Any], marker: Path, admin_client: Client
) -> None:
    study, told, end = exported(api)
    told |= {"system_attrs": of_trial, "study_attrs": OF_STUDY}
    delete_study(api)

    answer = import_file(api, "\n".join(map(json.dumps, (study, told, end))).encode())

    [imported] = answer["studies"]
    assert imported["dropped_attributes"] == DROPPED
    assert_harmless(marker)
    number = Study.objects.get().id
    for page in ("/api/studies", f"/api/studies/{number}", f"/csv/{number}"):
        assert admin_client.get(page).status_code == 200


def test_prefixes_in_the_summary_are_bounded(api: APIClient) -> None:
    study, told, end = exported(api)
    told["system_attrs"] = {f"{n}{'k' * 400}": n for n in range(50)}

    file = "\n".join(map(json.dumps, (study, told, end))).encode()
    answer = import_file(api, file, "?conflict=rename")

    dropped = answer["studies"][0]["dropped_attributes"]
    assert (len(dropped), dropped["others"], sum(dropped.values())) == (21, 30, 50)
    assert max(map(len, dropped)) == 40


def exported(api: APIClient) -> list[JSON]:
    """Return the lines of a study with one trial."""
    space = [{"type": "float", "name": name, "low": 0, "high": 1} for name in SPACE]
    create_study(api, direction="minimize", search_space=space)
    add_trials(api, [{"params": {"x": 0.5, "y": 0.5}, "state": "COMPLETE", "values": 1}])
    return parsed_lines(export_study(api))
