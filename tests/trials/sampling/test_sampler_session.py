from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from optuna.trial import TrialState as OptunaState

from optuna_bridge.enums import TrialState
from studies.domain import delete_study
from studies.errors import StudyNotFound
from studies.models import Study
from tests.support.database import call_and_close_connection, recorded_statements
from tests.support.optuna_oracle import rdb_storage
from tests.support.study_builders import (
    COMMAND,
    add_finished_trials,
    add_running_trials,
    ask_trial,
    build_study,
    named,
    session_trials,
    store_on_trial,
    synced_session,
    tell_trial,
)
from trials.models import Trial
from trials.sampling.plan import Plan
from trials.sampling.session import SamplerSession
from trials.sampling.session_registry import SessionRegistry, session_registry

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def study(transactional_db: None) -> Study:
    return build_study(sampler="random")


def described(history: SamplerSession) -> list[str]:
    return [repr(trial) for trial in history.get_all_trials(0)]


# What it sees -----------------------------------------------------------------------------


def test_session_sees_committed_trials(study):
    for _ in range(3):
        ask_trial(study)
    tell_trial(study, 1, 0.5, steps={1: 0.1, 5: float("inf")})
    tell_trial(study, 0, state=TrialState.PRUNED, steps={2: 0.25})
    assert session_trials(synced_session(study)) == [
        (0, "PRUNED", [0.25], {2: 0.25}),
        (1, "COMPLETE", [0.5], {1: 0.1, 5: float("inf")}),
        (2, "RUNNING", None, {}),
    ]


def test_session_sees_trials_of_another_process(study):
    here, there = session_registry.of(study), SessionRegistry().of(study)
    assert here is not there
    ask_trial(study)
    ask_trial(study)
    there.sync()
    tell_trial(study, 0, 0.5)
    store_on_trial(study, 1, steps={1: 0.5}, system_attrs={"completed_rung_0": 0.5})
    ask_trial(study)
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
def test_session_never_sees_a_rolled_back_trial(study, is_known):
    committed = [ask_trial(study)] if is_known else []
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        undone = ask_trial(study)
        tell_trial(study, undone.number, 0.5)
        raise ZeroDivisionError
    assert [trial.number for trial in synced_session(study).get_all_trials(0)] == [
        trial.number for trial in committed
    ]
    trial = ask_trial(study)
    assert trial.number == undone.number
    assert trial.id > undone.id
    assert [each._trial_id for each in synced_session(study).get_all_trials(0)] == [
        *(each.id for each in committed),
        trial.id,
    ]


def test_session_never_sees_a_rolled_back_tell(study):
    ask_trial(study)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        tell_trial(study, 0, 0.5)
        ask_trial(study)
        raise ZeroDivisionError
    assert session_trials(synced_session(study)) == [(0, "RUNNING", None, {})]
    tell_trial(study, 0, 0.75)
    assert session_trials(synced_session(study)) == [(0, "COMPLETE", [0.75], {})]


def test_session_neither_waits_for_nor_sees_an_open_transaction(study):
    with transaction.atomic():
        ask_trial(study)
        with ThreadPoolExecutor() as pool:
            history = pool.submit(call_and_close_connection, synced_session, study).result(20)
        assert session_trials(history) == []
    history.sync()
    assert session_trials(history) == [(0, "RUNNING", None, {})]


def test_session_replaces_trials_and_never_changes_them(study):
    trial = ask_trial(study)
    history = synced_session(study)
    earlier = history.get_all_trials(0)
    history.set_trial_system_attr(trial.id, "completed_rung_0", 0.5)
    later = history.get_all_trials(0)
    assert earlier[0].system_attrs == {}
    assert later[0].system_attrs == {"completed_rung_0": 0.5}
    assert history.get_trial(trial.id) is later[0]
    history.set_trial_system_attr(trial.id, "completed_rung_1", 0.6)
    assert later[0].system_attrs == {"completed_rung_0": 0.5}
    tell_trial(study, 0, 1.0)
    history.sync()
    assert [each.state for each in (earlier[0], later[0])] == [OptunaState.RUNNING] * 2
    assert len(earlier) == 1
    ask_trial(study)
    history.sync()
    assert len(earlier) == len(later) == 1


def test_session_cannot_be_written_by_optuna(study):
    trial = ask_trial(study)
    history = synced_session(study)
    with pytest.raises(TypeError, match="goes through the domain"):
        history.optuna_study.tell(0, 0.5)
    with pytest.raises(TypeError, match="goes through the domain"):
        history.set_trial_user_attr(trial.id, "a", 1)
    assert session_trials(history) == [(0, "RUNNING", None, {})]


# What it costs ----------------------------------------------------------------------------


