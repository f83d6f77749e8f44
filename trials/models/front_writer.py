"""The writes by which the best trial, the front and the groups follow from all trials of a study.

Optuna stores none of them, so the writes here are not projected into its schema.
"""

from collections.abc import Sequence

from django.db.models import F

from studies.models import Study
from trials.models import front, improvement, repeats
from trials.models.querysets import T, TrialReader
from trials.models.repeats import Settled
from trials.models.statements import front as front_statements
from trials.models.statements import rows


class FrontWriter(TrialReader[T]):
    """The methods of Trial's manager that write the front, and the results of groups."""

    def restore_front(self, study: Study, removed: Sequence[float]) -> None:
        """Find the best trial or the front of a locked study, of which one was removed.

        `removed` are the values of that trial, which has been stored without them.
        """
        released: list[int] = []
        if study.is_multi_objective:
            these = front.feasible(study, self.filter(study_id=study.id))
            rest = these.filter(on_front=True), these.filter(on_front=False)
            released = front.released(study, removed, *rest)
        front_statements.restore_front(study, released)

    def find_front(self, study: Study, *, is_news: bool = True) -> None:
        """Find the best trial or the front of a locked study among all its trials.

        `is_news` says whether results have changed, or were imported.
        """
        front_statements.clear_front(study)
        these = front.feasible(study, self.filter(study_id=study.id))
        released = front.undominated_ids(study, these) if study.is_multi_objective else []
        front_statements.restore_front(study, released, is_news=is_news)

    def settle_all(self, study: Study) -> None:
        """Set the results of all groups of a locked study whose trials were just written."""
        trials = self.filter(study_id=study.id)
        leaders = trials.filter(number=F("repeat_group")).order_by("number")
        groups, last = leaders.values_list("number", flat=True), -1
        while part := list(groups.filter(number__gt=last)[: repeats.groups_at_a_time(study)]):
            last = part[-1]
            these = trials.filter(repeat_group__range=(part[0], last))
            settled = Settled()
            for members in repeats.by_group(repeats.counting(study, these)).values():
                repeats.settle_group(settled, members)
            rows.update_groups(settled.leaders)
        self.find_front(study, is_news=False)
        self._count_anew(study)

    def _settle(self, study: Study, trials: Sequence[T], was: Sequence[str]) -> Settled:
        """Set the results of the trials' groups, which reports leave as they are."""
        changed = [
            each
            for each, before in zip(trials, was, strict=True)
            if not each.state == before == "RUNNING"
        ]
        if study.repeats is None or not changed:
            return Settled()
        return repeats.settle(study, self.filter(study_id=study.id), changed)

    def _count_anew(self, study: Study) -> None:
        """Count for `stop_after_no_improvement` from the best value that is left."""
        if improvement.anew(study) is not None:
            study.save(update_fields=Study.PROGRESS)
