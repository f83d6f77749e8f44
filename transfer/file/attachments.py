"""Notes, links and logs in the line of a trial, which has only the keys that it needs."""

from typing import Any

from rest_framework import serializers

from trials.domain.attachments.log_tail import MAX_LOG_BYTES
from trials.models import Annotation, Trial, TrialLog
from tuner_project.rest.serializers import (
    StrictCharField,
    StrictDateTimeField,
    StrictIntegerField,
    StrictSerializer,
)


class LogLineSerializer(StrictSerializer):
    """The end of a log."""

    text = StrictCharField(allow_blank=True)
    size = StrictIntegerField(min_value=0)
    datetime = StrictDateTimeField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        n_kept = len(attrs["text"].encode())
        if n_kept > MAX_LOG_BYTES:
            text = f"has {n_kept} bytes; at most {MAX_LOG_BYTES} are kept of a log"
            raise serializers.ValidationError({"text": [text]})
        if attrs["size"] < n_kept:
            raise serializers.ValidationError({"size": [f"the text has {n_kept} bytes"]})
        return attrs


def annotation_of(trial: Trial) -> Annotation | None:
    """Return the note and links that were set on a trial, without a query."""
    return trial.annotation if Trial.annotation.is_cached(trial) else None


def log_of(trial: Trial) -> TrialLog | None:
    """Return the log that was set on a trial, without a query."""
    return trial.log if Trial.log.is_cached(trial) else None


def attach(trial: Trial, note: str, links: dict[str, str], log: dict[str, Any] | None) -> None:
    """Set what a line says on a trial that is not stored yet."""
    if note or links:
        trial.annotation = Annotation(note=note, links=links)
    if log is not None:
        written_at = log.get("datetime")
        trial.log = TrialLog(text=log["text"], size=log["size"], written_at=written_at)
