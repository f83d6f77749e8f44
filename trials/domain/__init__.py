"""The use cases of trials."""

from trials.domain.adding.queueing import NewTrial, add_trials, cancel_trial
from trials.domain.asking.ask import ask, ask_many
from trials.domain.attachments.change_trial import change_trial, read_annotated
from trials.domain.attachments.write_log import read_log, write_log
from trials.domain.corrections.invalidate import invalidate_trial
from trials.domain.corrections.retry import Retried, retry_failed_trials, retry_trial
from trials.domain.expire_leases import expire_trials, fail_running_trials
from trials.domain.fencing import FencingToken
from trials.domain.reporting import (
    HeartbeatReply,
    ReportReply,
    add_user_attrs,
    heartbeat,
    report,
)
from trials.domain.telling import tell, tell_many
from trials.domain.trial_result import TrialResult

__all__ = [
    "FencingToken",
    "HeartbeatReply",
    "NewTrial",
    "ReportReply",
    "Retried",
    "TrialResult",
    "add_trials",
    "add_user_attrs",
    "ask",
    "ask_many",
    "cancel_trial",
    "change_trial",
    "expire_trials",
    "fail_running_trials",
    "heartbeat",
    "invalidate_trial",
    "read_annotated",
    "read_log",
    "report",
    "retry_failed_trials",
    "retry_trial",
    "tell",
    "tell_many",
    "write_log",
]
