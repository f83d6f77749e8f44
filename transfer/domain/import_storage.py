"""Importing the studies of a stock Optuna storage."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace

from django.db import transaction

from access.actors import Actor
from transfer.domain.importing import Conflict, Imported, Result, import_studies
from transfer.optuna_source.lines import DEFAULTS, Lines, SourceOptions, refusals, study_lines
from transfer.optuna_source.names import usable_names
from transfer.optuna_source.oddities import AdoptionRefused, Oddities, Rule
from transfer.optuna_source.storage import OptunaSource, opened_source
from tuner_project.errors import DomainError


@dataclass(frozen=True)
class StorageImport:
    """What is imported from a storage, and how.

    Attributes:
        url: The URL of a database, or the path of a journal file.
        study_name: The name of one study; None means all studies.
        new_name: The name that this one study gets here.
        time_zone: The time zone of the times that an Optuna before 5 stored; None is UTC.
        options: What Optuna does not store.
        conflict: The treatment of a study whose name exists.
        is_atomic: Whether a refused study prevents the import of the others.
        dry_run: Check everything, but store nothing.
    """

    url: str
    study_name: str | None = None
    new_name: str | None = None
    time_zone: str | None = None
    options: SourceOptions = DEFAULTS
    conflict: Conflict = Conflict.FAIL
    is_atomic: bool = False
    dry_run: bool = False


@dataclass(frozen=True)
class FromStorage:
    """The outcome for one study of a storage: `imported`, or why it was `refused`."""

    study_name: str
    oddities: Oddities
    imported: Imported | None = None
    refused: str | None = None

    def __str__(self) -> str:
        """Return a line, and one more for each rule that was applied to an imported study."""
        study = f'study "{self.study_name}": '
        if self.imported is None:
            return f"{study}refused: {self.refused}"
        return "\n".join([str(self.imported), *(study + each for each in self.oddities.lines())])


def import_storage(
    *, actor: Actor, request: StorageImport, shown: Callable[[Lines], Lines] = iter
) -> list[FromStorage]:
    """Import the studies of a storage, each as `import_studies` does, or refuse it.

    What the service cannot store as it is, is imported by the rules of `Rule`. If the import is
    atomic, and one study is refused, none is stored.

    Args:
        actor: The actor that imports.
        request: What is imported, and how.
        shown: Wraps the iterator over a study's lines, for example to show progress.

    Returns:
        The outcome for each study.

    Raises:
        AdoptionRefused: The storage cannot be read, or has no such study.
    """
    with (
        opened_source(request.url, request.time_zone) as source,
        transaction.atomic() if request.is_atomic else nullcontext(),
    ):
        found = list(_outcomes(actor, request, source, shown))
        if request.is_atomic and any(each.refused for each in found):
            transaction.set_rollback(True)
    return found


def _outcomes(
    actor: Actor, request: StorageImport, source: OptunaSource, shown: Callable[[Lines], Lines]
) -> Iterator[FromStorage]:
    names = source.names(request.study_name)
    if request.new_name is not None and len(names) > 1:
        raise AdoptionRefused(f"{len(names)} studies cannot all have the same new name: choose one")
    # Of all studies, so that a study has the same name here when it is imported alone.
    usable = usable_names(source.names(None))
    for name in names:
        new_name = request.new_name or usable[name]
        oddities = Oddities()
        try:
            imported = _import(actor, request, source, name, new_name, oddities, shown)
        except (AdoptionRefused, DomainError) as error:
            yield FromStorage(name, oddities, refused=str(error))
        else:
            yield FromStorage(name, oddities, imported)


def _import(
    actor: Actor,
    request: StorageImport,
    source: OptunaSource,
    name: str,
    new_name: str,
    oddities: Oddities,
    shown: Callable[[Lines], Lines],
) -> Imported:
    study = source.study(name)
    if new_name != name and request.new_name is None:
        oddities.note(Rule.NAME, f"{name!r} cannot be used as a name")
    options = replace(request.options, aware=source.aware, times_rule=source.times_rule)
    with refusals(study):
        (imported,) = import_studies(
            actor=actor,
            lines=shown(study_lines(study, new_name, options, oddities)),
            conflict=request.conflict,
            dry_run=request.dry_run,
            drops_misshapen=True,
        )
    if imported.outcome == Result.CREATED and new_name != name:
        return replace(imported, study_name=name, outcome=Result.RENAMED)
    return replace(imported, study_name=name)
