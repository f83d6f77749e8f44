"""Reading a trial together with its study, in one round trip."""

from studies.models import NamedStudy
from studies.models.named_study import SentStudy
from trials.domain.fencing import UNFENCED, FencingToken
from trials.models import Trial
from tuner_project.db.pipelines import pipelined


def read_trial(named: NamedStudy, number: int, fence: FencingToken = UNFENCED) -> Trial:
    """Return a trial of the named study, and its study as `trial.study`.

    Raises:
        StudyNotFound, TrialNotFound
        StudyReplaced: it is not the study that `fence` names.
    """
    with pipelined():
        return _trial(named.send(), number, fence)


def lock_trial(named: NamedStudy, number: int, fence: FencingToken = UNFENCED) -> Trial:
    """Lock the named study until the transaction ends, and return as `read_trial` does.

    Raises:
        StudyNotFound, TrialNotFound
        StudyReplaced: it is not the study that `fence` names.
    """
    with pipelined():
        return _trial(named.send_lock(), number, fence)


def _trial(sent: SentStudy, number: int, fence: FencingToken) -> Trial:
    of_trial = Trial.objects.send_by_number(sent.name, number)
    study = sent.study()
    fence.check_study(study)
    return of_trial.trial(study)
