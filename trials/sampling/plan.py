"""Plans: what an ask would hand out, drawn without a lock."""

from dataclasses import dataclass, field

from trials.models import Trial
from trials.sampling.drafts import Draft
from trials.sampling.session import SamplerSession


@dataclass
class Plan:
    """A guess at what an ask will find under the lock.

    `revision` is the study's as it was known, `queued` are drafts by the number of the WAITING
    trial, and `new` those of new trials.
    """

    history: SamplerSession
    revision: int
    queued: dict[int, Draft] = field(default_factory=dict)
    new: list[Draft] = field(default_factory=list)

    @classmethod
    def of(cls, history: SamplerSession, n: int) -> "Plan":
        """Draw n trials, those that wait in the queue first, knowing everything that is committed.

        Holds no database lock, no transaction and no connection while the sampler thinks. Where it
        must know the trials' numbers nothing is drawn yet; of a space that is nearly used up,
        fewer may be left.
        """
        if history.needs_number:
            if history.taken is not None:
                history.sync()
            return cls(history, history.revision)
        with history.turn():
            plan = cls(history, history.revision)
            try:
                plan._draw(n)
            except BaseException:
                plan.close()
                raise
            return plan

    def _draw(self, n: int) -> None:
        history = self.history
        queued = Trial.objects.queue(history.study, n) if history.has_queue else []
        history.give_way()
        for trial in queued:
            if history.needs_draft(trial):
                self.queued[trial.number] = history.draw(trial.number, trial.params)
        while len(queued) + len(self.new) < n and (draft := history.draw_new()):
            self.new.append(draft)

    def n_new(self, n: int) -> int:
        """For how many of n new trials it will do."""
        if not self.history.needs_number:
            return min(n, len(self.new))
        n_left = self.history.n_left
        return n if n_left is None else min(n, n_left)

    def draft_of(self, trial: Trial) -> Draft | None:
        """The draft of a trial from the queue; None: it was not planned for."""
        if trial.number not in self.queued and self.history.needs_number:
            draft = self.history.sample_numbered(trial.number, fixed=trial.params)
            self.queued[trial.number] = draft
        return self.queued.get(trial.number)

    def new_draft(self, index: int, number: int) -> Draft:
        """The draft of a new trial, drawn again where its number decides the point."""
        planned = self.new[index] if index < len(self.new) else None
        is_of_another = planned is not None and planned.trial.number != number
        if planned is None or (is_of_another and self.history.is_seeded):
            planned = self.history.sample_numbered(number, instead_of=planned)
            self.new[index : index + 1] = [planned]
        return planned

    def close(self) -> None:
        """It was served, or will not be."""
        for draft in (*self.queued.values(), *self.new):
            draft.is_over = True
