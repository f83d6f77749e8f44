"""Trials and their intermediate values."""

from trials.models.trial import IntermediateValue, Trial

__all__ = ["IntermediateValue", "Trial"]
