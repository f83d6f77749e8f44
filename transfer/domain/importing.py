"""The studies of a file, stored."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db import IntegrityError, models, transaction

from access.actors import Actor
from access.models.audit_entry import Action
from studies.api.serializers import MAX_NAME
from studies.domain.audit import record_study
from studies.domain.limits import check_room_for_study
from studies.errors import StudyExists
from studies.models import Study, check_seen
from transfer.domain.trial_writer import TrialWriter, store_notes
from transfer.file.reading import Section, sections
from tuner_project.db.database import lift_statement_timeout


class Conflict(models.TextChoices):
    """What becomes of a study whose name is taken."""

    FAIL = "fail"
    SKIP = "skip"
    RENAME = "rename"


class Result(models.TextChoices):
    """What became of a study of the file."""

    CREATED = "created"
    RENAMED = "renamed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Imported:
    """A study of the file; `imported_as` is None where it was skipped."""

    study_name: str
    imported_as: str | None
    outcome: Result
    n_trials: int

    def __str__(self) -> str:
        if self.outcome == Result.SKIPPED:
            return f'study "{self.study_name}": exists, skipped'
        name = f' as "{self.imported_as}"' if self.outcome == Result.RENAMED else ""
        return f'study "{self.study_name}": imported{name} with {self.n_trials} trials'


@transaction.atomic
def import_studies(
    *,
    actor: Actor,
    lines: Iterable[bytes],
    conflict: Conflict = Conflict.FAIL,
    dry_run: bool = False,
) -> list[Imported]:
    """Store the studies of a file, all or none; a dry run does the same and takes it back.

    They are as they were when they were exported: trials keep their numbers, running ones their
    workers and leases. A file that cannot be stored exactly is refused.

    Raises:
        BadLine: names the line, and what is wrong with it.
        StudyExists: the name of one is taken, and a conflict is to fail.
        StudyNotFound: the actor does not see studies of the name of one.
        TooManyStudies, TooManyTrials
    """
    lift_statement_timeout()
    imported = [_store(section, conflict, actor) for section in sections(lines)]
    if dry_run:
        transaction.set_rollback(True)
    return imported


def save_new(study: Study, actor: Actor) -> None:
    """Store a new study; raises `StudyExists` where its name is taken in one of the schemas."""
    if not _is_saved(study, actor):
        raise StudyExists(f'study "{study.name}" exists')


def _store(section: Section, conflict: Conflict, actor: Actor) -> Imported:
    study, name = section.study, section.study.name
    result = _save(study, conflict, actor)
    if result == Result.SKIPPED:
        deque(section.trials(), maxlen=0)  # checked nevertheless
        return Imported(name, None, result, section.n_trials)
    writer = TrialWriter(study)
    for trial, size in section.trials():
        writer.put(trial, size)
    writer.flush()
    store_notes(study, section.notes)
    record_study(actor, Action.IMPORTED, study, trials=section.n_trials)
    return Imported(name, study.name, result, section.n_trials)


def _save(study: Study, conflict: Conflict, actor: Actor) -> Result:
    """Store the study without its trials, under its own name or, where that is to be, another."""
    if conflict == Conflict.FAIL:
        save_new(study, actor)
        return Result.CREATED
    if _is_saved(study, actor):
        return Result.CREATED
    if conflict == Conflict.SKIP:
        return Result.SKIPPED
    for name in _other_names(study.name):
        study.name = name
        if _is_saved(study, actor):
            break
    return Result.RENAMED


def _is_saved(study: Study, actor: Actor) -> bool:
    """Store it, unless its name is taken; raises `StudyNotFound` where the actor sees no such."""
    check_seen(study.name, actor)
    if Study.objects.filter(name=study.name).exists():
        return False
    check_room_for_study()
    try:
        with transaction.atomic():
            study.save(force_insert=True)
    except IntegrityError as error:  # another request was faster, or stock Optuna made it
        if not _is_of_names(error):
            raise
        study.id, study._state.adding = Study().id, True  # as before
        return False
    return True


def _is_of_names(error: IntegrityError) -> bool:
    """Whether a name is taken, in Django's or in Optuna's table of studies."""
    diagnosis = getattr(error.__cause__, "diag", None)
    return diagnosis is not None and "name" in (diagnosis.constraint_name or "")


def _other_names(name: str) -> Iterator[str]:
    """Yield other names: `name (2)`, `name (3)` and so on."""
    n = 2
    while True:
        suffix = f" ({n})"
        yield name[: MAX_NAME - len(suffix)] + suffix
        n += 1
