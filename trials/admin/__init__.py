"""The admin of trials, to look at, and what it does with studies and their trials together."""

from trials.admin.model_admin import TrialAdmin
from trials.admin.studies import MovableStudyAdmin

__all__ = ["MovableStudyAdmin", "TrialAdmin"]
