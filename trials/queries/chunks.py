"""The trials of a study in chunks that are bounded in bytes, for reading all of them."""

from collections.abc import Iterator
from dataclasses import replace

from studies.models import Study
from trials.models import Trial
from trials.models.querysets import TrialQuerySet
from trials.queries.page_size import PageBytes

CHUNK = 200  # trials per statement, at most: each reads MAX_PAGE_BYTES at most


def chunks_of(study: Study, trials: TrialQuerySet) -> Iterator[list[Trial]]:
    """Yield trials of the study by number, in chunks; each is one statement and not empty.

    A trial's attribute `size` is about its number of bytes.
    """
    trials, after = trials.order_by("number"), -1
    page = PageBytes.of(study)
    while chunk := replace(page).read(trials.filter(number__gt=after), 0, CHUNK):
        for trial in chunk:
            trial.study = study
        after = chunk[-1].number
        yield chunk
