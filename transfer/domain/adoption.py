"""Adoption: adding a study that stock Optuna created in its schema to Django's schema."""

from dataclasses import dataclass

import optuna
from django.db import transaction

from access.actors import Actor
from access.models.audit_entry import Action
from optuna_bridge.accessors import study_id, trial_id
from optuna_bridge.storage.storage import DjangoStorage
from studies.domain.audit import record_study
from studies.models import Study
from transfer.domain.trial_writer import TrialWriter, store_notes
from transfer.file.reading import Section, sections
from transfer.file.system_attrs import DroppedAttributes
from transfer.optuna_source.lines import SourceOptions, refusals, study_lines
from transfer.optuna_source.oddities import AdoptionRefused, NoOddities
from trials.projection.consistency import differences
from trials.projection.trial_rows import delete_foreign_attributes


@dataclass(frozen=True)
class Adopted:
    """The adopted study, and those of its attributes that are not on the allow-list."""

    study: Study
    dropped: DroppedAttributes


@transaction.atomic
def adopt(*, actor: Actor, name: str) -> Adopted:
    """Add a study that exists only in Optuna's schema to Django's, with its trials and ids.

    It gets the default sampler and pruner, because Optuna stores neither. A study that could not be
    imported, or whose rows in Django would differ from Optuna's, is refused. System attributes that
    an import would drop are deleted in Optuna's schema.

    Raises:
        AdoptionRefused: The message has the reason in one line; nothing is changed.
    """
    if Study.objects.filter(name=name).exists():
        raise AdoptionRefused(f'study "{name}" is in Django already')
    try:
        source = optuna.load_study(study_name=name, storage=DjangoStorage())
    except KeyError:
        raise AdoptionRefused(f'there is no study "{name}" in Optuna\'s schema') from None
    lines = study_lines(source, name, SourceOptions(keeps_running=True), NoOddities())
    with refusals(source):
        for section in sections(lines):
            study, dropped = _stored(section, source), section.dropped
            details = dropped.details()
            record_study(actor, Action.ADOPTED, study, trials=section.n_trials, **details)
    if dropped:
        delete_foreign_attributes(study)
    difference = next(differences(study), None)
    if difference:
        raise AdoptionRefused(f"the adopted study would differ: {difference}")
    return Adopted(study, dropped)


def _stored(section: Section, source: optuna.Study) -> Study:
    """Store the study of a section, with the ids of Optuna's schema for it and its trials."""
    study = section.study
    study.id = study_id(source)
    study.save(force_insert=True)
    ids = [trial_id(trial) for trial in source.get_trials(deepcopy=False)]
    writer = TrialWriter(study)
    for trial, size in section.trials():
        trial.id = ids[trial.number]
        writer.put(trial, size)
    writer.flush()
    store_notes(study, section.notes)
    return study
