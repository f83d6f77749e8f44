"""What workers saw while things were killed, and what must be true of it."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from tests.accept.workers import Seen
from tests.service import Client

GRACE = 3  # seconds after the recovery in which a request may still fail


class Ledger:
    """All that the workers saw over all rounds, and what must be true of it."""

    def __init__(self, studies: Iterable[str]) -> None:
        self._studies = list(studies)
        self.suggested: dict[tuple[str, int], str] = {}
        self.completed: dict[tuple[str, int], float] = {}
        self.excused = 0
        self.longest_wait = 0.0  # seconds until such a failure was answered

    def enter(self, seen: Seen, *down: tuple[float, float]) -> None:
        """Add a round of one worker, in which something was `down` from the one to the other."""
        assert seen.faults == []
        late = [
            f"{failure.began - max(ended for _, ended in down):+.1f} s from the last recovery: "
            f"{failure.text}"
            for failure in seen.failures
            if not any(
                began <= failure.ended and failure.began <= ended + GRACE for began, ended in down
            )
        ]
        assert late == [], "failed while nothing was down"
        self.excused += len(seen.failures)
        waits = [failure.ended - failure.began for failure in seen.failures]
        self.longest_wait = max([self.longest_wait, *waits])
        for study, number, params in seen.suggested:
            assert (study, number) not in self.suggested, f"trial {number} was handed out twice"
            self.suggested[study, number] = repr(params)
        for study, number, value in seen.completed:
            self.completed[study, number] = value

    def check(self, client: Client) -> int:
        """Compare with what the service says now; gives the number of trials."""
        stored = {
            (study, trial["trial_id"]): trial
            for study in self._studies
            for trial in _numbered(client, study)
        }
        for key, params in self.suggested.items():
            assert repr(stored[key]["params"]) == params
        for key, value in self.completed.items():
            assert (stored[key]["state"], stored[key]["values"]) == ("COMPLETE", [value])
        return len(stored)


def _numbered(client: Client, study: str) -> list[Any]:
    """A study's trials, whose numbers have no gap and whose counts are right."""
    trials = client.all_trials(study)
    assert [trial["trial_id"] for trial in trials] == list(range(len(trials)))
    summary = client.get(f"/studies/{study}".replace(" ", "%20"))
    assert summary["n_trials"] == len(trials)
    counted = Counter(trial["state"] for trial in trials)
    assert {state: n for state, n in summary["trial_counts"].items() if n} == dict(counted)
    return trials
