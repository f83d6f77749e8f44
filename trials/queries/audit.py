"""The audit entries about one trial."""

from access.models.audit_entry import AuditEntry, SubjectKind
from trials.models import Trial

MAX_SEARCHED = 5000  # newest entries of the study, whose trials have no index of their own
MAX_ENTRIES = 50


def entries_about(trial: Trial) -> list[AuditEntry]:
    """Return the newest entries about a trial, of the newest ones about its study."""
    of_study = AuditEntry.objects.filter(subject_id=trial.study_id).order_by("-id")
    newest = of_study.values("id")[:MAX_SEARCHED]
    entries = AuditEntry.objects.filter(
        id__in=newest, kind=SubjectKind.TRIAL, numbers__contains=[trial.number]
    )
    return list(entries.order_by("-id")[:MAX_ENTRIES])
