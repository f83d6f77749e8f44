"""A study as the lines of a file."""

from collections.abc import Generator, Sequence
from contextlib import closing

from studies.models import NamedStudy, Study
from trials.consistency import snapshot
from trials.models import Trial
from trials.transfer.format import all_parents, encoded, end_line, study_line, trial_line

CHUNK = 200  # trials that are read at once
BLOCK = 64 * 1024  # bytes that are sent at once


def export_lines(*, named: NamedStudy) -> Generator[bytes]:
    """The study of a name as it is at one moment, line by line.

    It is read in chunks in one transaction, which ends when the lines do, or when nobody wants
    more of them. Raises `StudyNotFound` before the first line.
    """
    with snapshot():
        study = named.one()
        yield encoded(study_line(study))
        for first in range(0, study.n_trials, CHUNK):
            trials = list(study.trials.page(limit=CHUNK, offset=first))
            numbers = _numbers_of_parents(study, trials)
            for trial in trials:
                yield encoded(trial_line(trial, numbers))
        yield encoded(end_line(study.name, study.n_trials))


def in_blocks(first: bytes, lines: Generator[bytes]) -> Generator[bytes]:
    """The first line and the others in larger pieces; to close this closes the lines."""
    block = bytearray(first)
    with closing(lines):
        for line in lines:
            block += line
            if len(block) >= BLOCK:
                yield bytes(block)
                block.clear()
        yield bytes(block)


def _numbers_of_parents(study: Study, trials: Sequence[Trial]) -> dict[int, int]:
    """By id, the numbers of the trials that these name as parents."""
    ids = all_parents([trial.study_attrs for trial in trials if trial.study_attrs])
    if not ids:
        return {}
    return dict(Trial.objects.filter(study_id=study.id, id__in=ids).values_list("id", "number"))
