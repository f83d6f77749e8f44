"""Trials, their intermediate values, and what is attached to them."""

from trials.models.attachments import Annotation, TrialLog
from trials.models.trial import IntermediateValue, Trial

__all__ = ["Annotation", "IntermediateValue", "Trial", "TrialLog"]
