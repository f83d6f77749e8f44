from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection, transaction
from optuna.trial import TrialState as OptunaState

from optuna_bridge.enums import TrialState
from studies.domain import delete_study
from studies.errors import StudyNotFound
from studies.models import Study
from tests.actors import COMMAND
from tests.statements import recorded
from tests.stock import stock_storage
from tests.trials.helpers import (
    add_running,
    ask,
    change,
    new_study,
    only,
    released,
    seen,
    synced,
    tell,
)
from trials.models import Trial
from trials.sampling.session import SamplerSession
from trials.sampling.session_registry import SessionRegistry, session_registry

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def study(transactional_db: None) -> Study:
    return new_study(sampler="random")


def described(history: SamplerSession) -> list[str]:
    return [repr(trial) for trial in history.get_all_trials(0)]


# What it sees -----------------------------------------------------------------------------


def test_history_sees_what_is_committed(study):
    for _ in range(3):
        ask(study)
    tell(study, 1, 0.5, steps={1: 0.1, 5: float("inf")})
    tell(study, 0, state=TrialState.PRUNED, steps={2: 0.25})
    assert seen(synced(study)) == [
        (0, "PRUNED", [0.25], {2: 0.25}),
        (1, "COMPLETE", [0.5], {1: 0.1, 5: float("inf")}),
        (2, "RUNNING", None, {}),
    ]


def test_history_sees_what_another_process_wrote(study):
    here, there = session_registry.of(study), SessionRegistry().of(study)
    assert here is not there
    ask(study)
    ask(study)
    there.sync()
    tell(study, 0, 0.5)
    change(study, 1, steps={1: 0.5}, system_attrs={"completed_rung_0": 0.5})
    ask(study)
    there.sync()
    here.sync()
    assert described(there) == described(here)
    assert [trial.state.name for trial in there.get_all_trials(0)] == [
        "COMPLETE",
        "RUNNING",
        "RUNNING",
    ]
    assert there.get_all_trials(0)[1].system_attrs == {"completed_rung_0": 0.5}


@pytest.mark.parametrize("is_known", [False, True], ids=["first ask", "history exists"])
def test_history_never_sees_a_trial_that_was_rolled_back(study, is_known):
    committed = [ask(study)] if is_known else []
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        undone = ask(study)
        tell(study, undone.number, 0.5)
        raise ZeroDivisionError
    assert [trial.number for trial in synced(study).get_all_trials(0)] == [
        trial.number for trial in committed
    ]
    trial = ask(study)
    assert trial.number == undone.number
    assert trial.id > undone.id
    assert [each._trial_id for each in synced(study).get_all_trials(0)] == [
        *(each.id for each in committed),
        trial.id,
    ]


def test_history_never_sees_a_tell_that_was_rolled_back(study):
    ask(study)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        tell(study, 0, 0.5)
        ask(study)
        raise ZeroDivisionError
    assert seen(synced(study)) == [(0, "RUNNING", None, {})]
    tell(study, 0, 0.75)
    assert seen(synced(study)) == [(0, "COMPLETE", [0.75], {})]


def test_history_does_not_wait_for_nor_see_an_open_transaction(study):
    with transaction.atomic():
        ask(study)
        with ThreadPoolExecutor() as pool:
            history = pool.submit(released, synced, study).result(20)
        assert seen(history) == []
    history.sync()
    assert seen(history) == [(0, "RUNNING", None, {})]


def test_history_replaces_trials_and_never_changes_them(study):
    trial = ask(study)
    history = synced(study)
    earlier = history.get_all_trials(0)
    history.set_trial_system_attr(trial.id, "completed_rung_0", 0.5)
    later = history.get_all_trials(0)
    assert earlier[0].system_attrs == {}
    assert later[0].system_attrs == {"completed_rung_0": 0.5}
    assert history.get_trial(trial.id) is later[0]
    history.set_trial_system_attr(trial.id, "completed_rung_1", 0.6)
    assert later[0].system_attrs == {"completed_rung_0": 0.5}
    tell(study, 0, 1.0)
    history.sync()
    assert [each.state for each in (earlier[0], later[0])] == [OptunaState.RUNNING] * 2
    assert len(earlier) == 1
    ask(study)
    history.sync()
    assert len(earlier) == len(later) == 1


