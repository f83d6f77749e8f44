"""What needs attention among all studies, in a sentence each."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from analysis.advice import weighty_advice
from analysis.overview.activity import Activity, FailingStudy, failing_studies
from analysis.overview.durations import in_largest_unit
from studies.enums import StudyState
from studies.models import Study

MAX_ADVISED = 5  # running studies for which advice is looked for
# Advice that the other concerns say already, and that which those about failures in a row say.
_SAID = {"failing", "stale_trials"}
_SAID_OF_FAILING = {*_SAID, "nothing_completes", "many_failures"}


class Kind(IntEnum):
    """What is wrong, the most serious first."""

    FAILING = 0
    ABANDONED = 1
    STALLED = 2
    ADVICE = 3


@dataclass(frozen=True)
class Concern:
    """A sentence about a study, and the number of the trial that shows what it says, if any."""

    kind: Kind
    study_id: int
    study_name: str
    text: str
    number: int | None = None


def concerns(found: Sequence[Activity], advised: Sequence[Study]) -> list[Concern]:
    """Return what needs attention, the most serious first.

    Args:
        found: All studies with running trials.
        advised: Running studies for which advice is looked for, up to `MAX_ADVISED`.
    """
    failing = failing_studies()
    failing_ids = {study.study_id for study in failing}
    told = [
        *map(_failing, failing),
        *_of_activities(found),
        *_of_advice(advised, failing_ids),
    ]
    return sorted(told, key=lambda concern: concern.kind)


def _failing(study: FailingStudy) -> Concern:
    text = f"the last {study.n_failures:,} trials have failed"
    if study.n_failures == 1:
        text = "the last trial has failed"
    if study.reason:
        text += f": {study.reason.strip().partition(chr(10))[0]}"
    if study.state == StudyState.PAUSED:
        text = f"paused; {text}"
    return Concern(Kind.FAILING, study.study_id, study.name, text, study.last_number)


def _of_activities(found: Iterable[Activity]) -> Iterator[Concern]:
    for each in found:
        of_study = (each.study_id, each.name)
        if each.n_expired:
            text = f"{_trials(each.n_expired)} lost: expired leases, and no worker has asked since"
            yield Concern(Kind.ABANDONED, *of_study, text, each.first_expired)
        if each.n_silent:
            time = in_largest_unit(each.overdue)
            silent = f"{_trials(each.n_silent)} without a sign of life for {time}"
            text = f"{silent}, and no lease ends them"
            yield Concern(Kind.ABANDONED, *of_study, text, each.first_silent)
        if not (each.n_expired or each.n_silent):
            yield from _stalled(each)


def _stalled(each: Activity) -> Iterator[Concern]:
    waits = each.waits_since
    if waits is None or waits <= each.overdue:
        return
    text = f"{_trials(each.n_running)} running, none has ended for {in_largest_unit(waits)}"
    if each.usual is not None:
        text += f"; usually a trial takes {in_largest_unit(each.usual)}"
    yield Concern(Kind.STALLED, each.study_id, each.name, text)


def _of_advice(studies: Sequence[Study], failing_ids: Collection[int]) -> Iterator[Concern]:
    for study in studies[:MAX_ADVISED]:
        said = _SAID_OF_FAILING if study.id in failing_ids else _SAID
        for advice in weighty_advice(study=study):
            if advice.code not in said:
                yield Concern(Kind.ADVICE, study.id, study.name, advice.detail)


def _trials(n: int) -> str:
    return "1 trial" if n == 1 else f"{n:,} trials"
