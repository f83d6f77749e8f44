"""Fencing: a worker's result reaches the trial that it was given, or is refused."""

from dataclasses import dataclass

from studies.errors import StudyReplaced
from studies.models import Study
from trials.errors import NotHolder
from trials.models import Trial


@dataclass(frozen=True)
class FencingToken:
    """What a worker says about the trial that it holds; None where it says nothing.

    A study's name and a trial's number may mean another trial by now: the study may have been
    deleted and created again, and the trial may have been given to another worker.

    Attributes:
        study_id: The id of the study that handed out the trial. Ids are never used again.
        worker_id: The `worker_id` with which the trial was asked for.
    """

    study_id: int | None = None
    worker_id: str | None = None

    def check_study(self, study: Study) -> None:
        """Raise `StudyReplaced` if it names another study."""
        if self.study_id not in (None, study.id):
            raise StudyReplaced(
                f'study "{study.name}" was created again: its study_id is {study.id}, not '
                f"{self.study_id}; ask it for a new trial",
                study_id=study.id,
            )

    def check_holder(self, trial: Trial) -> None:
        """Raise `NotHolder` if it names another worker than that which got the trial."""
        if self.worker_id not in (None, trial.worker_id):
            holder = f'worker "{trial.worker_id}"' if trial.worker_id else "a nameless worker"
            detail = f'trial {trial.number} was handed out to {holder}, not to "{self.worker_id}"'
            raise NotHolder(detail)


UNFENCED = FencingToken()
