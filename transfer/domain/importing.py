"""Importing the studies of a file."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import IntegrityError, models, transaction

from access.actors import Actor
from access.models.audit_entry import Action
from studies.domain.audit import record_study
from studies.domain.limits import check_room_for_study
from studies.errors import StudyExists
from studies.models import SearchSpaceVersion, Study, check_seen
from transfer.domain.free_names import FreeNames
from transfer.domain.trial_writer import TrialWriter, store_notes
from transfer.file.reading import Section, sections
from transfer.file.system_attrs import DroppedAttributes
from tuner_project.db.database import lift_statement_timeout


class Conflict(models.TextChoices):
    """The treatment of an imported study whose name exists."""

    FAIL = "fail"
    SKIP = "skip"
    RENAME = "rename"


class Result(models.TextChoices):
    """The outcome for an imported study."""

    CREATED = "created"
    RENAMED = "renamed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Imported:
    """The result for a study of the file; `imported_as` is None if it was skipped.

    `dropped` are the attributes that were left out.
    """

    study_name: str
    imported_as: str | None
    outcome: Result
    n_trials: int
    dropped: DroppedAttributes

    def __str__(self) -> str:
        if self.outcome == Result.SKIPPED:
            return f'study "{self.study_name}": exists, skipped'
        name = f' as "{self.imported_as}"' if self.outcome == Result.RENAMED else ""
        dropped = f"; {self.dropped}" if self.dropped else ""
        return f'study "{self.study_name}": imported{name} with {self.n_trials} trials{dropped}'


@transaction.atomic
def import_studies(
    *,
    actor: Actor,
    lines: Iterable[bytes],
    conflict: Conflict = Conflict.FAIL,
    dry_run: bool = False,
    drops_misshapen: bool = False,
) -> list[Imported]:
    """Store the studies of a file, all or none; a dry run is rolled back at the end.

    The studies are stored as they were exported: trials keep their numbers, and running trials
    their workers and leases. A file that cannot be stored exactly is rejected; system attributes
    that are not allowed are left out, and also those of another type if `drops_misshapen`.

    Raises:
        BadLine: A line is invalid; the error has its number and the reason.
        StudyExists: A name exists, and `conflict` is FAIL.
        StudyNotFound: The actor may not see studies with one of the names.
        TooManyStudies, TooManyTrials: The limit of studies or trials is reached.
    """
    lift_statement_timeout()
    names = FreeNames()
    read = sections(lines, drops_misshapen=drops_misshapen)
    imported = [_store(section, conflict, actor, names) for section in read]
    if dry_run:
        transaction.set_rollback(True)
    return imported


def save_new(study: Study, actor: Actor) -> None:
    """Store a new study; raises `StudyExists` if its name exists in one of the schemas."""
    if not _is_saved(study, actor):
        raise StudyExists(f'study "{study.name}" exists')


def store_versions(study: Study, versions: Iterable[SearchSpaceVersion]) -> None:
    """Store the versions of a new study's search space."""
    for version in versions:
        version.pk, version.study = None, study
        version.save(force_insert=True)


def _store(section: Section, conflict: Conflict, actor: Actor, names: FreeNames) -> Imported:
    study, name = section.study, section.study.name
    result = _save(study, conflict, actor, names)
    if result == Result.SKIPPED:
        deque(section.trials(), maxlen=0)  # validates the trials
        return Imported(name, None, result, section.n_trials, DroppedAttributes())
    store_versions(study, section.versions)
    writer = TrialWriter(study)
    for trial, size in section.trials():
        writer.put(trial, size)
    writer.finish()
    store_notes(study, section.notes)
    if metric_names := section.old_metric_names:
        study.metric_names = metric_names
        study.save(update_fields=["metric_names"])
    record_study(
        actor, Action.IMPORTED, study, trials=section.n_trials, **section.dropped.details()
    )
    return Imported(name, study.name, result, section.n_trials, section.dropped)


def _save(study: Study, conflict: Conflict, actor: Actor, names: FreeNames) -> Result:
    """Store the study without its trials, under its own name or, to resolve a conflict, another."""
    if conflict == Conflict.FAIL:
        save_new(study, actor)
        return Result.CREATED
    if _is_saved(study, actor):
        return Result.CREATED
    if conflict == Conflict.SKIP:
        return Result.SKIPPED
    for name in names.of(study.name):
        study.name = name
        if _is_saved(study, actor):
            break
    return Result.RENAMED


def _is_saved(study: Study, actor: Actor) -> bool:
    """Store a study unless its name exists; return whether it was stored.

    Raises:
        StudyNotFound: The actor may not see studies with this name.
    """
    check_seen(study.name, actor)
    if Study.objects.filter(name=study.name).exists():
        return False
    check_room_for_study()
    try:
        with transaction.atomic():
            study.save(force_insert=True)
    except IntegrityError as error:  # created concurrently, or by stock Optuna in its schema
        if not _is_of_names(error):
            raise
        study.id, study._state.adding = Study().id, True  # restore the unsaved state
        return False
    return True


def _is_of_names(error: IntegrityError) -> bool:
    """Return whether a unique name in Django's or Optuna's table of studies was violated."""
    diagnosis = getattr(error.__cause__, "diag", None)
    return diagnosis is not None and "name" in (diagnosis.constraint_name or "")
