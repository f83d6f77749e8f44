"""The rule by which `auto` chooses a sampler for an ask.

It depends only on the study's definition, the number of the trial, and how many trials have ended
in which way, so that a reader can follow it, and a seeded study repeats itself. How it was chosen
is in docs/samplers.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

# So many trials are enough for a model to be of some use.
DESIGN_SIZE = 6
# Of as many trials TPE takes the last one: a second opinion. It has none on the first ones, when it
# tells good from bad by too few.
PERIOD = 4
FIRST_SECOND_OPINION = 12
# From so many completed trials on the model of `gp` leaves most of them out, and takes long.
MAX_MODELLED = 300
# A choice with fewer trials is explored; a parameter with more choices is not.
MAX_TRIES = 15
MAX_CHOICES = 8


class Choice(StrEnum):
    """What draws a trial: the samplers of these names, or the first points of every study."""

    DESIGN = "design"
    GP = "gp"
    TPE = "tpe"


@dataclass(frozen=True)
class Facts:
    """What the rule depends on.

    Attributes:
        number: The number of the trial.
        n_completed: The trials that have values.
        n_pruned: The trials that were pruned.
        can_model: Whether `gp` is installed, and takes a study of this size.
    """

    number: int
    n_completed: int
    n_pruned: int
    can_model: bool


def choose(facts: Facts) -> Choice:
    """Return what draws the trial: the first of these lines that holds.

    1. `design`, until DESIGN_SIZE trials are completed or pruned;
    2. `tpe`, where `gp` cannot draw for the study;
    3. `tpe`, where more trials were pruned than completed: `gp` learns nothing from a pruned one;
    4. `tpe`, from MAX_MODELLED completed trials on;
    5. `tpe` for the last of PERIOD trials, from the trial FIRST_SECOND_OPINION on;
    6. `gp`.
    """
    if facts.n_completed + facts.n_pruned < DESIGN_SIZE:
        return Choice.DESIGN
    if not facts.can_model or facts.n_pruned > facts.n_completed:
        return Choice.TPE
    is_last = facts.number % PERIOD == PERIOD - 1
    if facts.n_completed >= MAX_MODELLED or (is_last and facts.number >= FIRST_SECOND_OPINION):
        return Choice.TPE
    return Choice.GP


def choice_to_explore(number: int, tried: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """Return the choice within which `gp` draws a trial, by its index; empty if none.

    Of PERIOD trials the one before TPE's explores the choice that was tried least, unless all were
    tried MAX_TRIES times. Otherwise a study stays with the choice whose first trials were lucky.

    Args:
        number: The number of the trial.
        tried: How many trials have each choice, by parameter.
    """
    found = [(min(counts), name) for name, counts in tried.items() if len(counts) <= MAX_CHOICES]
    if number % PERIOD != PERIOD - 2 or not found:
        return {}
    least, name = min(found)
    return {name: list(tried[name]).index(least)} if least < MAX_TRIES else {}