def rows_read(history: SamplerSession) -> int:
    """How many rows a sync reads, which must be one statement by an index."""
    with recorded_statements() as statements:
        history.sync()
    ((query, parameters),) = statements
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        # A row without a revision says only whether a worker holds trials, and the space's version.
        count = sum(revision is not None for _, _, revision, *_ in cursor.fetchall())
        # As the server plans it once for all: parameters are $1, $2, $3.
        numbered = {"study": "$1", "revision": "$2", "worker": "$3"}
        cursor.execute(f"EXPLAIN (GENERIC_PLAN) {query % numbered}")
        assert "trial_revision" in str(cursor.fetchall())
    return count


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_sync_reads_only_what_has_changed(sampler):
    study = build_study(sampler=sampler)
    add_running_trials(study, 1000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE trials_trial")
    history = synced_session(study)
    assert len(history) == 1000
    assert rows_read(history) == 0
    tell_trial(study, 500, 0.5, steps={1: 0.5})
    assert rows_read(history) == 1
    assert history.get_all_trials(0)[500].values == [0.5]
    add_running_trials(study, 2)
    store_on_trial(study, 1, steps={1: 0.5})
    assert rows_read(history) == 3
    assert rows_read(history) == 0
    assert len(history) == 1002


def test_sessions_are_bounded_and_the_least_recently_used_is_dropped(settings):
    settings.HISTORY_MAX_TRIALS = 50  # a history counts for twenty at least
    a, b, c = (build_study(name, sampler="random") for name in "abc")
    for study in (a, b):
        ask_trial(study)
        ask_trial(study)
    first, second = synced_session(a), synced_session(b)
    assert session_registry.of(a) is first  # two fit
    ask_trial(c)
    ask_trial(c)
    third = synced_session(c)
    assert session_registry.of(c) is third  # three do not, and b was used least recently
    assert session_registry.of(a) is first
    assert session_registry.of(b) is not second


def floats(n):
    return [{"type": "float", "name": f"p{k}", "low": 0, "high": 1} for k in range(n)]


@pytest.mark.parametrize(("n_params", "size"), [(1, 40), (10, 40), (100, 40 * 10_600 // 1600)])
def test_size_of_a_session_weighs_parameters(n_params, size):
    study = build_study(space=floats(n_params), sampler="random")
    add_finished_trials(study, 40, internal_params=[0.5] * n_params)
    assert synced_session(study).size == size


def test_size_of_a_session_weighs_steps_and_choices():
    choices = [{"type": "categorical", "name": "c", "choices": list(range(1000))}]
    study = build_study(space=choices, sampler="random", pruner="median")
    empty = SamplerSession(study)
    assert empty.size == 1000 * 100 // 1600
    ask_trial(study)
    for value in (0.5, 0.6):  # the second one replaces the trial
        store_on_trial(study, 0, steps=dict.fromkeys(range(1000), value))
        assert synced_session(study).size == (1000 * 100 + 700 + 1000 * 70) // 1600


def test_wide_session_displaces_many_narrow_ones(settings):
    settings.HISTORY_MAX_TRIALS = 220
    narrow = [build_study(name, sampler="random") for name in "abc"]
    wide = build_study("wide", space=floats(100), sampler="random")
    add_finished_trials(wide, 30, internal_params=[0.5] * 100)
    for study in (*narrow, wide):
        synced_session(study)
    kept = session_registry.of(wide)
    assert (session_registry.known("wide"), kept.size) == (kept, 30 * 10_600 // 1600)
    assert [session_registry.known(study.name) is None for study in narrow] == [True, True, False]


def test_ask_finds_a_recreated_study():
    old = build_study(sampler="random")
    ask_trial(old)
    assert session_registry.known(old.name) is not None
    delete_study(actor=COMMAND, named=named(old))
    new = build_study(sampler="qmc", direction=["minimize", "maximize"])
    trial = ask_trial(new)
    assert (trial.number, trial.study.id) == (0, new.id)
    known = session_registry.known(new.name)
    assert known is not None
    assert known.study == new
    delete_study(actor=COMMAND, named=named(new))
    with pytest.raises(StudyNotFound, match='no study "search"'):
        ask_trial(new)
    assert session_registry.known(new.name) is None


def test_session_in_use_is_kept_at_any_size(settings):
    settings.HISTORY_MAX_TRIALS = 1
    study = build_study(sampler="random")
    ask_trial(study)
    ask_trial(study)
    assert session_registry.of(study) is session_registry.of(study)
    assert ask_trial(study).number == 2


def test_nsgaii_parents_are_written_once():
    study = build_study(
        sampler="nsgaii",
        sampler_options={"population_size": 2},
        direction="minimize",
        pruner="none",
    )
    trials = [ask_trial(study) for _ in range(3)]
    tell_trial(study, 0, 2.0)
    tell_trial(study, 1, 3.0)
    slow = SessionRegistry().of(study)  # another process: draws now, commits last
    plan = Plan.draw(slow, 1)
    (draft,) = plan.new
    (key,) = draft.study_attrs
    assert sorted(draft.study_attrs[key]) == [trials[0].id, trials[1].id]

    tell_trial(study, 2, 1.0)
    first = ask_trial(study)
    assert sorted(first.study_attrs[key]) == [trials[0].id, trials[2].id]

    with transaction.atomic():
        reserved = Trial.objects.reserve(study, {TrialState.RUNNING: 1})
        late = Trial(
            id=reserved.ids[0],
            study=study,
            number=reserved.first_number,
            state=TrialState.RUNNING,
            internal_params=study.space.to_internal(draft.params),
            revision=reserved.revision,
            system_attrs=draft.system_attrs,
            study_attrs=draft.study_attrs,
        )
        Trial.objects.add([late])
    plan.close()

    with rdb_storage("optuna") as stock:
        stored = stock.get_study_system_attrs(study.id)
    assert stored == {key: first.study_attrs[key]}
    for history in (slow, session_registry.of(study), SamplerSession(study)):
        history.sync()
        assert history.get_study_system_attrs(study.id) == stored