def test_history_is_not_written_around_the_domain(study):
    trial = ask(study)
    history = synced(study)
    with pytest.raises(TypeError, match="goes through the domain"):
        history.optuna_study.tell(0, 0.5)
    with pytest.raises(TypeError, match="goes through the domain"):
        history.set_trial_user_attr(trial.id, "a", 1)
    assert seen(history) == [(0, "RUNNING", None, {})]


# What it costs ----------------------------------------------------------------------------


def rows_read(history: SamplerSession) -> int:
    """How many rows a sync reads, which must be one statement by an index."""
    with recorded() as statements:
        history.sync()
    ((query, parameters),) = statements
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        count = cursor.rowcount
        # As the server plans it once for all: parameters are $1, $2.
        cursor.execute(f"EXPLAIN (GENERIC_PLAN) {query % {'study': '$1', 'revision': '$2'}}")
        assert "trial_revision" in str(cursor.fetchall())
    return count


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_sync_reads_only_what_has_changed(sampler):
    study = new_study(sampler=sampler)
    add_running(study, 1000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE trials_trial")
    history = synced(study)
    assert len(history) == 1000
    assert rows_read(history) == 0
    tell(study, 500, 0.5, steps={1: 0.5})
    assert rows_read(history) == 1
    assert history.get_all_trials(0)[500].values == [0.5]
    add_running(study, 2)
    change(study, 1, steps={1: 0.5})
    assert rows_read(history) == 3
    assert rows_read(history) == 0
    assert len(history) == 1002


def test_histories_are_bounded_and_the_least_recently_used_goes_first(settings):
    settings.HISTORY_MAX_TRIALS = 50  # a history counts for twenty at least
    a, b, c = (new_study(name, sampler="random") for name in "abc")
    for study in (a, b):
        ask(study)
        ask(study)
    first, second = synced(a), synced(b)
    assert session_registry.of(a) is first  # two fit
    ask(c)
    ask(c)
    third = synced(c)
    assert session_registry.of(c) is third  # three do not, and b was used least recently
    assert session_registry.of(a) is first
    assert session_registry.of(b) is not second


def test_ask_finds_the_new_study_of_a_name_that_was_deleted():
    old = new_study(sampler="random")
    ask(old)
    assert session_registry.known(old.name) is not None
    delete_study(actor=COMMAND, named=only(old))
    new = new_study(sampler="qmc", direction=["minimize", "maximize"])
    trial = ask(new)
    assert (trial.number, trial.study.id) == (0, new.id)
    known = session_registry.known(new.name)
    assert known is not None
    assert known.study == new
    delete_study(actor=COMMAND, named=only(new))
    with pytest.raises(StudyNotFound, match='no study "search"'):
        ask(new)
    assert session_registry.known(new.name) is None


def test_history_in_use_stays_however_large_it_is(settings):
    settings.HISTORY_MAX_TRIALS = 1
    study = new_study(sampler="random")
    ask(study)
    ask(study)
    assert session_registry.of(study) is session_registry.of(study)
    assert ask(study).number == 2


def test_first_writer_of_nsgaiis_parents_wins():
    study = new_study(
        sampler="nsgaii",
        sampler_options={"population_size": 2},
        direction="minimize",
        pruner="none",
    )
    trials = [ask(study) for _ in range(3)]
    tell(study, 0, 2.0)
    tell(study, 1, 3.0)
    slow = SessionRegistry().of(study)  # another process: draws now, commits last
    draft = slow.sample()
    (key,) = draft.study_attrs
    assert sorted(draft.study_attrs[key]) == [trials[0].id, trials[1].id]

    tell(study, 2, 1.0)
    first = ask(study)
    assert sorted(first.study_attrs[key]) == [trials[0].id, trials[2].id]

    with transaction.atomic():
        reserved = Trial.objects.reserve(study, {TrialState.RUNNING: 1})
        late = Trial(
            id=reserved.ids[0],
            study=study,
            number=reserved.first_number,
            state=TrialState.RUNNING,
            internal_params=study.space.to_internal(draft.trial.params),
            revision=reserved.revision,
            system_attrs=draft.system_attrs,
            study_attrs=draft.study_attrs,
        )
        Trial.objects.add([late])
    draft.is_over = True

    with stock_storage("optuna") as stock:
        stored = stock.get_study_system_attrs(study.id)
    assert stored == {key: first.study_attrs[key]}
    for history in (slow, session_registry.of(study), SamplerSession(study)):
        history.sync()
        assert history.get_study_system_attrs(study.id) == stored
