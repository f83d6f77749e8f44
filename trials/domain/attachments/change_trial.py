"""Changes of what a trial says of itself: its user attributes, note and links."""

from collections.abc import Mapping
from typing import Any

from access.actors import Actor
from access.domain.audit import record, shortened
from access.models.audit_entry import Action
from studies.models import NamedStudy
from trials.domain.attachments.links import MAX_LINKS
from trials.domain.audit import change_of_trials
from trials.domain.fencing import UNFENCED, FencingToken
from trials.domain.locking import read_trial
from trials.domain.reporting import add_user_attrs
from trials.errors import InvalidTrial, TrialNotFound
from trials.models import Annotation, Trial
from tuner_project.db.pipelines import pipelined, pipelined_transaction

MAX_NOTE = 4000  # characters


@pipelined_transaction()
def change_trial(
    *,
    actor: Actor,
    named: NamedStudy,
    number: int,
    user_attrs: Mapping[str, Any] | None = None,
    note: str | None = None,
    links: Mapping[str, str | None] | None = None,
    fence: FencingToken = UNFENCED,
) -> Trial:
    """Change a trial's note and links, whatever its state is; user attributes while it runs.

    Args:
        actor: Who changes it.
        named: The study.
        number: The number of the trial.
        user_attrs: Attributes to add, which also renews the lease, as by a heartbeat.
        note: The new note; "" removes it, None leaves it.
        links: URLs by name, added to those that it has; one without a URL is removed.
        fence: Which trial the client means.

    Returns:
        The trial with its `annotation`.

    Raises:
        StudyNotFound, TrialNotFound
        StudyReplaced, NotHolder: It is not the trial that `fence` names.
        TrialFinished, TrialNotRunning, LeaseLost: It is not running, so it takes no attributes.
        InvalidResult: It would have too many attributes.
        InvalidTrial: It would have too many links.
    """
    if user_attrs is not None:
        trial = add_user_attrs(named=named, number=number, user_attrs=user_attrs, fence=fence)
    else:
        trial = read_trial(named, number, fence)
        fence.check_holder(trial)
    if note is None and links is None:
        return _with(trial, Annotation.objects.filter(pk=trial.pk).first())
    annotation = Annotation.objects.locked(trial.id)
    if annotation is None:
        raise TrialNotFound.numbered(number)  # deleted since it was read
    changes = _apply(annotation, note, links or {})
    if changes:
        annotation.save(update_fields=["note", "links"])
        record(actor, change_of_trials(Action.CHANGED, trial.study, [trial], changes))
    trial.annotation = annotation
    return trial


def read_annotated(*, named: NamedStudy, number: int) -> Trial:
    """Return a trial with its `annotation`.

    Raises:
        StudyNotFound, TrialNotFound
    """
    with pipelined():
        sent = Annotation.objects.send_by_number(named.name, number)
        return _with(read_trial(named, number), sent.first())


def _with(trial: Trial, annotation: Annotation | None) -> Trial:
    """Set a trial's annotation, an empty one if there is none of this trial."""
    is_its = annotation is not None and annotation.pk == trial.pk  # not of a replaced study
    trial.annotation = annotation if annotation and is_its else Annotation(trial=trial)
    return trial


def _apply(
    annotation: Annotation, note: str | None, links: Mapping[str, str | None]
) -> dict[str, Any]:
    """Change an annotation, and return what the audit keeps of that; nothing if it stays."""
    changes: dict[str, Any] = {}
    if note is not None and note != annotation.note:
        annotation.note, changes["note"] = note, shortened(note)
    merged = {name: url for name, url in {**annotation.links, **links}.items() if url is not None}
    if len(merged) > max(MAX_LINKS, len(annotation.links)):
        detail = f"the trial would have {len(merged)} links; at most {MAX_LINKS} are allowed"
        raise InvalidTrial(detail, [(("links",), detail)])
    if merged != annotation.links:
        changed = merged.items() ^ annotation.links.items()
        annotation.links, changes["links"] = merged, sorted({name for name, _ in changed})
    return changes
