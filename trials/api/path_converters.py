"""The path converter of trial numbers."""

from django.urls import register_converter


class TrialNumberConverter:
    """A path converter for a trial's number of at most nine digits."""

    regex = r"0|[1-9][0-9]{0,8}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


register_converter(TrialNumberConverter, "trial_number")
