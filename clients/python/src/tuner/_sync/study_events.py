"""What has happened to a study."""

from collections.abc import Iterator

from tuner._sync.study_base import StudyBase
from tuner._sync.tasks import sleep
from tuner.answers import Event
from tuner.errors import StudyReplaced

PAGE = 1000


class StudyEvents(StudyBase):
    """The events of a study."""

    def events(
        self, after: int = 0, *, follow: bool = False, every: float = 2.0
    ) -> Iterator[Event]:
        """Yield the study's events in their order.

        Args:
            after: the number of the last event that is known.
            follow: wait for further events, until the study is completed or cancelled.
            every: the seconds between two requests then.

        Raises:
            ApiError: code `cursor_ahead`: the study has had no event with the number `after`.
            StudyReplaced: the study was deleted meanwhile, and created again.
        """
        study_id: int | None = None
        while True:
            answer = self._get("events", after=after, limit=PAGE)
            if study_id not in {None, answer["study_id"]}:
                raise StudyReplaced(
                    409,
                    "study_replaced",
                    f'study "{self.name}" was deleted, and created again: its events begin anew',
                )
            study_id, after = answer["study_id"], answer["next_after"]
            for event in answer["events"]:
                yield Event.read(event)
            if answer["events"]:
                continue
            if not follow or answer["state"] in {"COMPLETED", "CANCELLED"}:
                return
            sleep(every)
