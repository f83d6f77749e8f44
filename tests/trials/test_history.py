import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState

from studies.errors import StudyNotFound
from studies.models import Study
from studies.options import Kind
from studies.samplers import SAMPLERS
from tests.stock import stock_storage, stock_url
from tests.trials.helpers import (
    ask,
    change,
    new_study,
    only,
    released,
    tell,
    wait_for_locks,
)
from trials.histories import Histories, histories
from trials.history import History
from trials.models import State, Trial
from trials.signals import trials_added

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def study(transactional_db: None) -> Study:
    return new_study(sampler="random")


def synced(study: Study) -> History:
    history = histories.of(study)
    history.sync()
    return history


def seen(history: History) -> list[tuple[int, str, list[float] | None, dict[int, float]]]:
    return [
        (trial.number, trial.state.name, trial.values, trial.intermediate_values)
        for trial in history.get_all_trials(0)
    ]


def described(history: History) -> list[str]:
    return [repr(trial) for trial in history.get_all_trials(0)]


# What it sees -----------------------------------------------------------------------------


def test_history_sees_what_is_committed(study):
    for _ in range(3):
        ask(study)
    tell(study, 1, 0.5, steps={1: 0.1, 5: float("inf")})
    tell(study, 0, state=State.PRUNED, steps={2: 0.25})
    assert seen(synced(study)) == [
        (0, "PRUNED", [0.25], {2: 0.25}),
        (1, "COMPLETE", [0.5], {1: 0.1, 5: float("inf")}),
        (2, "RUNNING", None, {}),
    ]


def test_history_sees_what_another_process_wrote(study):
    here, there = histories.of(study), Histories().of(study)
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
    assert [each.state for each in (earlier[0], later[0])] == [TrialState.RUNNING] * 2
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


def add_running(study: Study, n: int) -> None:
    with transaction.atomic():
        reserved = Trial.objects.reserve(study, {State.RUNNING: n})
        trials = [
            Trial(
                id=trial_id,
                study=study,
                number=number,
                state=State.RUNNING,
                internal_params=[0.01, 0.6, 16, 0],
                datetime_start=reserved.now,
                revision=reserved.revision,
            )
            for number, trial_id in enumerate(reserved.ids, reserved.first_number)
        ]
        Trial.objects.add(trials)


def rows_read(history: History) -> int:
    """How many rows a sync reads, which must be one statement by an index."""
    with CaptureQueriesContext(connection) as queries:
        history.sync()
    (query,) = (each["sql"] for each in queries if "trials_trial" in each["sql"])
    with connection.cursor() as cursor:
        cursor.execute(query)
        count = cursor.rowcount
        cursor.execute(f"EXPLAIN {query}")
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
    settings.HISTORY_MAX_TRIALS = 5
    a, b, c = (new_study(name, sampler="random") for name in "abc")
    for study in (a, b):
        ask(study)
        ask(study)
    first, second = synced(a), synced(b)
    assert histories.of(a) is first  # 4 trials fit
    ask(c)
    ask(c)
    third = synced(c)
    assert histories.of(c) is third  # 6 do not, and b was used least recently
    assert histories.of(a) is first
    assert histories.of(b) is not second


def test_history_in_use_stays_however_large_it_is(settings):
    settings.HISTORY_MAX_TRIALS = 1
    study = new_study(sampler="random")
    ask(study)
    ask(study)
    assert histories.of(study) is histories.of(study)
    assert ask(study).number == 2


# Drafts, and samplers that think for long ---------------------------------------------------


class WatchingSampler(RandomSampler):
    """Notes which trials it sees running when it draws."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[list[int]] = []

    def infer_relative_search_space(self, study: Any, trial: FrozenTrial) -> dict[str, Any]:
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        self.seen.append([each.number for each in running])
        return {}


class FailingSampler(RandomSampler):
    def __init__(self, at: str) -> None:
        super().__init__()
        setattr(self, at, self.fail)

    def fail(self, *args: Any) -> None:
        raise ZeroDivisionError


class WaitingSampler(RandomSampler):
    """Thinks until it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.thinks = threading.Event()
        self.goes_on = threading.Event()

    def infer_relative_search_space(self, study: Any, trial: FrozenTrial) -> dict[str, Any]:
        self.thinks.set()
        assert self.goes_on.wait(20)
        return {}


def offer(monkeypatch: pytest.MonkeyPatch, sampler: RandomSampler) -> Study:
    """A study with this sampler."""
    kind = Kind(build=lambda options, distributions: sampler, options={})
    monkeypatch.setitem(SAMPLERS, "special", kind)
    return new_study("special", sampler="special", pruner="none")


def test_draft_is_running_for_the_other_asks_of_its_process(monkeypatch):
    sampler = WatchingSampler()
    study = offer(monkeypatch, sampler)
    with ThreadPoolExecutor() as pool:
        with transaction.atomic():
            only(study).locked()  # nobody can commit
            first = pool.submit(released, ask, study)
            wait_for_locks(1)
            second = pool.submit(released, ask, study)
            wait_for_locks(2)
        numbers = {first.result(20).number, second.result(20).number}
    assert sampler.seen == [[0], [0, 1]]
    assert numbers == {0, 1}
    ask(study)
    assert sampler.seen[2] == [0, 1, 2]  # committed ones are not seen twice
    assert [number for number, *_ in seen(synced(study))] == [0, 1, 2]


