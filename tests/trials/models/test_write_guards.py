"""Writes that bypass the manager's two methods are refused, or reach Optuna's schema as well."""

import json

import pytest
from django.core.management import call_command
from django.core.serializers.base import DeserializationError
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models.signals import post_save

from optuna_bridge.enums import TrialState
from studies.models import DirectWriteRefused, Study
from tests.support.study_builders import ask_trial, build_study, named, tell_trial
from trials.models import IntermediateValue, Trial
from trials.projection.consistency import differences
from trials.signals import study_attrs_added, trials_added, trials_changed


@pytest.fixture
def study(db: None) -> Study:
    """A study with a COMPLETE trial that has a step, and a RUNNING one."""
    study = build_study(user_attrs={"team": "ours"})
    ask_trial(study)
    tell_trial(study, 0, 0.5, steps={1: 0.4}, attrs={"seen": 1})
    ask_trial(study)
    return study


def snapshot() -> dict[str, list[tuple]]:
    """Every row of Optuna's tables and of ours."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT schemaname || '.' || tablename FROM pg_tables "
            "WHERE schemaname = 'optuna' OR tablename ~ '^(studies|trials)_'"
        )
        names = sorted(name for (name,) in cursor.fetchall())
        found = {}
        for name in names:
            cursor.execute(f"SELECT t::text FROM {name} AS t ORDER BY 1")
            found[name] = cursor.fetchall()
    return found


def optuna_rows() -> dict[str, int]:
    """How many rows each of Optuna's tables has, those of versions apart."""
    return {
        name: len(rows)
        for name, rows in snapshot().items()
        if name.startswith("optuna.") and rows and "version" not in name
    }


def a_trial(study: Study, number: int = 2) -> Trial:
    return Trial(
        id=10**6,
        study=study,
        number=number,
        state=TrialState.RUNNING,
        internal_params=[0.1, 0.6, 16, 0],
        revision=99,
    )


def a_step(study: Study) -> IntermediateValue:
    return IntermediateValue(trial=study.trials.get(number=1), step=7, value=1.0)


def changed(row, **values):
    for name, value in values.items():
        setattr(row, name, value)
    return row


FIELDS = {"number": 2, "state": "RUNNING", "internal_params": [0.1, 0.6, 16, 0], "revision": 9}

AROUND_TRIALS = {
    "save a new one": lambda s: a_trial(s).save(),
    "save a new one, forced": lambda s: a_trial(s).save(force_insert=True),
    "save": lambda s: changed(s.trials.first(), state="FAIL").save(),
    "save fields": lambda s: changed(s.trials.first(), state="FAIL").save(update_fields=["state"]),
    "save_base": lambda s: changed(s.trials.first(), state="FAIL").save_base(),
    "save_base raw": lambda s: changed(s.trials.first(), state="FAIL").save_base(raw=True),
    "delete": lambda s: s.trials.first().delete(),
}


def _around(manager):
    """The writes of a manager or a queryset of trials, by name."""
    return {
        "create": lambda s: manager(s).create(id=10**6, study=s, **FIELDS),
        "bulk_create": lambda s: manager(s).bulk_create([a_trial(s)]),
        "bulk_create, updating": lambda s: manager(s).bulk_create(
            [a_trial(s)], update_conflicts=True, unique_fields=["id"], update_fields=["state"]
        ),
        "update": lambda s: manager(s).update(state="FAIL"),
        "bulk_update": lambda s: manager(s).bulk_update(
            [changed(s.trials.first(), state="FAIL")], ["state"]
        ),
        "get_or_create": lambda s: manager(s).get_or_create(id=10**6, defaults=FIELDS),
        "update_or_create": lambda s: manager(s).update_or_create(
            number=0, defaults={"state": "FAIL"}
        ),
        "filtered update": lambda s: manager(s).filter(number=0).update(state="FAIL"),
        "filtered delete": lambda s: manager(s).filter(number=0).delete(),
        "delete all": lambda s: manager(s).all().delete(),
    }


MANAGERS = {
    "objects": lambda s: Trial.objects,
    "study.trials": lambda s: s.trials,
    "_base_manager": lambda s: Trial._base_manager,
    "_default_manager": lambda s: Trial._default_manager,
    "queryset": lambda s: Trial.objects.with_steps(),
}
for _name, _manager in MANAGERS.items():
    AROUND_TRIALS |= {f"{_name}.{how}": write for how, write in _around(_manager).items()}
AROUND_TRIALS |= {
    "study.trials.add": lambda s: s.trials.add(changed(s.trials.first(), state="FAIL")),
    "study.trials.add, one by one": lambda s: s.trials.add(a_trial(s), bulk=False),
    "study.trials.set": lambda s: s.trials.set([]),
}


