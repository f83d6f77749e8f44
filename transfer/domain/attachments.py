"""Notes, links and logs of trials that come and go."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from transfer.file.attachments import annotation_of, log_of
from trials.models import Annotation, Trial, TrialLog

Attached = TypeVar("Attached", Annotation, TrialLog)


def with_attachments(
    chunks: Iterable[Sequence[Trial]], *, with_logs: bool
) -> Iterator[Sequence[Trial]]:
    """Yield chunks of trials, with `annotation` and `log` set on those that have them."""
    for chunk in chunks:
        by_id = {trial.id: trial for trial in chunk}
        for annotation in Annotation.objects.filter(pk__in=by_id):
            by_id[annotation.pk].annotation = annotation
        logs = TrialLog.objects.filter(pk__in=by_id) if with_logs else ()
        for log in logs:
            by_id[log.pk].log = log
        yield chunk


def store_attachments(trials: Sequence[Trial]) -> None:
    """Store what is set on new trials, which are stored and have their ids."""
    annotations = [(trial, annotation_of(trial)) for trial in trials]
    logs = [(trial, log_of(trial)) for trial in trials]
    if new_annotations := [_of(trial, each) for trial, each in annotations if each is not None]:
        Annotation.objects.bulk_create(new_annotations)
    if new_logs := [_of(trial, each) for trial, each in logs if each is not None]:
        TrialLog.objects.bulk_create(new_logs)


def _of(trial: Trial, attached: Attached) -> Attached:
    """Set the id of a trial, which it has only now, on what is attached to it."""
    attached.trial_id = trial.id
    return attached
