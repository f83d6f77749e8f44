"""Imports: conflicts of names, dry runs and statement counts."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection
from rest_framework.test import APIClient

from optuna_bridge.storage import SCHEMA
from studies.models import Study
from studies.models.definitions import definitions
from tests.support.api_client import assert_refused, assert_schemas_agree, create_study, get_study
from tests.support.database import call_and_close_connection, recorded_statements
from tests.support.transfer_files import (
    N_FILE_TRIALS,
    assert_line_refused,
    assert_nothing_stored,
    delete_study,
    export_study,
    import_file,
    joined_lines,
    parsed_lines,
    post_file,
    random_study_file,
    set_keys,
    with_line_changed,
)
from transfer.domain import trial_writer
from trials.queries import chunks

# Conflicts and dry runs ----------------------------------------------------------------------


def test_existing_study_is_refused(api: APIClient, file: bytes) -> None:
    other = random_study_file(3, name="another")
    import_file(api, file)

    response = post_file(api, other + file)

    problem = assert_refused(response, 409, "study_exists")
    assert problem["detail"] == 'study "search" exists'
    assert Study.objects.count() == 1


def test_existing_study_is_skipped(api: APIClient, file: bytes) -> None:
    create_study(api)
    other = random_study_file(3, name="another")

    answer = import_file(api, file + other, "?conflict=skip")

    assert [(each["imported_as"], each["outcome"]) for each in answer["studies"]] == [
        (None, "skipped"),
        ("another", "created"),
    ]
    assert answer["studies"][0]["n_trials"] == N_FILE_TRIALS
    assert get_study(api)["n_trials"] == 0
    assert import_file(api, file, "?conflict=skip", status=200)["studies"][0]["outcome"] == (
        "skipped"
    )


def test_skipped_study_is_validated(api: APIClient, file: bytes) -> None:
    create_study(api)
    response = post_file(api, with_line_changed(file, 3, set_keys(attempt=0)), "?conflict=skip")
    assert assert_refused(response, 400, "invalid")["detail"].startswith("line 3: /attempt: ")


def test_existing_study_is_renamed(api: APIClient, file: bytes) -> None:
    for name in ("search", "search (3)"):
        create_study(api, name=name)

    names = [
        import_file(api, file, "?conflict=rename")["studies"][0]["imported_as"] for _ in range(3)
    ]

    assert names == ["search (2)", "search (4)", "search (5)"]
    assert import_file(api, file + file, "?conflict=rename")["studies"][1] == {
        "study_name": "search",
        "imported_as": "search (7)",
        "outcome": "renamed",
        "n_trials": N_FILE_TRIALS,
    }
    for name in ("search (2)", "search (7)"):
        assert_schemas_agree(name)
        assert export_study(api, name) == file.replace(b'"search"', f'"{name}"'.encode())


def test_renamed_long_name_is_shortened(api: APIClient) -> None:
    name = "ü" * 256
    create_study(api, name=name)
    file = export_study(api, name)
    answer = import_file(api, file, "?conflict=rename")
    assert answer["studies"][0]["imported_as"] == "ü" * 252 + " (2)"


@pytest.mark.parametrize("conflict", ["fail", "skip", "rename"])
def test_name_only_in_optuna_is_taken(api: APIClient, file: bytes, conflict: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {SCHEMA}.studies (study_name) VALUES ('search')")
    response = post_file(api, file, f"?conflict={conflict}")
    if conflict == "fail":
        assert_refused(response, 409, "study_exists")
        return
    (imported,) = response.json()["studies"]
    assert imported["imported_as"] == {"skip": None, "rename": "search (2)"}[conflict]


def test_dry_run_checks_all_and_stores_nothing(api: APIClient, file: bytes) -> None:
    answer = import_file(api, file, "?dry_run=true", status=200)

    assert answer["dry_run"] is True
    assert answer["studies"] == import_file(api, file, "?dry_run=false")["studies"]
    delete_study(api)
    import_file(api, file, "?dry_run=true", status=200)
    assert_nothing_stored()
    assert_line_refused(post_file(api, file[:-20], "?dry_run=true"), 8)


# Bounds and races ----------------------------------------------------------------------------


def statements(api: APIClient, n: int, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """How many statements the import and the export of n trials take, in chunks of ten."""
    monkeypatch.setattr(trial_writer, "CHUNK", 10)
    monkeypatch.setattr(chunks, "CHUNK", 10)
    monkeypatch.setattr(trial_writer.TrialWriter, "_plan_anew", lambda self: None)
    head, trial, *_, end = parsed_lines(random_study_file(4, name="bounded"))
    trial = trial | {"number": 0, "study_attrs": None, "retried_as": None, "retry_of": None}
    trials = [trial | {"number": number, "attempt": 1} for number in range(n)]
    definitions.clear()  # of the study that had the name before
    with recorded_statements() as imported:
        import_file(api, joined_lines([head, *trials, end | {"n_trials": n}]))
    with recorded_statements() as exported:
        export_study(api, "bounded")
    delete_study(api, "bounded")
    return len(imported), len(exported)


def test_statements_grow_by_chunks_and_not_by_trials(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_10, of_20, of_100 = (statements(api, n, monkeypatch) for n in (10, 20, 100))
    steps = [more - less for less, more in zip(of_10, of_20, strict=True)]
    # With the steps of feasible trials of several objectives; notes and logs.
    assert steps == [4, 3]
    assert [a - b for a, b in zip(of_100, of_10, strict=True)] == [9 * step for step in steps]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("conflict", "lost"), [("fail", 409), ("skip", 200), ("rename", 201)])
def test_concurrent_imports_give_one_the_name(
    pool: ThreadPoolExecutor, conflict: str, lost: int
) -> None:
    file, gate = random_study_file(3, name="raced"), Barrier(2)

    def send() -> int:
        gate.wait(30)
        return int(post_file(APIClient(), file, f"?conflict={conflict}").status_code)

    for _ in range(5):
        racing = [pool.submit(call_and_close_connection, send) for _ in range(2)]
        assert sorted(each.result(60) for each in racing) == sorted([201, lost])
        names = list(Study.objects.values_list("name", flat=True))
        for name in names:
            assert_schemas_agree(name)
        assert len(names) == (2 if conflict == "rename" else 1)
        for name in names:
            delete_study(APIClient(), name)
