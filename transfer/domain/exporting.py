"""Exporting studies as the lines of a file."""

from collections.abc import Generator, Sequence

from studies.models import NamedStudy, Study
from transfer.domain.attachments import with_attachments
from transfer.file.format import all_parents, encoded, end_line, study_line, trial_line
from transfer.file.space_versions import version_line
from trials.models import Trial
from trials.projection.consistency import snapshot
from trials.queries.chunks import chunks_of


def export_lines(*, named: NamedStudy) -> Generator[bytes]:
    """Yield the lines of a study from one consistent snapshot.

    It is read in chunks in one transaction, which ends with the generator.

    Raises:
        StudyNotFound: Before the first line.
        RuntimeError: A transaction is open already, which may not see a consistent snapshot.
    """
    with snapshot():
        study = named.one()
        yield encoded(study_line(study))
        if study.search_space_version > 1:
            for version in study.search_space_versions.order_by("version").iterator():
                yield encoded(version_line(version))
        n_yielded = 0
        chunks = chunks_of(study, study.trials.with_steps())
        for trials in with_attachments(chunks, with_logs=True):
            numbers = _numbers_of_parents(study, trials)
            for trial in trials:
                yield encoded(trial_line(trial, numbers))
            n_yielded += len(trials)
        if n_yielded != study.n_trials:  # a file with an end line would look complete
            raise RuntimeError(f"{n_yielded} of {study.n_trials} trials of {study.name!r} are left")
        yield encoded(end_line(study.name, n_yielded))


def lines_of_studies(names: Sequence[str]) -> Generator[bytes]:
    """Yield the lines of several studies, each from its own consistent snapshot."""
    for name in names:
        yield from export_lines(named=NamedStudy(name))


def _numbers_of_parents(study: Study, trials: Sequence[Trial]) -> dict[int, int]:
    """Return the numbers, by id, of the trials that are parents in the attributes of `trials`."""
    ids = all_parents([trial.study_attrs for trial in trials if trial.study_attrs])
    if not ids:
        return {}
    return dict(Trial.objects.filter(study_id=study.id, id__in=ids).values_list("id", "number"))
