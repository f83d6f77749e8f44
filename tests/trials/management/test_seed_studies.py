import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from studies.models import Study
from trials.projection.consistency import differences

pytestmark = pytest.mark.django_db


def seed_studies(*arguments: str) -> str:
    output = io.StringIO()
    call_command("seed_studies", *arguments, stdout=output)
    return output.getvalue()


def test_preset_has_the_pipelines_search_space(api: APIClient) -> None:
    output = seed_studies("--preset", "quick", "--name", "engram")

    assert output == 'study "engram": created, 0 trials\n'
    body = api.get("/api/v1/studies/engram").json()
    assert body["direction"] == "maximize"
    assert body["search_space"] == [
        {"name": "reranker.depth", "type": "int", "low": 10, "high": 100, "step": 10},
        {
            "name": "reranker.defaultTier",
            "type": "categorical",
            "choices": ["fast", "accurate", "code"],
        },
        {"name": "search.minScore.dense", "type": "float", "low": 0.6, "high": 0.9, "step": 0.05},
    ]


@pytest.mark.parametrize(("preset", "size"), [("quick", 3), ("standard", 6), ("full", 11)])
def test_preset_with_two_directions_is_multi_objective(preset: str, size: int) -> None:
    seed_studies("--preset", preset, "--name", "p", "--direction", "maximize", "minimize")

    study = Study.objects.get()
    assert len(study.search_space) == size
    assert study.direction == ["maximize", "minimize"]


def test_seeding_twice_changes_nothing() -> None:
    arguments = ("--preset", "quick", "--name", "engram")
    seed_studies(*arguments)

    assert seed_studies(*arguments) == 'study "engram": exists, left as it is\n'
    assert Study.objects.count() == 1


def test_demo_has_all_states_and_is_repeatable() -> None:
    first = seed_studies("--demo")
    second = seed_studies("--demo")

    assert first.count("created, ") == second.count("exists, left as it is") == 9
    studies = list(Study.objects.all())
    assert [difference for study in studies for difference in differences(study)] == []
    assert any(study.is_multi_objective for study in studies)
    noisy = Study.objects.get(name="demo-branin-noisy")
    assert noisy.trials.filter(group_state="COMPLETE").count() == 29  # of 31
    retried = [study.trials.filter(retry_of__isnull=False).exists() for study in studies]
    assert any(retried)
    training = Study.objects.get(name="demo-training")
    reasons = set(training.trials.filter(state="FAIL").values_list("reason", flat=True))
    assert {reason.split()[0] for reason in reasons} >= {"CUDA", "the"}
    failed = training.trials.filter(state="FAIL").select_related("log")
    assert all(each.log.text.endswith(f"{each.reason}\n") for each in failed)
    assert all(each.log.written_at == each.datetime_complete for each in failed)
    minutes = [
        (each.duration_seconds or 0) / 60 for each in training.trials.filter(state="COMPLETE")
    ]
    assert 10 < min(minutes) < max(minutes) < 100
    assert [each["state"] for each in training.state_history] == ["PAUSED", "ACTIVE"]
    for state in ("n_running", "n_complete", "n_pruned", "n_fail"):
        assert sum(getattr(study, state) for study in studies) > 0


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_file_of_bodies_is_seeded(tmp_path: Path, suffix: str) -> None:
    space = [{"type": "float", "name": "x", "low": 0, "high": 1}]
    path = tmp_path / f"studies.{suffix}"
    # JSON is YAML.
    path.write_text(json.dumps([{"name": name, "search_space": space} for name in "ab"]))

    seed_studies(str(path))

    assert list(Study.objects.order_by("id").values_list("name", flat=True)) == ["a", "b"]


def test_file_may_begin_a_study_with_trials_of_another(tmp_path: Path, api: APIClient) -> None:
    path = tmp_path / "studies.json"
    space = [{"type": "float", "name": "x", "low": 0, "high": 1}]
    body = {"name": "old", "search_space": space}
    assert api.post("/api/v1/studies", body).status_code == 201
    recorded = {"params": {"x": 0.5}, "state": "COMPLETE", "values": 1}
    assert api.post("/api/v1/studies/old/trials", recorded).status_code == 201
    path.write_text(json.dumps([body | {"name": "new", "warm_start": {"from": ["old"]}}]))

    assert seed_studies(str(path)) == 'study "new": created, 1 trials\n'


def test_file_with_one_bad_body_seeds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "studies.yaml"
    path.write_text(
        """
- name: good
  search_space: [{type: int, name: n, low: 1, high: 3}]
- name: bad
  search_space: [{type: int, name: n, low: 3, high: 1}]
"""
    )

    with pytest.raises(
        CommandError, match=r"study 1 of the file: /search_space/0/low: .* is above"
    ):
        seed_studies(str(path))

    assert not Study.objects.exists()


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_file_with_small_numbers_is_read_as_json_is(tmp_path: Path, suffix: str) -> None:
    space = [{"type": "float", "name": "x", "low": 1e-05, "high": 1e5, "log": True}]
    path = tmp_path / f"studies.{suffix}"
    path.write_text(json.dumps([{"name": "s", "search_space": space, "load_if_exists": False}]))

    seed_studies(str(path))

    assert seed_studies(str(path)) == 'study "s": exists, left as it is\n'
    assert Study.objects.get().search_space[0]["low"] == 1e-05


@pytest.mark.parametrize("value", ["2024-01-01", ".inf", r'"\0"'])
def test_file_with_nan_is_refused(tmp_path: Path, value: str) -> None:
    path = tmp_path / "studies.yaml"
    space = "[{type: int, name: n, low: 1, high: 3}]"
    path.write_text(f"- {{name: s, search_space: {space}, user_attrs: {{a: {value}}}}}\n")

    with pytest.raises(CommandError, match="cannot be read"):
        seed_studies(str(path))
    assert not Study.objects.exists()


@pytest.mark.parametrize("text", ["name: a\n", "{", "\x00"])
def test_file_without_a_list_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "studies.yaml"
    path.write_text(text)

    with pytest.raises(CommandError, match=r"cannot be read|must hold a list"):
        seed_studies(str(path))


def test_preset_without_a_name_is_refused() -> None:
    with pytest.raises(CommandError, match="--preset needs --name"):
        seed_studies("--preset", "quick")
