"""Optuna's own storage test suite, and the further properties of this storage."""

import pickle
import threading

import optuna
import pytest
from django.db import connection, transaction
from optuna.study import StudyDirection
from optuna.testing.pytest_storages import StorageTestCase
from optuna.trial import TrialState

from optuna_bridge.storage.storage import DjangoStorage

MINIMIZE = [StudyDirection.MINIMIZE]


@pytest.fixture
def storage(db: None) -> DjangoStorage:
    return DjangoStorage()


class TestDjangoStorage(StorageTestCase):
    """Optuna's 59 cases; the fixture above is theirs."""


def names(storage: DjangoStorage) -> list[str]:
    return [study.study_name for study in storage.get_all_studies()]


def test_storage_commits_with_django(storage):
    with transaction.atomic():
        study_id = storage.create_new_study(MINIMIZE, "kept")
        storage.create_new_trial(study_id)
    assert names(storage) == ["kept"]
    assert [trial.number for trial in storage.get_all_trials(study_id)] == [0]


def test_storage_follows_a_rollback_of_django(storage):
    study_id = storage.create_new_study(MINIMIZE, "before")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        storage.create_new_study(MINIMIZE, "undone")
        trial_id = storage.create_new_trial(study_id)
        storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [1.0])
        raise ZeroDivisionError
    assert names(storage) == ["before"]
    assert storage.get_all_trials(study_id) == []


def test_storage_undoes_only_the_savepoint_that_failed(storage):
    with transaction.atomic():
        storage.create_new_study(MINIMIZE, "outer")
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            storage.create_new_study(MINIMIZE, "inner")
            raise ZeroDivisionError
        storage.create_new_study(MINIMIZE, "after")
    assert names(storage) == ["outer", "after"]


def test_storage_error_leaves_the_transaction_around_it_usable(storage):
    with transaction.atomic():
        storage.create_new_study(MINIMIZE, "once")
        with pytest.raises(optuna.exceptions.DuplicatedStudyError):
            storage.create_new_study(MINIMIZE, "once")
        storage.create_new_study(MINIMIZE, "twice")
    assert names(storage) == ["once", "twice"]
    assert not connection.needs_rollback


@pytest.mark.django_db(transaction=True)
def test_storage_rollback_is_invisible_to_other_connections():
    storage = DjangoStorage()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        storage.create_new_study(MINIMIZE, "undone")
        assert names(storage) == ["undone"]
        assert _in_a_thread(lambda: names(DjangoStorage())) == []
        raise ZeroDivisionError
    assert _in_a_thread(lambda: names(DjangoStorage())) == []


@pytest.mark.django_db(transaction=True)
def test_storage_outside_a_transaction_commits_at_once():
    storage = DjangoStorage()
    storage.create_new_study(MINIMIZE, "autocommitted")
    assert not connection.in_atomic_block
    assert connection.connection.info.transaction_status == 0  # idle
    assert _in_a_thread(lambda: names(storage)) == ["autocommitted"]


def test_storage_survives_pickling(storage):
    study_id = storage.create_new_study(MINIMIZE, "pickled")
    copy = pickle.loads(pickle.dumps(storage))
    assert copy.get_study_id_from_name("pickled") == study_id
    assert copy.engine is not storage.engine


def test_storage_is_built_and_unpickled_without_a_database():
    # No fixture has opened the database here, and pytest-django refuses every access.
    pickle.loads(pickle.dumps(DjangoStorage()))


@pytest.mark.django_db(transaction=True)
def test_storage_serves_threads_in_transactions_of_their_own():
    storage = DjangoStorage()
    study_id = storage.create_new_study(MINIMIZE, "shared")
    both_are_in = threading.Barrier(2, timeout=10)

    def kept() -> None:
        with transaction.atomic():
            for _ in range(5):
                storage.create_new_trial(study_id)
            both_are_in.wait()

    def undone() -> None:
        both_are_in.wait()
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            storage.create_new_trial(study_id)
            raise ZeroDivisionError

    errors: list[BaseException] = []
    threads = [threading.Thread(target=_run, args=(each, errors)) for each in (kept, undone)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert errors == []
    assert [trial.number for trial in storage.get_all_trials(study_id)] == [0, 1, 2, 3, 4]


def _run(function, errors: list[BaseException]) -> None:
    try:
        function()
    except BaseException as error:  # noqa: BLE001  (the test shows it)
        errors.append(error)
    finally:
        connection.close()


def _in_a_thread(function):
    results: list = []
    errors: list[BaseException] = []
    thread = threading.Thread(target=_run, args=(lambda: results.append(function()), errors))
    thread.start()
    thread.join(20)
    assert errors == []
    return results[0]
