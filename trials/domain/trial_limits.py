"""The limits on what a trial collects over its requests, from settings; 0 means unlimited."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from django.conf import settings

from trials.errors import InvalidResult
from trials.models import Trial


def check_room_on_trial(
    trial: Trial, steps: Collection[int], user_attrs: Mapping[str, Any]
) -> None:
    """Check that a trial has room for more intermediate values and user attributes.

    Those that are there already, for example from an import, may be more.

    Raises:
        InvalidResult: it would have more than MAX_STEPS_PER_TRIAL intermediate values, or more than
            MAX_TRIAL_ATTRIBUTE_BYTES of user attributes.
    """
    check_n_steps(trial.steps, steps)
    check_attribute_bytes(trial.user_attrs, user_attrs)


def check_n_steps(stored: Collection[int], new: Collection[int]) -> None:
    """Raise `InvalidResult` if the steps of a trial would be too many."""
    most: int = settings.MAX_STEPS_PER_TRIAL
    if not most or len(stored) + len(new) <= most:
        return
    added = len(set(new) - set(stored))
    if added and len(stored) + added > most:
        raise InvalidResult(
            f"the trial would have {len(stored) + added} intermediate values; at most {most} are "
            "allowed: report fewer steps"
        )


def check_attribute_bytes(stored: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Raise `InvalidResult` if the user attributes of a trial would be too large together."""
    most: int = settings.MAX_TRIAL_ATTRIBUTE_BYTES
    if not most or not new:
        return
    size = _bytes({**stored, **new})
    if size > max(most, _bytes(stored)):
        detail = (
            f"the trial would have user attributes of {size} bytes as JSON; at most {most} are "
            "allowed: replace some, or store large contents elsewhere"
        )
        raise InvalidResult(detail, [(("user_attrs",), detail)])


def _bytes(attrs: Mapping[str, Any]) -> int:
    return len(json.dumps(attrs, ensure_ascii=False).encode())