@pytest.mark.parametrize("way", AROUND_TRIALS)
def test_trial_refuses_unprojected_writes(study, way):
    before = snapshot()
    with pytest.raises(DirectWriteRefused), transaction.atomic():
        AROUND_TRIALS[way](study)
    assert snapshot() == before


def _around_steps(manager):
    return {
        "create": lambda s: manager(s).create(trial=s.trials.get(number=1), step=7, value=1.0),
        "bulk_create": lambda s: manager(s).bulk_create([a_step(s)]),
        "update": lambda s: manager(s).update(value=9.0),
        "bulk_update": lambda s: manager(s).bulk_update(
            [changed(IntermediateValue.objects.get(), value=9.0)], ["value"]
        ),
        "get_or_create": lambda s: manager(s).get_or_create(step=7, defaults={"value": 1.0}),
        "update_or_create": lambda s: manager(s).update_or_create(step=1, defaults={"value": 9.0}),
        "delete": lambda s: manager(s).all().delete(),
    }


AROUND_STEPS = {
    "save a new one": lambda s: a_step(s).save(),
    "save": lambda s: changed(IntermediateValue.objects.get(), value=9.0).save(),
    "save_base": lambda s: a_step(s).save_base(),
    "delete one": lambda s: IntermediateValue.objects.get().delete(),
} | {
    f"{name}.{how}": write
    for name, manager in {
        "objects": lambda s: IntermediateValue.objects,
        "_base_manager": lambda s: IntermediateValue._base_manager,
        "related": lambda s: s.trials.get(number=0).intermediate_value_set,
    }.items()
    for how, write in _around_steps(manager).items()
}


@pytest.mark.parametrize("way", AROUND_STEPS)
def test_intermediate_value_refuses_unprojected_writes(study, way):
    before = snapshot()
    with pytest.raises(DirectWriteRefused), transaction.atomic():
        AROUND_STEPS[way](study)
    assert snapshot() == before


AROUND_STUDIES = {
    "update": lambda s: Study.objects.update(name="other"),
    "filtered update": lambda s: Study.objects.filter(pk=s.pk).update(name="other"),
    "_base_manager.update": lambda s: Study._base_manager.update(name="other"),
    "bulk_create": lambda s: Study.objects.bulk_create([Study(name="other")]),
    "bulk_update": lambda s: Study.objects.bulk_update([changed(s, name="other")], ["name"]),
}


@pytest.mark.parametrize("way", AROUND_STUDIES)
def test_study_refuses_writes_without_signals(study, way):
    before = snapshot()
    with pytest.raises(DirectWriteRefused), transaction.atomic():
        AROUND_STUDIES[way](study)
    assert snapshot() == before


@pytest.mark.parametrize("model", ["trials.trial", "trials.intermediatevalue"])
def test_loaddata_of_trials_is_refused(study, tmp_path, model):
    fixture = tmp_path / "trials.json"
    call_command("dumpdata", model, output=str(fixture), verbosity=0)
    objects = json.loads(fixture.read_text())
    assert objects
    for each in objects:
        each["fields"] |= {"state": "FAIL"} if "state" in each["fields"] else {}
    fixture.write_text(json.dumps(objects))
    before = snapshot()
    with pytest.raises((DirectWriteRefused, DeserializationError)), transaction.atomic():
        call_command("loaddata", str(fixture), verbosity=0)
    assert snapshot() == before


def test_save_of_a_study_is_projected(study):
    study.user_attrs = {"other": [1.0, None]}
    study.save()
    rows = snapshot()
    assert len(rows["optuna.study_user_attributes"]) == 1
    assert "other" in rows["optuna.study_user_attributes"][0][0]


def test_save_of_a_stale_study_keeps_its_counters(study):
    stale = Study.objects.get()
    ask_trial(study)
    tell_trial(study, 1, 0.75)
    fresh = Study.objects.get()
    stale.user_attrs = {"team": "theirs"}
    stale.save()
    stored = Study.objects.get()
    assert stored.user_attrs == {"team": "theirs"}
    for field in ("next_number", "revision", "best_number", "best_values", "trial_counts"):
        assert getattr(stored, field) == getattr(fresh, field), field
    assert stored.trial_counts == {
        "WAITING": 0,
        "RUNNING": 1,
        "COMPLETE": 2,
        "PRUNED": 0,
        "FAIL": 0,
    }
    assert ask_trial(study).number == 3


