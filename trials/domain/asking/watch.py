"""Measurement of the duration of an ask and of its parts."""

from django.conf import settings

from trials.signals import ask_measured
from tuner_project.observability.stopwatch import Watch, log_slow


class AskWatch(Watch):
    """A watch that measures an ask, and logs it if it took longer than SLOW_ASK_SECONDS."""

    def __init__(self, *, study: str, sampler: str) -> None:
        super().__init__()
        self._study = study
        self._sampler = sampler

    def finish(self, seconds: float, *, has_failed: bool) -> None:
        """Send the durations if the ask handed out trials, and log it if it was slow."""
        if not has_failed:
            ask_measured.send(AskWatch, sampler=self._sampler, seconds=seconds, parts=self.parts)
        if seconds > settings.SLOW_ASK_SECONDS:
            what = f'an ask of study "{self._study}"'
            log_slow(what, seconds, self.parts, study=self._study, sampler=self._sampler)
