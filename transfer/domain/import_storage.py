"""Importing the studies of a stock Optuna storage."""

from collections.abc import Callable

from django.db import transaction

from access.actors import Actor
from transfer.domain.importing import Conflict, Imported, import_studies
from transfer.optuna_source.lines import DEFAULT_KINDS, Kinds, Lines, refusals, study_lines
from transfer.optuna_source.storage import opened_storage, stored_studies


@transaction.atomic
def import_storage(
    *,
    actor: Actor,
    url: str,
    name: str | None = None,
    kinds: Kinds = DEFAULT_KINDS,
    conflict: Conflict = Conflict.FAIL,
    dry_run: bool = False,
    shown: Callable[[Lines], Lines] = iter,
) -> list[Imported]:
    """Import the studies of a storage, all or none, as `import_studies` does.

    Args:
        actor: The actor that imports.
        url: The URL of a database, or the path of a journal file.
        name: The name of one study; None means all studies.
        kinds: The sampler and the pruner, which Optuna does not store.
        conflict: The treatment of a study whose name exists.
        dry_run: Check everything, but store nothing.
        shown: Wraps the iterator over a study's lines, for example to show progress.

    Returns:
        The outcome for each study.

    Raises:
        AdoptionRefused: The storage cannot be read, or a study cannot be represented exactly.
        StudyExists: A name exists, and `conflict` is FAIL.
    """
    imported: list[Imported] = []
    with opened_storage(url) as storage:
        for study in stored_studies(storage, name):
            with refusals(f'study "{study.study_name}": '):
                lines = shown(study_lines(study, kinds))
                imported += import_studies(
                    actor=actor, lines=lines, conflict=conflict, dry_run=dry_run
                )
    return imported
