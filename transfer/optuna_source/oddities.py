"""What stock Optuna reads and the service cannot store as it is, and the rules to import it by."""

from collections import Counter
from enum import StrEnum

# The constant parameter of a study whose search space is not known.
PLACEHOLDER = "unknown"
# The user attributes that keep what a trial cannot have.
OLD_NUMBER = "optuna_number"
OLD_VALUES = "optuna_values"


class AdoptionRefused(Exception):
    """The study cannot be read, or cannot be represented in Django."""


class Rule(StrEnum):
    """An oddity, and what an import does about it."""

    NAME = "a name that cannot be used here: replaced"
    METRIC_NAMES = "metric names that are not texts of 1 to 256 characters, or not unique: left out"
    STUDY_ATTRIBUTES = "an attribute of samplers on a study without trials: left out"
    LOCAL_TIME = (
        "a trial of an Optuna before 5, which stored local times: taken as UTC (see --timezone)"
    )
    TIME_IN_UTC = "a trial of an Optuna that stores UTC: --timezone does not apply to it"
    NO_SPACE = (
        f'a study without any parameter: it has the constant parameter "{PLACEHOLDER}" '
        "(clone it with the search space that you want)"
    )
    RANGE = (
        "a parameter whose distribution changed between trials: it has the widest range, or the "
        "union of the choices"
    )
    BOUND = "a parameter with an infinite bound: the range ends at the trials' values"
    CHOICES = "a parameter with choices that are no text, number, bool or null: JSON texts"
    REPEATED = "a parameter with choices that repeat, or that Optuna confuses: one, or JSON texts"
    OUTSIDE = "a parameter outside its range: the range was widened"
    NOT_FINITE = "a parameter that is not finite: left out"
    QUEUED = "a queued parameter that the search space lacks or cannot have: left out"
    GAP = f'a trial after a gap in the numbers: renumbered, with user attribute "{OLD_NUMBER}"'
    RUNNING = "a RUNNING trial: failed (see --running)"
    TIMES = "a trial that ends before its start: it ends with its start"
    NO_TIMES = "a trial without a start or an end: it has the other one, or the import's time"
    SUPERFLUOUS = "a trial with times, steps or constraints that its state excludes: left out"
    VALUES = (
        f'a trial with values that its state excludes: moved to the user attribute "{OLD_VALUES}"'
    )
    INCOMPLETE = (
        "a COMPLETE trial without a value for each objective: failed, with what it has in the user "
        f'attribute "{OLD_VALUES}"'
    )
    STEPS = "an intermediate value at a step outside 0 to 2147483647: left out"
    CONSTRAINTS = "a trial that lacks constraints of others: satisfied (0)"
    UNBOUNDED = "a trial with constraints that are not finite: 1e300, or -1e300 for -Infinity"
    USER_ATTRIBUTES = (
        "a user attribute with NaN or Infinity: they are texts; with NUL or lone surrogates: U+FFFD"
    )
    SYSTEM_ATTRIBUTES = "a system attribute with NaN, Infinity, NUL or lone surrogates: left out"


class Oddities:
    """The oddities of one study: how often each rule was applied."""

    def __init__(self) -> None:
        self.counts: Counter[Rule] = Counter()

    def note(self, rule: Rule, reason: str) -> None:
        """Count an application of a rule; `reason` says where, for those who refuse it."""
        self.counts[rule] += 1

    def lines(self) -> list[str]:
        """Return a line for each rule that was applied, in the order of the rules."""
        return [f"{self.counts[rule]} x {rule}" for rule in Rule if self.counts[rule]]


class NoOddities(Oddities):
    """For an adoption, which keeps Optuna's rows as they are: any oddity is a refusal."""

    def note(self, rule: Rule, reason: str) -> None:
        raise AdoptionRefused(reason)