@pytest.mark.parametrize(
    "delete",
    [
        lambda study: study.delete(),
        lambda study: Study.objects.filter(pk=study.pk).delete(),
        lambda study: Study._base_manager.filter(pk=study.pk).delete(),
    ],
    ids=["instance", "queryset", "base manager"],
)
def test_deletion_of_a_study_empties_both_schemas(study, delete):
    other = build_study("other")
    ask_trial(other)
    tell_trial(other, 0, 1.0, steps={2: 1.0}, attrs={"a": 1})
    with connection.cursor() as cursor:  # what only Optuna's own tools write
        cursor.execute(
            "INSERT INTO optuna.trial_heartbeats (trial_id, heartbeat) "
            "SELECT trial_id, now() FROM optuna.trials"
        )
        cursor.execute(
            "INSERT INTO optuna.study_system_attributes (study_id, key, value_json) "
            "SELECT study_id, 'x', '1' FROM optuna.studies"
        )
    delete(study)
    assert optuna_rows() == {
        "optuna.studies": 1,
        "optuna.study_directions": 1,
        "optuna.study_system_attributes": 1,
        "optuna.trial_heartbeats": 1,
        "optuna.trial_intermediate_values": 1,
        "optuna.trial_params": 4,
        "optuna.trial_user_attributes": 1,
        "optuna.trial_values": 1,
        "optuna.trials": 1,
    }
    assert [trial.study for trial in Trial.objects.all()] == [other]
    assert IntermediateValue.objects.count() == 1
    delete(other)
    assert optuna_rows() == {}


def add_study_attrs(study):
    with transaction.atomic():
        Trial.objects.add_study_attrs(named(study).locked(), {0: {"noted": 1}})


def failing(**kwargs: object) -> None:
    raise ZeroDivisionError


def failing_in_the_database(**kwargs: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 / 0")


@pytest.mark.parametrize(
    ("signal", "sender", "act"),
    [
        (trials_added, Trial, lambda s: ask_trial(s)),
        (trials_changed, Trial, lambda s: tell_trial(s, 1, 0.9, steps={3: 0.1}, attrs={"a": 1})),
        (trials_changed, Trial, lambda s: tell_trial(s, 1, state=TrialState.PRUNED)),
        (study_attrs_added, Trial, add_study_attrs),
        (post_save, Study, lambda s: build_study("other", user_attrs={"a": 1})),
        (post_save, Study, lambda s: changed(s, name="other").save()),
    ],
    ids=["ask", "tell", "prune", "add study attributes", "create", "save"],
)
@pytest.mark.parametrize(
    ("receiver", "error"), [(failing, ZeroDivisionError), (failing_in_the_database, DataError)]
)
@pytest.mark.django_db(transaction=True)
def test_error_in_a_receiver_rolls_back_both_schemas(signal, sender, act, receiver, error):
    study = build_study()
    ask_trial(study)
    tell_trial(study, 0, 0.5)
    ask_trial(study)
    before = snapshot()
    signal.connect(receiver, sender=sender, dispatch_uid="tests.failing")
    try:
        with pytest.raises(error):
            act(study)
    finally:
        assert signal.disconnect(sender=sender, dispatch_uid="tests.failing")
    assert snapshot() == before
    assert ask_trial(Study.objects.get()).number == 2


def test_study_attributes_are_carried_into_optunas_schema(study):
    add_study_attrs(study)
    assert study.trials.get(number=0).study_attrs == {"noted": 1}
    assert optuna_rows()["optuna.study_system_attributes"] == 1
    assert list(differences(study)) == []


@pytest.mark.django_db(transaction=True)
def test_refused_insert_leaves_the_transaction_around_it_usable():
    study = build_study()
    repeated = ask_trial(study)
    with transaction.atomic():
        locked = named(study).locked()
        with pytest.raises(IntegrityError, match="trial"), transaction.atomic():
            Trial.objects.add([repeated])
        tell_trial(locked, 0, 0.5)
    assert Study.objects.get().trial_counts["COMPLETE"] == 1
    assert list(differences(study)) == []


@pytest.mark.parametrize(
    "field",
    sorted({field.attname for field in Study._meta.concrete_fields} - {"id"} - Study.CHANGEABLE),
)
def test_stored_definition_and_counters_cannot_be_saved(study, field):
    with pytest.raises(DirectWriteRefused, match=field):
        study.save(update_fields=[field])


def test_save_of_a_changed_study_stores_its_user_attributes_alone(study):
    study.user_attrs, study.directions, study.next_number = {"a": 1}, ["minimize"], 7
    study.save()
    stored = Study.objects.get()
    assert (stored.user_attrs, stored.directions, stored.next_number) == ({"a": 1}, ["maximize"], 2)
    assert list(differences(stored)) == []