def assert_nothing_is_left(study: Study) -> None:
    study.refresh_from_db()
    assert (study.next_number, study.n_running) == (0, 0)
    assert Trial.objects.count() == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM optuna.trials")
        assert cursor.fetchone() == (0,)
    assert synced(study).get_all_trials(0) == []


@pytest.mark.parametrize(
    "at", ["before_trial", "infer_relative_search_space", "sample_relative", "sample_independent"]
)
def test_ask_whose_sampler_raises_leaves_nothing(monkeypatch, at):
    study = offer(monkeypatch, FailingSampler(at))
    for _ in range(2):  # and holds no lock
        with pytest.raises(ZeroDivisionError):
            ask(study)
    assert_nothing_is_left(study)


def test_ask_whose_insert_fails_leaves_no_draft(study):
    def failing(**kwargs: object) -> None:
        raise ZeroDivisionError

    trials_added.connect(failing, sender=Trial, dispatch_uid="tests.failing")
    try:
        with pytest.raises(ZeroDivisionError):
            ask(study)
    finally:
        trials_added.disconnect(sender=Trial, dispatch_uid="tests.failing")
    assert_nothing_is_left(study)
    assert ask(study).number == 0


def test_ask_of_a_deleted_study_leaves_no_draft(study):
    history = histories.of(study)
    with ThreadPoolExecutor() as pool, pytest.raises(StudyNotFound):
        with transaction.atomic():
            only(study).locked()
            late = pool.submit(released, ask, study)
            wait_for_locks(1)
            study.delete()
        late.result(20)
    history.sync()  # as the next ask does
    assert history.get_all_trials(0) == []
    assert Trial.objects.count() == 0


def other_transactions() -> int:
    """Transactions that are open on other connections to this database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend' "
            "AND (xact_start IS NOT NULL OR state LIKE 'idle in transaction%%')"
        )
        return cursor.fetchone()[0]


def test_sampler_that_thinks_holds_no_connection_and_delays_nobody(monkeypatch):
    sampler = WaitingSampler()
    study = offer(monkeypatch, sampler)
    add_running(study, 1)
    other = new_study("other", sampler="random")
    with ThreadPoolExecutor() as pool:
        late = pool.submit(released, ask, study)
        also_late = pool.submit(released, ask, study)  # waits for the first
        try:
            assert sampler.thinks.wait(20)
            assert other_transactions() == 0
            stats = connection.pool.get_stats()  # type: ignore[attr-defined]
            # This thread's connection is the only one that is not in the pool.
            assert stats["pool_size"] - stats["pool_available"] == 1
            assert ask(other).number == 0
            assert tell(study, 0, 0.5).values == [0.5]
            assert tell(other, 0, 0.5).values == [0.5]
            assert not late.done()
            assert not also_late.done()
        finally:
            sampler.goes_on.set()
        assert {late.result(20).number, also_late.result(20).number} == {1, 2}


def test_study_can_be_deleted_while_its_sampler_thinks(monkeypatch):
    sampler = WaitingSampler()
    study = offer(monkeypatch, sampler)
    with ThreadPoolExecutor() as pool:
        late = pool.submit(released, ask, study)
        try:
            assert sampler.thinks.wait(20)
            Study.objects.get().delete()
        finally:
            sampler.goes_on.set()
        with pytest.raises(StudyNotFound):
            late.result(20)
    assert Trial.objects.count() == 0


FORKING = """
import json, os, sys
import django
django.setup()
from django.db import connection
from studies.models import Study
from trials.histories import histories

study = Study.objects.get()
history = histories.of(study)
history.sample()
held = history.lock.acquire()  # as another thread of the parent might
connection.close_pool()

def draw():
    return list(histories.of(study).sample().trial.params.values())

for _ in range(2):
    child = os.fork()
    if child == 0:
        assert histories.of(study) is not history
        print(json.dumps(draw()), flush=True)
        connection.close_pool()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
history.lock.release()
print(json.dumps(draw()), flush=True)
connection.close_pool()
"""


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsgaii"])
def test_forked_processes_are_no_twins(sampler):
    new_study(sampler=sampler)
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tuner_project.settings",
        "DATABASE_URL": stock_url("public").replace("postgresql+psycopg:", "postgresql:"),
        "PYTHONPATH": str(ROOT),
    }
    output = subprocess.run(
        [sys.executable, "-c", FORKING],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert output.returncode == 0, output.stderr
    drawn = [json.loads(line) for line in output.stdout.splitlines()]
    assert len(drawn) == 3
    assert len({repr(each) for each in drawn}) == 3


# NSGA-II ------------------------------------------------------------------------------------


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
    slow = Histories().of(study)  # another process: draws now, commits last
    draft = slow.sample()
    (key,) = draft.study_attrs
    assert sorted(draft.study_attrs[key]) == [trials[0].id, trials[1].id]

    tell(study, 2, 1.0)
    first = ask(study)
    assert sorted(first.study_attrs[key]) == [trials[0].id, trials[2].id]

    with transaction.atomic():
        reserved = Trial.objects.reserve(study, {State.RUNNING: 1})
        late = Trial(
            id=reserved.ids[0],
            study=study,
            number=reserved.first_number,
            state=State.RUNNING,
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
    for history in (slow, histories.of(study), History(study)):
        history.sync()
        assert history.get_study_system_attrs(study.id) == stored
