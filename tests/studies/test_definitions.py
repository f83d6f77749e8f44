"""What a process keeps of studies, and what it does if a name belongs to another study now."""

from rest_framework.test import APIClient

from studies.models import NamedStudy, Study
from studies.models.definitions import FIELDS, Definition, DefinitionCache
from tests.support.api_client import (
    STUDY_URL,
    create_study,
    get_study,
    start_trial,
    trial_action,
)
from tests.support.study_builders import build_study

Y_SPACE = [{"type": "int", "name": "y", "low": 1, "high": 3}]


def test_known_study_is_read_without_its_definition(api: APIClient) -> None:
    create_study(api)
    whole = NamedStudy("search").one()
    brief = NamedStudy("search").one()
    assert {field: getattr(brief, field) for field in FIELDS} == {
        field: getattr(whole, field) for field in FIELDS
    }
    assert brief.space is whole.space
    assert not brief.get_deferred_fields()


def test_fields_are_those_that_cannot_be_changed() -> None:
    maintained = {field.name for field in Study._meta.concrete_fields if field.name in FIELDS}
    assert maintained == set(FIELDS)
    assert Study.CHANGEABLE & set(FIELDS) <= set(Study.SPACE)


def test_study_of_the_same_name_has_its_own_definition(api: APIClient) -> None:
    create_study(api)
    trial_action(api, start_trial(api), "complete", values=1)
    api.delete(STUDY_URL)
    create_study(api, search_space=Y_SPACE, direction="maximize", sampler="random")
    assert get_study(api)["search_space"] == Y_SPACE
    told = trial_action(api, start_trial(api), "complete", values=1)
    assert list(told["params"]) == ["y"]


def test_cache_is_bounded_by_the_size_of_definitions(db: None) -> None:
    studies = [build_study(name=f"study {n}") for n in range(5)]
    for study in studies:
        study.refresh_from_db()
    size = Definition.of(studies[0]).n_characters
    cache = DefinitionCache(max_characters=2 * size)
    for study in studies:
        cache.add(study)
        cache.add(study)  # does not count twice
    known = [study.name for study in studies if cache.get(study.name)]
    assert known == ["study 3", "study 4"]
