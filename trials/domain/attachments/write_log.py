"""Logs of trials, whose end workers send while they evaluate them, and shortly afterwards."""

from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from optuna_bridge.enums import TrialState
from studies.models import NamedStudy
from trials.domain.attachments.log_tail import LogTail
from trials.domain.fencing import UNFENCED, FencingToken
from trials.domain.locking import read_trial
from trials.errors import LogClosed, TrialNotFound, TrialNotRunning
from trials.models import Trial, TrialLog

OPEN_FOR = timedelta(hours=1)  # after the trial's end


@transaction.atomic
def write_log(
    *,
    named: NamedStudy,
    number: int,
    text: str,
    append: bool = False,
    offset: int | None = None,
    fence: FencingToken = UNFENCED,
) -> TrialLog:
    """Replace the log of a trial, or append to it; its end is kept.

    It changes neither the lease nor anything else of the trial, whose study is not locked. A trial
    that has lost its lease keeps its log: the next attempt is another trial.

    Args:
        named: The study.
        number: The number of the trial.
        text: What was printed.
        append: Whether the text is added at the end, instead of replacing all.
        offset: The position in the log, in bytes of UTF-8, at which the text belongs; what is there
            already is not added again. It implies `append`.
        fence: Which trial the client means.

    Raises:
        StudyNotFound, TrialNotFound
        StudyReplaced, NotHolder: It is not the trial that `fence` names.
        TrialNotRunning: The trial was not handed out yet, or never.
        LogClosed: It has ended long ago.
    """
    trial = read_trial(named, number, fence)
    _check_is_open(trial, fence)
    log = TrialLog.objects.locked(trial.id)
    if log is None:
        raise TrialNotFound.numbered(number)  # deleted since it was read
    is_added = append or offset is not None
    tail = LogTail(log.text, log.size).extended(text, offset) if is_added else LogTail.of(text)
    if (tail.text, tail.size) != (log.text, log.size):
        log.text, log.size = tail.text, tail.size
        TrialLog.objects.filter(pk=log.pk).update(text=log.text, size=log.size, written_at=Now())
    return log


def read_log(*, named: NamedStudy, number: int) -> TrialLog:
    """Return the log of a trial, an empty one if it has none.

    Raises:
        StudyNotFound, TrialNotFound
    """
    trial = read_trial(named, number)
    return TrialLog.objects.filter(pk=trial.id).first() or TrialLog(trial=trial)


def _check_is_open(trial: Trial, fence: FencingToken) -> None:
    if trial.state == TrialState.WAITING or trial.datetime_start is None:
        raise TrialNotRunning(
            f"trial {trial.number} is {trial.state} and was never handed out: it has no log"
        )
    fence.check_holder(trial)
    if not TrialState(trial.state).is_finished:
        return
    ended = Trial.objects.filter(pk=trial.id, datetime_complete__lte=Now() - OPEN_FOR)
    if ended.exists():
        raise LogClosed(
            f"trial {trial.number} ended more than {OPEN_FOR.seconds // 60} minutes ago: "
            "its log is closed; add a link to a later one instead"
        )
